"""Why it happens: what was measured on the trained networks, shown and said, or that it was not measured."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.measured import along, effective_rates, figure_of, rise
from reslab.analysis.responses import inner_responses, responding_less
from reslab.exhibits.blocks import Block, Command, Prose
from reslab.exhibits.why_figures import (
    MOST_SURFACES,
    effective_rate_figure,
    noise_figure,
    responses_figure,
    sharpness_figure,
    surface_figure,
)
from reslab.exhibits.why_tables import curvature_table, noise_table
from reslab.exhibits.wording import dataset_name, evenly, listing
from reslab.recipe import Recipe, vary
from reslab.studies.findings import Findings
from reslab.studies.vanishing import gradients

APART = 1.5
"""Times that rates must differ for their effective rates to be compared in words."""


class Section(Protocol):
    """Returns what one diagnostic shows, nothing where it was not measured; settings may have an order."""

    def __call__(self, found: Findings, *, ordered: bool) -> list[Block]: ...


def measured(found: Findings, *, ordered: bool) -> list[Block]:
    """Return what was measured of what the study wants, with what it shows; how to measure it where nothing was."""
    wanted, words = found.study.diagnostics, found.words
    runs = [run for group in found.groups for run in group.finished["run_id"].to_list()]
    if not wanted or not runs:
        return []
    blocks = [block for name in wanted for block in _SECTIONS[name](found, ordered=ordered)]
    if blocks:
        return blocks
    listed = listing(words(f"diagnostics.{name}") for name in wanted)
    return [
        Prose(words("measured.nothing", listed=listed)),
        Command(f"reslab diagnose {runs[0]} --which {','.join(wanted)}"),
    ]


def effective(found: Findings, *, ordered: bool) -> list[Block]:
    """Return the effective rates, and how far they differ where the rates do; nothing where no norm was recorded."""
    figure = effective_rate_figure("effective-rate", found.groups, found.label, ordered=ordered)
    if figure is None:
        return []
    times = {}
    for dataset, own in by_dataset(found.done):
        ends = [
            (group.curve("rate")["mean"][-1], curve["mean"][-1])
            for group in own
            if (curve := effective_rates(group)).height
        ]
        rates, effective_ones = ([end[place] for end in ends] for place in (0, 1))
        if ends and max(rates) > APART * min(rates):
            times[dataset_name(dataset)] = max(rates) / min(rates), max(effective_ones) / min(effective_ones)
    text = found.words("along.rates", times=times, several=len(by_dataset(found.groups)) > 1)
    return [figure, *([Prose(text)] if times else [])]


def _responses(found: Findings, *, ordered: bool) -> list[Block]:
    figure = responses_figure("responses", found.groups, found.label, ordered=ordered)
    if figure is None:
        return []
    means, deeper = {}, {}
    for dataset, own in by_dataset(found.groups):
        known = [(group, values) for group in own if (values := inner_responses(group))]
        if known:
            listed = (f"{statistics.fmean(values):.2f} in {found.label(group)}" for group, values in known)
            means[dataset_name(dataset)] = listing(listed)
        residual = {one.recipe.depth: values for one, values in known if one.recipe.family == "residual"}
        if (how := responding_less(residual)) is not None:
            deeper[dataset_name(dataset)] = how
    return [figure, Prose(found.words("responses.text", means=means, deeper=deeper))]


def _surface(found: Findings, *, ordered: bool) -> list[Block]:
    wanted = _for_surfaces(found.groups)
    figure = surface_figure("surface", wanted, found.full)
    if figure is None:
        return []
    known = [(group, height) for group in wanted if (height := rise(group)) is not None]
    texts = evenly([height for _, height in known])
    rises = listing(f"{text} nats for {found.full(group)}" for (group, _), text in zip(known, texts, strict=True))
    return [figure, *([Prose(found.words("measured.surface", rises=rises))] if known else [])]


def _curvature(found: Findings, *, ordered: bool) -> list[Block]:
    table = curvature_table("curvature", found.groups, found.full)
    if table is None:
        return []
    shares, during = [], sharpness(found, ordered=ordered)
    for group in found.groups:
        largest, limit = (figure_of(group, "curvature", quantity).mean for quantity in ("largest", "stability_limit"))
        if largest is not None and limit:
            shares.append((largest / limit, found.full(group)))
    text = found.words(
        "curvature.text",
        ends=[(f"{share:.2g}", name) for share, name in sorted({min(shares), max(shares)})] if shares else [],
        below=bool(shares) and max(shares)[0] < 1,
        during=bool(during),
        rates=len({group.recipe.learning_rate for group in found.groups}),
        flatter=len(shares) > 1 and _flatter(found.groups),
    )
    return [table, *([Prose(text)] if shares else []), *during]


def sharpness(found: Findings, *, ordered: bool) -> list[Block]:
    """Return the curvature along the training and how near it comes to what the rate allows; nothing of the end alone.

    Means over the runs measured; the share is of the eigenvalue in the stability limit of the rate then in force.
    """
    figure = sharpness_figure("sharpness", found.groups, found.label, ordered=ordered)
    if figure is None:
        return []
    shares = [
        (values["largest"] / values["stability_limit"], found.words("along.after", runs=found.full(group), epoch=epoch))
        for group in found.groups
        for course in (along(group, "curvature", ("largest", "stability_limit")),)
        for epoch, values in course.items()
        if len(course) > 1 and values.get("largest") is not None and values.get("stability_limit")
    ]
    if not shares:
        return [figure]
    low, high = (f"{share:.2g} ({where})" for share, where in (min(shares), max(shares)))
    return [figure, Prose(found.words("along.sharpness", low=low, high=high))]


def _flatter(groups: Sequence[Group]) -> bool:
    """Return whether three rates or more of each recipe end the less curved, the higher the rate."""
    lines: dict[Recipe, dict[float, float]] = {}
    for group in groups:
        largest, recipe = figure_of(group, "curvature", "largest").mean, group.recipe
        if largest is not None:
            lines.setdefault(vary(recipe, learning_rate=1.0), {})[recipe.learning_rate] = largest
    ordered = [[line[rate] for rate in sorted(line)] for line in lines.values()]
    return all(len(line) > 2 and all(low > high for low, high in pairwise(line)) for line in ordered)


def _noise(found: Findings, *, ordered: bool) -> list[Block]:
    table = noise_table("noise", found.groups, found.full)
    if table is None:
        return []
    above = [
        found.full(group)
        for group in found.groups
        for scale, least in [[figure_of(group, "noise-scale", name).mean for name in ("noise_scale", "at_least")]]
        if (least or 0.0 if scale is None else scale) > group.recipe.batch_size
    ]
    during = noise_figure("noise-along", found.groups, found.label, ordered=ordered)
    text = found.words("noise.text", above=listing(above), all=len(above) == len(table.rows))
    return [table, Prose(text), *([during] if during is not None else [])]


def _gap(found: Findings, *, ordered: bool) -> list[Block]:
    """Return a reference to the gaps, which the appendix has of all networks."""
    known = any(figure_of(group, "gap", "error_gap").n for group in found.groups)
    return [Prose(found.words("measured.gap"))] if known else []


_SECTIONS: dict[str, Section] = {
    "responses": _responses,
    "gradients": gradients,
    "surface": _surface,
    "curvature": _curvature,
    "noise-scale": _noise,
    "gap": _gap,
}


def _for_surfaces(groups: Sequence[Group]) -> list[Group]:
    """Return the groups whose surfaces say most: of each data set the deepest of each family, all where few."""
    have = [group for group in groups if group.diagnoses.points.height]
    if len(have) <= MOST_SURFACES:
        return have
    deepest: dict[tuple[str, str], Group] = {}
    for group in sorted(have, key=lambda group: group.recipe.depth):
        deepest[group.recipe.dataset, group.recipe.family] = group
    chosen = list(deepest.values())
    return [group for group in have if any(group is one for one in chosen)] if len(chosen) > 1 else have
