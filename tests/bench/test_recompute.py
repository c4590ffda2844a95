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


OFF = {
    "depth-errors": r"\d\d\.\d(\d)",
    "appendix-steps": r"\d\d\.\d(\d)",
    "appendix-runs": r"min \d(\d) s",
    "epochs-errors": r"\+\d\.\d(\d) to",
    "batch-size-errors": r",0\.0\d(\d),",
    "learning-rate-errors": r"\(\d*(\d) to \d+ seeds\)",
    "data-size-comparisons": r"(higher)",
}
"""A table, and a figure in it whose last digit is made another, or a verdict that is."""


def off(pattern: str, text: str) -> str:
    """Return a text in which what the pattern's group finds first is not what it was."""
    found = re.search(pattern, text)
    assert found, pattern
    (there,) = found.groups()
    other = str((int(there) + 5) % 10) if there.isdigit() else "not significant"
    return f"{text[: found.start(1)]}{other}{text[found.end(1) :]}"


def test_figures_that_are_off_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPORT / "tables", tmp_path / "tables")
    shutil.copy(REPORT / "report.md", tmp_path / "report.md")
    for table, pattern in OFF.items():
        path = tmp_path / "tables" / f"{table}.csv"
        path.write_text(off(pattern, path.read_text()))
    code, text = told(capsys, monkeypatch, tmp_path)
    assert code == 1
    named = text.splitlines()[-len(OFF) :]
    assert all(any(line.startswith(table) for line in named) for table in OFF), text


def test_a_size_that_is_off_in_a_sentence_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPORT / "tables", tmp_path / "tables")
    text = (REPORT / "report.md").read_text()
    ours = r"9\.11% vs the paper.s 8\.75%: not significant \(\+0\.36 points, 95% interval [^ ]+ to \+0\.\d(\d)\)"
    (tmp_path / "report.md").write_text(off(ours, text))
    code, said = told(capsys, monkeypatch, tmp_path)
    assert code == 1
    assert re.search(r"^fast / answer / .*: \+0\.\d\d shown, recomputed 0\.", said, flags=re.MULTILINE)


def test_it_imports_nothing_of_ours() -> None:
    for path in (ROOT / "bench").glob("recompute*.py"):
        text = path.read_text()
        assert "import reslab" not in text
        assert "from reslab" not in text
