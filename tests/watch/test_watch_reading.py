"""What the page knows is what the files say, read once, whatever is written while it looks."""

import asyncio
import errno
import json
import os
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watch_fakes import DEEP, SHALLOW, client, line, plant, served

from reslab.analysis.tidy import read_tables
from reslab.data.given_images import from_given
from reslab.data.own_images import keep
from reslab.datasets import ARRAYS, SHORT
from reslab.files import finite
from reslab.lab.folder import locks, metrics
from reslab.lab.folder.locks import Holding
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.planner import estimate_seconds, known_speeds, plan
from reslab.recipe import Run, vary
from reslab.watch import app, views
from reslab.watch.curve import MOST_ROWS, Curve
from reslab.watch.laboratory import Laboratory
from reslab.watch.pages import (
    NotThereError,
    compare_values,
    run_values,
    scores_values,
    scores_version,
    study_values,
    study_version,
)
from reslab.watch.plan import Clock, plan_values
from reslab.watch.reading import Watched
from synthetic import Truth, small, write_diagnostics, write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(tmp_path / "runs")
    return tmp_path / "runs"


def watched(folder: Path) -> Watched:
    found = Watched(folder)
    found.look(Holding())
    return found


def test_the_tables_are_those_of_the_report(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    ours, theirs = laboratory.tables(), read_tables(root)
    assert ours.runs.sort("run_id").equals(theirs.runs.sort("run_id"))
    assert ours.epochs.sort("run_id", "epoch").equals(theirs.epochs.sort("run_id", "epoch"))


def test_nothing_is_written(root: Path) -> None:
    def everything() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}

    before = everything()
    laboratory = Laboratory(root)
    laboratory.look()
    laboratory.look()
    assert everything() == before


def test_only_what_was_appended_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / Run(SHALLOW, 1).id
    found = watched(folder)
    taken: list[bytes] = []
    take = Watched._take

    def noted(self: Watched, lines: list[bytes]) -> None:
        taken.extend(lines)
        take(self, lines)

    monkeypatch.setattr(Watched, "_take", noted)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(line(6, test_error=4.0) + line(7, test_error=3.9)[:-9])
    assert found.look(Holding())
    assert [json.loads(one)["epoch"] for one in taken] == [6]  # the seventh is not whole yet
    assert not found.look(Holding())
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(line(7, test_error=3.9)[-9:])
    assert found.look(Holding())
    assert [json.loads(one)["epoch"] for one in taken] == [6, 7]
    assert found.curve.column("test_error")[-2:] == [4.0, 3.9]


@pytest.mark.parametrize("more", [0, 1, 8])
def test_a_run_that_goes_on_from_its_checkpoint_is_read_again(root: Path, more: int) -> None:
    """It cuts its lines and appends others, which may be longer than before when it is looked at next."""
    folder = root / Run(SHALLOW, 1).id
    found = watched(folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)[:3]
    with (folder / "metrics.jsonl").open("r+") as file:
        file.truncate(len("".join(lines)))
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(line(epoch, test_error=50.0 + epoch, padding=0.123456789) for epoch in range(4, 4 + more))
    assert found.look(Holding())
    assert found.curve.column("epoch") == [*range(1, 4 + more)]
    assert found.curve.column("test_error")[3:] == [50.0 + epoch for epoch in range(4, 4 + more)]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        "7",
        '{"epoch": "1"}',
        '{"epoch": 2}',
        '{"epoch": 99, "test_error": "<b>"}',
        '{"epoch": 1e400}',
        "[" * 9999,
    ],
)
def test_a_damaged_line_is_told_and_hides_nothing_else(root: Path, text: str) -> None:
    folder = root / Run(SHALLOW, 1).id
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(text + "\n")
    laboratory = Laboratory(root)
    laboratory.look()
    assert laboratory.runs[Run(SHALLOW, 1).id].damage == "metrics.jsonl is damaged in line 6"
    assert laboratory.runs[Run(DEEP, 0).id].damage is None
    assert laboratory.tables().runs.height == 4


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("result.json", {"test_error": "low"}),
        ("result.json", {"parameters": 10**30}),
        ("provenance.json", {"data": "digits"}),
        ("provenance.json", {"attempts": {"0": "x"}}),
        ("provenance.json", {"attempts": ["x"]}),
        ("failure.json", {"epoch": "third"}),
        ("failure.json", {"message": ["x"]}),
    ],
)
def test_a_record_of_another_kind_is_told_and_hides_nothing_else(root: Path, name: str, change: dict[str, Any]) -> None:
    run = Run(DEEP, 1) if name == "failure.json" else Run(SHALLOW, 0)
    path = root / run.id / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    laboratory = Laboratory(root)
    laboratory.look()
    damage = laboratory.runs[run.id].damage
    assert damage is not None
    assert f"{name} is damaged: " in damage
    for make in (plan_values, scores_values, lambda lab: study_values(lab, "my-depth")):
        json.dumps(finite(make(laboratory)), allow_nan=False)


@pytest.mark.parametrize("copy", ["copy-of-{}", "{}-copy", "a"])
def test_a_copy_of_a_folder_takes_nothing_from_its_run(root: Path, copy: str) -> None:
    run = Run(SHALLOW, 0)
    shutil.copytree(root / run.recipe.id, root / copy.format(run.recipe.id))
    laboratory = Laboratory(root)
    laboratory.look()
    assert laboratory.runs[run.id].damage is None
    assert {Run(SHALLOW, 0).id, Run(SHALLOW, 1).id} <= set(laboratory.tables().runs["run_id"])
    copied = laboratory.runs[f"{copy.format(run.recipe.id)}/seed0"]
    assert copied.problem == "the folder is not that of the run in its run.json"
    values = run_values(laboratory, copied.id)
    assert (values["run"], values["problem"]) == (copied.id, copied.problem)


def test_a_damaged_provenance_is_named_where_the_run_has_failed(root: Path) -> None:
    path = root / Run(DEEP, 1).id / "provenance.json"
    assert (path.parent / "failure.json").exists()
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "data": {**content["data"], "num_train": "many"}}))
    damage = watched(path.parent).damage
    assert damage is not None
    assert "provenance.json is damaged: num_train has an impossible value; " in damage


def test_words_that_cannot_be_used_are_told_and_hide_no_run(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    (root / "words").mkdir()
    (root / "words" / "my-depth.toml").write_text("nothing = 'x'")
    assert laboratory.look()
    assert "there is no text 'nothing'" in laboratory.problems[0].message
    assert plan_values(laboratory)["studies"]
    (root / "words" / "my-depth.toml").write_text("title = 'Deeper?'")
    assert laboratory.look()
    assert not laboratory.problems
    assert laboratory.studies[0].title == "Deeper?"


def test_second_trainings_are_in_the_tables(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    write_run(root / "replicates" / "0123456789ab", Run(SHALLOW, 0), Truth(3.0, 1.0, 0.2))
    assert laboratory.look()
    ours = laboratory.tables().runs.filter(run_id=Run(SHALLOW, 0).id)["trained_again"].to_list()
    assert ours == ["same bits"]
    assert ours == read_tables(root).runs.filter(run_id=Run(SHALLOW, 0).id)["trained_again"].to_list()


def test_a_look_that_fails_is_not_the_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no test foresaw: the page goes on looking, and says nothing wrong meanwhile."""
    monkeypatch.setattr(app, "LOOK_SECONDS", 0.01)
    look = Laboratory.look
    failed: list[bool] = []

    def failing(self: Laboratory) -> bool:
        if not failed:
            failed.append(True)
            raise OSError("stale file handle")
        return look(self)

    with client(root) as asked:
        version = asked.get("/api/plan").headers["x-version"]
        monkeypatch.setattr(Laboratory, "look", failing)
        end = time.monotonic() + 20
        while not failed:  # a look that had begun before is not the last either
            assert time.monotonic() < end
            time.sleep(0.02)
        write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
        while asked.get("/api/plan").headers["x-version"] == version:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_states_are_those_that_the_files_have(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    for run_id, one in laboratory.runs.items():
        assert one.status == RunFiles(root / run_id).status()
    folder = root / Run(SHALLOW, 1).id
    with locks.hold(folder):
        laboratory.look()
        assert laboratory.runs[Run(SHALLOW, 1).id].status == "running"
    laboratory.look()
    assert laboratory.runs[Run(SHALLOW, 1).id].status == "interrupted"


@pytest.mark.parametrize("listed", [Path("/proc/locks"), Path("/nowhere")])
def test_who_looks_is_in_no_trainers_way(root: Path, listed: Path) -> None:
    folder = root / Run(SHALLOW, 1).id
    with locks.hold(folder):
        assert Holding(listed).holds(folder)
    for _ in range(20):
        assert not Holding(listed).holds(folder)
        with locks.hold(folder):
            assert Holding(listed).holds(folder)


def test_a_lease_is_as_long_as_runs_have_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / Run(SHALLOW, 1).id
    (folder / ".lease").touch()
    old = time.time() - 90
    os.utime(folder / ".lease", (old, old))
    for seconds, held in (("300", True), ("60", False), ("0", False)):
        monkeypatch.setenv("RESLAB_LEASE", seconds)
        assert Holding().holds(folder) is held


@pytest.mark.parametrize("stop_after", [None, 1])
def test_a_folder_of_no_or_one_unfinished_run_has_every_answer(tmp_path: Path, stop_after: int | None) -> None:
    if stop_after is not None:
        write_run(tmp_path, Run(SHALLOW, 0), Truth(3.0, 1.0), stop_after=stop_after)
    laboratory = Laboratory(tmp_path)
    laboratory.look()
    assert scores_version(laboratory) == laboratory.states_version
    assert scores_values(laboratory) == {"rows": []}
    for study in laboratory.studies:
        assert study_version(laboratory, study.name) <= laboratory.version


def test_runs_and_studies_come_and_go(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    assert not laboratory.look()
    write_run(root, Run(SHALLOW, 7), Truth(3.0, 1.0), stop_after=1)
    assert laboratory.look()
    assert Run(SHALLOW, 7).id in laboratory.runs
    assert [study.name for study in laboratory.studies] == ["my-depth", "other-runs"]
    folder = root / Run(SHALLOW, 7).id
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert laboratory.look()
    assert [study.name for study in laboratory.studies] == ["my-depth"]


def test_a_finished_run_that_changes_is_seen(root: Path) -> None:
    """Nothing is appended to it any more, but its files can be replaced."""
    folder = root / Run(SHALLOW, 0).id
    long_ago = time.time() - 100
    os.utime(folder, (long_ago, long_ago))
    laboratory = Laboratory(root)
    laboratory.look()
    laboratory.look()
    (folder / "result.json").unlink()
    assert laboratory.look()
    assert laboratory.runs[Run(SHALLOW, 0).id].status == "interrupted"


def test_many_lines_are_all_counted_and_no_extreme_is_lost(tmp_path: Path) -> None:
    """Days of metrics in fast motion: memory does not grow, each line is seen, and the worst epochs stay."""
    folder = tmp_path / "runs" / Run(SHALLOW, 0).id
    write_run(tmp_path / "runs", Run(SHALLOW, 0), Truth(3.0, 1.0), stop_after=0)
    found, held = watched(folder), Holding()
    outliers = {1: 88.0, 12_345: 77.0, 25_000: 99.0, 49_999: 0.001}
    held_bytes: list[int] = []
    tracemalloc.start()
    with (folder / "metrics.jsonl").open("ab", buffering=0) as file:
        for start in range(1, 50_001, 2500):
            rows = (
                b'{"epoch": %d, "test_error": %s, "seconds": 1}' % (epoch, repr(outliers.get(epoch, 5.0)).encode())
                for epoch in range(start, start + 2500)
            )
            file.write(b"\n".join(rows) + b"\n")
            assert found.look(held)
            held_bytes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(held_bytes) < 1.5 * max(held_bytes[:4])
    assert found.curve.num_rows == found.curve.last_epoch == 50_000
    assert found.curve.total_seconds == 50_000
    kept = dict(zip(found.curve.column("epoch"), found.curve.column("test_error"), strict=True))
    assert {epoch: kept[epoch] for epoch in outliers} == outliers
    assert found.curve.num_kept <= MOST_ROWS + 2500


def test_the_speed_is_that_of_the_tables(root: Path) -> None:
    folder = root / Run(SHALLOW, 9).id
    write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=0)
    rows = [{"epoch": epoch, "images_per_second": 100.0 * epoch} for epoch in (1, 2, 3, 4)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found,) = read_tables(root).runs.filter(run_id=Run(SHALLOW, 9).id)["images_per_second"].to_list()
    assert watched(folder).curve.median("images_per_second") == found == metrics.speed(rows) == 250.0


def test_thinning_keeps_what_short_runs_never_lose() -> None:
    curve = Curve()
    curve.extend([{"epoch": epoch, "test_error": float(epoch)} for epoch in range(1, MOST_ROWS + 1)])
    assert curve.column("epoch") == [*range(1, MOST_ROWS + 1)]
    curve.extend([{"epoch": MOST_ROWS + 1, "test_error": 0.0}])
    assert curve.num_kept < MOST_ROWS
    assert curve.column("epoch")[0] == 1
    assert curve.latest == {"epoch": MOST_ROWS + 1, "test_error": 0.0}


def test_chapters_are_made_ahead_and_made_again_by_what_changes(root: Path) -> None:
    """A chapter changes with its own runs, and with the state of any; not with a line of a run elsewhere."""
    write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
    laboratory = Laboratory(root)
    laboratory.look()
    before = study_version(laboratory, "my-depth")
    with (root / Run(SHALLOW, 9).id / "metrics.jsonl").open("a") as file:
        file.write(line(3, test_error=4.0))
    assert laboratory.look()
    assert study_version(laboratory, "my-depth") == before < laboratory.version
    assert study_version(laboratory, "other-runs") == laboratory.version
    with (root / Run(SHALLOW, 1).id / "metrics.jsonl").open("a") as file:
        file.write(line(6, test_error=4.0))
    laboratory.look()
    assert study_version(laboratory, "my-depth") == laboratory.version
    (root / Run(SHALLOW, 9).id / "failure.json").write_text(json.dumps({"kind": "diverged", "message": "nan"}))
    laboratory.look()
    assert study_version(laboratory, "my-depth") == laboratory.version
    asked, watch = served(root)
    with asked:
        kept = watch.views.kept
        end = time.monotonic() + 30
        while not {"plan", "scores", "study my-depth", "study other-runs"} <= kept.keys():
            assert time.monotonic() < end
            time.sleep(0.02)


def test_compare_names_both_sides_and_says_each_thing_once(root: Path) -> None:
    write_run(root, Run(SHALLOW, 2), Truth(3.3, 1.0))
    write_run(root, Run(DEEP, 2), Truth(2.9, 1.0))
    laboratory = Laboratory(root)
    laboratory.look()
    found = compare_values(laboratory, SHALLOW.id, f"{DEEP.id}/seed0")
    assert (found["first"]["is_run"], found["second"]["is_run"]) == (False, True)
    assert found["first"]["name"] == "ResNet-8, digits, paper, 12 epochs"
    assert found["first"]["seeds"] == "seeds 0, 1 and 2"
    assert found["second"]["name"].endswith(", seed 0")
    assert {"field": "seed", "here": "0, 1, 2", "there": "0"} in found["differs"]
    both = compare_values(laboratory, SHALLOW.id, DEEP.id)
    assert both["verdict"] == "not significant"
    said = " ".join([both["verdict"], both["words"], *both["remarks"]])
    assert said.count("not significant") == 1
    assert said.count("seeds") == 1
    assert [row["field"] for row in both["differs"]] == ["depth"]
    assert "the same runs" in compare_values(laboratory, SHALLOW.id, SHALLOW.id)["problem"]


def test_what_is_not_there_is_named_with_what_is_near(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    near = f"{SHALLOW.id[:-1]}x"
    for sides in ((near, DEEP.id), (DEEP.id, near)):
        with pytest.raises(NotThereError, match=f"no run or recipe '{near}' .*did you mean '{SHALLOW.id}'"):
            compare_values(laboratory, *sides)
    with pytest.raises(NotThereError, match=r"no run or recipe '' in the folder of runs$"):
        compare_values(laboratory, "", DEEP.id)
    with pytest.raises(NotThereError, match=f"no run '{near}/seed0' .*did you mean '{SHALLOW.id}/seed0'"):
        run_values(laboratory, f"{near}/seed0")
    with pytest.raises(NotThereError, match="no study 'nothing'"):
        study_values(laboratory, "nothing")
    with pytest.raises(NotThereError) as told:
        compare_values(laboratory, "x" * 5000, DEEP.id)
    assert len(str(told.value)) < 400
    (root / f"{SHALLOW.id}/seed0/metrics.jsonl").write_text("{\n")
    laboratory.look()
    with pytest.raises(NotThereError, match="cannot be used: "):
        compare_values(laboratory, f"{SHALLOW.id}/seed0", DEEP.id)


def test_the_curves_of_a_study_come_first_and_are_numbered_first(root: Path) -> None:
    laboratory = Laboratory(root)
    laboratory.look()
    blocks = study_values(laboratory, "my-depth")["blocks"]
    numbers = [block["number"] for block in blocks if block["kind"] == "figure"]
    assert numbers[:2] == ["Figure 1", "Figure 2"]
    assert numbers == sorted(numbers, key=lambda words: int(words.split()[1]))


def test_what_was_measured_on_a_run_is_told_in_its_words(tmp_path: Path) -> None:
    plant(tmp_path)
    run = Run(SHALLOW, 0)
    gap = {
        "train_error": 1.05,
        "test_error": 26.9,
        "train_loss": 0.03,
        "test_loss": 1.16,
        "num_train": 2000,
        "num_test": 2000,
    }
    write_diagnostics(tmp_path / run.id, gap={"seconds": 2.5, "final": gap}, later={"value": 7.5})
    laboratory = Laboratory(tmp_path)
    laboratory.look()
    gap_found, later = run_values(laboratory, run.id)["diagnostics"]
    assert (gap_found["name"], gap_found["seconds"]) == ("gap", 2.5)
    assert gap_found["found"].startswith("error 1.05% on 2,000 training images, 26.90% on 2,000 test images; ")
    assert later == {"name": "later", "found": "budget quick, value 7.5", "seconds": None}


def test_a_run_that_has_not_begun_is_counted_as_it_will_train(tmp_path: Path) -> None:
    recipe = vary(small(8), dataset="digits", train_share=0.1, holdout=40, schedule_unit="iterations")
    per_epoch = -(-140 // recipe.batch_size)  # a tenth of the 1,402 that are not held out
    clock = Clock(Laboratory(tmp_path))
    assert clock.epochs(Run(recipe)) == recipe.length / per_epoch


def test_time_left_is_the_planners_also_for_images_of_the_users_own(tmp_path: Path) -> None:
    root, images = tmp_path / "runs", tmp_path / "images"
    pixels, labels = np.zeros((20, 64, 32, 3), np.uint8), np.arange(20) % 2
    pixels[:, 0, 0, 0] = np.arange(20)
    dataset = from_given((pixels, labels, pixels, labels))
    keep(dataset, images)
    own, other = Run(small(8, dataset=ARRAYS, images=dataset.fingerprint[:SHORT])), Run(SHALLOW)
    half = Run(vary(own.recipe, train_share=0.5, schedule_unit="iterations"), 1)
    files = run_files(root, own)
    files.create(own)
    data = {"num_train": 20, "num_holdout": 0, "num_test": 20, "num_classes": 2}
    files.write("provenance.json", {"format": 1, "data": data, "attempts": [{"device": "cpu", "device_name": "this"}]})
    for epoch, speed in enumerate((1.0, 10.0, 30.0, 40.0), start=1):
        files.append_metrics({"epoch": epoch, "images_per_second": speed})
    laboratory = Laboratory(root, images)
    laboratory.look()
    clock = Clock(laboratory)
    assert clock.left_of(own) == pytest.approx(8 * (20 + 20 / 3) / 20)
    for runs in ([own], [other], [half], [own, other, half]):
        planned, speeds = plan(root, runs, images), known_speeds(root, ("cpu", "this"), images)
        assert clock.left(runs) == pytest.approx(estimate_seconds(planned, speeds, 1))


@pytest.mark.parametrize("name", ["metrics.jsonl", "result.json"])
def test_what_cannot_be_read_for_a_moment_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder, opens, reads = root / SHALLOW.id / "seed0", Path.open, Path.read_bytes

    def stale(path: Path) -> None:
        if path.name == name:
            raise OSError(errno.ESTALE, "Stale file handle")

    def opening(path: Path, *args: Any, **options: Any) -> Any:
        stale(path)
        return opens(path, *args, **options)

    def reading(path: Path) -> bytes:
        stale(path)
        return reads(path)

    one = Watched(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opening)
        patch.setattr(Path, "read_bytes", reading)
        assert one.look(Holding())
        assert "Stale file handle" in str(one.damage)
        assert not one.look(Holding())  # nothing new
    assert one.look(Holding())
    assert (one.shown, one.damage, one.curve.num_rows) == ("finished", None, watched(folder).curve.num_rows)


def test_runs_of_no_study_are_told_apart_by_their_images_once_these_are_known(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path, Run(SHALLOW, seed), Truth(3.0, 1.0), official=False, fingerprint=digit * 64, stop_after=3)
        for seed, digit in enumerate("ab")
    ]
    known = folders[1] / "provenance.json"
    known.rename(tmp_path / "not yet")
    laboratory = Laboratory(tmp_path)
    laboratory.look()
    (tmp_path / "not yet").rename(known)
    laboratory.look()
    anew = Laboratory(tmp_path)
    anew.look()
    assert laboratory.studies == anew.studies
    assert len(anew.studies[0].variants) == 2


def test_an_answer_that_is_gone_meanwhile_ends_no_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST_KEPT", 2)

    class Slow:
        version, looked = 1, 1.0

    def answer(_: object) -> dict[str, int]:
        time.sleep(0.05)
        return {}

    async def evicted() -> None:
        laboratory = Slow()
        made = views.Views(laboratory, lambda _: {})  # type: ignore[arg-type]
        for name in "ab":
            await made.get(name, views.Answer(answer))
        made.kept["b"].asked -= 1000
        laboratory.version = 2
        other = asyncio.create_task(made.get("c", views.Answer(answer)))
        await asyncio.sleep(0.01)
        await made.refresh()
        await other
        made.close()
        assert "c" in made.kept

    asyncio.run(evicted())
