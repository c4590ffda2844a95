"""The report as one self-contained page with interactive charts."""

import json
import re
import urllib.parse
from collections.abc import Mapping
from functools import cache
from typing import Any

import vl_convert
from markupsafe import Markup, escape

from reslab.report.document import Document, panels_of
from reslab.report.values import document_values, render


def render_html(document: Document, pictures: Mapping[str, str]) -> str:
    """Return the whole page; the same document gives the same text.

    `pictures` are the charts by name, shown until a chart is interactive, or where there is no JavaScript.
    """
    charts, pool = _charts(document)
    return render(
        "page.html",
        {
            **document_values(document),
            "charts": _json(charts),
            "pool": f"[{','.join(pool)}]",
            "pictures": {name: _data_address(svg) for name, svg in pictures.items()},
            "library": Markup(_library()) if charts else "",
        },
        filters={"named": _named},
    )


def _named(text: str) -> Markup:
    """Return text as escaped HTML in which browsers do not break lines within a name such as CIFAR-10.

    The characters are unchanged, so that the page can be searched for the name.
    """
    return Markup(_NAME.sub(r'<span class="name">\g<0></span>', str(escape(text))))


_NAME = re.compile(r"(?<![\w-])[A-Za-z]+-\d+(?![\w-])")


def _data_address(svg: str) -> str:
    """Return a drawing as a data: address: in its own element, its ids clash with no others."""
    return "data:image/svg+xml," + urllib.parse.quote(svg, safe=" ='/:;,()!*-._~@$")


def _charts(document: Document) -> tuple[dict[str, Any], list[str]]:
    """Return each panel's specification by name, and the data sets that they share, as JSON, each once."""
    charts: dict[str, Any] = {}
    pool: dict[str, int] = {}
    for figure, section, _ in document.figures():
        for name, _, panel in panels_of(figure, section):
            columns = panel.columns().items()
            places = {data: pool.setdefault(_json(values), len(pool)) for data, values in columns}
            charts[name] = {"specification": {**panel.chart, "width": "container"}, "datasets": places}
    return charts, list(pool)


def _json(value: Any) -> str:
    """Return JSON that is safe in a script element: no character can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the installed wheel, without network access."""
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    return str(bundle).replace("</script", "<\\/script").replace("<!--", "<\\!--")
