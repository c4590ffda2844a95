"""Charts of the last epoch: every seed a dot, its mean and spread, and published figures as other marks."""

from collections.abc import Callable, Sequence

import altair as alt

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.curves import datasets_of, on_dataset
from reslab.exhibits.style import OKABE_ITO, SHAPES, legend, panel
from reslab.exhibits.wording import SOURCE_NAMES, dataset_name, listing, seeds_behind
from reslab.published import Published

MEASURED = "this study, mean"
SEEDS = "each seed"


def by_depth_figure(key: str, groups: Sequence[Group], beside: Sequence[Published]) -> Figure | None:
    """Return last-epoch test error against depth with published figures beside it; None without a finished run."""
    done = [group for group in groups if group.has_result]
    if not done:
        return None
    shown = [one for one in beside if any(one.dataset == group.recipe.dataset for group in done)]
    sources = list(dict.fromkeys(_source(one) for one in shown))
    panels = tuple(
        _depth_panel(key, dataset, on_dataset(done, dataset), shown, sources) for dataset in datasets_of(done)
    )
    caption = _caption("by depth", done)
    if shown:
        caption += (
            f"  The other marks are published figures ({listing(sources)}), whose protocols are given with the tables; "
            "a bar is a published range or standard deviation."
        )
    return Figure(key, "Final test error by depth", caption, panels)


def by_variant_figure(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Figure | None:
    """Return last-epoch test error by variant, a panel for each data set; None without a finished run."""
    done = [group for group in groups if group.has_result]
    if not done:
        return None
    panels = tuple(_variant_panel(key, dataset, on_dataset(done, dataset), label) for dataset in datasets_of(done))
    return Figure(key, "Final test error by variant", _caption("by variant", done), panels)


def _caption(how: str, done: Sequence[Group]) -> str:
    names = listing(dataset_name(dataset) for dataset in datasets_of(done))
    seeds = seeds_behind([group.num_finished for group in done])
    several = any(group.num_finished > 1 for group in done)
    bar = ", its bar their standard deviation" if several else ""
    return (
        f"Test error of the last epoch {how} on {names}, {seeds} each: every grey dot is a run, the blue one their "
        f"mean{bar}."
    )


def _depth_panel(
    key: str, dataset: str, groups: Sequence[Group], beside: Sequence[Published], sources: Sequence[str]
) -> Panel:
    """Return the panel of a data set; `sources` are those of the whole figure, so that all panels share one key."""
    depths = sorted({group.recipe.depth for group in groups})
    own = [one for one in beside if one.dataset == dataset and one.depth in depths]
    lanes = [MEASURED, SEEDS, *(source for source in sources if source in {_source(one) for one in own})]
    means: list[Row] = []
    for group in groups:
        place = str(group.recipe.depth)
        means.append(_mean(group, {"place": place, "label": MEASURED}))
        means += _dots(group, {"place": place, "label": SEEDS})
    means += [_published(one) for one in own]
    name, scale = f"{key}/{dataset}", _error_scale(means)
    x = alt.X("place:N", title="Depth (layers)", sort=[str(depth) for depth in depths])
    empty = [" " * (count + 1) for count in range(max(2, 8 - len(lanes)))]
    side = len(empty) // 2
    spread = [*empty[:side], *lanes, *empty[side:]]  # few marks at a depth stand together, not a depth apart
    offset = alt.XOffset("label:N", sort=spread, scale=alt.Scale(domain=spread))
    known = [MEASURED, SEEDS, *sources]
    looks = {lane: look for lane, *look in zip(known, _lane_colours(len(known)), _lane_shapes(len(known)), strict=True)}
    colour = alt.Color(
        "label:N", scale=alt.Scale(domain=lanes, range=[looks[lane][0] for lane in lanes]), legend=legend(lanes)
    )
    shape = alt.Shape(
        "label:N", scale=alt.Scale(domain=lanes, range=[looks[lane][1] for lane in lanes]), legend=legend(lanes)
    )
    base = alt.Chart(alt.NamedData(name=name)).encode(x=x.axis(labelAngle=0, grid=False), xOffset=offset, color=colour)
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6)
        .encode(y=alt.Y("low:Q", title=_TITLE, scale=scale), y2=alt.Y2("high:Q"))
    )
    size = alt.condition(f"datum.label == '{SEEDS}'", alt.value(40), alt.value(110))
    marks = base.mark_point(filled=True, opacity=1).encode(
        y=alt.Y("error:Q", title=_TITLE, scale=scale), shape=shape, size=size, tooltip=_TOOLTIP
    )
    return panel(dataset_name(dataset), alt.layer(bars, marks), {name: means})


def _variant_panel(key: str, dataset: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Panel:
    rows: list[Row] = []
    for group in groups:
        rows.append(_mean(group, {"place": label(group), "label": MEASURED}))
        rows += _dots(group, {"place": label(group), "label": SEEDS})
    name, scale = f"{key}/{dataset}", _error_scale(rows)
    y = alt.Y("place:N", title=None, sort=[label(group) for group in groups])
    lanes, (blue, grey) = [MEASURED, SEEDS], _lane_colours(2)
    base = alt.Chart(alt.NamedData(name=name)).encode(
        y=y.axis(labelLimit=260, grid=True),
        color=alt.Color("label:N", scale=alt.Scale(domain=lanes, range=[blue, grey]), legend=legend(lanes)),
    )
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6)
        .encode(x=alt.X("low:Q", title=_TITLE, scale=scale, axis=alt.Axis(tickCount=8)), x2=alt.X2("high:Q"))
    )
    size = alt.condition(f"datum.label == '{SEEDS}'", alt.value(40), alt.value(110))
    marks = base.mark_point(filled=True, opacity=1).encode(
        x=alt.X("error:Q", title=_TITLE, scale=scale, axis=alt.Axis(tickCount=8)),
        yOffset=alt.YOffset("label:N", sort=lanes),
        size=size,
        tooltip=_TOOLTIP,
    )
    bars = bars.encode(yOffset=alt.YOffset("label:N", sort=lanes))
    height = max(120, 44 * len(groups))
    return panel(dataset_name(dataset), alt.layer(bars, marks), {name: rows}, height)


_TITLE = "Test error (%)"
_TOOLTIP = [
    alt.Tooltip("place:N", title="at"),
    alt.Tooltip("label:N", title="source"),
    alt.Tooltip("error:Q", title="test error, %", format=".2f"),
    alt.Tooltip("low:Q", title="from", format=".2f"),
    alt.Tooltip("high:Q", title="to", format=".2f"),
    alt.Tooltip("n:Q", title="seeds"),
    alt.Tooltip("seed:Q", title="seed"),
]


def _error_scale(rows: Sequence[Row]) -> alt.Scale:
    """Return a scale around all marks and bars, at least a point wide; an error axis need not begin at zero."""
    values = [row[name] for row in rows for name in ("error", "low", "high") if row.get(name) is not None]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), (1 - (high - low)) / 2, 0)
    return alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)


def _dots(group: Group, place: Row) -> list[Row]:
    finished = group.finished.sort("seed")
    pairs = zip(finished["seed"].to_list(), finished["test_error"].to_list(), strict=True)
    return [{**place, "seed": seed, "error": error} for seed, error in pairs]


def _mean(group: Group, place: Row) -> Row:
    summary = group.last_epoch("test_error")
    row = {**place, "error": summary.mean, "n": summary.n}
    if summary.mean is None or summary.sd is None:
        return row
    return {**row, "low": summary.mean - summary.sd, "high": summary.mean + summary.sd}


def _published(one: Published) -> Row:
    row: Row = {"place": str(one.depth), "label": _source(one), "error": one.error}
    if one.standard_deviation is not None:
        return {**row, "low": one.error - one.standard_deviation, "high": one.error + one.standard_deviation}
    return row if one.low is None or one.high is None else {**row, "low": one.low, "high": one.high}


def _source(one: Published) -> str:
    return SOURCE_NAMES.get(one.source, one.source)


def _lane_colours(count: int) -> list[str]:
    """Return blue for the mean measured, grey for its seeds, and the others of the palette for what was published."""
    orange, blue, *rest, grey = OKABE_ITO
    return [blue, grey, orange, *rest, *rest][:count]


def _lane_shapes(count: int) -> list[str]:
    """Return circles for what was measured, other shapes for what was published."""
    circle, *rest = SHAPES
    return [circle, circle, *rest, *rest][:count]
