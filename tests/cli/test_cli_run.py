"""The verb `run`: what it plans, what it trains, and how it ends."""

import contextlib
import json
from pathlib import Path

import pytest
from cli_runs import RUN_TINY, Reslab, tiny_run
from quick_machine import train_here

from reslab.errors import ResLabError, ShareError
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run
from reslab.session import door
from reslab.session.work import Session
from reslab.watch.report import Report
from synthetic import Truth, small, write_run

pytest_plugins = ["cli_fixtures"]


def test_a_study_trains_what_is_missing_and_nothing_twice(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--precision", "fp32", "--seeds"]
    code, out, _ = reslab(*ask, "2", "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert (plan["num_runs"], plan["num_to_train"]) == (2, 2)
    assert plan["seconds"] > 0
    assert plan["disk_bytes"] > 100_000
    assert not (tmp_path / "runs").exists()
    code, out, _ = reslab(*ask, "1", "--json")
    assert code == 0
    assert list(json.loads(out)["runs"].values()) == ["finished"]
    assert (tmp_path / "report" / "index.html").exists()
    code, out, _ = reslab(*ask, "2", "--dry-run", "--json")
    assert json.loads(out)["num_to_train"] == 1

    (folder,) = (tmp_path / "runs").glob("*/seed0")
    (folder / "checkpoint").mkdir()  # as a kill right after the end leaves it
    (folder / "manifest.json").unlink()  # as an older version does
    train_here(monkeypatch)
    assert reslab(*ask, "1", "--no-report", "--no-diagnose")[0] == 0
    assert not (folder / "checkpoint").exists()
    assert RunFiles(folder).check_files() == []


def test_somebody_else_s_report_is_found_before_anything_trains(reslab: Reslab, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.pdf").write_text("my thesis")
    code, _, err = reslab(*RUN_TINY)
    assert code == 2
    assert "report.pdf is not a ResLab report" in err
    assert not (tmp_path / "runs").exists()


def test_the_page_beside_a_training_knows_what_its_report_is_called(
    reslab: Reslab, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Report] = []

    def page_beside(report: Report, **_: object) -> contextlib.AbstractContextManager[None]:
        told.append(report)
        return contextlib.nullcontext()

    monkeypatch.setattr("reslab.watch.beside.page_beside", page_beside)
    monkeypatch.setattr("reslab.cli.run._train", lambda *_, **__: False)
    named = ["--title", "My report", "--author", "A. Student", "--data-root", "images"]
    assert reslab(*RUN_TINY, *named, "--watch")[0] == 130
    assert told == [Report(Path("runs"), Path("report"), "My report", "A. Student", Path("images"))]


def test_a_folder_that_cannot_be_written_gets_its_report_all_the_same(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ResLabError("cannot write to runs")

    write_run(tmp_path / "runs", tiny_run(), Truth(20.0, 1.0))
    with monkeypatch.context() as patched:
        patched.setattr("reslab.session.work.record", refused)
        code, _, err = reslab(*RUN_TINY, "--no-diagnose")
    assert (code, "remark: cannot write to runs" in err) == (0, True)
    assert (tmp_path / "report" / "index.html").exists()
    assert reslab(*RUN_TINY, "--no-diagnose", "--no-report")[0] == 0
    monkeypatch.setattr("reslab.session.work.record", refused)  # what is recorded already is left
    assert "remark" not in reslab(*RUN_TINY, "--no-diagnose", "--no-report")[2]


def test_folders_are_prepared_for_a_cluster(reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.lab.speeds.speed._side_by_side", None)  # nothing is measured
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8,14", "--epochs", "1", "--precision", "fp32"]
    code, out, err = reslab(*ask, "--seeds", "2", "--prepare")
    assert (code, err) == (0, "")
    folders = out.splitlines()
    names = [(Path(name).parts[1].split("-")[1], Path(name).name) for name in folders]
    assert names == [("resnet14", "seed0"), ("resnet8", "seed0"), ("resnet14", "seed1"), ("resnet8", "seed1")]
    assert [path.name for folder in folders for path in Path(folder).iterdir()] == ["run.json"] * 4
    assert (tmp_path / "runs" / "studies" / "depth.json").exists()
    assert not (tmp_path / "report").exists()
    ended = json.dumps({"epochs": 0, "iterations": 0, "weights_sha256": ""})  # as if it had finished
    (tmp_path / folders[1] / "result.json").write_text(ended)
    code, out, _ = reslab(*ask, "--seeds", "2", "--prepare", "--json")
    assert json.loads(out) == {"study": "depth", "folders": [folders[0], *folders[2:]]}
    for folder in folders:
        (tmp_path / folder / "result.json").write_text(ended)
    assert reslab(*ask, "--seeds", "2", "--prepare") == (0, "", "")


def test_a_long_plan_is_told_by_study_and_seed_and_run_by_run_only_where_asked(reslab: Reslab) -> None:
    ask = ["run", "depth", "learning-rate", "--dataset", "digits", "--epochs", "2", "--precision", "fp32", "--dry-run"]
    code, out, _ = reslab(*ask)
    assert code == 0
    assert " of it for diagnostics" in out
    assert "--all lists the 30 runs" in out
    header = next(line for line in out.splitlines() if line.startswith("study"))
    assert header.split("  ")[0] == "study"
    assert [word in header for word in ("seed 0", "seed 1", "seed 2", "diagnostics", "in all")] == [True] * 5
    assert "ResNet-20, digits, 2 epochs, rate 0.2, seed 1" not in out
    assert "ResNet-20, digits, 2 epochs, rate 0.2, seed 1" in reslab(*ask, "--all")[1]
    assert "digits-resnet20-" in reslab(*ask, "--all", "--ids")[1]
    facts = json.loads(reslab(*ask, "--jobs", "7", "--json")[1])  # the last runs have fewer beside them
    assert sum(part["seconds"] for part in facts["studies"]) == pytest.approx(facts["seconds"])
    assert [part["study"] for part in facts["studies"]] == ["depth", "learning-rate"]
    assert sum(part["num_to_train"] for part in facts["studies"]) == facts["num_to_train"] == len(facts["runs"]) == 30
    parts = sum(part["seconds"] for part in facts["studies"])
    assert parts == pytest.approx(facts["seconds"], rel=0.1)
    assert 0 < facts["why_seconds"] < facts["seconds"]
    assert json.loads(reslab(*ask, "--no-diagnose", "--json")[1])["why_seconds"] == 0


def test_what_fits_is_chosen_and_asked_again_alike(reslab: Reslab, tmp_path: Path) -> None:
    ask = [
        "run",
        "depth",
        "--dataset",
        "digits",
        "--depths",
        "8",
        "--precision",
        "fp32",
        "--fit",
        "2min",
        "--no-diagnose",
    ]
    code, out, _ = reslab(*ask, "--dry-run")
    assert code == 0
    assert "Fits 2 min 00 s: " in out
    assert "Left out, in this order: the recipe as asked at its own length" in out
    (same,) = (line for line in out.splitlines() if line.startswith("The same as: reslab run depth --dataset digits"))
    assert not list(tmp_path.rglob("fits.json"))
    reslab(*ask, "--prepare")
    assert list(tmp_path.rglob("fits.json"))
    again = json.loads(reslab(*ask, "--dry-run", "--json")[1])
    flags = same.removeprefix("The same as: reslab ").split()
    assert "--fit" not in flags
    direct = json.loads(reslab(*flags, "--dry-run", "--json")[1])
    assert [row["run"] for row in again["runs"]] == [row["run"] for row in direct["runs"]]
    assert reslab(*ask[:-3], "--fit", "soon")[0] == 2


def test_an_estimate_made_on_a_busy_machine_says_so(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.host.is_busy", lambda: True)
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--seeds", "2", "--precision", "fp32", "--dry-run"]
    assert "measured while the machine had other work" in reslab(*ask)[1]
    monkeypatch.setattr("reslab.host.is_busy", lambda: False)
    idle = reslab(*ask)[1]
    assert "other work" not in idle
    monkeypatch.setattr("reslab.host.is_busy", lambda: True)  # what is remembered was measured on a quiet one
    assert "; longer now, because the machine has other work" in reslab(*ask)[1]
    facts = json.loads(reslab(*ask, "--json")[1])
    assert facts["measured_on_busy_machine"] is False
    assert facts["busy"] is True


def test_a_study_of_one_s_own(reslab: Reslab, tmp_path: Path) -> None:
    (tmp_path / "rates.toml").write_text(
        'name = "rates"\nquestion = "?"\ndataset = "digits"\ndepth = 8\nepochs = 2\nseeds = 2\n'
        "[vary]\nlearning_rate = [0.1, 0.05]\n"
    )
    code, out, _ = reslab("run", "rates.toml", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["num_runs"] == 4


def test_out_of_time_is_not_done(reslab: Reslab) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    code, out, _ = reslab(*ask, "--time-limit", "0")
    assert "1 pending" in out
    assert code == 130


def test_out_of_time_before_the_first_epoch_leaves_the_report_that_is_there(reslab: Reslab, tmp_path: Path) -> None:
    write_run(tmp_path / "others", Run(small(8)), Truth(3.0, 1.0))
    out = tmp_path / "report"
    assert reslab("report", "--runs", str(tmp_path / "others"), "--out", str(out), "--figures", "svg")[0] == 0
    page = (out / "index.html").read_bytes()
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--out", str(out)]
    code, said, err = reslab(*ask, "--time-limit", "0")
    assert (code, "Report:" in said) == (130, False)
    assert "remark: there is nothing to report in " in err
    assert (out / "index.html").read_bytes() == page


def test_a_study_asked_for_less_says_what_it_asked_before(reslab: Reslab) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--epochs", "2", "--seeds", "1", "--prepare"]
    assert "remark: the study" not in reslab(*ask, "--depths", "8,14")[2]
    assert "remark: the study" not in reslab(*ask, "--depths", "8,14,20")[2]
    *prepared, _ = ask
    shown = "Remark: the study depth asked for three runs before (ResNet-8, digits, 2 epochs; "
    for _ in range(2):  # the plan changes nothing
        assert shown in reslab(*prepared, "--depths", "8", "--dry-run")[1]
    assert len(json.loads(reslab(*prepared, "--depths", "8", "--dry-run", "--json")[1])["remarks"]) == 1
    assert "leaves out two that" in repr(door.study("depth", dataset="digits", epochs=2, seeds=1, depths=8).plan())
    code, _, err = reslab(*ask, "--depths", "8")
    assert code == 0
    assert shown.lower() in err.lower()
    assert (
        "now it asks for one, and leaves out two that the folder runs has.  The report shows them under Other runs."
        in err
    )
    assert "remark: the study" not in reslab(*ask, "--depths", "8")[2]
    assert "Remark" not in reslab(*prepared, "--depths", "8", "--dry-run")[1]


def test_what_another_process_held_and_left_is_not_done(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.session.where.launch", lambda *_, **__: True)
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    code, out, _ = reslab(*ask, "--no-diagnose", "--json")
    assert list(json.loads(out)["runs"].values()) == ["pending"]
    assert code == 8


def test_the_threads_that_runs_share_are_a_default_only(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr("reslab.session.where.launch", lambda *_, arguments, **options: given.extend(arguments))
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    reslab(*ask, "--no-diagnose")
    assert "--default-threads" in given
    assert "--threads" not in given


def test_a_failed_run_gives_exit_code_3(reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_here(monkeypatch)
    folder = tmp_path / "runs" / tiny_run().id
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text("in the way")
    code, out, _ = reslab(*RUN_TINY, "--checkpoint-seconds", "0")
    assert code == 3
    assert "1 failed" in out


def test_a_share_that_takes_nothing_costs_no_report(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)

    def push(_: Session) -> None:
        raise ShareError("the share does not answer")

    monkeypatch.setattr(Session, "push", push)
    code, out, err = reslab(*RUN_TINY, "--no-diagnose")
    assert (code, "Runs: 1 finished" in out) == (6, True)
    assert "the share does not answer" in err
    assert (tmp_path / "report" / "index.html").exists()
