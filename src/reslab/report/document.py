"""A report as a value: sections of blocks, with figures and tables numbered throughout, for any renderer."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from reslab.exhibits.blocks import Block, Figure, Panel, Table

REFERENCE = "reference-"
"""Prefix of the anchors of sources."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; keys of its figures and tables are unique within it."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    kind: Literal["opening", "chapter", "appendix"] = "chapter"


@dataclass(frozen=True, slots=True)
class Reference:
    """A source that the report cites."""

    key: str
    text: str
    address: str = ""
    """On the web; empty if it has none."""

    @property
    def anchor(self) -> str:
        """The name of its entry, unique in the report."""
        return f"{REFERENCE}{self.key}"


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
    """Why each unreadable item is missing from the report."""

    def numbers(self) -> dict[str, str]:
        """Return the number of every figure and table, as in "Figure 3", and of every source, by `anchor`."""
        found = {source.anchor: str(number) for number, source in enumerate(self.references, start=1)}
        for kind in (Figure, Table):
            own = [name for name, block, _ in self.exhibits() if isinstance(block, kind)]
            found |= {name: f"{kind.__name__} {number}" for number, name in enumerate(own, start=1)}
        return found

    def exhibits(self) -> Iterator[tuple[str, Figure | Table, Section]]:
        """Yield each figure and table with its anchor and its section."""
        for one in self.sections:
            exhibits = (block for block in one.blocks if isinstance(block, Figure | Table))
            yield from ((anchor(one, block.key), block, one) for block in exhibits)

    def figures(self) -> Iterator[tuple[Figure, Section, bool]]:
        """Yield each figure with its section, and whether it has the whole width of the page."""
        for section in self.sections:
            for row in rows(section.blocks):
                yield from ((block, section, len(row) == 1) for block in row if isinstance(block, Figure))


def anchor(section: Section, key: str) -> str:
    """Return the name of an exhibit, unique in the report; its files' names begin with it."""
    return f"{section.key}-{key}"


class Piece(TypedDict):
    """A piece of text: plain, code, the number of an exhibit or source with its anchor, or a web address."""

    kind: Literal["text", "code", "reference", "link"]
    text: str
    target: str


CODE = r"`[^\s`](?:[^\n`]*[^\s`])?`"
"""Matches code in text, in backticks as in Markdown: a command, or the name of a file or field."""

_PIECES = re.compile(
    rf"(?P<code>{CODE})"
    r"|\[\[(?P<exhibit>[a-z0-9-]+)\]\]"
    r"|\[\[@(?P<source>[a-z0-9-]+)(?: (?P<place>[^\[\]]+))?\]\]"
    r"|(?P<address>https?://[^\s<>\"']*[^\s<>\"'.,;:)])"
)


def pieces(text: str, section: Section, numbers: Mapping[str, str]) -> Iterator[Piece]:
    """Split text at code, references and addresses; a reference without a target stays plain text.

    Text in backticks is code, left unchanged.  `[[key]]` refers to an exhibit of the section, `[[section-key]]` to one
    of another section, `[[@key]]` to a source, and `[[@key table 6]]` to a place in it.
    """
    at = 0
    for match in _PIECES.finditer(text):
        piece = _piece(match, section, numbers)
        if piece is not None:
            yield from _plain(text[at : match.start()])
            yield piece
            at = match.end()
    yield from _plain(text[at:])


def _piece(match: re.Match[str], section: Section, numbers: Mapping[str, str]) -> Piece | None:
    """Return the piece for a match; None for a reference without a target."""
    code, exhibit, source, place, address = match.group("code", "exhibit", "source", "place", "address")
    if code:
        return Piece(kind="code", text=code[1:-1], target="")
    if address:
        return Piece(kind="link", text=address, target=address)
    known = (anchor(section, exhibit), exhibit) if exhibit else (f"{REFERENCE}{source}",)
    target = next((name for name in known if name in numbers), None)
    if target is None:
        return None
    number = numbers[target]
    shown = number if exhibit else f"[{number}{f', {place}' if place else ''}]"
    return Piece(kind="reference", text=shown, target=target)


def _plain(text: str) -> list[Piece]:
    return [Piece(kind="text", text=typeset(text), target="")] if text else []


def typeset(text: str) -> str:
    """Return text with typographic apostrophes and quotation marks, and no breaks within figures."""
    text = re.sub(
        r"(?<![\w'])'([^']*)'(?!\w)", "\N{LEFT SINGLE QUOTATION MARK}\\1\N{RIGHT SINGLE QUOTATION MARK}", text
    )
    text = re.sub(r"(?<=\w)'", "\N{RIGHT SINGLE QUOTATION MARK}", text)
    text = re.sub(r'"([^"]*)"', "\N{LEFT DOUBLE QUOTATION MARK}\\1\N{RIGHT DOUBLE QUOTATION MARK}", text)
    unbroken = r"(?<=\d) ± (?=\d)|\bn = (?=\d)|(?<=\d) to (?=[+\u2212])|\([\d.]+ to [\d.]+\)"
    return re.sub(unbroken, lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text)


def rows(blocks: Iterable[Block]) -> list[tuple[Block, ...]]:
    """Return blocks in rows: one each, but two for consecutive single-panel figures, which go side by side."""
    found: list[tuple[Block, ...]] = []
    may_join = False
    for block in blocks:
        single = isinstance(block, Figure) and len(block.panels) == 1
        if single and may_join:
            found[-1] += (block,)
        else:
            found.append((block,))
        may_join = single and len(found[-1]) == 1
    return found


def slug(text: str) -> str:
    """Return a heading as part of an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def panels_of(figure: Figure, section: Section) -> list[tuple[str, str, Panel]]:
    """Return each panel's name, unique within the report, its letter, as in (a), and the panel.

    The name is that of its picture's files, without their suffixes.  A single panel has no letter.
    """
    name, several = anchor(section, figure.key), len(figure.panels) > 1
    letters = [chr(ord("a") + place) if several else "" for place in range(len(figure.panels))]
    return [
        (f"{name}-{letter}" if letter else name, f"({letter})" if letter else "", panel)
        for letter, panel in zip(letters, figure.panels, strict=True)
    ]
