"""The study of degradation: plain networks beside residual ones, with whatever is missing or diverged."""

from pathlib import Path

from chapter_words import DIVERGED, chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, write_run


def test_plain_networks_degrade_and_residual_ones_do_not(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        slope = 0.05 if recipe.family == "plain" else -0.03
        return Truth(8.5 + slope * (recipe.depth - 20), 2.0 + slope * (recipe.depth - 20), 0.05, own=True)

    options = Options(datasets=("cifar10",), depths=(20, 56), seeds=3)
    words = words_of(planted(tmp_path, ask("degradation", options), truth))
    assert (
        "CIFAR-10, plain networks: they degrade from 20 to 56 layers: the training error itself rises, and so does"
        in words
    )
    assert "CIFAR-10, residual networks: they do not degrade from 20 to 56 layers: the training error falls" in words
    assert "the reason lies in how they are trained, and not in overfitting" in words
    assert "Nothing was measured on these networks." in words
    assert "The test errors are as expected." in words


def test_a_degradation_that_is_not_shown_gets_no_reason(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=3))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(8.5, 2.0, 0.3, own=True)))
    assert "Plain networks are not shown to degrade here, so there is nothing to give a reason for." in words
    assert "the reason lies in how they are trained" not in words


def test_the_least_and_the_greatest_depth_are_told_of(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 32, 56), seeds=1))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(8.5, 2.0)))
    assert "from 20 to 56 layers" in words
    assert "from 20 to 32 layers" not in words


def test_where_the_training_error_does_not_rise_nothing_degrades(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(8.5 + 0.05 * (recipe.depth - 20), 2.0, 0.05, own=True)

    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=2))
    assert "the reason lies in how they are trained" not in words_of(planted(tmp_path, study, truth))


def test_of_what_nothing_has_finished_no_figures_are_promised(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=2))
    for run in study.runs():
        if (run.recipe.family, run.recipe.depth) != ("plain", 56):
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "Without a finished run, and so left out of all but the curves: plain-56, CIFAR-10." in words
    assert "Their figures are from the seeds that have" not in words
    assert "Plain-56 against" not in words
    assert "CIFAR-10, plain networks: not all depths have finished." in words


def test_a_plain_network_that_diverged_is_the_result(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=2))
    for run in study.runs():
        if (run.recipe.family, run.recipe.depth) == ("plain", 56):
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        else:
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "CIFAR-10, plain networks: plain-56 diverged." in words
    assert "not all depths have finished" not in words
    assert "Plain networks cannot be compared here: plain-56 diverged." in words
