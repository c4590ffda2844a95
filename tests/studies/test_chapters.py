"""Chapters on planted truths: what holds of all questions, with whatever is missing or not measured."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chapter_words import RATES, chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure, Table
from reslab.recipe import Recipe, Run
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options
from reslab.studies.words import words_of as texts_of
from synthetic import Truth, write_run


@pytest.mark.parametrize(
    ("name", "factors", "error", "said"),
    [
        ("depth", {"depths": (20, 56)}, lambda recipe: 10 - recipe.depth / 20, "The test errors are as expected."),
        (
            "depth",
            {"depths": (20, 56)},
            lambda recipe: recipe.depth / 10,
            "But ResNet-56 has a higher test error than ResNet-20.",
        ),
        ("depth", {"depths": (20, 56)}, lambda recipe: 8.0, ""),
        (
            "depth",
            {"depths": (20, 56, 110)},
            lambda recipe: {20: 9, 56: 7, 110: 8}[recipe.depth],
            "But ResNet-110 has a higher test error than ResNet-56.",
        ),
        ("epochs", {}, lambda recipe: 800 / recipe.length, "The test errors are as expected."),
        (
            "epochs",
            {},
            lambda recipe: recipe.length / 10,
            "has a lower test error than ResNet-20, 164 epochs; ResNet-20, 328 epochs has a higher",
        ),
        ("data-size", {}, lambda recipe: 8 / recipe.train_share, "The test errors are as expected."),
        ("batch-size", {}, lambda recipe: 8.0, "The test errors are as expected."),
        (
            "batch-size",
            {},
            lambda recipe: recipe.batch_size / 16,
            "has a lower test error than batch 128 at rate 0.1; batch 256 at rate 0.2 has a higher",
        ),
        ("degradation", {"depths": (20, 56)}, lambda recipe: 8 + _slope(recipe), "The test errors are as expected."),
        (
            "degradation",
            {"depths": (20, 56)},
            lambda recipe: 8 - _slope(recipe),
            "But plain-56 has a lower test error than plain-20; ResNet-56 has a higher test error than ResNet-20.",
        ),
        ("learning-rate", {}, lambda recipe: 8 + 4 * (recipe.learning_rate in (0.01, 1)), "are as expected."),
        (
            "learning-rate",
            {},
            lambda recipe: 9 - 2 * (recipe.learning_rate == 1),
            "rate 1 has a lower test error than rate 0.1.",
        ),
        (
            "learning-rate",
            {},
            lambda recipe: 8 - 2 * (recipe.learning_rate == 0.2),
            "rate 0.2 has a lower test error than rate",
        ),
        ("shortcuts", {}, lambda recipe: 8 + (recipe.shortcut == "A"), ""),
    ],
)
def test_whether_what_was_expected_came_true(
    tmp_path: Path, name: str, factors: dict[str, Any], error: Callable[[Recipe], float], said: str
) -> None:
    study = ask(name, Options(datasets=("cifar10",), **{"depths": (20,), **factors}, seeds=3))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(float(error(recipe)), 1.0, 0.05, own=True)))
    assert said in words
    assert ("are as expected" in words) == ("are as expected" in said)
    assert ("But " in words) == ("test error than" in said or "has a higher" in said)


def test_of_comparisons_of_which_some_are_not_resolved_those_as_expected_are_counted(tmp_path: Path) -> None:
    study = ask("depth", Options(datasets=("cifar10",), depths=(20, 56, 110), seeds=3))
    error = {20: 12.0, 56: 7.0, 110: 6.8}
    some = planted(tmp_path / "some", study, lambda recipe: Truth(error[recipe.depth], 1.0, 0.5, own=True))
    assert "Two of three comparisons came out as expected; the other is not significant." in words_of(some)
    none = planted(tmp_path / "none", study, lambda recipe: Truth(20.0, 1.0, 3.0, own=True))
    assert "These runs cannot tell whether that holds." in words_of(none)
    same = planted(tmp_path / "same", study, lambda recipe: Truth(8.0, 1.0, 0.02, own=True))
    assert "Three of the three expected differences are shown to be under 0.5 points." in words_of(same)


def test_what_has_not_run_is_not_counted_among_what_was_expected(tmp_path: Path) -> None:
    study = ask("depth", Options(datasets=("cifar10",), depths=(20, 56, 110), seeds=2))
    error = {20: 12.0, 56: 7.0}
    for recipe in (variant.recipe for variant in study.variants if variant.recipe.depth in error):
        for seed in (0, 1):
            write_run(tmp_path, Run(recipe, seed), Truth(error[recipe.depth], 1.0))
    assert "The test errors are as expected." in words_of(chapter_of(study, read_tables(tmp_path)))


def test_what_is_contrary_names_each_setting_once_and_the_data_sets_where_there_are_several(tmp_path: Path) -> None:
    study = ask("depth", Options(depths=(20, 56, 110), seeds=2))

    def truth(recipe: Recipe) -> Truth:
        return Truth({20: 20.0, 56: 22.0, 110: 25.0 if recipe.dataset == "cifar10" else 19.0}[recipe.depth], 1.0)

    assert (
        "But ResNet-56 has a higher test error than ResNet-20 (CIFAR-10 and CIFAR-100); "
        "ResNet-110 has a higher test error than ResNet-20 and ResNet-56 (CIFAR-10)."
        in words_of(planted(tmp_path, study, truth))
    )


@pytest.mark.parametrize("name", list(QUESTIONS))
@pytest.mark.parametrize("stop_after", [None, 0, 3])
def test_nothing_finished_says_so_and_makes_nothing_up(tmp_path: Path, name: str, stop_after: int | None) -> None:
    study = ask(name, Options(datasets=("digits",), depths=(8, 14), epochs=6, seeds=2))
    if stop_after is not None:
        write_run(tmp_path, study.runs()[0], Truth(3.0, 1.0), stop_after=stop_after)
    blocks = chapter_of(study, read_tables(tmp_path))
    assert f"0 of {len(study.runs())} runs have finished." in words_of(blocks)
    assert not [block for block in blocks if isinstance(block, Table) and block.key in ("comparisons", "errors")]


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_one_seed_and_some_missing_is_told_without_a_verdict(tmp_path: Path, name: str) -> None:
    study = ask(name, Options(datasets=("cifar10",), depths=(20, 32, 56), epochs=6, seeds=1))
    for run in study.runs()[:-1]:
        write_run(tmp_path, run, Truth(20.0, 10.0))
    blocks = chapter_of(study, read_tables(tmp_path))
    keys = [block.key for block in blocks if isinstance(block, Figure | Table)]
    assert len(keys) == len(set(keys))
    assert {"final", "errors"} <= set(keys)
    assert "comparisons" not in keys  # nothing is tested
    words = words_of(blocks)
    assert words.count("With one seed each, no difference is tested.") == 1
    assert "not tested" in words
    for reference in _references(words):
        assert reference in keys or reference.startswith("appendix-"), reference


def test_a_base_that_stands_alone_denies_nothing(tmp_path: Path) -> None:
    for name in ("learning-rate", "batch-size", "data-size"):
        study = ask(name, _alone())
        (base,) = {run.recipe for run in study.runs()} & {run.recipe for run in ask("depth", _alone()).runs()}
        root = tmp_path / name
        for run in study.runs():
            if run.recipe == base:
                write_run(root, run, Truth(14.0, 11.0, 0.1))
        words = words_of(chapter_of(study, read_tables(root)))
        assert texts_of(name)("tests.nothing") in words
        for denied in ("has no finished run", "there is nothing to give a reason for", "lowest with"):
            assert denied not in words


def _alone() -> Options:
    return replace(RATES, epochs=6)


def _slope(recipe: Recipe) -> float:
    return (recipe.depth - 20) / (20 if recipe.family == "plain" else -20)


def _references(words: str) -> list[str]:
    return [part.partition("]]")[0] for part in words.split("[[")[1:]]
