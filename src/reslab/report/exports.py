"""Every table of a report as files of its own: CSV to compute with, LaTeX (booktabs, longtable) to typeset."""

import csv
import io
from collections.abc import Mapping

from reslab.exhibits.blocks import Table
from reslab.report.document import Document, Section, anchor, pieces
from reslab.report.values import render


def tables_as_files(document: Document) -> dict[str, str]:
    """Return the contents of tables/NAME.csv and tables/NAME.tex, by that name, for each table of the report."""
    numbers, exhibits = document.numbers(), document.exhibits()
    tables = [(name, block, section) for name, block, section in exhibits if isinstance(block, Table)]
    found = {f"tables/{name}.csv": _csv(table) for name, table, _ in tables}
    return found | {f"tables/{name}.tex": _latex(table, section, numbers) for name, table, section in tables}


def _csv(table: Table) -> str:
    """Return a table as CSV with a head, in ASCII's minus signs; a cell without a value is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.title for column in table.columns)
    writer.writerows(
        [(cell or "").replace("\N{MINUS SIGN}", "-").replace("\n", " ") for cell in row] for row in table.rows
    )
    return out.getvalue()


def _latex(table: Table, section: Section, numbers: Mapping[str, str]) -> str:
    r"""Return a table as LaTeX, for a document that has \usepackage{booktabs,longtable}."""
    caption = "".join(piece["text"] for piece in pieces(f"{table.title}.  {table.caption}", section, numbers))
    longest = [max([0, *(len(row[place] or "") for row in table.rows)]) for place in range(len(table.columns))]
    columns = [
        rf"p{{{WRAPPED}\textwidth}}" if most > LONGEST else column.align[0]
        for column, most in zip(table.columns, longest, strict=True)
    ]
    values = {"table": table, "columns": columns, "name": anchor(section, table.key), "caption": caption}
    values["long"] = len(table.rows) > PAGE
    return render("table.tex", values, filters={"escaped": _escaped})


LONGEST = 40
"""Characters of a cell from which on its column is wrapped."""
PAGE = 40
"""Rows that fit on a page."""
WRAPPED = 0.3
"""Width of such a column, as a share of the text's."""

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\N{MINUS SIGN}": "$-$",
        "\N{EN DASH}": "--",
        "±": r"$\pm$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "∝": r"$\propto$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "†": r"\dag{}",
        "<": "$<$",
        ">": "$>$",
        "\N{NO-BREAK SPACE}": "~",
        "\n": " ",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def _escaped(text: str) -> str:
    """Return text whose characters mean nothing to LaTeX."""
    return text.translate(_SPECIAL)
