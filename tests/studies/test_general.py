"""The answer to any comparison, and to runs that belong to none."""

from pathlib import Path

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Bullets, Prose, Table
from reslab.recipe import Recipe, Run
from reslab.studies.general import answer, labels, others
from reslab.studies.study import Study, Variant
from synthetic import Truth, small, write_run

STUDY = Study(
    "rates",
    "Rates",
    "Which rate?",
    "",
    tuple(
        Variant(f"rate {rate}", small(8, learning_rate=rate), (("learning_rate", rate),)) for rate in (0.1, 0.2, 0.4)
    ),
    (0, 1, 2),
    "custom",
)


def _write(root: Path) -> None:
    for run in STUDY.runs():
        write_run(root, run, Truth({0.1: 3.0, 0.2: 5.0, 0.4: 3.05}[run.recipe.learning_rate], 1.0, 0.2))


def test_differences_are_to_the_first_and_cautious(tmp_path: Path) -> None:
    _write(tmp_path)
    blocks = answer(STUDY, read_tables(tmp_path))
    texts = [block.text for block in blocks if isinstance(block, Prose)]
    (items,) = [block.items for block in blocks if isinstance(block, Bullets)]
    assert "Last-epoch test error, compared with rate 0.1 ([[comparisons]]):" in texts
    assert items[0].startswith("rate 0.2: 2.00 points higher (95% interval")
    assert items[1].startswith("rate 0.4: equal within 0.5 points (0.05 points higher; 95% interval")
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "comparisons"]
    assert "corrected for the two comparisons of this study" in table.caption


def test_what_varied_is_a_table(tmp_path: Path) -> None:
    (varied,) = [
        block for block in answer(STUDY, read_tables(tmp_path)) if isinstance(block, Table) and block.key == "varied"
    ]
    assert varied.rows == (("rate 0.1", "0.1"), ("rate 0.2", "0.2"), ("rate 0.4", "0.4"))


def test_runs_of_no_study_make_one_of_their_own(tmp_path: Path) -> None:
    _write(tmp_path)
    write_run(tmp_path, Run(small(8), 9), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(14), 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)

    found = others(tables, [STUDY])

    assert found is not None
    assert sorted((variant.label, variant.seeds) for variant in found.variants) == [
        ("ResNet-14", (0,)),
        ("ResNet-8", (9,)),
    ]
    assert len(found.runs()) == 2
    assert others(tables, [STUDY, found]) is None
    assert answer(found, tables)


def test_labels_name_what_differs() -> None:
    recipes = [small(8), small(8, nesterov=True), small(8, learning_rate=0.05)]
    assert labels(recipes) == [
        "ResNet-8, learning rate 0.1, no nesterov",
        "ResNet-8, learning rate 0.1, nesterov",
        "ResNet-8, learning rate 0.05, no nesterov",
    ]
    assert labels([small(8), Recipe(depth=8)])[1].startswith("ResNet-8, CIFAR-10")
