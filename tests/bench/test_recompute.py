"""Our own report's figures, recomputed by a program that shares no code with the report."""

import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import recompute  # noqa: E402

RUNS, REPORT = ROOT / "results" / "runs", ROOT / "results" / "report"


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, report: Path) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["recompute.py", str(RUNS), str(report)])
    with pytest.raises(SystemExit) as ended:
        recompute.main()
    return int(str(ended.value.code)), capsys.readouterr().out


def test_nearly_two_thousand_figures_of_our_report_agree_with_the_records(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = told(capsys, monkeypatch, REPORT)
    assert (code, ", 0 do not" in text) == (0, True), text
    assert sum(int(line.split()[0]) for line in text.splitlines() if "  " in line[5:7]) > 1_700


OFF = [
    ("depth-errors", "13.95", "13.96"),
    ("appendix-steps", "34.95", "35.05"),
    ("appendix-runs", "8 min 34 s", "8 min 36 s"),
    ("epochs-errors", "+3.12 to", "+3.14 to"),
    ("batch-size-errors", ",0.049,", ",0.051,"),
    ("learning-rate-errors", "(63 to 427 seeds)", "(64 to 427 seeds)"),
    ("data-size-comparisons", "higher", "not resolved"),
]
"""A table, a figure in it, and what it is made."""


def test_figures_that_are_off_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPORT / "tables", tmp_path / "tables")
    shutil.copy(REPORT / "report.md", tmp_path / "report.md")
    for table, there, instead in OFF:
        path = tmp_path / "tables" / f"{table}.csv"
        assert there in path.read_text()
        path.write_text(path.read_text().replace(there, instead, 1))
    code, text = told(capsys, monkeypatch, tmp_path)
    assert code == 1
    named = text.splitlines()[-len(OFF) :]
    assert all(any(line.startswith(table) for line in named) for table, _, _ in OFF), text


def test_a_size_that_is_off_in_a_sentence_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPORT / "tables", tmp_path / "tables")
    text = (REPORT / "report.md").read_text()
    there = "95% interval \N{MINUS SIGN}0.13 to +0.84"  # of our fast recipe against the paper's figure
    assert there in text
    (tmp_path / "report.md").write_text(text.replace(there, there.replace("0.84", "0.86")))
    code, said = told(capsys, monkeypatch, tmp_path)
    assert code == 1
    assert re.search(r"^fast / answer / .*: \+0.86 shown, recomputed 0.83", said, flags=re.MULTILINE)


def test_it_imports_nothing_of_ours() -> None:
    for name in ("recompute.py", "recompute_tests.py"):
        text = (ROOT / "bench" / name).read_text()
        assert "import reslab" not in text
        assert "from reslab" not in text
