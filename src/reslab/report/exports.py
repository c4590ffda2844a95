"""Every table of a report as files of its own: CSV to compute with, LaTeX (booktabs) to typeset."""

import csv
import io
import re

from reslab.exhibits.blocks import Table
from reslab.report.document import Document, Section, anchor, pieces
from reslab.report.markdown import MISSING


def tables_as_files(document: Document) -> dict[str, str]:
    """Return the contents of tables/NAME.csv and tables/NAME.tex, by that name, for each table of the report."""
    numbers = document.numbers()
    tables = [
        (anchor(section, block.key), block, section)
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Table)
    ]
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


def _latex(table: Table, section: Section, numbers: dict[str, str]) -> str:
    r"""Return a table as LaTeX, for a document that has \usepackage{booktabs}."""
    align = "".join("l" if column.align == "left" else "r" for column in table.columns)
    caption = "".join(piece.text for piece in pieces(f"{table.title}.  {table.caption}", section, numbers))
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escape(caption)}}}",
        rf"\label{{tab:{anchor(section, table.key)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        " & ".join(_escape(column.title) for column in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(_escape(MISSING if cell is None else cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "±": r"$\pm$",
    "†": r"\dag{}",
    "<": "$<$",
    ">": "$>$",
    "\N{NO-BREAK SPACE}": "~",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _escape(text: str) -> str:
    """Return text whose characters mean nothing to LaTeX."""
    return re.sub(
        r"[\\~^<>&%$#_{}±†\u2212\u2013\u00a0]", lambda match: _SPECIAL[match.group()], text.replace("\n", " ")
    )
