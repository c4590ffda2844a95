"""Blocks of a chapter as JSON values: text in pieces, so that the page never builds HTML from strings."""

import re
from collections.abc import Sequence
from typing import Any

from reslab.exhibits.blocks import Block, Figure, Panel, in_words
from reslab.report.document import Document, Section, typeset
from reslab.report.references import cited
from reslab.report.values import block_values

Values = dict[str, Any]


def chapter_values(name: str, title: str, blocks: Sequence[Block]) -> Values:
    """Return the blocks of a study's chapter, numbered by themselves, and the data of its charts, each once."""
    document = cited(Document(title, "", (Section(name, title, tuple(in_words(one, _alone) for one in blocks)),)))
    section, numbers = document.sections[0], document.numbers()
    found = [_block(block, section, numbers) for block in section.blocks]
    figures = [block for block in section.blocks if isinstance(block, Figure)]
    if document.references:
        sources = [
            {"name": one.anchor, "text": typeset(one.text), "address": one.address} for one in document.references
        ]
        found.append({"kind": "sources", "sources": sources})
    return {"blocks": found, "datasets": _datasets(figures)}


def figure_values(figure: Figure | None) -> Values | None:
    """Return a single figure, without a number, with its data."""
    if figure is None:
        return None
    section = Section("figure", "", (figure,))
    return {**_block(figure, section, {f"figure-{figure.key}": ""}), "datasets": _datasets([figure])}


def _block(block: Block, section: Section, numbers: dict[str, str]) -> Values:
    found = block_values(block, section, numbers)
    if isinstance(block, Figure):
        found["panels"] = [*map(_panel, block.panels)]
    return found


def _alone(text: str) -> str:
    """Return text for a chapter shown without the report's appendix: references to it name it instead."""
    return _APPENDIX.sub(lambda found: ("The" if found.start() == 0 else "the") + " report's appendix", text)


_APPENDIX = re.compile(r"\[\[appendix-[a-z0-9-]+\]\]")


def _panel(panel: Panel) -> Values:
    return {"title": panel.title, "chart": {**panel.chart, "width": "container"}, "datasets": [*panel.datasets]}


def _datasets(figures: Sequence[Figure]) -> Values:
    """Return the data of charts by name, which panels may share."""
    return {name: data for figure in figures for panel in figure.panels for name, data in panel.columns().items()}
