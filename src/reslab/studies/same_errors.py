"""Do networks get the same images wrong?  The part of a chapter that predictions answer."""

from collections import Counter
from collections.abc import Sequence

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.predictions import References, beside_reference, of_same_images, shared_by_seeds
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.predictions import agreement_table, classes_figure
from reslab.exhibits.wording import listing, opened
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
    kept = [group for group in groups if group.predictions]
    return [
        group
        for dataset in datasets_of(kept)
        for own in (on_dataset(kept, dataset),)
        for group, same in zip(own, of_same_images([group.predictions[0] for group in own]), strict=True)
        if same
    ]


def _references(found: Findings, groups: Sequence[Group]) -> References:
    """Return the group of each data set that most others are compared with, of equally many the first."""
    firsts = Counter(one.first.label for one in found.compared)
    return {
        dataset: max(on_dataset(groups, dataset), key=lambda group: firsts[group.label])
        for dataset in datasets_of(groups)
    }


def _words(groups: Sequence[Group], references: References, found: Findings) -> str:
    """Return how much is shared, at its least and most, and whether the images or the networks make the errors."""
    words = found.words
    seeds = [one for group in groups if (one := shared_by_seeds(group.predictions)) is not None]
    others = [one for group in groups if (one := beside_reference(group, references)) is not None]
    names = list(dict.fromkeys(found.label(group) for group in references.values()))
    whom = names[0] if len(names) == 1 else words("same.first")
    kinds = (("seeds", seeds), ("others", others))
    parts = [words(f"same.{kind}", shares=_reach([one.share for one in own]), whom=whom) for kind, own in kinds if own]
    texts = [words("same.shared", listed=opened(listing(parts)))]
    if min(int(one.wrong.sum()) for group in groups for one in group.predictions) < FEW:
        texts.append(words("same.few", few=FEW))
    elif all(one.share > max(50.0, 1.5 * one.chance) for one in [*seeds, *others]):
        texts.append(words("same.hard"))
    return "  ".join(texts)


def _reach(values: Sequence[float]) -> str:
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return f"{low}%" if low == high else f"{low} to {high}%"
