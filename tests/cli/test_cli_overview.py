"""The verbs `status`, `report` and `doctor`."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typst
from cli_runs import Reslab, tiny_run

pytest_plugins = ["cli_fixtures"]


def test_status_report_and_doctor_print_facts(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    code, out, _ = reslab("status", "--runs", str(trained), "--json")
    rows: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [(row["run"], row["status"], row["epochs"]) for row in rows] == [(tiny_run().id, "finished", 1)]
    code, out, _ = reslab("report", "--runs", str(trained), "--out", str(tmp_path / "report"), "--json")
    assert code == 0
    assert Path(json.loads(out)["html"]).read_text().startswith("<!doctype html>")
    code, out, _ = reslab("doctor", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["images"]["digits"] is True
    assert 1 <= facts["threads"] <= facts["cores"]
    assert isinstance(facts["threads_follow_load"], bool)
    code, out, _ = reslab("doctor")
    assert re.search(r"^Threads: \d+, (fewer while other work needs the cores|fixed for the whole run)$", out, re.M)


def test_a_report_without_its_pdf_says_so(
    reslab: Reslab, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise typst.TypstError("no")  # type: ignore[call-arg]  # as a real one is made

    monkeypatch.setattr(typst, "compile", fails)
    code, out, err = reslab("report", "--runs", str(trained), "--out", str(tmp_path), "--figures", "svg", "--json")
    assert code == 2
    assert json.loads(out)["pdf"] is None
    assert "left out of the report: report.pdf: it cannot be typeset" in err
    assert (tmp_path / "index.html").exists()


def test_status_calls_runs_by_name_and_by_id_where_asked(reslab: Reslab, trained: Path) -> None:
    out = reslab("status", "--runs", str(trained))[1]
    assert "ResNet-8, digits, 1 epoch, seed 0" in out
    assert out.splitlines()[0].split()[-2:] == ["%", "images/s"]  # other columns would be empty
    verified = reslab("status", "--verify", "--runs", str(trained))[1].splitlines()
    assert verified[0].split()[-1] == "files"
    assert verified[-1].split()[-1] == "whole"
    assert tiny_run().id not in out
    assert tiny_run().id in reslab("status", "--ids", "--runs", str(trained))[1]
    (row,) = json.loads(reslab("status", "--runs", str(trained), "--json")[1])
    assert (row["run"], row["name"]) == (tiny_run().id, "ResNet-8, digits, 1 epoch, seed 0")


def test_a_damaged_run_does_not_hide_the_others(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (tmp_path / "runs" / "broken" / "seed0").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "seed0" / "run.json").write_text("{")
    unreadable = tmp_path / "runs" / "unreadable" / "seed0"
    (unreadable / "run.json").mkdir(parents=True)
    code, out, _ = reslab("status", "--json")
    assert code == 0
    rows = {row["run"]: row for row in json.loads(out)}
    assert rows["broken/seed0"]["status"] == "unreadable"
    assert "remove the folder" in rows["broken/seed0"]["message"]
    assert f"{unreadable.relative_to(tmp_path)}/run.json cannot be read" in rows["unreadable/seed0"]["message"]
    assert "remove" not in rows["unreadable/seed0"]["message"]
    assert rows[tiny_run().id]["status"] == "finished"
    shown = reslab("status")[1]
    assert "unreadable" in shown
    assert "what went wrong" in shown
    assert reslab("report", "--out", str(tmp_path / "report"))[0] == 0
    assert "cannot be read: it is a folder" in (tmp_path / "report" / "report.md").read_text()


def test_an_ended_run_that_lost_a_file_is_told_as_damaged(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    folder = tmp_path / "runs" / tiny_run().id
    for name, words in (("result.json", "is missing, and the run had ended"), ("run.json", "run.json is missing")):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        code, out, _ = reslab("status", "--verify", "--json")
        (row,) = json.loads(out)
        assert (code, row["status"]) == (5, "unreadable")
        assert words in row["message"]
        (folder / name).write_bytes(content)
    assert reslab("status", "--verify")[0] == 0
