"""One attempt at a run: its images, its kernels, and the threads that it computes with."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lab_runs import QUICK, make, outcome, small, stopping_after

from reslab.data.images import Dataset
from reslab.data.sources import load
from reslab.errors import DataError
from reslab.kernels.build import NO_COMPILER, Kernels, kernels
from reslab.lab import attempt, one_run
from reslab.lab import threads as lab_threads
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_images_that_have_changed_between_attempts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, small(2))
    assert execute(files, QUICK, stop=stopping_after(3)) == "interrupted"
    real = load("digits")

    def changed(name: str, root: Path | None, images: str = "") -> Dataset:
        return replace(real, fingerprint="0" * 64)

    monkeypatch.setattr(attempt, "load_once", changed)
    with pytest.raises(
        DataError, match=r"the fingerprint of those is 0{16}.*use the same images, or another folder of runs"
    ) as caught:
        execute(files, QUICK)
    assert caught.value.exit_code == 4
    failure = files.failure()
    assert failure is not None
    assert (failure["kind"], failure["traceback"]) == ("error", None)
    assert "the fingerprint of those is 0000000000000000" in failure["message"]
    monkeypatch.undo()
    assert execute(files, QUICK) == "finished"  # with the right images it goes on
    assert files.failure() is None


def test_images_that_are_not_the_official_ones_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = load("digits")
    for official in (True, False):
        monkeypatch.setattr(attempt, "load_once", lambda *_, official=official: replace(real, official=official))
        seen: list[dict[str, Any]] = []
        execute(make(tmp_path / str(official), small(1)), QUICK, on_event=seen.append)
        remarks = [event["words"] for event in seen if event["event"] == "remark"]
        assert any("not the official images of digits" in words for words in remarks) != official


@pytest.mark.parametrize(("reason", "told"), [("g++ failed: no memory", True), (NO_COMPILER, False)])
def test_kernels_that_should_be_there_and_are_not_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, told: bool
) -> None:
    monkeypatch.setattr(attempt, "kernels", lambda: Kernels(None, reason))
    seen: list[dict[str, Any]] = []
    execute(make(tmp_path, small(1)), QUICK, on_event=seen.append)
    remarks = [event["words"] for event in seen if event["event"] == "remark"]
    assert any(reason in words for words in remarks) == told


@pytest.fixture
def _bits_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_threads, "thread_invariant", lambda *_: False)


@pytest.mark.usefixtures("_bits_depend_on_threads")
def test_a_run_goes_on_with_the_threads_that_it_had(tmp_path: Path) -> None:
    """A launcher shares the cores between the runs that are left: other threads would give other last bits."""
    whole, files = (make(tmp_path / name, small(1, holdout=40)) for name in ("whole", "stopped"))
    assert execute(whole, QUICK) == "finished"
    assert execute(files, QUICK, stop=stopping_after(3)) == "interrupted"
    seen: list[dict[str, Any]] = []
    shared = Settings(device="cpu", default_threads=2)
    assert execute(files, shared, on_event=seen.append) == "finished"
    assert outcome(files) == outcome(whole)
    assert [one["threads"] for one in (files.provenance() or {})["attempts"]] == [1, 1]
    assert "remark" not in [event["event"] for event in seen]
    assert torch.get_num_threads() == 1  # those of the test: the next run of the process has its own


@pytest.mark.usefixtures("_bits_depend_on_threads")
@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        (Settings(device="cpu", default_threads=2, threads=1), 1),
        (Settings(device="cpu", default_threads=2), 3),
        (Settings(device="cpu"), 3),
    ],
)
def test_threads_that_are_asked_for_count_and_too_many_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, threads: int
) -> None:
    monkeypatch.setattr(attempt, "usable_cores", lambda: 2)
    files = make(tmp_path, small(1))
    assert execute(files, Settings(device="cpu", default_threads=3), stop=stopping_after(1)) == "interrupted"
    seen: list[dict[str, Any]] = []
    assert execute(files, settings, on_event=seen.append) == "finished"
    assert [one["threads"] for one in (files.provenance() or {})["attempts"]] == [3, threads]
    remarks = [event["words"] for event in seen if event["event"] == "remark"]
    assert len(remarks) == (threads == 3)
    assert all("resumes with its 3 threads" in words for words in remarks)


@pytest.mark.usefixtures("_bits_depend_on_threads")
def test_a_run_whose_threads_stay_begins_with_those_that_the_load_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "most_threads", lambda: 3)
    monkeypatch.setattr(attempt, "threads_for_load", lambda most: most - 1)
    files = make(tmp_path, small(1))
    seen: list[dict[str, Any]] = []
    shared = Settings(device="cpu", default_threads=3)
    assert execute(files, shared, on_event=seen.append, stop=stopping_after(1)) == "interrupted"
    assert execute(files, shared, on_event=seen.append) == "finished"
    assert [one["threads"] for one in (files.provenance() or {})["attempts"]] == [2, 2]
    remarks = [event["words"] for event in seen if event["event"] == "remark"]
    assert [words for words in remarks if "computes with 2 of 3 threads to its end" in words] == remarks[:1]


class Following:
    """Threads that change at every look, and what they were made with."""

    def __init__(self, threads: int, most: int, cores: int) -> None:
        self.made.append((threads, most, cores))
        torch.set_num_threads(threads)
        self._next = cycle((2, 1, 3))

    made: ClassVar[list[tuple[int, int, int]]] = []

    def look(self) -> None:
        torch.set_num_threads(next(self._next))


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> type[Following]:
    """Let runs follow a load that changes all the time, as if their bits did not depend on threads."""
    Following.made = []
    monkeypatch.setattr(lab_threads, "thread_invariant", lambda *_: True)
    monkeypatch.setattr(lab_threads, "FollowingThreads", Following)
    monkeypatch.setattr(lab_threads, "can_follow_load", lambda most: most == 4)
    monkeypatch.setattr(one_run, "most_threads", lambda: 4)
    monkeypatch.setattr(lab_threads, "usable_cores", lambda: 5)
    return Following


def test_threads_follow_the_load_where_bits_do_not_depend_on_them(tmp_path: Path, following: type[Following]) -> None:
    """A run goes on with its share of the cores, whatever it had before, and may grow beyond."""
    files = make(tmp_path, small(1))
    assert execute(files, Settings(device="cpu", threads=1), stop=stopping_after(2)) == "interrupted"
    assert following.made == []
    assert execute(files, Settings(device="cpu", default_threads=2), stop=stopping_after(2)) == "interrupted"
    seen: list[dict[str, Any]] = []
    assert execute(files, Settings(device="cpu", default_threads=9), on_event=seen.append) == "finished"
    assert following.made == [(2, 4, 5), (4, 4, 5)]
    attempts = [(one["threads"], one["threads_follow_load"]) for one in (files.provenance() or {})["attempts"]]
    assert attempts == [(1, False), (2, True), (4, True)]
    assert "remark" not in [event["event"] for event in seen]
    assert torch.get_num_threads() == 1  # those of the test: the next run of the process has its own


@pytest.mark.skipif(not kernels().convolves, reason="bits depend on threads without the kernels")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_threads_that_change_while_a_run_goes_on_and_when_it_is_resumed_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    recipe = small(2, holdout=40, precision=precision)
    undisturbed, changing = make(tmp_path / "undisturbed", recipe), make(tmp_path / "changing", recipe)
    assert execute(undisturbed, QUICK) == "finished"
    monkeypatch.setattr(lab_threads, "FollowingThreads", Following)
    monkeypatch.setattr(lab_threads, "can_follow_load", lambda _: True)
    Following.made = []
    assert execute(changing, Settings(device="cpu", default_threads=2), stop=stopping_after(4)) == "interrupted"
    assert execute(changing, Settings(device="cpu", threads=3), stop=stopping_after(3)) == "interrupted"
    assert execute(changing, Settings(device="cpu")) == "finished"
    assert len(Following.made) == 2
    assert outcome(changing) == outcome(undisturbed)


def test_runs_side_by_side_read_their_images_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    real = load("digits")

    def slow(name: str, root: Path | None, images: str = "") -> Dataset:
        reads.append(name)
        time.sleep(0.05)
        return real

    monkeypatch.setattr("reslab.data.sources.load_any", slow)
    attempt._read.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: attempt.load_once("digits", None), range(4)))
    attempt._read.cache_clear()
    assert reads == ["digits"]
    assert all(one is real for one in found)
