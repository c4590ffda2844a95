"""The study of the number of images: fewer images told from fewer steps, and images of each class from classes."""

import re
from pathlib import Path

import pytest
from chapter_words import RATES, chapter_of, planted, rows_of, words_of

from reslab.analysis.tidy import read_tables
from reslab.analysis.verdicts import holm
from reslab.exhibits.blocks import Figure, Heading, Table
from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from reslab.studies.catalogue import chapter_of as questions_chapter
from reslab.studies.chapter import find
from reslab.studies.findings import Findings
from reslab.studies.study import Options, Study
from synthetic import Truth, write_run


def _design(root: Path, few: float) -> Study:
    """Return the study, run with a tenth of CIFAR-10 at this error; at the same epochs all parts err by 30 points more.

    The fifth of CIFAR-100 has not run.
    """
    planted_errors = {
        ("cifar10", 1.0): 8.0,
        ("cifar10", 0.5): 9.0,
        ("cifar10", 0.2): 11.0,
        ("cifar10", 0.1): few,
        ("cifar100-coarse", 1.0): 22.0,
        ("cifar100", 1.0): 32.0,
        ("cifar100", 0.5): 41.0,
    }
    study = ask("data-size", Options(depths=(20,), seeds=2))
    kept = {variant.recipe: dict(variant.factors).get("kept") for variant in study.variants}
    for run in study.runs():
        error = planted_errors.get((run.recipe.dataset, run.recipe.train_share))
        if error is not None:
            error += 30.0 if kept[run.recipe] == "same epochs" else 0.0
            write_run(root, run, Truth(error, 0.5, 0.01, own=True))
    return study


def test_parts_of_the_images_are_compared_at_one_depth(tmp_path: Path) -> None:
    study = ask("data-size", Options(datasets=("cifar10",), depths=(20, 56), seeds=1))
    compared = find(study, read_tables(tmp_path), questions_chapter(study)).compared
    assert {(one.first.recipe.depth, one.second.recipe.depth) for one in compared} == {(20, 20), (56, 56)}


@pytest.mark.parametrize(
    ("few", "said"),
    [
        # 12 points by images, 12 by classes
        (
            20.0,
            "50% remain when both have 500 images per class, and 50% go with the number of images per class: the "
            "student report names only one of two causes.",
        ),
        # 5 and 19
        (
            13.0,
            "79% remain when both have 500 images per class, and 21% go with the number of images per class: the "
            "images per class explain less than the student report supposes.",
        ),
        # 18 and 6
        (
            26.0,
            "25% remain when both have 500 images per class, and 75% go with the number of images per class, as the "
            "student report supposes.",
        ),
        (8.0, "Not both effects are significant."),  # none and 24
    ],
)
def test_images_and_classes_are_told_apart_in_one_design(tmp_path: Path, few: float, said: str) -> None:
    blocks = chapter_of(_design(tmp_path, few), read_tables(tmp_path))
    words, rows = words_of(blocks), rows_of(blocks, "design")
    assert list(rows) == ["10 (CIFAR-10)", "20 (CIFAR-100's superclasses)", "100 (CIFAR-100)"]
    cells = {row: [cell and round(float(cell.split(" ")[0])) for cell in list(rows[row].values())[1:]] for row in rows}
    assert list(rows["100 (CIFAR-100)"])[1:] == [f"{n} per class" for n in ("5,000", "2,500", "1,000", "500", "250")]
    assert list(cells.values()) == [
        [8, 9, 11, few, None],
        [None, 22, None, None, None],
        [None, None, None, 32, 41],
    ]
    line = next(line for line in words.splitlines() if line.startswith("ResNet-20: "))
    found = re.search(r"100 classes rather than 10, with 500 images of each: \+([\d.]+) points", line)
    assert found
    assert float(found[1]) == pytest.approx(32 - few, abs=0.05)
    assert said in line
    assert ("points between CIFAR-10 and CIFAR-100, " in line) == (few > 8)
    answer = next(line for line in words.splitlines() if line.startswith("CIFAR-10 and CIFAR-100, ResNet-20: "))
    assert "CIFAR-100's 100 classes instead of CIFAR-10's 10 raise the error (" in answer
    does = "raise the error (" if few > 8 else "change the error by less than 0.5 points ("
    assert f"500 images per class instead of 5,000 {does}" in answer
    assert "in 20 superclasses rather than 100 classes: \N{MINUS SIGN}10.0" in line
    assert line.endswith("this changes both the number of classes and the number of images of each.")
    assert (  # of 31 and 33 points of CIFAR-10, and 39 of CIFAR-100, 30 each
        "Of the rise at the same epochs, fewer steps account for 97% with 1/2 and 91% with 1/5 of CIFAR-10, "
        "77% with 1/2 of CIFAR-100; fewer images account for the rest." in words
    )


@pytest.mark.parametrize(("few", "told"), [(13.0, True), (3.0, False)])
def test_few_coarse_classes_that_cost_as_much_as_many_are_told(tmp_path: Path, few: float, told: bool) -> None:
    """The superclasses end 13 points above half of CIFAR-10; 100 classes end 19 or 29 points above its tenth."""
    words = words_of(chapter_of(_design(tmp_path, few), read_tables(tmp_path)))
    coarse = "With 2,500 images per class, the 20 superclasses end 13.0"
    assert (coarse in words) == told
    assert ("So the number of classes alone does not explain the rise" in words) == told


def _findings(root: Path, study: Study) -> Findings:
    return find(study, read_tables(root), questions_chapter(study))


def test_comparisons_between_data_sets_are_corrected_with_all_others(tmp_path: Path) -> None:
    found = _findings(tmp_path, _design(tmp_path, 20.0))
    assert [(one.first.recipe.dataset, one.second.recipe.dataset) for one in found.across] == [
        ("cifar10", "cifar100"), ("cifar100", "cifar100-coarse")
    ]  # fmt: skip
    verdicts = [one.test for one in (*found.compared, *found.across) if one.test is not None]
    assert len(verdicts) == 12  # seven on CIFAR-10, three on CIFAR-100, two between data sets
    raw = [one.p for one in verdicts if one.p is not None]
    assert [one.adjusted for one in verdicts] == pytest.approx(holm(raw), abs=0)
    smallest = min(verdicts, key=lambda one: one.p or 0.0)
    assert smallest.p is not None
    assert smallest.adjusted == pytest.approx(12 * smallest.p, abs=0)


def test_the_difference_of_a_tenth_has_one_interval_wherever_it_is_told(tmp_path: Path) -> None:
    blocks = chapter_of(_design(tmp_path, 20.0), read_tables(tmp_path))
    row, words = rows_of(blocks, "errors")["1/10 (same steps), CIFAR-10"], words_of(blocks)
    size, ends = str(row["Difference (points)"]), str(row["95% interval"])
    assert f"with 500 images of each rather than 5,000: {size} points (95% interval {ends})" in words
    plain = f"({size} points, 95% interval {ends})".replace("+", "")
    assert f"500 images per class instead of 5,000 raise the error {plain}" in words
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "errors"]
    assert "corrected for the twelve comparisons of this study by Holm's method." in table.caption


def test_of_one_seed_neither_images_nor_classes_are_said_to_matter_more(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth({"cifar10": 8.0, "cifar100": 32.0, "cifar100-coarse": 22.0}[recipe.dataset], 9.0)

    blocks = planted(tmp_path, ask("data-size", Options(depths=(20,), seeds=1)), truth)
    words = words_of(blocks)
    assert "Of one seed each, neither part is tested." in words
    assert "come with the number of classes" not in words
    assert "With one seed each, no difference is tested." in words
    assert "No difference is large enough to suggest a reason." in words  # the training errors are all alike
    (final,) = [block for block in blocks if isinstance(block, Figure) and block.key == "final"]
    assert not [panel.title for panel in final.panels if "superclasses" in panel.title]


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        # Of 24 points 3 and 21, 22 and 2, and 25 and -1.
        (
            11.0,
            "So of the 24.00 points between CIFAR-10 and CIFAR-100, 88% remain when both have 500 images per class, ",
        ),
        (
            30.0,
            "8% remain when both have 500 images per class, and 92% go with the number of images per class, as the "
            "student report supposes.",
        ),
        (33.0, "500 images of each rather than 5,000: +25."),
    ],
)
def test_the_greater_part_of_the_distance_is_named(tmp_path: Path, middle: float, said: str) -> None:
    def truth(recipe: Recipe) -> Truth:
        if recipe.dataset == "cifar10":
            return Truth(8.0 if recipe.train_share == 1 else middle, 0.5)
        return Truth(32.0, 9.0)

    words = words_of(planted(tmp_path, ask("data-size", Options(depths=(20,), seeds=2)), truth))
    assert said in words
    assert ("go with the number of images per class" in words) == (middle < 32)
    assert ("the images per class explain less than the student report supposes." in words) == (middle == 11)


def test_what_the_images_asked_cannot_answer_is_not_posed(tmp_path: Path) -> None:
    study = ask("data-size", Options(datasets=("digits",), depths=(8,), epochs=6, seeds=2))
    assert "CIFAR" not in study.question + study.expectation
    blocks = planted(tmp_path, study, lambda recipe: Truth(3.0, 1.0, 0.1, own=True))
    assert not [block for block in blocks if isinstance(block, Heading) and "CIFAR" in block.text]
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "amounts"]
    assert [column.title for column in table.columns] == ["Share", "Images", "Classes", "Images per class"]
    assert rows_of(blocks, "errors")["1/2 (same steps)"]["Difference (points)"] is not None
    assert "is CIFAR-100 harder because it has more classes" in ask("data-size", Options()).question


def test_what_fewer_images_do_has_the_reason_that_the_training_errors_show(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        if recipe.train_share == 1:
            return Truth(8.0, 2.0, 0.02, own=True)
        train = {0.5: 1.0, 0.2: 5.0, 0.1: 2.0}[recipe.train_share]
        return Truth(14.0, train, 0.02, own=True)

    words = words_of(planted(tmp_path, ask("data-size", RATES), truth))
    assert (
        "Test error higher, training error lower (1/2 (same steps) and 1/2 (same epochs)): "
        "the network learns the training images better" in words
    )
    assert (
        "Both errors higher (1/5 (same steps) and 1/5 (same epochs)): "
        "the network learns even the training images less well" in words
    )
    (unknown,) = [
        line
        for line in words.splitlines()
        if line.startswith("Test error higher, training error not significantly different")
    ]
    assert "(1/10 (same steps); training " in unknown
    assert unknown.endswith(" points): these runs do not show why.")


@pytest.mark.parametrize("missing", ["cifar100-coarse", "cifar10, 0.1", "cifar10, 1"])
def test_a_study_that_is_half_done_has_a_chapter(tmp_path: Path, missing: str) -> None:
    study = ask("data-size", Options(depths=(20,), seeds=2))
    for run in study.runs():
        recipe = run.recipe
        if missing not in (recipe.dataset, f"{recipe.dataset}, {recipe.train_share:g}"):
            error = {"cifar10": 8.0, "cifar100-coarse": 22.0, "cifar100": 32.0}[recipe.dataset]
            write_run(tmp_path, run, Truth(error + 5 * (recipe.train_share < 1), 0.5, 0.01, own=True))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "The data sets differ in more than these numbers" in words
    assert "ResNet-20:." not in words
    assert ("500 images of each: " in words) == (missing != "cifar10, 0.1")


def test_subsets_that_are_not_done_are_not_said_to_be_beaten(tmp_path: Path) -> None:
    study = ask("data-size", Options(datasets=("cifar10",), depths=(20,), seeds=2))
    for run in study.runs():
        if run.recipe.train_share != 0.2:
            write_run(tmp_path, run, Truth(8.0 + 5 * (run.recipe.train_share < 1), 0.5, 0.01, own=True))
    assert "beat every subset" not in words_of(chapter_of(study, read_tables(tmp_path)))
