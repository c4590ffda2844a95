"""The charts of a report as pictures, drawn once for every renderer that shows them."""

import re
from collections.abc import Sequence

import vl_convert

from reslab.exhibits.blocks import Figure
from reslab.report.document import Document, Section, anchor, letter

WIDTH = 460
"""Width of a panel among several, in pixels; a single one is wider."""

WIDE = 720


def draw(document: Document) -> dict[str, str]:
    """Return the SVG of each chart by its name (see `names`); the same document gives the same drawings."""
    drawn: dict[str, str] = {}
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                drawn |= dict(zip(names(block, section), _panels(block), strict=True))
    return drawn


def names(block: Figure, section: Section) -> Sequence[str]:
    """Return the name of each panel of a figure, unique within the report: a file name without its ending."""
    count = len(block.panels)
    places = [letter(index, count).strip("()") for index in range(count)]
    return [f"{anchor(section, block.key)}{f'-{place}' if place else ''}" for place in places]


def _panels(block: Figure) -> Sequence[str]:
    width = WIDTH if len(block.panels) > 1 else WIDE
    drawn = []
    for panel in block.panels:
        specification = panel.specification(width)
        specification["config"] = {**specification["config"], "background": "white"}
        drawn.append(_renumber(str(vl_convert.vegalite_to_svg(specification))))
    return drawn


def _renumber(svg: str) -> str:
    """Return the drawing with its clip paths numbered from 1: the converter counts on from one chart to the next."""
    found = dict.fromkeys(re.findall(r"\bclip\d+\b", svg))
    places = {name: f"clip{number}" for number, name in enumerate(found, start=1)}
    return re.sub(r"\bclip\d+\b", lambda match: places[match.group()], svg)
