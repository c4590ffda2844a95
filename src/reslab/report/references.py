"""The sources that a report cites: found in its words, numbered in the order in which they are first cited."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from reslab.exhibits.blocks import Block, Bullets, Figure, Note, Prose, Table
from reslab.presets import PRESETS
from reslab.published import RESULTS
from reslab.report.document import Document, Reference, Section, slug

_CITATION = re.compile(r"(?P<head>.+?)(?:, (?P<place>[^,]+))?, (?P<address>https?://\S+)")
_TABLE = re.compile(r"(?P<head>.+), table \d+(?: \([^()]*\))?")

_SPOKEN = {
    "paper": r"\b[Tt]he paper(?:'s(?: (?:figure|table|section|equation) \d+(?:\.\d+)*)?)?\b|\bHe et al\. 2016\b",
    "assignment": r"\b[Tt]he assignment(?:'s(?: (?:figure|table|section) \d+)?)?\b",
}
"""How prose names a source without citing it, by the source's short name."""

_LITERATURE = (
    (
        "McCandlish et al., An Empirical Model of Large-Batch Training, 2018",
        "https://arxiv.org/abs/1812.06162",
        r"\bMcCandlish et al\. 2018\b",
    ),
    (
        "Li et al., Visualizing the Loss Landscape of Neural Nets, 2018",
        "https://arxiv.org/abs/1712.09913",
        r"\bLi et al\. 2018\b",
    ),
    (
        "Cohen et al., Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability, 2021",
        "https://arxiv.org/abs/2103.00065",
        r"\bCohen et al\. 2021\b",
    ),
)
"""What the diagnostics stand on: title, address, and how prose names it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A source with what stands for it in a text: its citation, its address, its name."""

    reference: Reference
    written: re.Pattern[str]
    spoken: re.Pattern[str] | None


def cited(document: Document) -> Document:
    """Return the document with a citation in place of every source written out, and the sources it cites.

    A source that is only named ("the paper") is cited where a section first names it.
    """
    sections = []
    for section in document.sections:
        named: set[str] = set()
        blocks = tuple(_block(block, _written) for block in section.blocks)
        blocks = tuple(_block(block, partial(_spoken, named)) for block in blocks)
        sections.append(replace(section, blocks=blocks))
    known = {source.reference.key: source.reference for source in _SOURCES}
    keys = dict.fromkeys(key for section in sections for text in _texts(section) for key in _MARK.findall(text))
    references = tuple(known[key] for key in keys if key in known)
    return replace(document, sections=tuple(sections), references=references)


_MARK = re.compile(r"\[\[@([a-z0-9-]+)[^\[\]]*\]\]")


def _written(text: str) -> str:
    """Replace citations and addresses by marks, as in [[@key table 6]]."""
    for source in _SOURCES:
        mark = f"[[@{source.reference.key}]]"
        text = source.written.sub(partial(_instead, source), text).replace(f"({mark})", mark)
    return text


def _spoken(named: set[str], text: str) -> str:
    """Add a mark behind the first name of each source that this section has not cited yet."""
    for source in _SOURCES:
        key = source.reference.key
        if source.spoken is None or key in named:
            continue
        if f"[[@{key}" not in text:
            text = source.spoken.sub(rf"\g<0> [[@{key}]]", text, count=1)
        if f"[[@{key}" in text:
            named.add(key)
    return text


def _instead(source: _Source, match: re.Match[str]) -> str:
    place = match.groupdict().get("place")
    return f"[[@{source.reference.key} {place}]]" if place else f"[[@{source.reference.key}]]"


def _block(block: Block, change: Callable[[str], str]) -> Block:
    match block:
        case Prose() | Note():
            return replace(block, text=change(block.text))
        case Bullets():
            return replace(block, items=tuple(change(item) for item in block.items))
        case Figure():
            return replace(block, caption=change(block.caption))
        case Table():
            return replace(block, caption=change(block.caption), notes=tuple(change(note) for note in block.notes))
        case _:
            return block


def _texts(section: Section) -> Iterable[str]:
    for block in section.blocks:
        match block:
            case Prose() | Note():
                yield block.text
            case Bullets():
                yield from block.items
            case Figure():
                yield block.caption
            case Table():
                yield from (block.caption, *block.notes)


def _sources() -> list[_Source]:
    """Return the sources of the published results and recipes, longer addresses first."""
    found: dict[str, _Source] = {}
    for result in RESULTS:
        match = _CITATION.fullmatch(result.citation) or _TABLE.fullmatch(result.citation)
        head, address = (match["head"], match.groupdict().get("address", "")) if match else (result.citation, "")
        source = _source(head, address, _SPOKEN.get(result.source))
        found.setdefault(source.reference.key, source)
    for preset in PRESETS.values():
        _, _, path = preset.source.partition("://")
        source = _source(path.removeprefix("github.com/"), preset.source, None)
        found.setdefault(source.reference.key, source)
    for title, address, spoken in _LITERATURE:
        source = _source(title, address, spoken)
        found.setdefault(source.reference.key, source)
    return sorted(found.values(), key=lambda source: -len(source.reference.address))


def _source(head: str, address: str, spoken: str | None) -> _Source:
    written = (
        rf"(?:{re.escape(head)}, (?:(?P<place>[^,;]+), )?)?{re.escape(address)}(?![\w/-])"
        if address
        else rf"{re.escape(head)}(?:, (?P<place>table \d+(?: \([^()]*\))?))?"
    )
    reference = Reference(slug(address.partition("://")[2] or head), head, address)
    return _Source(reference, re.compile(written), re.compile(spoken) if spoken else None)


_SOURCES = _sources()
