"""Charts over the epochs: the rate, training and test error, and the form of the paper's figure 6."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import altair as alt
import polars as pl

from reslab.analysis.groups import LOST, Group
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.style import colours, faded, legend, log_y, panel, picking, shapes, unchecked, zooming
from reslab.exhibits.wording import counted, dataset_name, listing, number, seeds_behind

Reading = Literal["train", "test"]

Rows = dict[str, list[Row]]
"""Curves by data set, as `curve_rows` gives them."""

MOST_POINTS = 800
"""Of the curves of a panel: more cannot be told apart in it, and make the page slow."""

BEGINNING = 5
"""Epochs at the start that are always drawn."""

Steps = tuple[tuple[int, float], ...]
"""A schedule as it was recorded: (epoch, rate)."""

_READING = {"train": "Training error (%)", "test": "Test error (%)"}


def datasets_of(groups: Sequence[Group]) -> list[str]:
    """Return the data sets of some groups, in order."""
    return list(dict.fromkeys(group.recipe.dataset for group in groups))


def on_dataset(groups: Sequence[Group], dataset: str) -> list[Group]:
    """Return the groups on a data set."""
    return [group for group in groups if group.recipe.dataset == dataset]


@unchecked
def error_figure(
    key: str, groups: Sequence[Group], reading: Reading, label: Callable[[Group], str], known: Rows | None = None
) -> Figure | None:
    """Return error against epoch with a band over the seeds, a panel for each data set; None without curves.

    `known` are the curves by data set, where another figure has drawn them before.
    """
    known = {} if known is None else known
    drawn = [group for group in groups if group.epochs.height]
    if not drawn:
        return None
    panels = tuple(
        _error_panel(key, dataset, on_dataset(drawn, dataset), reading, label, known) for dataset in datasets_of(drawn)
    )
    what = {
        "train": "running training error, measured during each epoch on augmented images",
        "test": "test error, measured after each epoch",
    }[reading]
    caption = (
        f"{_READING[reading].removesuffix(' (%)')} against completed epochs on {_names(drawn)}: {what}.  "
        f"{_behind(drawn)}  The vertical axis is logarithmic.{_short_of(drawn)}"
    )
    return Figure(key, f"{'Training' if reading == 'train' else 'Test'} curves", caption, panels)


@unchecked
def paper_figure(
    key: str, groups: Sequence[Group], label: Callable[[Group], str], known: Rows | None = None
) -> Figure | None:
    """Return the form of the paper's figure 6, training error dashed and test error bold; None without curves."""
    known = {} if known is None else known
    drawn = [group for group in groups if group.epochs.height]
    if not drawn:
        return None
    panels = tuple(
        _paper_panel(key, dataset, on_dataset(drawn, dataset), label, known) for dataset in datasets_of(drawn)
    )
    caption = (
        f"Training on {_names(drawn)} in the form of the paper's figure 6: thin dashed lines are the training "
        f"error, bold lines the test error, {_seeds(drawn)}.  Errors above the axis are cut off.{_short_of(drawn)}"
    )
    return Figure(key, "Training and test error together", caption, panels)


@unchecked
def rate_figure(key: str, groups: Sequence[Group]) -> Figure | None:
    """Return the learning rate against the epoch, one line for each schedule that differs; None without curves."""
    schedules: dict[Steps, list[Group]] = {}
    for group in groups:
        longest = group.epochs.filter(pl.col("rate").is_not_null()).sort("epoch", "seed").unique("epoch", keep="first")
        steps = tuple(longest.sort("epoch").select("epoch", "rate").rows())
        if steps:
            _schedule_of(schedules, steps).append(group)
    if not schedules:
        return None
    named = list(zip(_schedule_labels(schedules), schedules, strict=True))
    rows: list[Row] = [
        {"label": label, "epoch": epoch, "rate": rate} for label, steps in named for epoch, rate in steps
    ]
    labels, rates = list(dict.fromkeys(label for label, _ in named)), [row["rate"] for row in rows]
    chart = (
        alt.Chart(alt.NamedData(name=key))
        .mark_line(interpolate="step-before", strokeWidth=2)
        .encode(
            x=_epoch_axis(max(row["epoch"] for row in rows)),
            y=log_y("rate", "Learning rate", rates),
            color=_colour(labels) if len(labels) > 1 else alt.value(colours(2)[1]),
            strokeDash=alt.StrokeDash("label:N", legend=None, sort=labels),
            tooltip=[alt.Tooltip("label:N", title="runs"), "epoch:Q", alt.Tooltip("rate:Q", format="~g")],
        )
    )
    caption = "Learning rate at the end of each epoch, as recorded during training; logarithmic axis.  " + (
        "All runs follow one schedule." if len(named) == 1 else "Each line is one schedule."
    )
    return Figure(key, "Learning rate", caption, (panel("", chart, {key: rows}, height=180),))


def curve_rows(groups: Sequence[Group], label: Callable[[Group], str]) -> list[Row]:
    """Return label, epoch, n, and mean, low, high and sd of training and test error, a row a group and epoch.

    Where there are very many, every second epoch is left out, or more (see `drawn_every`).
    """
    rows: list[Row] = []
    stride = drawn_every(groups)
    for group in groups:
        curves = {reading: group.curve(f"{reading}_error") for reading in ("train", "test")}
        last = group.drawn_epochs["epoch"].to_list()
        by_epoch: dict[int, Row] = {}
        for reading, curve in curves.items():
            for point in curve.iter_rows(named=True):
                row = by_epoch.setdefault(point["epoch"], {"label": label(group), "epoch": point["epoch"]})
                row |= {
                    "n": point["n"],
                    reading: _short(point["mean"]),
                    f"{reading}_low": _short(point["low"]),
                    f"{reading}_high": _short(point["high"]),
                }
                if point["sd"] is not None:
                    row[f"{reading}_sd"] = _short(point["sd"])
        marked = _marked(max(last, default=0))
        kept = marked | {epoch for epoch in by_epoch if epoch % stride == 0 or epoch <= BEGINNING}
        for epoch, row in sorted(by_epoch.items()):
            if epoch in kept:
                rows.append({**row, "marked": 1} if epoch in marked else row)
    return rows


def drawn_every(groups: Sequence[Group]) -> int:
    """Return the stride of epochs at which curves are drawn, so that a panel has about `MOST_POINTS` points."""
    points = sum(group.drawn_epochs["epoch"].n_unique() for group in groups)
    return max(1, math.ceil(points / MOST_POINTS))


def _error_panel(
    key: str,
    dataset: str,
    groups: Sequence[Group],
    reading: Reading,
    label: Callable[[Group], str],
    known: Rows,
) -> Panel:
    name, rows = _shared_rows(key, dataset, groups, label, known)
    labels = [label(group) for group in groups]
    images = max(group.number(f"num_{reading}") or 0 for group in groups)
    floor = 50 / images if images else 0.001
    above = {at: f"max(datum.{reading}{at}, {floor:.6g})" for at in ("", "_low", "_high")}
    base = (
        alt.Chart(alt.NamedData(name=name))
        .transform_filter(f"isValid(datum.{reading})")
        .transform_calculate(drawn=above[""], drawn_low=above["_low"], drawn_high=above["_high"])
        .encode(x=_epoch_axis(max(row["epoch"] for row in rows)), color=_colour(labels))
    )
    drawn = [max(row[f"{reading}{at}"], floor) for row in rows if reading in row for at in ("_low", "_high")]
    y, low = (log_y(field, _READING[reading], drawn) for field in ("drawn", "drawn_low"))
    pick, zoom = picking(), zooming()
    band = base.mark_area(clip=True).encode(y=low, y2=alt.Y2("drawn_high:Q"), opacity=faded(0.02, 0.22))
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(y=y, opacity=faded())
    marks = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=55, clip=True)
        .encode(y=y, shape=_shape(labels), opacity=faded())
    )
    chart = alt.layer(band, line, marks, _hover(base, y, reading)).add_params(pick, zoom)
    return panel(dataset_name(dataset), chart, {name: rows})


def _paper_panel(key: str, dataset: str, groups: Sequence[Group], label: Callable[[Group], str], known: Rows) -> Panel:
    name, rows = _shared_rows(key, dataset, groups, label, known)
    labels = [label(group) for group in groups]
    final = [row["test"] for row in _last_rows(rows) if "test" in row]
    top = max(20, 10 * math.ceil(2 * max(final, default=10) / 10))
    base = alt.Chart(alt.NamedData(name=name)).encode(
        x=_epoch_axis(max(row["epoch"] for row in rows)), color=_colour(labels)
    )
    scale = alt.Scale(domain=[0, min(top, 100)])
    pick, zoom = picking(), zooming()
    train = base.mark_line(strokeDash=[4, 3], strokeWidth=1.1, clip=True).encode(
        y=alt.Y("train:Q", title="Error (%)", scale=scale), opacity=faded()
    )
    y = alt.Y("test:Q", title="Error (%)", scale=scale)
    test = base.mark_line(strokeWidth=2.6, clip=True).encode(y=y, opacity=faded())
    marks = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=60, clip=True)
        .encode(y=y, shape=_shape(labels), opacity=faded())
    )
    chart = alt.layer(train, test, marks, _hover(base, y, "test")).add_params(pick, zoom)
    return panel(dataset_name(dataset), chart, {name: rows})


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


def _shared_rows(
    key: str, dataset: str, groups: Sequence[Group], label: Callable[[Group], str], known: Rows
) -> tuple[str, list[Row]]:
    """Return the curves of a data set under a name that all figures of the study share."""
    study = key.rpartition("/")[0]
    if dataset not in known:
        known[dataset] = curve_rows(groups, label)
    return f"{study}/{dataset}", known[dataset]


def _last_rows(rows: Sequence[Row]) -> list[Row]:
    return list({row["label"]: row for row in rows}.values())


def _epoch_axis(last: int) -> alt.X:
    """Return an axis with ticks at whole epochs only, nine at most."""
    scale = alt.Scale(domain=[0, max(1.01 * last, 1.1)], nice=False)
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, last) if last <= 9 * step)
    ticks = list(range(0, last + 1, step))
    return alt.X("epoch:Q", title="Epoch", scale=scale, axis=alt.Axis(grid=False, values=ticks, format="d"))


def _colour(labels: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=list(labels), range=colours(len(labels)))
    return alt.Color("label:N", scale=scale, legend=legend(labels))


def _shape(labels: Sequence[str]) -> alt.Shape:
    scale = alt.Scale(domain=list(labels), range=shapes(len(labels)))
    return alt.Shape("label:N", scale=scale, legend=legend(labels))


def _marked(last: int) -> set[int]:
    """Return the epochs at which a curve carries its mark: about eight, and the last."""
    step = max(1, round(last / 8))
    return set(range(last, 0, -step))


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _schedule_of(schedules: dict[Steps, list[Group]], steps: Steps) -> list[Group]:
    """Return the groups that share a schedule with these steps, as far as both have come."""
    for known in list(schedules):
        common = min(len(known), len(steps))
        if known[:common] == steps[:common]:
            members = schedules.pop(known)
            return schedules.setdefault(max(known, steps, key=len), members)
    return schedules.setdefault(steps, [])


def _schedule_labels(schedules: Mapping[Steps, Sequence[Group]]) -> list[str]:
    """Return a label for each schedule: by its first rate where these differ, else by whose it is."""
    if len(schedules) == 1:
        return ["all runs"]
    first = [steps[0][1] for steps in schedules]
    if len(set(first)) == len(first):
        return [f"from {number(rate)}" for rate in first]
    return [
        members[0].label if len(members) == 1 else f"{members[0].label} and {counted(len(members) - 1, 'other')}"
        for members in schedules.values()
    ]


def _names(groups: Sequence[Group]) -> str:
    return listing(dataset_name(dataset) for dataset in datasets_of(groups))


def _seeds(groups: Sequence[Group]) -> str:
    counts = _counts(groups)
    return "of one seed each" if max(counts) == 1 else f"each the mean of {seeds_behind(counts)}"


def _behind(groups: Sequence[Group]) -> str:
    counts = _counts(groups)
    if max(counts) == 1:
        return f"One seed each, so no spread can be shown.{_thinned(groups)}"
    text = f"Lines are means of {seeds_behind(counts)}, bands reach from the lowest seed to the highest."
    return text + _thinned(groups)


def _thinned(groups: Sequence[Group]) -> str:
    """Return which epochs are drawn where not all are."""
    stride = max(drawn_every(on_dataset(groups, dataset)) for dataset in datasets_of(groups))
    return "" if stride == 1 else f"  Not every epoch is drawn, but at least one of every {stride}."


def _counts(groups: Sequence[Group]) -> list[int]:
    return [group.drawn_epochs["seed"].n_unique() for group in groups]


def _short_of(groups: Sequence[Group]) -> str:
    """Return what a reader needs to know about the curves of runs that have not finished."""
    states = {state for group in groups for state in group.runs["status"].to_list()}
    unfinished = "  Runs that have not finished are drawn as far as they have come." if states & _UNDER_WAY else ""
    lost = "  Diverged and failed runs are left out of a mean if there are others." if states & LOST else ""
    return unfinished + lost


_UNDER_WAY = {"running", "interrupted"}
