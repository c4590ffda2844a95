"""Ended runs on other images than the official ones are told of before a command takes them for done."""

import json
from pathlib import Path

from reslab.recipe import Run
from reslab.session.overview import status
from reslab.session.own_images import tell_unofficial
from synthetic import Truth, small, write_run


def test_ended_runs_on_other_images_are_told_with_the_folder_to_remove(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(words: str) -> bool:
        told.append(words)
        return True

    runs = [Run(small(), seed) for seed in range(4)]
    for run in runs[:3]:
        official = run.seed == 0
        write_run(tmp_path, run, Truth(3.0, 1.0), official=official, fingerprint=None if official else "f" * 64)
    tell_unofficial(tmp_path, runs, tell)
    assert told == [
        f"remark: {runs[1].id} has ended, but it and 1 more were trained on images other than the official ones of "
        f"digits: reports keep such runs apart.  To train again, remove the folder {tmp_path / runs[1].id}"
    ]
    tell_unofficial(tmp_path, [runs[0], runs[3]], tell)
    assert len(told) == 1


def test_the_speed_in_the_list_is_the_median_over_epochs_as_elsewhere(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    changed = [line.replace('"images_per_second": ', '"images_per_second": 9') for line in lines[-1:]]
    (folder / "metrics.jsonl").write_text("\n".join([*lines[:-1], *changed]) + "\n")
    (row,) = status(tmp_path)
    (alike,) = {json.loads(line)["images_per_second"] for line in lines}
    assert row["images_per_second"] == alike
