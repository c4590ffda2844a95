"""Tables that are looked up: other epochs than the last, steps, images, recipes and their times, every run."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.tables import Tables
from reslab.analysis.tidy import read_tables
from reslab.exhibits.appendix_tables import data_table, epoch_table, recipes_table, runs_table, step_table
from reslab.exhibits.blocks import Table
from reslab.exhibits.results import published_table
from reslab.exhibits.wording import network_name
from reslab.published import Published
from reslab.recipe import Run, stretch
from synthetic import Truth, small, write_run

THEIRS = Published(
    source="assignment", citation="a report", dataset="digits", depth=8, error=3.2, low=3.0, high=3.5, protocol="a mean"
)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Return depth 8 with seeds 0 and 1, and depth 14 with seed 0 interrupted."""
    for seed in (0, 1):
        write_run(tmp_path, Run(small(8), seed), Truth(3.0 + seed, 1.0))
    write_run(tmp_path, Run(small(14), 0), Truth(2.0, 0.5), stop_after=7)
    return read_tables(tmp_path)


@pytest.fixture
def groups(tables: Tables) -> list[Group]:
    """Return both depths, three seeds asked of each."""
    return [gather(tables, f"ResNet-{depth}", small(depth), (0, 1, 2)) for depth in (8, 14)]


def _columns(table: Table | None) -> dict[str, list[str | None]]:
    assert table is not None
    return {column.title: [row[place] for row in table.rows] for place, column in enumerate(table.columns)}


def test_other_epochs_stand_beside_the_last_and_leave_out_what_is_unfinished(groups: list[Group]) -> None:
    table = epoch_table("epochs", groups)
    columns = _columns(table)
    assert columns["Runs"] == ["ResNet-8"]
    assert columns["n"] == ["2 of 3"]
    assert columns["Last epoch (%)"] == ["3.50 ± 0.71"]
    assert columns["Epochs"] == ["7 to 12"]
    assert columns["Their range (%)"][0] is not None
    assert "Best on the hold-out (%)" not in columns
    assert table is not None
    assert "No run had a hold-out" in table.caption
    assert epoch_table("epochs", groups[1:]) is None


def test_windows_of_long_trainings_are_written_as_other_counts_are(tmp_path: Path) -> None:
    recipe = small(8, length=1600, first_drop=1200, second_drop=1400)
    write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    columns = _columns(epoch_table("epochs", [gather(read_tables(tmp_path), "long", recipe, (0,))]))
    assert columns["Epochs"] == ["1,333 to 1,600"]


def test_steps_are_a_row_a_group_and_the_caption_says_what_they_are_means_of(groups: list[Group]) -> None:
    table = step_table("steps", groups)
    columns = _columns(table)
    assert columns["Runs"] == ["ResNet-8"]
    assert columns["First drop after epoch"] == ["6"]
    assert columns["Second drop after epoch"] == ["9"]
    assert table is not None
    assert "over a tenth of the shorter phase, one to five epochs" in table.caption
    assert step_table("steps", groups[1:]) is None


def test_published_figures_stand_below_the_measured(groups: list[Group]) -> None:
    table = published_table("published", groups, [THEIRS], lambda one: network_name(one.recipe))
    assert table is not None
    assert table.rows == (
        ("This study", "last epoch", "3.50 ± 0.71 (n = 2)", None),
        ("Student report", "a mean", "3.20 (3.00 to 3.50)", None),
    )
    assert table.notes == ("Student report: a report.",)
    assert published_table("published", groups, [], lambda one: network_name(one.recipe)) is None


def test_images(groups: list[Group]) -> None:
    images = data_table("images", groups)
    assert images is not None
    assert [row[:4] for row in images.rows] == [("digits", "10", "1,437", "360")]
    assert [column.title for column in images.columns][-1] == "Fingerprint"  # of digits none is official or not


def test_each_recipe_has_its_id_its_speed_its_times_and_its_memory(groups: list[Group]) -> None:
    """Planted are 1,593.2 images a second, epochs of 31.5 s, runs of twelve, and 300,000,000 bytes."""
    table = recipes_table("recipes", groups)
    assert table is not None
    assert table.rows[0] == ("ResNet-8", small(8).id, "1,590", "31.5 s", "6 min 18 s", "286")
    columns = _columns(table)
    assert columns["Recipe"] == [small(8).id, small(14).id]
    assert columns["A run"][1] is None  # its only one is unfinished
    assert "A dash is a time" not in table.caption
    assert recipes_table("recipes", []) is None


def test_times_that_were_not_recorded_are_told(tmp_path: Path) -> None:
    for depth in (8, 14):
        path = write_run(tmp_path, Run(small(depth), 0), Truth(3.0, 1.0)) / "metrics.jsonl"
    path.write_text(path.read_text().replace('"seconds": 31.5, ', ""))
    tables = read_tables(tmp_path)
    table = recipes_table("recipes", [gather(tables, "it", small(depth), (0,)) for depth in (8, 14)])
    assert table is not None
    assert _columns(table)["An epoch"] == ["31.5 s", None]
    assert table.caption.endswith("A dash is a time that was not recorded.")


def test_machines_that_differ_have_a_column(tmp_path: Path) -> None:
    for seed, device in enumerate(("One Processor", "Another")):
        folder = write_run(tmp_path, Run(small(8 + 6 * seed), 0), Truth(3.0, 1.0))
        provenance = json.loads((folder / "provenance.json").read_text())
        provenance["attempts"][0]["device_name"] = device
        (folder / "provenance.json").write_text(json.dumps(provenance))
    table = runs_table("runs", read_tables(tmp_path).runs)
    machines = dict(zip(_columns(table)["Recipe"], _columns(table)["Machine"], strict=True))
    assert machines == {small(8).id: "One", small(14).id: "Another"}
    assert "All ran on" not in table.caption


def test_a_run_of_two_machines_is_not_said_to_be_of_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small()), Truth(3.0, 1.0))
    provenance = json.loads((folder / "provenance.json").read_text())
    (first,) = provenance["attempts"]
    later = {"from_iteration": 60, "device_name": "Another", "threads": 1, "commit": "f" * 40, "dirty": True}
    provenance["attempts"] = [first, {**first, **later}]
    (folder / "provenance.json").write_text(json.dumps(provenance))
    table = runs_table("runs", read_tables(tmp_path).runs)
    assert "All ran on" not in table.caption
    (row,) = table.rows
    assert row[6:] == ("0123456789+, ffffffffff+", "Some 9000, Another")


def test_a_run_from_elsewhere_says_so_and_one_that_was_trained_again_says_how_it_agrees(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small()), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(), 1), Truth(4.0, 1.0))
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance["fetched"] = [{"from": "https://example.org/a"}, {"from": "https://example.org/b"}]
    (folder / "provenance.json").write_text(json.dumps(provenance))
    again = write_run(tmp_path / "replicates" / "again", Run(small(), 1), Truth(4.5, 1.0)) / "result.json"
    again.write_text(json.dumps({**json.loads(again.read_text()), "weights_sha256": "1" * 64}))
    table = runs_table("runs", read_tables(tmp_path).runs)
    assert [column.title for column in table.columns][-1] == "Trained"
    assert [row[-1] for row in table.rows] == [
        "fetched from https://example.org/b",
        "here; again: 4.50% on Some 9000",
    ]
    write_run(tmp_path / "replicates" / "0123456789ab", Run(small(), 1), Truth(4.0, 1.0))
    both = runs_table("runs", read_tables(tmp_path).runs).rows[1][-1]
    assert both == "here; again: same bits, 4.50% on Some 9000"


def test_shares_of_the_images_are_one_row_and_official_images_say_so(tmp_path: Path) -> None:
    recipes = [small(8, dataset="cifar10", train_share=share) for share in (1.0, 0.5)]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    table = data_table("images", [gather(tables, "it", recipe, (0,)) for recipe in recipes])
    assert table is not None
    ((name, _, images, _, _, official),) = table.rows
    assert (name, images, official) == ("CIFAR-10", "25,000 to 50,000", "yes")


def test_the_appendix_has_every_run(tables: Tables) -> None:
    rows = runs_table("runs", tables.runs).rows
    assert [(row[2], row[3], row[4]) for row in rows] == [
        ("interrupted", "7", None),
        ("finished", "12", "3.00"),
        ("finished", "12", "4.00"),
    ]
    assert rows[0][7] == "0123456789"
    assert len(rows[0]) == 8
    assert "All ran on Some 9000." in runs_table("runs", tables.runs).caption


def test_the_images_of_each_run_are_told_where_one_name_has_several(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    assert "Images" not in [column.title for column in runs_table("runs", read_tables(tmp_path).runs).columns]
    write_run(tmp_path, Run(small(), 1), Truth(3.0, 1.0), official=False, fingerprint="f" * 64)
    table = runs_table("runs", read_tables(tmp_path).runs)
    place = [column.title for column in table.columns].index("Images")
    assert [row[place] for row in table.rows] == ["06ab34cd56ef7890", "f" * 16]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_range_of_one_value_is_that_value_and_a_short_training_has_no_more(tmp_path: Path) -> None:
    recipe = stretch(small(), 2)
    write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    columns = _columns(epoch_table("epochs", [gather(read_tables(tmp_path), "short", recipe, (0,))]))
    assert (columns["Epochs"], columns["Their range (%)"]) == (["2"], ["3.00"])
