"""A report as a value: sections of blocks, with figures and tables numbered through, ready for any renderer."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reslab.exhibits.blocks import Block, Figure, Heading, Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; keys of its figures and tables are unique within it."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    kind: Literal["opening", "chapter", "appendix"] = "chapter"

    def heading(self, document_title: str) -> str | None:
        """Return what stands above the section: nothing above the opening, nor where the document's title says it."""
        return None if self.kind == "opening" or self.title == document_title else self.title

    @property
    def headings(self) -> list[Heading]:
        """The headings that belong in the contents."""
        return [block for block in self.blocks if isinstance(block, Heading) and block.level == 3]


@dataclass(frozen=True, slots=True)
class Reference:
    """A source that the report cites."""

    key: str
    text: str
    address: str = ""
    """On the web; empty where it has none."""

    @property
    def anchor(self) -> str:
        """The name under which its entry is found in the whole report."""
        return f"reference-{self.key}"


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    summary: str
    sections: tuple[Section, ...]
    author: str = ""
    dated: str = ""
    """When the runs were made, in words; never today's date."""
    references: tuple[Reference, ...] = ()
    """The sources cited, in the order of their numbers."""
    left_out: tuple[str, ...] = ()
    """What could not be read and is not in the report: why, of each."""

    def numbers(self) -> dict[str, str]:
        """Return the number of every figure and table, as in "Figure 3", and of every source, by `anchor`."""
        found = {source.anchor: str(number) for number, source in enumerate(self.references, start=1)}
        for kind in (Figure, Table):
            own = [anchor(one, block.key) for one in self.sections for block in one.blocks if isinstance(block, kind)]
            found |= {name: f"{kind.__name__} {number}" for number, name in enumerate(own, start=1)}
        return found


def anchor(section: Section, key: str) -> str:
    """Return the name under which an exhibit is found in the whole report; also a file name's beginning."""
    return f"{section.key}-{key}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: plain, or the number of an exhibit or source with its anchor, or an address on the web."""

    kind: Literal["text", "reference", "link"]
    text: str
    target: str = ""


_PIECES = re.compile(
    r"\[\[(?P<exhibit>[a-z0-9-]+)\]\]"
    r"|\[\[@(?P<source>[a-z0-9-]+)(?: (?P<place>[^\[\]]+))?\]\]"
    r"|(?P<address>https?://[^\s<>\"']*[^\s<>\"'.,;:)])"
)


def pieces(text: str, section: Section, numbers: dict[str, str]) -> Iterator[Piece]:
    """Split text at references and addresses; a reference to nothing stays the text it is.

    `[[key]]` refers to an exhibit of the section, `[[section-key]]` to one of another,
    `[[@key]]` to a source, `[[@key table 6]]` to a place in it.
    """
    at = 0
    for match in _PIECES.finditer(text):
        piece = _piece(match.groupdict(), section, numbers)
        if piece is None:
            continue
        if match.start() > at:
            yield Piece("text", typeset(text[at : match.start()]))
        yield piece
        at = match.end()
    if at < len(text):
        yield Piece("text", typeset(text[at:]))


def _piece(found: dict[str, str | None], section: Section, numbers: dict[str, str]) -> Piece | None:
    exhibit, source, place, address = (found[name] for name in ("exhibit", "source", "place", "address"))
    if address:
        return Piece("link", address, address)
    target = anchor(section, exhibit) if exhibit else Reference(source or "", "").anchor
    if exhibit and target not in numbers:
        target = exhibit  # of another section
    if target not in numbers:
        return None
    text = numbers[target] if exhibit else f"[{numbers[target]}{f', {place}' if place else ''}]"
    return Piece("reference", text, target)


def typeset(text: str) -> str:
    """Return text with the apostrophes, quotation marks and unbroken figures of print."""
    text = re.sub(r"(?<=\w)'", "\N{RIGHT SINGLE QUOTATION MARK}", text)
    text = re.sub(r'"([^"]*)"', "\N{LEFT DOUBLE QUOTATION MARK}\\1\N{RIGHT DOUBLE QUOTATION MARK}", text)
    return re.sub(r"(?<=\d) (±) (?=\d)|\b(n =) (?=\d)|(?<=\d) (to) (?=[+\u2212])", _held, text)


def _held(match: re.Match[str]) -> str:
    """Return what a line must not be broken within."""
    return match.group().replace(" ", "\N{NO-BREAK SPACE}")


def rows(blocks: Iterable[Block]) -> Iterator[tuple[Block, ...]]:
    """Yield blocks one by one, but figures of one panel that follow each other in twos: they stand side by side."""
    waiting: tuple[Block, ...] = ()
    for block in blocks:
        single = isinstance(block, Figure) and len(block.panels) == 1
        if waiting and single:
            yield (*waiting, block)
            waiting = ()
            continue
        if waiting:
            yield waiting
        waiting = (block,) if single else ()
        if not single:
            yield (block,)
    if waiting:
        yield waiting


def slug(text: str) -> str:
    """Return a heading as part of an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def letter(index: int, count: int) -> str:
    """Return (a), (b) … for one of several panels, nothing for a single one."""
    return f"({chr(ord('a') + index)})" if count > 1 else ""


def contents(sections: Sequence[Section]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return anchor, title and (anchor, text) of the headings of each section but the opening."""
    return [
        (one.key, one.title, [(f"{one.key}-{slug(heading.text)}", heading.text) for heading in one.headings])
        for one in sections
        if one.kind != "opening"
    ]
