"""Do plain networks degrade with depth where residual ones do not?  The paper's figure 6."""

from collections.abc import Sequence
from itertools import pairwise

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.finals import marks
from reslab.exhibits.windows import beside_table, network, nothing, published_table, window_table
from reslab.exhibits.wording import FAMILY_NAMES, dataset_name, listing, network_name, opened
from reslab.studies.against_published import figures_of, not_comparable
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import higher, lower, told
from reslab.studies.designs import BOTH, base_recipe, labelled, seeds, variants, within
from reslab.studies.reasons import UNTESTED, nothing_beside, untested
from reslab.studies.study import Options, Study
from reslab.studies.verdicts import verdict_words, why_not_comparable

NAME = "degradation"
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
    return Study(
        name=NAME,
        title="Do plain networks degrade with depth?",
        question="How do the errors change with depth in plain networks, and how in residual ones?",
        expectation="deeper plain networks have higher errors, in training too, so that it is not overfitting; deeper "
        "residual networks have lower ones.  The paper holds that vanishing gradients are unlikely to be the cause.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=NAME,
        diagnostics=("responses", "gap", "gradients", "surface"),
        diagnostics_during=("gradients",),
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's chapter on degradation."""
    return write(study, tables, CHAPTER)


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set."""
    return in_short(study, tables, CHAPTER)


def _pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    def find(own: Sequence[Group]) -> list[tuple[Group, Group]]:
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


def _results(groups: Sequence[Group]) -> list[Block]:
    beside = [one for group in groups if why_not_comparable(group) is None for one in figures_of(group)]
    plain_or_paper = [one for one in beside if one.family == "plain" or one.source == "paper"]
    axis = Axis("Depth (layers)", lambda group: str(group.recipe.depth), _family)
    ordered = sorted(groups, key=lambda group: group.recipe.depth)
    ordered = [group for dataset in datasets_of(groups) for group in on_dataset(ordered, dataset)]
    figure = factor_figure("final", ordered, axis, marks(plain_or_paper), ("train", "test"))
    blocks: list[Block] = [figure] if figure is not None else []
    for dataset in datasets_of(groups):
        own = on_dataset(groups, dataset)
        tables = [beside_table(f"final-{dataset}", own, [], network, heading="Network", matches=nothing)]
        for family in FAMILIES:
            line = [group for group in own if group.recipe.family == family and group.has_result]
            theirs = [one for one in beside if one.dataset == dataset and one.family == family]
            tables += [published_table(f"published-{dataset}-{family}", line, theirs)] if line else []
        tables.append(window_table(f"window-{dataset}", own, []))
        blocks += [table for table in tables if table is not None]
    return blocks


def _short(done: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
    sentences = []
    for dataset in datasets_of(done):
        parts = [
            f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers the test error of "
            f"{_family(one.first)} networks is {verdict_words(one.test)}"
            for one in _ends(compared, dataset)
            if one.test is not None
        ]
        known = {_family(one.first) for one in _ends(compared, dataset) if one.test is not None}
        without = [family for family in FAMILIES if family not in known and len(known) > 0]
        parts += [_missing(compared, dataset, family) for family in without]
        sentences += [f"On {dataset_name(dataset)} {'; '.join(parts)}."] if parts else []
    return sentences


def _missing(compared: Sequence[Compared], dataset: str, family: str) -> str:
    """Return why the depths of a family cannot be compared: the ends diverged, or have not finished."""
    ends = [one for one in _ends(compared, dataset) if _family(one.first) == family]
    lost = {group.label: group for one in ends for group in (one.first, one.second) if group.num_diverged}
    if lost:
        return listing(f"{network(group)} diverged" for group in lost.values())
    return f"of {family} networks not all depths have finished"


def _answers(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    blocks: list[Block] = [Heading("Do plain networks degrade with depth, and residual ones not?", 4)]
    for dataset in datasets_of(done):
        own = [one for one in compared if one.first.recipe.dataset == dataset and one.test is not None]
        listed = told(
            own, lambda one: f"{opened(network_name(one.second.recipe))} against {network_name(one.first.recipe)}"
        )
        verdicts = "  ".join(text for one in _ends(compared, dataset) if (text := _depth_words(one)))
        lead = f"On {dataset_name(dataset)} ([[final]], [[comparisons]])"
        blocks += [Prose(f"{lead}, {verdicts[0].lower()}{verdicts[1:]}" if verdicts else f"{lead}:")]
        blocks += listed
    blocks.append(Heading("Why?", 4))
    blocks.append(Prose(_reason(done, compared)))
    apart = not_comparable(done) if all(why_not_comparable(group) is not None for group in done) else []
    return [*blocks, *([Heading("How do the results compare with the paper's?", 4), *apart] if apart else [])]


CHAPTER = Chapter(label=network, pairs=_pairs, results=_results, short=_short, answers=_answers)


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


def _depth_words(one: Compared) -> str:
    """Return whether this family degrades: a higher training error with more layers."""
    if one.test is None or one.train is None:
        return ""
    name = _family(one.first).capitalize()
    layers = f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers"
    if one.train.kind == "unknown":
        return f"Whether {name.lower()} networks degrade {layers} cannot be tested with one seed."
    if higher(one.train):
        also = ", and so does the test error" if higher(one.test) else ""
        return f"{name} networks degrade {layers}: the training error itself rises{also}, which is not overfitting."
    if lower(one.train):
        also = "; the test error falls with it" if lower(one.test) else ""
        return f"{name} networks do not degrade {layers}: the training error falls{also}."
    if higher(one.test):
        return f"{name} networks have a higher test error {layers}, but their training errors cannot be told apart."
    return f"Whether {name.lower()} networks degrade {layers} is not shown: their training errors cannot be told apart."


def _reason(done: Sequence[Group], compared: Sequence[Compared]) -> str:
    """Return whether there is a degradation to give a reason for, and which measurements speak of it."""
    ends = [one for dataset in datasets_of(done) for one in _ends(compared, dataset) if _family(one.first) == "plain"]
    if nothing_beside(ends):
        told = listing(_missing([one], one.first.recipe.dataset, "plain") for one in ends)
        text = f"Plain networks cannot be compared here: {told}." if told else "No plain networks were compared."
    elif untested(ends):
        text = UNTESTED
    elif any(higher(one.train) for one in ends):
        text = (
            "The deeper plain networks fit even the training images less well: the reason lies in how they are "
            "trained, and not in overfitting."
        )
    else:
        text = "That plain networks degrade is not shown here, so that there is nothing to give a reason for."
    gradients = any(group.diagnoses.moments("gradients") for group in done)
    responses = any("final" in group.diagnoses.moments("responses") for group in done)
    parts = ["whether gradients vanish ([[gradients]])"] if gradients else []
    parts += ["how much each layer responds ([[responses]])"] if responses else []
    if parts:
        return f"{text}  Measured on the networks, and told above, is {listing(parts)}."
    return f"{text}  Measurements on the networks would tell more; none was made."


def _family(group: Group) -> str:
    return "residual" if FAMILY_NAMES[group.recipe.family] == "ResNet" else "plain"
