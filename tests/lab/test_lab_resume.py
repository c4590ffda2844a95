"""A run that is killed again and again ends with the same bits as one that is left in peace."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from lab_runs import make, outcome, small, wait_for
from zygote import Zygote

from profiles import DEEP
from reslab.errors import LockedError
from reslab.lab.folder import manifest
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute

DOCUMENTED = [
    ".lock",
    "manifest.json",
    "metrics.jsonl",
    "predictions.safetensors",
    "provenance.json",
    "result.json",
    "run.json",
    "weights",
    "weights.safetensors",
    "weights/epoch0001.safetensors",
    "weights/epoch0002.safetensors",
]
"""Of three epochs, the first two are kept: before the first drop of the rate, and before the second."""
NUM_KILLS = 50 if DEEP else 12  # the fault plan, bench/faults, makes 200

Outcome = tuple[bytes, list[str], dict[int, bytes]]
Undisturbed = Callable[[int], Outcome]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """Return a process that forks attempts."""
    process = Zygote()
    yield process
    process.close()


@pytest.fixture(scope="module")
def undisturbed(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return what a run of so many epochs comes to when it is left in peace."""

    @cache
    def train(epochs: int) -> Outcome:
        files = make(tmp_path_factory.mktemp("undisturbed"), small(epochs))
        assert zygote.start(files.path).finish() == 0
        return outcome(files)

    return train


def names(files: RunFiles) -> list[str]:
    return sorted(path.relative_to(files.path).as_posix() for path in files.path.rglob("*"))


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.deep), "bf16"])
def test_killed_at_random_instants(zygote: Zygote, tmp_path: Path, precision: str) -> None:
    recipe = small(3, precision=precision)
    undisturbed = make(tmp_path / "undisturbed", recipe)
    attempt = zygote.start(undisturbed.path)
    attempt.wait_for("start")
    begun = time.monotonic()
    assert attempt.finish() == 0
    seconds = time.monotonic() - begun
    expected = outcome(undisturbed)
    assert len(expected[1]) == 3
    assert list(expected[2]) == [1, 2]

    chance = random.Random(f"instants of {precision}")
    kills, folder = 0, 0
    resumed: set[int] = set()
    files = make(tmp_path / "0", recipe)
    while kills < NUM_KILLS:
        attempt = zygote.start(files.path, checkpoint_seconds=0.02)
        if kills % 4:  # most in training, some while it starts
            attempt.wait_for("start")
            time.sleep(chance.uniform(0, seconds / 2))
        else:
            time.sleep(chance.uniform(0, 0.1))
        attempt.send(signal.SIGKILL)
        code = attempt.finish()
        kills += code == -signal.SIGKILL
        if files.ended() is not None:  # the training was faster than the kill: once more from its beginning
            assert outcome(files) == expected
            folder += 1
            files = make(tmp_path / str(folder), recipe)
            continue
        assert code == -signal.SIGKILL
        assert files.status() in ("pending", "interrupted")
    for _ in range(2):  # the second removes what a kill after the last line of all has left
        assert zygote.start(files.path).finish() == 0
    assert outcome(files) == expected
    assert names(files) == DOCUMENTED
    assert manifest.verify(files.path) == []
    for path in sorted(tmp_path.glob("[0-9]*/*/seed0/provenance.json")):
        resumed |= {entry["from_iteration"] for entry in json.loads(path.read_text())["attempts"]}
    assert len(resumed) >= (4 if DEEP else 3), f"all attempts began at {resumed}"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.deep)])
def test_killed_at_random_changes_of_the_disk(
    zygote: Zygote, undisturbed: Undisturbed, tmp_path: Path, seed: int
) -> None:
    """Before a file is on the disk, or has its name, or an old checkpoint is gone: wherever a write can be cut."""
    files = make(tmp_path, small(3))
    chance, kills = random.Random(seed), 0
    for _ in range(100):
        attempt = zygote.start(files.path, dies_after=chance.randrange(8, 60), checkpoint_seconds=0.0)
        if attempt.finish() == 0:
            break
        assert attempt.code == -signal.SIGKILL
        assert files.status() != "failed"
        kills += 1
    assert kills >= 3
    assert zygote.start(files.path).finish() == 0  # removes what a kill after the last line of all has left
    assert outcome(files) == undisturbed(3)
    assert names(files) == DOCUMENTED
    assert manifest.verify(files.path) == []


@pytest.mark.parametrize("moment", ["start", "epoch"])
def test_sigterm_leaves_a_checkpoint_within_seconds(
    zygote: Zygote, undisturbed: Undisturbed, tmp_path: Path, moment: str
) -> None:
    files = make(tmp_path, small(3))
    attempt = zygote.start(files.path, checkpoint_seconds=1000)
    attempt.wait_for(moment)
    attempt.send(signal.SIGTERM)
    begun = time.monotonic()
    attempt.wait_for("end", status="interrupted")
    assert attempt.finish() == 130
    assert time.monotonic() - begun < 10
    assert files.status() == "interrupted"
    assert any(files.checkpoints.iterdir())
    assert files.failure() is None
    assert zygote.start(files.path).finish() == 0
    assert outcome(files) == undisturbed(3)
    provenance = files.provenance()
    assert provenance is not None
    first, second = (entry["from_iteration"] for entry in provenance["attempts"])
    assert first == 0
    assert 0 < second <= 15


def test_a_run_is_trained_by_one_process_at_a_time(zygote: Zygote, tmp_path: Path) -> None:
    files = make(tmp_path, small(50))
    attempt = zygote.start(files.path)
    attempt.wait_for("start")
    assert files.status() == "running"
    with pytest.raises(LockedError, match="being trained by another process") as caught:
        execute(files)
    assert caught.value.exit_code == 8
    assert files.status() == "running"
    assert files.failure() is None  # and whoever came second has left no mark
    attempt.send(signal.SIGKILL)
    assert attempt.finish() == -signal.SIGKILL
    wait_for(lambda: files.status() != "running", seconds=2)
    assert files.status() in ("pending", "interrupted")
    with files.lock():  # a killed process holds nothing
        assert files.status() == "running"


def test_a_diverged_run_is_a_result_and_is_not_tried_again(zygote: Zygote, tmp_path: Path) -> None:
    files = make(tmp_path, small(3, learning_rate=1e30))
    attempt = zygote.start(files.path, checkpoint_seconds=0.0)
    attempt.wait_for("end", status="diverged")
    assert attempt.finish() == 0
    failure = files.failure()
    assert failure is not None
    assert failure["kind"] == "diverged"
    assert 1 <= failure["iteration"] <= 5
    assert failure["epoch"] == 1
    assert f"not finite after iteration {failure['iteration']}" in failure["message"]
    assert files.status() == "diverged"
    assert names(files) == [".lock", "failure.json", "manifest.json", "provenance.json", "run.json"]
    assert manifest.verify(files.path) == []
    before = {path: path.stat().st_mtime_ns for path in files.path.iterdir()}
    attempt = zygote.start(files.path)
    attempt.wait_for("end", status="diverged")
    assert attempt.finish() == 0
    assert {path: path.stat().st_mtime_ns for path in files.path.iterdir()} == before
