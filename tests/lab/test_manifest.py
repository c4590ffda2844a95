"""The manifest of an ended run: any changed byte is named, no instant of writing looks like damage."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_runs import make, small

from reslab.cli import main
from reslab.errors import DamagedError, ResLabError
from reslab.lab.folder import ending, manifest
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings

MEASURED = dict.fromkeys(("train_loss", "test_loss", "seconds"), 1.5)
ROW = {"epoch": 1, "iteration": 5, "rate": 0.1, "train_error": 20.5, "test_error": 12.5, **MEASURED}
WEIGHTS = b"weights" * 99
RESULT = {"epochs": 1, "iterations": 5, "status": "finished", "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest()}


def ended(root: Path, how: str = "finished") -> RunFiles:
    """Return a run that has ended, without the training."""
    files = make(root, small(1), seed=3)
    files.write("provenance.json", {"format": 1, "attempts": [{"threads": 2}]})
    files.append_metrics(ROW)
    if how == "diverged":
        ending.diverge(files, "the loss was not finite", at=(1, 3))
    else:
        (files.path / "weights").mkdir()
        files.epoch_weights(1).write_bytes(b"earlier weights")
        files.weights.write_bytes(WEIGHTS)
        ending.end(files, "result.json", RESULT)
        files.write("diagnostics.json", {"weights_sha256": "0", "diagnostics": {"gap": {"seconds": 1.5}}})
    ending.tidy(files)
    return files


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["finished", "diverged"])
def test_every_file_is_listed_and_whole(tmp_path: Path, how: str) -> None:
    files = ended(tmp_path, how)
    assert manifest.verify(files.path) == files.check_files() == []
    listed = json.loads((files.path / "manifest.json").read_text())["files"]
    assert sorted([*listed, "manifest.json"]) == [name for name in names(files.path) if not name.startswith(".")]
    for name, entry in listed.items():
        content = (files.path / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("how", ["finished", "diverged"])
def test_any_flipped_bit_is_found_in_its_file(tmp_path: Path, how: str) -> None:
    files, chance = ended(tmp_path, how), random.Random(how)
    for name in [name for name in names(files.path) if not name.startswith(".")]:
        path = files.path / name
        before = path.read_bytes()
        for _ in range(40):
            flip(path, chance)
            (problem,) = manifest.verify(files.path)
            assert (problem.name, problem.kind, problem.is_damage) == (name, "changed", True)
            with pytest.raises(DamagedError, match=f"{name} is damaged: .*; (put back a copy|if you trust|remove)"):
                files.check_files()
            path.write_bytes(before)
    assert manifest.verify(files.path) == []


@pytest.mark.parametrize("name", ["run.json", "provenance.json", "metrics.jsonl", "result.json"])
def test_what_is_missing_of_the_records_is_damage_and_of_the_rest_may_have_been_left_out(
    tmp_path: Path, name: str
) -> None:
    files = ended(tmp_path)
    for other in ("weights.safetensors", "weights/epoch0001.safetensors", "diagnostics.json"):
        (files.path / other).unlink()
    problems = files.check_files()
    assert {(problem.kind, problem.is_damage) for problem in problems} == {("missing", False)}
    assert len(problems) == 3
    (files.path / name).unlink()
    assert [problem.name for problem in manifest.verify(files.path) if problem.is_damage] == [name]


def test_a_digit_in_the_provenance_is_noticed_by_every_reader(tmp_path: Path) -> None:
    files = ended(tmp_path)
    path = files.path / "provenance.json"
    path.write_text(path.read_text().replace('"threads": 2', '"threads": 3'))
    for read in (files.check, files.provenance):
        with pytest.raises(DamagedError, match=r"provenance\.json is damaged.*remove the folder"):
            read()


def test_a_file_added_later_is_in_the_manifest_at_every_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write is the last before a kill."""
    files, at = ended(tmp_path), [0]

    def dying(real: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
        def write(path: Path, content: bytes) -> None:
            if at[0] == 0:
                raise KeyboardInterrupt
            at[0] -= 1
            real(path, content)

        return write

    import reslab.files

    whole = dying(reslab.files.write_whole)
    monkeypatch.setattr(reslab.files, "write_whole", whole)
    monkeypatch.setattr(manifest, "write_whole", whole)
    seen = []
    for name in ("diagnostics.json", "predictions.json"):
        for steps in range(4):
            content = {"weights_sha256": "0", "diagnostics": {"gap": {"settings": steps}}}
            at[0] = steps
            try:
                files.write(name, content)
            except KeyboardInterrupt:
                seen.append(steps)
            assert [problem for problem in manifest.verify(files.path) if problem.is_damage] == []
    assert seen == [0, 1, 2] * 2
    at[0] = 99
    flip(files.path / "predictions.json", random.Random(0))
    assert [problem.name for problem in manifest.verify(files.path)] == ["predictions.json"]


def test_a_file_that_is_written_while_it_is_looked_at_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, look = ended(tmp_path), manifest._entry_of_file

    def late(path: Path) -> dict[str, Any] | None:
        monkeypatch.undo()
        files.write("diagnostics.json", {"weights_sha256": "0", "diagnostics": {}})
        return look(path)

    monkeypatch.setattr(manifest, "_entry_of_file", late)
    assert manifest.verify(files.path, ["diagnostics.json"]) == []


def test_a_run_of_an_older_version_is_no_damage_and_is_sealed_where_its_weights_are_right(tmp_path: Path) -> None:
    files = ended(tmp_path)
    (files.path / "manifest.json").unlink()
    (problem,) = files.check_files()
    assert (problem.kind, problem.is_damage) == ("unsealed", False)
    assert files.check().seed == 3
    files.write("diagnostics.json", {"weights_sha256": "1", "diagnostics": {}})
    assert not manifest.exists(files.path)

    files.weights.write_bytes(b"others")
    ending.seal(files)
    assert not manifest.exists(files.path)
    with pytest.raises(DamagedError, match=r"weights\.safetensors is damaged"):
        files.check_files()
    files.weights.write_bytes(WEIGHTS)
    assert execute(files, Settings()) == "finished"
    assert manifest.verify(files.path) == []


def test_a_damaged_run_is_not_sealed(tmp_path: Path) -> None:
    files = ended(tmp_path)
    (files.path / "manifest.json").unlink()
    path = files.path / "result.json"
    path.write_text(path.read_text().replace('"epochs": 1', '"epochs": 2'))
    with pytest.raises(DamagedError, match="has 1 line, and the run ended after 2 epochs"):
        ending.seal(files)
    assert not manifest.exists(files.path)


def test_a_run_that_has_not_ended_is_not_sealed(tmp_path: Path) -> None:
    files = make(tmp_path, small(1))
    files.append_metrics(ROW)
    ending.seal(files)
    assert names(files.path) == ["metrics.jsonl", "metrics.sha256", "run.json"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "weights/../../secret"])
def test_a_manifest_from_elsewhere_points_nowhere_else(tmp_path: Path, name: str) -> None:
    files = ended(tmp_path)
    manifest._write(files.path, {name: {"bytes": 1, "sha256": "0"}})
    (problem,) = manifest.verify(files.path)
    assert problem.name == "manifest.json"
    assert problem.is_damage


def test_damaged_runs_are_named_by_status_and_report_and_used_by_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ended(tmp_path / "runs")

    def reslab(*arguments: str) -> tuple[int, Any, str]:
        code = main([*arguments, "--runs", str(tmp_path / "runs"), "--json"])
        shown = capsys.readouterr()
        return code, json.loads(shown.out or "null"), shown.err

    code, rows, _ = reslab("status", "--verify")
    assert (code, rows[0]["files"]) == (0, "whole")
    shutil.copytree(files.path, files.path.with_name("seed4"))
    changed = json.loads((files.path / "run.json").read_text()) | {"seed": 4}
    (files.path.with_name("seed4") / "run.json").write_text(json.dumps(changed))

    code, rows, _ = reslab("status")
    assert [row["status"] for row in rows] == ["finished", "unreadable"]
    assert "seed4/run.json is damaged" in rows[1]["message"]
    out = tmp_path / "report"
    code, _, err = reslab("report", "--out", str(out))
    assert code == 0
    assert "left out of the report: " in err
    assert "seed4/run.json is damaged" in err
    assert "seed4/run.json is damaged" in (out / "report.md").read_text()

    files.weights.write_bytes(b"x" + WEIGHTS[1:])
    assert reslab("status")[0] == 0  # weights take time
    code, rows, _ = reslab("status", "--verify")
    assert code == 5
    assert "weights.safetensors is damaged" in rows[0]["message"]
    for verb in ("evaluate", "diagnose"):
        code, _, err = reslab(verb, str(files.path))
        assert code == 5
        assert "weights.safetensors is not what the run ended with" in err
    flip(files.path / "provenance.json", random.Random(1))
    for verb in ("evaluate", "diagnose"):
        code, _, err = reslab(verb, str(files.path))
        assert code == 5
        assert "provenance.json is damaged" in err


def test_a_manifest_that_cannot_be_written_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, small(1))
    files.append_metrics(ROW)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest, "write_whole", full)
    with pytest.raises(ResLabError, match="No space left on device"):
        ending.end(files, "result.json", RESULT)
    assert files.ended() is None
