"""What are shortcuts with parameters worth?  Options A, B and C of the paper, on small images."""

from collections.abc import Sequence
from itertools import combinations

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.tables import size_table
from reslab.exhibits.windows import beside_table, nothing, window_table
from reslab.exhibits.wording import dataset_name, listing, network_name, number
from reslab.recipe import vary
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import higher, in_sentences, lower, placed, told
from reslab.studies.designs import BOTH, base_recipe, labelled, seeds, variants, within
from reslab.studies.reasons import reasons, untested
from reslab.studies.study import Options, Study

NAME = "shortcuts"
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
        name=NAME,
        title="What are shortcuts with parameters worth?",
        question="How do the errors differ between identity shortcuts with zero channels (A), projections where the "
        "size changes (B), and projections everywhere (C)?",
        expectation="small differences.  On ImageNet the paper finds B a little better than A and C marginally better "
        "than B, takes the gain of C to be that of its parameters, and concludes that projections are not "
        "essential; on CIFAR-10 it uses A only.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=NAME,
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's chapter on shortcuts."""
    return write(study, tables, CHAPTER)


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set and network."""
    return in_short(study, tables, CHAPTER)


def _pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    return within(
        groups,
        lambda own: [
            (first, second) for first, second in combinations(own, 2) if first.recipe.depth == second.recipe.depth
        ],
    )


def _results(groups: Sequence[Group]) -> list[Block]:
    axis = Axis("Depth (layers)", lambda group: str(group.recipe.depth), _shortcut)
    figure = factor_figure("final", groups, axis, (), ("test", "train"))
    blocks: list[Block] = [figure] if figure is not None else []
    sizes = size_table("sizes", groups, placed(groups, _label))
    blocks += [sizes] if sizes is not None else []
    for dataset in datasets_of(groups):
        own = on_dataset(groups, dataset)
        tables = (
            beside_table(f"final-{dataset}", own, [], _label, heading="Network", matches=nothing),
            window_table(f"window-{dataset}", own, [], _label),
        )
        blocks += [table for table in tables if table is not None]
    return blocks


def _short(done: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
    with_first = [one for one in compared if one.first.recipe.shortcut == SHORTCUTS[0]]
    return in_sentences(done, with_first, _shortcut)


def _answers(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    blocks: list[Block] = [Heading("Do projections pay?", 4)]
    for dataset in datasets_of(done):
        own = [one for one in compared if one.first.recipe.dataset == dataset]
        blocks.append(Prose(f"On {dataset_name(dataset)} ([[final]], [[comparisons]]):"))
        blocks += told(own, lambda one: f"{_label(one.second)} against {_shortcut(one.first)}")
    if not any(one.test for one in compared):
        return blocks
    if untested(compared):
        return [*blocks, Heading("Why?", 4), *reasons(compared, _listed)]
    return [*blocks, Heading("Why?", 4), Prose(_reason(compared))]


def _reason(compared: Sequence[Compared]) -> str:
    """Return what differences between shortcuts, or their equality, or neither, say about projections."""
    known = [one for one in compared if one.test is not None]
    equal = sum(one.test is not None and one.test.kind == "equal" for one in known)
    sentences = []
    if better := [one for one in known if lower(one.test)]:
        sentences.append(
            f"More projections have the lower error with {_listed(better)}.  They have more parameters too "
            "([[sizes]]): a gain of B or C may be that of its parameters, which these runs do not tell apart."
        )
    if worse := [one for one in known if higher(one.test)]:
        sentences.append(f"They have the higher error with {_listed(worse)}, in spite of their parameters.")
    if sentences:
        return "  ".join(sentences)
    if equal == len(known):
        return f"All are shown to be equal within {number(MARGIN)} points: projections are not essential here."
    some = (
        f", and {equal} of {len(known)} comparisons are shown to be equal within {number(MARGIN)} points"
        if equal
        else ""
    )
    return (
        f"No difference of the test error between shortcuts is shown{some}: that projections are not essential agrees "
        "with this, but an effect too small for these seeds would look the same."
    )


def _listed(compared: Sequence[Compared]) -> str:
    return listing(f"{_label(one.second)} against {_shortcut(one.first)}" for one in compared)


def _shortcut(group: Group) -> str:
    return f"shortcut {group.recipe.shortcut}"


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {_shortcut(group)}"


CHAPTER = Chapter(label=_label, pairs=_pairs, results=_results, short=_short, answers=_answers)
