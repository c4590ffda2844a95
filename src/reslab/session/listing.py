"""Facts as rows: values for scripts, a table for people, a polars frame for computing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from reslab.session.display import Bundle, bundle, html_table, text_table

if TYPE_CHECKING:
    import polars as pl

Row = dict[str, Any]


class Listing(Sequence[Row]):
    """Rows of facts, each a dict, displayed as a table with notes below."""

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        columns: Sequence[str],
        cells: Sequence[Sequence[str]],
        notes: Sequence[str] = (),
    ) -> None:
        """Take the facts, and the same for people: column headings, cells as text, notes."""
        self.title, self.columns, self.notes = title, tuple(columns), tuple(notes)
        self.cells = [list(row) for row in cells]
        self._rows = list(rows)

    @property
    def frame(self) -> "pl.DataFrame":
        """The facts in a polars frame, one column per fact."""
        import polars as pl

        return pl.DataFrame(self._rows, infer_schema_length=None, strict=False)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return text_table(self.title, self.columns, self.cells, self.notes)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return bundle(repr(self), html_table(self.title, self.columns, self.cells, self.notes))


class Facts(Mapping[str, Any]):
    """Facts by name, displayed as lines of text."""

    def __init__(self, values: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Take the facts, and the same in words."""
        self._values, self.lines = dict(values), tuple(lines)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return "\n".join(self.lines)
