"""Comparisons in words: names that do not repeat themselves, and lists by data set."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from reslab.session.remarks import remarks
from reslab.studies.sentences import by_dataset, compared_name, far_apart_words, missing_words, same_weights_words
from reslab.studies.words import words_of
from synthetic import Truth, small, write_run


def _groups(
    root: Path, *names: str, dataset: str = "digits", num_seeds: int = 1, errors: Sequence[float] = ()
) -> list[Group]:
    found = []
    for place, name in enumerate(names):
        recipe = small(8, dataset=dataset, learning_rate=0.1 + place)
        truth = Truth(errors[place] if errors else 3.0, 1.0, noise=0.01, own=True)
        for seed in range(num_seeds):
            write_run(root, Run(recipe, seed), truth)
        found.append(gather(read_tables(root), name, recipe, tuple(range(num_seeds))))
    return found


def _label(group: Group) -> str:
    return group.label


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("ResNet-8, 4 epochs", "ResNet-8, 2 epochs", "ResNet-8, 2 epochs against 4 epochs"),
        ("ResNet-8, 4 epochs", "ResNet-14, 4 epochs", "ResNet-14, 4 epochs against ResNet-8, 4 epochs"),
        ("rate 0.1", "rate 1", "rate 1 against rate 0.1"),
        ("base", "base, twice", "base, twice against base"),
    ],
)
def test_what_both_begin_with_is_said_once(tmp_path: Path, first: str, second: str, said: str) -> None:
    one, other = _groups(tmp_path, first, second)
    (found,) = compare([(one, other)])
    assert isinstance(found, Compared)
    assert compared_name(found, [one, other], _label) == said


def test_a_list_names_the_data_set_only_among_several(tmp_path: Path) -> None:
    digits = _groups(tmp_path / "a", "x", "y")
    assert by_dataset(digits, _label, digits) == "x and y"
    assert by_dataset([], _label, []) == ""
    others = _groups(tmp_path / "b", "z", dataset="cifar10")
    assert by_dataset([*digits, *others], _label, [*digits, *others]) == "on digits x and y; on CIFAR-10 z"
    assert by_dataset(digits, _label, [*digits, *others]) == "on digits x and y"


def test_recipes_that_trained_the_same_weights_are_told(tmp_path: Path) -> None:
    groups = _groups(tmp_path, "rate 0.1", "rate 1.1", num_seeds=2)
    words = words_of("custom")
    assert same_weights_words(groups, _label, words) == ""
    for seed in (0, 1):
        first, second = (tmp_path / Run(group.recipe, seed).id / "result.json" for group in groups)
        changed = {**json.loads(second.read_text()), "weights_sha256": json.loads(first.read_text())["weights_sha256"]}
        second.write_text(json.dumps(changed))
    again = [gather(read_tables(tmp_path), group.label, group.recipe, (0, 1)) for group in groups]
    said = same_weights_words(again, _label, words)
    assert said.startswith("rate 0.1 and rate 1.1 ended with the same weights, to the bit: what differs between their")
    (one,) = compare([(again[0], again[1])])
    assert remarks(one)[0].startswith("Runs of both recipes have the same weights, to the bit")


def test_seeds_that_diverged_are_not_missing(tmp_path: Path) -> None:
    failure = {"kind": "diverged", "message": "", "epoch": 1, "iteration": 10, "time": "2026-01-01T00:00:00Z"}
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(8), 1), Truth(3.0, 1.0), stop_after=1, failure=failure)
    group = gather(read_tables(tmp_path), "base", small(8), (0, 1, 2))
    assert "base (1 of 3 seeds, missing 2)" in missing_words([group], words_of("custom"))


def _far_apart(root: Path, **errors: Sequence[float]) -> str:
    """Return what is said of settings of these errors, a seed each, the first being what others are compared with."""
    groups = []
    for place, (name, own) in enumerate(errors.items()):
        recipe = small(8, learning_rate=0.1 + place)
        for seed, error in enumerate(own):
            write_run(root, Run(recipe, seed), Truth(error, 1.0))
        groups.append(gather(read_tables(root), name, recipe, tuple(range(len(own)))))
    base, *others = groups
    return far_apart_words(compare([(base, one) for one in others]), _label, words_of("custom"))


def test_seeds_that_vary_too_much_to_be_resolved_are_told_where_all_are_far_off(tmp_path: Path) -> None:
    """All seeds of "high" are 2.5 points or more above those of "base", of which no interval can tell."""
    words = _far_apart(tmp_path / "above", base=(9.5, 9.0), high=(42.0, 12.0))
    assert words == (
        "Every seed of high (12.00% and 42.00%) is at least 2.50 points above every seed of base, but two "
        "seeds this far apart give no useful interval."
    )
    words = _far_apart(tmp_path / "below", base=(42.0, 12.0), low=(9.5, 9.0))
    assert "Every seed of low (9.00% and 9.50%) is at least 2.50 points below every seed of base, " in words


def test_what_is_resolved_or_near_or_among_the_others_is_not_said_to_be_far_off(tmp_path: Path) -> None:
    assert _far_apart(tmp_path / "resolved", base=(9.0, 9.1, 9.2), high=(42.0, 42.1, 42.2)) == ""
    assert _far_apart(tmp_path / "near", base=(9.5, 9.0), high=(42.0, 11.5)) == ""  # two points are not far
    assert _far_apart(tmp_path / "among", base=(9.5, 9.0), high=(42.0, 9.2)) == ""
    assert _far_apart(tmp_path / "single", base=(9.5,), high=(42.0, 12.0)) == ""
