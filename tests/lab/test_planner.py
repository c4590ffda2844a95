"""Plans: what is left to do, in which order, and how long it takes, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_runs import make as make_files
from lab_runs import small

from reslab.data.given_images import from_given
from reslab.data.own_images import keep
from reslab.datasets import ARRAYS, SHORT
from reslab.lab import planner
from reslab.lab.folder.store import RunFiles
from reslab.lab.planner import (
    Planned,
    estimate_seconds,
    in_order,
    known_speeds,
    num_epochs,
    plan,
    seconds_by_run,
    work_per_image,
)
from reslab.models.complexity import multiply_adds, parameters
from reslab.models.networks import skeleton
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, Run, Scalar, stretch, vary

HERE = ("cpu", "a processor")


def make(root: Path, recipe: Recipe, device: str = HERE[0], name: str = HERE[1]) -> RunFiles:
    files = make_files(root, recipe)
    files.write("provenance.json", {"format": 1, "attempts": [{"device": device, "device_name": name}]})
    return files


def cifar(depth: int = 20, seed: int = 0, epochs: float = 10, **changes: Scalar) -> Run:
    return Run(vary(stretch(preset_recipe("assignment", depth=depth), epochs), **changes), seed)


def row(epoch: int, images_per_second: float = 100.0) -> dict[str, Any]:
    return {"epoch": epoch, "iteration": 391 * epoch, "images_per_second": images_per_second}


def planned(run: Run, work_left: float, status: Any = "pending") -> Planned:
    return Planned(run, status, 0, work_left, work_left, 0)


def test_one_seed_of_everything_comes_before_the_second_of_anything_and_the_longest_first(tmp_path: Path) -> None:
    runs = [cifar(depth, seed) for seed in (2, 0, 1) for depth in (20, 110, 56)]
    ordered = in_order(plan(tmp_path, runs))
    assert [(run.seed, run.recipe.depth) for run in ordered] == [
        (seed, depth) for seed in (0, 1, 2) for depth in (110, 56, 20)
    ]


def test_runs_of_equal_length_stay_in_the_order_asked(tmp_path: Path) -> None:
    runs = [cifar(learning_rate=rate) for rate in (0.5, 0.01, 0.2)]
    assert in_order(plan(tmp_path, runs)) == runs


def test_work_is_counted_in_images_of_one_layer(tmp_path: Path) -> None:
    (item,) = plan(tmp_path, [cifar(depth=20, epochs=10)])
    assert item.work == pytest.approx(10 * (50_000 + 10_000 / 3) * 19)
    assert item.work_left == item.work
    assert (item.status, item.epochs_done) == ("pending", 0)
    assert item.disk_bytes > 5 * 4 * 272_474  # weights, two checkpoints of weights and momentum
    assert not any(tmp_path.iterdir())  # planning makes nothing


def test_kept_weights_are_counted_in_the_disk_space(tmp_path: Path) -> None:
    runs = [cifar(depth=20, epochs=164)]
    sizes = [plan(tmp_path, runs, keep_epochs=kept)[0].disk_bytes for kept in ((), (7,), (1, 81, 122, 164), None)]
    each = sizes[1] - sizes[0]
    assert each == pytest.approx(4 * 272_474, rel=0.12)
    assert [size - sizes[0] for size in sizes] == [0, each, 3 * each, 3 * each]  # the last is no epoch before the last


def test_a_hold_out_and_a_share_change_the_work(tmp_path: Path) -> None:
    (item,) = plan(tmp_path, [cifar(depth=20, epochs=4, holdout=5000, train_share=0.5)])
    assert item.work == pytest.approx(4 * (22_500 + 15_000 / 3) * 19)


def test_iterations_are_turned_into_epochs(tmp_path: Path) -> None:
    run = Run(preset_recipe("paper"))
    (item,) = plan(tmp_path, [run])
    assert num_epochs(run.recipe, 391) == 64_000 / 391
    assert item.work == pytest.approx(64_000 / 391 * (50_000 + 10_000 / 3) * 19)


def test_epochs_are_counted_as_the_split_counts_images(tmp_path: Path) -> None:
    """Half of the 1,442 digits less one are 720.5 images, rounded up as in `reslab.data.split`: 721 batches of 1."""
    recipe = vary(small(2), train_share=0.5, holdout=1, batch_size=1, schedule_unit="iterations", length=721)
    (item,) = plan(tmp_path, [Run(recipe)])
    assert item.work == pytest.approx(1 * (721 + 356 / 3) * 7)


def test_a_finished_or_diverged_run_costs_nothing(tmp_path: Path) -> None:
    finished, diverged, waiting = cifar(20), cifar(32), cifar(44)
    result = {"status": "finished", "epochs": 0, "iterations": 0, "weights_sha256": "0" * 64}
    make(tmp_path, finished.recipe).write("result.json", result)
    make(tmp_path, diverged.recipe).write("failure.json", {"kind": "diverged"})
    items = plan(tmp_path, [finished, diverged, waiting])
    assert [item.status for item in items] == ["finished", "diverged", "pending"]
    assert [item.work_left for item in items[:2]] == [0, 0]
    assert [item.disk_bytes for item in items[:2]] == [0, 0]
    assert in_order(items) == [waiting]
    assert estimate_seconds(items, {"fp32": items[2].work / 8}, jobs=1) == pytest.approx(8)


def test_an_interrupted_or_failed_run_costs_what_is_left_of_it(tmp_path: Path) -> None:
    interrupted, failed = cifar(20, epochs=10), cifar(32, epochs=10)
    files = make(tmp_path, interrupted.recipe)
    for epoch in (1, 2, 3):
        files.append_metrics(row(epoch))
    files = make(tmp_path, failed.recipe)
    files.append_metrics(row(1))
    files.write("failure.json", {"kind": "error"})
    one, other = plan(tmp_path, [interrupted, failed])
    assert (one.status, one.epochs_done) == ("interrupted", 3)
    assert one.work_left == pytest.approx(0.7 * one.work)
    assert (other.status, other.epochs_done) == ("failed", 1)
    assert other.work_left == pytest.approx(0.9 * other.work)
    assert in_order([one, other]) == [failed, interrupted]


def test_estimates_with_one_and_two_jobs_by_hand() -> None:
    a, b, c = cifar(110), cifar(56), cifar(20)
    items = [planned(c, 20.0), planned(a, 100.0), planned(b, 60.0)]
    speeds = {"fp32": 2.0}
    assert estimate_seconds(items, speeds, jobs=1) == 90  # (100 + 60 + 20) / 2
    assert estimate_seconds(items, speeds, jobs=2) == 50  # 100 | 60 + 20
    assert estimate_seconds(items, speeds, jobs=8) == 50
    items.append(planned(cifar(20, seed=1), 90.0))
    assert estimate_seconds(items, speeds, jobs=2) == 85  # seed 1 last, on the job that is free first: 60 + 20 + 90
    assert estimate_seconds([], speeds, jobs=2) == 0


def test_what_each_run_adds_makes_up_the_whole_by_hand() -> None:
    a, b, c = cifar(110), cifar(56), cifar(20)
    items = [planned(c, 20.0), planned(a, 100.0), planned(b, 30.0)]
    speeds = {"fp32": 1.0}
    found = seconds_by_run(items, speeds, jobs=2)  # a from 0 to 100; b to 30, c to 50, both beside it
    assert found == {a: 15 + 10 + 50, b: 15, c: 10}
    assert estimate_seconds(items, speeds, jobs=2) == 100


def test_each_precision_has_its_speed() -> None:
    items = [planned(cifar(20), 30.0), planned(cifar(20, precision="bf16"), 30.0)]
    assert estimate_seconds(items, {"fp32": 1.0, "bf16": 3.0}, jobs=1) == 40


def test_speeds_are_medians_of_what_was_measured(tmp_path: Path) -> None:
    assert known_speeds(tmp_path, HERE) == {}
    for depth, speeds in ((20, [1.0, 700.0, 800.0]), (56, [200.0]), (110, [90.0, 100.0, 9.0])):
        files = make(tmp_path, cifar(depth).recipe)
        for epoch, speed in enumerate(speeds, start=1):
            files.append_metrics(row(epoch, speed))
    files = make(tmp_path, cifar(20, precision="bf16").recipe)
    files.append_metrics(row(1, 1000.0))
    make(tmp_path, cifar(44).recipe)  # nothing measured yet
    assert known_speeds(tmp_path, HERE) == {"fp32": sorted([700 * 19, 200 * 55, 90 * 109])[1], "bf16": 1000 * 19}
    make(tmp_path, cifar(32).recipe).append_metrics(row(1, 1000.0))
    assert known_speeds(tmp_path, HERE)["fp32"] == (700 * 19 + 200 * 55) / 2


def test_the_speed_of_another_machine_is_not_that_of_this_one(tmp_path: Path) -> None:
    """A folder of runs moves from a card to a processor and back; and a time may be missing."""
    for depth, device, name, speed in ((20, "cuda", "a card", 9e4), (56, "cpu", "another processor", 70.0)):
        files = make(tmp_path, cifar(depth).recipe, device, name)
        files.append_metrics(row(1, speed))
    files = make(tmp_path, cifar(110).recipe)
    files.append_metrics({**row(1, 1.0), "images_per_second": None})
    assert known_speeds(tmp_path, HERE) == {}
    assert known_speeds(tmp_path, ("cuda", "a card")) == {"fp32": 9e4 * 19}


def test_the_speed_is_that_of_the_machine_that_trained_it_last(tmp_path: Path) -> None:
    files = make_files(tmp_path, cifar(20).recipe)
    attempts = [{"device": device, "device_name": name} for device, name in (("cuda", "a card"), HERE)]
    files.write("provenance.json", {"format": 1, "attempts": attempts})
    files.append_metrics(row(1, 10.0))
    assert known_speeds(tmp_path, HERE) == {"fp32": 190.0}
    assert known_speeds(tmp_path, ("cuda", "a card")) == {}


def test_a_damaged_run_does_not_keep_others_from_being_planned(tmp_path: Path) -> None:
    make(tmp_path, cifar(20).recipe).append_metrics(row(1, 10.0))
    (make(tmp_path, cifar(56).recipe).path / "run.json").write_text("{")
    assert known_speeds(tmp_path, HERE) == {"fp32": 190.0}


def test_work_is_that_of_the_inner_layers() -> None:
    assert [work_per_image(cifar(depth).recipe) for depth in (20, 110)] == [19, 109]


@pytest.mark.parametrize(
    ("family", "depth", "width"), [("preact", 56, 1), ("preact-bottleneck", 164, 1), ("wide", 16, 4), ("wide", 28, 10)]
)
def test_work_and_size_of_later_families_are_about_those_of_the_network(family: str, depth: int, width: int) -> None:
    recipe = Recipe(family=family, depth=depth, width=width, shortcut="B")
    network = skeleton(family, depth, "B", 10, width=width)
    layer = 16 * 16 * 9 * 32 * 32
    assert work_per_image(recipe) * layer == pytest.approx(multiply_adds(network), rel=0.05)
    assert planner._num_parameters(recipe) == pytest.approx(parameters(network), rel=0.03)


def test_work_is_that_of_the_users_own_images(tmp_path: Path) -> None:
    pixels, labels = np.zeros((20, 64, 32, 3), np.uint8), np.arange(20) % 2
    pixels[:, 0, 0, 0] = np.arange(20)
    dataset = from_given((pixels, labels, pixels, labels))
    keep(dataset, tmp_path / "data")
    run = cifar(20, dataset=ARRAYS, images=dataset.fingerprint[:SHORT])
    (item,) = plan(tmp_path, [run], tmp_path / "data")
    assert item.work == pytest.approx(10 * (20 + 20 / 3) * 19 * 2)
    assert work_per_image(run.recipe, (64, 48)) == 3 * 19
    make(tmp_path, run.recipe).append_metrics(row(1, 10.0))
    assert known_speeds(tmp_path, HERE, tmp_path / "data") == {"fp32": 10.0 * 19 * 2}
    assert known_speeds(tmp_path, HERE, tmp_path / "elsewhere") == {}
