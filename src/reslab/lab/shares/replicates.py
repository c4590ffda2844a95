"""Second trainings of runs: finding them, and comparing them with the first."""

from dataclasses import dataclass
from pathlib import Path

from reslab.errors import ResLabError
from reslab.files import Json
from reslab.lab.folder.predictions import OFF_POINTS
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.share import REPLICATES
from reslab.recipe import Run


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a second training of a run compares with the first; errors in percent, None if it diverged."""

    run: str
    where: str
    same_bits: bool
    errors: tuple[float | None, float | None]

    @property
    def contradicts(self) -> bool:
        """Whether the same weights have different errors in the two records, so that one was edited."""
        first, second = self.errors
        if not self.same_bits or first is None or second is None:
            return False
        return abs(first - second) > OFF_POINTS

    @property
    def bits_words(self) -> str:
        """Whether the weights are the same, as text."""
        if self.contradicts:
            return "same bits, but another test error: a record was edited"
        return "same bits" if self.same_bits else "other bits"

    @property
    def error_words(self) -> str:
        """The second error, as text."""
        return "diverged" if self.errors[1] is None else f"{self.errors[1]:.2f}%"


def agreements(first: RunFiles, root: Path, run: Run) -> tuple[list[Agreement], list[tuple[RunFiles, ResLabError]]]:
    """Compare each ended second training of a run with the first; also return the unusable ones with their errors.

    Raises `ResLabError` if the first one cannot be used.
    """
    whole: list[RunFiles] = []
    damaged: list[tuple[RunFiles, ResLabError]] = []
    for path in sorted((root / REPLICATES).glob(f"*/{run.id}")):
        files = RunFiles(path)
        try:
            if path.is_dir() and files.ended() is not None:
                files.check(run)
                files.metrics()
                files.provenance()
                whole.append(files)
        except ResLabError as error:
            damaged.append((files, error))
    return [compare(first, other) for other in whole], damaged


def compare(first: RunFiles, other: RunFiles) -> Agreement:
    """Compare two trainings of the same run: the same bits, or both errors."""
    results = [files.result() or {} for files in (first, other)]
    ends = [_end(files, result) for files, result in zip((first, other), results, strict=True)]
    same = ends[0] == ends[1]
    errors = (results[0].get("test_error"), results[1].get("test_error"))
    return Agreement(first.name, _machine(other), same, errors)


def _end(files: RunFiles, result: Json) -> object:
    """Return what trainings with the same bits share: weights, or where they diverged and the losses before."""
    if weights := result.get("weights_sha256"):
        return weights
    failure = files.failure() or {}
    rows = [(row["epoch"], row.get("train_loss"), row.get("test_loss")) for row in files.metrics()]
    return failure.get("epoch"), failure.get("iteration"), rows


def _machine(files: RunFiles) -> str:
    return str(files.last_attempt().get("device_name") or "an unknown machine")
