"""The schedule, counted in iterations: the recipes that are published, and where an epoch ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab.errors import ResLabError
from reslab.presets import preset_recipe
from reslab.recipe import CHOICES, Recipe, stretch, vary
from reslab.training.schedule import Schedule, make_schedule, parse_epochs

PER_EPOCH = 391
"""Iterations in an epoch of CIFAR: 50,000 images in batches of 128, the last one smaller."""


def cold(schedule: Schedule, iteration: int) -> float:
    return schedule.rate(iteration, warming=False)


def test_the_paper_divides_by_ten_at_32k_and_48k_and_stops_at_64k() -> None:
    schedule = make_schedule(preset_recipe("paper"), PER_EPOCH)
    assert schedule.num_iterations == 64_000
    rates = [cold(schedule, iteration) for iteration in range(64_000)]
    assert rates == [0.1] * 32_000 + [0.01] * 16_000 + [0.001] * 16_000


def test_a_shape_that_no_code_follows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHOICES, "schedule", (*CHOICES["schedule"], "novel"))
    with pytest.raises(ResLabError, match="knows of schedule novel, but not what to do with it"):
        make_schedule(Recipe(schedule="novel"), PER_EPOCH).rate(0, warming=False)


def test_the_assignment_drops_after_81_and_122_of_164_epochs() -> None:
    schedule = make_schedule(preset_recipe("assignment"), PER_EPOCH)
    assert schedule.num_iterations == 164 * 391 == 64_124
    rates = [cold(schedule, iteration) for iteration in range(64_124)]
    assert rates == [0.1] * (81 * 391) + [0.01] * (41 * 391) + [0.001] * (42 * 391)


def test_fb_resnet_torch_drops_an_epoch_earlier_than_the_assignment() -> None:
    ours = make_schedule(preset_recipe("fb-resnet-torch"), PER_EPOCH)
    theirs = make_schedule(preset_recipe("assignment"), PER_EPOCH)
    assert ours.num_iterations == theirs.num_iterations
    differing = [i for i in range(ours.num_iterations) if cold(ours, i) != cold(theirs, i)]
    assert differing == [*range(80 * 391, 81 * 391), *range(121 * 391, 122 * 391)]
    assert cold(ours, 80 * 391 - 1) == 0.1
    assert cold(ours, 80 * 391) == 0.01


@pytest.mark.parametrize(
    ("preset", "first", "second", "length"), [("akamaster", 100, 150, 200), ("tf-models", 91, 136, 182)]
)
def test_other_presets_drop_at_whole_epochs(preset: str, first: int, second: int, length: int) -> None:
    schedule = make_schedule(preset_recipe(preset), PER_EPOCH)
    assert schedule.drops == (first * 391, second * 391)
    assert (schedule.num_iterations, schedule.num_epochs) == (length * 391, length)


def test_epochs_of_a_training_limited_by_iterations() -> None:
    schedule = make_schedule(preset_recipe("paper"), PER_EPOCH)
    assert 163 * 391 == 63_733
    assert schedule.num_epochs == 164
    assert schedule.epoch_end(0) == 391
    assert schedule.epoch_end(162) == 63_733
    assert schedule.epoch_end(163) == 64_000  # 267 of 391 iterations
    counts = [schedule.epochs_done(iteration) for iteration in range(64_001)]
    assert counts[:-1] == [iteration // 391 for iteration in range(64_000)]
    assert counts[63_999] == 163
    assert counts[64_000] == 164


def test_epochs_of_a_training_of_whole_epochs() -> None:
    schedule = make_schedule(preset_recipe("assignment"), PER_EPOCH)
    assert schedule.num_epochs == 164
    assert schedule.epoch_end(163) == schedule.num_iterations
    assert schedule.epochs_done(schedule.num_iterations) == 164
    assert schedule.epochs_done(schedule.num_iterations - 1) == 163
    assert schedule.epochs_done(0) == 0


def test_half_an_epoch_is_half_its_iterations() -> None:
    schedule = make_schedule(stretch(preset_recipe("assignment"), 2.5), 40)
    assert schedule.num_iterations == 100
    assert schedule.num_epochs == 3
    assert [schedule.epoch_end(epoch) for epoch in range(3)] == [40, 80, 100]
    assert [schedule.epochs_done(i) for i in (39, 40, 80, 99, 100)] == [0, 1, 2, 2, 3]


def test_a_training_shorter_than_an_iteration_has_one() -> None:
    recipe = Recipe(length=0.001, first_drop=0.001, second_drop=0.001)
    assert make_schedule(recipe, 10).num_iterations == 1
    assert make_schedule(recipe, 10).num_epochs == 1


def test_a_drop_factor_other_than_a_tenth() -> None:
    schedule = make_schedule(Recipe(learning_rate=0.4, drop_factor=0.5), 10)
    assert [cold(schedule, iteration) for iteration in (809, 810, 1219, 1220)] == [0.4, 0.2, 0.2, 0.1]


def test_the_rate_keeps_its_decimals() -> None:
    for base in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        schedule = make_schedule(Recipe(learning_rate=base), 1)
        assert [cold(schedule, i) for i in (0, 81, 122)] == [base, base / 10, base / 100]


def test_a_warm_up_until_an_error_ends_where_the_error_is_below_it() -> None:
    schedule = make_schedule(preset_recipe("paper", depth=110), PER_EPOCH)
    assert schedule.rate(0, warming=True) == 0.01
    assert schedule.still_warming(391, warming=True, train_error=80.0)  # not below
    assert not schedule.still_warming(391, warming=True, train_error=79.99)
    assert schedule.still_warming(200, warming=True)  # within an epoch nothing is known yet
    assert not schedule.still_warming(782, warming=False, train_error=95.0)  # once over, it does not come back


def test_no_warm_up_outlasts_the_first_drop() -> None:
    paper = make_schedule(preset_recipe("paper", depth=110), PER_EPOCH)
    assert paper.still_warming(31_999, warming=True)
    assert not paper.still_warming(32_000, warming=True)
    assert not paper.still_warming(32_000, warming=True, train_error=90.0)
    endless = vary(Recipe(depth=110), warmup="fixed", warmup_length=500.0)
    fixed = make_schedule(endless, PER_EPOCH)
    assert fixed.still_warming(81 * 391 - 1, warming=True)
    assert not fixed.still_warming(81 * 391, warming=True)


def test_akamaster_warms_up_for_the_first_epoch() -> None:
    schedule = make_schedule(preset_recipe("akamaster", depth=110), PER_EPOCH)
    assert [schedule.still_warming(i, warming=True) for i in (1, 390, 391)] == [True, True, False]
    assert [schedule.rate(i, warming=i < 391) for i in (0, 390, 391)] == [0.01, 0.01, 0.1]
    assert not schedule.still_warming(391, warming=True, train_error=99.0)  # the error has no say


@given(per_epoch=st.integers(1, 50), length=st.floats(0.02, 40), unit=st.sampled_from(["epochs", "iterations"]))
def test_epochs_tile_the_iterations(per_epoch: int, length: float, unit: str) -> None:
    recipe = Recipe(schedule_unit=unit, length=length, first_drop=length / 3, second_drop=length / 2)
    schedule = make_schedule(recipe, per_epoch)
    ends = [schedule.epoch_end(epoch) for epoch in range(schedule.num_epochs)]
    assert ends[-1] == schedule.num_iterations
    assert all(0 < b - a <= per_epoch for a, b in zip([0, *ends[:-1]], ends, strict=True))
    for iteration in range(schedule.num_iterations + 1):
        assert schedule.epochs_done(iteration) == sum(end <= iteration for end in ends)
    exact = length * (per_epoch if unit == "epochs" else 1)
    assert math.isclose(schedule.num_iterations, max(1, exact), abs_tol=0.5)
    assert schedule.drops[0] <= schedule.drops[1] <= schedule.num_iterations


def test_a_linear_schedule_rises_from_zero_and_falls_to_it() -> None:
    recipe = Recipe(schedule="linear", warmup="linear", warmup_length=2, length=10, learning_rate=0.4)
    schedule = make_schedule(recipe, 5)
    rates = []
    warming = True
    for iteration in range(50):
        warming = schedule.still_warming(iteration, warming=warming)
        rates.append(schedule.rate(iteration, warming=warming))
    assert rates[:10] == pytest.approx([0.04 * place for place in range(1, 11)])
    assert rates[10:] == pytest.approx([0.4 * left / 40 for left in range(40, 0, -1)])


def test_a_linear_schedule_without_warm_up_starts_at_its_base_rate() -> None:
    schedule = make_schedule(Recipe(schedule="linear", length=4, learning_rate=0.2), 1)
    assert [cold(schedule, iteration) for iteration in range(4)] == pytest.approx([0.2, 0.15, 0.1, 0.05])


def test_linear_and_stepped_go_with_either_warm_up() -> None:
    stepped = make_schedule(Recipe(warmup="linear", warmup_length=2), 1)
    assert [stepped.rate(place, warming=place < 2) for place in (0, 1, 2)] == pytest.approx([0.05, 0.1, 0.1])
    fixed = make_schedule(Recipe(schedule="linear", length=10, warmup="fixed", warmup_length=2), 1)
    assert [fixed.rate(place, warming=place < 2) for place in (0, 1, 2, 9)] == pytest.approx([0.01, 0.01, 0.1, 0.0125])


@pytest.mark.parametrize(
    ("recipe", "milestones"),
    [
        (preset_recipe("paper"), (1, 81, 122)),  # after 31,671 of 32,000 iterations, and 47,702 of 48,000
        (preset_recipe("assignment"), (1, 81, 122)),
        (preset_recipe("akamaster"), (1, 100, 150)),
        (stretch(preset_recipe("assignment"), 10), (1, 5, 7)),
        (stretch(preset_recipe("assignment"), 3), (1, 2)),
        (stretch(preset_recipe("assignment"), 2), (1,)),
        (stretch(preset_recipe("assignment"), 1), ()),
        (stretch(preset_recipe("assignment"), 0.5), ()),
        (Recipe(first_drop=164.0, second_drop=164.0), (1,)),  # no drop lies inside the training
        (Recipe(length=10.0, first_drop=4.94, second_drop=7.44), (1, 4, 7)),
        (Recipe(drop_factor=1.0), (1,)),  # nor is one by nothing a drop
        (Recipe(schedule="linear", length=10), (1, 5)),
        (Recipe(schedule="linear", length=3), (1,)),
        (Recipe(schedule="linear", length=2), (1,)),
        (Recipe(schedule="linear", length=1), ()),
    ],
)
def test_milestones_are_the_first_epoch_and_those_before_the_rate_drops(
    recipe: Recipe, milestones: tuple[int, ...]
) -> None:
    assert make_schedule(recipe, PER_EPOCH).milestones() == milestones


@given(per_epoch=st.integers(1, 50), length=st.floats(0.02, 40), share=st.floats(0.01, 1))
def test_milestones_are_ended_before_the_rate_drops_and_never_the_last(
    per_epoch: int, length: float, share: float
) -> None:
    schedule = make_schedule(Recipe(length=length, first_drop=share * length, second_drop=length), per_epoch)
    milestones = schedule.milestones()
    assert list(milestones) == sorted(set(milestones))
    assert all(1 <= epoch < schedule.num_epochs for epoch in milestones)
    assert all(schedule.epoch_end(epoch - 1) <= schedule.drops[0] for epoch in milestones if epoch > 1)
    assert bool(milestones) == (schedule.num_epochs > 1)


def test_epochs_that_a_training_does_not_go_on_from_are_left_out() -> None:
    schedule = make_schedule(stretch(preset_recipe("assignment"), 4), PER_EPOCH)
    assert schedule.inner((1, 3, 4, 82)) == (1, 3)


@pytest.mark.parametrize(
    ("text", "epochs"), [("1,41,82", (1, 41, 82)), (" 7 ", (7,)), ("5,2, 5", (2, 5)), ("none", ())]
)
def test_epochs_are_read_from_a_list(text: str, epochs: tuple[int, ...]) -> None:
    assert parse_epochs(text) == epochs


@pytest.mark.parametrize("text", ["", "0", "-1", "1,,2", "1.5", "all", "1,none", "²", "9" * 5000])
def test_what_is_no_list_of_epochs_is_refused(text: str) -> None:
    with pytest.raises(ResLabError, match=r"epochs to keep must be whole numbers from 1, separated by commas, .* none"):
        parse_epochs(text)
