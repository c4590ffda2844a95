"""The charts of a report as pictures, drawn once for all renderers."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from reslab.exhibits.blocks import Panel
from reslab.report.document import Document, panels_of
from reslab.report.drawing import draw_all

FORMATS = ("svg", "pdf", "png")
"""Formats of figures; SVG is always written, because the page and the PDF are made from it."""

WIDTH = 380
"""Width in pixels of one of two panels side by side, chosen to be legible on paper."""

WIDE = 720
"""Width of a panel that has the page to itself."""

FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"
"""The font that the converter measures labels in, and others of equal width: wider ones would cut labels off."""


def charts(document: Document) -> dict[str, str]:
    """Return the Vega-Lite specification (JSON) of each picture of the report, by name (see `panels_of`)."""
    found: dict[str, str] = {}
    for figure, section, alone in document.figures():
        whole = WIDE if alone else WIDTH
        width = WIDTH if figure.columns == 2 else WIDE // figure.columns
        for name, _, panel in panels_of(figure, section):
            found[name] = _specification(panel, whole if len(figure.panels) == 1 else width)
    return found


def fingerprint(chart: str) -> str:
    """Return a hash of a specification and of the version of the converter."""
    return hashlib.sha256(f"{version('vl-convert-python')}\n{chart}".encode()).hexdigest()


Known = Mapping[tuple[str, str], bytes]
"""Pictures made before, by the fingerprint of their specification and their format."""


def draw(specifications: Mapping[str, str], known: Known | None = None) -> dict[str, str]:
    """Return the SVG of each specification, by the same names; those that are `known` are reused."""
    return {name: svg.decode() for name, svg in convert(specifications, specifications, "svg", known).items()}


def convert(
    specifications: Mapping[str, str], sources: Mapping[str, str], form: str, known: Known | None = None
) -> dict[str, bytes]:
    """Return pictures in the format `form`, by the same names; those that are `known` are reused.

    `sources` are the specifications for SVG, and the SVG for other formats.
    """
    made = dict(known or {})
    keys = {name: (fingerprint(chart), form) for name, chart in specifications.items()}
    jobs = {key: (form, sources[name]) for name, key in keys.items() if key not in made}
    made |= zip(jobs, draw_all(list(jobs.values())), strict=True)
    return {name: made[key] for name, key in keys.items()}


def _specification(panel: Panel, width: int) -> str:
    whole = panel.specification(width)
    if "layer" in whole:  # layers shown only on hover take most of a drawing's size and time
        whole["layer"] = [layer for layer in whole["layer"] if _opacity(layer) != 0]
    config = whole["config"]
    limit = min(config["legend"].get("labelLimit", width), width - 50)
    legend = {**config["legend"], "labelLimit": limit}
    whole["config"] = {**config, "font": FONT, "background": "white", "aria": False, "legend": legend}
    return json.dumps(whole, separators=(",", ":"), allow_nan=False)


def _opacity(layer: Mapping[str, Any]) -> float | None:
    """Return a layer's opacity while nothing is hovered over or selected; None for the default."""
    found: float | None = layer.get("encoding", {}).get("opacity", {}).get("value")
    return found
