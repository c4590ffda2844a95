"""Charts of curves: what the caption says of those that are thinned or left out, panels, and what they go along."""

from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.curves import IMAGES_SEEN, Curves, error_figure
from reslab.recipe import Run
from synthetic import Truth, eleven_variants, small, variant_of, write_run


def _label(group: Group) -> str:
    return group.label


def test_very_many_epochs_are_thinned_and_the_caption_says_so(tmp_path: Path) -> None:
    recipes = [small(8, length=400, first_drop=200, second_drop=300, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, str(recipe.learning_rate), recipe, (0,)) for recipe in recipes]
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    assert "Not every epoch is drawn, but the last and the extremes of every 10." in figure.caption


@pytest.fixture
def many(tmp_path: Path) -> list[Group]:
    return eleven_variants(tmp_path)


def test_where_curves_are_too_many_the_first_and_the_extremes_are_drawn(many: list[Group]) -> None:
    expected = [f"variant {index}" for index in (0, 1, 2, 3, 8, 9, 10)]
    figure = error_figure("test", Curves(many, variant_of), "test")
    assert figure is not None
    assert (
        "The figure shows the first of eleven variants, and of the others the three with the lowest" in figure.caption
    )
    for panel in figure.panels:
        (rows,) = panel.datasets.values()
        assert list(dict.fromkeys(row["label"] for row in rows)) == expected


def test_curves_that_can_be_told_apart_are_all_drawn(many: list[Group]) -> None:
    figure = error_figure("test", Curves(many[:9], variant_of), "test")
    assert figure is not None
    assert "Drawn are" not in figure.caption


def test_superclasses_stand_in_the_panel_of_their_images_and_alone_have_their_own(tmp_path: Path) -> None:
    recipes = [small(20, dataset=dataset, mirror="random") for dataset in ("cifar10", "cifar100", "cifar100-coarse")]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(30.0, 10.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, "all images", recipe, (0,)) for recipe in recipes]
    panels = Curves(groups, _label).panels
    assert {dataset: [label for label, _ in named] for dataset, named in panels.items()} == {
        "cifar10": ["all images"],
        "cifar100": ["all images", "20 superclasses"],
    }
    assert Curves(groups[2:], _label).panels == {"cifar100-coarse": [("all images", groups[2])]}
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["CIFAR-10", "CIFAR-100"]


def test_curves_can_go_along_the_images_seen(tmp_path: Path) -> None:
    recipes = [small(8), small(8, train_share=0.5, length=24, first_drop=12, second_drop=18)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, str(recipe.train_share), recipe, (0,)) for recipe in recipes]
    figure = error_figure("test", Curves(groups, _label, IMAGES_SEEN), "test")
    assert figure is not None
    assert "after each epoch, against training images seen" in figure.caption
    assert "Training images seen (millions)" in str(figure.panels[0].chart)
    (rows,) = figure.panels[0].datasets.values()
    assert max(row["along"] for row in rows) == pytest.approx(24 * 718 / 1e6, rel=1e-3)
