"""What the verbs print as tables, Python has as values: the same rows, shown alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import reslab
from reslab.cli import main
from reslab.lab.speeds.bench import Speed
from reslab.session.display import text_table
from reslab.session.listing import Listing

RESULTS = Path(__file__).parents[2] / "results" / "runs"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return what calls a verb and returns what it printed for scripts."""

    def call(*words: str, code: int = 0) -> Any:
        assert main([*words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return call


def test_columns_stand_in_line_whatever_the_script() -> None:
    lines = text_table(
        "Classes", ("class", "error"), [("\u732b", "1.0"), ("\u00e9toile", "2.0"), (None, None)]
    ).splitlines()
    assert lines == ["Classes", "class   error", "\u732b      1.0", "\u00e9toile  2.0", "-       -"]


def test_the_rows_are_those_that_the_verbs_print(printed: Callable[..., Any], tmp_path: Path) -> None:
    assert list(reslab.list_models([8], [10])) == printed("models", "--depths", "8", "--classes", "10")
    assert list(reslab.list_models(table_1=True)) == json.loads(json.dumps(printed("models", "--table-1")))
    assert list(reslab.list_presets("fast")) == printed("presets", "fast")
    assert list(reslab.status(RESULTS)) == printed("status", "--runs", str(RESULTS))
    assert list(reslab.list_data(tmp_path)) == printed("data", "list", "--data-root", str(tmp_path))
    facts = reslab.doctor(tmp_path, tmp_path)
    told = printed("doctor", "--runs", str(tmp_path), "--data-root", str(tmp_path))
    assert {**facts, "free_bytes": 0} == {**told, "free_bytes": 0}
    assert "Images of digits: here" in repr(facts).splitlines()


def test_a_damaged_run_is_a_row(tmp_path: Path, printed: Callable[..., Any]) -> None:
    folder = tmp_path / "digits-resnet8-00000000" / "seed0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    (row,) = reslab.status(tmp_path)
    assert row["status"] == "unreadable"
    assert "run.json" in row["message"]
    assert printed("status", "--verify", "--runs", str(tmp_path), code=5) == [row]


def test_a_listing_shows_itself() -> None:
    found = reslab.list_presets()
    bundle = found._repr_mimebundle_()
    assert repr(found).startswith("Presets\nfield ")
    assert "<td style='text-align:left'>batch_size</td>" in bundle["text/html"]
    assert [row["name"] for row in found[:2]] == [found[0]["name"], found[1]["name"]]
    frame = reslab.list_models([8], [10]).frame
    assert frame.filter(pl.col("family") == "plain").row(0, named=True) == next(
        row for row in reslab.list_models([8], [10]) if row["family"] == "plain"
    )
    assert isinstance(found, Listing)


def test_bench_measures_once_for_both(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    speed = Speed(20, 128, "fp32", 1000.0, 400.0, 2.5, 0.5, 50.0)
    monkeypatch.setattr("reslab.lab.speeds.bench.bench", lambda **given: iter([speed]))
    monkeypatch.setattr("reslab.lab.speeds.speed.candidates", lambda device: (1, 2))
    monkeypatch.setattr(
        "reslab.lab.speeds.speed.work_per_second", lambda device, precision, jobs, again: 30_000 / jobs**0.5
    )
    found = reslab.bench(precisions=["fp32"])
    assert (found.jobs, found.speeds[0]["ratio"]) == (2, 2.5)
    assert found.side_by_side[1]["images_per_second"] == pytest.approx(
        2**0.5 * found.side_by_side[0]["images_per_second"]
    )
    assert main(["bench", "--precisions", "fp32", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {**told, "machine": 0} == {**json.loads(json.dumps(found.facts())), "machine": 0}
    assert main(["bench", "--precisions", "fp32"]) == 0
    out = capsys.readouterr().out
    assert "Studies at full length, three seeds, 2 at a time:" in out
    assert "2 (chosen)" in out
    with pytest.raises(reslab.ResLabError, match="precisions are fp32 and bf16"):
        reslab.bench(precisions=["fp16"])
