"""The look of all charts: colours that colour-blind readers can tell apart, marks that survive printing in grey."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

from reslab.analysis.groups import Row
from reslab.analysis.places import epoch_ticks, log_ticks
from reslab.exhibits.blocks import Panel

OKABE_ITO = ("#c98600", "#0072b2", "#009e73", "#cc79a7", "#2f97d6", "#a83e00", "#777777")
"""Okabe and Ito's palette without black and yellow, darkened to a contrast of 3:1 on white (WCAG 1.4.11)."""

ORDERED = ("#2b0a52", "#31409a", "#0d6f9c", "#16867a", "#4f9033", "#b98a00")
"""From dark violet to ochre, each lighter than the last and of another hue, with the same contrast."""

VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b")
"""For areas, whose colours need no contrast with the page."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")

MOST_IN_TWO_COLUMNS = 22
"""Longest label, in characters, with which a legend has two columns."""

HEIGHT = 188
"""Height of a panel's plot in pixels."""

CONFIG: dict[str, Any] = json.loads(Path(__file__).with_name("theme.json").read_text(encoding="utf-8"))
"""The style of all charts, a Vega-Lite config."""

unchecked = debug_mode(False)
"""Decorates functions that make figures: altair's checks of each part dominate their time; the tests check instead."""


def colours(count: int, *, ordered: bool = False) -> list[str]:
    """Return `count` colours: steps from dark to light if ordered or too many for the palette, else the palette."""
    if count <= len(OKABE_ITO) and not (ordered and count > 1):
        return list(OKABE_ITO[:count])
    places = [index * (len(ORDERED) - 1) / (count - 1) for index in range(count)]
    return [_between(place) for place in places]


def legend(labels: Sequence[str]) -> alt.Legend:
    """Return a legend above the plot, with as many columns as its labels allow."""
    longest = max((len(label) for label in labels), default=1)
    columns = max(48 // (longest + 4), 2 if longest <= MOST_IN_TWO_COLUMNS else 1)
    return alt.Legend(orient="top", columns=min(len(labels), columns), symbolOpacity=1)


def panel(title: str, layers: Sequence[alt.Chart], datasets: dict[str, list[Row]], height: int = HEIGHT) -> Panel:
    """Return a finished panel: the layers of a chart in the common style, with its data sets."""
    # Altair's own layering copies each layer many times and takes ten times as long; the tests validate.
    parts = [layer.to_dict(validate=False) for layer in layers]
    specification = {
        "$schema": parts[0]["$schema"],
        "layer": [{name: value for name, value in one.items() if name not in ("$schema", "config")} for one in parts],
        "height": height,
        "config": CONFIG,
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
    return Panel(title, specification, datasets)


def log_y(field: str, title: str, values: Sequence[float], room: float = 1) -> alt.Y:
    """Return a logarithmic axis between round numbers, with as many ticks as there is room for.

    `room` is a factor that extends it at both ends, for lines that would otherwise lie on its edge.
    """
    bottom, top, inside = log_ticks(values)
    scale = alt.Scale(type="log", domain=[bottom / room, top * room], nice=False)
    return alt.Y(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(format="~g", values=inside))


def epoch_axis(rows: Sequence[Row]) -> alt.X:
    """Return an axis for the epochs of some rows, with ticks only at whole epochs, at most nine besides 0."""
    last = max(row["epoch"] for row in rows)
    scale = alt.Scale(domain=[0, max(1.01 * last, 1.1)], nice=False)
    axis = alt.Axis(grid=False, values=epoch_ticks(last), format="d")
    return alt.X("epoch:Q", title="Epoch", scale=scale, axis=axis)


@dataclass(frozen=True, slots=True)
class Looks:
    """The colour and shape of each series of a figure, the same in all its panels."""

    labels: Sequence[str]
    """The series of the whole figure; `colours` and `shapes` are in the same order."""
    colours: Sequence[str]
    shapes: Sequence[str]

    @classmethod
    def of(cls, labels: Iterable[str], *, ordered: bool = False) -> "Looks":
        """Return the looks of series, whose labels may repeat; `ordered` ones go from dark to light."""
        every = list(dict.fromkeys(labels))
        return cls(every, colours(len(every), ordered=ordered), [SHAPES[at % len(SHAPES)] for at in range(len(every))])

    def colour(self, rows: Sequence[Row]) -> alt.Color:
        """Return the colour channel for the series in the rows of one panel, with its legend."""
        return alt.Color("label:N", **self._channel(rows, self.colours))

    def shape(self, rows: Sequence[Row]) -> alt.Shape:
        """Return the shape channel for the series in the rows of one panel, with its legend."""
        return alt.Shape("label:N", **self._channel(rows, self.shapes))

    def _channel(self, rows: Sequence[Row], every: Sequence[str]) -> dict[str, Any]:
        here = {row["label"] for row in rows}
        looks = {label: look for label, look in zip(self.labels, every, strict=True) if label in here}
        return {"scale": alt.Scale(domain=[*looks], range=[*looks.values()]), "legend": legend([*looks])}


def rows_of(name: str) -> alt.Chart:
    """Return a chart of the panel's data set with this name."""
    return alt.Chart(alt.NamedData(name=name))


def tips(shown: Mapping[str, str]) -> list[alt.Tooltip]:
    """Return tooltips from titles and their fields, as in {"error, %": "error:Q|.2f"}."""
    parts = {title: place.partition("|") for title, place in shown.items()}
    return [alt.Tooltip(field, title=title, format=form or alt.Undefined) for title, (field, _, form) in parts.items()]


def _between(place: float) -> str:
    low = min(int(place), len(ORDERED) - 2)
    pairs = zip(*(bytes.fromhex(colour[1:]) for colour in ORDERED[low : low + 2]), strict=True)
    return "#" + bytes(round(first + (place - low) * (second - first)) for first, second in pairs).hex()
