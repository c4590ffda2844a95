"""Where runs train: checked before anything is written."""

import sys
from pathlib import Path
from typing import Any

import pytest

import reslab
from reslab.cli import main
from reslab.lab.clusters import slurm

FEW: Any = {"dataset": "digits", "depths": 8, "epochs": 1, "seeds": 2, "precision": "fp32"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--on", "moon"], "--on is here, slurm, ray or ray://ADDRESS"),
        (["--slurm-option", "partition=gpu"], "belongs to --on slurm"),
    ],
)
def test_where_to_train_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert main(["run", "depth", "--dataset", "digits", *flags, "--runs", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("on", "scripts", "words"),
    [
        ("slurm", {}, "there is no sbatch here"),
        ("slurm", {"sbatch": "exit 1", "scontrol": "echo Unable to contact slurm controller >&2; exit 1"}, "no Slurm"),
        ("ray", {}, "Ray is not installed"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: str, scripts: dict[str, str], words: str
) -> None:
    for name, body in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(reslab.ResLabError, match=words):
        reslab.study("depth", **FEW, runs=tmp_path / "runs").run(on=on)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("jobs", [None, 2])
def test_slurm_decides_how_many_tasks_run_at_a_time_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int | None
) -> None:
    asked: list[int | None] = []

    def launch(*_: object, at_a_time: int | None, **__: object) -> bool:
        asked.append(at_a_time)
        return True

    monkeypatch.setattr(slurm, "check", lambda options: None)
    monkeypatch.setattr(slurm, "launch", launch)
    with pytest.raises(reslab.LockedError, match="left to another process"):  # of whose runs nobody has trained any
        reslab.study("depth", **FEW, runs=tmp_path / "runs").run(on="slurm", jobs=jobs, diagnose=False)
    assert asked == [jobs]
