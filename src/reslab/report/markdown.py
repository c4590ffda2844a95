"""The report as Markdown, with its charts as separate pictures."""

import re

from reslab.report.document import Document
from reslab.report.values import document_values, render


def render_markdown(document: Document) -> str:
    """Return the whole report, which links to its charts as figures/NAME.svg; see `reslab.report.pictures`."""
    text = render("report.md", document_values(document), filters={"escaped": _escaped})
    return re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"


def _escaped(text: str) -> str:
    """Return text escaped for Markdown and HTML."""
    flat = re.sub(r"([\\`*_\[\]|<>#&~])", r"\\\1", re.sub(r"\s+", " ", text))
    return flat.replace("\\&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")
