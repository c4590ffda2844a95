"""What are shortcuts with parameters worth?  Options A, B and C of the paper, on small images."""

from collections.abc import Sequence
from itertools import combinations

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.results import size_table
from reslab.exhibits.wording import listing, network_name, number
from reslab.recipe import vary
from reslab.studies.answers import Answer, answers_by_base
from reslab.studies.designs import BOTH, base_recipe, labelled, seeds, variants, within
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import nothing_beside, reasons, untested
from reslab.studies.sentences import higher, lower
from reslab.studies.study import Options, Study

DEPTHS = (20, 56)
SHORTCUTS = ("A", "B", "C")


def ask(options: Options) -> Study:
    """Return the study of shortcuts as the options have it."""
    asked = []
    for dataset in options.datasets or BOTH:
        for depth in options.depths or DEPTHS:
            for shortcut in SHORTCUTS:
                recipe = vary(base_recipe(options, dataset, depth), shortcut=shortcut)
                factors = (("dataset", dataset), ("depth", depth), ("shortcut", shortcut))
                asked.append((labelled([f"shortcut {shortcut}"], recipe), recipe, factors))
    return Study(
        name=QUESTION.name,
        title=QUESTION.title,
        question="How do the errors differ between identity shortcuts with zero channels (A), projections where the "
        "size changes (B), and projections everywhere (C)?",
        expectation="small differences.  On ImageNet the paper finds B a little better than A and C marginally better "
        "than B, puts the gain of C down to its parameters, and concludes that projections are not essential; on "
        "CIFAR-10 it uses A only.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=QUESTION.name,
    )


def chapter(study: Study) -> Chapter:
    """Return what is the shortcuts' own in their chapter."""
    return Chapter(
        label=_label,
        pairs=_pairs,
        varied="shortcut",
        axis=Axis("Depth (layers)", lambda group: str(group.recipe.depth), _shortcut),
        readings=("test", "train"),
        answers=_answers,
        exhibits=_sizes,
        why=_why,
        ordered=False,
    )


QUESTION = Question(name="shortcuts", title="What are shortcuts with parameters worth?", ask=ask, chapter=chapter)


def _pairs(groups: Groups) -> Pairs:
    return within(
        groups,
        lambda own: [
            (first, second) for first, second in combinations(own, 2) if first.recipe.depth == second.recipe.depth
        ],
    )


def _answers(found: Findings) -> list[Answer]:
    with_first = [one for one in found.compared if one.first.recipe.shortcut == SHORTCUTS[0]]
    return answers_by_base(found.done, with_first, _label)


def _sizes(found: Findings) -> list[Block]:
    table = size_table("sizes", found.done, found.full)
    return [table] if table is not None else []


def _why(found: Findings) -> list[Block]:
    """Return what differences between shortcuts, or their equality, or neither, say about projections."""
    if untested(found.compared) or nothing_beside(found.compared):
        return reasons(found.compared, _listed)
    known = [one for one in found.compared if one.test is not None]
    equal = sum(one.test is not None and one.test.kind == "equal" for one in known)
    sentences = []
    if better := [one for one in known if lower(one.test)]:
        sentences.append(
            f"More projections have the lower error: {_listed(better)}.  They have more parameters, too ([[sizes]]): a "
            "gain of B or C may be that of its parameters, which these runs do not tell apart."
        )
    if worse := [one for one in known if higher(one.test)]:
        sentences.append(f"They have the higher error, in spite of their parameters: {_listed(worse)}.")
    if not sentences and equal == len(known):
        sentences = [f"All are equal within {number(MARGIN)} points: projections are not essential here."]
    if not sentences:
        sentences = [
            f"No difference between shortcuts is resolved ({equal} of {len(known)} comparisons are equal within "
            f"{number(MARGIN)} points).  Projections may be as little essential as the paper holds, or their effect "
            "too small for these seeds."
        ]
    return [Prose("  ".join(sentences))]


def _listed(compared: Sequence[Compared]) -> str:
    return listing(f"{_label(one.second)} against {_shortcut(one.first)}" for one in compared)


def _shortcut(group: Group) -> str:
    return f"shortcut {group.recipe.shortcut}"


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {_shortcut(group)}"
