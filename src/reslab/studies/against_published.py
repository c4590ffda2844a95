"""How runs compare with the paper's and the assignment's figures, and in what their protocols differ."""

from collections.abc import Sequence

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Bullets, Column, Prose, Table
from reslab.exhibits.recipes import differences
from reslab.exhibits.wording import (
    counted,
    dataset_name,
    listing,
    network_name,
    number,
    points,
    that_do,
    with_n,
)
from reslab.presets import PRESETS, preset_recipe
from reslab.published import Published, published
from reslab.published import in_words as figure_in_words
from reslab.studies.verdicts import (
    in_words,
    why_not_comparable,
    with_published,
)


def against_paper(done: Sequence[Group]) -> list[Block]:
    """Return the comparison for groups with finished runs, or why there is none, and a table of the differences."""
    blocks: list[Block] = []
    longer: dict[float, tuple[int, int]] = {}
    for dataset in datasets_of(done):
        own = on_dataset(done, dataset)
        apart = [group for group in own if why_not_comparable(group) is not None]
        alike = [group for group in own if why_not_comparable(group) is None]
        reason = why_not_comparable(*apart)
        if reason is not None:
            blocks.append(Prose(_does_not_apply(dataset, reason, apart)))
        if alike:
            blocks += _alike(dataset, alike, longer)
    blocks += [Prose(_longer_window(last, window)) for last, window in longer.items()]
    compared = [group for group in done if why_not_comparable(group) is None]
    if compared:
        blocks += _protocol(compared, _shown_apart(compared))
    return blocks


def _shown_apart(groups: Sequence[Group]) -> bool:
    """Return whether any difference from the paper's figures is more than chance."""
    return any(
        found is not None and found.margin is not None and found.resolved
        for group in groups
        for one in figures_of(group, "paper")
        for found in (with_published(group, one),)
    )


def papers_figure(group: Group) -> Published | None:
    """Return the paper's figure of a group's network and images, if it has one."""
    return next(iter(figures_of(group, "paper")), None)


def figures_of(group: Group, source: str | None = None) -> list[Published]:
    """Return the published figures of a group's network and images."""
    recipe = group.recipe
    return published(dataset=recipe.dataset, depth=recipe.depth, source=source, family=recipe.family)


def not_comparable(done: Sequence[Group]) -> list[Block]:
    """Return why the assignment's figures do not apply to these groups, by data set."""
    reasons = []
    for dataset in datasets_of(done):
        reason = why_not_comparable(*on_dataset(done, dataset))
        unknown = "the assignment has no figures of these networks at these settings"
        reasons.append(f"On {dataset_name(dataset)} the comparison does not apply: {reason or unknown}.")
    return [Prose("  ".join(reasons))]


def where_in(mean: float, one: Published) -> str:
    """Return where a mean lies of a published range, which the figure must have: inside, above or below it."""
    assert one.low is not None
    assert one.high is not None
    return "above" if mean > one.high else "below" if mean < one.low else "inside"


def _does_not_apply(dataset: str, reason: str, groups: Sequence[Group]) -> str:
    text = f"On {dataset_name(dataset)} the comparison with published figures does not apply: {reason}."
    depths = [group.recipe.depth for group in groups]
    known = [one for depth in depths for one in published(dataset=dataset, depth=depth, source="paper")]
    if not known:
        return text
    theirs = listing(f"{figure_in_words(one)} with {one.depth} layers" for one in known)
    return f"{text}  For its full training the paper gives {theirs} (test error in percent)."


def _alike(dataset: str, groups: Sequence[Group], longer: dict[float, tuple[int, int]]) -> list[Block]:
    """Return the comparison on one data set; into `longer` go published windows that end later, by where ours end."""
    items = []
    for group in groups:
        name = network_name(group.recipe)
        measured = with_n(group.last_epoch("test_error"))
        sentences = []
        for one in figures_of(group, "paper"):
            found = with_published(group, one)
            assert found is not None
            theirs = f"the paper's {figure_in_words(one)}"
            sentences.append(f"{measured}, {in_words(found, theirs)}")
        figures = group.in_window("test_error")
        for one in figures_of(group, "assignment"):
            if figures is not None and one.low is not None and one.high is not None:
                own = group.window
                last = group.last_epoch("test_error").mean
                assert own is not None
                assert last is not None
                sentences.append(
                    f"the mean over epochs {own.first} to {number(own.last)}, {points(figures.mean)}, is "
                    f"{where_in(figures.mean, one)} the assignment's range ({points(one.low)} to {points(one.high)}, "
                    f"mean {points(one.error)}), the last epoch {where_in(last, one)} it"
                )
                if one.window is not None and own.last < one.window[1]:
                    longer[own.last] = one.window
        if sentences:
            items.append(f"{name}: {'; '.join(sentences)}.")
    name = dataset_name(dataset)
    if not items:
        return [Prose(f"For {name} at these depths no figures are published.")]
    lead = f"On {name}, test error of the last epoch in percent:"
    if not published(dataset=dataset, source="paper"):
        lead = f"The paper has no figures for {name}; the assignment has:"
    single = any(
        one.standard_deviation is None and group.num_finished > 1
        for group in groups
        for one in published(dataset=dataset, depth=group.recipe.depth, source="paper")
    )
    return [Prose(lead), Bullets(tuple(items)), *([Prose(ONE_MORE)] if single else [])]


ONE_MORE = (
    "Where the paper gives no spread, the interval is that of one more run of ours: its own run is taken to vary as "
    "ours do."
)


def _longer_window(last: float, window: tuple[int, int]) -> str:
    """Return why a mean over fewer epochs, which end at the last, is the higher one."""
    return (
        f"The assignment's range is over epochs {window[0]} to {window[1]}; the means here end with the training at "
        f"epoch {number(last)}.  More of the shorter window lies before the second drop of the rate, where errors are "
        "higher, so that its mean is higher for that alone."
    )


def _others_too(groups: Sequence[Group]) -> str:
    """Return how many other published trainings of these networks lie below the paper's own figures."""
    below = total = 0
    for group in groups:
        papers = papers_figure(group)
        if papers is not None:
            errors = [one.error for one in figures_of(group) if one.source != "paper"]
            below, total = below + sum(error < papers.error for error in errors), total + len(errors)
    if not total:
        return ""
    if below == total:
        figures = "The one figure" if total == 1 else f"All {counted(total, 'figure')}"
        return (
            f"  {figures} that others publish of these networks {'lies' if total == 1 else 'lie'} below the paper's "
            "own, too, read as each of them reads its runs."
        )
    return (
        f"  Of {counted(total, 'figure')} that others publish of these networks {that_do(below, 'lies', 'lie')} below "
        "the paper's own, read as each of them reads its runs."
    )


def _protocol(groups: Sequence[Group], shown: bool) -> list[Block]:
    """Return how the recipes differ from the paper's, which is as much of a why as this study can give.

    `shown` says whether any difference of the errors is.
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for group in groups:
        paper = preset_recipe("paper", dataset=group.recipe.dataset, depth=group.recipe.depth)
        for aspect in differences(group.recipe, paper):
            rows.setdefault(aspect, []).append(network_name(group.recipe))
    if not rows:
        return [Prose("The recipe is the paper's own: only chance and what the paper leaves unsaid can differ.")]
    everyone = list(dict.fromkeys(network_name(group.recipe) for group in groups))
    table = Table(
        "protocol",
        "Differences from the paper's protocol",
        f"Where the recipe of these runs differs from the paper's ({PRESETS['paper'].source}).",
        (Column("Aspect", "left"), Column("Here", "left"), Column("Paper", "left"), Column("Networks", "left")),
        tuple(
            (aspect, here, paper, "all" if set(names) == set(everyone) else listing(dict.fromkeys(names)))
            for (aspect, here, paper), names in rows.items()
        ),
    )
    nothing = "" if shown else "no difference from the paper's figures is shown to be more than chance.  Yet "
    text = (
        f"Why: {nothing}the recipe is not quite the paper's; [[protocol]] lists {counted(len(rows), 'difference')}.  "
        "Each may move the error, and none was varied alone here, so this study cannot say what any one of them is "
        f"worth; the study fidelity varies such differences one at a time.{_others_too(groups)}"
    )
    return [Prose(text), table]
