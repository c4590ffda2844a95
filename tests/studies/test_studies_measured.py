"""What a chapter says of what was measured on its networks: responses, gradients, curvature, the loss surface."""

import json
from pathlib import Path
from typing import Any

import pytest
from chapter_words import chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Command, Figure
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, layers, write_diagnostics, write_run


def test_what_was_measured_is_shown_and_said(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=1))
    for run in study.runs():
        folder = write_run(tmp_path, run, Truth(8.5, 0.5))
        steps = [-0.5, 0.0, 0.5]
        loss = [[4.0, 3.0, 4.0], [3.0, 1.0, 3.0], [4.0, 3.0, 4.0]]
        vanishing = run.recipe.family == "plain" and run.recipe.depth == 56
        norms = [1e-4] * 10 + [1.0] * 10 if vanishing else [0.5] * 20
        write_diagnostics(
            folder,
            responses={"final": layers("standard_deviation", [2.0] * 19)},
            gradients={moment: layers("gradient_norm", norms) for moment in ("initial", "final")},
            surface={"final": {"steps": steps, "loss": loss, "error": loss}},
        )
    blocks = chapter_of(study, read_tables(tmp_path))
    figures = {block.key for block in blocks if isinstance(block, Figure)}
    assert {"responses", "gradients", "surface"} <= figures
    words = words_of(blocks)
    assert "Below 0.01, and so vanished: plain-56 (before training and at the end)." in words
    assert "Between the start and the end of training it was not measured." in words
    assert "the mean over all layers but the last ([[responses]]) is 2.00 in plain-20" in words
    assert "by 2.0 nats for plain-20, 2.0 nats for plain-56" in words
    assert "Nothing was measured on these networks" not in words


@pytest.mark.parametrize(
    ("deep", "said"),
    [
        (1.0, "show the same: the deeper a residual network is, the less"),
        (2.0, "These runs show no steady fall with depth."),
    ],
)
def test_what_the_responses_say_of_depth_is_said(tmp_path: Path, deep: float, said: str) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=1))
    for run in study.runs():
        value = deep if run.recipe.depth == 56 else 2.0
        write_diagnostics(
            write_run(tmp_path, run, Truth(8.5, 0.5)),
            responses={"final": layers("standard_deviation", [value] * 19)},
        )
    assert said in words_of(chapter_of(study, read_tables(tmp_path)))


@pytest.mark.parametrize(("low", "all_networks"), [(1e-4, True), (0.2, True), (0.2, False), (1e-4, False)])
def test_gradients_during_training_are_said(tmp_path: Path, low: float, all_networks: bool) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=1))
    for run in study.runs():
        plain = run.recipe.family == "plain" and run.recipe.depth == 56

        def norms(first: float) -> dict[str, Any]:
            return layers("gradient_norm", [first] * 10 + [1.0] * 10)

        during = {1: {"gradients": {"final": norms(0.5)}}, 81: {"gradients": {"final": norms(low if plain else 0.4)}}}
        write_diagnostics(
            write_run(tmp_path, run, Truth(8.5, 0.5)),
            during if all_networks or plain else None,
            gradients={moment: norms(0.5) for moment in ("initial", "final")},
        )
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "Before training the gradient of the first quarter" in words
    assert "is 0.50 for plain-20, 0.50 for plain-56" in words
    assert f"After epochs 1 and 81 it is from {low:#.2g} (plain-56, after epoch 81) to 0.50 (" in words
    assert "At the end it is from 0.50 (" in words
    vanished = "Below 0.01, and so vanished: plain-56 (after epoch 81)." in words
    assert vanished == (low < 0.01)
    assert ("None is below 0.01" in words) != vanished
    assert ("measured before training, after epochs 1 and 81, and at the end." in words) != vanished
    unseen = "During training it was not measured on plain-20, ResNet-20 and ResNet-56" in words
    assert unseen != all_networks
    assert ("Whatever the trouble, it has another cause" in words) == (all_networks and not vanished)


def test_gradients_before_and_after_training_say_nothing_of_between(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    for run in study.runs():
        both = {moment: layers("gradient_norm", [0.5] * 20) for moment in ("initial", "final")}
        write_diagnostics(write_run(tmp_path, run, Truth(8.5, 0.5)), gradients=both)
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert (
        "in any of these networks before training and at the end; this says nothing about the time in between" in words
    )
    assert "Whatever trouble" not in words


def test_responses_of_an_epoch_alone_are_not_referred_to(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    for run in study.runs():
        during = {1: {"responses": {"final": layers("standard_deviation", [2.0] * 19)}}}
        write_diagnostics(write_run(tmp_path, run, Truth(8.5, 0.5)), during)
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "[[responses]]" not in words
    assert "Nothing was measured on these networks." in words


def test_what_was_not_measured_names_the_command(tmp_path: Path) -> None:
    study = ask("batch-size", Options(datasets=("digits",), depths=(8,), epochs=6, seeds=1))
    blocks = planted(tmp_path, study, lambda recipe: Truth(3.0, 1.0))
    (command,) = [block for block in blocks if isinstance(block, Command)]
    assert command.text.startswith("reslab diagnose digits-resnet8-")
    assert command.text.endswith("/seed0 --which noise-scale")


@pytest.mark.parametrize("datasets", [("cifar10",), ("cifar10", "cifar100")])
def test_what_was_measured_names_the_data_set_only_among_several(tmp_path: Path, datasets: tuple[str, ...]) -> None:
    study = ask("learning-rate", Options(datasets=datasets, depths=(20,), seeds=1))
    for run in study.runs():
        rate = run.recipe.learning_rate
        figures = {"largest": 1 / rate if rate < 1 else 3.0, "stability_limit": 1000.0, "rate": 0.001}
        write_diagnostics(write_run(tmp_path, run, Truth(8.5, 0.5)), curvature={"final": figures})
    blocks = chapter_of(study, read_tables(tmp_path))
    words = words_of(blocks)
    several = len(datasets) > 1
    falls = f"falls from 100 at rate 0.01 to 2, its lowest, at rate 0.5{' on CIFAR-10' if several else ''}"
    assert f"The largest eigenvalue of the Hessian {falls}" in words
    again = "; it falls from 100 at rate 0.01 to 2, its lowest, at rate 0.5 on CIFAR-100 ([[appendix-curvature]])"
    assert (again in words) == several
    assert (
        words.count(
            "([[appendix-curvature]]): up to there, higher rates end where the loss is flatter, though low ones "
        )
        == 1
    )
    assert "the stability limit" not in words


def test_eigenvalues_above_the_limit_or_out_of_order_support_no_such_words(tmp_path: Path) -> None:
    study = ask("learning-rate", Options(datasets=("cifar10",), depths=(20,), seeds=3))
    for run in study.runs():
        figures = {"largest": 2000.0 if run.recipe.learning_rate == 1 else 5.0, "stability_limit": 1000.0, "rate": 0.1}
        write_diagnostics(write_run(tmp_path, run, Truth(8.5, 0.5)), curvature={"final": figures})
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "from 0.005 (rate 0.01) to 2 (rate 1) times the stability limit" in words
    assert "higher rates end where the loss is less curved" not in words
    assert "too high for the curvature" not in words


def test_eigenvalues_below_the_limit_in_no_order_of_the_rates_hold_no_rate_too_high(tmp_path: Path) -> None:
    study = ask("learning-rate", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    for run in study.runs():
        figures = {"largest": 100 * run.recipe.learning_rate, "stability_limit": 1000.0, "rate": 0.1}
        write_diagnostics(write_run(tmp_path, run, Truth(8.5, 0.5)), curvature={"final": figures})
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "The largest eigenvalue is from 0.001 (rate 0.01) to 0.1 (rate 1) times the stability limit" in words
    assert "So at the end no rate is too high for the curvature." in words


@pytest.mark.parametrize(("times", "told"), [(1.0, False), (0.9, False), (0.5, True), (2.0, True)])
def test_effective_rates_are_shown_where_they_differ_otherwise_than_the_rates(
    tmp_path: Path, times: float, told: bool
) -> None:
    """Rates of 0.01 and 1 differ by a factor of 100; of the effective ones a larger norm takes some of that back."""
    study = ask("learning-rate", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    for run in study.runs():
        norm = 10 * (times**-0.5 if run.recipe.learning_rate == 1 else 1)  # the effective rate goes with its square
        path = write_run(tmp_path, run, Truth(8.5, 0.5)) / "metrics.jsonl"
        rows = [json.loads(line) | {"weight_norm": norm} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    blocks = chapter_of(study, read_tables(tmp_path))
    assert ("effective-rate" in [block.key for block in blocks if isinstance(block, Figure)]) == told
    words = words_of(blocks)
    factor = f"by a factor of 100 and the effective rates by a factor of {100 * times:.2g} ([[effective-rate]])."
    assert (f"In the last epoch the rates differ {factor}" in words) == told
    assert ("So larger rates have made the weights grow" in words) == (told and times < 1)
