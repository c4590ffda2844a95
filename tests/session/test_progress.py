"""What the board says of runs, where there is no terminal to draw bars on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.progress import Progress

from reslab.lab.settings import Settings
from reslab.lab.weights.given import Given
from reslab.recipe import Run
from reslab.session.diagnosing import diagnose_one, run_to_diagnose
from reslab.session.evaluation import evaluated
from reslab.session.machine import bench, doctor
from reslab.session.progress import Board, tell_of_kernels
from synthetic import Truth, small, write_run


def test_the_board_says_what_a_run_does(capsys: pytest.CaptureFixture[str]) -> None:
    epoch = {"epoch": 2, "iteration": 20, "train_error": 12.34, "test_error": 23.45, "images_per_second": 1234.5}
    with Board({"one": (1.0, 1.0)}) as board:
        board({"event": "preparing", "run": "one", "words": "compiles its kernels, once"})
        board({"event": "start", "run": "one", "iteration": 10, "num_iterations": 20, "num_epochs": 2})
        board({"event": "progress", "run": "one", "iteration": 15})
        board({"event": "epoch", "run": "one", **epoch})
        board({"event": "end", "run": "one", "status": "finished"})
    assert capsys.readouterr().err.splitlines() == [
        "one  compiles its kernels, once",
        "one  starts, from iteration 10",
        "one  epoch 2/2  train 12.34%  test 23.45%  1,234 images/s",
    ]


def test_the_board_says_how_far_a_measurement_is_and_when_all_are_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Board({"one": (2.0, 2.0), "two": (1.0, 1.0)}) as board:
        for share in (0.0, 0.25, 0.5):
            board({"event": "measuring", "run": "one", "diagnostic": "gap", "share": share})
            now += 3
        now += 1
        board({"event": "end", "run": "one", "status": "finished"})
        board({"event": "measuring", "run": "two", "diagnostic": "surface", "share": 0.5})
    assert capsys.readouterr().err.splitlines() == [
        "one  gap, 0%",
        "one  gap, 50%  (all measured in about 12 s)",
        "two  surface, 50%  (all measured in about 2 s)",
    ]


@pytest.mark.parametrize("how", ["failed", "diverged"])
def test_what_a_run_that_failed_had_left_is_not_counted_as_work_done(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Board({"one": (100.0, 100.0), "two": (100.0, 100.0)}) as board:
        for run in ("one", "two"):
            board({"event": "start", "run": run, "iteration": 0, "num_iterations": 10, "num_epochs": 1})
        now += 10
        board({"event": "progress", "run": "one", "iteration": 1})
        if how == "failed":
            board({"event": "settled", "run": "one", "exit_code": 1, "message": "out of memory"})
        else:
            board({"event": "end", "run": "one", "status": "diverged"})
        assert board.seconds_left() == pytest.approx(100.0)  # a tenth of one in 10 s, and all of two is left


def test_what_a_run_prepares_has_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with Board({"one": (1.0, 1.0)}) as board:
        assert isinstance(board._bars, Progress)
        for words in ("tries its image files", "records its step"):
            board({"event": "preparing", "run": "one", "words": words})
        assert [task.description for task in board._bars.tasks] == ["one  records its step"]
        board({"event": "start", "run": "one", "iteration": 0, "num_iterations": 20, "num_epochs": 2})
        board({"event": "end", "run": "one", "status": "finished"})
        assert board._bars.tasks == []


@pytest.mark.parametrize("verb", ["doctor", "evaluate", "diagnose", "bench"])
def test_what_measures_tells_that_it_compiles_first(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verb tells it before it begins: here it is stopped where it does."""
    write_run(tmp_path, Run(small(8), 0), Truth(10.0, 1.0))
    monkeypatch.setattr("reslab.kernels.build.must_compile", lambda: True)
    told: list[str] = []

    def stop(words: str) -> bool:
        told.append(words)
        raise InterruptedError

    ask: dict[str, Callable[[], object]] = {
        "doctor": lambda: doctor(tmp_path, tell=stop),
        "evaluate": lambda: evaluated(small(8).id, None, Given(), root=tmp_path, device="cpu", tell=stop),
        "diagnose": lambda: diagnose_one(
            run_to_diagnose(small(8).id, tmp_path), Settings(device="cpu"), None, tell=stop
        ),
        "bench": lambda: bench(device="cpu", tell=stop),
    }
    with pytest.raises(InterruptedError):
        ask[verb]()
    assert told == ["reslab: compiling its kernels, once; this takes a few seconds ..."]
    monkeypatch.setattr("reslab.kernels.build.must_compile", lambda: False)
    tell_of_kernels("cpu", stop)
    assert len(told) == 1
    assert not capsys.readouterr().err
