"""The study of depth: what it asks, and the words that planted truths lead it to."""

import json
import re
from pathlib import Path

import pytest
from chapter_words import DIVERGED, chapter_of, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Figure, Note, Table
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary
from reslab.studies.catalogue import chapter_of as questions_chapter
from reslab.studies.chapter import find
from reslab.studies.questions.depth import ask
from reslab.studies.study import Options, Study
from synthetic import Truth, write_diagnostics, write_run

DIGITS = Options(datasets=("digits",), depths=(8, 14), epochs=12, seeds=2)
CIFAR = Options(datasets=("cifar10",), depths=(20, 56), seeds=3)


def test_the_question_of_the_assignment() -> None:
    study = ask(Options())
    asked = [variant for variant in study.variants if "warmup" not in dict(variant.factors)]
    assert [dict(variant.factors) for variant in asked] == [
        {"dataset": dataset, "depth": depth} for dataset in ("cifar10", "cifar100") for depth in (20, 56, 110)
    ]
    assert study.variants[0].recipe == preset_recipe("assignment")
    assert (len(study.runs()), study.seeds) == (18 + 6, (0, 1, 2))  # and the warm-up of 110 layers on both data sets
    assert "8.75% with 20 layers, 6.97% with 56 layers and 6.61% with 110 layers" in study.expectation


def test_options_change_what_is_asked() -> None:
    study = ask(Options(preset="hysts", datasets=("digits",), depths=(14, 8), epochs=10, seeds=1, precision="bf16"))
    assert [variant.recipe.depth for variant in study.variants] == [8, 14]
    assert {(variant.recipe.length, variant.recipe.precision) for variant in study.variants} == {(10.0, "bf16")}
    assert study.variants[0].recipe.nesterov
    assert "CIFAR" not in study.expectation


def test_two_points_with_little_noise_are_resolved(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(8.5, 0.6, 0.05), 56: Truth(6.5, 0.1, 0.05)})
    assert "CIFAR-10: 56 layers beat 20 (2.00 points, 95% interval " in words
    assert "Both errors lower (20 to 56 layers): the added layers help" in words
    assert "not significant" not in next(line for line in words.split("\n") if line.startswith("CIFAR-10: "))


def test_three_seeds_of_usual_noise_find_half_a_point(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(8.5, 0.5, 0.15), 56: Truth(8.0, 0.5, 0.15)})
    assert "CIFAR-10: 56 layers beat 20 (0.50 points, 95% interval 0." in words


def test_no_difference_is_said_to_be_equality_where_that_is_shown(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(7.5, 0.5, 0.1), 56: Truth(7.45, 0.5, 0.1)})
    assert (
        "CIFAR-10: 56 layers within 0.5 points of 20 (\N{MINUS SIGN}0.05 points, 90% interval \N{MINUS SIGN}0." in words
    )
    assert "the added layers help or harm by less than 0.5 points" in words


def test_each_depth_is_compared_with_the_least_then_with_the_next(tmp_path: Path) -> None:
    study = ask(Options(datasets=("cifar10",), depths=(20, 32, 56, 110), seeds=1))
    for run in study.runs():
        write_run(tmp_path, run, Truth(8.0, 1.0))
    compared = find(study, read_tables(tmp_path), questions_chapter(study)).compared
    assert [(one.first.recipe.depth, one.second.recipe.depth) for one in compared] == [
        (20, 32), (20, 56), (20, 110), (32, 56), (56, 110)
    ]  # fmt: skip


def test_a_step_that_is_shown_is_in_short_where_the_whole_way_is_not(tmp_path: Path) -> None:
    truths = {20: Truth(9.0, 3.0, 0.1), 56: Truth(4.0, 1.0, 0.1), 110: Truth(8.9, 3.0, 8.0, own=True)}
    options = Options(datasets=("cifar10",), depths=(20, 56, 110), seeds=3)
    words = _words(tmp_path, options, truths)
    (short,) = [line for line in words.split("\n") if line.startswith("CIFAR-10: ")]
    assert "56 layers beat 20 (5.00 points, 95% interval 4." in short


def test_a_step_against_the_whole_way_is_in_short_and_has_its_own_reason(tmp_path: Path) -> None:
    truths = {20: Truth(9.0, 3.0, 0.05), 56: Truth(7.0, 1.0, 0.05), 110: Truth(8.0, 2.0, 0.05)}
    words = _words(tmp_path, Options(datasets=("cifar10",), depths=(20, 56, 110), seeds=3), truths)
    first, second = [line for line in words.split("\n") if line.startswith("CIFAR-10: ")]
    assert first.startswith("CIFAR-10: 56 and 110 layers beat 20 (2.00 points, 95% interval 1.")
    assert "; 1.00 points, 95% interval 0." in first
    assert second.startswith("CIFAR-10: 56 layers beat 110 (1.00 points, 95% interval ")
    assert "Both errors lower (20 to 56 layers and 20 to 110 layers): the added layers help" in words
    assert "Both errors higher (56 to 110 layers): the deeper network is harder to train" in words


def test_a_step_that_goes_the_same_way_is_not_in_short(tmp_path: Path) -> None:
    truths = {20: Truth(9.0, 3.0, 0.1), 56: Truth(7.0, 1.0, 0.1), 110: Truth(5.0, 0.5, 0.1)}
    words = _words(tmp_path, Options(datasets=("cifar10",), depths=(20, 56, 110), seeds=2), truths)
    assert "CIFAR-10: 56 and 110 layers beat 20 (" in words
    assert "110 layers beat 56" not in words


def test_a_difference_lost_in_noise_is_said_to_be_not_resolvable(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(7.5, 0.5, 0.6), 56: Truth(7.0, 0.5, 0.6)})
    assert "CIFAR-10: 56 layers vs 20: not significant (\N{MINUS SIGN}0.50 points, 95% interval " in words
    assert "nothing to explain" in words
    described = "What follows describes the networks; it explains no difference between them."
    assert described not in words  # nothing was measured
    for path in tmp_path.glob("*/seed0"):
        layers = [{"layer": layer, "name": f"conv{layer}", "standard_deviation": 0.5} for layer in range(4)]
        write_diagnostics(path, responses={"final": {"layers": layers}})
    assert described in words_of(chapter_of(ask(CIFAR), read_tables(tmp_path)))


def test_a_deeper_network_that_trains_worse_is_degradation_not_overfitting(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(8.0, 0.6, 0.05), 56: Truth(12.0, 6.0, 0.05)})
    assert "not overfitting" in words
    assert "harder to train" in words


def test_a_deeper_network_that_only_fits_better_is_overfitting(tmp_path: Path) -> None:
    words = _words(tmp_path, CIFAR, {20: Truth(8.0, 0.6, 0.05), 56: Truth(9.0, 0.1, 0.05)})
    assert "overfitting" in words
    assert "not overfitting" not in words


def test_one_seed_tells_nothing_from_chance(tmp_path: Path) -> None:
    options = Options(datasets=("cifar10",), depths=(20, 56), seeds=1)
    words = _words(tmp_path, options, {20: Truth(8.0, 0.6), 56: Truth(7.0, 0.1)})
    assert "best with 56 layers, in one seed each, not tested (\N{MINUS SIGN}1.00 points)" in words
    assert "the interval is that of one more run" not in words
    assert "The recipe differs from the paper's" in words
    assert "If more seeds confirm the differences that the test images alone do not explain:" in words
    assert "Both errors lower (20 to 56 layers): the added layers help" in words


def test_a_full_schedule_is_compared_with_the_paper(tmp_path: Path) -> None:
    blocks = _blocks(tmp_path, CIFAR, {20: Truth(8.74, 0.6, 0.05), 56: Truth(5.0, 0.1, 0.05)})
    words = words_of(blocks)
    assert re.search(r"ResNet-20, CIFAR-10: 8\.\d\d ± .* \(n = 3\), .*interval .*\) against the paper's 8\.75;", words)
    assert ") against the paper's 6.97;" in words
    assert "the student report's range (8.22 to 8.77, mean 8.39); the last epoch is " in words
    said = "The student report's range is over epochs 90 to 350, and the means here end at epoch 164."
    assert words.count(said) == 1
    assert "The recipe differs from the paper's" in words
    tables = {block.key: block for block in blocks if isinstance(block, Table)}
    assert {"published-cifar10", "errors", "protocol"} <= set(tables)
    assert [row[0] for row in tables["published-cifar10"].rows][:3] == ["This study", "Paper", "Student report"]


def test_a_shortened_schedule_is_not(tmp_path: Path) -> None:
    options = Options(datasets=("cifar10",), depths=(20, 56), epochs=4, seeds=2)
    blocks = _blocks(tmp_path, options, {20: Truth(30.0, 30.0, 0.2), 56: Truth(28.0, 30.0, 0.2)})
    words = words_of(blocks)
    assert "not compared with published figures: the schedule is shortened to 4 epochs (2.44% of the images" in words
    assert "At full length the order may differ." in words
    assert not [block for block in blocks if isinstance(block, Table) and block.key.startswith("published")]
    (final,) = [block for block in blocks if isinstance(block, Figure) and block.key == "final"]
    assert "Paper" not in str(final.panels[0].datasets)


def test_images_that_are_not_the_official_ones_are_not(tmp_path: Path) -> None:
    study = ask(CIFAR)
    for run in study.runs():
        write_run(tmp_path, run, Truth(8.0, 0.6, 0.05), official=False)
    assert "the images are not the official ones of CIFAR-10" in words_of(chapter_of(study, read_tables(tmp_path)))


def test_digits_are_told_without_cifar(tmp_path: Path) -> None:
    blocks = _blocks(tmp_path, DIGITS, {8: Truth(3.0, 1.0, 0.05), 14: Truth(2.0, 0.5, 0.05)})
    words = words_of(blocks)
    assert "there are no published figures for digits" in words
    assert "CIFAR" not in words
    assert "At full length" not in words


def test_the_steps_at_the_drops_are_found(tmp_path: Path) -> None:
    blocks = _blocks(tmp_path, CIFAR, {20: Truth(8.0, 0.6, 0.05), 56: Truth(7.0, 0.1, 0.05)})
    words = words_of(blocks)
    assert "At the first drop of the rate (after epoch 81; [[appendix-steps]]) every test curve falls" in words
    assert "At the second drop of the rate (after epoch 122) every test curve falls" in words


def test_both_data_sets_are_told_apart(tmp_path: Path) -> None:
    options = Options(depths=(20,), seeds=2)
    study = ask(options)
    truths = {"cifar10": Truth(8.0, 0.5, 0.05), "cifar100": Truth(32.0, 12.5, 0.05)}
    for run in study.runs():
        write_run(tmp_path, run, truths[run.recipe.dataset])
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "4.0 times as high" in words
    assert "5,000 training images for each of 10 classes, CIFAR-100 500 training images for each of 100" in words
    assert "so these runs cannot tell which of the two matters; the study `data-size` tries to." in words


def test_an_unfinished_study_names_what_is_missing(tmp_path: Path) -> None:
    study = ask(CIFAR)
    runs = {(run.recipe.depth, run.seed): run for run in study.runs()}
    for place in ((20, 0), (20, 1), (56, 0)):
        write_run(tmp_path, runs[place], Truth(8.0, 0.6, 0.1))
    write_run(tmp_path, runs[20, 2], Truth(8.0, 0.6), stop_after=40)
    write_run(tmp_path, runs[56, 1], Truth(8.0, 0.6), stop_after=4, failure=DIVERGED)

    blocks = chapter_of(study, read_tables(tmp_path))

    words = words_of(blocks)
    assert next(block.text for block in blocks if isinstance(block, Note)).startswith("3 of 6 runs have finished.")
    assert "Interrupted: ResNet-20, CIFAR-10 seed 2 (epoch 40 of 164)." in words
    assert "Not started: ResNet-56, CIFAR-10 seed 2." in words
    assert "Diverged: ResNet-56, CIFAR-10 seed 1 (after 200 iterations)." in words
    assert "ResNet-56, CIFAR-10 diverged in 1 of 3 seeds." in words
    (errors,) = [block for block in blocks if isinstance(block, Table) and block.key == "errors"]
    assert errors.columns[-1].title == "n"
    assert [row[-1] for row in errors.rows] == ["2 of 3", "1 of 3"]


@pytest.mark.parametrize("stop_after", [None, 0, 3])
def test_nothing_finished_says_so_and_is_never_a_zero(tmp_path: Path, stop_after: int | None) -> None:
    study = ask(DIGITS)
    if stop_after is not None:
        write_run(tmp_path, study.runs()[0], Truth(3.0, 1.0), stop_after=stop_after)
    blocks = chapter_of(study, read_tables(tmp_path))
    assert "0 of 4 runs have finished." in words_of(blocks)
    assert ("so there is no answer" in words_of(blocks)) == (stop_after == 3)
    assert not [block for block in blocks if isinstance(block, Table) and block.key == "errors"]


def test_everything_diverged_is_a_result(tmp_path: Path) -> None:
    study = ask(DIGITS)
    for run in study.runs():
        write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "0 of 4 runs have finished." in words
    assert words.count("(after 200 iterations)") == 4
    assert "The others diverged, so nothing is left to train." in words
    assert "Give the same command again to resume" not in words


def _blocks(root: Path, options: Options, truths: dict[int, Truth]) -> list[Block]:
    study = _written(root, options, truths)
    return chapter_of(study, read_tables(root))


def _words(root: Path, options: Options, truths: dict[int, Truth]) -> str:
    return words_of(_blocks(root, options, truths))


def _written(root: Path, options: Options, truths: dict[int, Truth]) -> Study:
    study = ask(options)
    for run in study.runs():
        if run.recipe.warmup == "none":  # the truths are of the depths; the warm-up has a test of its own
            write_run(root, run, truths[run.recipe.depth])
    return study


def test_the_papers_warm_up_is_a_control_of_the_deepest_network_alone(tmp_path: Path) -> None:
    options = Options(datasets=("cifar10",), depths=(20, 110), seeds=3)
    study = ask(options)
    (control,) = [variant for variant in study.variants if dict(variant.factors).get("warmup")]
    assert (control.recipe.depth, control.recipe.warmup, control.recipe.warmup_rate) == (110, "until-error", 0.01)
    assert len(ask(Options(preset="paper", datasets=("cifar10",), depths=(110,))).variants) == 1  # has it already
    for run in study.runs():
        warmed = run.recipe == control.recipe
        truth = Truth(6.5 if warmed else 12.0 if run.recipe.depth == 110 else 8.5, 0.5, 0.05)
        write_run(tmp_path, run, truth)
    blocks = chapter_of(study, read_tables(tmp_path))
    words = words_of(blocks)
    assert "With the paper's warm-up, ResNet-110 has a test error of 6.5" in words
    assert "\N{MINUS SIGN}5.50 points (95% interval" in words
    assert "The warm-up lasted" not in words  # these runs have one rate throughout
    for seed in study.seeds_of(control):
        path = tmp_path / Run(control.recipe, seed).id / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["rate"] = 0.01 if line["epoch"] <= 2 + seed or line["epoch"] > 81 else 0.1
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    again = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "The warm-up lasted 2 to 4 of the 81 epochs before the first drop of the rate." in again
    for seed in study.seeds_of(control):  # one that only the first drop ended, after which the rate is its own again
        path = tmp_path / Run(control.recipe, seed).id / "metrics.jsonl"
        lines = [{**json.loads(line), "rate": 0.01} for line in path.read_text().splitlines()]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    last = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "The warm-up lasted 81 of the 81 epochs before the first drop of the rate." in last
    assert "CIFAR-10: 20 layers beat 110 (" in words  # of the run that was asked about, without warm-up
    assert "These runs have no such warm-up" not in words
    table = next(block for block in blocks if isinstance(block, Table) and block.key == "errors")
    assert [row[0] for row in table.rows] == ["ResNet-20", "ResNet-110", "ResNet-110, warm-up"]
    beside = next(block for block in blocks if isinstance(block, Table) and block.key == "published-cifar10")
    assert [column.title for column in beside.columns[2:]] == ["ResNet-20", "ResNet-110", "ResNet-110, warm-up"]
    assert "ResNet-110, warm-up, CIFAR-10: 6.5" in words  # the paper's own recipe stands beside its figure, too
    protocol = next(block for block in blocks if isinstance(block, Table) and block.key == "protocol")
    assert [row[-1] for row in protocol.rows if row[0] == "Warm-up"] == ["ResNet-110"]


def _by_length(root: Path, errors: dict[int, tuple[float, float]], seeds: int = 2, other: int | None = None) -> str:
    """Return the words on 20 and 56 layers, asked at eight epochs, and run at these lengths with these errors.

    Where there is an `other` number of seeds, trainings of further lengths have so many.
    """
    study = ask(Options(datasets=("cifar10",), depths=(20, 56), epochs=8, seeds=seeds))
    for recipe in (variant.recipe for variant in study.variants):
        for length, (shallow, deep) in errors.items():
            for seed in range(seeds if length == 8 else other or seeds):
                truth = Truth(shallow if recipe.depth == 20 else deep, 5.0)
                write_run(root, Run(stretch(recipe, length), seed), truth)
    return words_of(chapter_of(study, read_tables(root)))


def test_how_depths_stand_at_other_lengths_is_told_from_all_of_the_report(tmp_path: Path) -> None:
    """Whichever study asked for those: the gaps are of the means at each length, 56 layers minus 20."""
    words = _by_length(tmp_path / "two", {8: (14.0, 15.0), 32: (9.0, 8.0), 16: (12.0, 12.0)})
    assert "On CIFAR-10, ResNet-56 minus ResNet-20 is +1.00 points at 8 epochs; 0.00 at 16 epochs; " in words
    assert "; \N{MINUS SIGN}1.00 at 32 epochs.  The deeper network catches up as training gets longer; " in words
    assert "the trend is not tested." in words
    words = _by_length(tmp_path / "one", {8: (14.0, 15.0), 16: (12.0, 12.0)}, other=1)
    assert "the trend is not tested, and some points are single seeds." in words


def test_schedules_of_other_drops_are_no_other_length(tmp_path: Path) -> None:
    study = ask(Options(datasets=("cifar10",), depths=(20, 56), epochs=8, seeds=1))
    for recipe in (variant.recipe for variant in study.variants):
        deep = recipe.depth == 56
        write_run(tmp_path, Run(recipe, 0), Truth(15.0 if deep else 14.0, 5.0))
        write_run(tmp_path, Run(vary(recipe, first_drop=3), 0), Truth(10.0, 5.0))
        write_run(tmp_path, Run(stretch(recipe, 16), 0), Truth(12.0, 5.0))
        write_run(tmp_path, Run(vary(stretch(recipe, 16), first_drop=5), 0), Truth(9.0, 5.0))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "minus ResNet-20 is +1.00 points at 8 epochs; 0.00 at 16 epochs.  " in words


def test_gaps_that_do_not_close_are_told_and_nothing_made_of_them(tmp_path: Path) -> None:
    words = _by_length(tmp_path / "apart", {8: (14.0, 15.0), 16: (12.0, 12.0), 32: (9.0, 9.5)})
    assert "+1.00 points at 8 epochs; 0.00 at 16 epochs; +0.50 at 32 epochs." in words
    assert "catches up" not in words
    assert "catches up" not in _by_length(tmp_path / "alike", {8: (14.0, 15.0), 16: (12.0, 13.0)})
    assert "catches up" not in _by_length(tmp_path / "ahead", {8: (14.0, 13.0), 16: (12.0, 10.0)})
    assert "minus ResNet-20" not in _by_length(tmp_path / "short", {8: (14.0, 15.0)})
