"""The report as a typeset PDF.

Words, numbers and drawings reach the typesetter as JSON, never as code: a string is shown verbatim, whatever it
contains.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import typst

from reslab.errors import ResLabError
from reslab.files import one_line
from reslab.report.document import Document
from reslab.report.values import Json, document_values

LONG_WORD = 24
"""Least length in characters at which a word may be broken anywhere."""

MOST_SAID = 200
"""Most characters quoted of the typesetter's error."""


class NotTypesetError(ResLabError):
    """The typesetter failed on this report."""


def render_pdf(document: Document, pictures: Mapping[str, str]) -> bytes:
    """Return the report as PDF; the same document gives the same bytes.

    `pictures` are the charts by name, as SVG (see `reslab.report.pictures`).  Raises `NotTypesetError`.
    """
    data = json.dumps(pdf_data(document, pictures), ensure_ascii=False, allow_nan=False)
    with as_file(files("reslab.report") / "templates") as folder:
        try:
            made = typst.compile(
                folder / "report.typ",
                root=folder,  # the template reads no files, and from here could only read templates
                ignore_system_fonts=True,
                sys_inputs={"data": data},
                timestamp=0,
            )
        except typst.TypstError as error:
            raise NotTypesetError(f"it cannot be typeset: {one_line(str(error))[:MOST_SAID]}") from error
    return bytes(made)


def pdf_data(document: Document, pictures: Mapping[str, str]) -> Json:
    """Return everything that the template shows, as JSON values."""
    found: Json = _cleaned(document_values(document))
    return found | {"pictures": dict(pictures)}


def _cleaned(value: Any) -> Any:
    """Return values with their texts cleaned; names and targets are unchanged."""
    if isinstance(value, dict):
        return {key: part if key in ("name", "target") else _cleaned(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    """Return text on one line, without unprintable characters, and with breaks allowed within very long words."""
    flat = re.sub(r"[ \t\r\n\f\v\u2028\u2029]+", " ", text)
    visible = re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]", "\ufffd", flat)
    return re.sub(rf"[^\s\u200b]{{{LONG_WORD},}}", lambda match: _breakable(match.group()), visible)


def _breakable(word: str) -> str:
    """Return a long word with places to break it: after punctuation, and every `LONG_WORD` / 2 characters."""
    parts = re.sub(r"(?<=[-_/.,;:=&?])(?=[^-_/.,;:=&?])", "\u200b", word).split("\u200b")
    return "\u200b".join(re.sub(rf"(.{{{LONG_WORD // 2}}})(?=.)", "\\1\u200b", part) for part in parts)
