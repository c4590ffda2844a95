"""Do plain networks degrade with depth where residual ones do not?  The paper's figure 6."""

from collections.abc import Sequence
from itertools import pairwise

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.factor_rows import Axis
from reslab.exhibits.published_tables import nothing
from reslab.exhibits.wording import dataset_name, listing, network_name
from reslab.studies.answers import Answer, Effect
from reslab.studies.designs import BOTH, base_recipe, labelled, study_of, within
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.question import Chapter, Question
from reslab.studies.questions.depth import comparable_figures
from reslab.studies.reasons import nothing_beside, untested
from reslab.studies.sentences import higher, lower
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 32, 44, 56)
FAMILIES = ("plain", "residual")


def ask(options: Options) -> Study:
    """Return the study of degradation as the options have it."""
    asked = []
    for dataset in options.datasets or BOTH:
        for family in FAMILIES:
            for depth in sorted(set(options.depths or DEPTHS)):
                recipe = base_recipe(options, dataset, depth, family)
                factors = (("dataset", dataset), ("family", family), ("depth", depth))
                asked.append((labelled([], recipe), recipe, factors))
    measured = ("responses", "gap", "gradients", "surface")
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=("gradients",))


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is degradation's own in its chapter."""
    return Chapter(
        words=words,
        label=_network,
        pairs=_pairs,
        axis=Axis(words("axis"), lambda group: str(group.recipe.depth), _family),
        readings=("train", "test"),
        published=comparable_figures,
        matches=nothing,
        answers=_answers,
        why=_why,
        together=True,
        ordered=False,
    )


QUESTION = Question(name="degradation", ask=ask, chapter=chapter)


def _pairs(groups: Groups) -> Pairs:
    def find(own: Groups) -> Pairs:
        pairs = []
        for family in FAMILIES:
            line = [group for group in own if group.recipe.family == family]
            pairs += list(pairwise(line))
            if len(line) > 2:
                pairs.append((line[0], line[-1]))
        plain, residual = ([group for group in own if group.recipe.family == family] for family in FAMILIES)
        return pairs + [
            (first, second) for first in plain for second in residual if first.recipe.depth == second.recipe.depth
        ]

    return within(groups, find)


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each data set and family, from the least depth to the greatest."""
    answers = []
    for dataset in datasets_of(found.done):
        ends = [one for one in _ends(found.compared, dataset) if one.test is not None]
        for one in ends:
            where = f"{dataset_name(dataset)}, {_family(one.first)} networks"
            answers.append(Answer(where, _depth_words(one, found.words), (Effect.of(one, _network),)))
        without = [name for name in FAMILIES if ends and name not in {_family(one.first) for one in ends}]
        answers += [
            Answer(f"{dataset_name(dataset)}, {name} networks", _missing(found, dataset, name)) for name in without
        ]
    return answers


def _missing(found: Findings, dataset: str, family: str) -> str:
    """Return why the depths of a family cannot be compared: the ends diverged, or have not finished."""
    ends = [one for one in _ends(found.compared, dataset) if _family(one.first) == family]
    lost = {group.label: group for one in ends for group in (one.first, one.second) if group.num_diverged}
    if lost:
        return listing(f"{_network(group)} diverged" for group in lost.values())
    return found.words("answers.unfinished")


def _ends(compared: Sequence[Compared], dataset: str) -> list[Compared]:
    """Return the comparison of the shallowest with the deepest of each family."""
    found = []
    for family in FAMILIES:
        own = [
            one
            for one in compared
            if one.first.recipe.dataset == dataset and one.first.recipe.family == one.second.recipe.family == family
        ]
        found += [max(own, key=lambda one: one.second.recipe.depth - one.first.recipe.depth)] if own else []
    return found


def _depth_words(one: Compared, words: Words) -> str:
    """Return whether this family degrades: a higher training error with more layers."""
    if one.test is None or one.train is None or one.train.kind == "unknown":
        case = "untested"
    elif higher(one.train):
        case = "degrades-both" if higher(one.test) else "degrades"
    elif lower(one.train):
        case = "improves-both" if lower(one.test) else "improves"
    else:
        case = "test-rises" if higher(one.test) else "open"
    return words(f"answers.{case}", layers=f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers")


def _why(found: Findings) -> list[Block]:
    """Return whether there is a degradation to give a reason for."""
    ends = [
        one
        for dataset in datasets_of(found.done)
        for one in _ends(found.compared, dataset)
        if _family(one.first) == "plain"
    ]
    told = ""
    if nothing_beside(ends):
        told = listing(_missing(found, one.first.recipe.dataset, "plain") for one in ends)
        case = "incomparable" if told else "without"
    elif untested(ends):
        case = "untested"
    else:
        case = "degrades" if any(higher(one.train) for one in ends) else "open"
    return [Prose(found.words(f"why.{case}", told=told))]


def _network(group: Group) -> str:
    return network_name(group.recipe)


def _family(group: Group) -> str:
    return "residual" if group.recipe.family == "residual" else "plain"
