"""Results of `reslab diagnose` as tidy tables: a row per layer, figure, or point of a surface (pure)."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

Rows = list[dict[str, Any]]

LAYER_SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": pl.String,
    "diagnostic": pl.String,
    "moment": pl.String,
    "layer": pl.Int64,
    "name": pl.String,
    "value": pl.Float64,
}
"""The value is the standard deviation of responses, the norm of gradients; `moment` is as in "initial", "epoch 41",
"final"."""

FIGURE_SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": pl.String,
    "diagnostic": pl.String,
    "moment": pl.String,
    "quantity": pl.String,
    "value": pl.Float64,
}
"""Single figures, e.g. of the gap, the noise scale and the curvature; `moment` is as in "epoch 41", "final"."""

POINT_SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": pl.String,
    "first": pl.Float64,
    "second": pl.Float64,
    "loss": pl.Float64,
    "error": pl.Float64,
}
"""Points of a loss surface; the loss is null where it is not finite."""

_BY_LAYER = {"responses": "standard_deviation", "gradients": "gradient_norm"}


def _empty(schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(schema))


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """Tables of LAYER_SCHEMA, FIGURE_SCHEMA and POINT_SCHEMA."""

    layers: pl.DataFrame = field(default_factory=lambda: _empty(LAYER_SCHEMA))
    figures: pl.DataFrame = field(default_factory=lambda: _empty(FIGURE_SCHEMA))
    points: pl.DataFrame = field(default_factory=lambda: _empty(POINT_SCHEMA))

    def of(self, run_ids: Iterable[str]) -> "Diagnoses":
        """Return the rows of these runs."""
        mine = pl.col("run_id").is_in(list(run_ids))
        return Diagnoses(self.layers.filter(mine), self.figures.filter(mine), self.points.filter(mine))

    @classmethod
    def joined(cls, parts: Sequence["Diagnoses"]) -> "Diagnoses":
        """Return the rows of one or more as one."""
        return cls(*(pl.concat(getattr(part, table) for part in parts) for table in ("layers", "figures", "points")))

    def values(self, diagnostic: str, quantity: str) -> list[float]:
        """Return a figure of each trained network that has it."""
        wanted = (pl.col("diagnostic") == diagnostic) & (pl.col("quantity") == quantity)
        wanted &= pl.col("moment") == "final"
        return list(self.figures.filter(wanted)["value"].drop_nulls().to_list())

    def along(self, diagnostic: str, quantities: Sequence[str], last: int) -> dict[int, dict[str, float]]:
        """Return figures by epoch in order, means over the runs; the trained network's are at epoch `last`.

        Figures unknown at an epoch are left out.
        """
        wanted = (pl.col("diagnostic") == diagnostic) & pl.col("quantity").is_in(quantities)
        rows = self.figures.filter(wanted & pl.col("value").is_not_null())
        means = rows.group_by("moment", "quantity").agg(pl.col("value").mean()).rows()
        found: dict[int, dict[str, float]] = {}
        for moment, quantity, value in sorted(means, key=lambda row: moment_order(row[0])):
            found.setdefault(last if moment == "final" else int(moment_order(moment)), {})[quantity] = value
        return found

    def moments(self, diagnostic: str) -> list[str]:
        """Return the moments at which a diagnostic by layer was measured on any run, earliest first."""
        wanted = (pl.col("diagnostic") == diagnostic) & pl.col("value").is_not_null()
        return sorted(self.layers.filter(wanted)["moment"].unique().to_list(), key=moment_order)

    def by_layer(self, diagnostic: str, moment: str = "final") -> pl.DataFrame:
        """Return layer, value (mean over the runs) and n; the projections of shortcuts are left out."""
        wanted = (pl.col("diagnostic") == diagnostic) & (pl.col("moment") == moment)
        return (
            self.layers.filter(wanted & ~pl.col("name").str.contains("downsample") & pl.col("value").is_not_null())
            .group_by("layer")
            .agg(value=pl.col("value").mean(), n=pl.col("run_id").n_unique().cast(pl.Int64))
            .sort("layer")
        )

    def reaching(self, moment: str) -> float | None:
        """Return the median gradient of the first quarter of the inner layers over that of the last."""
        values = self.by_layer("gradients", moment)["value"].to_list()[1:-1]
        quarter = len(values) // 4
        last = statistics.median(values[-quarter:]) if quarter else 0
        return statistics.median(values[:quarter]) / last if last else None


def moment_order(moment: str) -> float:
    """Return a moment's sort key in time: completed epochs, infinity for "final"."""
    ends = {"initial": 0.0, "final": math.inf}
    return ends[moment] if moment in ends else float(moment.removeprefix("epoch "))


def tidy(contents: Mapping[str, Mapping[str, Any]]) -> Diagnoses:
    """Return the tables of runs' diagnostics.json, whose contents are given by run id.

    Surfaces are read for the trained network only, everything else at earlier epochs, too.
    """
    layers: Rows = []
    figures: Rows = []
    points: Rows = []
    for run_id, content in contents.items():
        for diagnostic, entry in content["diagnostics"].items():
            about = {"run_id": run_id, "diagnostic": diagnostic}
            if diagnostic in _BY_LAYER:
                layers += _layers(about, entry, {"initial": "initial", "final": "final"})
            elif diagnostic == "surface":
                points += _points(run_id, entry["final"])
            else:
                figures += _figures({**about, "moment": "final"}, entry)
        for epoch, found in content.get("epochs", {}).items():
            for diagnostic, entry in found["diagnostics"].items():
                about, moment = {"run_id": run_id, "diagnostic": diagnostic}, f"epoch {int(epoch)}"
                if diagnostic in _BY_LAYER:
                    layers += _layers(about, entry, {"final": moment})
                elif diagnostic != "surface":
                    figures += _figures({**about, "moment": moment}, entry)
    return Diagnoses(_frame(layers, LAYER_SCHEMA), _frame(figures, FIGURE_SCHEMA), _frame(points, POINT_SCHEMA))


def _layers(about: dict[str, str], entry: Mapping[str, Any], moments: Mapping[str, str]) -> Rows:
    """Return the rows of an entry; `moments` maps its weights to their moment in the table."""
    value = _BY_LAYER[about["diagnostic"]]
    return [
        {**about, "moment": moment, "layer": layer["layer"], "name": layer["name"], "value": layer[value]}
        for weights, moment in moments.items()
        if weights in entry
        for layer in entry[weights]["layers"]
    ]


def _points(run_id: str, surface: Mapping[str, Any]) -> Rows:
    steps = surface["steps"]
    return [
        {
            "run_id": run_id,
            "first": steps[row],
            "second": steps[column],
            "loss": loss,
            "error": surface["error"][row][column],
        }
        for row, losses in enumerate(surface["loss"])
        for column, loss in enumerate(losses)
    ]


def _figures(about: Mapping[str, str], entry: Mapping[str, Any]) -> Rows:
    return [
        {**about, "quantity": name, "value": float(value)}
        for name, value in entry["final"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _frame(rows: Rows, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.DataFrame({name: [row[name] for row in rows] for name in schema}, schema=dict(schema), strict=False)
