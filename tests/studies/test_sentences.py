"""Comparisons in words: names that do not repeat themselves, and lists by data set."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from reslab.studies.sentences import by_dataset, compared_name, missing_words
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


def test_seeds_that_diverged_are_not_missing(tmp_path: Path) -> None:
    failure = {"kind": "diverged", "message": "", "epoch": 1, "iteration": 10, "time": "2026-01-01T00:00:00Z"}
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(8), 1), Truth(3.0, 1.0), stop_after=1, failure=failure)
    group = gather(read_tables(tmp_path), "base", small(8), (0, 1, 2))
    assert "base (1 of 3 seeds, missing 2)" in missing_words([group], words_of("custom"))
