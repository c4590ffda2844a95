"""The chapter that a study of one factor has in the report: what all such chapters share, in one order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.curve_rows import EPOCHS, Along
from reslab.exhibits.curves import Rows, error_figure, paper_figure
from reslab.exhibits.rates import rate_figure
from reslab.exhibits.readings import comparison_table, readings_table
from reslab.exhibits.wording import dataset_name
from reslab.studies.comparing import Label, against, diverged_words, missing_words, placed
from reslab.studies.curve_features import curve_features
from reslab.studies.sections import opening, progress, what_was_run
from reslab.studies.study import Study
from reslab.studies.why import why

Groups = Sequence[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What is a study's own in its chapter.

    `label` names a group among those of its data set; `pairs` are the comparisons, each (what with, what);
    `results` are figures and tables of the last epoch; `short` is the answer in a sentence for each data set;
    `answers` are questions and answers.  The last three are asked only where a run has finished.
    """

    label: Label
    pairs: Callable[[Groups], list[tuple[Group, Group]]]
    results: Callable[[Groups], list[Block]]
    short: Callable[[Groups, Sequence[Compared]], list[str]]
    answers: Callable[[Groups, Sequence[Compared]], list[Block]]
    base: Callable[[Group], bool] | None = None
    """Says whose recipe is told in full, where the results tell how the others differ from it; None means of all."""
    along: Along = EPOCHS
    """What the curves are drawn against."""


def write(study: Study, tables: Tables, chapter: Chapter) -> list[Block]:
    """Return the whole chapter, from whatever has been run."""
    groups = study.groups(tables)
    compared = compare(chapter.pairs(groups))
    done = [group for group in groups if group.has_result]
    sentences = chapter.short(done, compared) if done else []
    blocks = [
        *opening(study),
        *([Prose(f"In short.  {'  '.join(sentences)}")] if sentences else []),
        *progress(groups),
        *what_was_run(groups, placed(groups, chapter.label), chapter.base),
    ]
    if not any(group.epochs.height for group in groups):
        return blocks
    blocks += [Heading("Curves"), *curves(groups, chapter.label, chapter.along)]
    heading = Heading("The questions, answered")
    if not done:
        return [*blocks, heading, *_nothing(groups)]
    blocks += [Heading("Results"), *chapter.results(groups), *verdicts(groups, compared, chapter.label)]
    blocks += why(study, groups, chapter.label)
    blocks += [heading, *diverged_words(groups), *missing_words(groups), *chapter.answers(done, compared)]
    return [*blocks, Heading("What can be recognised in the curves?", 4), *curve_features(done, chapter.label)]


def in_short(study: Study, tables: Tables, chapter: Chapter) -> list[str]:
    """Return the answer in sentences, none where nothing has finished."""
    groups = study.groups(tables)
    done = [group for group in groups if group.has_result]
    return chapter.short(done, compare(chapter.pairs(groups))) if done else []


def curves(groups: Groups, label: Label, along: Along = EPOCHS) -> list[Block]:
    """Return the training and test curves, both together in the form of the paper's figure 6, and the rate.

    The rate, which is the smallest, comes last: on one data set the training curves then stand beside those of the
    test, and on several it finds room on the page of the results.
    """
    known: Rows = {}
    figures = (
        error_figure("train", groups, "train", label, known, along),
        error_figure("test", groups, "test", label, known, along),
        paper_figure("together", groups, label, known, along),
        rate_figure("rate", groups),
    )
    return [figure for figure in figures if figure is not None]


def verdicts(groups: Groups, compared: Sequence[Compared], label: Label) -> list[Block]:
    """Return the readings of every run and the comparisons with their verdicts."""
    full = placed(groups, label)

    def name(one: Compared) -> str:
        if one.first.recipe.dataset != one.second.recipe.dataset:
            return f"{full(one.second)} against {full(one.first)}"
        text = against(one, label)
        return f"{text}, {dataset_name(one.first.recipe.dataset)}" if len(datasets_of(groups)) > 1 else text

    tables = (readings_table("readings", groups, full), comparison_table("comparisons", compared, name))
    return [table for table in tables if table is not None]


def _nothing(groups: Groups) -> list[Block]:
    return [Prose("No run has finished, so there is nothing to answer with yet."), *diverged_words(groups)]
