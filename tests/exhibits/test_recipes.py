"""Recipes in words: what plays no part is not named, and what differs is."""

from pathlib import Path

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.recipes import aspects, differences, recipe_table, schedule_table
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary
from synthetic import small


def _groups(root: Path, *recipes: Recipe) -> list[Group]:
    tables = read_tables(root)
    return [gather(tables, f"number {place}", recipe, (0, 1)) for place, recipe in enumerate(recipes)]


def _rows(groups: list[Group]) -> dict[str | None, str | None]:
    return {row[0]: row[1] for row in recipe_table("recipe", groups).rows}


def test_only_what_plays_a_part_is_a_row(tmp_path: Path) -> None:
    rows = _rows(_groups(tmp_path, small(8)))
    assert {"Warm-up", "Label smoothing", "Training images"}.isdisjoint(rows)
    assert rows["Network"] == "ResNet-8"
    assert rows["Schedule"] == "12 epochs, rate multiplied by 0.1 after 6 and 9"
    assert rows["Seeds"] == "0 and 1"


def test_a_plain_network_has_no_row_on_shortcuts(tmp_path: Path) -> None:
    rows = _rows(_groups(tmp_path, small(8, family="plain")))
    assert "Shortcut" not in rows
    assert rows["Network"] == "plain-8"


def test_what_differs_says_whose_it_is(tmp_path: Path) -> None:
    shallow, deep = preset_recipe("paper", depth=20), preset_recipe("paper", depth=110)
    rows = _rows(_groups(tmp_path, shallow, deep))
    assert rows["Network"] == "ResNet-20 and ResNet-110"
    assert rows["Warm-up"] == ("none (ResNet-20); rate 0.01 until the training error is below 80% (ResNet-110)")


def test_what_neither_data_set_nor_network_tells_is_by_variant(tmp_path: Path) -> None:
    rows = _rows(_groups(tmp_path, small(8, learning_rate=0.1), small(8, learning_rate=0.2)))
    assert rows["Learning rate"] == "0.1; 0.2 (by variant)"


def test_the_assignments_schedule_is_the_papers_within_an_epoch() -> None:
    aspects = [aspect for aspect, _, _ in differences(preset_recipe("assignment"), preset_recipe("paper"))]
    assert "Schedule" not in aspects
    assert {"Normalisation", "Shortcut", "Initialisation"} <= set(aspects)
    short = vary(preset_recipe("assignment"), length=82, first_drop=41, second_drop=61)
    assert "Schedule" in [aspect for aspect, _, _ in differences(short, preset_recipe("paper"))]


def test_an_epoch_of_schedule_is_a_difference_where_it_is_the_question() -> None:
    base = preset_recipe("assignment")
    early = vary(base, first_drop=base.first_drop - 0.5, second_drop=base.second_drop - 0.5)
    assert differences(early, base) == []
    (found,) = differences(early, base, epochs_apart=0)
    assert found[0] == "Schedule"
    assert "80.5" in found[1]
    assert differences(vary(base, first_drop=base.first_drop - 1), base)
    assert differences(base, base, epochs_apart=0) == []


def test_iterations_are_epochs_of_the_data_set_and_of_the_part_of_it_that_is_trained_on() -> None:
    def differ(iterations: Recipe, epochs: float) -> bool:
        places = {"length": epochs, "first_drop": epochs / 2, "second_drop": 0.75 * epochs}
        return differences(vary(iterations, schedule_unit="epochs", **places), iterations, epochs_apart=0.01) != []

    paper = preset_recipe("paper")  # 64,000 iterations
    assert not differ(paper, 64_000 / 391)
    assert differ(vary(paper, holdout=5_000), 64_000 / 391)
    assert not differ(vary(paper, holdout=5_000), 64_000 / 352)
    assert not differ(vary(paper, train_share=0.2), 64_000 / 79)
    assert not differ(vary(paper, dataset="digits"), 64_000 / 12)
    folder = vary(paper, dataset="imagefolder", normalisation="imagenet")
    assert differ(folder, 64_000 / 391)  # whose size no name tells


def test_lengths_of_training_are_rows_with_even_decimals(tmp_path: Path) -> None:
    short = small(8, length=3, first_drop=1.5, second_drop=2.25)
    groups = _groups(tmp_path, short, small(8), small(14), small(8, first_drop=5))
    assert schedule_table("schedules", groups).rows == (
        ("3 epochs", "1.5", "2.25"),
        ("12 epochs", "6.0", "9.00"),
        ("12 epochs", "5.0", "9.00"),
    )


def test_schedules_in_their_own_unit() -> None:
    assert aspects(preset_recipe("paper"))["Schedule"] == (
        "64,000 iterations, rate multiplied by 0.1 after 32,000 and 48,000"
    )


def test_a_row_by_variant_lists_what_the_base_does_too(tmp_path: Path) -> None:
    groups = _groups(tmp_path, small(8), small(8, label_smoothing=0.1), small(8, train_share=0.5))
    rows = _rows(groups)
    assert rows["Label smoothing"] == "0; 0.1 (by variant)"
    assert rows["Training images"] == "all; 50% of the training images (by variant)"
    mixed = _rows(_groups(tmp_path, small(8), small(8, shortcut="C"), small(8, family="plain")))
    assert mixed["Shortcut"].endswith("C: projection everywhere; none (by variant)")  # type: ignore[union-attr]


def test_what_a_recipe_is_without_is_called_what_the_table_calls_it() -> None:
    own = Recipe(network="my_net.py:build", clip_norm=1.0)
    found = {aspect: (here, there) for aspect, here, there in differences(Recipe(label_smoothing=0.1), own)}
    assert found["Initialisation"] == ("He, fan-in", "the network's own")
    assert found["Gradient"] == ("not clipped", "norm at most 1")
    assert found["Label smoothing"] == ("0.1", "0")
