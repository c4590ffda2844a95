"""The images that every network gets wrong: shown where the images at hand are the runs' own."""

from pathlib import Path

import numpy as np
import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.data.images import Dataset
from reslab.data.sources import load
from reslab.errors import DataError, ResLabError
from reslab.exhibits.blocks import Figure
from reslab.lab.folder.predictions import Predictions, predictions_bytes
from reslab.recipe import Run
from reslab.report import hard_images as hard_images_module
from reslab.report.hard_images import hard_images
from synthetic import Truth, small, write_run


def _group(root: Path, fingerprint: str, dataset: str = "digits") -> Group:
    """Return two runs that both get images 3 and 5 wrong, and one each a further one."""
    digits = load("digits").test
    recipe = small(dataset=dataset, normalisation="channel-2023")
    for seed in (0, 1):
        folder = write_run(root, Run(recipe, seed), Truth(3.0, 1.0), fingerprint=fingerprint)
        predicted, sure = digits.labels.copy(), np.full(len(digits.labels), 0.5)
        for place in (3, 5, 7 + seed):
            predicted[place] = (predicted[place] + 1) % 10
        sure[5] = 0.9
        found = Predictions(digits.labels, predicted, sure, tuple("0123456789"))
        (folder / "predictions.safetensors").write_bytes(predictions_bytes(found))
    return gather(read_tables(root), "ResNet-8", recipe, (0, 1))


def test_the_surest_come_first_and_say_what_they_are_taken_for(tmp_path: Path) -> None:
    (figure,) = hard_images("hard", [_group(tmp_path, load("digits").fingerprint)], None)
    assert isinstance(figure, Figure)
    assert "two images that all 2 networks get wrong" in figure.caption
    pictures = next(iter(figure.panels[0].datasets.values()))
    labels = load("digits").test.labels
    assert [row["label"] for row in pictures] == [str(labels[5]), str(labels[3])]
    assert [row["taken"][-1] for row in pictures] == [str((labels[place] + 1) % 10) for place in (5, 3)]
    assert all(row["address"].startswith("data:image/png;base64,") for row in pictures)
    assert sum(len(row["address"]) for row in pictures) < 5_000


def test_other_images_than_the_runs_are_not_shown(tmp_path: Path) -> None:
    assert hard_images("hard", [_group(tmp_path, "0" * 64)], None) == []


def test_a_data_set_that_is_not_at_hand_keeps_no_other_from_being_shown(tmp_path: Path) -> None:
    absent = _group(tmp_path / "absent", "0" * 64, "imagefolder")
    there = _group(tmp_path / "there", load("digits").fingerprint)
    (figure,) = hard_images("hard", [absent, there], tmp_path / "nowhere")
    assert isinstance(figure, Figure)
    assert [panel.title for panel in figure.panels] == ["digits"]


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group, address = _group(tmp_path, load("digits").fingerprint), hard_images_module._address

    def but_the_fifth(images: Dataset, place: int) -> str:
        if place == 5:
            raise DataError("it is cut short")
        return address(images, place)

    monkeypatch.setattr(hard_images_module, "_address", but_the_fifth)
    (figure,) = hard_images("hard", [group], None)
    assert isinstance(figure, Figure)
    assert [row["label"] for row in next(iter(figure.panels[0].datasets.values()))] == [
        str(load("digits").test.labels[3])
    ]


@pytest.mark.parametrize("error", [ResLabError("of another version"), OSError("gone")])
def test_images_that_cannot_be_read_cost_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    group = _group(tmp_path, load("digits").fingerprint)
    for name in ("_address", "load_for"):
        monkeypatch.setattr(hard_images_module, name, fails)
        assert hard_images("hard", [group], None) == []


def test_images_that_are_nowhere_are_not_shown(tmp_path: Path) -> None:
    assert hard_images("hard", [_group(tmp_path / "runs", "0" * 64, "imagefolder")], tmp_path / "nowhere") == []
