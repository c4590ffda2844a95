"""Charts of error over the epochs: training, test, and both in the form of the paper's figure 6."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import altair as alt

from reslab.analysis.groups import LOST, Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.curve_rows import (
    EPOCHS,
    EXTREMES,
    Along,
    Shared,
    curve_rows,
    drawn_every,
    panels_of,
    telling,
)
from reslab.exhibits.style import (
    colour_of,
    epoch_axis,
    faded,
    log_y,
    panel,
    picking,
    shape_of,
    unchecked,
    zooming,
)
from reslab.exhibits.wording import Label, counted, dataset_name, listing, seeds_behind

Reading = Literal["train", "test"]

Rows = dict[str, list[Row]]
"""Curves by data set, as `curve_rows` gives them."""

_READING = {"train": "Training error (%)", "test": "Test error (%)"}


@dataclass(frozen=True, slots=True)
class Curves:
    """What the figures of one study share: its begun groups, their labels, what they go along, and how they look.

    `ordered` settings have colours from dark to light.  The curves of each data set are computed once.
    """

    groups: Sequence[Group]
    label: Label
    along: Along = EPOCHS
    ordered: bool = False
    _rows: Rows = field(default_factory=dict)

    @property
    def begun(self) -> list[Group]:
        """The groups that have curves."""
        return [group for group in self.groups if group.epochs.height]

    @property
    def drawn(self) -> list[Group]:
        """The groups whose curves are drawn."""
        return telling(self.begun, self.label)

    def rows(self, shared: Shared) -> list[Row]:
        """Return the curves of a panel."""
        if shared.dataset not in self._rows:
            self._rows[shared.dataset] = curve_rows(shared.groups, shared.label, self.along)
        return self._rows[shared.dataset]

    def looks(self, shared: Shared, every: Sequence[str]) -> tuple[alt.Color, alt.Shape]:
        """Return the colours and shapes of a panel, which are those of the whole figure."""
        return colour_of(shared.labels, every, ordered=self.ordered), shape_of(shared.labels, every)


@unchecked
def error_figure(key: str, curves: Curves, reading: Reading) -> Figure | None:
    """Return error against epoch with a band over the seeds, a panel for each data set; None without curves."""
    if not curves.begun:
        return None
    drawn = curves.drawn
    shared = panels_of(drawn, curves.label)
    panels = tuple(_error_panel(key, one, reading, _every(shared), curves) for one in shared)
    what = {"train": "during each epoch, on augmented images", "test": "after each epoch"}[reading]
    caption = (
        f"{_READING[reading].removesuffix(' (%)')} on {_names(drawn)}, {what}{_against(curves.along)}; logarithmic "
        f"axis.{_zeros(curves, reading)}  {_behind(drawn)}{_chosen(curves.begun, drawn)}{_short_of(drawn)}"
    )
    return Figure(key, f"{'Training' if reading == 'train' else 'Test'} curves", caption, panels)


@unchecked
def paper_figure(key: str, curves: Curves) -> Figure | None:
    """Return the form of the paper's figure 6, training error dashed and test error bold; None without curves."""
    if not curves.begun:
        return None
    drawn = curves.drawn
    shared = panels_of(drawn, curves.label)
    panels = tuple(_paper_panel(key, one, _every(shared), curves) for one in shared)
    caption = (
        f"Training on {_names(drawn)} in the form of the paper's figure 6{_against(curves.along)}: thin dashed lines "
        f"are the training error, bold lines the test error, {_seeds(drawn)}.{_cut_off(map(curves.rows, shared))}"
        f"{_chosen(curves.begun, drawn)}{_short_of(drawn)}"
    )
    return Figure(key, "Training and test error together", caption, panels)


def _error_panel(key: str, shared: Shared, reading: Reading, every: Sequence[str], curves: Curves) -> Panel:
    name, rows = f"{key.rpartition('/')[0]}/{shared.dataset}", curves.rows(shared)
    colour, shape = curves.looks(shared, every)
    floor = _floor(shared, reading)
    above = {at: f"max(datum.{reading}{at}, {floor:.6g})" for at in ("", "_low", "_high")}
    base = (
        alt.Chart(alt.NamedData(name=name))
        .transform_filter(f"isValid(datum.{reading})")
        .transform_calculate(drawn=above[""], drawn_low=above["_low"], drawn_high=above["_high"])
        .encode(x=_far(rows, curves.along), color=colour)
    )
    drawn = [max(row[f"{reading}{at}"], floor) for row in rows if reading in row for at in ("_low", "_high")]
    y, low = (log_y(field, _READING[reading], drawn, room=1.03) for field in ("drawn", "drawn_low"))
    pick, zoom = picking(), zooming()
    band = base.mark_area(clip=True).encode(y=low, y2=alt.Y2("drawn_high:Q"), opacity=faded(0.02, 0.22))
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(y=y, opacity=faded())
    marks = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=55, clip=True)
        .encode(y=y, shape=shape, opacity=faded())
    )
    chart = [band.add_params(pick, zoom), line, marks, _hover(base, y, reading)]
    return panel(shared.title, chart, {name: rows})


def _paper_panel(key: str, shared: Shared, every: Sequence[str], curves: Curves) -> Panel:
    name, rows = f"{key.rpartition('/')[0]}/{shared.dataset}", curves.rows(shared)
    colour, shape = curves.looks(shared, every)
    base = alt.Chart(alt.NamedData(name=name)).encode(x=_far(rows, curves.along), color=colour)
    scale = alt.Scale(domain=[-0.015 * _top(rows), _top(rows)], nice=False)  # lines at zero are seen whole
    pick, zoom = picking(), zooming()
    train = base.mark_line(strokeDash=[4, 3], strokeWidth=1.1, clip=True).encode(
        y=alt.Y("train:Q", title="Error (%)", scale=scale), opacity=faded()
    )
    y = alt.Y("test:Q", title="Error (%)", scale=scale)
    test = base.mark_line(strokeWidth=2.6, clip=True).encode(y=y, opacity=faded())
    marks = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=60, clip=True)
        .encode(y=y, shape=shape, opacity=faded())
    )
    chart = [train.add_params(pick, zoom), test, marks, _hover(base, y, "test")]
    return panel(shared.title, chart, {name: rows})


def _hover(base: alt.Chart, y: alt.Y, reading: Reading) -> Any:
    """Return invisible points, the nearest of which shows itself and its figures under the pointer."""
    near = alt.selection_point(name="near", on="pointerover", nearest=True, empty=False, clear="pointerout")
    return (
        base.mark_point(filled=True, size=80, clip=True)
        .encode(
            y=y,
            opacity=alt.OpacityValue(0, condition={"param": "near", "value": 1, "empty": False}),
            tooltip=[
                alt.Tooltip("label:N", title="runs"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip("test:Q", title="test error, %", format=".2f"),
                alt.Tooltip("test_sd:Q", title="± sd (test)", format=".2f"),
                alt.Tooltip("train:Q", title="training error, %", format=".3f"),
                alt.Tooltip("n:Q", title="seeds"),
            ],
        )
        .add_params(near)
    )


def _floor(shared: Shared, reading: Reading) -> float:
    """Return half an image in percent: where an error of zero is drawn."""
    images = max(group.number(f"num_{reading}") or 0 for group in shared.groups)
    return 50 / images if images else 0.001


def _zeros(curves: Curves, reading: Reading) -> str:
    """Return where errors of zero are drawn, if there are any."""
    shown = panels_of(curves.drawn, curves.label)
    zero = any(row.get(f"{reading}_low") == 0 for one in shown for row in curves.rows(one))
    return "  An error of zero is drawn at half an image." if zero else ""


def _every(panels: Sequence[Shared]) -> list[str]:
    """Return the labels of a whole figure: first those of the fullest panel, so that orders agree."""
    fullest = sorted(panels, key=lambda one: -len(one.groups))
    return list(dict.fromkeys(label for one in fullest for label in one.labels))


def _far(rows: Sequence[Row], along: Along) -> alt.X:
    """Return the horizontal axis: of epochs, or of what else the curves go along."""
    if along is EPOCHS:
        return epoch_axis(max(row["epoch"] for row in rows))
    scale = alt.Scale(domain=[0, 1.01 * max(row["along"] for row in rows)], nice=False)
    return alt.X("along:Q", title=along.title, scale=scale, axis=alt.Axis(grid=False, tickCount=8, format="~g"))


def _against(along: Along) -> str:
    return "" if along is EPOCHS else f", against {along.title[0].lower()}{along.title[1:].partition(' (')[0]}"


def _top(rows: Sequence[Row]) -> float:
    """Return where the axis of the form of figure 6 ends: about twice the largest error that a curve ends with."""
    final = [row["test"] for row in _last_rows(rows) if "test" in row]
    return min(100, max(20, 10 * math.ceil(2 * max(final, default=10) / 10)))


def _cut_off(panels: Iterable[list[Row]]) -> str:
    """Return that errors lie above an axis, where any does."""
    above = any(
        max(row.get("train", 0), row.get("test", 0)) > top for rows in panels for top in (_top(rows),) for row in rows
    )
    return "  Errors above the axis are cut off." if above else ""


def _last_rows(rows: Sequence[Row]) -> list[Row]:
    return list({row["label"]: row for row in rows}.values())


def _names(groups: Sequence[Group]) -> str:
    return listing(dataset_name(dataset) for dataset in datasets_of(groups))


def _seeds(groups: Sequence[Group]) -> str:
    counts = _counts(groups)
    return "of one seed each" if max(counts) == 1 else f"each the mean of {seeds_behind(counts)}"


def _behind(groups: Sequence[Group]) -> str:
    counts = _counts(groups)
    if max(counts) == 1:
        return f"One seed each.{_thinned(groups)}"
    text = f"Lines are means of {seeds_behind(counts)}, bands reach from the lowest to the highest seed."
    return text + _thinned(groups)


def _thinned(groups: Sequence[Group]) -> str:
    """Return which epochs are drawn where not all are."""
    stride = max(drawn_every(one.groups) for one in panels_of(groups, lambda group: group.label))
    return "" if stride == 1 else f"  Not every epoch is drawn, but at least one of every {stride}."


def _chosen(begun: Sequence[Group], drawn: Sequence[Group]) -> str:
    """Return which curves are drawn where not all are."""
    if len(drawn) == len(begun):
        return ""
    datasets = datasets_of(begun)
    most = max(len(on_dataset(begun, dataset)) for dataset in datasets)
    ranked = ", by their mean rank on the data sets" if len(datasets) > 1 else ""
    few = counted(EXTREMES, "variant").partition(" ")[0]
    return (
        f"  Drawn are the first of {counted(most, 'variant')}, and of the others the {few} with the lowest and the "
        f"{few} with the highest last test error{ranked}."
    )


def _counts(groups: Sequence[Group]) -> list[int]:
    return [group.drawn_epochs["seed"].n_unique() for group in groups]


def _short_of(groups: Sequence[Group]) -> str:
    """Return what a reader needs to know about the curves of runs that have not finished."""
    states = {state for group in groups for state in group.runs["status"].to_list()}
    unfinished = "  Runs that have not finished are drawn as far as they have come." if states & _UNDER_WAY else ""
    lost = "  Diverged and failed runs are left out of a mean if there are others." if states & LOST else ""
    return unfinished + lost


_UNDER_WAY = {"running", "interrupted"}
