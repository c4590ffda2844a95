"""Exhibits of predictions, from planted ones: shared errors, classes, confusions, pictures."""

from pathlib import Path

import numpy as np
import pytest

from reslab.analysis.agreement import agreement
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure, Table
from reslab.exhibits.predictions import (
    MOST_PICTURES,
    Picture,
    Sheet,
    agreement_table,
    classes_figure,
    confusion_figure,
    sheet_figure,
)
from reslab.lab.folder.predictions import Predictions, predictions_bytes
from reslab.recipe import Run
from synthetic import Truth, small, write_predictions, write_run


def _label(group: Group) -> str:
    return group.label


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    """Return two depths of two seeds: all get 0 to 39 wrong, and each of four networks 40 further ones of its own."""
    root = tmp_path_factory.mktemp("runs")
    for place, (depth, seed) in enumerate((depth, seed) for depth in (8, 14) for seed in (0, 1)):
        folder = write_run(root, Run(small(depth), seed), Truth(3.0, 1.0))
        own = np.arange(40 + 40 * place, 80 + 40 * place)
        write_predictions(folder, wrong=[*range(40), *(own if depth == 8 else own[:20])])
    tables = read_tables(root)
    return [gather(tables, f"ResNet-{depth}", small(depth), (0, 1)) for depth in (8, 14)]


def _column(table: Table, title: str) -> list[str | None]:
    at = [column.title for column in table.columns].index(title)
    return [row[at] for row in table.rows]


def test_shared_errors_are_those_planted(groups: list[Group]) -> None:
    shared = agreement(groups, {"digits": groups[0]})
    assert shared is not None
    table = agreement_table("agreement", shared, _label, _label)
    assert table is not None
    assert _column(table, "Error (%)") == ["22.22", "16.67"]  # 80 and 60 of 360 images
    assert _column(table, "Shared by two seeds (%)") == ["50 (22.2)", "67 (16.7)"]  # 40 of 80, 40 of 60
    assert _column(table, "Shared with ResNet-8 (%)") == [None, "67 (22.2)"]
    assert _column(table, "Error of the seeds' vote (%)") == ["22.22", "16.67"]  # equally sure: the first decides


def test_predictions_that_are_off_the_record_are_told(groups: list[Group]) -> None:
    shared = agreement(groups, {"digits": groups[0]})
    assert shared is not None
    table = agreement_table("agreement", shared, _label, _label)
    assert table is not None
    assert "contradict their records, by up to 19.22 points" in table.caption  # planted: 22.22% wrong, and 3% recorded


def test_classes_and_confusions_are_drawn(groups: list[Group]) -> None:
    figure = classes_figure("classes", groups, _label)
    assert isinstance(figure, Figure)
    rows = next(iter(figure.panels[0].datasets.values()))
    assert {row["label"] for row in rows} == {"ResNet-8", "ResNet-14"}
    assert np.mean([row["error"] for row in rows if row["label"] == "ResNet-8"]) == pytest.approx(80 / 3.6, abs=0.1)
    confused = confusion_figure("confusion", groups[:1])
    assert confused is not None
    cells = next(iter(confused.panels[0].datasets.values()))
    assert {(int(cell["class"]) + 1) % 10 for cell in cells} == {int(cell["taken"]) for cell in cells}
    assert len(cells) == 10


def test_nothing_is_drawn_where_nothing_is_wrong(tmp_path: Path) -> None:
    write_predictions(write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0)), wrong=[])
    group = gather(read_tables(tmp_path), "ResNet-8", small(), (0,))
    assert classes_figure("classes", [group], _label) is None
    assert confusion_figure("confusion", [group]) is None
    assert agreement([group], {"digits": group}) is None


def test_damaged_predictions_are_told_and_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    write_predictions(folder, wrong=[1])
    (folder / "predictions.safetensors").write_bytes(b"not what was written")
    tables = read_tables(tmp_path)
    assert not tables.predictions
    assert "reslab evaluate" in tables.problems[0].message


def test_a_sheet_says_how_many_there_are() -> None:
    pictures = [Picture("data:image/png;base64,AAAA", "cat", "dog")] * MOST_PICTURES
    figure = sheet_figure("hard", [Sheet("CIFAR-10", pictures, 1234, 6), Sheet("digits", [], 0, 6)])
    assert figure is not None
    assert len(figure.panels) == 1
    assert "CIFAR-10: 20 of the 1,234 images that all 6 networks get wrong" in figure.caption
    both = sheet_figure("hard", [Sheet("digits", pictures, 20, 1), Sheet("CIFAR-10", pictures, 20, 2)])
    assert both is not None
    assert both.caption.endswith(
        "digits: 20 images that the one network gets wrong; CIFAR-10: 20 images that all 2 networks get wrong."
    )
    assert sheet_figure("hard", []) is None


def test_superclasses_of_cifar100_are_told_apart_from_chance(tmp_path: Path) -> None:
    recipe = small(dataset="cifar100", normalisation="channel-2023")
    folder = write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    labels = np.arange(10_000) % 100
    predicted = np.where(
        labels == 3, 42, np.where(labels == 4, 0, labels)
    )  # bear, leopard: one superclass; beaver, apple
    found = Predictions(labels, predicted, np.ones(10_000), tuple(str(place) for place in range(100)))
    (folder / "predictions.safetensors").write_bytes(predictions_bytes(found))
    figure = confusion_figure("confusion", [gather(read_tables(tmp_path), "ResNet-8", recipe, (0,))])
    assert figure is not None
    assert "50% of the errors, against 4% if errors were spread evenly" in figure.caption
    cells = next(iter(figure.panels[0].datasets.values()))
    assert {(cell["class"], cell["taken"], cell["share"]) for cell in cells} == {
        ("large carnivores", "large carnivores", 20.0),
        ("aquatic mammals", "fruit and vegetables", 20.0),
    }
