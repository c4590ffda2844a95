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
    done = [group for group in groups if group.num_finished]
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
            f"  Other marks are published figures ({listing(sources)}), whose protocols are given with the tables; "
            "a thin bar on one is its published range or standard deviation."
        )
    return Figure(key, "Final test error by depth", caption, panels)


def by_variant_figure(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Figure | None:
    """Return last-epoch test error by variant, a panel for each data set; None without a finished run."""
    done = [group for group in groups if group.num_finished]
    if not done:
        return None
    panels = tuple(_variant_panel(key, dataset, on_dataset(done, dataset), label) for dataset in datasets_of(done))
    return Figure(key, "Final test error by variant", _caption("by variant", done), panels)


def _caption(how: str, done: Sequence[Group]) -> str:
    names = listing(dataset_name(dataset) for dataset in datasets_of(done))
    seeds = seeds_behind([group.num_finished for group in done])
    spread = "" if all(group.num_finished < 2 for group in done) else ", the long bar their standard deviation"
    return (
        f"Test error of the last epoch {how} on {names}, {seeds} each: every small dot is a run, "
        f"the large mark their mean{spread}."
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
    name = f"{key}/{dataset}"
    x = alt.X("place:N", title="Depth (layers)", sort=[str(depth) for depth in depths])
    offset = alt.XOffset("label:N", sort=lanes, scale=alt.Scale(domain=lanes, paddingOuter=0.2))
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
        .encode(y=_error_y("low"), y2=alt.Y2("high:Q"))
    )
    size = alt.condition(f"datum.label == '{SEEDS}'", alt.value(40), alt.value(110))
    marks = base.mark_point(filled=True, opacity=1).encode(
        y=_error_y("error"), shape=shape, size=size, tooltip=_TOOLTIP
    )
    return panel(dataset_name(dataset), alt.layer(bars, marks), {name: means})


def _variant_panel(key: str, dataset: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Panel:
    rows: list[Row] = []
    for group in groups:
        rows.append(_mean(group, {"place": label(group), "label": MEASURED}))
        rows += _dots(group, {"place": label(group), "label": SEEDS})
    name = f"{key}/{dataset}"
    y = alt.Y("place:N", title=None, sort=[label(group) for group in groups])
    lanes, (blue, grey) = [MEASURED, SEEDS], _lane_colours(2)
    base = alt.Chart(alt.NamedData(name=name)).encode(
        y=y.axis(labelLimit=260, grid=True),
        color=alt.Color("label:N", scale=alt.Scale(domain=lanes, range=[blue, grey]), legend=legend(lanes)),
    )
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6)
        .encode(x=_error_x("low"), x2=alt.X2("high:Q"))
    )
    size = alt.condition(f"datum.label == '{SEEDS}'", alt.value(40), alt.value(110))
    marks = base.mark_point(filled=True, opacity=1).encode(
        x=_error_x("error"), yOffset=alt.YOffset("label:N", sort=lanes), size=size, tooltip=_TOOLTIP
    )
    bars = bars.encode(yOffset=alt.YOffset("label:N", sort=lanes))
    height = max(120, 44 * len(groups))
    return panel(dataset_name(dataset), alt.layer(bars, marks), {name: rows}, height)


_TOOLTIP = [
    alt.Tooltip("place:N", title="at"),
    alt.Tooltip("label:N", title="source"),
    alt.Tooltip("error:Q", title="test error, %", format=".2f"),
    alt.Tooltip("low:Q", title="from", format=".2f"),
    alt.Tooltip("high:Q", title="to", format=".2f"),
    alt.Tooltip("n:Q", title="seeds"),
    alt.Tooltip("seed:Q", title="seed"),
]


def _error_scale() -> alt.Scale:
    return alt.Scale(zero=False, nice=True, padding=12)


def _error_y(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", title="Test error (%)", scale=_error_scale())


def _error_x(field: str) -> alt.X:
    return alt.X(f"{field}:Q", title="Test error (%)", scale=_error_scale())


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
