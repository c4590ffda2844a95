"""Exhibits of several networks' predictions: shared errors, errors by class, confusions, hard images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

import altair as alt

from reslab.analysis.agreement import Agreement, Shared
from reslab.analysis.groups import Group, Row, by_dataset
from reslab.analysis.predictions import class_rows, confused_rows, most_classes, off_record, vote, within_kinds
from reslab.exhibits.blocks import Figure, Panel, Table, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.style import CONFIG, Looks, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import ERRORS, Label, dataset_name, points

MOST_PICTURES = 20
"""Most pictures of a data set on one sheet, which keeps the page small."""

_ARROW = "\N{RIGHTWARDS ARROW}"

SIDE = 46
"""Side of a picture on the sheet, in pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a data: address, its class, and the class that most networks took it for."""

    address: str
    label: str
    taken: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures of some of a data set's `total` images that all `networks` networks get wrong."""

    dataset: str
    pictures: Sequence[Picture]
    total: int
    networks: int


def agreement_table(key: str, found: Agreement, label: Label, short: Label) -> Table | None:
    """Return which errors networks share, a row per group; `short` names a group among those on its data set."""
    groups, names = found.groups, list(dict.fromkeys(map(short, found.references.values())))
    rows = [
        {
            "Runs": label(group),
            "Error (%)": points(fmean(one.error for one in group.predictions)),
            "Error of the seeds' vote (%)": points(vote(group.predictions)) if len(group.predictions) > 1 else None,
            "Shared by two seeds (%)": _share(own),
            f"Shared with {names[0] if len(names) == 1 else 'the first'} (%)": _share(other),
        }
        for group, own, other in zip(groups, found.by_seeds, found.with_reference, strict=True)
    ]
    votes, off = any(len(group.predictions) > 1 for group in groups), max(map(off_record, groups))
    counts = sum(len(group.predictions) for group in groups), sum(group.num_finished for group in groups)
    kept = counts if counts[0] < counts[1] else ()
    return table_of(key, titled("agreement", votes=votes, off=off, kept=kept), rows)


@unchecked
def classes_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return the error of each class or superclass, a panel per data set; None where there are no errors."""
    rows = {dataset: class_rows(own, label) for dataset, own in by_dataset(groups)}
    looks = Looks.of(map(label, groups))
    panels = tuple(_classes_panel(key, dataset, own, looks) for dataset, own in rows.items() if own)
    words = titled(
        "classes",
        seeds=[len(group.predictions) for group in groups],
        summed=any(group.recipe.dataset == "cifar100" for group in groups),
        most=most_classes(groups),
    )
    return Figure(key, *words, panels) if panels else None


def _classes_panel(key: str, dataset: str, rows: list[Row], looks: Looks) -> Panel:
    drawn = list(dict.fromkeys(row["class"] for row in rows))
    room = min(210, 7 * max(map(len, drawn)))  # for the print font, which is wider than the one measured with
    dots = rows_of(f"{key}/{dataset}").mark_point(filled=True, size=46, opacity=0.9)
    dots = dots.encode(
        y=alt.Y("class:N", title=None, sort=drawn, axis=alt.Axis(grid=True, labelLimit=230, minExtent=room)),
        yOffset=alt.YOffset("label:N", sort=list(looks.labels)),
        x=alt.X("error:Q", title=ERRORS["test"], scale=alt.Scale(zero=True, nice=True)),
        color=looks.colour(rows),
        shape=looks.shape(rows),
        tooltip=tips({"class": "class:N", "runs": "label:N", "error": "error:Q|.2f"}),
    )
    height = max(17 * len(drawn), 4 * len(rows))
    made = panel(dataset_name(dataset), [dots], {f"{key}/{dataset}": rows}, height)
    legend = {**CONFIG["legend"], "layout": {"top": {"anchor": "end"}}}  # the names of classes leave little room
    return replace(made, chart={**made.chart, "config": {**CONFIG, "legend": legend}})


_NONE = "#f3f0f7"
"""The colour for classes that are never confused, on any page."""


@unchecked
def confusion_figure(key: str, groups: Sequence[Group], *, partly: bool = False) -> Figure | None:
    """Return which classes each group's networks confuse, a panel per group; None where there are no errors.

    `partly` says that other networks of the report kept no predictions.
    """
    drawn = [group for group in groups if any(one.wrong.any() for one in group.predictions)]
    if not drawn:
        return None
    panels = tuple(_confusion_panel(f"{key}/{place}", group) for place, group in enumerate(drawn))
    words = titled(
        "confusion",
        within=within_kinds(drawn),
        kept=partly,
        most=most_classes(drawn),
    )
    return Figure(key, *words, panels)


def _confusion_panel(name: str, group: Group) -> Panel:
    names, rows = confused_rows(group)
    most = max((row["share"] for row in rows), default=1.0)
    scale = alt.Scale(domain=names)
    shades = alt.Scale(domain=[0, most], range=[_NONE, "#440154"])
    sizes = (12, 12) if len(names) <= 12 else (8, 10)
    across, down = (alt.Axis(labelLimit=220, labelOverlap=False, labelFontSize=size) for size in sizes)
    across.labelAngle = -90
    base = rows_of(name).encode(
        x=alt.X("taken:N", title="Taken for", scale=scale, axis=across),
        y=alt.Y("class:N", title="True class", scale=scale, axis=down),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=shades, legend=alt.Legend(orient="right", title="%", gradientLength=110)),
        tooltip=tips({"class": "class:N", "taken for": "taken:N", "%": "share:Q"}),
    )
    words = base.mark_text(fontSize=9).encode(
        text=alt.Text("share:Q", format=".0f" if most >= 10 else ".1f"),
        color=alt.condition(f"datum.share > {most / 2}", alt.value("white"), alt.value("#333")),
    )
    layers = [cells, words] if len(names) <= 12 else [cells]
    dataset = dataset_name(group.recipe.dataset)
    title = group.label if dataset in group.label else f"{dataset}, {group.label}"
    made = panel(title, layers, {name: rows}, 18 * len(names) + 20)
    return replace(made, chart={**made.chart, "view": {"fill": _NONE}})


@unchecked
def sheet_figure(key: str, sheets: Sequence[Sheet], *, partly: bool = False) -> Figure | None:
    """Return a panel of pictures for each data set; None without any picture."""
    drawn = [sheet for sheet in sheets if sheet.pictures]
    columns = 10 if len(drawn) == 1 else 5
    panels = tuple(_sheet_panel(f"{key}/{place}", sheet, columns) for place, sheet in enumerate(drawn))
    return Figure(key, *titled("pictures", sheets=drawn, kept=partly), panels) if panels else None


def _sheet_panel(name: str, sheet: Sheet, columns: int) -> Panel:
    rows: list[Row] = [
        {"column": place % columns, "row": place // columns, **asdict(one), "taken": f"{_ARROW} {one.taken}"}
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


def _share(found: Shared | None) -> str | None:
    return None if found is None else f"{found.share:.0f} ({found.chance:.1f})"
