"""The loop: what it records, and that a training stopped anywhere goes on as if it had not been."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training_fakes import (
    BATCH,
    CPU,
    NUM_IMAGES,
    PER_EPOCH,
    Images,
    Skipping,
    begin,
    bits,
    events,
    measuring_batches,
    recipe,
    reloaded,
    ticking,
)

from reslab.recipe import Recipe, random_stream
from reslab.training.checkpoint import load_checkpoint, restore, save_checkpoint
from reslab.training.evaluation import evaluate
from reslab.training.loop import (
    Batches,
    Diverged,
    EpochRecord,
    Event,
    State,
    Tick,
    make_step,
    start,
    train,
    weight_norm,
)
from reslab.training.schedule import make_schedule

pytestmark = pytest.mark.usefixtures("torch_settings")

ENDS = [4, 8, 11]


def timeless(found: list[Event]) -> list[EpochRecord]:
    """Return the records without what a clock had a say in."""
    return [replace(event, seconds=0.0, images_per_second=0.0) for event in found if isinstance(event, EpochRecord)]


def advance(state: State, of: Recipe, images: Images, iteration: int) -> list[Event]:
    """Train until so many iterations are completed."""
    found: list[Event] = []
    for event in events(state, of, images):
        found.append(event)
        if state.iteration == iteration:
            return found
    raise AssertionError(f"iteration {iteration} never came")


def undisturbed(of: Recipe) -> tuple[State, list[Event]]:
    state, images = begin(of, Images()), Images()
    return state, list(events(state, of, images))


def test_events_come_in_order() -> None:
    state, found = undisturbed(recipe())
    kinds = [type(event) for event in found]
    a_pass = [Tick, Tick, Tick, EpochRecord]
    assert kinds == [*a_pass, *a_pass, Tick, Tick, EpochRecord]
    assert [event.iteration for event in found] == list(range(1, 12))
    assert [event.epoch for event in found if isinstance(event, EpochRecord)] == [1, 2, 3]
    assert state.iteration == 11


def test_an_epochs_record_is_what_its_steps_gave() -> None:
    of = recipe(holdout=5)
    images, state = Images(), begin(recipe(), Images())
    evaluations = {"test": measuring_batches(), "holdout": measuring_batches(seed=8)}
    records = [event for event in events(state, of, images, evaluations) if isinstance(event, EpochRecord)]
    schedule = make_schedule(of, PER_EPOCH)
    for record, end, count in zip(records, ENDS, [NUM_IMAGES, NUM_IMAGES, 3 * BATCH], strict=True):
        assert record.iteration == end
        assert record.rate == schedule.rate(end - 1, warming=False)
        wrong = record.train_error * count / 100
        assert wrong == pytest.approx(round(wrong), abs=1e-9)  # of the images that were trained on, so many
        assert list(record.measured) == ["test_loss", "test_error", "holdout_loss", "holdout_error"]
    assert [record.rate for record in records] == [0.05, 0.005, 0.0005]
    for name, batches in evaluations.items():
        last = evaluate(state.module, batches, precision="fp32")
        assert records[-1].measured[f"{name}_loss"] == last.loss
        assert records[-1].measured[f"{name}_error"] == last.error
    assert records[-1].measured["test_loss"] != records[-1].measured["holdout_loss"]
    losses = [record.train_loss for record in records if record.train_loss is not None]
    assert len(losses) == 3
    assert losses[0] > losses[1] > losses[2]


def test_a_warm_up_may_end_within_an_epoch() -> None:
    of, images = recipe(warmup="fixed", warmup_rate=0.01, warmup_length=2), Images()
    state = begin(of, images)
    assert [state.rate for _ in events(state, of, images)][:4] == [0.01, 0.01, 0.05, 0.05]


def test_a_row_is_flat_and_in_order() -> None:
    record = EpochRecord(2, 8, 0.1, 0.5, 25.0, {"test_loss": 0.6, "test_error": 30.0}, 9.5, 3.0, 700.0)
    assert list(record.row().items()) == [
        ("epoch", 2),
        ("iteration", 8),
        ("rate", 0.1),
        ("train_loss", 0.5),
        ("train_error", 25.0),
        ("test_loss", 0.6),
        ("test_error", 30.0),
        ("weight_norm", 9.5),
        ("seconds", 3.0),
        ("images_per_second", 700.0),
    ]


@pytest.mark.parametrize(
    "of",
    [
        recipe(),
        recipe(nesterov=True, warmup="until-error", warmup_error=60.0, length=11, decay_scope="weights"),
        recipe(momentum=0.0, schedule_unit="epochs", length=2.5, first_drop=1, second_drop=2),
        recipe(precision="bf16", warmup="fixed", warmup_length=3),
    ],
    ids=["momentum", "warm-up", "no momentum", "bf16"],
)
def test_a_training_goes_on_from_every_iteration_as_if_it_had_not_stopped(of: Recipe, tmp_path: Path) -> None:
    images = Images()
    whole, found = undisturbed(of)
    for iteration in range(whole.schedule.num_iterations + 1):
        state = begin(of, images)
        before = advance(state, of, images, iteration) if iteration else []
        state = reloaded(state, of, images, tmp_path / str(iteration))
        after = list(events(state, of, images))
        assert bits(state) == bits(whole)
        assert timeless(before + after) == timeless(found)
        assert [event.iteration for event in before + after] == list(range(1, whole.schedule.num_iterations + 1))


def test_a_training_stopped_at_every_iteration_ends_as_one_that_was_not(tmp_path: Path) -> None:
    of, images = recipe(warmup="until-error", warmup_error=90.0), Images()
    whole, found = undisturbed(of)
    state, seen = begin(of, images), []
    for iteration in range(1, 12):
        seen += advance(state, of, images, iteration)
        state = reloaded(state, of, images, tmp_path)
    seen += list(events(state, of, images))
    assert bits(state) == bits(whole)
    assert timeless(seen) == timeless(found)


SKIPPING = {
    "sgd": recipe(),
    "nesterov, clipped and averaged": recipe(nesterov=True, clip_norm=0.5, ema_decay=0.9),
    "adamw": recipe(optimiser="adamw", learning_rate=0.01),
}


def skipping(of: Recipe, seed: int = 0) -> State:
    return start(Skipping(seed), of, PER_EPOCH, CPU)


def without_gradient(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.grad is None}


def test_parts_that_are_skipped_at_random_train_as_in_torchs_plain_loop() -> None:
    of, images = recipe(), Images()
    state, module = skipping(of), Skipping()
    optimiser = torch.optim.SGD(module.parameters(), momentum=0.9, weight_decay=of.weight_decay, foreach=False)
    idle = []
    for event in train(state, of, images, {}, device=CPU, clock=ticking(), chance=3):
        if not isinstance(event, Tick | EpochRecord):
            continue
        epoch, done = divmod(event.iteration - 1, PER_EPOCH)
        inputs, labels = next(images.batches(epoch, done))
        torch.manual_seed(random_stream(3, "network", event.iteration - 1))
        optimiser.param_groups[0]["lr"] = state.rate
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module.train()(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        torch.testing.assert_close(state.module.state_dict(), module.state_dict())
        idle.append(without_gradient(module))
        assert without_gradient(state.module) == idle[-1]
    assert all({"unused.weight", "unused.bias"} <= one for one in idle)
    assert len(set(map(frozenset, idle))) > 4
    before = Skipping().state_dict()
    same = {name for name, value in state.module.state_dict().items() if torch.equal(value, before[name])}
    assert same == {"unused.weight", "unused.bias"}


@pytest.mark.parametrize("name", SKIPPING)
@pytest.mark.parametrize("is_older", [False, True])
def test_they_go_on_from_every_iteration_as_if_they_had_not_stopped(name: str, is_older: bool, tmp_path: Path) -> None:
    """Also from a checkpoint of an older ResLab, without a momentum of what had had no gradient yet."""
    of, images = SKIPPING[name], Images()
    whole = skipping(of)
    list(train(whole, of, images, {}, device=CPU, clock=ticking(), chance=3))
    for iteration in range(1, 11):
        state = skipping(of)
        for _ in train(state, of, images, {}, device=CPU, clock=ticking(), chance=3):
            if state.iteration == iteration:
                break
        save_checkpoint(tmp_path, state)
        saved = load_checkpoint(tmp_path)
        assert saved is not None
        if is_older:
            begun = {name: value for name, value in saved.momentum.items() if value.any()}
            assert begun.keys() < saved.momentum.keys()
            saved = replace(saved, momentum=begun)
        fresh = skipping(of, seed=99)
        restore(fresh, saved)
        list(train(fresh, of, images, {}, device=CPU, clock=ticking(), chance=3))
        assert bits(fresh) == bits(whole)


class StoppedError(Exception):
    """Raised where a user's stop would be."""


class Stopping:
    """Evaluation batches that are broken off before the n-th of all that are asked for."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in measuring_batches():
            if self.left == 0:
                raise StoppedError
            self.left -= 1
            yield batch


@pytest.mark.parametrize("at", range(12))
def test_a_training_stopped_while_measuring_goes_on_as_if_it_had_not(at: int, tmp_path: Path) -> None:
    """Two evaluations of two batches in each of three epochs: stopped before each batch in turn."""
    of, images = recipe(warmup="until-error", warmup_error=70.0), Images()
    whole_state = begin(of, images)
    both: dict[str, Batches] = {"test": measuring_batches(), "holdout": measuring_batches()}
    whole = list(events(whole_state, of, images, both))
    stopping = Stopping(at)
    state, found = begin(of, images), list[Event]()
    with pytest.raises(StoppedError):
        found.extend(events(state, of, images, {"test": stopping, "holdout": stopping}))
    assert state.iteration == ENDS[at // 4]
    assert state.module.training  # left as it was, though the evaluation was broken off
    state = reloaded(state, of, images, tmp_path)
    found += list(events(state, of, images, both))
    assert bits(state) == bits(whole_state)
    assert timeless(found) == timeless(whole)


def test_time_is_the_clocks_and_only_that_of_training_and_measuring() -> None:
    now = [0.0]

    class Slow(Images):
        def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in super().batches(epoch, start):
                now[0] += 2.0
                yield batch

    class SlowTest:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            now[0] += 30.0
            yield from measuring_batches()

    of, images = recipe(), Slow()
    records = []
    for event in events(begin(of, images), of, images, {"test": SlowTest()}, clock=lambda: now[0]):
        now[0] += 1000.0  # whoever consumes the events takes their time
        if isinstance(event, EpochRecord):
            records.append(event)
    assert [record.seconds for record in records] == [38.0, 38.0, 36.0]
    assert [record.images_per_second for record in records] == [22 / 8, 22 / 8, 18 / 6]


def test_a_card_works_on_while_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the time between two ticks counts whole, and the wait at the end: in them is done what was asked of it."""
    of, images, now = recipe(), Images(), [0.0]
    state = begin(of, images)
    direct = make_step(state, of, images.render, CPU)
    monkeypatch.setattr("reslab.training.loop.make_step", lambda *_: direct)
    item = Tensor.item

    def slow_item(self: Tensor) -> float | int:
        now[0] += 7.0 if self is state.totals.stopped else 0.0
        return item(self)

    monkeypatch.setattr(Tensor, "item", slow_item)
    found = []
    for event in train(state, of, images, {}, device=torch.device("cuda"), clock=lambda: now[0]):
        now[0] += 10.0
        if isinstance(event, EpochRecord):
            found.append(event.seconds)
    # The ticks between the iterations of 4, 4 and 3, and a wait in each of these (as on the CPU) and one at the end.
    assert found == [30.0 + 4 * 7 + 7, 30.0 + 4 * 7 + 7, 20.0 + 3 * 7 + 7]


def test_the_seconds_of_an_epoch_outlast_a_stop(tmp_path: Path) -> None:
    of, images = recipe(), Images()
    whole = [event for event in undisturbed(of)[1] if isinstance(event, EpochRecord)]
    state = begin(of, images)
    advance(state, of, images, 6)
    assert state.seconds > 0
    state = reloaded(state, of, images, tmp_path)
    record = next(event for event in events(state, of, images, clock=ticking()) if isinstance(event, EpochRecord))
    assert record.seconds == whole[1].seconds


class Poisoned(Images):
    """Images whose batch at one iteration makes the loss infinite."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for number, (images, labels) in enumerate(super().batches(epoch, start), start=start):
            yield images * (math.nan if epoch * PER_EPOCH + number == self.at else 1.0), labels


@pytest.mark.parametrize("at", range(11))
def test_a_loss_that_is_not_finite_ends_the_training_before_its_update(at: int) -> None:
    of = recipe()
    state, images = begin(of, Images()), Poisoned(at)
    found = list(events(state, of, images))
    assert found[-1] == Diverged(epoch=at // PER_EPOCH + 1, iteration=at)
    assert [event.iteration for event in found[:-1]] == list(range(1, at + 1))
    healthy = begin(of, Images())
    if at:
        advance(healthy, of, Images(), at)
    trained = dict(healthy.module.named_parameters())
    assert all(torch.equal(value, trained[name]) for name, value in state.module.named_parameters())


def test_a_divergence_after_a_stop_has_the_right_iteration(tmp_path: Path) -> None:
    of, images = recipe(), Poisoned(7)
    state = begin(of, images)
    advance(state, of, images, 6)
    state = reloaded(state, of, images, tmp_path)
    assert list(events(state, of, images)) == [Tick(7), Diverged(epoch=2, iteration=7)]


def test_a_test_loss_that_is_not_finite_is_none_and_ends_nothing() -> None:
    images, labels = measuring_batches()[0]
    of, training = recipe(), Images()
    found = list(events(begin(of, training), of, training, {"test": [(images * math.inf, labels)]}))
    records = [event for event in found if isinstance(event, EpochRecord)]
    assert len(records) == 3
    assert records[0].measured["test_loss"] is None
    assert records[0].measured["test_error"] is not None


def test_a_finished_training_has_nothing_left_to_say() -> None:
    of, images = recipe(), Images()
    state, _ = undisturbed(of)
    before = bits(state)
    assert list(events(state, of, images)) == []
    assert bits(state) == before


def test_a_recipe_decides_the_loss_and_the_precision_of_a_step() -> None:
    found = []
    for changes in ({}, {"label_smoothing": 0.3}, {"precision": "bf16"}):
        of, state = recipe(**changes), begin(recipe(), Images())
        step = make_step(state, of, Images().render, CPU)
        step(next(Images().draws(0)), 0.1, state.totals)
        found.append(state.totals.loss.item())
    assert len(set(found)) == 3


def test_no_batch_is_trained_on_in_evaluation_mode() -> None:
    of, images = recipe(), Images()
    state = begin(of, images)
    modes: list[bool] = []

    def note(module: nn.Module, _inputs: object, _output: object) -> None:
        modes.append(module.training)

    state.module.register_forward_hook(note)
    list(events(state, of, images))
    assert modes == [*[True] * 4, False, False, *[True] * 4, False, False, *[True] * 3, False, False]


def test_errors_are_measured_in_the_recipes_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.training.hardware.cpu_precision", lambda: "bf16")
    of, images, batches = recipe(precision="bf16"), Images(), measuring_batches()
    state = begin(of, images)
    *_, last = events(state, of, images, {"test": batches})
    assert isinstance(last, EpochRecord)
    losses = [evaluate(state.module, batches, precision=precision).loss for precision in ("bf16", "fp32")]
    assert last.measured["test_loss"] == losses[0] != losses[1]


def test_a_network_that_comes_in_evaluation_mode_is_trained_as_any() -> None:
    of, images = recipe(), Images()
    state = begin(of, images)
    state.module.eval()
    list(events(state, of, images))
    assert bits(state) == bits(undisturbed(of)[0])


def test_all_that_a_step_changes_is_listed() -> None:
    of, images = recipe(ema_decay=0.8), Images()
    state = begin(of, images)
    before = [value.clone() for value in state.tensors()]
    make_step(state, of, images.render, CPU)(next(images.draws(0)), 0.5, state.totals)
    changed = sum(not torch.equal(one, other) for one, other in zip(before, state.tensors(), strict=True))
    modules = [state.module, state.measured]
    assert changed == len([*state.module.parameters(), *(v for m in modules for v in m.state_dict().values())])


def test_the_device_is_the_one_given() -> None:
    state = begin(recipe(), Images())
    assert state.totals.loss.device == CPU
    assert state.totals.loss.dtype == torch.float64


def test_the_norm_of_the_weights_by_hand() -> None:
    convolution = nn.Conv2d(1, 1, 2)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[[[1.0, 2.0], [4.0, 10.0]]]]))
    assert weight_norm(nn.Sequential(convolution, nn.BatchNorm2d(1), nn.Linear(3, 1))) == 11
