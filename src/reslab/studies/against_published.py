"""How runs compare with the paper's and the assignment's figures, and in what their protocols differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reslab.analysis.comparisons import compare_with_published
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Block, Bullets, Column, Heading, Prose, Table
from reslab.exhibits.published_tables import Matches, published_table
from reslab.exhibits.recipes import differences
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import (
    Label,
    counted,
    dataset_name,
    listing,
    network_name,
    number,
    points,
    spread,
    that_do,
    with_n,
)
from reslab.presets import PRESETS, preset_of, preset_recipe
from reslab.published import Published
from reslab.published import in_words as figure_in_words
from reslab.studies.answers import Answer, Effect
from reslab.studies.comparable import (
    epochs_words,
    figures_of,
    is_full,
    papers_figure,
    schedule_share,
    why_not_comparable,
)
from reslab.studies.findings import Findings
from reslab.studies.words import Words


def against_paper(done: Sequence[Group], words: Words, *, told: bool = False) -> list[Block]:
    """Return the comparison with the paper, under its heading, for those groups that it applies to; else nothing.

    `told` says that the differences from the paper have been told.
    """
    alike = [group for group in done if why_not_comparable(group) is None]
    judged = paper_verdicts(alike)
    items = []
    longer: dict[float, tuple[int, int]] = {}
    for group in alike:
        sentences = [] if told else [text for other, text in _beside(judged) if other is group]
        for one in figures_of(group, "assignment"):
            figures, window, last = group.in_window("test_error"), group.window, group.last_epoch("test_error").mean
            if figures is None or window is None or last is None or one.low is None or one.high is None:
                continue
            place = words(
                "paper.in-range",
                first=window.first,
                last=number(window.last),
                mean=points(figures.mean),
                where=where_in(figures.mean, one),
                low=points(one.low),
                high=points(one.high),
                theirs=points(one.error),
                last_where=where_in(last, one),
            )
            sentences.append(place)
            if one.window is not None and window.last < one.window[1]:
                longer[window.last] = one.window
        if sentences:
            items.append(_of_group(group, "; ".join(sentences)))
    tables = _published_tables(alike)
    if not tables:
        return []
    rest = [
        Prose(words("paper.longer", first=window[0], last=window[1], end=number(last)))
        for last, window in longer.items()
    ]
    protocol = _protocol(alike, any(verdict.resolved for *_, verdict in judged), words)
    return [*_head(items, [], alike, words), *rest, *tables, *protocol]


def another_recipe(done: Sequence[Group], words: Words, *, told: bool = False) -> list[Block]:
    """Return how groups of a preset that is shorter than the paper's training stand beside the published figures.

    Only those that are the preset as it stands, at its own length.  Nothing where there are none.  `told` says that the
    differences have been told.
    """
    own = [group for group in done if _own_length(group) is not None]
    if not own:
        return []
    items = [] if told else [_of_group(group, text) for group, text in _beside(paper_verdicts(own))]
    names = listing(dict.fromkeys(str(_own_length(group)) for group in own))
    share = " to ".join(dict.fromkeys(f"{100 * (schedule_share(group) or 0):.3g}%" for group in own))
    text = words("paper.another", names=names, epochs=epochs_words(*own), share=share)
    tables = _published_tables(own, lambda alike: f"{names} recipe, {epochs_words(*alike)}, last epoch")
    return [*_head(items, [Prose(text)], own, words), *tables]


def _head(items: Sequence[str], said: Sequence[Block], groups: Sequence[Group], words: Words) -> list[Block]:
    """Return the heading above published figures, what is found beside them, and what a single run is taken for."""
    listed = [Bullets(tuple(items))] if items else []
    one_run = [Prose(words("paper.one-run"))] if any(map(_is_one_run, groups)) else []
    return [Heading(words("headings.published")), *listed, *said, *one_run]


def _of_group(group: Group, text: str) -> str:
    return f"{network_name(group.recipe)}, {dataset_name(group.recipe.dataset)}: {text}."


def paper_answers(done: Sequence[Group], words: Words) -> list[Answer]:
    """Return how groups of a preset as it stands, at its own length, stand to the paper's figures; one each."""
    own = [
        group
        for group in done
        if preset_of(group.recipe) is not None and (why_not_comparable(group) is None or _own_length(group) is not None)
    ]
    found = []
    for group, one, verdict in paper_verdicts(own):
        side = "below" if verdict.difference.value < 0 else "above"
        text = words(
            f"answer.paper.{verdict.kind if verdict.kind in ('equal', 'open') else side}",
            error=spread(group.last_epoch("test_error")),
            epochs=epochs_words(group),
            theirs=figure_in_words(one),
            margin=number(MARGIN),
        )
        where = f"{dataset_name(group.recipe.dataset)}, {network_name(group.recipe)}"
        found.append(Answer(where, text, (Effect("vs the paper", verdict, one.error, (verdict.difference.n_second,)),)))
    return found


def paper_verdicts(groups: Sequence[Group]) -> list[tuple[Group, Published, Verdict]]:
    """Return how groups stand to the paper's figures, corrected for how many there are.

    How many seeds would do is left out: of the paper's runs there will be no more.
    """
    pairs = [(group, one) for group in groups if (one := papers_figure(group)) is not None]
    judged = zip(pairs, compare_with_published(pairs), strict=True)
    return [(*pair, replace(verdict, seeds=None)) for pair, verdict in judged if verdict is not None]


def published_beside(groups: Sequence[Group]) -> list[Published]:
    """Return the published figures that groups may be compared with, or that the preset which they are aims at."""
    own = [group for group in groups if why_not_comparable(group) is None or _own_length(group) is not None]
    return list(dict.fromkeys(one for group in own for one in figures_of(group)))


def beside_ranges(found: Findings, known: Sequence[Published], matches: Matches, label: Label) -> list[Block]:
    """Return inside, above or below which published ranges the means over the same epochs lie; nothing without any."""
    places: dict[str, list[Group]] = {}
    for group in found.done:
        figures = group.in_window("test_error")
        for one in known:
            if figures is not None and one.low is not None and one.high is not None and matches(group, one):
                places.setdefault(where_in(figures.mean, one), []).append(group)
    if not places:
        return []
    listed = "; ".join(f"{where} it with {listing(map(label, own))}" for where, own in places.items())
    epochs = sorted({one.window for one in known if one.window is not None})
    theirs = listing(f"{first} to {last}" for first, last in epochs)
    return [Prose(found.words("in-range", epochs=f" (its epochs {theirs})" if theirs else "", listed=listed))]


def where_in(mean: float, one: Published) -> str:
    """Return where a mean lies of a published range, which the figure must have: inside, above or below it."""
    assert one.low is not None
    assert one.high is not None
    return "above" if mean > one.high else "below" if mean < one.low else "inside"


def not_compared(done: Sequence[Group], words: Words) -> list[Block]:
    """Return why these groups are compared with nothing published, where none of them is."""
    reason = why_not_comparable(*done)
    return [Prose(words("not-compared", reason=reason))] if reason else []


def _beside(judged: Sequence[tuple[Group, Published, Verdict]]) -> list[tuple[Group, str]]:
    """Return each group with its error and how it stands to the paper's, in words."""
    return [
        (
            group,
            f"{with_n(group.last_epoch('test_error'))}, {verdict_words(verdict, one.error)} against the paper's "
            f"{figure_in_words(one)}",
        )
        for group, one, verdict in judged
    ]


def _own_length(group: Group) -> str | None:
    """Return the preset that a group is as it stands, where that is a shorter training with published figures."""
    share, preset = schedule_share(group), preset_of(group.recipe)
    if preset is None or share is None or is_full(group) or group.fact("data_official") is False:
        return None
    return preset.name if papers_figure(group) is not None else None


def _is_one_run(group: Group) -> bool:
    one = papers_figure(group)
    return group.num_finished > 1 and one is not None and one.standard_deviation is None


def _published_tables(
    groups: Sequence[Group], measured: Callable[[Sequence[Group]], str] = lambda _: "last epoch"
) -> list[Block]:
    """Return a table for each data set and family that has published figures; `measured` says what groups did."""
    tables: list[Table | None] = []
    for dataset in datasets_of(groups):
        for family in dict.fromkeys(group.recipe.family for group in on_dataset(groups, dataset)):
            own = [group for group in on_dataset(groups, dataset) if group.recipe.family == family]
            name = f"published-{dataset}{'' if family == 'residual' else f'-{family}'}"
            known = list(dict.fromkeys(one for group in own for one in figures_of(group)))
            tables.append(published_table(name, own, known, measured(own)))
    return [table for table in tables if table is not None]


def _protocol(groups: Sequence[Group], resolved: bool, words: Words) -> list[Block]:
    """Return how the recipes differ from the paper's, which is as much of a why as such a study can give.

    `resolved` says whether any difference of the errors is.
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for group in groups:
        paper = preset_recipe("paper", dataset=group.recipe.dataset, depth=group.recipe.depth)
        for aspect in differences(group.recipe, paper):
            rows.setdefault(aspect, []).append(network_name(group.recipe))
    if not rows:
        return [Prose(words("paper.own-recipe"))]
    everyone = {network_name(group.recipe) for group in groups}
    whose = ["all" if set(names) == everyone else listing(dict.fromkeys(names)) for names in rows.values()]
    several = set(whose) != {"all"}
    columns = ("Aspect", "Here", "Paper", *(["Networks"] if several else []))
    table = Table(
        "protocol",
        "Differences from the paper's protocol",
        f"Where the recipe of these runs differs from the paper's ({PRESETS['paper'].source}).",
        tuple(Column(name, "left") for name in columns),
        tuple((*aspect, *([name] if several else [])) for aspect, name in zip(rows, whose, strict=True)),
    )
    case = "paper.differs" if resolved else "paper.differs-open"
    text = words(case, aspects=counted(len(rows), "aspect"))
    return [Prose("  ".join([text, *_others_too(groups, words)])), table]


def _others_too(groups: Sequence[Group], words: Words) -> list[str]:
    """Return how many other published trainings of these networks lie below the paper's own figures."""
    pairs = [
        (one.error, papers.error)
        for group in groups
        if (papers := papers_figure(group)) is not None
        for one in figures_of(group)
        if one.source != "paper"
    ]
    if not pairs:
        return []
    below = sum(error < theirs for error, theirs in pairs)
    figures, few = counted(len(pairs), "figure"), that_do(below, "is", "are")
    return [words("paper.all-below" if below == len(pairs) > 1 else "paper.some-below", figures=figures, few=few)]
