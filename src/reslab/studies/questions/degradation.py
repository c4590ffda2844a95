"""Do plain networks degrade with depth where residual ones do not?  The paper's figure 6."""

from collections.abc import Sequence
from itertools import product

from reslab.analysis.comparable import Beside, comparable_figures
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.analysis.reasons import shows
from reslab.analysis.verdicts import Kind
from reslab.exhibits.blocks import Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import dataset_name, listing, network_name
from reslab.studies.designs import BOTH, base_recipe, steps, study_of
from reslab.studies.findings import Answer, Clause, Findings, Groups, Pairs
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import Reasons
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 32, 44, 56)
FAMILIES = ("plain", "residual")


def ask(options: Options) -> Study:
    """Return the study of degradation under these options."""
    asked = [
        ("", base_recipe(options, dataset, depth, family), {"family": family})
        for dataset in options.datasets or BOTH
        for family in FAMILIES
        for depth in sorted(options.depths or DEPTHS)
    ]
    measured = ("responses", "gap", "gradients", "surface")
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=("gradients",))


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on degradation."""
    return Chapter(
        words=words,
        label=_network,
        pairs=_pairs,
        axis=Axis(words("axis"), lambda group: str(group.recipe.depth), lambda group: group.recipe.family),
        readings=("train", "test"),
        published=Beside(comparable_figures),
        answers=_answers,
        expects=_expects,
        why=_why,
        together=True,
        ordered=False,
    )


QUESTION = Question(name="degradation", ask=ask, chapter=chapter)


def _network(group: Group) -> str:
    return network_name(group.recipe)


def _pairs(own: Groups) -> Pairs:
    """Return pairs of each depth of a family with the next, of the least with the greatest, and of the families."""
    plain, residual = ([group for group in own if group.recipe.family == family] for family in FAMILIES)
    both = [pair for pair in product(plain, residual) if pair[0].recipe.depth == pair[1].recipe.depth]
    return [*steps(plain), *steps(residual), *both]


def _expects(one: Compared) -> Kind | None:
    if one.first.recipe.family != one.second.recipe.family:
        return None
    return "higher" if one.first.recipe.family == "plain" else "lower"


def _ends(found: Findings) -> dict[tuple[str, str], Compared]:
    """Return the comparison of shallowest and deepest by data set and family, where anything has finished."""
    ends = {}
    for one in sorted(found.compared, key=lambda one: one.second.recipe.depth - one.first.recipe.depth):
        recipe = one.first.recipe
        if recipe.family == one.second.recipe.family and recipe.dataset in datasets_of(found.done):
            ends[recipe.dataset, recipe.family] = one
    return ends


def _answers(found: Findings) -> list[Answer]:
    """Return whether each family degrades on each data set, with a higher training error; known answers first."""
    answers, ends = [], _ends(found)
    for dataset, _ in by_dataset(found.done):
        known, unknown = {}, {}
        for family in FAMILIES:
            one = ends.get((dataset, family))
            if one is None or one.test is None:
                unknown[family] = Clause(_missing(one, found.words))
            else:
                train, layers = one.train, f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers"
                kinds = {"train": train.kind if train else "unknown", "test": one.kind}
                known[family] = Clause(found.words("answers.depth", **kinds, layers=layers), (one.test,))
        for family, clause in (known | unknown if known else {}).items():
            answers.append(Answer(f"{dataset_name(dataset)}, {family} networks", (clause,)))
    return answers


def _missing(one: Compared | None, words: Words) -> str:
    """Return why the depths of a family cannot be compared: one diverged, or has not finished."""
    lost = {_network(group): None for group in (one.first, one.second) if group.num_diverged} if one else {}
    return f"{listing(lost)} diverged" if lost else words("answers.unfinished")


def _why(found: Findings) -> Reasons:
    """Return whether there is degradation to explain."""
    plain = [one for (_, family), one in _ends(found).items() if family == "plain"]
    if (state := shows(plain)) == "nothing":
        case = "incomparable" if plain else "without"
    else:
        case = "untested" if state == "untested" else "degrades" if _degrading(plain) else "open"
    several = len(datasets_of(found.done)) > 1
    places = [f" on {dataset_name(one.first.recipe.dataset)}" if several else "" for one in plain]
    told = listing(f"{_missing(one, found.words)}{place}" for one, place in zip(plain, places, strict=True))
    where = listing(dataset_name(one.first.recipe.dataset) for one in _degrading(plain)) if several else ""
    return Reasons([Prose(found.words(f"why.{case}", told=told, where=where))])


def _degrading(plain: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons of depths in which the training error, too, rises."""
    return [one for one in plain if one.train is not None and one.train.kind == "higher"]
