"""All diagnostics by name: what is written down about each, as JSON holds it."""

import json
import math
from dataclasses import replace
from itertools import count, cycle, islice
from typing import Any

import pytest
import torch
from diagnostics_fakes import batches, everything, network

from reslab.diagnostics.cost import BUDGETS
from reslab.diagnostics.gap import train_test_gap
from reslab.diagnostics.measure import DIAGNOSTICS, Subject, diagnose
from reslab.errors import ResLabError
from reslab.files import finite
from reslab.training.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("torch_settings")


def subject() -> Subject:
    return Subject(
        final=network(1),
        initial=network(0),
        train=batches((8,) * 40, seed=1),
        augmented=list(islice(cycle(batches((8,) * 40, seed=2)), 100)),
        test=batches((20, 20), seed=3),
        batch_size=8,
        seed=5,
        last_rate=0.01,
        momentum=0.9,
    )


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the tests: the order of a sum shows in its last digit
    ticks = count()
    entries = dict(diagnose(subject(), DIAGNOSTICS, "quick", lambda: float(next(ticks))))
    torch.set_num_threads(threads)
    return entries


def test_every_entry_says_how_it_was_made(found: dict[str, Any]) -> None:
    assert list(found) == list(DIAGNOSTICS) == ["gap", "responses", "gradients", "noise-scale", "curvature", "surface"]
    for name, entry in found.items():
        assert entry["budget"] == "quick"
        assert entry["seconds"] == 1.0
        assert entry["settings"]["num_images"] >= 8
        assert entry["settings"]["batch_norm"] in ("running", "batch")
        assert "final" in entry
        assert ("initial" in entry) == (name == "gradients")
        assert DIAGNOSTICS[name].question.endswith("?")
        assert "et al." in DIAGNOSTICS[name].source
    assert found["surface"]["settings"]["seed"] == found["curvature"]["settings"]["seed"] == 5
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_twice_the_same(found: dict[str, Any]) -> None:
    ticks = count()
    assert dict(diagnose(subject(), DIAGNOSTICS, "quick", lambda: float(next(ticks)))) == found


def test_figures_are_of_the_right_network_and_images(found: dict[str, Any]) -> None:
    own = subject()
    train, test = list(own.train), list(own.test)
    assert found["gap"]["final"]["test_error"] == evaluate(own.final, test, precision="fp32").error
    assert found["gap"]["final"]["train_loss"] == evaluate(own.final, train, precision="fp32").loss
    assert found["gap"]["final"]["num_train"] == 320
    assert found["gradients"]["initial"] != found["gradients"]["final"]
    assert found["curvature"]["final"]["stability_limit"] == pytest.approx(2 * 1.9 / 0.01)
    budget = BUDGETS["quick"]
    assert len(found["surface"]["final"]["loss"]) == budget.surface_points
    assert found["surface"]["settings"]["num_images"] == budget.surface_images
    assert found["curvature"]["settings"]["num_images"] == budget.curvature_images
    assert found["noise-scale"]["final"]["num_batches"] == budget.noise_batches


def test_without_the_network_before_training_its_gradients_are_left_out(found: dict[str, Any]) -> None:
    ticks = count()
    (entry,) = dict(
        diagnose(replace(subject(), initial=None), ["gradients"], "quick", lambda: float(next(ticks)))
    ).values()
    assert entry == {name: value for name, value in found["gradients"].items() if name != "initial"}


def test_measuring_changes_neither_network() -> None:
    own = subject()
    assert own.initial is not None
    before = everything(own.final), everything(own.initial)
    for _ in diagnose(own, DIAGNOSTICS, "quick", lambda: 0.0):
        pass
    assert (everything(own.final), everything(own.initial)) == before


def test_budgets_grow() -> None:
    for smaller, larger in zip(list(BUDGETS.values()), list(BUDGETS.values())[1:], strict=False):
        for name in smaller.__dataclass_fields__:
            assert getattr(smaller, name) < getattr(larger, name)


def test_the_gap_is_test_minus_training() -> None:
    gap = train_test_gap(network(), batches((9,), seed=1), batches((7,), seed=2))
    assert gap.error_gap == gap.test_error - gap.train_error
    assert gap.loss_gap == gap.test_loss - gap.train_loss
    assert (gap.num_train, gap.num_test) == (9, 7)


def test_numbers_that_are_not_finite_are_none() -> None:
    assert finite({"a": (1.0, math.nan), "b": [math.inf, 2], "c": "x"}) == {"a": [1.0, None], "b": [None, 2], "c": "x"}


def test_unknown_names_are_answered_before_anything_is_measured() -> None:
    with pytest.raises(ResLabError, match="no diagnostic 'reponses'; there are gap, responses"):
        next(diagnose(subject(), ["gap", "reponses"], "quick", lambda: 0.0))
    with pytest.raises(ResLabError, match="budget must be one of quick, standard, thorough; not 'huge'"):
        next(diagnose(subject(), ["gap"], "huge", lambda: 0.0))
