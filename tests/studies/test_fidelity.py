"""The study of what the recipe does otherwise than the paper: an epoch of schedule, by how long that is."""

from pathlib import Path

from chapter_words import planted, words_of

from reslab.exhibits.blocks import Table
from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth


def test_an_epoch_of_schedule_is_told_as_the_difference_that_it_is(tmp_path: Path) -> None:
    study = ask("fidelity", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    blocks = planted(tmp_path, study, lambda recipe: Truth(8.5, 0.5))
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "deviations"]
    rows = {row[0]: row[1:] for row in table.rows}
    changed, base = rows["Drops an epoch earlier"][:2]
    assert "after 80 and 121" in str(changed)
    assert "after 81 and 122" in str(base)
    assert all(None not in row for row in rows.values())
    assert "of the schedule here" not in table.caption
    (recipe,) = [block for block in blocks if isinstance(block, Table) and block.key == "recipe"]
    assert recipe.title == "The recipe of the base"
    assert not [row for row in recipe.rows if "by variant" in str(row[1])]


def test_an_epoch_of_a_short_schedule_is_told_to_be_much_of_it(tmp_path: Path) -> None:
    study = ask("fidelity", Options(datasets=("digits",), depths=(8,), epochs=8, seeds=2))

    def truth(recipe: Recipe) -> Truth:
        return Truth(9.0 if recipe.nesterov else 3.0, 1.0, 0.01, own=True)

    blocks = planted(tmp_path, study, truth)
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "deviations"]
    assert "An epoch is 12.5% of the schedule here, and 0.61% of the assignment's." in table.caption
    words = words_of(blocks)
    assert "comparisons one shows a change of the test error, " in words
    assert "base beat Nesterov momentum (" in words
