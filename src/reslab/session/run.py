"""A run in Python: its recipe and seed, and the content of its folder, read on demand."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reslab.analysis.tables import Tables, joined
from reslab.analysis.tidy import curve_of, read_tables
from reslab.arguments import as_keywords, checked
from reslab.errors import ResLabError
from reslab.files import Json, as_path
from reslab.lab.folder.predictions import read_predictions
from reslab.lab.folder.status import Status
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.naming import run_name
from reslab.recipe import Recipe
from reslab.recipe import Run as RecipeRun
from reslab.session.alone import alone
from reslab.session.display import Bundle, bundle, html_table, text_table

if TYPE_CHECKING:
    import polars as pl
    from torch import Tensor, nn


class Run:
    """A run in its folder.  Reading it changes nothing, and nothing is cached: every read goes to the files."""

    @checked
    def __init__(self, folder: str | Path, *, data_root: str | Path | None = None, device: str = "auto") -> None:
        """Take the folder of a run; `data_root` and `device` are used when its network computes again.

        Raises `ResLabError` where the folder is not a run's, or its files are damaged.
        """
        self._files = RunFiles(as_path(folder))
        self._run = self._files.check()
        self._settings = Settings(data_root=as_path(data_root), device=device)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._files.path

    @property
    def root(self) -> Path:
        """The folder of all runs that contains it, even if it was opened through a link from elsewhere."""
        places = (self._files.called, self._files.path.resolve())
        return next((one for one in places if one.as_posix().endswith(f"/{self.id}")), places[0]).parent.parent

    @property
    def id(self) -> str:
        """The run's id, as in cifar10-resnet20-3f9a1c2b/seed0."""
        return self._run.id

    @property
    def name(self) -> str:
        """The run in words, as in ResNet-20, CIFAR-10, rate 0.2, seed 1."""
        return run_name(self._run)

    @property
    def asked(self) -> RecipeRun:
        """Recipe and seed together, as `reslab.lab` takes them."""
        return self._run

    @property
    def recipe(self) -> Recipe:
        """All that decides the result, up to rounding."""
        return self._run.recipe

    @property
    def seed(self) -> int:
        """Seed of the initial weights, the order of the images and their augmentation."""
        return self._run.seed

    @property
    def status(self) -> Status:
        """The status: finished, diverged, failed, running, interrupted or pending."""
        return self._files.status()

    @property
    def test_error(self) -> float | None:
        """Error (%) on the test images after the last epoch; None unless the run has finished."""
        return self._result("test_error")

    @property
    def train_error(self) -> float | None:
        """Error (%) on the augmented training images in the last epoch; None unless the run has finished."""
        return self._result("train_error")

    @property
    def result(self) -> Json | None:
        """What result.json holds: errors, losses, seconds, parameters; None unless the run has finished."""
        return self._files.result()

    @property
    def failure(self) -> Json | None:
        """Why the run failed or diverged, as failure.json has it, with keywords for flags; None where it did not."""
        found = self._files.failure()
        return found if found is None else {**found, "message": as_keywords(str(found.get("message")))}

    @property
    def provenance(self) -> Json:
        """The images' fingerprint and, for each attempt, code, versions and machine; empty before the first."""
        return self._files.provenance() or {}

    @property
    def curve(self) -> "pl.DataFrame":
        """One row per epoch so far, with the columns of metrics.jsonl (docs/architecture.md): errors in percent."""
        return curve_of(self._files.metrics())

    @property
    def weights(self) -> Path:
        """The file of the trained weights (safetensors); raises `ResLabError` where there are none."""
        if not self._files.weights.exists():
            raise ResLabError(f"{self.id} has no weights: {self._files.why_no_weights()}")
        return self._files.weights

    @property
    def predictions(self) -> "pl.DataFrame":
        """One row per test image: label, predicted class (both from 0), and that class's probability (confidence).

        The order is that of `test_batches`: images are sorted by content, so it differs from that of your own arrays.
        Raises `ResLabError` where the run kept none; `reslab.evaluate` makes them.
        """
        import polars as pl

        found = read_predictions(self._files.predictions)
        if found is None:
            raise ResLabError(f"{self.id} has kept no predictions; reslab.evaluate(run) makes them")
        return pl.DataFrame({"label": found.labels, "predicted": found.predicted, "confidence": found.confidence})

    @property
    def diagnostics(self) -> Json:
        """What `diagnose` has measured so far; empty where it has measured nothing."""
        return self._files.diagnostics() or {}

    @checked
    @alone()
    def network(self, *, trust_code: bool = False) -> "nn.Module":
        """Return the trained network, in evaluation mode, on the device that the run was opened with.

        It takes images normalised by the recipe, as `test_batches` yields them.  It computes in float32 unless under
        torch.autocast; the run itself may have been measured in bfloat16.  `trust_code` runs the network's code even if
        it is not from a file of yours.  Raises `CheckpointError` where there are no weights.
        """
        from reslab.lab.weights.trained import trained_network

        settings = self._settings
        return trained_network(self._files, data_root=settings.data_root, device=settings.device, trust_code=trust_code)

    def test_batches(self) -> "Iterator[tuple[Tensor, Tensor]]":
        """Yield the test images, normalised as in training (N x C x H x W), and their labels (N), on the device."""
        from reslab.lab.weights.trained import test_batches

        return test_batches(self._files, data_root=self._settings.data_root, device=self._settings.device)

    @checked
    @alone()
    def diagnose(
        self,
        *which: str,
        epochs: Iterable[int] | None = None,
        budget: str = "standard",
        force: bool = False,
        threads: int | None = None,
        trust_code: bool = False,
    ) -> Json:
        """Measure why the run came out as it did (docs/diagnostics.md), keep it, and return all that was measured.

        `which` are any of gap, responses, gradients, noise-scale, curvature and surface; none means all.  `epochs`
        measures the weights kept after these epochs.  Nothing is measured twice, unless with `force`.  `trust_code`
        runs the network's code even if it is not from a file of yours.
        """
        from reslab.session.diagnosing import diagnose_one

        settings = replace(self._settings, threads=threads, trust_code=trust_code)
        return diagnose_one(self._files, settings, which or None, epochs=epochs, budget=budget, force=force)

    def _result(self, name: str) -> float | None:
        value = (self._files.result() or {}).get(name)
        return None if value is None else float(value)

    def _facts(self) -> list[tuple[str, str]]:
        error, rows = self.test_error, self._files.metrics()
        facts = [("status", str(self.status)), ("epochs", str(len(rows)))]
        facts += [("test error", f"{error:.2f}%")] if error is not None else []
        if error is None and rows:
            facts.append(("test error so far", f"{rows[-1]['test_error']:.2f}%"))
        return [*facts, ("id", self.id), ("folder", str(self.path))]

    def __repr__(self) -> str:
        said = dict(self._facts())
        error = next((f", {name} {said[name]}" for name in said if name.startswith("test error")), "")
        return f"<{self.name}: {said['status']}{error}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.path.resolve() == other.path.resolve()

    def __hash__(self) -> int:
        return hash(self.path.resolve())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        rows = [list(row) for row in self._facts()]
        return bundle(text_table(self.name, ["", ""], rows), html_table(self.name, ["", ""], rows))


def where_to_compute(run: object, data_root: str | Path | None, device: str) -> tuple[str | Path | None, str]:
    """Return the folder of the images and the device; each that is not given is the one a run was opened with."""
    if not isinstance(run, Run):
        return data_root, device
    own = run._settings
    return own.data_root if data_root is None else data_root, own.device if device == "auto" else device


def tables_of(found: Iterable[Run], *, whole: bool = False) -> Tables:
    """Return the tidy tables of some runs; with `whole`, of all runs in their folders.

    Where several folders have a run with the same id, the given one counts.
    """
    by_root: dict[Path, list[Run]] = {}
    for run in found:
        by_root.setdefault(run.root, []).append(run)
    parts = [
        (
            read_tables(root) if whole else read_tables(root, [run.asked for run in own_runs]),
            [run.id for run in own_runs],
        )
        for root, own_runs in by_root.items()
    ]
    return joined(parts) if parts else read_tables(Path(), [])
