"""The folder of a run: status from its files, metrics torn and damaged, the lock, and what cannot be written."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from lab_runs import make, small, wait_for

from reslab.errors import LockedError, ReplacedError, ResLabError
from reslab.lab.folder import ending
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles, run_files
from reslab.recipe import SEMANTICS, Run, to_mapping
from synthetic import Truth, write_predictions, write_run

ROW = {"epoch": 1, "iteration": 5, "rate": 0.1}
RUN = Run(small(2), 3)

HOLD = """
import sys, time
from pathlib import Path
from reslab.lab.folder.store import RunFiles
with RunFiles(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


def rows(count: int) -> list[dict[str, Any]]:
    return [{**ROW, "epoch": epoch, "iteration": 5 * epoch} for epoch in range(1, count + 1)]


def with_metrics(root: Path, count: int) -> RunFiles:
    files = make(root, RUN.recipe, RUN.seed)
    for row in rows(count):
        files.append_metrics(row)
    return files


@contextmanager
def holder(files: RunFiles) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold the run's lock."""
    command = [sys.executable, "-c", HOLD, str(files.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_folder_is_the_runs_id(tmp_path: Path) -> None:
    files = run_files(tmp_path, RUN)
    assert files.path == tmp_path / RUN.recipe.id / "seed3"


def test_a_run_has_its_name_however_its_folder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_files(tmp_path, RUN).path
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    assert [RunFiles(Path(path)).name for path in ("seed3", ".", "./seed3/../seed3", folder)] == [
        RUN.id,
        f"{tmp_path.name}/{RUN.recipe.id}",
        RUN.id,
        RUN.id,
    ]


def test_a_run_goes_there_and_back(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe, RUN.seed)
    assert files.read_run() == RUN
    content = json.loads((files.path / "run.json").read_text())
    assert content == {
        "format": 1,
        "run": RUN.id,
        "semantics": SEMANTICS,
        "recipe": to_mapping(RUN.recipe),
        "seed": 3,
    }


def test_making_a_run_that_is_there_changes_nothing(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe, RUN.seed)
    files.append_metrics(ROW)
    before = (files.path / "run.json").stat().st_mtime_ns
    files.create(RUN)
    assert (files.path / "run.json").stat().st_mtime_ns == before
    assert files.metrics() == [ROW]


def edited(files: RunFiles, **changes: Any) -> None:
    content = json.loads((files.path / "run.json").read_text())
    (files.path / "run.json").write_text(json.dumps({**content, **changes}))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    edited(files, format=2)
    with pytest.raises(ResLabError, match="newer ResLab; update this one"):
        files.read_run()
    edited(files, format=1, semantics=SEMANTICS + 1)
    with pytest.raises(ResLabError, match="newer ResLab, with other numerics; update this one"):
        files.read_run()
    edited(files, semantics=SEMANTICS - 1)
    with pytest.raises(ResLabError, match="a version of ResLab with other numerics; remove the folder"):
        files.read_run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": {"colour": 3}},
            r"seed0/run\.json: .*no field 'colour'.*Written by a newer ResLab\? Update this one",
        ),
        ({"recipe": {"depth": 21}}, "depth must be 6n"),
        ({"recipe": 7}, "not a run's"),
        ({"seed": "x"}, "seed must be"),
        ({"format": "one"}, "not a run's"),
    ],
)
def test_a_run_json_that_says_nonsense_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    files = make(tmp_path, RUN.recipe)
    edited(files, **changes)
    with pytest.raises(ResLabError, match=message):
        files.read_run()


def test_a_run_json_without_its_fields_is_refused(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    (files.path / "run.json").write_text("{}")
    with pytest.raises(ResLabError, match="not a run's: its format and recipe and seed are missing"):
        files.read_run()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"not the folder of a run: it has no run\.json"):
        RunFiles(tmp_path).read_run()


def test_status_follows_the_files(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    assert files.status() == "pending"
    with files.lock():
        assert files.status() == "running"
    assert files.status() == "pending"  # begun and stopped before anything was kept
    files.checkpoints.mkdir()
    assert files.status() == "interrupted"
    files.checkpoints.rmdir()
    files.append_metrics(ROW)
    assert files.status() == "interrupted"
    for kind in ("error", "killed", "out-of-memory"):
        files.write("failure.json", {"kind": kind})
        assert files.status() == "failed"
        assert files.ended() is None
    with files.lock():
        assert files.status() == "running"
    files.write("failure.json", {"kind": "diverged"})
    assert files.status() == files.ended() == "diverged"
    files.remove("failure.json")
    files.write("result.json", {"status": "finished"})
    assert files.status() == files.ended() == "finished"
    with files.lock():
        assert files.status() == "finished"


def test_a_run_that_is_lost_keeps_the_failure_that_it_could_say_itself(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    for kind in ("killed", "out-of-memory"):
        ending.lost(files, "its process is gone")
        assert (files.failure() or {})["kind"] == kind
        ending.fail(files, "out-of-memory", "CUDA out of memory")


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    files = with_metrics(tmp_path, 2)
    before = sorted(tmp_path.rglob("*"))
    files.status()
    files.metrics()
    assert (files.result(), files.failure(), files.provenance()) == (None, None, None)
    find_runs(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_metrics_come_back_in_order(tmp_path: Path) -> None:
    assert make(tmp_path, RUN.recipe).metrics() == []
    assert with_metrics(tmp_path, 3).metrics() == rows(3)


@pytest.mark.parametrize("torn", [b"{", b'{"epoch": 4, "iter', b'{"epoch": 4}', b"\xff\xfe"])
def test_a_torn_last_line_does_not_count(tmp_path: Path, torn: bytes) -> None:
    files = with_metrics(tmp_path, 3)
    with (files.path / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    assert files.metrics() == rows(3)
    files.keep_metrics(3)
    files.append_metrics(rows(4)[-1])
    assert files.metrics() == rows(4)


@pytest.mark.parametrize("damage", [b"{", b"", b"\xff", b'{"epoch": 1} {"epoch": 2}', b"12", b"null"])
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, damage: bytes) -> None:
    files = with_metrics(tmp_path, 3)
    path = files.path / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ResLabError, match=r"metrics\.jsonl is damaged in line 2"):
        files.metrics()


def test_metrics_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    (files.path / "metrics.jsonl").mkdir()
    with pytest.raises(ResLabError, match=r"metrics\.jsonl cannot be read: it is a folder"):
        files.check()


def test_a_metric_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    with pytest.raises(ValueError, match="JSON compliant"):
        files.append_metrics({**ROW, "train_loss": float("inf")})
    assert files.metrics() == []


@pytest.mark.parametrize("count", range(4))
def test_metrics_are_cut_to_what_a_checkpoint_has_seen(tmp_path: Path, count: int) -> None:
    files = with_metrics(tmp_path, 3)
    files.keep_metrics(count)
    assert files.metrics() == rows(count)


def test_metrics_shorter_than_the_checkpoint_are_refused(tmp_path: Path) -> None:
    files = with_metrics(tmp_path, 2)
    with pytest.raises(ResLabError, match="has 2 lines where the checkpoint has seen 3"):
        files.keep_metrics(3)


def test_damage_in_what_a_checkpoint_has_seen_is_told_before_training_goes_on(tmp_path: Path) -> None:
    files = with_metrics(tmp_path, 3)
    lines = (files.path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (files.path / "metrics.jsonl").write_bytes(b"".join([b"{]\n", *lines[1:]]))
    with pytest.raises(ResLabError, match=r"damaged in line 1; remove the folder .* to train the run again"):
        files.keep_metrics(2)
    files.keep_metrics(0)
    assert files.metrics() == []


def test_predictions_that_make_another_error_than_the_record_are_told_of(tmp_path: Path) -> None:
    files = RunFiles(write_run(tmp_path, RUN, Truth(3.0, 1.0)))
    for wrong, agrees in ((11, True), (13, True), (14, False), (7, False)):  # of 360 images
        write_predictions(files.path, range(wrong))
        with nullcontext() if agrees else pytest.raises(ResLabError, match=r"3\.00%, but its predictions give"):
            files.check_files()


def test_a_run_may_be_kept_elsewhere_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = make(tmp_path / "store", RUN.recipe, RUN.seed).path
    kept = kept.rename(tmp_path / "kept")
    files = run_files(tmp_path / "runs", RUN)
    files.path.parent.mkdir(parents=True)
    files.path.symlink_to(kept)
    assert files.check() == RUN
    ending.fail(files, "error", "some")
    assert (files.failure() or {})["run"] == RUN.id
    (tmp_path / "mine").symlink_to(make(tmp_path / "other", RUN.recipe, RUN.seed).path)
    assert RunFiles(tmp_path / "mine").check() == RUN
    monkeypatch.chdir(files.path.parent)
    assert RunFiles(Path(files.path.name)).check() == RUN
    with pytest.raises(ResLabError, match="the recipe was edited"):
        RunFiles(kept).check()


def test_files_that_do_not_belong_together_are_told_of(tmp_path: Path) -> None:
    files = with_metrics(tmp_path, 3)
    assert files.check() == RUN
    whole = {"status": "finished", "epochs": 3, "iterations": 135, "weights_sha256": "0" * 64}
    files.write("result.json", {**whole, "epochs": 4})
    with pytest.raises(
        ResLabError, match=r"it has 3 lines, and the run ended after 4 epochs; put back a copy, or remove the folder"
    ):
        files.check()
    files.write("result.json", whole)
    assert files.check() == RUN
    moved = files.path.rename(files.path.with_name("seed7"))
    with pytest.raises(ResLabError, match="the recipe was edited"):
        RunFiles(moved).check()


@pytest.mark.parametrize("name", ["diagnostics.json", "failure.json", "result.json"])
def test_no_training_is_thrown_away_for_a_file_that_can_be_made_again(tmp_path: Path, name: str) -> None:
    files = make(tmp_path, RUN.recipe)
    (files.path / name).write_text("{")
    read = {"diagnostics.json": files.diagnostics, "failure.json": files.failure, "result.json": files.result}[name]
    with pytest.raises(ResLabError, match=f"{name} is damaged: .*; (put back a copy, or )?remove ") as caught:
        read()
    assert ("remove the folder" in str(caught.value)) == (name == "result.json")
    assert ("remove this file" in str(caught.value)) == (name != "result.json")


def test_a_file_that_is_added_to_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    files, added = make(tmp_path, RUN.recipe), 20

    def add() -> None:
        for _ in range(added):
            with files.changing("diagnostics.json"):
                before = files.diagnostics() or {"n": 0, "diagnostics": {}}
                files.write("diagnostics.json", {**before, "n": before["n"] + 1})

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (files.diagnostics() or {})["n"] == 2 * added


def test_two_processes_cannot_hold_a_run(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    with holder(files) as process:
        assert files.status() == "running"
        with pytest.raises(LockedError, match="another process; wait for it, or use another --runs") as caught:
            files.lock().__enter__()
        assert caught.value.exit_code == 8
        assert str(files.path) in str(caught.value)
        with make(tmp_path, RUN.recipe, seed=77).lock():
            pass  # another run is free
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: files.status() == "pending", seconds=5)
        with files.lock():
            assert files.status() == "running"


def test_a_run_whose_folder_is_another_by_now_is_not_ended(tmp_path: Path) -> None:
    files = with_metrics(tmp_path, 1)
    with files.lock() as held:
        files.path.rename(tmp_path / "moved")
        make(tmp_path, RUN.recipe, RUN.seed)
        with pytest.raises(ReplacedError, match="was removed or replaced"):
            ending.diverge(held, "the loss was not finite", at=(1, 3))
    assert files.failure() is None


def test_the_lock_is_freed_by_an_error(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    with pytest.raises(RuntimeError, match="mine"), files.lock():
        raise RuntimeError("mine")
    with files.lock():
        pass


def test_what_a_kill_left_half_written_goes_with_the_next_attempt(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    for name in (".weights.safetensors.4242", ".result.json.17", ".failure.json.17"):
        (files.path / name).write_bytes(b"half")
    os.utime(files.path / ".failure.json.17", (0, 0))
    written = files.path / f".diagnostics.json.{os.getpid()}"  # by another process, now
    written.write_bytes(b"half")
    with files.lock():
        assert sorted(path.name for path in files.path.iterdir()) == [written.name, ".lock", "run.json"]


def test_kept_weights_are_found_by_epoch(tmp_path: Path) -> None:
    files = make(tmp_path, RUN.recipe)
    assert files.kept_epochs() == ()
    (files.path / "weights").mkdir()
    assert files.epoch_weights(41) == files.path / "weights" / "epoch0041.safetensors"
    for epoch in (12345, 41, 1):
        files.epoch_weights(epoch).write_bytes(b"")
    for name in (".epoch0002.safetensors.4242", "epoch2.safetensors", "epoch0003.safetensors.bak"):
        (files.path / "weights" / name).write_bytes(b"half")
    assert files.kept_epochs() == (1, 41, 12345)
    with files.lock():
        assert not list((files.path / "weights").glob(".*"))
    assert files.status() == "pending"


def test_a_read_only_folder_of_runs_is_refused_in_words(
    open_folder: Path, read_only: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with read_only(open_folder), pytest.raises(ResLabError, match=r"cannot write to .*: Permission denied; choose"):
        make(open_folder, RUN.recipe)
    assert find_runs(open_folder) == []


def test_a_read_only_run_can_be_read_but_not_trained(
    open_folder: Path, read_only: Callable[[Path], AbstractContextManager[None]]
) -> None:
    files = with_metrics(open_folder, 2)
    (files.path / "failure.json").write_text("{}")
    with files.lock():
        pass
    with read_only(open_folder):
        assert files.read_run().recipe == RUN.recipe
        assert files.status() == "failed"
        assert len(files.metrics()) == 2
        writes: list[Callable[[], object]] = [
            lambda: files.lock().__enter__(),
            lambda: files.write("result.json", {}),
            lambda: files.remove("failure.json"),
        ]
        for write in writes:
            with pytest.raises(ResLabError, match=r"cannot write to .*seed3.*: Permission denied; choose another"):
                write()
    assert files.failure() == {}


def test_a_full_disk_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, RUN.recipe)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResLabError, match=r"cannot write to .*: No space left on device"):
        files.append_metrics(ROW)
    with pytest.raises(ResLabError, match="No space left on device; make room, or choose another folder"):
        files.write("result.json", {})
    assert files.result() is None


def test_the_store_the_planner_and_the_launcher_need_no_torch() -> None:
    code = "import sys, reslab.lab.folder.store, reslab.lab.planner, reslab.lab.launch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
