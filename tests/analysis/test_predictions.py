"""Readings of predictions, against planted ones: what is shared, what is whose, and where errors go."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reslab.analysis.agreement import agreement, overlap, shared, shared_by_seeds, with_predictions
from reslab.analysis.groups import gather
from reslab.analysis.predictions import (
    SUPERCLASS_NAMES,
    SUPERCLASSES,
    Kinds,
    always_wrong,
    confusion,
    error_by_kind,
    kinds_of,
    of_same_images,
    vote,
    within_kind,
    wrong_by_kind,
)
from reslab.analysis.tidy import read_tables
from reslab.errors import CheckpointError
from reslab.lab.folder.predictions import Predictions, predictions_bytes, read_predictions
from reslab.recipe import Run
from synthetic import Truth, small, write_predictions, write_run

NAMES = tuple("abcde")
LABELS = np.arange(1000) % 5


def _predictions(wrong: NDArray[np.bool_], sure: float = 0.8) -> Predictions:
    """Return predictions that put exactly these images into the next class."""
    predicted = np.where(wrong, (LABELS + 1) % 5, LABELS)
    return Predictions(LABELS, predicted, np.full(len(LABELS), sure), NAMES)


def _where(*ranges: tuple[int, int]) -> NDArray[np.bool_]:
    wrong = np.zeros(len(LABELS), dtype=bool)
    for first, end in ranges:
        wrong[first:end] = True
    return wrong


def test_errors_in_common_are_counted_against_chance() -> None:
    found = overlap(_predictions(_where((0, 100))), _predictions(_where((40, 240))))
    assert (found.first, found.second, found.both, found.num_images) == (100, 200, 60, 1000)
    assert (found.share, found.chance) == (0.6, 0.2)


def test_independent_errors_are_shared_by_chance_alone() -> None:
    chance = np.random.default_rng(0)
    shares = [overlap(*(_predictions(chance.random(1000) < 0.3) for _ in range(2))) for _ in range(200)]
    assert np.mean([one.both for one in shares]) == pytest.approx(
        np.mean([one.first * one.second / 1000 for one in shares]), rel=0.02
    )


def test_confusion_and_classes() -> None:
    predictions = _predictions(_where((0, 50)))  # ten images of each class
    counts = confusion(predictions)
    assert counts.sum() == 1000
    assert [counts[row, (row + 1) % 5] for row in range(5)] == [10] * 5
    each = kinds_of("digits", NAMES)
    assert error_by_kind([predictions, _predictions(_where())], each) == dict.fromkeys(NAMES, 2.5)
    a_for_b = wrong_by_kind([_predictions(_where((0, 1), (5, 6)))], each)  # two of the 200 images of a
    assert a_for_b[0, 1] == pytest.approx(1)
    assert a_for_b.sum() == pytest.approx(1)


def test_classes_are_summed_up_by_kind() -> None:
    labels, predicted = np.array([0, 0, 1, 2, 3]), np.array([1, 2, 0, 2, 0])
    planted = [Predictions(labels, predicted, np.ones(5), NAMES[:4])]
    pairs = Kinds(("low", "high"), (0, 0, 1, 1))
    assert error_by_kind(planted, pairs) == {"low": 100, "high": 50}
    assert wrong_by_kind(planted, pairs).tolist() == [[pytest.approx(200 / 3), pytest.approx(100 / 3)], [50, 0]]
    assert within_kind(planted, pairs) == pytest.approx((50, 100 / 3))  # two of four errors stay among 0, 1 or 2, 3
    assert within_kind([_predictions(_where())], kinds_of("digits", NAMES)) == (0, 0)


def test_only_cifar100_has_superclasses() -> None:
    assert len(kinds_of("cifar100", [str(place) for place in range(100)]).names) == 20
    assert kinds_of("cifar10", ["air_plane"]) == Kinds(("air plane",), (0,))
    assert sorted(np.bincount(SUPERCLASSES)) == [5] * 20


def test_a_vote_outvotes_and_confidence_breaks_ties() -> None:
    right, wrong = _predictions(_where()), _predictions(_where((0, 100)))
    assert vote([right, right, wrong]) == 0
    assert vote([wrong, wrong, right]) == 10
    assert vote([_predictions(_where(), 0.9), _predictions(_where((0, 100)), 0.6)]) == 0
    assert vote([_predictions(_where(), 0.5), _predictions(_where((0, 100)), 0.6)]) == 10


def test_images_that_all_get_wrong_come_surest_first() -> None:
    confidence = np.full(1000, 0.5)
    confidence[7] = 0.99
    one = Predictions(LABELS, np.where(_where((5, 9)), (LABELS + 2) % 5, LABELS), confidence, NAMES)
    assert list(always_wrong([one, _predictions(_where((6, 20)))])) == [7, 6, 8]


def test_different_images_are_refused() -> None:
    other = Predictions(LABELS[::-1].copy(), LABELS, np.ones(1000), NAMES)
    with pytest.raises(ValueError, match="different images"):
        overlap(_predictions(_where()), other)


def test_all_pairs_count_alike() -> None:
    three = [_predictions(_where((0, 10))), _predictions(_where((0, 10))), _predictions(_where((5, 15)))]
    found = shared_by_seeds(three)
    assert found is not None
    assert found.share == pytest.approx(200 / 3)
    assert found.chance == pytest.approx(1)
    assert shared_by_seeds(three[:1]) is None
    assert shared([(three[0], _predictions(_where()))]) is None  # nothing is wrong that could be shared


def test_networks_on_other_images_are_told() -> None:
    other = Predictions(LABELS[::-1].copy(), LABELS, np.ones(1000), NAMES)
    assert of_same_images([_predictions(_where()), other, _predictions(_where((0, 3)))]) == [True, False, True]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "predictions.safetensors"
    path.write_bytes(predictions_bytes(_predictions(_where((3, 40)), 0.83)))
    found = read_predictions(path)
    assert found is not None
    assert found.error == pytest.approx(3.7)
    assert found.confidence[0] == pytest.approx(0.83, abs=0.5 / 255)
    assert found.class_names == NAMES
    assert path.stat().st_size < 3_500
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="damaged"):
        read_predictions(path)
    assert read_predictions(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("labels", "predicted"), [([300], [0]), ([0], [300]), ([-1], [0]), ([0], [-1]), ([], []), ([0, 1], [0])]
)
def test_tensors_that_do_not_agree_are_damage(tmp_path: Path, labels: list[int], predicted: list[int]) -> None:
    path, names = tmp_path / "predictions.safetensors", tuple(map(str, range(300)))
    found = Predictions(np.array(labels, int), np.array(predicted, int), np.ones(len(labels)), names)
    path.write_bytes(predictions_bytes(found))
    with pytest.raises(CheckpointError, match="its tensors do not agree"):
        read_predictions(path)


@pytest.mark.parametrize("num_classes", [256, 257])
def test_the_last_of_many_classes_is_read_again(tmp_path: Path, num_classes: int) -> None:
    path, last = tmp_path / "predictions.safetensors", np.array([num_classes - 1])
    path.write_bytes(predictions_bytes(Predictions(last, last, np.ones(1), tuple(map(str, range(num_classes))))))
    found = read_predictions(path)
    assert found is not None
    assert (found.labels, found.predicted) == (last, last)


@pytest.mark.cifar
def test_superclasses_are_those_of_the_official_labels() -> None:
    from reslab.data.sources import find, load

    if find("cifar100") is None:
        pytest.skip("the images of cifar100 are not here")
    fine, coarse = load("cifar100").test, load("cifar100-coarse").test
    assert [SUPERCLASSES[label] for label in fine.labels] == list(coarse.labels)
    assert [name.replace("_", " ") for name in load("cifar100-coarse").class_names] == list(SUPERCLASS_NAMES)


@pytest.mark.parametrize(
    ("wrong", "nested", "hard"),
    [
        ([range(40), range(45)], True, True),  # the images' own
        ([range(30), range(120)], True, False),  # the other way round it does not hold
        ([range(40), range(100, 140)], False, False),
    ],
)
def test_errors_lie_in_the_images_where_both_share_most_of_theirs(
    tmp_path: Path, wrong: list[range], nested: bool, hard: bool
) -> None:
    recipes = [small(8), small(14)]
    for recipe, places in zip(recipes, wrong, strict=True):
        write_predictions(write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0)), places)
    groups = [gather(read_tables(tmp_path), f"{recipe.depth}", recipe, (0,)) for recipe in recipes]
    found = agreement(with_predictions(groups), {"digits": groups[0]})
    assert found is not None
    assert (found.by_seeds, found.with_reference[0]) == ([None, None], None)
    assert (found.nested, found.hard, found.fewest) == (nested, hard, min(map(len, wrong)))
    assert agreement(groups[:1], {"digits": groups[0]}) is None


def test_a_data_set_without_a_pair_is_left_out_with_its_reference(tmp_path: Path) -> None:
    recipes = [small(8), small(14), small(8, dataset="cifar10", mirror="random")]
    for recipe in recipes:
        write_predictions(write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0)), range(40))
    first, second, alone = (gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in recipes)
    found = agreement([first, second, alone], {"digits": first, "cifar10": alone})
    assert found is not None
    assert (list(found.groups), found.references) == ([first, second], {"digits": first})
    assert len(found.by_seeds) == len(found.with_reference) == 2
