"""What the optimiser met along the training, in words: effective rates, and curvature beside the rate in force."""

from collections.abc import Sequence

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.training_figures import effective_rate_figure, effective_rates, last_epoch, sharpness_figure
from reslab.exhibits.wording import Label, dataset_name
from reslab.studies.sentences import placed
from reslab.studies.words import Words

APART = 1.5
"""Times that rates must differ for their effective rates to be compared in words."""


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


def sharpness(groups: Sequence[Group], label: Label, words: Words) -> list[Block]:
    """Return the curvature along the training and how near it comes to what the rate allows; nothing of the end alone.

    Means over the runs measured; the share is of the eigenvalue in the stability limit of the rate then in force.
    """
    figure = sharpness_figure("sharpness", groups, label, ordered=True)
    if figure is None:
        return []
    name = placed(groups, label)
    shares = [
        (values["largest"] / values["stability_limit"], words("along.after", runs=name(group), epoch=epoch))
        for group in groups
        for found in (group.diagnoses.along("curvature", ("largest", "stability_limit"), last_epoch(group)),)
        for epoch, values in found.items()
        if len(found) > 1 and values.get("largest") is not None and values.get("stability_limit")
    ]
    if not shares:
        return [figure]
    low, high = (f"{share:.2g} ({where})" for share, where in (min(shares), max(shares)))
    return [figure, Prose(words("along.sharpness", low=low, high=high))]
