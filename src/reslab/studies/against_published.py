"""How runs compare with the paper's and the assignment's figures, and how their protocols differ."""

from collections.abc import Sequence

from reslab.analysis.comparable import (
    Beside,
    comparable,
    figures_of,
    in_range,
    is_beside_one_run,
    later_windows,
    obstacle,
    paper_verdicts,
    schedule_share,
    shorter_preset,
)
from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Bullets, Heading, Prose, Table, table_of
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
    with_n,
)
from reslab.families import family_of
from reslab.naming import with_warmup
from reslab.presets import PRESETS, preset_of, preset_recipe, with_papers_warmup
from reslab.published import Published
from reslab.published import in_words as figure_in_words
from reslab.studies.findings import Answer, Clause, Findings
from reslab.studies.question import Blocks
from reslab.studies.sentences import epochs_words
from reslab.studies.words import Words


def against_published(found: Findings, *, told: bool = False) -> Blocks:
    """Return how groups compare with published figures, under a heading; [] where there is nothing to compare.

    The groups are those trained like the published networks, and unchanged shorter presets.  With `told`, the chapter
    has already given the differences from the paper.
    """
    words, alike = found.words, _as_published(comparable(found.done))
    recipes = [group.recipe for group in alike]

    def named(group: Group) -> str:
        return with_warmup(group.recipe, recipes)

    presets = [(group, preset.name) for group in found.done if (preset := shorter_preset(group))]
    shorter, names = [group for group, _ in presets], listing(dict.fromkeys(name for _, name in presets))
    measured = words("paper.measured", names=names, epochs=epochs_words(*shorter)) if shorter else ""
    tables = [*_tables(alike, words("paper.last"), named), *_tables(shorter, measured, named)]
    if not tables:
        return []
    judged = paper_verdicts([*alike, *shorter])
    items = [
        words("paper.item", network=named(group), dataset=dataset_name(group.recipe.dataset), listed=text)
        for group in (*alike, *shorter)
        if (text := "; ".join([*([] if told else _beside(group, judged, words)), *_in_range(group, words)]))
    ]
    share = span(*(percent(schedule_share(group) or 0) for group in shorter))
    another = words("paper.another", names=names, epochs=epochs_words(*shorter), share=share) if shorter else ""
    one_run = words("paper.one-run") if any(map(is_beside_one_run, (*alike, *shorter))) else ""
    resolved = any(verdict.resolved for *_, verdict in judged)
    return [
        Heading(words("headings.published")),
        Bullets(tuple(items)),
        Prose(another),
        Prose(one_run, once=True),
        *map(Prose, dict.fromkeys(text for group in alike for text in _longer(group, words))),
        *tables,
        *(_protocol(alike, found, named, resolved=resolved) if alike else []),
    ]


def _as_published(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that represent the published networks: of several of one network, those that are a preset.

    Where settings vary one field, that is the one they vary from; where none is a preset, all represent it.  A preset
    with the paper's warm-up added is nearer to the paper's recipe, and represents it, too.
    """
    networks: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        networks.setdefault((group.recipe.dataset, network_name(group.recipe)), []).append(group)
    presets = [group.recipe for group in groups if preset_of(group.recipe)]
    stand = {*presets, *map(with_papers_warmup, presets)}
    return [one for own in networks.values() for one in [group for group in own if group.recipe in stand] or own]


def paper_answers(done: Sequence[Group], words: Words) -> list[Answer]:
    """Return how groups of an unchanged preset compare with the paper's figures; an answer each.

    Where the paper has none, the last epoch is placed in the assignment's range, without a test.
    """
    own = [group for group in done if obstacle(group) in (None, "short") and preset_of(group.recipe)]
    found = []
    for group, one, verdict in paper_verdicts(own):
        case = verdict.kind if not verdict.resolved else "below" if verdict.difference.value < 0 else "above"
        text = words(
            f"answer.paper.{case}",
            error=points(group.last_epoch("test_error").mean),
            theirs=figure_in_words(one, "%"),
            margin=number(MARGIN),
        )
        found.append(Answer(_place(group), (Clause(text, (verdict,)),)))
    told = [group for group, *_ in paper_verdicts(own)]
    for group in (group for group in own if group not in told and not obstacle(group)):
        for one in figures_of(group, "assignment")[:1]:
            if one.low is not None:
                ends = span(points(one.low), points(one.high))
                last, n = group.test_error, group.num_finished
                where = in_range(last, one)
                text = words("answer.range", error=points(last), n=n, where=where, range=ends)
                found.append(Answer(_place(group), (Clause(text),)))
    return found


def _place(group: Group) -> str:
    return f"{dataset_name(group.recipe.dataset)}, {network_name(group.recipe)}"


def beside_ranges(found: Findings, theirs: Beside, label: Label) -> Blocks:
    """Return whether the means over the same epochs lie inside, above or below published ranges; [] without any."""
    if not (places := theirs.places_in_range(found.done)):
        return []
    listed = "; ".join(f"{place} it with {listing(map(label, own))}" for place, own in places.items())
    epochs = sorted({one.window for one in theirs.figures(found.done) if one.window is not None})
    windows = listing(f"{first} to {last}" for first, last in epochs)
    return [Prose(found.words("in-range", epochs=windows, listed=listed))]


def not_compared(groups: Sequence[Group], words: Words) -> Blocks:
    """Return why none of these groups is compared with published figures; [] where any is."""
    if comparable(groups) or any(map(shorter_preset, groups)):
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
    return [Prose(words("not-compared", reason=listing(reasons)), once=True)]


def _beside(group: Group, judged: Sequence[tuple[Group, Published, Verdict]], words: Words) -> list[str]:
    """Return a group's error and how it compares with the paper's."""
    return [
        words(
            "paper.beside",
            error=with_n(group.last_epoch("test_error")),
            verdict=verdict_words(verdict),
            theirs=figure_in_words(one),
        )
        for other, one, verdict in judged
        if other is group
    ]


def _in_range(group: Group, words: Words) -> list[str]:
    """Return where a group's mean over its window, and its last epoch, lie relative to the assignment's range."""
    figures, window, last = group.in_window("test_error"), group.window, group.last_epoch("test_error").mean
    if obstacle(group) or figures is None or window is None or last is None:
        return []
    return [
        words(
            "paper.in-range",
            first=window.first,
            last=number(window.last),
            mean=points(figures.mean),
            where=in_range(figures.mean, one),
            low=points(one.low),
            high=points(one.high),
            theirs=points(one.error),
            last_where=in_range(last, one),
        )
        for one in figures_of(group, "assignment")
        if one.low is not None
    ]


def _longer(group: Group, words: Words) -> list[str]:
    """Return words that the assignment's epochs extend beyond a group's."""
    end = group.window.last if group.window else 0
    return [words("paper.longer", first=first, last=last, end=number(end)) for first, last in later_windows(group)]


def _tables(groups: Sequence[Group], measured: str, named: Label) -> list[Table]:
    """Return a table for each data set and family with published figures; `measured` says what errors are shown."""
    tables = []
    for dataset, there in by_dataset(groups):
        for family in dict.fromkeys(group.recipe.family for group in there):
            own = [group for group in there if group.recipe.family == family]
            name = f"published-{dataset}{'' if family == 'residual' else f'-{family}'}"
            known = list(dict.fromkeys(one for group in own for one in figures_of(group)))
            tables.append(published_table(name, own, known, named, measured))
    return [table for table in tables if table is not None]


def _protocol(groups: Sequence[Group], found: Findings, named: Label, *, resolved: bool) -> Blocks:
    """Return how the recipes differ from the paper's: the only explanation that such a study can give.

    `resolved` says whether any difference in error is resolved.
    """
    words = found.words
    aspects: dict[tuple[str, str, str], dict[str, None]] = {}
    groups = [group for group in groups if group.recipe.family in ("residual", "plain")]  # the paper's networks
    if not groups:
        return []
    for group in groups:
        paper = preset_recipe("paper", dataset=group.recipe.dataset, depth=group.recipe.depth)
        for aspect in differences(group.recipe, paper):
            aspects.setdefault(aspect, {})[named(group)] = None
    if not aspects:
        return [Prose(words("paper.own-recipe"))]
    everyone = set(map(named, groups))
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
    names = {aspect for aspect, *_ in aspects}
    varied = {aspect for one in found.done for aspect, *_ in differences(one.recipe, groups[0].recipe)}
    text = words("paper.differs", resolved=resolved, aspects=len(names), tested=bool(names & varied))
    return [Prose(text), table]
