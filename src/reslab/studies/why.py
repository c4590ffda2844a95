"""Why it happens: what was measured on the trained networks, shown and said, or that it was not measured."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import polars as pl

from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits import why as exhibits
from reslab.exhibits.blocks import Block, Command, Heading, Prose
from reslab.exhibits.why import measured, moment_words
from reslab.exhibits.wording import dataset_name, listing, opened
from reslab.studies.study import Study

Label = Callable[[Group], str]

VANISHED = 0.01
"""Share of the last inner layers' gradient below which that of the first ones counts as vanished."""


def why(study: Study, groups: Sequence[Group], label: Label) -> list[Block]:
    """Return what was measured of what the study wants, with what it shows; how to measure it where nothing was."""
    if not study.diagnostics or not any(group.num_finished for group in groups):
        return []
    blocks: list[Block] = []
    for name in study.diagnostics:
        blocks += _SECTIONS[name](groups, label)
    if not blocks:
        run = next(run for group in groups for run in group.finished["run_id"].to_list())
        wanted = listing(_NAMES[name] for name in study.diagnostics)
        blocks = [
            Prose(f"The why was not measured.  What would show it here: {wanted}.  For one run, and so for each:"),
            Command(f"reslab diagnose {run} --which {','.join(study.diagnostics)}"),
        ]
    return [Heading("Why: what was measured on the networks"), *blocks]


def _responses(groups: Sequence[Group], label: Label) -> list[Block]:
    figure = exhibits.responses_figure("responses", groups, label)
    if figure is None:
        return []
    sentences = []
    for dataset in datasets_of(groups):
        means = [
            (group, _mean_response(group))
            for group in on_dataset(groups, dataset)
            if group.diagnoses.by_layer("responses").height
        ]
        if means:
            listed = listing(f"{mean:.2f} in {label(group)}" for group, mean in means)
            sentences.append(f"On {dataset_name(dataset)} the mean over the layers ([[responses]]) is {listed}.")
        sentences += _responding(
            {group.recipe.depth: mean for group, mean in means if group.recipe.family == "residual"}
        )
    return [figure, Prose("  ".join(sentences))]


def _responding(means: Mapping[int, float]) -> list[str]:
    """Return whether the deeper of the residual networks respond less, as the paper's do, from the means by depth."""
    if len(means) < 2:
        return []
    ordered = [means[depth] for depth in sorted(means)]
    if all(deeper < shallower for shallower, deeper in pairwise(ordered)):
        return [
            "The deeper a residual network is, the less its layers respond: each changes less of what passes through "
            "it, which is what the paper found in its figure 7."
        ]
    return ["That deeper residual networks respond less in each layer, as in the paper's figure 7, is not seen here."]


def _gradients(groups: Sequence[Group], label: Label) -> list[Block]:
    figure = exhibits.gradients_figure("gradients", groups, label)
    if figure is None:
        return []
    shares = {
        (group.label, moment): share
        for group in groups
        for moment in group.diagnoses.moments("gradients")
        if (share := _reaching(group, moment)) is not None
    }
    if not shares:
        return [figure]
    return [figure, Prose("  ".join([_shares_words(shares), _vanished_words(shares)]))]


Shares = dict[tuple[str, str], float]
"""How much gradient reaches the first layers, by a group's label and the moment."""


def _shares_words(shares: Shares) -> str:
    """Return what was measured before, during and at the end of training, and of which networks it was not."""
    epochs = _epochs(shares)
    subject = (
        "the gradient of the first quarter of the inner layers, as a share of that of the last quarter (medians; "
        "[[gradients]]),"
    )
    sentences = []
    for moments in (["initial"], epochs, ["final"]):
        found = {key: share for key, share in shares.items() if key[1] in moments}
        if found:
            values = _each(found) if moments == ["initial"] else _from_to(found)
            sentences.append(opened(f"{moment_words(moments)} {subject} is {values}."))
            subject = "it"
    if not epochs:
        sentences.append("Between the start and the end of training it was not measured.")
    elif unseen := _unseen(shares):
        sentences.append(f"During training it was not measured on {listing(unseen)}.")
    return "  ".join(sentences)


def _each(shares: Shares) -> str:
    return listing(f"{share:.2g} for {name}" for (name, _), share in shares.items())


def _from_to(shares: Shares) -> str:
    """Return the smallest and the largest, and of what they are: with the moment where there are several."""
    several = len({moment for _, moment in shares}) > 1
    ends = [
        f"{shares[name, moment]:.2g} ({name}{f', {moment_words([moment])}' if several else ''})"
        for name, moment in (min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__))
    ]
    return f"from {ends[0]} to {ends[1]}" if len(shares) > 1 else ends[0]


def _vanished_words(shares: Shares) -> str:
    """Return of which networks the gradient vanished, and when; or that it did at none of the moments measured."""
    gone: dict[str, list[str]] = {}
    for (name, moment), share in shares.items():
        if share < VANISHED:
            gone.setdefault(name, []).append(moment)
    if gone:
        return (
            f"Below {VANISHED:g}, and so vanished: "
            + "; ".join(f"{name} ({moment_words(moments)})" for name, moments in gone.items())
            + "."
        )
    moments = sorted({moment for _, moment in shares}, key=moment_order)
    text = f"None is below {VANISHED:g}: gradients do not vanish on their way back in any of these networks"
    if not _epochs(shares):
        return f"{text} {moment_words(moments)}; what happens in between, this does not say."
    text += f", measured {moment_words(moments)}."
    cause = "Whatever trouble there is has another cause, as the paper holds of its plain networks."
    return text if _unseen(shares) else f"{text}  {cause}"


def _unseen(shares: Shares) -> list[str]:
    """Return the networks on which nothing was measured between the start and the end of training."""
    during = {name for name, moment in shares if moment.startswith("epoch ")}
    return [name for name in dict.fromkeys(name for name, _ in shares) if name not in during]


def _epochs(shares: Shares) -> list[str]:
    return sorted({moment for _, moment in shares if moment.startswith("epoch ")}, key=moment_order)


def _surface(groups: Sequence[Group], label: Label) -> list[Block]:
    wanted = _for_surfaces(groups)
    figure = exhibits.surface_figure("surface", wanted, lambda group: group.label)
    if figure is None:
        return []
    rises = [f"{rise:.2g} nats for {group.label}" for group in wanted if (rise := _rise(group)) is not None]
    text = (
        f"Half a step from the trained weights the median loss is above that in the middle by {listing(rises)} "
        "([[surface]]): the less, the flatter the surroundings."
    )
    return [figure, Prose(text)] if rises else [figure]


def _curvature(groups: Sequence[Group], label: Label) -> list[Block]:
    table = exhibits.curvature_table("curvature", groups, _full)
    if table is None:
        return []
    shares = []
    for group in groups:
        largest, limit = (measured(group, "curvature", name).mean for name in ("largest", "stability_limit"))
        if largest is not None and limit:
            shares.append((largest / limit, group.label))
    if not shares:
        return [table]
    low, high = min(shares), max(shares)
    if len(shares) == 1:
        return [table, Prose(f"The largest eigenvalue is {low[0]:.2g} times the stability limit ([[curvature]]).")]
    text = (
        f"The largest eigenvalue is from {low[0]:.2g} ({low[1]}) to {high[0]:.2g} ({high[1]}) times the stability "
        "limit at the last rate ([[curvature]])."
    )
    return [table, Prose(text)]


def _noise(groups: Sequence[Group], label: Label) -> list[Block]:
    table = exhibits.noise_table("noise", groups, _full)
    if table is None:
        return []
    above: list[str] = []
    below: list[str] = []
    for group in groups:
        found = [measured(group, "noise-scale", name).mean for name in ("noise_scale", "at_least")]
        size = next((value for value in found if value is not None), None)
        if size is not None:
            (above if size > group.recipe.batch_size else below).append(group.label)
    parts = [f"above the batch size: {listing(above)}"] if above else []
    parts += [f"below it: {listing(below)}"] if below else []
    text = (
        f"The noise scale, or what it is at least, is {'; '.join(parts)} ([[noise]]).  Above it, a larger batch still "
        "averages noise away at the end of training; that the noise is not itself of use is not said by this."
    )
    return [table, Prose(text)]


def _gap(groups: Sequence[Group], label: Label) -> list[Block]:
    table = exhibits.gap_table("gap", groups, _full)
    return [] if table is None else [table]


_SECTIONS: dict[str, Callable[[Sequence[Group], Label], list[Block]]] = {
    "responses": _responses,
    "gradients": _gradients,
    "surface": _surface,
    "curvature": _curvature,
    "noise-scale": _noise,
    "gap": _gap,
}
_NAMES = {
    "responses": "the responses of each layer",
    "gradients": "the gradient norm by layer",
    "surface": "the loss around the trained weights",
    "curvature": "the largest eigenvalue of the Hessian",
    "noise-scale": "the gradient noise scale",
    "gap": "the gap between training and test images of the final weights",
}


def _full(group: Group) -> str:
    return group.label


def _mean_response(group: Group) -> float:
    return statistics.fmean(group.diagnoses.by_layer("responses")["value"].to_list())


def _reaching(group: Group, moment: str) -> float | None:
    """Return the median gradient of the first quarter of the inner layers over that of the last."""
    values = group.diagnoses.by_layer("gradients", moment)["value"].to_list()[1:-1]
    quarter = len(values) // 4
    if not quarter:
        return None
    last = statistics.median(values[-quarter:])
    return statistics.median(values[:quarter]) / last if last else None


def _for_surfaces(groups: Sequence[Group]) -> list[Group]:
    """Return the groups whose surfaces say most: of each data set the deepest of each family, all where few."""
    have = [group for group in groups if group.diagnoses.points.height]
    if len(have) <= exhibits.MOST_SURFACES:
        return have
    deepest: dict[tuple[str, str], Group] = {}
    for group in sorted(have, key=lambda group: group.recipe.depth):
        deepest[group.recipe.dataset, group.recipe.family] = group
    chosen = list(deepest.values())
    return [group for group in have if any(group is one for one in chosen)] if len(chosen) > 1 else have


def _rise(group: Group) -> float | None:
    """Return the median loss at half a step from the middle, above that in the middle, over the first run's points."""
    points = group.diagnoses.points
    points = points.filter(pl.col("run_id") == points["run_id"].min())
    rows = [(math.hypot(a, b), loss) for a, b, loss in points.select("first", "second", "loss").rows()]
    middle = next((loss for distance, loss in rows if distance < 1e-9), None)
    around = [loss for distance, loss in rows if 0.35 <= distance <= 0.65 and loss is not None]
    return statistics.median(around) - middle if middle is not None and around else None
