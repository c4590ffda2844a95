"""The chart of the learning rate: a line for each schedule that was followed, as it was recorded."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Figure, Row
from reslab.exhibits.style import colour_of, colours, epoch_axis, legend, log_y, panel, unchecked
from reslab.exhibits.wording import counted, number

Steps = tuple[tuple[int, float], ...]
"""A schedule as it was recorded: (epoch, rate)."""


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
    schedules = dict(sorted(schedules.items(), key=lambda one: (one[0][0][1], len(one[0]))))  # by rate, then length
    named = list(zip(_schedule_labels(schedules), schedules, strict=True))
    rows: list[Row] = [
        {"label": label, "epoch": epoch, "rate": rate}
        for label, steps in named
        for epoch, rate in ((0, steps[0][1]), *steps)  # a rate is drawn over the epoch that it ends
    ]
    labels, rates = list(dict.fromkeys(label for label, _ in named)), [row["rate"] for row in rows]
    chart = (
        alt.Chart(alt.NamedData(name=key))
        .mark_line(interpolate="step-before", strokeWidth=2)
        .encode(
            x=epoch_axis(max(row["epoch"] for row in rows)),
            y=log_y("rate", "Learning rate", rates, room=1.25),
            color=colour_of(labels, ordered=True).legend(_dashes(labels))
            if len(labels) > 1
            else alt.value(colours(2)[1]),
            strokeDash=alt.StrokeDash(
                "label:N", scale=alt.Scale(domain=labels), legend=_dashes(labels) if len(labels) > 1 else None
            ),
            tooltip=[alt.Tooltip("label:N", title="runs"), "epoch:Q", alt.Tooltip("rate:Q", format="~g")],
        )
    )
    caption = "Learning rate at the end of each epoch, as recorded, drawn over that epoch; logarithmic axis.  " + (
        "All runs follow one schedule." if len(named) == 1 else "Each line is one schedule."
    )
    return Figure(key, "Learning rate", caption, (panel("", chart, {key: rows}, height=110),))


def _dashes(labels: Sequence[str]) -> alt.Legend:
    """Return the legend with lines long enough to show how they are dashed."""
    return legend(labels, symbolSize=700)


def _schedule_of(schedules: dict[Steps, list[Group]], steps: Steps) -> list[Group]:
    """Return the groups that share a schedule with these steps, as far as both have come."""
    for known in list(schedules):
        common = min(len(known), len(steps))
        if known[:common] == steps[:common]:
            members = schedules.pop(known)
            return schedules.setdefault(max(known, steps, key=len), members)
    return schedules.setdefault(steps, [])


def _schedule_labels(schedules: Mapping[Steps, Sequence[Group]]) -> list[str]:
    """Return a label for each schedule: by rate, length or drops where one of them tells all, else by whose it is."""
    if len(schedules) == 1:
        return ["all runs"]
    recipes = [members[0].recipe for members in schedules.values()]
    for named in (
        [f"from {number(steps[0][1])}" for steps in schedules],
        [f"{number(recipe.length)} {recipe.schedule_unit}" for recipe in recipes],
        [f"drops after {number(recipe.first_drop)} and {number(recipe.second_drop)}" for recipe in recipes],
    ):
        if len(set(named)) == len(named):
            return named
    return [
        members[0].label if len(members) == 1 else f"{members[0].label} and {counted(len(members) - 1, 'other')}"
        for members in schedules.values()
    ]
