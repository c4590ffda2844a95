"""Every table of a report as separate files: CSV to compute with, LaTeX to typeset."""

import csv
import io
import textwrap
from collections.abc import Mapping

from reslab.exhibits.blocks import Column, Table
from reslab.report.document import Document, Section, anchor, pieces
from reslab.report.values import render


def tables_as_files(document: Document) -> dict[str, str]:
    """Return the contents of tables/NAME.csv and tables/NAME.tex for each table of the report, by file name."""
    numbers, exhibits = document.numbers(), document.exhibits()
    tables = [(name, block, section) for name, block, section in exhibits if isinstance(block, Table)]
    found = {f"tables/{name}.csv": _csv(table) for name, table, _ in tables}
    return found | {f"tables/{name}.tex": _latex(table, section, numbers) for name, table, section in tables}


def _csv(table: Table) -> str:
    """Return a table as CSV with a header and ASCII minus signs; a cell without a value is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.title for column in table.columns)
    writer.writerows(
        [(cell or "").replace("\N{MINUS SIGN}", "-").replace("\n", " ") for cell in row] for row in table.rows
    )
    return out.getvalue()


def _latex(table: Table, section: Section, numbers: Mapping[str, str]) -> str:
    r"""Return a table as LaTeX, for a document that has \usepackage{booktabs,graphicx,longtable}.

    It is at most as wide as the text: headings break into lines, long cells are wrapped, and a table that is still too
    wide is scaled down.  One too long for a page breaks between rows.
    """
    caption = "".join(piece["text"] for piece in pieces(f"{table.title}.  {table.caption}", section, numbers))
    longest = [max([0, *(len(row[place] or "") for row in table.rows)]) for place in range(len(table.columns))]
    is_long = len(table.rows) > PAGE
    limit, share = WRAPPED_LONG if is_long else WRAPPED
    wrapped = [most > limit for most in longest]
    if len(wrapped) <= FEW:
        share = round(0.75 / max(1, sum(wrapped)), 2)
    columns = [
        rf"p{{{share}\textwidth}}" if is_wrapped else column.align[0]
        for column, is_wrapped in zip(table.columns, wrapped, strict=True)
    ]
    head = [_heading(column, most) for column, most in zip(table.columns, longest, strict=True)]
    name = anchor(section, table.key)
    values = {"rows": table.rows, "columns": columns, "head": head, "name": name, "caption": caption, "long": is_long}
    return render("table.tex", values, filters={"escaped": _escaped})


def _heading(column: Column, longest: int) -> str:
    """Return a column's heading as LaTeX, in lines as short as its cells, or as its words, allow."""
    lines = textwrap.wrap(column.title, max(longest, *map(len, column.title.split()))) if column.title else [""]
    stacked = r" \\ ".join(map(_escaped, lines))
    return stacked if len(lines) == 1 else rf"\shortstack[{column.align[0]}]{{{stacked}}}"


PAGE = 40
"""Rows that fit on a page."""
WRAPPED, WRAPPED_LONG = (40, 0.3), (20, 0.13)
"""Characters of a cell above which its column is wrapped, and the column's width as a fraction of the text's."""
FEW = 3
"""Most columns of a table whose wrapped ones share most of the text's width."""

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
    """Return text escaped for LaTeX."""
    return text.translate(_SPECIAL)
