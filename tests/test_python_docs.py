"""docs/python.md: every snippet runs, in order, as a reader would type them."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.deep
@pytest.mark.usefixtures("empty_cache", "torch_settings")
def test_every_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reslab.lab.speeds.speed._side_by_side", lambda device, precision, jobs: 30_000 / jobs)
    names: dict[str, object] = {}
    for snippet in SNIPPETS:
        exec(compile(snippet, "docs/python.md", "exec"), names)
    assert len(SNIPPETS) >= 10
    said = capsys.readouterr().out
    assert "4 of 4 runs to train" in said
    assert "try 8 or 14" in said
    assert (tmp_path / "report" / "index.html").exists()
    assert (tmp_path / "test.svg").read_text().startswith("<svg")


def test_the_page_names_what_there_is() -> None:
    import reslab

    for name in re.findall(r"reslab\.(\w+)\(", TEXT):
        assert name in reslab.__all__
    errors = {name for name in reslab.__all__ if name.endswith("Error")}
    assert errors <= set(re.findall(r"`(\w+Error)`", TEXT))
