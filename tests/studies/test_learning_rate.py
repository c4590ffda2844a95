"""The study of learning rates: which are as good as the usual one, which worse and why, and which diverge."""

from pathlib import Path

from chapter_words import DIVERGED, RATES, chapter_of, planted, rows_of, words_of

from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, write_run


def test_a_planted_half_point_is_found_and_no_effect_is_not_claimed(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(9.5 if recipe.learning_rate == 0.01 else 8.5, 0.5, 0.05, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    short = next(line for line in words.splitlines() if line.startswith("CIFAR-10: "))
    assert "CIFAR-10: rate 0.1 beat 0.01 (1.0" in short
    assert "); five others within 0.5 points of 0.1 (estimates " in short
    assert " interval \N{MINUS SIGN}0." not in short  # the table has that of each of the five
    assert "higher (rate 1" not in words


def test_rates_far_from_the_usual_one_are_expected_to_be_worse_and_near_ones_as_good(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(9.5 if recipe.learning_rate in (0.01, 1.0) else 8.5, 0.5, 0.05, own=True)

    assert "The test errors are as expected." in words_of(planted(tmp_path, ask("learning-rate", RATES), truth))


def test_a_diverged_rate_is_a_result_and_a_missing_seed_is_said(tmp_path: Path) -> None:
    study = ask("learning-rate", RATES)
    for run in study.runs():
        rate = run.recipe.learning_rate
        if rate == 1.0 and run.seed > 0:
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        elif (rate, run.seed) != (0.5, 2):
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05, own=True))
    blocks = chapter_of(study, read_tables(tmp_path))
    words = words_of(blocks)
    assert "; 1 (2 of 3 seeds) diverged" in words
    assert "No run diverged" not in words
    assert "Rate 1, ResNet-20, CIFAR-10 diverged in 2 of 3 seeds." in words
    assert "rate 0.5, ResNet-20, CIFAR-10 (2 of 3 seeds, missing 2)" in words
    last = rows_of(blocks, "errors")["rate 1"]
    assert last["Verdict"] == "one seed, not tested; 2 of 3 seeds diverged"


def test_everything_diverged_at_a_rate_has_no_figures(tmp_path: Path) -> None:
    study = ask("learning-rate", RATES)
    for run in study.runs():
        if run.recipe.learning_rate == 1.0:
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        else:
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05, own=True))
    blocks = chapter_of(study, read_tables(tmp_path))
    assert "; 1 (3 of 3 seeds) diverged" in words_of(blocks)
    last = rows_of(blocks, "errors")["rate 1"]
    assert (last["Verdict"], last["Test error (%)"], last["Difference (points)"]) == (
        "3 of 3 seeds diverged",
        None,
        None,
    )


def test_too_high_a_rate_that_fits_worse_is_a_matter_of_optimisation(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        high = recipe.learning_rate == 1.0
        return Truth(12.0 if high else 8.5, 6.0 if high else 0.5, 0.05, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    assert "Both errors higher (rate 1): the network learns even the training images less well" in words
    assert "not overfitting" in words


def test_a_better_rate_has_a_reason_too(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        better = recipe.learning_rate == 0.2
        return Truth(7.0 if better else 8.5, 0.2 if better else 0.6, 0.02, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    assert "Both errors lower (rate 0.2): the network learns more, and this carries over to new images." in words


def test_worse_rates_are_listed_by_data_set(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        high = recipe.learning_rate >= 0.5
        return Truth(12.0 if high else 8.5, 6.0 if high else 0.5, 0.05, own=True)

    study = ask("learning-rate", Options(datasets=("cifar10", "cifar100"), depths=(20,), seeds=3))
    words = words_of(planted(tmp_path, study, truth))
    assert (
        "Both errors higher (on CIFAR-10 rate 0.5 and rate 1; on CIFAR-100 rate 0.5 and rate 1): "
        "the network learns even" in words
    )


def test_lists_name_their_data_set_though_they_have_one_only(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        worse = recipe.dataset == "cifar10" and recipe.learning_rate == 1.0
        return Truth(12.0 if worse else 8.5, 6.0 if worse else 0.5, 0.05, own=True)

    study = ask("learning-rate", Options(datasets=("cifar10", "cifar100"), depths=(20,), seeds=3))
    words = words_of(planted(tmp_path, study, truth))
    assert "Both errors higher (on CIFAR-10 rate 1): the network learns even" in words


def test_the_rate_with_the_lowest_error_is_named_and_whether_it_is_shown(tmp_path: Path) -> None:
    study = ask("learning-rate", Options(datasets=("cifar10",), depths=(20,), seeds=2))

    def words(name: str, noise: float, best: float = 0.2) -> str:
        for run in study.runs():
            error = 8.0 if run.recipe.learning_rate == best else 11.0
            write_run(tmp_path / name, run, Truth(error, 1.0, noise, own=bool(noise)))
        return words_of(chapter_of(study, read_tables(tmp_path / name)))

    assert "); not significantly below the usual rate's.  No run diverged." in words("open", 2.0)
    assert "Lowest mean error: 8.00% (rate 0.1).  No run diverged." in words("base", 0.0, best=0.1)
    assert "not significantly below" not in words("shown", 0.001)


def test_only_rates_that_have_finished_have_a_lowest_error_and_equals_share_it(tmp_path: Path) -> None:
    study = ask("learning-rate", Options(datasets=("cifar10", "cifar100"), depths=(20,), seeds=1))
    for run in study.runs():
        if run.recipe.dataset == "cifar10":
            rate = run.recipe.learning_rate
            write_run(tmp_path, run, Truth(9.5 if rate in (0.1, 0.2) else 10.5, 0.5))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "None%" not in words
    (line,) = [line for line in words.splitlines() if line.startswith("Lowest mean error")]
    assert "9.50% (rate 0.1, CIFAR-10; and rate 0.2, CIFAR-10)" in line
