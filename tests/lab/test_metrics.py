"""The sums of the lines of metrics: damage is found before the run has ended, and no kill looks like it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reslab.errors import DamagedError
from reslab.lab.folder import metrics


def row(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "test_error": 12.5 + epoch}


def written(folder: Path, count: int) -> list[dict[str, Any]]:
    for epoch in range(1, count + 1):
        metrics.append(folder, row(epoch))
    return [row(epoch) for epoch in range(1, count + 1)]


def test_a_changed_digit_is_named_by_its_line(tmp_path: Path) -> None:
    written(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text().replace("14.5", "14.6"))
    with pytest.raises(DamagedError, match=r"metrics\.jsonl is damaged in line 2: .* SHA-256 differs.*; do this"):
        metrics.read(tmp_path, "do this")
    with pytest.raises(DamagedError, match="in line 2"):
        metrics.cut(tmp_path, 2, "do this")
    metrics.cut(tmp_path, 1, "do this")
    assert metrics.read(tmp_path, "") == [row(1)]


def test_the_last_line_alone_can_be_read(tmp_path: Path) -> None:
    assert metrics.last(tmp_path) == {}
    path = tmp_path / "metrics.jsonl"
    written(tmp_path, 3)
    with path.open("ab") as file:
        file.write(b'{"epoch": 4')
    assert metrics.last(tmp_path) == row(3)
    path.write_text("[]\n")
    assert metrics.last(tmp_path) == {}


def test_the_speed_is_the_median_of_what_is_known() -> None:
    rows: list[dict[str, Any]] = [{"images_per_second": speed} for speed in (1.0, None, 700.0, 900.0, 800.0)]
    assert metrics.speed([*rows, {}]) == 750.0
    assert metrics.speed([{}, {"images_per_second": None}]) is None
    assert metrics.speed([]) is None


@pytest.mark.parametrize("torn", [b"", b"0123", b"0" * 64 + b"\n"])
def test_a_sum_whose_line_never_came_is_no_damage(tmp_path: Path, torn: bytes) -> None:
    rows = written(tmp_path, 2)
    with (tmp_path / "metrics.sha256").open("ab") as file:
        file.write(torn)
    assert metrics.read(tmp_path, "") == rows
    metrics.cut(tmp_path, 2, "")
    metrics.append(tmp_path, row(3))
    assert metrics.read(tmp_path, "") == [*rows, row(3)]


def test_the_first_sum_without_a_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.sha256").write_bytes(b"0" * 64 + b"\n")
    assert metrics.read(tmp_path, "") == []
    metrics.cut(tmp_path, 0, "")
    assert written(tmp_path, 2) == metrics.read(tmp_path, "")


def test_lines_of_an_older_version_get_their_sums_when_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row(epoch)) + "\n" for epoch in (1, 2)))
    metrics.cut(tmp_path, 2, "")
    metrics.append(tmp_path, row(3))
    path.write_text(path.read_text().replace("13.5", "13.6"))
    with pytest.raises(DamagedError, match="in line 1"):
        metrics.read(tmp_path, "")


def test_a_missing_line_in_the_middle_is_damage(tmp_path: Path) -> None:
    written(tmp_path, 3)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(DamagedError, match="in line 2"):
        metrics.read(tmp_path, "")


def test_the_sum_is_on_the_disk_before_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[tuple[int, int]] = []
    sync = os.fsync

    def note(handle: int) -> None:
        sync(handle)
        lengths.append((len(metrics._lines(tmp_path / "metrics.sha256")), metrics.end(tmp_path)[0]))

    monkeypatch.setattr(os, "fsync", note)
    metrics.append(tmp_path, row(1))
    assert lengths[:2] == [(1, 0), (1, 1)]
