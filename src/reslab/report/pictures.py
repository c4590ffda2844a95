"""The charts of a report as pictures, drawn once for every renderer that shows them."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from reslab.exhibits.blocks import Panel
from reslab.report.document import Document, panels_of
from reslab.report.drawing import draw_all

FORMATS = ("svg", "pdf", "png")
"""What figures are written as; SVG always, for the page and the PDF are made from it."""

WIDTH = 380
"""Width of one of two panels side by side, in pixels, chosen so that on paper it can still be read."""

WIDE = 720
"""Width of a panel that has the page to itself."""

FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"
"""What the converter measures labels in, and fonts of the same widths: in wider ones they would be cut off."""


def charts(document: Document) -> dict[str, str]:
    """Return the Vega-Lite specification (JSON) of each picture of the report, by its name (see `panels_of`)."""
    found: dict[str, str] = {}
    for figure, section, alone in document.figures():
        whole = WIDE if alone else WIDTH
        width = WIDTH if figure.columns == 2 else WIDE // figure.columns
        for name, _, panel in panels_of(figure, section):
            found[name] = _specification(panel, whole if len(figure.panels) == 1 else width)
    return found


def fingerprint(chart: str) -> str:
    """Return what tells a specification from every other, and this converter from another version of it."""
    return hashlib.sha256(f"{version('vl-convert-python')}\n{chart}".encode()).hexdigest()


Known = Mapping[tuple[str, str], bytes]
"""Pictures made before, by the fingerprint of the specification that they were made from, and the format."""


def draw(specifications: Mapping[str, str], known: Known | None = None) -> dict[str, str]:
    """Return the SVG of each specification by the same name; those that are `known` are used again."""
    return {name: svg.decode() for name, svg in convert(specifications, specifications, "svg", known).items()}


def convert(
    specifications: Mapping[str, str], sources: Mapping[str, str], form: str, known: Known | None = None
) -> dict[str, bytes]:
    """Return pictures in a format, by the same name; those that are `known` are used again.

    The `sources` are the specifications for SVG, and SVG for other formats.
    """
    made = dict(known or {})
    keys = {name: (fingerprint(chart), form) for name, chart in specifications.items()}
    jobs = {key: (form, sources[name]) for name, key in keys.items() if key not in made}
    made |= zip(jobs, draw_all(list(jobs.values())), strict=True)
    return {name: made[key] for name, key in keys.items()}


def _specification(panel: Panel, width: int) -> str:
    whole = panel.specification(width)
    if "layer" in whole:  # most of a drawing's size and time is what only a pointer shows
        whole["layer"] = [layer for layer in whole["layer"] if _opacity(layer) != 0]
    config = whole["config"]
    limit = min(config["legend"].get("labelLimit", width), width - 50)
    legend = {**config["legend"], "labelLimit": limit}
    whole["config"] = {**config, "font": FONT, "background": "white", "aria": False, "legend": legend}
    return json.dumps(whole, separators=(",", ":"), allow_nan=False)


def _opacity(layer: Mapping[str, Any]) -> float | None:
    """Return the opacity that a layer has while nothing is pointed at or selected; None where it is the usual one."""
    found: float | None = layer.get("encoding", {}).get("opacity", {}).get("value")
    return found
