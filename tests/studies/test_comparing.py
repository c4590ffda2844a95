"""Comparisons in words: names that do not repeat themselves, and lists by data set."""

from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.judgement import Compared, compare
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from reslab.studies.comparing import against, by_dataset
from synthetic import Truth, small, write_run


def _groups(root: Path, *names: str, dataset: str = "digits") -> list[Group]:
    found = []
    for place, name in enumerate(names):
        recipe = small(8, dataset=dataset, learning_rate=0.1 + place)
        write_run(root, Run(recipe), Truth(3.0, 1.0))
        found.append(gather(read_tables(root), name, recipe, (0,)))
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
    assert against(found, _label) == said


def test_a_list_names_the_data_set_only_among_several(tmp_path: Path) -> None:
    digits = _groups(tmp_path / "a", "x", "y")
    assert by_dataset(digits, _label) == "x and y"
    assert by_dataset([], _label) == ""
    others = _groups(tmp_path / "b", "z", dataset="cifar10")
    assert by_dataset([*digits, *others], _label) == "on digits x and y; on CIFAR-10 z"
