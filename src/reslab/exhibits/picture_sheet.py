"""Images that networks get wrong, as a sheet of small pictures with what each is and what it was taken for."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import titled
from reslab.exhibits.style import panel, rows_of, tips, unchecked

MOST_PICTURES = 20
"""Pictures of a data set on one sheet, so that the page stays small."""

SIDE = 46
"""Pixels of a picture's side on the sheet."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as an address that holds it (data:), its class, and the class that most networks took it for."""

    address: str
    label: str
    taken: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Some pictures of a data set, of `total` images that all of `networks` networks get wrong."""

    dataset: str
    pictures: Sequence[Picture]
    total: int
    networks: int


@unchecked
def sheet_figure(key: str, sheets: Sequence[Sheet]) -> Figure | None:
    """Return a panel of pictures for each data set; None without any picture."""
    drawn = [sheet for sheet in sheets if sheet.pictures]
    columns = 10 if len(drawn) == 1 else 5
    panels = tuple(_panel(f"{key}/{place}", sheet, columns) for place, sheet in enumerate(drawn))
    return Figure(key, *titled("pictures", sheets=drawn), panels) if panels else None


def _panel(name: str, sheet: Sheet, columns: int) -> Panel:
    rows: list[Row] = [
        {
            "column": place % columns,
            "row": place // columns,
            "address": one.address,
            "label": one.label,
            "taken": f"\N{RIGHTWARDS ARROW} {one.taken}",
        }
        for place, one in enumerate(sheet.pictures)
    ]
    base = rows_of(name).encode(
        x=alt.X("column:O", axis=None, scale=alt.Scale(domain=list(range(columns)))), y=alt.Y("row:O", axis=None)
    )
    pictures = base.mark_image(width=SIDE, height=SIDE, dy=-14, yOffset=-14)
    words = [
        base.mark_text(fontSize=9.5, dy=dy, limit=70, color=colour, baseline="top").encode(text=f"{field}:N")
        for field, dy, colour in (("label", SIDE / 2 - 10, "#222"), ("taken", SIDE / 2 + 2, "#a33c00"))
    ]
    shown = tips({"class": "label:N", "taken for": "taken:N"})
    layers = [pictures.encode(url="address:N", tooltip=shown), *words]
    return panel(sheet.dataset, layers, {name: rows}, 84 * -(-len(rows) // columns))
