"""Charts of error over the epochs: training, test, and both in the form of the paper's figure 6."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import altair as alt

from reslab.analysis.groups import LOST, Group, by_dataset, datasets_of
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import text, titled
from reslab.exhibits.curve_rows import EPOCHS, EXTREMES, Along, Shared, curve_rows, panels_of, stretch, telling
from reslab.exhibits.style import Looks, epoch_axis, faded, log_y, panel, picking, rows_of, tips, unchecked, zooming
from reslab.exhibits.wording import Label, uncapitalised

Reading = Literal["train", "test"]

_READING = {"train": "Training error (%)", "test": "Test error (%)"}


@dataclass(frozen=True, slots=True)
class Curves:
    """What the figures of one study share: its groups, their labels, what they go along, and how they look.

    `ordered` settings have colours from dark to light.  The curves of each data set are computed once.
    """

    groups: Sequence[Group]
    label: Label
    along: Along = EPOCHS
    ordered: bool = False
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def begun(self) -> list[Group]:
        """The groups that have curves."""
        return [group for group in self.groups if group.epochs.height]

    @property
    def drawn(self) -> list[Group]:
        """The groups whose curves are drawn."""
        return telling(self.begun, self.label)

    @property
    def panels(self) -> list[Shared]:
        """What the panels are of, one a data set."""
        return panels_of(self.drawn, self.label)

    @property
    def looks(self) -> Looks:
        """How the curves are told apart, in the order of the fullest panel."""
        fullest = sorted(self.panels, key=lambda one: -len(one.groups))
        return Looks.of((label for one in fullest for label in one.labels), ordered=self.ordered)

    def rows(self, shared: Shared) -> list[Row]:
        """Return the curves of a panel."""
        if shared.dataset not in self._rows:
            self._rows[shared.dataset] = curve_rows(shared.groups, shared.label, self.along)
        return self._rows[shared.dataset]

    def titled(self, name: str, **values: object) -> tuple[str, str]:
        """Return title and caption of a figure of these curves; `values` are what it says beside what all say."""
        drawn, begun = self.drawn, self.begun
        states = {state for group in drawn for state in group.runs["status"].to_list()}
        drawn_words = text(
            "curves.drawn",
            most=max(len(own) for _, own in by_dataset(begun)),
            shown_all=len(drawn) == len(begun),
            ranked=len(datasets_of(begun)) > 1,
            few=EXTREMES,
            stretch=max(stretch(one.groups) for one in self.panels),
            unfinished=states & {"running", "interrupted"},
            lost=states & LOST,
        )
        seeds = [group.drawn_epochs["seed"].n_unique() for group in drawn]
        along = self.along.title.partition(" (")[0]
        against = "" if self.along is EPOCHS else f", against {uncapitalised(along)}"
        return titled(name, datasets=datasets_of(drawn), seeds=seeds, against=against, drawn=drawn_words, **values)


@unchecked
def error_figure(key: str, curves: Curves, reading: Reading) -> Figure | None:
    """Return error against epoch with a band over the seeds, a panel for each data set; None without curves."""
    if not curves.begun:
        return None
    panels = tuple(_error_panel(key, one, reading, curves) for one in curves.panels)
    zeros = any(row.get(f"{reading}_low") == 0 for one in curves.panels for row in curves.rows(one))
    return Figure(key, *curves.titled("error-curves", reading=reading, zeros=zeros), panels)


@unchecked
def paper_figure(key: str, curves: Curves) -> Figure | None:
    """Return the form of the paper's figure 6, training error dashed and test error bold; None without curves."""
    if not curves.begun:
        return None
    panels = tuple(_paper_panel(key, one, curves) for one in curves.panels)
    tops = {one.dataset: _top(curves.rows(one)) for one in curves.panels}
    above = [row for one in curves.panels for row in curves.rows(one) if max(_both(row)) > tops[one.dataset]]
    highest = max(above, key=lambda row: max(_both(row)), default=None)
    cut = highest and (max(_both(highest)), highest["epoch"])
    return Figure(key, *curves.titled("curves-together", highest=cut), panels)


def _error_panel(key: str, shared: Shared, reading: Reading, curves: Curves) -> Panel:
    name, rows, looks = _of_panel(key, shared, curves)
    floor = _floor(shared, reading)
    above = {at: f"max(datum.{reading}{at}, {floor:.6g})" for at in ("", "_low", "_high")}
    base = (
        rows_of(name)
        .transform_filter(f"isValid(datum.{reading})")
        .transform_calculate(drawn=above[""], drawn_low=above["_low"], drawn_high=above["_high"])
        .encode(x=_far(rows, curves.along), color=looks.colour(shared.labels))
    )
    drawn = [max(row[f"{reading}{at}"], floor) for row in rows if reading in row for at in ("_low", "_high")]
    y, low = (log_y(field, _READING[reading], drawn, room=1.03) for field in ("drawn", "drawn_low"))
    # Vega-Lite 5.6, which JupyterLab has, would stack an area of a logarithmic y along x.
    x = _far(rows, curves.along).stack(None)
    band = base.mark_area(clip=True).encode(x=x, y=low, y2=alt.Y2("drawn_high:Q"), opacity=faded(0.02, 0.22))
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(y=y, opacity=faded())
    return _panel(name, shared, rows, [band, line, *_marks(base, y, looks.shape(shared.labels), 55)])


def _paper_panel(key: str, shared: Shared, curves: Curves) -> Panel:
    name, rows, looks = _of_panel(key, shared, curves)
    base = rows_of(name).encode(x=_far(rows, curves.along), color=looks.colour(shared.labels))
    scale = alt.Scale(domain=[-0.015 * _top(rows), _top(rows)], nice=False)  # lines at zero are seen whole
    train, test = (alt.Y(f"{reading}:Q", title="Error (%)", scale=scale) for reading in ("train", "test"))
    thin = base.mark_line(strokeDash=[4, 3], strokeWidth=1.1, clip=True).encode(y=train, opacity=faded())
    bold = base.mark_line(strokeWidth=2.6, clip=True).encode(y=test, opacity=faded())
    return _panel(name, shared, rows, [thin, bold, *_marks(base, test, looks.shape(shared.labels), 60)])


def _of_panel(key: str, shared: Shared, curves: Curves) -> tuple[str, list[Row], Looks]:
    return f"{key.rpartition('/')[0]}/{shared.dataset}", curves.rows(shared), curves.looks


def _panel(name: str, shared: Shared, rows: list[Row], layers: list[alt.Chart]) -> Panel:
    """Return a panel whose legend picks series, and that can be zoomed."""
    return panel(shared.title, [layers[0].add_params(picking(), zooming()), *layers[1:]], {name: rows})


def _marks(base: alt.Chart, y: alt.Y, shape: alt.Shape, size: int) -> list[Any]:
    """Return the marks that tell curves apart, and points of which the one nearest to the pointer shows its figures."""
    marks = base.transform_filter("datum.marked").mark_point(filled=True, size=size, clip=True)
    near = alt.selection_point(name="near", on="pointerover", nearest=True, empty=False, clear="pointerout")
    seen = alt.OpacityValue(0, condition={"param": "near", "value": 1, "empty": False})
    hover = base.mark_point(filled=True, size=80, clip=True).encode(y=y, opacity=seen, tooltip=_TIPS)
    return [marks.encode(y=y, shape=shape, opacity=faded()), hover.add_params(near)]


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


def _floor(shared: Shared, reading: Reading) -> float:
    """Return half an image in percent: where an error of zero is drawn."""
    images = max(group.number(f"num_{reading}") or 0 for group in shared.groups)
    return 50 / images if images else 0.001


def _far(rows: Sequence[Row], along: Along) -> alt.X:
    """Return the horizontal axis: of epochs, or of what else the curves go along."""
    if along is EPOCHS:
        return epoch_axis(max(row["epoch"] for row in rows))
    scale = alt.Scale(domain=[0, 1.01 * max(row["along"] for row in rows)], nice=False)
    return alt.X("along:Q", title=along.title, scale=scale, axis=alt.Axis(grid=False, tickCount=8, format="~g"))


MOST_CUT_OFF = 0.1
"""Share of the epochs whose errors may lie above the axis of the form of figure 6, which shows how trainings end."""


def _top(rows: Sequence[Row]) -> float:
    """Return where that axis ends: about twice the largest error that a curve ends with, above nine tenths of all."""
    final = [error for row in {row["label"]: row for row in rows}.values() for error in _both(row)]
    every = sorted(max(_both(row)) for row in rows)
    below = every[math.ceil((1 - MOST_CUT_OFF) * len(every)) - 1]
    return min(100, max(20, *(10 * math.ceil(error / 10) for error in (2 * max(final), below))))


def _both(row: Row) -> list[float]:
    return [row[reading] for reading in ("train", "test") if reading in row]
