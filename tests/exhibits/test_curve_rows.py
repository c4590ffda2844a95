"""What curves are drawn from: means with their range, epochs thinned, and not more series than can be told apart."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.curve_rows import IMAGES_SEEN, curve_rows, panels_of, telling
from reslab.exhibits.curves import Curves, error_figure
from reslab.recipe import Run
from synthetic import Truth, small, three_depths, write_run


def _label(group: Group) -> str:
    return group.label


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    return three_depths(tmp_path)


def test_rows_are_means_with_their_range(groups: list[Group]) -> None:
    rows = curve_rows(groups, _label)
    shallow = [row for row in rows if row["label"] == "ResNet-8"]
    assert [row["epoch"] for row in shallow] == list(range(1, 13))
    assert all(row["n"] == 2 and row["test_low"] <= row["test"] <= row["test_high"] for row in shallow)
    assert [row["n"] for row in rows if row["label"] == "ResNet-14"] == [1] * 7
    assert not [row for row in rows if row["label"] == "ResNet-20"]


def test_very_many_epochs_are_thinned_and_the_caption_says_so(tmp_path: Path) -> None:
    recipes = [small(8, length=400, first_drop=200, second_drop=300, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    path = tmp_path / Run(recipes[1], 0).id / "metrics.jsonl"
    epochs = [json.loads(line) for line in path.read_text().splitlines()]
    epochs[122] |= {"test_error": 88.0, "train_error": 0.01}
    path.write_text("".join(json.dumps(one) + "\n" for one in epochs))
    tables = read_tables(tmp_path)
    groups = [gather(tables, str(recipe.learning_rate), recipe, (0,)) for recipe in recipes]
    rows = curve_rows(groups, _label)
    (spike,) = [row for row in rows if (row["label"], row["epoch"]) == ("0.2", 123)]
    assert (spike["test"], spike["train"]) == (88.0, 0.01)  # the extremes of a curve are never thinned out
    assert len(rows) < 800
    assert {1, 2, 5, 400} <= {row["epoch"] for row in rows}
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    assert "Not every epoch is drawn, but the last and the extremes of every 10." in figure.caption


@pytest.fixture
def many(tmp_path: Path) -> list[Group]:
    """Return eleven variants on each of two data sets, in the order of their errors but for the first."""
    errors = [4.0, *(1.0 + 0.5 * index for index in range(10))]
    recipes = [
        (dataset, f"variant {index}", small(8, dataset=dataset, learning_rate=0.1 + 0.01 * index), error)
        for dataset in ("digits", "cifar10")
        for index, error in enumerate(errors)
    ]
    for _, _, recipe, error in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(error, 1.0))
    tables = read_tables(tmp_path)
    return [gather(tables, f"{name}, {dataset}", recipe, (0,)) for dataset, name, recipe, _ in recipes]


def _variant(group: Group) -> str:
    return group.label.partition(",")[0]


def test_where_curves_are_too_many_the_first_and_the_extremes_are_drawn(many: list[Group]) -> None:
    drawn = telling(many, _variant)
    expected = [f"variant {index}" for index in (0, 1, 2, 3, 8, 9, 10)]
    assert [_variant(group) for group in drawn] == expected * 2
    figure = error_figure("test", Curves(many, _variant), "test")
    assert figure is not None
    assert "Drawn are the first of eleven variants, and of the others the three with the lowest" in figure.caption
    for panel in figure.panels:
        (rows,) = panel.datasets.values()
        assert list(dict.fromkeys(row["label"] for row in rows)) == expected


def test_curves_that_can_be_told_apart_are_all_drawn(many: list[Group]) -> None:
    few = many[:9]
    assert telling(few, _variant) == few
    figure = error_figure("test", Curves(few, _variant), "test")
    assert figure is not None
    assert "Drawn are" not in figure.caption


def test_superclasses_stand_in_the_panel_of_their_images_and_alone_have_their_own(tmp_path: Path) -> None:
    recipes = [small(20, dataset=dataset, mirror="random") for dataset in ("cifar10", "cifar100", "cifar100-coarse")]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(30.0, 10.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, "all images", recipe, (0,)) for recipe in recipes]
    assert [(one.title, one.labels) for one in panels_of(groups, _label)] == [
        ("CIFAR-10", ["all images"]),
        ("CIFAR-100", ["all images", "20 superclasses"]),
    ]
    assert [one.title for one in panels_of(groups[2:], _label)] == ["CIFAR-100 (20 superclasses)"]
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["CIFAR-10", "CIFAR-100"]


def test_curves_can_go_along_the_images_seen(tmp_path: Path) -> None:
    recipes = [small(8), small(8, train_share=0.5, length=24, first_drop=12, second_drop=18)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, str(recipe.train_share), recipe, (0,)) for recipe in recipes]
    rows = curve_rows(groups, _label, IMAGES_SEEN)
    ends = [max(row["along"] for row in rows if row["label"] == group.label) for group in groups]
    assert ends == pytest.approx([12 * 1437 / 1e6, 24 * 718 / 1e6], rel=1e-3)
    figure = error_figure("test", Curves(groups, _label, IMAGES_SEEN), "test")
    assert figure is not None
    assert "after each epoch, against training images seen" in figure.caption
    assert "Training images seen (millions)" in str(figure.panels[0].chart)
    assert "along" not in curve_rows(groups, _label)[0]
