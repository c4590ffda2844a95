"""Why it happens: what was measured on the trained networks, shown and said, or that it was not measured."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.measured import along, effective_rates, figure_of, first_surface
from reslab.analysis.responses import inner_responses, responding_less
from reslab.exhibits.blocks import Block, Command, Prose
from reslab.exhibits.training_figures import (
    effective_rate_figure,
    noise_figure,
    sharpness_figure,
)
from reslab.exhibits.why_figures import MOST_SURFACES, responses_figure, surface_figure
from reslab.exhibits.why_tables import curvature_table, noise_table
from reslab.exhibits.wording import Label, dataset_name, evenly, listing, opened
from reslab.studies.findings import Findings
from reslab.studies.sentences import placed
from reslab.studies.vanishing import gradients
from reslab.studies.words import Words

APART = 1.5
"""Times that rates must differ for their effective rates to be compared in words."""


def measured(found: Findings, *, ordered: bool) -> list[Block]:
    """Return what was measured of what the study wants, with what it shows; how to measure it where nothing was."""
    wanted, groups, words = found.study.diagnostics, found.groups, found.words
    if not wanted or not any(group.num_finished for group in groups):
        return []
    blocks = [block for name in wanted for block in _SECTIONS[name](groups, found.label, words, ordered)]
    if blocks:
        return blocks
    run = next(run for group in groups for run in group.finished["run_id"].to_list())
    listed = listing(words(f"diagnostics.{name}") for name in wanted)
    return [
        Prose(words("measured.nothing", listed=listed)),
        Command(f"reslab diagnose {run} --which {','.join(wanted)}"),
    ]


def effective(groups: Sequence[Group], label: Label, words: Words, *, ordered: bool) -> list[Block]:
    """Return the effective rates, and how far they differ where the rates do; nothing where no norm was recorded."""
    figure = effective_rate_figure("effective-rate", groups, label, ordered=ordered)
    if figure is None:
        return []
    parts = []
    for dataset in datasets_of(groups):
        ends = [
            (group.curve("rate")["mean"][-1], curve["mean"][-1])
            for group in on_dataset(groups, dataset)
            if group.has_result and (curve := effective_rates(group)).height
        ]
        rates, found = ([end[place] for end in ends] for place in (0, 1))
        if ends and max(rates) > APART * min(rates):
            times, effective_times = f"{max(rates) / min(rates):.3g}", f"{max(found) / min(found):.2g}"
            on = f" on {dataset_name(dataset)}" if len(datasets_of(groups)) > 1 else ""
            parts.append(words("along.times", times=times, effective_times=effective_times, on=on))
    return [figure, *([Prose(words("along.rates", listed="; ".join(parts)))] if parts else [])]


def _responses(groups: Sequence[Group], label: Label, words: Words, ordered: bool) -> list[Block]:
    figure = responses_figure("responses", groups, label, ordered=ordered)
    if figure is None:
        return []
    sentences: list[str] = []
    responding: dict[str, str] = {}
    for dataset in datasets_of(groups):
        found = [(group, values) for group in on_dataset(groups, dataset) if (values := inner_responses(group))]
        if found:
            listed = listing(f"{statistics.fmean(values):.2f} in {label(group)}" for group, values in found)
            subject = "it" if sentences else "the mean over all layers but the last ([[responses]])"
            sentences.append(f"On {dataset_name(dataset)} {subject} is {listed}.")
        deeper = responding_less({g.recipe.depth: values for g, values in found if g.recipe.family == "residual"})
        responding |= {dataset_name(dataset): words(f"responses.{deeper}")} if deeper is not None else {}
    sentences += [words("responses.paper")] if responding else []
    if len(set(responding.values())) == 1:
        sentences += list(responding.values())[:1]
    else:
        sentences += [f"On {name}: {text[:1].lower()}{text[1:]}" for name, text in responding.items()]
    return [figure, Prose("  ".join(sentences))]


def _surface(groups: Sequence[Group], label: Label, words: Words, ordered: bool) -> list[Block]:
    name, wanted = placed(groups, label), _for_surfaces(groups)
    figure = surface_figure("surface", wanted, name)
    if figure is None:
        return []
    known = [(group, rise) for group in wanted if (rise := _rise(group)) is not None]
    texts = evenly([rise for _, rise in known])
    rises = [f"{text} nats for {name(group)}" for (group, _), text in zip(known, texts, strict=True)]
    return [figure, Prose(words("measured.surface", rises=listing(rises)))] if rises else [figure]


def _curvature(groups: Sequence[Group], label: Label, words: Words, ordered: bool) -> list[Block]:
    name = placed(groups, label)
    table = curvature_table("curvature", groups, name)
    if table is None:
        return []
    shares, during = [], sharpness(groups, label, words, ordered)
    for group in groups:
        largest, limit = (figure_of(group, "curvature", quantity).mean for quantity in ("largest", "stability_limit"))
        if largest is not None and limit:
            shares.append((largest / limit, name(group)))
    if not shares:
        return [table, *during]
    low, high = min(shares), max(shares)
    ends = [f"{share:.2g}" for share, _ in (low, high)]
    about = f"about {ends[0]}" if ends[0] == ends[1] else f"from {ends[0]} ({low[1]}) to {ends[1]} ({high[1]})"
    texts = [words("curvature.share", times=ends[0] if len(shares) == 1 else about)]
    if high[0] < 1:
        texts.append(words("curvature.below" if during else "curvature.below-at-the-end"))
    if len(shares) > 1 and _flatter(groups):
        texts.append(words("curvature.flatter"))
    return [table, Prose("  ".join(texts)), *during]


def sharpness(groups: Sequence[Group], label: Label, words: Words, ordered: bool = True) -> list[Block]:
    """Return the curvature along the training and how near it comes to what the rate allows; nothing of the end alone.

    Means over the runs measured; the share is of the eigenvalue in the stability limit of the rate then in force.
    """
    figure = sharpness_figure("sharpness", groups, label, ordered=ordered)
    if figure is None:
        return []
    name = placed(groups, label)
    shares = [
        (values["largest"] / values["stability_limit"], words("along.after", runs=name(group), epoch=epoch))
        for group in groups
        for found in (along(group, "curvature", ("largest", "stability_limit")),)
        for epoch, values in found.items()
        if len(found) > 1 and values.get("largest") is not None and values.get("stability_limit")
    ]
    if not shares:
        return [figure]
    low, high = (f"{share:.2g} ({where})" for share, where in (min(shares), max(shares)))
    return [figure, Prose(words("along.sharpness", low=low, high=high))]


def _flatter(groups: Sequence[Group]) -> bool:
    """Return whether three rates or more of each network end the less curved, the higher the rate."""
    lines: dict[tuple[str, int], dict[float, float]] = {}
    for group in groups:
        largest = figure_of(group, "curvature", "largest").mean
        if largest is not None:
            recipe = group.recipe
            lines.setdefault((recipe.dataset, recipe.depth), {})[recipe.learning_rate] = largest
    ordered = [[line[rate] for rate in sorted(line)] for line in lines.values()]
    return all(len(line) > 2 and all(low > high for low, high in pairwise(line)) for line in ordered)


def _noise(groups: Sequence[Group], label: Label, words: Words, ordered: bool) -> list[Block]:
    name = placed(groups, label)
    table = noise_table("noise", groups, name)
    if table is None:
        return []
    sides: dict[str, list[str]] = {}
    for group in groups:
        scale, least = (figure_of(group, "noise-scale", quantity).mean for quantity in ("noise_scale", "at_least"))
        size, batch = (least if scale is None else scale), group.recipe.batch_size
        if size is not None:
            side = "above" if size > batch else "below" if scale is not None else "unknown"
            sides.setdefault(side, []).append(name(group))
    told = words.under("noise")
    if list(sides) == ["below"]:
        told["below"] = told["all-below"]
    of_all = len(groups) > 1 and len(sides) == 1
    parts = [
        f"{told[side]}{' in all of them' if of_all else f' ({listing(sides[side])})' if len(sides) > 1 else ''}"
        for side in ("above", "below", "unknown")
        if side in sides
    ]
    text = "  ".join([opened(f"{'; '.join(parts)} ([[noise]])."), *([told["meaning"]] if "above" in sides else [])])
    during = noise_figure("noise-along", groups, label, ordered=ordered)
    return [table, Prose(text), *([during] if during is not None else [])]


def _gap(groups: Sequence[Group], label: Label, words: Words, ordered: bool) -> list[Block]:
    """Return a reference to the gaps, which the appendix has of all networks."""
    if not any(figure_of(group, "gap", "error_gap").n for group in groups):
        return []
    return [Prose(words("measured.gap"))]


_SECTIONS: dict[str, Callable[[Sequence[Group], Label, Words, bool], list[Block]]] = {
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


def _rise(group: Group) -> float | None:
    """Return the median loss at half a step from the middle, above that in the middle, over the first run's points."""
    rows = [(math.hypot(a, b), loss) for a, b, loss in first_surface(group).select("first", "second", "loss").rows()]
    middle = next((loss for distance, loss in rows if distance < 1e-9), None)
    around = [loss for distance, loss in rows if 0.35 <= distance <= 0.65 and loss is not None]
    return statistics.median(around) - middle if middle is not None and around else None
