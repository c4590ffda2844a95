"""The appendix: every recipe, every run with its origin, and the software and machines behind them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reslab.amounts import duration
from reslab.analysis.agreement import with_predictions
from reslab.analysis.classes import COARSE, HUNDRED
from reslab.analysis.groups import Group, by_dataset, gather, on_same_images
from reslab.analysis.tables import Tables, each_of
from reslab.exhibits.appendix_tables import data_table, epoch_table, recipes_table, runs_table, step_table
from reslab.exhibits.blocks import Block, Heading, Note, Prose, Table, table_of
from reslab.exhibits.captions import text, titled
from reslab.exhibits.predictions import classes_figure, confusion_figure
from reslab.exhibits.why_tables import curvature_table, gap_table, noise_table
from reslab.exhibits.wording import Label, counted, network_name, span
from reslab.recipe import Recipe
from reslab.report.document import Section
from reslab.report.hard_images import hard_images
from reslab.report.same_errors import same_errors
from reslab.studies.questions.own import CUSTOM
from reslab.studies.study import OTHERS, Study

_HEADS = text.under("software-heads")
"""What is recorded of a run's software, with column titles; all but the last are text."""


def appendix(tables: Tables, studies: Sequence[Study], data_root: Path | None = None) -> Section:
    """Return the appendix on the runs of these studies; images are looked for as in training."""
    blocks: list[Block | None] = [*unreadable(tables)]
    if tables.runs.height:
        groups = _groups(tables, studies)
        blocks += [
            _checklist(tables.runs, groups),
            *_predicted(groups, data_root, answers=all(study.answers for study in studies)),
            data_table("images", groups),
            epoch_table("epochs", groups),
            step_table("steps", groups),
            gap_table("gap", groups),
            curvature_table("curvature", groups),
            noise_table("noise", groups),
            recipes_table("recipes", groups),
            runs_table("runs", tables.runs.sort("dataset", "family", "depth", "recipe_id", "seed")),
            _software(tables.runs),
        ]
    else:
        blocks.append(Prose("No run has been started."))
    return Section("appendix", "Appendix: every run", tuple(filter(None, blocks)), kind="appendix")


def _predicted(every: Sequence[Group], data_root: Path | None, *, answers: bool) -> list[Block | None]:
    """Return the part on predictions: shared errors, errors by class, confusions, hard images."""
    groups = with_predictions(every)
    if not groups:
        return []
    partly = any(len(group.predictions) < group.num_finished for group in every)
    ranked = {dataset: sorted(own, key=lambda group: group.test_error) for dataset, own in by_dataset(groups)}
    first = {dataset: own[0] for dataset, own in by_dataset(groups)}
    if {HUNDRED, COARSE} <= ranked.keys():
        del ranked[COARSE]  # CIFAR-100's classes are already summed by superclass
    ends = {group.label for dataset, own in ranked.items() for group in (first[dataset], own[0], own[-1])}
    return [
        Heading("Which images do the networks get wrong?"),
        *same_errors("agreement", groups, _shortened(groups), answers=answers),
        classes_figure("classes", [group for group in groups if group.label in ends], _shortened(groups)),
        confusion_figure("confusion", [own[0] for own in ranked.values()], partly=partly),
        *hard_images("hard", groups, data_root, partly=partly),
    ]


def _shortened(groups: Sequence[Group]) -> Label:
    """Return a label without the parts that all groups on a data set share, as in "rate 0.2"; else the network."""
    shared = {
        dataset: set[str].intersection(*(set(group.label.split(", ")) for group in own))
        for dataset, own in by_dataset(groups)
    }

    def name(group: Group) -> str:
        parts = [part for part in group.label.split(", ") if part not in shared[group.recipe.dataset]]
        return ", ".join(parts) or network_name(group.recipe)

    return name


def _checklist(runs: pl.DataFrame, groups: Sequence[Group]) -> Table | None:
    """Return the answers to reproducibility checklists (NeurIPS, ACL), taken from the runs."""
    seeds = sorted({group.num_finished for group in groups})
    begun = runs.filter(pl.col("seconds").is_not_null() | (pl.col("status") == "finished"))
    by_status = runs["status"].value_counts(sort=True).rows()
    timed = begun["seconds"].drop_nulls().to_list()
    values = {
        "statuses": [f"{counted(count, 'run')} {status}" for status, count in by_status],
        "recipes": len(groups),
        "seeds": span(str(seeds[0]), str(seeds[-1])),
        "code": sorted(set(runs["reslab"].drop_nulls().to_list())),
        "machines": sorted(each_of(runs["device_name"])),
        "time": duration(sum(timed)),
        "untimed": begun.height - len(timed),
    }
    asked = text.under("checklist-answers")
    rows = [{"Asked": one, "Answer": text(f"checklist-answers.{one}", **values) or None} for one in asked]
    return table_of("checklist", titled("checklist"), rows, left=("Answer",))


def _groups(tables: Tables, studies: Sequence[Study]) -> list[Group]:
    """Return a group for every recipe that was begun, labelled as in the first study that it belongs to.

    Among runs of no study, a recipe has a group for each set of images.
    """
    begun = set(tables.runs["recipe_id"].to_list())
    found: dict[tuple[Recipe, str], tuple[str, dict[int, None]]] = {}
    for study in studies:
        for variant in study.variants:
            if variant.recipe.id in begun:
                images = variant.label if study.kind == OTHERS else ""
                label = f"{variant.label} ({study.name})" if study.kind == CUSTOM else variant.label
                _, seeds = found.setdefault((variant.recipe, images), (label, {}))
                seeds |= dict.fromkeys(study.seeds_of(variant))
    groups = {key: gather(tables, label, key[0], tuple(seeds)) for key, (label, seeds) in found.items()}
    compared = on_same_images([group for (_, images), group in groups.items() if not images])
    return [*compared, *(group for (_, images), group in groups.items() if images)]


def unreadable(tables: Tables) -> list[Note]:
    """Return a note on run folders, files of runs and records of studies that cannot be read; [] without any."""
    reasons, paths = tables.left_out, [problem.path for problem in tables.problems]
    records = sum(path.suffix == ".json" and path.parent.name == "studies" for path in paths)
    files = sum(path.name in ("diagnostics.json", "predictions.safetensors") for path in paths)
    counts = {"folders": len(reasons) - records - files, "records": records, "files": files}
    words = text("report.unreadable", **counts, reasons=reasons)
    return [Note(words)] if reasons else []


def _software(runs: pl.DataFrame) -> Table | None:
    """Return the software versions of the runs, a row for each combination; None before any run began."""
    names = list(_HEADS)
    begun = runs.filter(pl.any_horizontal(pl.col(names).is_not_null()))
    found = begun.group_by(names, maintain_order=True).len("runs")
    found = found.sort("runs", *names, descending=[True] + len(names) * [False])
    cells = found.select(pl.all().cast(pl.String)).rename({"runs": "Runs", **_HEADS})
    rows = cells.select("Runs", *_HEADS.values()).rows(named=True)
    return table_of("software", titled("software"), rows, left=[*_HEADS.values()][:-1])
