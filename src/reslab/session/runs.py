"""Runs of a folder, or some of them: look them up by id, filter, compare and plot them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from reslab.amounts import counted
from reslab.analysis.tables import Tables
from reslab.arguments import checked, did_you_mean
from reslab.errors import ResLabError, UnknownRunError, nearest
from reslab.exhibits.curves import Curves, error_figure
from reslab.exhibits.wording import seeds_named
from reslab.lab.folder.finding import find_runs, runs_folder
from reslab.lab.folder.status import Status
from reslab.naming import run_names
from reslab.recipe import OWN_NETWORK, Recipe, field_names
from reslab.recipe.fields import coerced
from reslab.session.comparison import Comparison, compare_sides
from reslab.session.display import Bundle, ShownFigure, bundle, html_table, text_table
from reslab.session.progress import aside
from reslab.session.run import Run, tables_of
from reslab.studies.catalogue import chapter_of, others

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = ("run", "status", "epochs", "test error (%)")
_SHOWN = 50
"""Most runs that a table shows."""


class Runs(Mapping[str, Run]):
    """Some runs by id.  A recipe's id, without a seed, means its run if only one seed of it is here."""

    def __init__(self, found: Iterable[Run]) -> None:
        """Take runs; duplicates count once."""
        self._runs = {run.id: run for run in found}

    @classmethod
    def below(cls, root: str | Path, **options: Any) -> Self:
        """Return all runs below a folder, reporting unreadable ones; raises `ResLabError` if the folder is missing."""
        folder = runs_folder(root)
        found = []
        for files in find_runs(folder):
            try:
                found.append(Run(files.path, **options))
            except ResLabError as error:
                aside(f"reslab: left out: {error}")
        return cls(found)

    def __getitem__(self, name: str) -> Run:
        """Return the run with an id; raises `UnknownRunError`, which is a `KeyError`, naming the nearest id.

        Raises `ResLabError` for a recipe's id where several of its seeds are here.
        """
        if not isinstance(name, str):
            raise ResLabError(f"runs are found by id, not {name!r}; list(runs.values()) has them in order")
        found = self._named(name)
        if not found:
            raise UnknownRunError(f"there is no run {name!r}{nearest(str(name), self._runs)}")
        if len(found) > 1:
            seeds = seeds_named([run.seed for run in found])
            raise ResLabError(
                f"{name} is a recipe with {seeds} here; name one, as in {found[0].id!r}; "
                "reslab.compare takes a recipe's id for all of them"
            )
        return found[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._named(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def _named(self, name: str) -> list[Run]:
        """Return the run of an id, or all seeds of a recipe's, the lowest first."""
        if name in self._runs:
            return [self._runs[name]]
        seeds = [run for run_id, run in self._runs.items() if run_id.rpartition("/")[0] == name]
        return sorted(seeds, key=lambda run: run.seed)

    @checked
    def filter(self, test: Callable[[Run], bool] | None = None, **wanted: Any) -> "Runs":
        """Return the runs that pass `test` and have the wanted status, seed and fields of the recipe.

        For example, `runs.filter(dataset="cifar10", depth=20, status="finished")`; a list means any of its values.
        Raises `ResLabError` for a name or value that no run can have.
        """
        known = ("status", "seed", *field_names())
        for name, own_values in wanted.items():
            if name not in known:
                raise ResLabError(f"runs have no {name!r}{did_you_mean(name, known)}")
            for value in _values(own_values):
                _check_value(name, value)

        def holds(run: Run) -> bool:
            values = {name: getattr(run if name in ("status", "seed") else run.recipe, name) for name in wanted}
            return all(value in _values(wanted[name]) for name, value in values.items()) and (test is None or test(run))

        return Runs(run for run in self._runs.values() if holds(run))

    @property
    def tables(self) -> Tables:
        """The tidy tables of these runs: one row per run, and one row per run and epoch."""
        return tables_of(self._runs.values())

    def table(self) -> "pl.DataFrame":
        """Return one row per run: its status, its recipe, its figures and their provenance."""
        return self.tables.runs

    @checked
    def compare(self, *, first: str | None = None) -> list[Comparison]:
        """Compare each recipe among these runs with the first one, or with that of the run or recipe with id `first`.

        Holm's method corrects for the number of comparisons.
        """
        by_recipe: dict[str, list[Run]] = {}
        for run in self._runs.values():
            by_recipe.setdefault(run.recipe.id, []).append(run)
        base = next(iter(by_recipe), None) if first is None else first
        if base is not None and base not in by_recipe:
            base = self[base].recipe.id
        others = [runs for name, runs in by_recipe.items() if name != base]
        if base is None or not others:
            raise ResLabError("there is nothing to compare: these are runs of one recipe, or none")
        return compare_sides([(by_recipe[base], other) for other in others])

    @checked
    def plot(self, figure: str = "test") -> ShownFigure:
        """Plot the curves of the test error, or of the training error ("train"), one line per recipe."""
        if figure not in ("test", "train"):
            raise ResLabError(f"plot draws test or train, not {figure!r}")
        tables = self.tables
        study = others(tables, [])
        drawn = None
        if study is not None:
            chapter = chapter_of(study)
            groups = study.groups(tables)
            curves = Curves(groups, chapter.label, chapter.along, chapter.ordered)
            drawn = error_figure(figure, curves, "train" if figure == "train" else "test")
        if drawn is None:
            raise ResLabError("there is nothing to draw: none of these runs has finished an epoch")
        return ShownFigure(drawn)

    def _rows(self) -> list[list[str | None]]:
        names = run_names(run.asked for run in self._runs.values())
        rows: list[list[str | None]] = []
        for run in list(self._runs.values())[:_SHOWN]:
            error = run.test_error
            rows.append(
                [names[run.id], run.status, str(len(run._files.metrics())), None if error is None else f"{error:.2f}"]
            )
        return rows

    def _title(self) -> str:
        hidden = f", {_SHOWN} of them below" if len(self) > _SHOWN else ""
        return f"{counted(len(self), 'run')}{hidden}"

    def __repr__(self) -> str:
        return text_table(self._title(), _COLUMNS, self._rows())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        rows = self._rows()
        return bundle(text_table(self._title(), _COLUMNS, rows), html_table(self._title(), _COLUMNS, rows))


def _values(wanted: object) -> Collection[object]:
    if hasattr(wanted, "tolist"):  # an array
        wanted = wanted.tolist()
    return wanted if isinstance(wanted, list | tuple | set | frozenset | range) else (wanted,)


def _check_value(name: str, value: object) -> None:
    """Raise `ResLabError` for a value that no run can have."""
    if name == "status":
        known = get_args(Status)
        if value not in known:
            hint = nearest(str(value), known)
            raise ResLabError(f"status must be one of {', '.join(known)}; not {value!r}{hint}")
    elif OWN_NETWORK.get(name) != value:
        coerced(name, int if name == "seed" else Recipe.__dataclass_fields__[name].type, value)
