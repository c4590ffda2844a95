"""The whole assignment as one plan, required and optional tasks, and its questions answered in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.wording import counted, listing, opened
from reslab.studies import batch_size, data_size, degradation, depth, epochs, fidelity, learning_rate, shortcuts
from reslab.studies.study import OTHERS, Options, Plan, Study
from reslab.studies.verdicts import is_shortened, shortened_words, why_not_comparable

NAME = "assignment"
TITLE = "The assignment: what decides how well a residual network does"


@dataclass(frozen=True, slots=True)
class Task:
    """A part of the assignment: its question, what asks it, its answer in sentences, and where the evidence stands."""

    name: str
    question: str
    ask: Callable[[Options], Study]
    short: Callable[[Study, Tables], list[str]]
    evidence: tuple[str, ...]
    """Keys of the exhibits of the study that the answer rests on."""
    further: str = ""
    """Which other questions of the assignment its chapter answers."""


TASKS = (
    Task(
        depth.NAME,
        "Required: how does performance change with the number of layers?",
        depth.ask,
        depth.short,
        ("final", "comparisons", "test"),
        "The chapter on depth ends with the other questions of this task, each answered: the complete curves and the "
        "final accuracy, the comparison with the paper and its reasons, what can be recognised in the curves, and, "
        "where both were asked, what separates CIFAR-10 from CIFAR-100.",
    ),
    Task(
        learning_rate.NAME,
        "Optional: what does the learning rate do?",
        learning_rate.ask,
        learning_rate.short,
        ("final", "comparisons"),
    ),
    Task(
        epochs.NAME, "Optional: what does the number of epochs do?", epochs.ask, epochs.short, ("final", "comparisons")
    ),
    Task(
        data_size.NAME,
        "Optional: what does the size of the data set do?",
        data_size.ask,
        data_size.short,
        ("final", "comparisons"),
    ),
    Task(
        batch_size.NAME,
        "Optional: what does the batch size do?",
        batch_size.ask,
        batch_size.short,
        ("final", "comparisons"),
    ),
)


BEYOND = (
    Task(
        degradation.NAME,
        "Beyond the assignment: do plain networks degrade with depth?",
        degradation.ask,
        degradation.short,
        ("final", "comparisons"),
    ),
    Task(
        shortcuts.NAME,
        "Beyond the assignment: what are shortcuts with parameters worth?",
        shortcuts.ask,
        shortcuts.short,
        ("final", "comparisons"),
    ),
    Task(
        fidelity.NAME,
        "Beyond the assignment: what are the deviations between published recipes worth?",
        fidelity.ask,
        fidelity.short,
        ("final", "comparisons"),
    ),
)
"""Questions that the assignment does not ask, but that its answers lead to."""


def ask_all(options: Options) -> Plan:
    """Return all tasks as a plan; runs that they share train once.

    Depths, where given, stand for the assignment's 20, 56 and 110: the tasks on the rate and the batch size take
    the first, that on the epochs the first two, that on the size of the data the second.
    """
    return Plan(NAME, TITLE, tuple(task.ask(_options(task, options)) for task in TASKS))


def opening(studies: Sequence[Study], tables: Tables) -> list[Block]:
    """Return the assignment's questions in order, answered in short from the studies asked; nothing below two of them.

    Exhibits are referred to by study and key, as in [[depth-final]].
    """
    known = {study.name: study for study in studies}
    asked = [task for task in TASKS if task.name in known]
    if len(asked) < 2:
        return []
    beyond = [task for task in BEYOND if task.name in known]
    blocks: list[Block] = [_lead([known[task.name] for task in asked], tables)]
    for task in (*asked, *beyond):
        study = known[task.name]
        sentences = task.short(study, tables)
        blocks.append(Heading(task.question))
        if sentences:
            where = listing(f"[[{task.name}-{key}]]" for key in task.evidence)
            blocks += [Bullets(tuple(sentences)), Prose(f"Evidence: {where}.  {task.further}".rstrip())]
        else:
            left = len(study.runs()) - len(_finished([study], tables))
            text = "What has finished does not answer this yet." if left else "What was asked does not answer this."
            blocks.append(Prose(text if left == len(study.runs()) else f"{text}  {task.further}".rstrip()))
    left_out = [task.name for task in TASKS if task.name not in known]
    if left_out:
        blocks.append(Prose(f"Not asked yet: {listing(left_out)}."))
    of_tasks = {task.name for task in (*TASKS, *BEYOND)}
    further = [study.title for study in studies if study.name not in of_tasks and study.kind != OTHERS]
    if further:
        blocks.append(Prose(f"Further chapters: {'; '.join(further)}."))
    return blocks


def _lead(studies: Sequence[Study], tables: Tables) -> Prose:
    """Return what the answers rest on: how many runs, of which length, and of how many seeds."""
    runs = {run for study in studies for run in study.runs()}
    shared = sum(sum(run in study.runs() for study in studies) > 1 for run in runs)
    saved = f"; {counted(shared, 'run')} that several chapters need {'was' if shared == 1 else 'were'} trained once"
    saved = saved if shared else ""
    done = len(_finished(studies, tables))
    amount = counted(done, "run") if done == len(runs) else f"{done:,} of {len(runs):,} runs"
    alone = all(study.runs_once() for study in studies)
    return Prose(
        f"{opened(counted(len(studies), 'chapter'))} answer the questions of the assignment, from {amount}{saved}.  "
        f"{_shortened(studies, tables)}{_ALONE if alone else _TESTED}"
    )


def _shortened(studies: Sequence[Study], tables: Tables) -> str:
    """Return that schedules are shortened, in those studies that have none at full length, as a sentence."""
    done = [[group for group in study.groups(tables) if group.has_result] for study in studies]
    apart = [groups for groups in done if groups and why_not_comparable(*groups) is not None]
    short = [group for groups in apart for group in groups if is_shortened(group)]
    if not short:
        return ""
    some = "in some of them " if len(apart) < sum(map(bool, done)) else ""
    parts = any(group.recipe.train_share < 1 for groups in apart for group in groups)
    whose = " (of runs on all images)" if parts else ""
    return opened(f"{some}{shortened_words(short)}{whose}: what is found so need not be found at full length.  ")


def _finished(studies: Sequence[Study], tables: Tables) -> set[str]:
    """Return the ids of the runs of these studies that have finished."""
    done = tables.runs.filter(pl.col("status") == "finished")["run_id"].to_list()
    return {run.id for study in studies for run in study.runs()} & set(done)


_TESTED = (
    "A difference is called shown only where it stands after correction for all comparisons of its chapter; equal "
    "means shown to be so within half a point; not told apart, or not resolvable, means that these seeds show neither."
)
_ALONE = (
    "Each variant was asked with one seed, which tells no difference from chance: the figures are what these runs gave."
)


def _options(task: Task, options: Options) -> Options:
    if options.depths is None:
        return options
    depths = tuple(sorted(set(options.depths)))
    chosen = {
        learning_rate.NAME: depths[:1],
        batch_size.NAME: depths[:1],
        epochs.NAME: depths[:2],
        data_size.NAME: depths[1:2] or depths[:1],
    }
    return replace(options, depths=chosen.get(task.name, depths))
