"""The chapter of every study, in one order: answer, key figure, sizes; then why, curves, and what was run."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.places import Mark
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Figure, Heading, Note, Prose, Table
from reslab.exhibits.curves import Curves, error_figure, paper_figure
from reslab.exhibits.factor_figures import Axis, factor_figure, marks
from reslab.exhibits.overview import Strip
from reslab.exhibits.recipes import recipe_table
from reslab.exhibits.results import comparison_table, errors_table, further, how_compared
from reslab.exhibits.wording import opened
from reslab.studies.against_published import against_published, not_compared
from reslab.studies.answers import Answer
from reslab.studies.curve_features import curve_features
from reslab.studies.findings import Findings
from reslab.studies.measured import effective, measured
from reslab.studies.progress import progress
from reslab.studies.question import Chapter
from reslab.studies.reasons import on_what_scale, untested
from reslab.studies.same_errors import same_errors
from reslab.studies.sentences import compared_name, diverged_words, missing_words, muon_words
from reslab.studies.study import Study


def find(study: Study, tables: Tables, chapter: Chapter) -> Findings:
    """Return what a study's groups show, from whatever has been run."""
    groups = study.groups(tables)
    return Findings(
        study, groups, compare(chapter.pairs(groups)), chapter.label, chapter.short or chapter.label, chapter.words
    )


def answers(found: Findings, chapter: Chapter) -> list[Answer]:
    """Return the answers of a study, none where nothing has finished."""
    return chapter.answers(found) if found.done and found.study.answers else []


def strip(found: Findings, chapter: Chapter) -> Strip:
    """Return the study's panels of the overview."""
    axis = chapter.axis or Axis("", found.short)
    return Strip(varied(chapter), _drawn(found.done, chapter.axis), axis, _marks(found, chapter))


def varied(chapter: Chapter) -> str:
    """Return what was varied, as the head of a column."""
    return opened(chapter.varied or chapter.words("varied"))


def _drawn(groups: Sequence[Group], axis: Axis | None) -> list[Group]:
    """Return the groups of data sets with several places on the axis; all where no data set has."""
    if axis is None:
        return list(groups)
    wide = [name for name in datasets_of(groups) if len({axis.place(group) for group in on_dataset(groups, name)}) > 1]
    return [group for group in groups if not wide or group.recipe.dataset in wide]


def write(found: Findings, chapter: Chapter) -> list[Block]:
    """Return the whole chapter, from whatever has been run."""
    study, words = found.study, found.words
    blocks: list[Block] = [Prose(study.question)] if study.question else []
    blocks += [Prose(words("expected", text=study.expectation))] if study.expectation else []
    if found.done:
        sentences = tuple(answer.sentence for answer in answers(found, chapter))
        blocks += [Bullets(sentences)] if sentences else []
    if not study.answers:
        blocks.append(Note(words("handout")))
    blocks += [*progress(found.groups, words), *diverged_words(found.groups, words)]
    if found.done:
        blocks += [*missing_words(found.groups, words), *_results(found, chapter), *_details(found, chapter)]
    elif any(group.epochs.height for group in found.groups):
        blocks.append(Prose(words("unfinished")))
    blocks += [*same_errors(found, ordered=chapter.ordered), *_curves(found, chapter), *_run(found, chapter)]
    return [block for block in blocks if not isinstance(block, Heading | Prose | Note) or block.text]


def _results(found: Findings, chapter: Chapter) -> list[Block]:
    """Return the key figure and the tables of errors and comparisons; of one group alone other tables say it."""
    axis, shown = chapter.axis, against_published(found, told=chapter.paper_told)
    alone = len(found.groups) == 1 and bool(shown)
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
        heading=varied(chapter),
        beside=chapter.published.figures(found.done),
        matches=chapter.published.matches,
    )
    rest = further(found.compared)
    pairs = comparison_table("comparisons", rest, lambda one: compared_name(one, found.groups, chapter.label))
    shown_first = [] if alone else [*muon_words(found.groups, found.words), figure, table]
    blocks = [*shown_first, pairs, *chapter.exhibits(found)]
    if untested(found.compared):
        blocks.append(Prose(on_what_scale(found.compared, found.words)))
    elif words := how_compared(found.compared):
        blocks.append(Prose(words))
    return [block for block in blocks if block is not None]


def _details(found: Findings, chapter: Chapter) -> list[Block]:
    """Return reasons, what was measured on the networks, published figures, and the questions of the study's own."""
    if not found.study.answers:
        return [Heading(found.words("headings.why")), Note(found.words("handout"))]
    reasons = chapter.why(found) if chapter.why is not None and found.compared else []
    shown = [*measured(found, ordered=chapter.ordered), *effective(found, ordered=chapter.ordered)]
    none = [Prose(found.words(f"tests.{key}")) for key in ("nothing-shown", "nothing-supposed")]
    if any(block in none for block in reasons) and any(isinstance(block, Figure | Table) for block in shown):
        reasons.append(Prose(found.words("tests.described")))
    reasons += shown
    blocks: list[Block] = [Heading(found.words("headings.why")), *reasons] if reasons else []
    blocks += chapter.sections(found)
    return [*blocks, *against_published(found, told=chapter.paper_told)]


def _curves(found: Findings, chapter: Chapter) -> list[Block]:
    """Return the training and test curves, and what the curves show."""
    curves = Curves(found.groups, chapter.label, chapter.along, chapter.ordered)
    figures: list[Figure | None] = [error_figure("train", curves, "train"), error_figure("test", curves, "test")]
    figures += [paper_figure("together", curves)] if chapter.together else []
    drawn: list[Block] = [figure for figure in figures if figure is not None]
    if not drawn:
        return []
    features = curve_features(found.done, chapter.label, found.words) if found.done else []
    return [Heading(found.words("headings.curves")), *drawn, *features]


def _run(found: Findings, chapter: Chapter) -> list[Block]:
    """Return the recipe, that of the base alone where the exhibits tell how others differ."""
    table: Table = recipe_table("recipe", found.groups)
    if chapter.base is not None:
        told = recipe_table("recipe", [group for group in found.groups if chapter.base(group)])
        table = replace(told, title="The recipe of the base", caption="The recipe of the base, and the seeds.")
    return [Heading(found.words("headings.run")), table, *not_compared(found.done or found.groups, found.words)]


def _marks(found: Findings, chapter: Chapter) -> list[Mark]:
    return marks(chapter.published.figures(found.done), chapter.published.place)
