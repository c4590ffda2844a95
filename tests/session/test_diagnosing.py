"""What `reslab run` measures after its runs: what their studies ask for, at the end and after the epochs kept."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reslab.errors import CheckpointError
from reslab.lab.folder.store import run_files
from reslab.lab.settings import Settings
from reslab.lab.stopping import StopRequest
from reslab.recipe import Run
from reslab.session.diagnosing import PlanDiagnosis
from reslab.studies.study import Plan, Study, Variant
from synthetic import Truth, layers, small, write_diagnostics, write_run

CPU = Settings(device="cpu")
BOTH = ("gap", "gradients")
NORMS = {"final": layers("gradient_norm", [1.0])}

Asked = list[tuple[int, tuple[str, ...], tuple[int, ...] | None]]


def _plan(during: tuple[str, ...] = ("gradients",), at_end: tuple[str, ...] = BOTH) -> Plan:
    variants = tuple(Variant(f"depth {depth}", small(depth)) for depth in (8, 14))
    study = Study("mine", "", "", "", variants, (0, 1), "custom", at_end, during)
    again = Study("again", "", "", "", variants[:1], (0,), "custom", ("gap",))
    return Plan("both", "", (study, again))


def _run(root: Path, depth: int, kept: tuple[int, ...] = (), seed: int = 0) -> Path:
    run = Run(small(depth), seed)
    folder = write_run(root, run, Truth(3.0, 1.0))
    files = run_files(root, run)
    (folder / "weights").mkdir()
    for path in (files.weights, *map(files.epoch_weights, kept)):
        path.write_bytes(b"")
    return folder


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    """Return a request that real signals reach."""
    with StopRequest() as request:
        yield request


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return what is asked to be measured, as (depth, names, epochs), in order; depth 14 cannot be."""
    seen: Asked = []

    def note(
        files: Any, settings: Any, which: Any, *, epochs: Any, budget: str, leave_out: bool, on_event: Any
    ) -> None:
        assert (budget, leave_out) == ("quick", True)
        run = files.read_run()
        assert run.seed == 0
        seen.append((run.recipe.depth, tuple(which), epochs))
        if run.recipe.depth == 14:
            raise CheckpointError("cannot")

    monkeypatch.setattr("reslab.lab.diagnose.diagnose_run", note)
    return seen


def test_the_first_seed_is_measured_at_the_end_and_after_the_epochs_that_it_kept(
    tmp_path: Path, asked: Asked, stop: StopRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path, 8, (1, 6))
    _run(tmp_path, 8, (1, 6), seed=1)
    _run(tmp_path, 14)
    PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert asked == [(8, BOTH, None), (8, ("gradients",), (1, 6)), (14, BOTH, None)]
    said = capsys.readouterr().err
    assert "diagnostics, 2 of 3: " in said
    assert "gradients after epochs 1, 6" in said
    assert "could not be measured: cannot" in said


def test_what_was_measured_is_not_measured_again(tmp_path: Path, asked: Asked, stop: StopRequest) -> None:
    folder = _run(tmp_path, 8, (1, 6, 9))
    write_diagnostics(folder, {6: {"gradients": NORMS}, 9: {"responses": NORMS}}, gap={}, gradients={})
    PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert asked == [(8, ("gradients",), (1, 9))]


def test_what_does_not_apply_is_not_tried_again(tmp_path: Path, asked: Asked, stop: StopRequest) -> None:
    path = _run(tmp_path, 8, (1,)) / "diagnostics.json"
    write_diagnostics(path.parent, gap={})
    path.write_text(json.dumps({**json.loads(path.read_text()), "does_not_apply": {"gradients": "it has none"}}))
    PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert asked == []


@pytest.mark.parametrize("error", [ValueError("of a network"), KeyError("layer")])
def test_an_error_of_any_kind_is_told_and_keeps_no_other_run_from_being_measured(
    tmp_path: Path,
    stop: StopRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    _run(tmp_path, 8)
    _run(tmp_path, 14)
    measured: list[int] = []

    def measure(files: Any, *_: Any, **__: Any) -> None:
        measured.append(files.read_run().recipe.depth)
        if len(measured) == 1:
            raise error

    monkeypatch.setattr("reslab.lab.diagnose.diagnose_run", measure)
    assert PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert measured == [8, 14]
    assert f"could not be measured: {type(error).__name__}: {error}" in capsys.readouterr().err


def test_a_study_that_asks_for_nothing_during_training_measures_the_end_only(
    tmp_path: Path, asked: Asked, stop: StopRequest
) -> None:
    _run(tmp_path, 8, (1, 6))
    PlanDiagnosis(_plan(during=()), tmp_path, CPU).measure(stop)
    assert asked == [(8, BOTH, None)]
    asked.clear()
    PlanDiagnosis(_plan(during=(), at_end=()), tmp_path, CPU).measure(stop)
    assert asked == [(8, ("gap",), None)]  # the other study's


def test_a_run_that_has_not_finished_is_not_measured(tmp_path: Path, asked: Asked, stop: StopRequest) -> None:
    folder = _run(tmp_path, 8, (1,))
    (folder / "result.json").unlink()
    PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert asked == []


def test_what_was_measured_and_is_damaged_keeps_no_other_run_from_being_measured(
    tmp_path: Path, asked: Asked, stop: StopRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    (_run(tmp_path, 8) / "diagnostics.json").write_text("{")
    _run(tmp_path, 14)
    PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert asked == [(14, BOTH, None)]
    assert "diagnostics.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_measuring_at_once_and_what_is_left_is_said(
    tmp_path: Path,
    stop: StopRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    folder = _run(tmp_path, 8, (1, 6))
    _run(tmp_path, 14)
    seen = []

    def measure(
        files: Any, settings: Any, which: Any, *, epochs: Any, budget: str, leave_out: bool, on_event: Any
    ) -> None:
        seen.append(epochs)
        on_event({"event": "measuring", "run": "", "epoch": None, "diagnostic": "gap", "share": 0.0})
        if epochs:
            write_diagnostics(folder, {1: {"gradients": NORMS}}, gap={}, gradients={})
            os.kill(os.getpid(), number)
            pytest.fail("went on")

    monkeypatch.setattr("reslab.lab.diagnose.diagnose_run", measure)
    assert not PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop, again="reslab run both")
    assert stop.interrupted
    assert seen == [None, (1, 6)]
    said = capsys.readouterr().err
    assert "diagnostics, 1 of 3: digits-resnet8-" in said
    assert "interrupted, with 3 measurements of 2 runs left to make.  To resume:  reslab run both" in said


def test_out_of_time_is_said_too(
    tmp_path: Path, stop: StopRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path, 8)
    _run(tmp_path, 14)
    monkeypatch.setattr("reslab.lab.diagnose.diagnose_run", lambda *_, **__: setattr(stop, "_end", 0.0))
    assert not PlanDiagnosis(_plan(), tmp_path, CPU).measure(stop)
    assert not stop.interrupted
    assert "out of time, with 2 measurements of 1 run left to make" in capsys.readouterr().err
