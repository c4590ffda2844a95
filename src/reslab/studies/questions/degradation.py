"""Do plain networks degrade with depth where residual ones do not?  The paper's figure 6."""

from collections.abc import Sequence
from itertools import pairwise, product

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, by_dataset
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import dataset_name, listing, network_name
from reslab.studies.answers import Answer, Effect
from reslab.studies.designs import BOTH, base_recipe, labelled, study_of, within
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.question import OF_NETWORKS, Chapter, Question
from reslab.studies.reasons import nothing_beside, untested
from reslab.studies.sentences import higher
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
        pairs=lambda groups: within(groups, _pairs),
        axis=Axis(words("axis"), lambda group: str(group.recipe.depth), _family),
        readings=("train", "test"),
        published=OF_NETWORKS,
        answers=_answers,
        why=_why,
        together=True,
        ordered=False,
    )


QUESTION = Question(name="degradation", ask=ask, chapter=chapter)


def _pairs(own: Groups) -> Pairs:
    """Return each depth of a family with the next, the least with the greatest, and both families at each depth."""
    lines = [[group for group in own if group.recipe.family == family] for family in FAMILIES]
    pairs = [pair for line in lines for pair in (*pairwise(line), *([(line[0], line[-1])] if len(line) > 2 else []))]
    plain, residual = lines
    return pairs + [(first, second) for first, second in product(plain, residual) if _deeper(first, second) == 0]


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each data set and family, from the least depth to the greatest."""
    answers = []
    for dataset, _ in by_dataset(found.done):
        ends = {_family(one.first): one for one in _ends(found.compared, dataset)}
        if any(one.test for one in ends.values()):
            for family in sorted(FAMILIES, key=lambda family: not (family in ends and ends[family].test)):
                where, one = f"{dataset_name(dataset)}, {family} networks", ends.get(family)
                known = one is not None and one.test is not None
                effects = (Effect.of(one, _network),) if one and known else ()
                text = _depth_words(one, found.words) if one and known else _missing(one, found.words)
                answers.append(Answer(where, text, effects))
    return answers


def _missing(one: Compared | None, words: Words) -> str:
    """Return why the depths of a family cannot be compared: the ends diverged, or have not finished."""
    lost = [group for group in (one.first, one.second) if group.num_diverged] if one else []
    return listing(f"{_network(group)} diverged" for group in lost) or words("answers.unfinished")


def _ends(compared: Sequence[Compared], dataset: str) -> list[Compared]:
    """Return the comparison of the shallowest with the deepest of each family."""
    found: dict[str, Compared] = {}
    for one in compared:
        families = {one.first.recipe.family, one.second.recipe.family}
        if one.first.recipe.dataset == dataset and len(families) == 1:
            family = families.pop()
            found[family] = max(found.get(family, one), one, key=lambda one: _deeper(one.first, one.second))
    return list(found.values())


def _deeper(first: Group, second: Group) -> int:
    return second.recipe.depth - first.recipe.depth


def _depth_words(one: Compared, words: Words) -> str:
    """Return whether this family degrades: a higher training error with more layers."""
    return words(
        "answers.depth",
        train=one.train.kind if one.train else "unknown",
        test=one.test.kind if one.test else "unknown",
        layers=f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers",
    )


def _why(found: Findings) -> list[Block]:
    """Return whether there is a degradation to give a reason for."""
    plain = [one for dataset, _ in by_dataset(found.done) for one in _ends(found.compared, dataset)]
    plain = [one for one in plain if _family(one.first) == "plain"]
    if nothing_beside(plain):
        case = "incomparable" if plain else "without"
    else:
        shown = any(higher(one.train) for one in plain)
        case = "untested" if untested(plain) else "degrades" if shown else "open"
    return [Prose(found.words(f"why.{case}", told=listing(_missing(one, found.words) for one in plain)))]


def _network(group: Group) -> str:
    return network_name(group.recipe)


def _family(group: Group) -> str:
    return "residual" if group.recipe.family == "residual" else "plain"
