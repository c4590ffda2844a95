"""The appendix: what each recipe is, every run with where it comes from, and the software and machines behind them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reslab.amounts import duration
from reslab.analysis.groups import Group, datasets_of, gather, on_dataset, on_same_images
from reslab.analysis.tidy import SEPARATOR, Tables
from reslab.exhibits.appendix_tables import data_table, epoch_table, runs_table, speed_table, step_table
from reslab.exhibits.blocks import Block, Column, Heading, Note, Prose, Table
from reslab.exhibits.predictions import confusion_figure, networks_table
from reslab.exhibits.why_tables import gap_table
from reslab.exhibits.wording import counted, listing, opened
from reslab.recipe import Recipe
from reslab.report.document import Section
from reslab.report.hard_images import hard_images
from reslab.studies.questions.own import CUSTOM
from reslab.studies.same_errors import with_predictions
from reslab.studies.study import OTHERS, Study

_ENVIRONMENT = ("reslab", "python", "torch", "numpy", "platform", "device", "threads")


def appendix(tables: Tables, studies: Sequence[Study], data_root: Path | None = None) -> Section:
    """Return the appendix on these runs, which the studies asked; images are looked for as training looks for them."""
    blocks: list[Block] = [*unreadable(tables)]
    if tables.runs.height:
        groups = _groups(tables, studies)
        looked_up = (
            data_table("images", groups),
            epoch_table("epochs", groups, _label),
            step_table("steps", groups, _label),
            gap_table("gap", groups, _label),
            speed_table("machines", groups, _label),
        )
        blocks.append(_checklist(tables.runs, groups))
        blocks += _predicted(with_predictions(groups), data_root)
        blocks += [table for table in looked_up if table is not None]
        blocks.append(_recipes(groups, studies))
        blocks.append(runs_table("runs", tables.runs.sort("recipe_id", "seed")))
        blocks += _software(tables.runs)
    else:
        blocks.append(Prose("No run has been started."))
    return Section("appendix", "Appendix: every run", tuple(blocks), kind="appendix")


def _predicted(groups: Sequence[Group], data_root: Path | None) -> list[Block]:
    """Return what the predictions of all runs say: which classes are confused, two networks at a time, hard images."""
    if not groups:
        return []
    best = [min(on_dataset(groups, name), key=_error) for name in datasets_of(groups)]
    first = {name: on_dataset(groups, name)[0] for name in datasets_of(groups)}
    exhibits = (confusion_figure("confusion", best, _label), networks_table("networks", groups, first, _label))
    blocks: list[Block] = [block for block in exhibits if block is not None]
    return [Heading("Which images do the networks get wrong?"), *blocks, *hard_images("hard", groups, data_root)]


def _error(group: Group) -> float:
    return group.last_epoch("test_error").mean or 0.0


def _checklist(runs: pl.DataFrame, groups: Sequence[Group]) -> Table:
    """Return what checklists of reproducibility ask (NeurIPS, ACL), answered from the runs."""
    finished = runs.filter(pl.col("status") == "finished")
    lost = [f"{counted(count, 'run')} {status}" for status, count in runs["status"].value_counts(sort=True).rows()]
    seeds = sorted({group.num_finished for group in groups})
    machines = listing(sorted({name for value in runs["device_name"].drop_nulls() for name in value.split(SEPARATOR)}))
    timed = finished["seconds"].drop_nulls().to_list()
    untimed = finished.height - len(timed)
    total = duration(sum(timed))
    without = f", without {counted(untimed, 'run')} that recorded none" if untimed else ""
    code = sorted(set(runs["reslab"].drop_nulls().to_list()))
    rows: tuple[tuple[str | None, ...], ...] = (
        ("Runs", f"{listing(lost)}, of {counted(len(groups), 'recipe')}; none is left out of the tables"),
        ("Seeds of a recipe", " to ".join(dict.fromkeys((str(seeds[0]), str(seeds[-1]))))),
        ("Selection", "last epoch of every run; no epoch and no seed was chosen with the test set"),
        (
            "Spread and tests",
            "standard deviations over seeds; 95% intervals; p corrected by Holm's method in each study",
        ),
        ("Images", "numbers, fingerprints and whether they are the official ones: the table of images below"),
        ("Hyper-parameters", "the recipe of each chapter, under What was run"),
        ("Code", f"ResLab {listing(code)}; commits and digests of the sources in the table of all runs"),
        ("Hardware", machines or None),
        ("Training time", f"{total} in all{without}"),
    )
    columns = (Column("Asked", "left"), Column("Answer", "left"))
    caption = "What reproducibility checklists ask, answered from the records of the runs."
    return Table("checklist", "Reproducibility", caption, columns, rows)


def _groups(tables: Tables, studies: Sequence[Study]) -> list[Group]:
    """Return every recipe that was begun, once, under its name in the first study that it is part of.

    Among runs of no study a recipe stands once for each set of images.
    """
    begun = set(tables.runs["recipe_id"].to_list())
    labels: dict[tuple[Recipe, str], str] = {}
    seeds: dict[tuple[Recipe, str], dict[int, None]] = {}
    for study in studies:
        for variant in study.variants:
            if variant.recipe.id in begun:
                key = variant.recipe, variant.label if study.kind == OTHERS else ""
                label = variant.label if study.kind != CUSTOM else f"{variant.label} ({study.name})"
                labels.setdefault(key, label)
                seeds.setdefault(key, {}).update(dict.fromkeys(study.seeds_of(variant)))
    found = {key: gather(tables, label, key[0], tuple(seeds[key])) for key, label in labels.items()}
    compared = on_same_images([group for (_, own), group in found.items() if not own])
    return [*compared, *(group for (_, own), group in found.items() if own)]


def _label(group: Group) -> str:
    return group.label


def _recipes(groups: Sequence[Group], studies: Sequence[Study]) -> Table:
    """Return what each recipe's id stands for, in the order of the chapters, and which of them it is part of."""
    parts = {
        group.recipe: [study.name for study in studies if group.recipe in {one.recipe for one in study.variants}]
        for group in groups
    }
    rows = tuple((group.recipe.id, group.label, listing(parts[group.recipe])) for group in groups)
    columns = (Column("Recipe", "left"), Column("What it is", "left"), Column("Studies", "left"))
    caption = "Every recipe that was run: its id, what it is in the first chapter that it is part of, and its studies."
    return Table("recipes", "All recipes", caption, columns, rows)


def unreadable(tables: Tables) -> Sequence[Note]:
    """Return a note on the run folders and records of studies that could not be read; nothing where all could be."""
    if not tables.problems:
        return ()
    num_records = sum(problem.path.suffix == ".json" for problem in tables.problems)
    parts = ((len(tables.problems) - num_records, "run folder"), (num_records, "study record"))
    what = listing(counted(number, name) for number, name in parts if number)
    reasons = "; ".join(problem.message for problem in tables.problems)
    return (Note(f"{opened(what)} could not be read: {reasons}."),)


def _software(runs: pl.DataFrame) -> list[Table]:
    """Return the versions that the runs were made with, a row for each that differs; none before any run began."""
    begun = runs.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _ENVIRONMENT))
    if not begun.height:
        return []
    found = (
        begun.group_by(_ENVIRONMENT, maintain_order=True)
        .len()
        .sort("len", *_ENVIRONMENT, descending=[True] + 7 * [False])
    )
    rows = tuple(
        (str(row["len"]), *(None if row[name] is None else str(row[name]) for name in _ENVIRONMENT))
        for row in found.iter_rows(named=True)
    )
    columns = (
        Column("Runs"),
        *(Column(title, "left") for title in ("ResLab", "Python", "PyTorch", "NumPy", "System", "Device")),
        Column("Threads"),
    )
    caption = (
        "The software and hardware of the runs, by number of runs, as recorded each time a run started; commas "
        "separate them if a run was resumed with others."
    )
    return [Table("software", "Software", caption, columns, rows)]
