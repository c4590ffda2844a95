"""How runs compare with the paper's and the assignment's figures, and in what their protocols differ."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.analysis.comparable import (
    comparable,
    comparable_figures,
    figures_of,
    obstacle,
    papers_figure,
    schedule_share,
    shorter_preset,
)
from reslab.analysis.comparisons import compare_with_published
from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose, table_of
from reslab.exhibits.recipes import differences
from reslab.exhibits.results import published_table
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import (
    Label,
    dataset_name,
    listing,
    network_name,
    number,
    percent,
    points,
    span,
    spread,
    with_n,
)
from reslab.families import family_of
from reslab.presets import PRESETS, preset_of, preset_recipe
from reslab.published import Published
from reslab.published import in_words as figure_in_words
from reslab.studies.findings import Answer, Effect, Findings, amount
from reslab.studies.question import Beside
from reslab.studies.sentences import epochs_words
from reslab.studies.words import Words


def against_published(found: Findings, *, told: bool = False) -> list[Block]:
    """Return how groups stand to published figures, under its heading; nothing where there are none.

    Those are groups that are trained as the published networks are, and shorter presets as they stand.  `told` says
    that the differences from the paper have been told.
    """
    words, alike = found.words, comparable(found.done)
    presets = [(group, preset) for group in found.done if (preset := shorter_preset(group))]
    shorter, names = [group for group, _ in presets], listing(dict.fromkeys(preset.name for _, preset in presets))
    measured = words("paper.measured", names=names, epochs=epochs_words(*shorter)) if shorter else ""
    tables = [*_tables(alike, words("paper.last")), *_tables(shorter, measured)]
    if not tables:
        return []
    judged = paper_verdicts([*alike, *shorter])
    items = [
        words("paper.item", network=network_name(group.recipe), dataset=dataset_name(group.recipe.dataset), listed=text)
        for group in (*alike, *shorter)
        if (text := "; ".join([*([] if told else _beside(group, judged, words)), *_in_range(group, words)]))
    ]
    notes = []
    if shorter:
        share = span(*(percent(schedule_share(group) or 0) for group in shorter))
        notes.append(words("paper.another", names=names, epochs=epochs_words(*shorter), share=share))
    if any(map(_beside_one_run, (*alike, *shorter))):
        notes.append(words("paper.one-run"))
    notes += dict.fromkeys(text for group in alike for text in _longer(group, words))
    return [
        Heading(words("headings.published")),
        *([Bullets(tuple(items))] if items else []),
        *map(Prose, notes),
        *tables,
        *(_protocol(alike, any(verdict.resolved for *_, verdict in judged), words) if alike else []),
    ]


def paper_answers(done: Sequence[Group], words: Words) -> list[Answer]:
    """Return how groups of a preset as it stands, at its own length, stand to the paper's figures; one each."""
    own = [group for group in done if obstacle(group) in (None, "short") and preset_of(group.recipe)]
    found = []
    for group, one, verdict in paper_verdicts(own):
        effect = Effect(verdict, one.error, (verdict.difference.n_second,))
        case = verdict.kind if not verdict.resolved else "below" if verdict.difference.value < 0 else "above"
        text = words(
            f"answer.paper.{case}",
            error=spread(group.last_epoch("test_error")),
            epochs=epochs_words(group),
            theirs=figure_in_words(one),
            margin=number(MARGIN),
            size=amount([effect]),
        )
        where = f"{dataset_name(group.recipe.dataset)}, {network_name(group.recipe)}"
        found.append(Answer(where, text, ((effect,),)))
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
    shorter = [one for group in groups if shorter_preset(group) for one in figures_of(group)]
    return list(dict.fromkeys([*comparable_figures(groups), *shorter]))


def beside_ranges(found: Findings, theirs: Beside, label: Label) -> list[Block]:
    """Return inside, above or below which published ranges the means over the same epochs lie; nothing without any."""
    places: dict[str, list[str]] = {}
    known = theirs.figures(found.done)
    for group in found.done:
        figures = group.in_window("test_error")
        for one in known:
            if figures is not None and one.low is not None and theirs.matches(group, one):
                places.setdefault(_place(figures.mean, one), []).append(label(group))
    if not places:
        return []
    listed = "; ".join(f"{place} it with {listing(own)}" for place, own in places.items())
    epochs = sorted({one.window for one in known if one.window is not None})
    windows = listing(f"{first} to {last}" for first, last in epochs)
    return [Prose(found.words("in-range", epochs=windows, listed=listed))]


def not_compared(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return why these groups are compared with nothing published, where none of them is."""
    if comparable(groups):
        return []
    short = [group for group in groups if obstacle(group) == "short"]
    shares = sorted({schedule_share(group) or 0.0 for group in short})
    reasons = {
        words(
            f"unlike.{obstacle(group)}",
            dataset=dataset_name(group.recipe.dataset),
            family="" if group.recipe.family == "residual" else family_of(group.recipe.family).words,
            own=group.recipe.own_network.words if group.recipe.own_network else "",
            several=len(shares) > 1,
            epochs=epochs_words(*short) if short else "",
            share=span(*map(percent, (*shares[:1], *shares[-1:]))),
        ): None
        for group in (*short, *groups)
    }
    return [Prose(words("not-compared", reason=listing(reasons)))]


def _beside(group: Group, judged: Sequence[tuple[Group, Published, Verdict]], words: Words) -> list[str]:
    """Return a group's error and how it stands to the paper's."""
    return [
        words(
            "paper.beside",
            error=with_n(group.last_epoch("test_error")),
            verdict=verdict_words(verdict, one.error),
            theirs=figure_in_words(one),
        )
        for other, one, verdict in judged
        if other is group
    ]


def _in_range(group: Group, words: Words) -> list[str]:
    """Return where a group's mean over the assignment's epochs lies in its range, and where the last epoch."""
    figures, window, last = group.in_window("test_error"), group.window, group.last_epoch("test_error").mean
    if obstacle(group) or figures is None or window is None or last is None:
        return []
    return [
        words(
            "paper.in-range",
            first=window.first,
            last=number(window.last),
            mean=points(figures.mean),
            where=_place(figures.mean, one),
            low=points(one.low),
            high=points(one.high),
            theirs=points(one.error),
            last_where=_place(last, one),
        )
        for one in figures_of(group, "assignment")
        if one.low is not None
    ]


def _longer(group: Group, words: Words) -> list[str]:
    """Return that the assignment's epochs go on where a group's end."""
    end = group.window.last if group.window else 0
    windows = [one.window for one in figures_of(group, "assignment") if one.window is not None]
    return [words("paper.longer", first=first, last=last, end=number(end)) for first, last in windows if end < last]


def _beside_one_run(group: Group) -> bool:
    one = papers_figure(group)
    return group.num_finished > 1 and one is not None and one.standard_deviation is None


def _place(mean: float, one: Published) -> str:
    """Return where a mean lies of a published range: inside, above or below it."""
    return "above" if mean > (one.high or 0) else "below" if mean < (one.low or 0) else "inside"


def _tables(groups: Sequence[Group], measured: str) -> list[Block]:
    """Return a table for each data set and family that has published figures; `measured` says what groups did."""
    tables = []
    for dataset, there in by_dataset(groups):
        for family in dict.fromkeys(group.recipe.family for group in there):
            own = [group for group in there if group.recipe.family == family]
            name = f"published-{dataset}{'' if family == 'residual' else f'-{family}'}"
            known = list(dict.fromkeys(one for group in own for one in figures_of(group)))
            tables.append(published_table(name, own, known, measured))
    return [table for table in tables if table is not None]


def _protocol(groups: Sequence[Group], resolved: bool, words: Words) -> list[Block]:
    """Return how the recipes differ from the paper's, which is as much of a why as such a study can give.

    `resolved` says whether any difference of the errors is.
    """
    aspects: dict[tuple[str, str, str], dict[str, None]] = {}
    for group in groups:
        paper = preset_recipe("paper", dataset=group.recipe.dataset, depth=group.recipe.depth)
        for aspect in differences(group.recipe, paper):
            aspects.setdefault(aspect, {})[network_name(group.recipe)] = None
    if not aspects:
        return [Prose(words("paper.own-recipe"))]
    everyone = {network_name(group.recipe) for group in groups}
    several = any(set(names) != everyone for names in aspects.values())
    rows = [
        {
            "Aspect": aspect,
            "Here": here,
            "Paper": theirs,
            "Networks": ("all" if set(names) == everyone else listing(names)) if several else None,
        }
        for (aspect, here, theirs), names in aspects.items()
    ]
    titled = words("protocol.title"), words("protocol.caption", source=PRESETS["paper"].source)
    table = table_of("protocol", titled, rows, left=rows[0])
    text = Prose(words("paper.differs", resolved=resolved, aspects=len(aspects)))
    return [text, *([table] if table is not None else [])]
