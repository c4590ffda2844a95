"""The report as Markdown, its charts as pictures beside it."""

import re

from reslab.report.document import Document, Piece
from reslab.report.rendering import render

MISSING = "\N{EN DASH}"
"""What a cell without a value shows."""


def render_markdown(document: Document) -> str:
    """Return the whole report, which refers to its charts as figures/NAME.svg; see `reslab.report.pictures`."""
    text = render("report.md", document, _piece, filters={"escaped": _escape}, missing=MISSING)
    return re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"


def _piece(piece: Piece) -> str:
    return piece.text if piece.kind == "link" else _escape(piece.text)


def _escape(text: str) -> str:
    """Return text whose characters mean nothing to Markdown or HTML."""
    flat = re.sub(r"([\\`*_\[\]|<>#&~])", r"\\\1", re.sub(r"\s+", " ", text))
    return flat.replace("\\&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")
