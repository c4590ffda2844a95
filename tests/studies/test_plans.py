"""Plans in TOML: the assignment's, a teacher's, a handout, and what is said of mistakes."""

from pathlib import Path

import pytest
from chapter_words import words_of

from reslab.analysis.tidy import read_tables
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Table
from reslab.studies.catalogue import ask, chapter_of
from reslab.studies.chapter import find, write
from reslab.studies.plans import ASSIGNMENT, read_plan
from reslab.studies.study import Options
from synthetic import Truth, write_run

MINE = """
name = "my-course"
title = "What makes it learn?"
dataset = "digits"
epochs = 6
seeds = 2

[[studies]]
study = "depth"
title = "Task 1: are more layers better?"
expectation = "write down yours first."
depths = [8, 14]

[[studies]]
study = "learning-rate"
depths = [8]
seeds = 1

[[studies]]
name = "wide-batches"
depth = 8
epochs = 3
[studies.vary]
batch_size = [64, 128]
"""


def test_the_assignment_is_the_plan_that_ships() -> None:
    plan = read_plan(ASSIGNMENT, Options())
    assert [study.name for study in plan.studies] == ["depth", "learning-rate", "epochs", "data-size", "batch-size"]
    for study in plan.studies:
        assert study == ask(study.name, Options())  # its depths are those that the questions propose


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ((8,), [{8}, {8}, {8}, {8}, {8}]),
        ((14, 8), [{8, 14}, {8}, {8, 14}, {14}, {8}]),
        ((8, 14, 20), [{8, 14, 20}, {8}, {8, 14}, {14}, {8}]),
        ((8, 14, 20, 32), [{8, 14, 20, 32}, {8}, {8, 14}, {14}, {8}]),
    ],
)
def test_depths_of_the_command_stand_for_those_of_the_plan(depths: tuple[int, ...], expected: list[set[int]]) -> None:
    plan = read_plan(ASSIGNMENT, Options(datasets=("digits",), depths=depths))
    assert [{variant.recipe.depth for variant in study.variants} for study in plan.studies] == expected


def test_a_teacher_changes_words_depths_and_lengths(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    plan = read_plan(path, Options())
    assert (plan.name, plan.title) == ("my-course", "What makes it learn?")
    depth, rate, own = plan.studies
    assert (depth.title, depth.expectation) == ("Task 1: are more layers better?", "write down yours first.")
    assert depth.question == ask("depth", Options()).question
    assert (depth.seeds, rate.seeds, own.seeds) == ((0, 1), (0,), (0, 1))
    assert {variant.recipe.dataset for study in plan.studies for variant in study.variants} == {"digits"}
    assert {variant.recipe.length for variant in depth.variants} == {6}
    assert {variant.recipe.length for variant in own.variants} == {3}


def test_the_example_in_the_documents_is_a_plan(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    path = tmp_path / "my-course.toml"
    path.write_text(text.partition("## Several studies in a file")[2].partition("```toml\n")[2].partition("```")[0])
    plan = read_plan(path, Options())
    assert [(study.name, study.answers, len(study.runs())) for study in plan.studies] == [
        ("depth", False, 4),
        ("wide-batches", False, 4),
    ]


def test_the_command_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    plan = read_plan(path, Options(epochs=2, seeds=3, datasets=("cifar10",), precision="bf16"))
    recipes = [variant.recipe for study in plan.studies for variant in study.variants]
    assert {(one.dataset, one.length, one.precision) for one in recipes} == {("cifar10", 2, "bf16")}
    assert {study.seeds for study in plan.studies} == {(0, 1, 2)}


@pytest.mark.parametrize(
    "own",
    [
        'dataset = ["cifar10", "cifar100"]',
        "".join(f'[[studies.variants]]\nlabel = "{one}"\ndataset = "{one}"\n' for one in ("cifar10", "cifar100")),
    ],
)
def test_data_sets_that_a_study_varies_come_before_the_plans(tmp_path: Path, own: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE + own)
    *others, varying = read_plan(path, Options()).studies
    assert {variant.recipe.dataset for study in others for variant in study.variants} == {"digits"}
    assert {variant.recipe.dataset for variant in varying.variants} == {"cifar10", "cifar100"}


@pytest.mark.parametrize("options", [Options(depths=(14,)), Options(preset="paper")])
def test_what_no_study_of_ones_own_takes_is_refused_for_a_plan_with_one(tmp_path: Path, options: Options) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('name = "mine"\n[[studies]]\nname = "zoo"\n[studies.vary]\nbatch_size = [64, 128]\n')
    read_plan(path, Options())
    with pytest.raises(ResLabError, match="does not work with a study of your own; set it in the file"):
        read_plan(path, options)


def test_a_handout_asks_and_shows_and_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"answers = false\n{MINE}")
    study = read_plan(path, Options()).studies[0]
    for run in study.runs():
        write_run(tmp_path / "runs", run, Truth(20.0 - run.recipe.depth, 5.0))
    chapter = chapter_of(study)
    found = find(study, read_tables(tmp_path / "runs"), chapter)
    blocks = write(found, chapter)
    words = words_of(blocks)
    assert found.answers == ()
    assert words.count("Your answer") == 3
    assert "At the end the test error minus the training error" not in words
    assert study.question in words
    assert {"Figure", "Table"} <= {type(block).__name__ for block in blocks}
    assert "lower" not in words.split("Your answer")[1]
    heads = {column.title for block in blocks if isinstance(block, Table) for column in block.columns}
    assert "Test error (%)" in heads
    assert not {"Verdict", "Corrected p"} & heads


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('study = "depth"', 'study = "dept"'), "number 1: study: there is no question 'dept' (did you mean 'depth'?)"),
        (('study = "depth"', 'study = ["depth"]'), "number 1: study: must be text in quotes, not ['depth']"),
        (("depths = [8, 14]", "depths = 8"), "number 1: depths: must be a list of whole numbers"),
        (("depths = [8, 14]", "dephts = [8]"), "number 1: dephts: there is no such key (did you mean 'depths'?)"),
        (('name = "my-course"', 'nme = "my-course"'), "nme: there is no such key (did you mean 'name'?)"),
        (("seeds = 1", "seeds = [0, 7]"), "number 2: seeds: must be how many"),
        (('study = "learning-rate"', 'study = "depth"'), "'depth' appears twice"),
        (('name = "wide-batches"', 'name = "depth"'), "number 3: name: 'depth' is one of ResLab's own"),
        (('study = "depth"', ""), "number 1: needs study, one of depth, "),
        (("[8, 14]", "[8, 15]"), "number 1: depth must be 6n+2"),
    ],
)
def test_a_mistake_is_named_by_study_and_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "mine.toml"
    assert change[0] in MINE
    path.write_text(MINE.replace(*change, 1))
    with pytest.raises(ResLabError) as caught:
        read_plan(path, Options())
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
