"""The report as one self-contained page with interactive charts."""

import json
import re
import urllib.parse
from collections.abc import Mapping
from functools import cache
from typing import Any

import vl_convert
from markupsafe import Markup, escape

from reslab.exhibits.blocks import Figure, Link
from reslab.report.document import Document, Piece
from reslab.report.pictures import names
from reslab.report.rendering import render


def render_html(document: Document, pictures: Mapping[str, str]) -> str:
    """Return the whole page; the same document gives the same text.

    `pictures` are the charts by name: what is seen until a chart is alive, or where there is no JavaScript.
    """
    charts, pool = _charts(document)
    return render(
        "page.html",
        document,
        _piece,
        filters={"named": _named},
        charts=_json(charts),
        pool=f"[{','.join(pool)}]",
        is_link=lambda cell: isinstance(cell, Link),
        pictures={name: _data_address(svg) for name, svg in pictures.items()},
        library=Markup(_library()) if charts else "",
    )


def _piece(piece: Piece) -> str:
    """Return a stretch of text as HTML: escaped, a reference or an address as a link."""
    if piece.kind == "text":
        return _named(piece.text)
    if piece.kind == "reference":
        return Markup('<a class="reference" href="#{}">{}</a>').format(piece.target, piece.text)
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(piece.target, piece.text)


def _named(text: str) -> Markup:
    """Return text as HTML, escaped, in which no line ends within a name such as CIFAR-10: browsers break it there.

    The characters stay what they are, so that the page can be searched for the name.
    """
    return Markup(_NAME.sub(r'<span class="name">\g<0></span>', str(escape(text))))


_NAME = re.compile(r"(?<![\w-])[A-Za-z]+-\d+(?![\w-])")


def _data_address(svg: str) -> str:
    """Return a drawing as an address that holds it: in an element of its own, its names clash with nobody's."""
    return "data:image/svg+xml," + urllib.parse.quote(svg, safe=" ='/:;,()!*-._~@$")


def _charts(document: Document) -> tuple[dict[str, Any], list[str]]:
    """Return each panel's specification by its place, and as JSON the data sets they share, each once."""
    charts: dict[str, Any] = {}
    pool: dict[str, int] = {}
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                for panel, name in zip(block.panels, names(block, section), strict=True):
                    columns = panel.columns().items()
                    places = {data: pool.setdefault(_json(values), len(pool)) for data, values in columns}
                    charts[name] = {"specification": {**panel.chart, "width": "container"}, "datasets": places}
    return charts, list(pool)


def _json(value: Any) -> str:
    """Return JSON that may stand in a script element: no character of it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the installed wheel: no network."""
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    return str(bundle).replace("</script", "<\\/script").replace("<!--", "<\\!--")
