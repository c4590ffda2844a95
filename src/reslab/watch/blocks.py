"""Blocks of a chapter as values for JSON: text in pieces, so that the page never has to make HTML of them."""

import re
from collections.abc import Sequence
from typing import Any

from reslab.exhibits.blocks import Block, Figure, Panel, in_words
from reslab.report.document import Document, Section, typeset
from reslab.report.references import cited
from reslab.report.values import block_values

Values = dict[str, Any]


def chapter_values(name: str, title: str, blocks: Sequence[Block]) -> Values:
    """Return the blocks of a study's chapter, numbered on their own, and the data of its charts, each once."""
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
    """Return a figure that stands alone, without a number, its data with it."""
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
    """Return text of a chapter that stands without the report's appendix, which is named where it is referred to."""
    return _APPENDIX.sub(lambda found: ("The" if found.start() == 0 else "the") + " report's appendix", text)


_APPENDIX = re.compile(r"\[\[appendix-[a-z0-9-]+\]\]")


def _panel(panel: Panel) -> Values:
    return {"title": panel.title, "chart": {**panel.chart, "width": "container"}, "datasets": [*panel.datasets]}


def _datasets(figures: Sequence[Figure]) -> Values:
    """Return the data of charts by name: panels that share it refer to the same."""
    return {name: data for figure in figures for panel in figure.panels for name, data in panel.columns().items()}
