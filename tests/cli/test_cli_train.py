"""The verb `train`: its JSON, what it keeps, and what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import SMALL_STUDY, TINY, Reslab, tiny_run
from filelock import FileLock
from quick_machine import train_here

from reslab.cli import train as verb
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run
from reslab.session.training import Trained
from synthetic import Truth, small, write_run

pytest_plugins = ["cli_fixtures"]


def test_train_prints_one_object_and_does_nothing_twice(reslab: Reslab, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    code, out, _ = reslab("train", *TINY, "--runs", str(trained), "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["run"] == tiny_run().id
    assert facts["dir"] == str(trained / tiny_run().id)
    assert facts["status"] == "finished"
    assert facts["epochs"] == 1
    assert 0 <= facts["test_error"] <= 100
    assert facts["images_per_second"] > 0
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == before


def test_a_run_whose_speed_is_not_known_is_told_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as one that was fetched: its lines need not have the speed."""
    run = Run(small(8))
    folder = write_run(tmp_path, run, Truth(3.0, 1.0))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    bare = [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    files = RunFiles(folder)
    facts = verb._facts(Trained(run, files, "finished", stopped=False))
    assert facts["images_per_second"] is None
    verb._print("it", facts, files)
    assert capsys.readouterr().out == f"it is finished after 12 epochs: test error 3.00%.  {folder}\n"


def test_weights_are_kept_where_a_command_asks_for_it(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    size = ["--dataset", "digits", "--epochs", "3", "--precision", "fp32"]
    fields = ["--depth", "8", "--train-share", "0.1", "--runs", "train"]
    code, out, err = reslab("train", *size, *fields, "--threads", "1", "--keep-epochs", "2", "--json")
    assert code == 0, err
    assert [path.name for path in (Path(json.loads(out)["dir"]) / "weights").iterdir()] == ["epoch0002.safetensors"]
    (tmp_path / "small.toml").write_text(SMALL_STUDY)
    ask = ["run", "small.toml", *size, "--no-report", "--no-diagnose", "--json"]
    _, out, _ = reslab(*ask, "--dry-run")
    _, none, _ = reslab(*ask, "--dry-run", "--keep-epochs", "none")
    assert json.loads(out)["disk_bytes"] > json.loads(none)["disk_bytes"] + 2 * 4 * 70_000
    code, out, err = reslab(*ask, "--keep-epochs", "1")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert [path.name for path in (tmp_path / "runs" / run / "weights").iterdir()] == ["epoch0001.safetensors"]


def test_a_rate_that_leaves_muons_behind_is_remarked_on(reslab: Reslab, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\npreset = "fast"\ndataset = "digits"\ndepth = 8\n[vary]\nlearning_rate = [0.1, 0.2]\n')
    _, _, err = reslab("run", str(own), "--dry-run")
    assert err.count("remark: learning_rate 0.2 is that of SGD alone") == 1
    assert "muon_rate 0.05 would keep their proportion" in err
    ask = ["run", "learning-rate", "--preset", "fast", "--dataset", "digits", "--depths", "8", "--dry-run"]
    assert "is that of SGD alone" not in reslab(*ask)[2]  # which varies both
    tiny = [*TINY, "--train-share", "0.05", "--preset", "fast", "--learning-rate", "0.05"]
    assert "stays at 0.025 (muon_rate 0.0125" in reslab("train", *tiny)[2]
    assert "is that of SGD alone" not in reslab("train", *tiny, "--muon-rate", "0.0125")[2]


def test_a_recipe_that_was_edited_is_damage_to_train_as_to_evaluate(
    reslab: Reslab, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs", dirs_exist_ok=True)
    path = tmp_path / "runs" / tiny_run().id / "run.json"
    path.write_text(path.read_text().replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    answers = [reslab("train", *TINY), reslab("evaluate", tiny_run().id)]
    assert [code for code, _, _ in answers] == [5, 5]
    assert all("run.json is damaged" in err for _, _, err in answers)
    (path.parent / "manifest.json").unlink()
    code, _, err = reslab("train", *TINY)
    assert code == 5
    assert "the recipe was edited" in err


def test_a_slip_leaves_no_failed_run(reslab: Reslab, tmp_path: Path) -> None:
    code, _, err = reslab("train", *TINY, "--holdout", "5000")
    assert code in (2, 4)
    assert "holdout" in err
    assert not list((tmp_path / "runs").glob("*/seed0"))


@pytest.mark.parametrize("verb", [pytest.param("run", marks=pytest.mark.deep), "train"])
@pytest.mark.usefixtures("empty_cache")
def test_nobody_reads_on_and_nothing_is_lost(tmp_path: Path, verb: str) -> None:
    """As in `reslab run ... 2>&1 | head -2`."""
    study = tmp_path / "small.toml"
    study.write_text(SMALL_STUDY)
    ask = {"run": [str(study), "--no-report"], "train": ["--depth", "8", "--train-share", "0.1"]}[verb]
    script = (
        "import sys; from reslab.cli import main; from reslab.lab.speeds import speed\n"
        "speed._side_by_side = lambda device, precision, jobs: 30_000 / jobs\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    size = ["--dataset", "digits", "--epochs", "3000", "--precision", "fp32", "--runs", str(tmp_path / "runs")]
    command = [sys.executable, "-c", script, verb, *ask, *size]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert any("starts" in line for line in process.stdout)
        process.stdout.close()
        assert process.wait(timeout=120) == 130
    (folder,) = tmp_path.glob("runs/*/seed0")
    assert list(folder.glob("checkpoint/*/manifest.json"))
    assert not (folder / "failure.json").exists()


def test_two_trainings_of_one_run(reslab: Reslab, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / tiny_run().id
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        code, _, err = reslab("train", *TINY)
    assert code == 8
    assert "is being trained by another process" in err
    assert not (folder / "failure.json").exists()


def test_a_limit_of_time_ends_a_training_with_a_checkpoint(reslab: Reslab) -> None:
    ask = ["train", *TINY, "--train-share", "0.05", "--seed", "7"]
    code, out, err = reslab(*ask, "--time-limit", "0", "--json")
    assert (code, json.loads(out)["status"]) == (130, "interrupted"), err
    assert reslab(*ask, "--time-limit", "nan")[0] == 2
    code, out, _ = reslab(*ask, "--time-limit", "60", "--json")
    assert (code, json.loads(out)["status"]) == (0, "finished")
