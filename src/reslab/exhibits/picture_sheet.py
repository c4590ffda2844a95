"""Images that networks get wrong, as a sheet of small pictures with what each is and what it was taken for."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.style import panel, unchecked
from reslab.exhibits.wording import counted

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

    @property
    def words(self) -> str:
        """How many images there are, and of whom."""
        shown = "" if len(self.pictures) == self.total else f"{len(self.pictures)} of the "
        return f"{self.dataset}: {shown}{counted(self.total, 'image')} that all {self.networks} networks get wrong"


@unchecked
def sheet_figure(key: str, sheets: Sequence[Sheet]) -> Figure | None:
    """Return a panel of pictures for each data set; None without any picture."""
    drawn = [sheet for sheet in sheets if sheet.pictures]
    if not drawn:
        return None
    columns = 10 if len(drawn) == 1 else 5
    panels = tuple(_panel(f"{key}/{place}", sheet, columns) for place, sheet in enumerate(drawn))
    caption = (
        "Test images that every network of this report gets wrong, those they are surest of first: their class, and "
        f"what most of the networks take them for.  {'; '.join(sheet.words for sheet in drawn)}."
    )
    return Figure(key, "Images that every network gets wrong", caption, panels)


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
    base = alt.Chart(alt.NamedData(name=name)).encode(
        x=alt.X("column:O", axis=None, scale=alt.Scale(domain=list(range(columns)))),
        y=alt.Y("row:O", axis=None),
    )
    tooltip = [alt.Tooltip("label:N", title="class"), alt.Tooltip("taken:N", title="taken for")]
    pictures = base.mark_image(width=SIDE, height=SIDE, dy=-14, yOffset=-14).encode(url="address:N", tooltip=tooltip)
    words = [
        base.mark_text(fontSize=9.5, dy=dy, limit=70, color=colour, baseline="top").encode(text=f"{field}:N")
        for field, dy, colour in (("label", SIDE / 2 - 10, "#222"), ("taken", SIDE / 2 + 2, "#a33c00"))
    ]
    num_rows = -(-len(rows) // columns)
    return panel(sheet.dataset, alt.layer(pictures, *words), {name: rows}, 84 * num_rows)
