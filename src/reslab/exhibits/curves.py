"""Charts of error against epoch: training, test, and both together like the paper's figure 6."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import altair as alt

from reslab.analysis.curves import EXTREMES, Named, curve_rows, half_an_image, highest_cut_off, stretch, telling, top
from reslab.analysis.groups import LOST, Group, Row, by_dataset, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel
from reslab.exhibits.captions import text, titled
from reslab.exhibits.style import Looks, epoch_axis, log_y, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import ERRORS, Label, Reading, dataset_name, uncapitalised

_WITHIN = {"cifar100-coarse": ("cifar100", "20 superclasses")}
"""Data sets with another's images under other labels: that other, and their curves' name in its panel."""


@dataclass(frozen=True, slots=True)
class Along:
    """The horizontal axis of curves, and how far along it an epoch takes a group; None for the epochs themselves."""

    title: str
    of_epoch: Callable[[Group], float] | None


EPOCHS = Along("Epoch", None)

IMAGES_SEEN = Along("Training images seen (millions)", lambda group: (group.number("num_train") or 0) / 1e6)
"""For trainings on different numbers of images, whose epochs are not comparable."""


@dataclass(frozen=True)
class Curves:
    """What the figures of one study share: groups, labels, horizontal axis and looks.

    `ordered` settings have colours from dark to light.
    """

    groups: Sequence[Group]
    label: Label
    along: Along = EPOCHS
    ordered: bool = False

    @cached_property
    def begun(self) -> list[Group]:
        """The groups that have curves."""
        return [group for group in self.groups if group.epochs.height]

    @cached_property
    def drawn(self) -> list[Group]:
        """The groups whose curves are drawn."""
        return telling(self.begun, self.label)

    @cached_property
    def panels(self) -> dict[str, Named]:
        """The groups of each panel: one per data set, which includes the same images under other labels."""
        panels: dict[str, list[tuple[str, Group]]] = {}
        for group in self.drawn:
            dataset, name = group.recipe.dataset, self.label(group)
            home, other = _WITHIN.get(dataset, ("", ""))
            if home in datasets_of(self.drawn):
                name = other if len(on_dataset(self.drawn, dataset)) == 1 else f"{name}, {other}"
                dataset = home
            panels.setdefault(dataset, []).append((name, group))
        return {**panels}

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """The curves of each panel."""
        return {dataset: curve_rows(named, self.along.of_epoch) for dataset, named in self.panels.items()}

    @cached_property
    def looks(self) -> Looks:
        """The looks of the curves, in the order of the fullest panel."""
        fullest = sorted(self.panels.values(), key=lambda named: -len(named))
        return Looks.of((label for named in fullest for label, _ in named), ordered=self.ordered)

    def titled(self, name: str, **values: object) -> tuple[str, str]:
        """Return the title and caption of a figure of these curves; `values` are those not common to all figures."""
        drawn, begun = self.drawn, self.begun
        states = {state for group in drawn for state in group.runs["status"].to_list()}
        drawn_words = text(
            "curves.drawn",
            most=max(len(own) for _, own in by_dataset(begun)),
            shown_all=len(drawn) == len(begun),
            ranked=len(datasets_of(begun)) > 1,
            few=EXTREMES,
            stretch=max(stretch([group for _, group in named]) for named in self.panels.values()),
            unfinished=states & {"running", "interrupted"},
            lost=states & LOST,
        )
        seeds = [group.drawn_epochs["seed"].n_unique() for group in drawn]
        against = uncapitalised(self.along.title.partition(" (")[0]) if self.along.of_epoch else ""
        return titled(name, datasets=datasets_of(drawn), seeds=seeds, against=against, drawn=drawn_words, **values)


@unchecked
def error_figure(key: str, curves: Curves, reading: Reading) -> Figure | None:
    """Return error against epoch with a band over the seeds, a panel for each data set; None without curves."""
    panels = tuple(_error_panel(dataset, curves, reading) for dataset in curves.panels)
    zeros = any(row.get(f"{reading}_low") == 0 for rows in curves.rows.values() for row in rows)
    return Figure(key, *curves.titled("error-curves", reading=reading, zeros=zeros), panels) if panels else None


@unchecked
def paper_figure(key: str, curves: Curves) -> Figure | None:
    """Return a figure like the paper's figure 6, training error dashed and test error bold; None without curves."""
    panels = tuple(_paper_panel(dataset, curves) for dataset in curves.panels)
    highest = highest_cut_off(curves.rows.values())
    return Figure(key, *curves.titled("curves-together", highest=highest), panels) if panels else None


def _error_panel(dataset: str, curves: Curves, reading: Reading) -> Panel:
    rows, base = curves.rows[dataset], _base(dataset, curves)
    floor = half_an_image([group for _, group in curves.panels[dataset]], reading)
    above = {at: f"max(datum.{reading}{at}, {floor:.6g})" for at in ("", "_low", "_high")}
    base = base.transform_filter(f"isValid(datum.{reading})").transform_calculate(
        drawn=above[""], drawn_low=above["_low"], drawn_high=above["_high"]
    )
    drawn = [max(row[f"{reading}{at}"], floor) for row in rows if reading in row for at in ("_low", "_high")]
    y, low = (log_y(field, ERRORS[reading], drawn, room=1.03) for field in ("drawn", "drawn_low"))
    # Vega-Lite 5.6, which JupyterLab bundles, would stack an area with a logarithmic y along x.
    x = _far(rows, curves.along).stack(None)
    band = base.mark_area(clip=True).encode(x=x, y=low, y2=alt.Y2("drawn_high:Q"), opacity=_faded(0.02, 0.22))
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(y=y, opacity=_faded())
    return _panel(dataset, curves, base, [band, line], y, size=55)


def _paper_panel(dataset: str, curves: Curves) -> Panel:
    base, end = _base(dataset, curves), top(curves.rows[dataset])
    scale = alt.Scale(domain=[-0.015 * end, end], nice=False)  # keeps lines at zero fully visible
    train, test = (alt.Y(f"{reading}:Q", title="Error (%)", scale=scale) for reading in ("train", "test"))
    thin = base.mark_line(strokeDash=[4, 3], strokeWidth=1.1, clip=True).encode(y=train, opacity=_faded())
    bold = base.mark_line(strokeWidth=2.6, clip=True).encode(y=test, opacity=_faded())
    return _panel(dataset, curves, base, [thin, bold], test, size=60)


def _base(dataset: str, curves: Curves) -> alt.Chart:
    rows = curves.rows[dataset]
    return rows_of(f"/{dataset}").encode(x=_far(rows, curves.along), color=curves.looks.colour(rows))


def _panel(dataset: str, curves: Curves, base: alt.Chart, lines: list[alt.Chart], y: alt.Y, size: int) -> Panel:
    """Return a panel of these lines, with marks at `y` to tell them apart.

    Its legend selects series, it can be zoomed, and the point nearest to the pointer shows a tooltip.
    """
    rows = curves.rows[dataset]
    marks = base.transform_filter("datum.marked").mark_point(filled=True, size=size, clip=True)
    near = alt.selection_point(name="near", on="pointerover", nearest=True, empty=False, clear="pointerout")
    seen = alt.OpacityValue(0, condition={"param": "near", "value": 1, "empty": False})
    hover = base.mark_point(filled=True, size=80, clip=True).encode(y=y, opacity=seen, tooltip=_TIPS)
    picked = alt.selection_point(name="picked", fields=["label"], bind="legend")
    zoomed = alt.selection_interval(name="zoomed", bind="scales", zoom="wheel![event.shiftKey]")  # else it scrolls
    layers = [
        lines[0].add_params(picked, zoomed),
        *lines[1:],
        marks.encode(y=y, shape=curves.looks.shape(rows), opacity=_faded()),
        hover.add_params(near),
    ]
    return panel(dataset_name(dataset), layers, {f"/{dataset}": rows})


def _faded(low: float = 0.1, high: float = 1) -> alt.OpacityValue:
    """Return the opacity of marks that fade when others are picked in the legend."""
    return alt.OpacityValue(low, condition={"param": "picked", "value": high})


_TIPS = tips(
    {
        "runs": "label:N",
        "epoch": "epoch:Q",
        "test error, %": "test:Q|.2f",
        "± sd (test)": "test_sd:Q|.2f",
        "training error, %": "train:Q|.3f",
        "seeds": "n:Q",
    }
)


def _far(rows: Sequence[Row], along: Along) -> alt.X:
    """Return the horizontal axis: epochs, or another measure of progress."""
    if along.of_epoch is None:
        return epoch_axis(rows)
    scale = alt.Scale(domain=[0, 1.01 * max(row["along"] for row in rows)], nice=False)
    return alt.X("along:Q", title=along.title, scale=scale, axis=alt.Axis(grid=False, tickCount=8, format="~g"))
