"""How does depth change the error?  The required task of the assignment: 20, 56 and 110 layers on CIFAR-10 and -100."""

from collections.abc import Sequence

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.finals import by_depth_figure
from reslab.exhibits.tables import final_table
from reslab.exhibits.windows import published_table, window_table
from reslab.exhibits.wording import dataset_name, listing, network_name
from reslab.published import published
from reslab.studies import depth_answers
from reslab.studies.against_published import figures_of
from reslab.studies.chapter import curves, verdicts
from reslab.studies.comparing import placed
from reslab.studies.designs import base_recipe
from reslab.studies.sections import opening, progress, what_was_run
from reslab.studies.study import Options, Study, Variant
from reslab.studies.verdicts import why_not_comparable
from reslab.studies.why import why

NAME = "depth"
DEPTHS = (20, 56, 110)
DATASETS = ("cifar10", "cifar100")


def ask(options: Options) -> Study:
    """Return the study of depth as the options have it; an impossible value raises `ResLabError`."""
    datasets, depths = options.datasets or DATASETS, options.depths or DEPTHS
    variants = tuple(
        Variant(
            label=f"{network_name(recipe)}, {dataset_name(dataset)}",
            recipe=recipe,
            factors=(("dataset", dataset), ("depth", depth)),
        )
        for dataset in dict.fromkeys(datasets)
        for depth in sorted(set(depths))
        for recipe in (base_recipe(options, dataset, depth),)
    )
    return Study(
        name=NAME,
        title="How does depth change the error?",
        question="How do the training and test errors of residual networks change with the number of layers?",
        expectation=_expectation(datasets, depths),
        variants=variants,
        seeds=tuple(range(options.seeds)),
        kind=NAME,
        diagnostics=("responses", "gap"),
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's part on depth: what was run, curves, the assignment's tables, its questions answered."""
    groups = study.groups(tables)
    compared = compare(depth_answers.pairs(groups))
    sentences = depth_answers.in_short(groups, compared)
    blocks = [
        *opening(study),
        *([Prose(f"In short.  {'  '.join(sentences)}")] if sentences else []),
        *progress(groups),
        *what_was_run(groups, placed(groups, _network)),
    ]
    if not any(group.epochs.height for group in groups):
        return blocks
    blocks += [Heading("Curves"), *curves(groups, _network)]
    results = _results(groups)
    if results:
        blocks += [Heading("Results"), *results, *verdicts(groups, compared, _network)]
    return blocks + why(study, groups, _network) + depth_answers.answers(groups, compared)


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set."""
    groups = study.groups(tables)
    return depth_answers.in_short(groups, compare(depth_answers.pairs(groups)))


def _expectation(datasets: Sequence[str], depths: Sequence[int]) -> str:
    """Return what the paper leads one to expect, its figures taken from the data."""
    text = (
        "deeper residual networks have lower errors, in training as in testing, each step by less than the one before."
    )
    known = [one for one in published(source="paper", dataset="cifar10") if one.depth in depths]
    if "cifar10" in datasets and len(known) > 1:
        row = listing(f"{one.error:.2f} with {one.depth} layers" for one in known)
        text += f"  The paper's test errors on {dataset_name('cifar10')} are {row}, in percent."
    return text


def _results(groups: Sequence[Group]) -> list[Block]:
    if not any(group.has_result for group in groups):
        return []
    beside = [one for group in groups if why_not_comparable(group) is None for one in figures_of(group)]
    figure = by_depth_figure("final", groups, beside)
    blocks: list[Block] = [figure] if figure is not None else []
    for dataset in datasets_of(groups):
        own, theirs = on_dataset(groups, dataset), [one for one in beside if one.dataset == dataset]
        window = window_table(f"window-{dataset}", own, theirs)
        published_beside = published_table(f"published-{dataset}", own, theirs)
        tables = (final_table(f"final-{dataset}", own), published_beside, window)
        blocks += [table for table in tables if table is not None]
    return blocks


def _network(group: Group) -> str:
    return network_name(group.recipe)
