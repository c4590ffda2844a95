"""The chapter of a study, always in the same order: answer, key figure, sizes; then why, curves, and what was run."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.analysis.comparisons import Compared, compare, one_each, tested
from reslab.analysis.groups import Group, by_dataset, datasets_of, on_dataset
from reslab.analysis.places import Mark
from reslab.analysis.reasons import untested
from reslab.analysis.tables import Tables
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Bullets, Figure, Heading, Note, Prose, Table
from reslab.exhibits.curves import Curves, error_figure, paper_figure
from reslab.exhibits.factor_figures import MEASURED, Axis, Strip, factor_figure, marks
from reslab.exhibits.recipes import recipe_table
from reslab.exhibits.results import comparison_table, errors_table, how_compared
from reslab.exhibits.wording import dataset_name, listing, number, opened
from reslab.studies.against_published import against_published, not_compared
from reslab.studies.curve_features import curve_features
from reslab.studies.findings import Findings
from reslab.studies.measured import effective, measured
from reslab.studies.question import VARIANT, Blocks, Chapter
from reslab.studies.questions.own import CUSTOM
from reslab.studies.reasons import Reasons, on_what_scale
from reslab.studies.sentences import (
    compared_name,
    diverged_words,
    far_apart_words,
    missing_words,
    muon_words,
    progress,
    same_weights_words,
)
from reslab.studies.study import OTHERS, Study
from reslab.studies.words import words_of

SHORT_TITLE = 30
"""Most letters of a user's title that fit above a chart of the overview."""


def find(study: Study, tables: Tables, chapter: Chapter) -> Findings:
    """Return what a study's groups show so far; without answers where nothing has finished."""
    groups, short = study.groups(tables), chapter.short or chapter.label
    pairs = [pair for _, own in by_dataset(groups) for pair in chapter.pairs(own)]
    every = compare([*pairs, *chapter.across(groups)])
    compared, across = every[: len(pairs)], every[len(pairs) :]
    found = Findings(study, groups, compared, chapter.label, short, chapter.words, chapter.ordered, across=across)
    return replace(found, answers=chapter.answers(found)) if found.done and study.answers else found


def strip(found: Findings, chapter: Chapter) -> Strip:
    """Return the study's panels of the overview."""
    axis, study = chapter.axis or _apart(found), found.study
    if study.kind == CUSTOM and study.title != study.name and len(study.title) <= SHORT_TITLE:
        title = study.title
    else:
        title = opened(study.name.replace("-", " ")) if chapter.varied == VARIANT else varied(chapter)
    groups = _drawn(found.done, chapter.axis)
    varied_alone = [group for group in groups if axis.series(group) == MEASURED]  # controls are in the chapter
    return Strip(title, varied_alone or groups, axis, _marks(found, chapter))


def _apart(found: Findings) -> Axis:
    """Return an axis of settings by their labels; labels in two parts, as in "fast, depth 20", are place and series."""
    parts = {group.recipe: found.short(group).partition(", ") for group in found.done}
    firsts, seconds = ({part[at] for part in parts.values()} for at in (0, 2))
    if len(firsts) > 1 and len(seconds) > 1 and "" not in seconds:
        return Axis("", lambda group: parts[group.recipe][0], lambda group: parts[group.recipe][2])
    return Axis("", found.short)


def varied(chapter: Chapter) -> str:
    """Return what was varied, as the title of a column."""
    return opened(chapter.varied or chapter.words("varied"))


def write(found: Findings, chapter: Chapter) -> list[Block]:
    """Return the whole chapter, from whatever has been run so far."""
    study, words = found.study, found.words
    blocks: list[Block | None] = [
        Prose(study.question),
        Prose(_expected(found, chapter) if study.expectation else ""),
        Bullets(tuple(answer.sentence for answer in found.answers)),
        Note("" if study.answers else words("handout")),
        *progress(found.groups, words, resumes=study.kind != OTHERS),
        Prose(diverged_words(found.groups, words)),
    ]
    if found.done:
        blocks += [Prose(missing_words(found.groups, words)), *_results(found, chapter), *_details(found, chapter)]
    elif any(group.epochs.height for group in found.groups):
        blocks.append(Prose(words("unfinished")))
    blocks += [*_curves(found, chapter), *_run(found, chapter)]
    return [block for block in blocks if block is not None and not _is_empty(block)]


def _is_empty(block: Block) -> bool:
    """Return whether a block has no words, e.g. because a user left them empty."""
    return not (block.items if isinstance(block, Bullets) else getattr(block, "text", True))


def _expected(found: Findings, chapter: Chapter) -> str:
    """Return what was expected and, unless a user has reworded it, how far it is shown to have come true."""
    text = found.words("expected", text=found.study.expectation)
    own, told = (words.texts.get("expectation") for words in (words_of(found.study.kind), found.words))
    if not found.answers or own != told:
        return text
    expected = [(one, kind) for one in found.compared if one.kind and (kind := chapter.expects(one))]
    against = [one for one, kind in expected if one.kind in ("lower", "higher") and one.kind != kind]
    came = found.words(
        "came-true",
        against=_contrary(against, found),
        shown=sum(one.kind == kind for one, kind in expected),
        equal=sum(one.kind == "equal" != kind for one, kind in expected),
        untested=sum(one.kind == "unknown" for one, _ in expected),
        all=len(expected),
        margin=number(MARGIN),
    )
    return f"{text}  {came}".strip()


def _contrary(compared: Sequence[Compared], found: Findings) -> str:
    """Return what differs contrary to expectation, as in "a has a higher test error than b and c (CIFAR-10)"."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for one in compared:
        key = str(one.kind), found.label(one.second), found.label(one.first)
        where.setdefault(key, []).append(dataset_name(one.first.recipe.dataset))
    firsts: dict[tuple[str, str, str], list[str]] = {}
    for (kind, second, first), datasets in where.items():
        firsts.setdefault((kind, second, listing(datasets)), []).append(first)
    several = len(datasets_of(found.done)) > 1
    return "; ".join(
        f"{second} has a {kind} test error than {listing(names)}{f' ({datasets})' if several else ''}"
        for (kind, second, datasets), names in firsts.items()
    )


def _results(found: Findings, chapter: Chapter) -> Blocks:
    """Return the key figure and the tables of errors and comparisons.

    Figure and errors are left out where nothing is compared and the table of published figures has them.
    """
    axis, published = chapter.axis, chapter.published
    figure = (
        factor_figure("final", found.groups, Axis("variant", chapter.label, by_row=True))
        if axis is None
        else factor_figure("final", _drawn(found.groups, axis), axis, _marks(found, chapter), chapter.readings)
    )
    table = errors_table(
        "errors",
        found.groups,
        found.compared,
        found.full,
        varied(chapter),
        published.figures(found.done),
        published.matches,
        len(tested([*found.compared, *found.across])),
    )
    pairs = comparison_table("comparisons", found.compared, lambda one: compared_name(one, found.groups, chapter.label))
    alone = not found.compared and bool(against_published(found, told=chapter.paper_told))
    how = (
        on_what_scale(one_each(found.compared), found.words)
        if untested(found.compared)
        else how_compared(found.compared)
    )
    first = [] if alone else [Prose(muon_words(found.groups, found.words)), figure, table]
    if not found.study.answers:
        table, pairs = (_without_verdicts(one) if one is not None else None for one in (table, pairs))
        first = first and [*first[:2], table]
    return [
        *first,
        pairs,
        *chapter.exhibits(found),
        Note(same_weights_words(found.groups, chapter.label, found.words)),
        Prose(how, once=True),
        Prose(far_apart_words(found.compared, found.full, found.words) if found.study.answers else ""),
    ]


def _without_verdicts(table: Table) -> Table:
    """Return a table as in a handout, without verdicts: its reader is to say what the differences show."""
    kept = [place for place, column in enumerate(table.columns) if column.title not in ("Verdict", "Corrected p")]
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=rows)


def _details(found: Findings, chapter: Chapter) -> Blocks:
    """Return reasons, what was measured on the networks, the study's own sections, and published figures."""
    heading, words = Heading(found.words("headings.why")), found.words
    if not found.study.answers:
        return [heading, Note(words("handout"))]
    why = chapter.why(found) if chapter.why is not None and found.compared else Reasons([])
    shown = [*measured(found), *effective(found)]
    described = why.none and any(isinstance(block, Figure | Table) for block in shown)
    said = [*why.blocks, *([Prose(words("tests.described"))] if described else []), *shown]
    published = against_published(found, told=chapter.paper_told)
    return [*([heading, *said] if said else []), *chapter.sections(found), *published]


def _curves(found: Findings, chapter: Chapter) -> Blocks:
    """Return the training and test curves, and what they show."""
    curves = Curves(found.groups, chapter.label, chapter.along, chapter.ordered)
    if not curves.begun:
        return []
    together = paper_figure("together", curves) if chapter.together else None
    features: Block = Note(found.words("handout"))
    if found.study.answers:
        features = Prose(curve_features(found.done, chapter.label, found.words) if found.done else "")
    heading = Heading(found.words("headings.curves"))
    return [heading, error_figure("train", curves, "train"), error_figure("test", curves, "test"), together, features]


def _run(found: Findings, chapter: Chapter) -> Blocks:
    """Return the recipe; only that of the base where the exhibits show how others differ."""
    table: Table = recipe_table("recipe", found.groups)
    if chapter.base is not None:
        told = recipe_table("recipe", [group for group in found.groups if chapter.base(group)])
        table = replace(told, title="The recipe of the base", caption="The recipe of the base, and the seeds.")
    return [Heading(found.words("headings.run")), table, *not_compared(found.done or found.groups, found.words)]


def _drawn(groups: Sequence[Group], axis: Axis | None) -> list[Group]:
    """Return the groups on data sets with several places on the axis; all groups where no data set has several."""
    if axis is None:
        return list(groups)
    wide = [name for name in datasets_of(groups) if len({axis.place(group) for group in on_dataset(groups, name)}) > 1]
    return [group for group in groups if not wide or group.recipe.dataset in wide]


def _marks(found: Findings, chapter: Chapter) -> list[Mark]:
    return marks(chapter.published.figures(found.done), chapter.published.place)
