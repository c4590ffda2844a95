"""Parts of a report: headings, prose, figures and tables, as values that any output can render.

Text is plain.  In prose and captions, `[[key]]` becomes a reference to a figure or table of the same study, as in
"Figure 3", and text in backticks is code; each renderer escapes everything else.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the study's own; level 3 or 4."""

    text: str
    level: int = 3


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class Prose(_Text):
    """A paragraph; with `once`, as for methods, it is left out where an earlier chapter has it."""

    once: bool = False


class Note(_Text):
    """A paragraph set apart, e.g. on missing runs."""

    __slots__ = ()


class Command(_Text):
    """A command to type."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of short paragraphs."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a figure: a Vega-Lite specification without data or width, and its named data sets.

    Panels of a figure may share data sets by name; in a report, equal ones are written once, whatever their names.
    """

    title: str
    chart: Mapping[str, Any]
    datasets: Mapping[str, list[dict[str, Any]]]

    def specification(self, width: int | str) -> dict[str, Any]:
        """Return the whole Vega-Lite specification at a width in pixels, or "container"."""
        return {**self.chart, "width": width, "datasets": dict(self.datasets)}

    def columns(self) -> dict[str, dict[str, list[Any]]]:
        """Return the data sets as names and rows of values, half as long as objects that repeat the names."""
        found: dict[str, dict[str, list[Any]]] = {}
        for name, rows in self.datasets.items():
            fields = list(dict.fromkeys(field for row in rows for field in row))
            found[name] = {"names": fields, "rows": [[row.get(field) for field in fields] for row in rows]}
        return found


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels under one self-contained caption, `columns` of them side by side where there is room."""

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    columns: int = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    align: Literal["left", "right"] = "right"


class Link(str):
    """A cell's text that links to a section or exhibit of the report, by its key in references."""

    target: str

    def __new__(cls, text: str, target: str) -> "Link":
        made = super().__new__(cls, text)
        made.target = target
        return made


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text, None where there is no value, under a self-contained caption; notes go below."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    notes: tuple[str, ...] = ()


def table_of(
    key: str,
    words: tuple[str, str],
    rows: Sequence[Mapping[str, str | None]],
    *,
    left: Collection[str] = (),
    notes: tuple[str, ...] = (),
) -> Table | None:
    """Return a table from its title and caption, and its rows, keyed by the titles of the columns; None without rows.

    The first column and those in `left` are left-aligned.  Columns without any value, except the first, are left out.
    """
    if not rows:
        return None
    first, *others = rows[0]
    shown = [first, *(head for head in others if any(row[head] is not None for row in rows))]
    heads = (Column(head, "left" if head in (first, *left) else "right") for head in shown)
    return Table(key, *words, tuple(heads), tuple(tuple(row[head] for head in shown) for row in rows), notes)


def in_rows(columns: Mapping[str, Sequence[str | None]]) -> list[dict[str, str | None]]:
    """Return the rows of a table given by its columns, for `table_of`."""
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


Block = Heading | Prose | Bullets | Note | Command | Figure | Table


def in_words(block: Block, change: Callable[[str], str]) -> Block:
    """Return a block with `change` applied to its prose, or to its caption and notes."""
    match block:
        case Prose() | Note():
            return replace(block, text=change(block.text))
        case Bullets():
            return replace(block, items=tuple(map(change, block.items)))
        case Figure():
            return replace(block, caption=change(block.caption))
        case Table():
            return replace(block, caption=change(block.caption), notes=tuple(map(change, block.notes)))
        case _:
            return block
