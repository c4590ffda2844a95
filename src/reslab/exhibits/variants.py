"""Last-epoch test error of any variants, a row each, and published figures as marks."""

from collections.abc import Callable, Sequence

import altair as alt

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.factor_figures import (
    ALONE,
    MEASURED,
    SEEDS,
    Mark,
    dots_words,
    mean_row,
    spread_out,
)
from reslab.exhibits.style import OKABE_ITO, legend, panel, unchecked
from reslab.exhibits.wording import SOURCE_NAMES, dataset_name, listing, seeds_behind
from reslab.published import Published

ROW = 28
"""Height of one of several variants in pixels."""


def marks(beside: Sequence[Published], place: Callable[[Published], str] = lambda one: str(one.depth)) -> list[Mark]:
    """Return published figures as marks, each at its place; a bar is a published range or standard deviation."""
    found = []
    for one in beside:
        low, high = one.low, one.high
        if one.standard_deviation is not None:
            low, high = one.error - one.standard_deviation, one.error + one.standard_deviation
        if low is None or high is None:
            low = high = None
        found.append(Mark(one.dataset, place(one), SOURCE_NAMES.get(one.source, one.source), one.error, low, high))
    return found


@unchecked
def by_variant_figure(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Figure | None:
    """Return last-epoch test error by variant, a panel for each data set; None without a finished run."""
    done = [group for group in groups if group.has_result]
    if not done:
        return None
    several = any(group.num_finished > 1 for group in done)
    panels = tuple(
        _variant_panel(key, dataset, on_dataset(done, dataset), label, several) for dataset in datasets_of(done)
    )
    names = listing(dataset_name(dataset) for dataset in datasets_of(done))
    caption = (
        f"Test error of the last epoch by variant on {names}, {seeds_behind([group.num_finished for group in done])} "
        f"each{dots_words('above') if several else '.'}"
    )
    return Figure(key, "Final test error by variant", caption, panels)


def _variant_panel(
    key: str, dataset: str, groups: Sequence[Group], label: Callable[[Group], str], several: bool
) -> Panel:
    """Return a panel; where no group has `several` seeds, one mark of each is enough."""
    at = -0.35 if several else 0
    means = [mean_row(group, "test_error") | {"place": label(group), "at": at} for group in groups]
    values = [row[name] for row in means for name in ("error", "low", "high") if name in row]
    values += [error for group in groups for error in group.finished["test_error"].drop_nulls().to_list()]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), (1 - (high - low)) / 2)
    scale = alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)
    name, lanes_shown = f"{key}/{dataset}", [MEASURED, SEEDS] if several else [ALONE]
    rows: list[Row] = [row | {"label": lanes_shown[0]} for row in means]
    for group in groups if several else ():
        finished = group.finished.sort("seed").drop_nulls("test_error")
        errors = finished["test_error"].to_list()
        lanes = spread_out(errors, 0.02 * (high - low + 2 * margin))
        rows += [
            {"place": label(group), "label": SEEDS, "seed": seed, "error": round(error, 4), "at": 0.3 + 0.3 * lane}
            for seed, error, lane in zip(finished["seed"].to_list(), errors, lanes, strict=True)
        ]
    room = min(260, 7.5 * max(len(label(group)) for group in groups))  # for fonts wider than the one measured with
    base = alt.Chart(alt.NamedData(name=name)).encode(
        y=alt.Y("place:N", title=None, sort=[label(group) for group in groups]).axis(
            labelLimit=260, minExtent=room, grid=True
        ),
        yOffset=alt.YOffset("at:Q", scale=alt.Scale(domain=[-1, 1])),
        color=alt.Color(
            "label:N",
            scale=alt.Scale(domain=lanes_shown, range=[OKABE_ITO[1], OKABE_ITO[-1]][: len(lanes_shown)]),
            legend=legend(lanes_shown),
        ),
    )
    x = alt.X("error:Q", title="Test error (%)", scale=scale, axis=alt.Axis(tickCount=5))
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6)
        .encode(x=alt.X("low:Q", title="Test error (%)", scale=scale), x2=alt.X2("high:Q"))
    )
    size = alt.SizeValue(110, condition={"test": f"datum.label == '{SEEDS}'", "value": 40})
    points = base.mark_point(filled=True, opacity=1).encode(x=x, size=size, tooltip=_TOOLTIP)
    return panel(dataset_name(dataset), [bars, points], {name: rows}, max(120, ROW * len(groups)))


_TOOLTIP = [
    alt.Tooltip("place:N", title="at"),
    alt.Tooltip("error:Q", title="test error, %", format=".2f"),
    alt.Tooltip("low:Q", title="from", format=".2f"),
    alt.Tooltip("high:Q", title="to", format=".2f"),
    alt.Tooltip("n:Q", title="seeds"),
    alt.Tooltip("seed:Q", title="seed"),
]
