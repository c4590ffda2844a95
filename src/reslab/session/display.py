"""How values are displayed in a notebook: as plain text, as HTML or an interactive chart, and as a picture."""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from reslab.errors import ResLabError
from reslab.exhibits.blocks import Figure, Table
from reslab.files import as_path

if TYPE_CHECKING:
    import polars as pl

Bundle = dict[str, Any]
"""A value's forms by MIME type; a notebook shows the richest that it can."""

VEGA_LITE = ("application/vnd.vegalite.v5+json", "application/vnd.vegalite.v6+json")
"""MIME types of interactive charts: which one a notebook knows depends on its age, and our charts use only what is the
same in both versions of Vega-Lite."""

_SCHEMAS = tuple(f"https://vega.github.io/schema/vega-lite/v{number}.json" for number in (5, 6))
_WIDTH = 420
_PIXELS = 2.0
"""Pixels of the picture for each of the chart."""

_REFERENCE = re.compile(r"\s*\[\[[^\]]*\]\]")


def bundle(text: str, html: str) -> Bundle:
    """Return the forms of a value: HTML, and text for where HTML cannot be shown."""
    return {"text/plain": text, "text/html": html}


def html_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]], notes: Sequence[str] = ()
) -> str:
    """Return a table as HTML that needs no style sheet."""
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f"<div><p><b>{escape(title)}</b></p><table>{f'<thead><tr>{head}</tr></thead>' if any(columns) else ''}"
        f"<tbody>{body}</tbody></table>{below}</div>"
    )


def text_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]], notes: Sequence[str] = ()
) -> str:
    """Return a table as text with aligned columns."""
    cells = [
        [cell if cell is not None else "-" for cell in row]
        for row in ([*columns] if any(columns) else None, *rows)
        if row
    ]
    widths = [max(cell_len(row[place]) for row in cells) for place in range(len(columns))] if cells else []
    lines = ["  ".join(map(_padded, row, widths)).rstrip() for row in cells]
    return "\n".join([title, *lines, *notes])


def _padded(cell: str, width: int) -> str:
    """Pad a cell with spaces to a width in terminal columns; a Chinese character takes two."""
    return cell + " " * (width - cell_len(cell))


def _cell(cell: str | None) -> str:
    return f"<td style='text-align:left'>{escape(cell if cell is not None else '-')}</td>"


class ShownTable:
    """A table of a report: shown as HTML in a notebook, as text elsewhere."""

    def __init__(self, table: Table) -> None:
        """Take a table of `reslab.exhibits`."""
        self.title = table.title
        self.caption = _plain(table.caption)
        self.notes = tuple(map(_plain, table.notes))
        self.columns = tuple(column.title for column in table.columns)
        self.rows = table.rows

    @property
    def frame(self) -> "pl.DataFrame":
        """The table's cells as text, in a polars frame; null where there is no value."""
        import polars as pl

        return pl.DataFrame(
            {name: [row[place] for row in self.rows] for place, name in enumerate(self.columns)},
            schema=dict.fromkeys(self.columns, pl.String),
        )

    def __repr__(self) -> str:
        return text_table(self.title, self.columns, self.rows, (self.caption, *self.notes))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return bundle(repr(self), html_table(self.title, self.columns, self.rows, (self.caption, *self.notes)))


class ShownFigure:
    """A figure of a report: an interactive chart in a notebook, or a picture where that is impossible."""

    def __init__(self, figure: Figure) -> None:
        """Take a figure of `reslab.exhibits`."""
        self.title, self.caption = figure.title, _plain(figure.caption)
        self._figure = figure

    @property
    def specification(self) -> dict[str, Any]:
        """The whole chart in Vega-Lite, including its data."""
        return self._specification(_SCHEMAS[-1])

    def png(self) -> bytes:
        """Return the chart as a picture."""
        import vl_convert

        return bytes(vl_convert.vegalite_to_png(json.dumps(self.specification), scale=_PIXELS))

    def svg(self) -> str:
        """Return the chart as a drawing."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(json.dumps(self.specification)))

    def save(self, path: str | Path) -> Path:
        """Write the chart to a file ending in .png, .svg, .json (Vega-Lite) or .html, and return the file."""
        file = as_path(path)
        match file.suffix.lower():
            case ".png":
                content = self.png()
            case ".svg":
                content = self.svg().encode()
            case ".json":
                content = json.dumps(self.specification, indent=1).encode()
            case ".html":
                import vl_convert

                content = str(vl_convert.vegalite_to_html(json.dumps(self.specification), bundle=True)).encode()
            case other:
                raise ResLabError(
                    f"a figure is saved as .png, .svg, .json or .html, not {other or 'without an ending'}"
                )
        try:
            file.write_bytes(content)
        except OSError as error:
            raise ResLabError(f"cannot write {file}: {error.strerror or error}") from None
        return file

    def _specification(self, schema: str) -> dict[str, Any]:
        panels = [panel.specification(_WIDTH) for panel in self._figure.panels]
        top = {"$schema": schema, "title": {"text": self.title, "anchor": "start"}}
        datasets: dict[str, Any] = {}
        config: dict[str, Any] = {}
        for one in panels:
            datasets |= one.pop("datasets")
            config |= one.pop("config", {})
            one.pop("$schema", None)
        shared = {"datasets": datasets, "config": config}
        if len(panels) == 1:
            return {**top, **panels[0], **shared}
        titled = [{**one, "title": panel.title} for one, panel in zip(panels, self._figure.panels, strict=True)]
        return {**top, "concat": titled, "columns": self._figure.columns, **shared}

    def __repr__(self) -> str:
        return f"{self.title}\n{self.caption}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        charts = {kind: self._specification(schema) for kind, schema in zip(VEGA_LITE, _SCHEMAS, strict=True)}
        return {"text/plain": repr(self), "image/png": self.png(), **charts}


def _plain(text: str) -> str:
    """Return a caption without its references to other exhibits, which only a report has."""
    return _REFERENCE.sub("", text)
