"""Do networks get the same images wrong?  The part of a chapter that predictions answer."""

from collections import Counter
from collections.abc import Sequence

from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.predictions import References, Shared, beside_reference, of_same_images, shared_by_seeds
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.predictions import agreement_table, classes_figure
from reslab.exhibits.wording import span
from reslab.studies.findings import Findings

FEW = 20
"""Wrong images below which a share of them is uncertain by more than a tenth or two."""


def same_errors(found: Findings, *, ordered: bool) -> list[Block]:
    """Return what the networks' predictions say together; nothing where none were kept, or nothing is wrong."""
    groups = with_predictions(found.done)
    if not groups:
        return []
    references = _references(found, groups)
    table = agreement_table("agreement", groups, references, found.full, found.label)
    if table is None:
        return []
    figure = classes_figure("classes", groups, found.label, ordered=ordered)
    words = [Prose(_words(groups, references, found))] if found.study.answers else []
    drawn = [figure] if figure is not None else []
    return [Heading(found.words("same.heading")), *words, table, *drawn]


def with_predictions(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that have predictions, those of a data set of the same images as the first of them."""
    return [
        group
        for _, own in by_dataset([group for group in groups if group.predictions])
        for group, same in zip(own, of_same_images([group.predictions[0] for group in own]), strict=True)
        if same
    ]


def _references(found: Findings, groups: Sequence[Group]) -> References:
    """Return the group of each data set that most others are compared with, of equally many the first."""
    firsts = Counter(one.first.label for one in found.compared)
    return {dataset: max(own, key=lambda group: firsts[group.label]) for dataset, own in by_dataset(groups)}


def _words(groups: Sequence[Group], references: References, found: Findings) -> str:
    """Return how much is shared, at its least and most, and whether the images or the networks make the errors.

    They lie in the images where both networks of a pair share most of their errors, the one with more, too.
    """
    seeds = [one for group in groups if (one := shared_by_seeds(group.predictions)) is not None]
    with_others = [(group, one) for group in groups if (one := beside_reference(group, references)) is not None]
    others = [one for _, one in with_others]
    nested = all(one.share > max(50.0, 1.5 * one.chance) for one in [*seeds, *others])
    return found.words(
        "same.text",
        seeds=_reach(seeds),
        others=_reach(others),
        who=found.label(with_others[0][0]) if len(with_others) == 1 else "",
        whom=list(dict.fromkeys(found.label(group) for group in references.values())),
        few=FEW if min(int(one.wrong.sum()) for group in groups for one in group.predictions) < FEW else 0,
        nested=nested,
        hard=nested and all(one.share_of_more > 50 for one in [*seeds, *others]),
    )


def _reach(found: Sequence[Shared]) -> str:
    """Return the least and the largest share in percent; "" without any."""
    ends = span(*(f"{end(one.share for one in found):.0f}" for end in (min, max) if found))
    return f"{ends}%" if ends else ""
