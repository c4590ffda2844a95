"""What curves are drawn from: means with their range, epochs thinned, and not more series than can be told apart."""

import json
from pathlib import Path

import pytest

from reslab.analysis.curves import curve_rows, telling
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, eleven_variants, small, three_depths, variant_of, write_run


def _named(groups: list[Group]) -> list[tuple[str, Group]]:
    return [(group.label, group) for group in groups]


def test_rows_are_means_with_their_range(tmp_path: Path) -> None:
    rows = curve_rows(_named(three_depths(tmp_path)))
    shallow = [row for row in rows if row["label"] == "ResNet-8"]
    assert [row["epoch"] for row in shallow] == list(range(1, 13))
    assert all(row["n"] == 2 and row["test_low"] <= row["test"] <= row["test_high"] for row in shallow)
    assert [row["n"] for row in rows if row["label"] == "ResNet-14"] == [1] * 7
    assert not [row for row in rows if row["label"] == "ResNet-20"]


def test_the_extremes_of_a_curve_are_never_thinned_out(tmp_path: Path) -> None:
    recipes = [small(8, length=400, first_drop=200, second_drop=300, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    path = tmp_path / Run(recipes[1], 0).id / "metrics.jsonl"
    epochs = [json.loads(line) for line in path.read_text().splitlines()]
    epochs[122] |= {"test_error": 88.0, "train_error": 0.01}
    path.write_text("".join(json.dumps(one) + "\n" for one in epochs))
    tables = read_tables(tmp_path)
    rows = curve_rows([(str(recipe.learning_rate), gather(tables, "it", recipe, (0,))) for recipe in recipes])
    (spike,) = [row for row in rows if (row["label"], row["epoch"]) == ("0.2", 123)]
    assert (spike["test"], spike["train"]) == (88.0, 0.01)
    assert len(rows) < 800
    assert {1, 2, 5, 400} <= {row["epoch"] for row in rows}


def test_where_curves_are_too_many_the_first_and_the_extremes_are_drawn(tmp_path: Path) -> None:
    many = eleven_variants(tmp_path)
    drawn = telling(many, variant_of)
    assert [variant_of(group) for group in drawn] == [f"variant {index}" for index in (0, 1, 2, 3, 8, 9, 10)] * 2
    assert telling(many[:9], variant_of) == many[:9]  # which can be told apart


def test_curves_can_go_along_something_else_than_epochs(tmp_path: Path) -> None:
    recipes = [small(8), small(8, train_share=0.5, length=24, first_drop=12, second_drop=18)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    named = [(str(recipe.train_share), gather(tables, "it", recipe, (0,))) for recipe in recipes]
    rows = curve_rows(named, lambda group: group.number("num_train") or 0)
    ends = [max(row["along"] for row in rows if row["label"] == label) for label, _ in named]
    assert ends == pytest.approx([12 * 1437, 24 * 718], rel=1e-3)
    assert "along" not in curve_rows(named)[0]
