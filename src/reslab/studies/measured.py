"""Reasons from diagnostics of the trained networks, or how to measure these."""

import statistics
from collections.abc import Callable

from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import by_dataset
from reslab.analysis.layers import inner_responses, responding_less
from reslab.analysis.measured import (
    above_batch,
    figure_of,
    flatter,
    has_effective_rates,
    noise_known,
    rates_apart,
    share_of_limit,
    shares_along,
)
from reslab.analysis.surfaces import rise, telling_surfaces
from reslab.exhibits.blocks import Command, Prose
from reslab.exhibits.why_figures import (
    MOST_SURFACES,
    effective_rate_figure,
    gradients_figure,
    moment_words,
    noise_figure,
    responses_figure,
    sharpness_figure,
    surface_figure,
)
from reslab.exhibits.wording import dataset_name, evenly, listing, number, opened
from reslab.studies.findings import Findings
from reslab.studies.question import Blocks

VANISHED = 0.01
"""Fraction of the last inner layers' gradient below which that of the first ones counts as vanished."""

TELLING = 1.25
"""Factor by which effective rates must differ more, or less, than the rates to be worth a figure."""

MOST_LISTED = 8
"""Most networks whose figures are listed one by one."""

Shares = dict[tuple[str, str], float]
"""How much gradient reaches the first layers, by network name and moment."""


def measured(found: Findings) -> Blocks:
    """Return what was measured of the study's diagnostics, with what it shows; or how to measure them."""
    wanted, words = found.study.diagnostics, found.words
    runs = [run for group in found.groups for run in group.finished["run_id"].to_list()]
    if not wanted or not runs:
        return []
    blocks = [block for name in wanted for block in _SECTIONS[name](found)]
    listed = listing(words(f"diagnostics.{name}") for name in wanted)
    command = Command(f"reslab diagnose {runs[0]} --which {','.join(wanted)}")
    return blocks or [Prose(words("measured.nothing", listed=listed)), command]


def effective(found: Findings) -> Blocks:
    """Return the effective rates where they differ by another factor than the rates.

    [] where no norms were recorded, or not for the groups that others are compared with.
    """
    bases = [one.first for one in found.compared]
    if not all(map(has_effective_rates, bases)):
        return []
    figure = effective_rate_figure("effective-rate", found.groups, found.label, ordered=found.ordered)
    if figure is None:
        return []
    apart = {dataset_name(name): rates_apart(own) for name, own in by_dataset(found.done)}
    times = {name: ratios for name, ratios in apart.items() if ratios is not None}
    if not any(max(one / other, other / one) > TELLING for one, other in times.values()):
        return []
    smaller, several = all(other < one for one, other in times.values()), len(by_dataset(found.groups)) > 1
    return [figure, Prose(found.words("along.rates", times=times, several=several, smaller=smaller))]


def sharpness(found: Findings) -> Blocks:
    """Return the curvature during the training and how near it comes to the stability limit; [] without a figure.

    Both are means over the runs measured, with the limit at the rate then in force.
    """
    figure = sharpness_figure("sharpness", found.groups, found.label, ordered=found.ordered)
    if figure is None:
        return []
    shares = [
        (share, found.words("along.after", runs=found.full(group), epoch=epoch))
        for group in found.groups
        for epoch, share in shares_along(group).items()
    ]
    if not shares:
        return [figure]
    low, high = (f"{share:.2g} ({where})" for share, where in (min(shares), max(shares)))
    return [figure, Prose(found.words("along.sharpness", low=low, high=high))]


def _responses(found: Findings) -> Blocks:
    figure = responses_figure("responses", found.groups, found.label, ordered=found.ordered)
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


def _gradients(found: Findings) -> Blocks:
    """Return the gradient norms by layer and whether they vanish; [] where they were not measured."""
    figure = gradients_figure("gradients", found.groups, found.label, ordered=found.ordered)
    if figure is None:
        return []
    shares = {
        (found.full(group), moment): share
        for group in found.groups
        for moment in group.diagnoses.moments("gradients")
        if (share := group.diagnoses.reaching(moment)) is not None
    }
    if not shares:
        return [figure]
    moments = sorted({moment for _, moment in shares}, key=moment_order)
    epochs = [moment for moment in moments if moment.startswith("epoch ")]
    during = {name for name, moment in shares if moment in epochs}
    gone: dict[str, list[str]] = {}
    for (name, moment), share in shares.items():
        if share < VANISHED:
            gone.setdefault(name, []).append(moment)
    text = found.words(
        "gradients.text",
        parts=[
            (opened(moment_words(some)), _reaching(own))
            for some in (["initial"], epochs, ["final"])
            if (own := {key: share for key, share in shares.items() if key[1] in some})
        ],
        epochs=bool(epochs),
        unseen=listing(dict.fromkeys(name for name, _ in shares if name not in during)),
        limit=f"{VANISHED:g}",
        gone="; ".join(f"{name} ({moment_words(some)})" for name, some in gone.items()),
        moments=moment_words(moments),
    )
    return [figure, Prose(text)]


def _reaching(shares: Shares) -> str:
    """Return each of a few shares before training, else the smallest and the largest, with their networks."""
    moments = {moment for _, moment in shares}
    if moments == {"initial"} and len(shares) <= MOST_LISTED:
        texts = evenly(list(shares.values()))
        return listing(f"{text} for {name}" for (name, _), text in zip(shares, texts, strict=True))
    ends = [
        f"{f'{shares[name, moment]:#.2g}'.removesuffix('.')} "
        f"({name}{f', {moment_words([moment])}' if len(moments) > 1 else ''})"
        for name, moment in (min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__))
    ]
    return f"from {ends[0]} to {ends[1]}" if len(shares) > 1 else ends[0]


def _surface(found: Findings) -> Blocks:
    wanted = telling_surfaces(found.groups, MOST_SURFACES)
    figure = surface_figure("surface", wanted, found.full)
    if figure is None:
        return []
    known = [(group, height) for group in wanted if (height := rise(group)) is not None]
    texts = evenly([height for _, height in known])
    rises = listing(f"{text} nats for {found.full(group)}" for (group, _), text in zip(known, texts, strict=True))
    return [figure, Prose(found.words("measured.surface", rises=rises) if known else "")]


def _curvature(found: Findings) -> Blocks:
    """Return how the curvature at the end compares with the stability limit, and the curvature during the training."""
    known = [(share, found.full(group)) for group in found.groups if (share := share_of_limit(group)) is not None]
    if not known:
        return []
    ends = [
        {
            "where": found.full(high).replace(found.short(high), "").strip(", "),
            "rates": [number(group.recipe.learning_rate) for group in (low, high)],
            "largest": [f"{figure_of(group, 'curvature', 'largest').mean:.3g}" for group in (low, high)],
        }
        for low, high in flatter(found.groups)
    ]
    text = found.words(
        "curvature.text",
        ends=[(f"{share:.2g}", name) for share, name in sorted({min(known), max(known)})],
        below=max(known)[0] < 1,
        rates=len({group.recipe.learning_rate for group in found.groups}),
        flatter=ends,
    )
    return [Prose(text), *sharpness(found)]


def _noise(found: Findings) -> Blocks:
    """Return whether the gradient noise scale exceeds the batch size, and the noise scale during the training."""
    measured = [group for group in found.groups if noise_known(group)]
    if not measured:
        return []
    above = [found.full(group) for group in measured if above_batch(group)]
    text = found.words("noise.text", above=listing(above), all=len(above) == len(measured))
    return [Prose(text), noise_figure("noise-along", found.groups, found.label, ordered=found.ordered)]


def _gap(found: Findings) -> Blocks:
    """Return a reference to the appendix, which has the gaps of all networks; [] where none was measured."""
    known = any(figure_of(group, "gap", "error_gap").n for group in found.groups)
    return [Prose(found.words("measured.gap"))] if known else []


_SECTIONS: dict[str, Callable[[Findings], Blocks]] = {
    "responses": _responses,
    "gradients": _gradients,
    "surface": _surface,
    "curvature": _curvature,
    "noise-scale": _noise,
    "gap": _gap,
}
"""The section for each diagnostic; empty where it was not measured."""
