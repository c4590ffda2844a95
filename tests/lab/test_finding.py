"""Runs found by their ids and folders."""

import errno
from pathlib import Path

import pytest
from lab_runs import make, small

from reslab.errors import ResLabError, UnreadableError
from reslab.lab.folder.finding import find_run, find_runs, find_seeds, remark_seed, runs_folder
from reslab.lab.folder.store import run_files
from reslab.recipe import Run

RUN = Run(small(2), 3)


def test_runs_are_found_in_order(tmp_path: Path) -> None:
    assert find_runs(tmp_path / "missing") == []
    for seed in (10, 2, 0):
        make(tmp_path, RUN.recipe, seed)
    make(tmp_path, small(5))
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "depth.json").write_text("{}")
    (tmp_path / RUN.recipe.id / "seed5").mkdir()  # no run.json: being made
    found = find_runs(tmp_path)
    assert [files.path.name for files in found if files.path.parent.name == RUN.recipe.id] == [
        "seed0",
        "seed2",
        "seed10",
    ]
    assert len(found) == 4
    assert [files.path.parent.name for files in found] == sorted(files.path.parent.name for files in found)


def test_a_recipes_id_takes_its_lowest_seed_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one/seed3", "one/seed12", "alone/seed0"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    root = tmp_path / "runs"
    monkeypatch.chdir(tmp_path)
    for name in ("one", "runs/one", str(root / "one")):
        files = find_run(name, root)
        assert files.path.name == "seed3"
        assert remark_seed(name, files) == "one has 2 seeds, of which this is 3; for another, name it, as in one/seed12"
    for name in ("one/seed12", "runs/one/seed3", "alone", "alone/seed0"):
        assert remark_seed(name, find_run(name, root)) is None
    monkeypatch.chdir(root / "one" / "seed12")
    assert remark_seed(".", find_run(".", root)) is None


@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000, "a\0b", "x/" + "b" * 300])
def test_a_name_that_no_file_can_have_is_said_in_words(tmp_path: Path, name: str) -> None:
    for act in (lambda: find_run(name, tmp_path), lambda: find_seeds(name, tmp_path), lambda: runs_folder(name)):
        with pytest.raises(ResLabError) as found:
            act()
        assert len(str(found.value)) < 400
        assert "\0" not in str(found.value)
    assert find_runs(tmp_path / "nowhere") == []


def test_a_link_to_another_seed_is_no_second_run(tmp_path: Path) -> None:
    run = Run(small(2), 1)
    run_files(tmp_path, run).create(run)
    folder = tmp_path / run.id
    (folder.parent / "seed0").symlink_to("seed1")
    assert [files.path for files in find_runs(tmp_path)] == [folder]
    away = folder.rename(tmp_path / "kept")
    (folder.parent / "seed0").unlink()
    folder.symlink_to(away)  # where a run is kept elsewhere it is still one
    assert [files.path for files in find_runs(tmp_path)] == [folder]


def test_a_folder_that_cannot_be_looked_into_keeps_nobody_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(tmp_path, small(1)), make(tmp_path, small(1), 1)
    exists = Path.exists

    def refusing(path: Path) -> bool:
        if second.path in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", refusing)
    assert [files.path for files in find_runs(tmp_path)] == [first.path, second.path]
    with pytest.raises(UnreadableError, match=r"seed1/run.json cannot be read: Permission denied; check its perm"):
        second.create(second.read_run())
