"""What does the learning rate do?  The assignment's section 4: ResNet-20 at a tenth to ten times the base rate."""

from reslab.analysis.groups import Group
from reslab.exhibits.factor_rows import MEASURED, Axis
from reslab.exhibits.wording import network_name, number
from reslab.published import Published, published
from reslab.studies.against_published import beside_ranges
from reslab.studies.comparable import why_not_comparable
from reslab.studies.designs import at_rate, bases, labelled, study_of, where, with_base
from reslab.studies.findings import Groups
from reslab.studies.question import Chapter, Question
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20,)
FACTORS = (1 / 10, 1 / 5, 1 / 2, 1.0, 2.0, 5.0, 10.0)


def ask(options: Options) -> Study:
    """Return the study of the learning rate as the options have it."""
    asked = []
    for base in bases(options, DEPTHS):
        for factor in FACTORS:
            recipe = at_rate(base, factor)
            label = labelled([f"rate {number(recipe.learning_rate)}"], recipe)
            asked.append((label, recipe, (*where(base), ("rate_times", factor))))
    measured = ("curvature",)
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=measured)


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is the learning rate's own in its chapter."""
    base = {variant.recipe for variant in study.variants if dict(variant.factors)["rate_times"] == 1}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def label(group: Group) -> str:
        return f"rate {_rate(group)}{f', {network_name(group.recipe)}' if many else ''}"

    return Chapter(
        words=words,
        label=label,
        pairs=lambda groups: with_base(groups, base),
        axis=Axis(words("axis"), _rate, lambda group: network_name(group.recipe) if many else MEASURED),
        published=_published,
        place=lambda one: number(one.learning_rate or 0),
        matches=_matches,
        sections=lambda found: beside_ranges(found, _published(found.done), _matches, label),
    )


QUESTION = Question(name="learning-rate", ask=ask, chapter=chapter)


def _published(groups: Groups) -> list[Published]:
    """Return the assignment's figures at the rates of those groups that may be compared with them."""
    return [
        one
        for group in groups
        if why_not_comparable(group) is None
        for one in published(dataset=group.recipe.dataset, depth=group.recipe.depth, varying="learning_rate")
        if _matches(group, one)
    ]


def _matches(group: Group, one: Published) -> bool:
    recipe = group.recipe
    return (one.dataset, one.learning_rate, one.depth) == (recipe.dataset, recipe.learning_rate, recipe.depth)


def _rate(group: Group) -> str:
    return number(group.recipe.learning_rate)
