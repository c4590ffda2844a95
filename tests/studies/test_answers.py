"""Answers: what is found in a few words, the sizes behind it, and a base that others are compared with."""

from collections.abc import Sequence
from pathlib import Path

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from reslab.studies.answers import MOST_NAMED, answers_by_base
from synthetic import Truth, small, write_run

MINUS = "\N{MINUS SIGN}"


def _groups(root: Path, errors: Sequence[float], seeds: int = 1) -> list[Group]:
    found = []
    for place, error in enumerate(errors):
        recipe = small(8, learning_rate=0.1 + place)
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), Truth(error, 1.0, noise=0.01, own=True))
        found.append(gather(read_tables(root), f"rate {place}", recipe, tuple(range(seeds))))
    return found


def _label(group: Group) -> str:
    return group.label


def test_of_one_seed_the_lowest_is_named_and_sizes_have_no_interval(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 2.0, 5.0, 3.5))
    (answer,) = answers_by_base(groups, compare([(base, one) for one in others]), _label)
    assert (answer.where, answer.words) == ("digits", "lowest with rate 1")
    lowest, farthest = answer.effects
    assert lowest.brief.startswith(f"rate 1 {MINUS}1.0")
    assert farthest.brief.startswith("rate 2 +2.0")
    assert answer.sentence.startswith("digits: lowest with rate 1.  Against rate 0 (3.0")
    assert answer.sentence.count("(n = 1)") == 2


def test_of_several_seeds_directions_are_named_with_their_intervals(tmp_path: Path) -> None:
    base, low, same = groups = _groups(tmp_path, (3.0, 2.0, 3.0), seeds=3)
    (answer,) = answers_by_base(groups, compare([(base, low), (base, same)]), _label)
    assert answer.words == "lower with rate 1; equal within 0.5 points with rate 2"
    assert answer.effects[0].brief.startswith(f"rate 1 {MINUS}0.99 ({MINUS}1.")
    assert answer.effects[0].brief.count("to") == 1
    assert answers_by_base(groups, [], _label) == []


def test_many_are_counted_rather_than_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, *[6.0] * (MOST_NAMED + 1), 3.0), seeds=2)
    (answer,) = answers_by_base(groups, compare([(base, one) for one in others]), _label)
    assert answer.words.startswith(f"higher with {MOST_NAMED + 1} others; ")


def test_settings_that_are_all_worse_leave_the_base_the_lowest(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 6.0, 7.0, 8.0), seeds=3)
    (answer,) = answers_by_base(groups, compare([(base, one) for one in others]), _label)
    assert answer.words == "lowest with rate 0; all three others higher"


def test_the_one_setting_that_is_not_resolved_is_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (20.0, 40.0, 20.4))
    for group in groups[:2]:  # their spread is lent to the others
        write_run(tmp_path, Run(group.recipe, 1), Truth(20.0 if group is base else 40.0, 1.0, noise=1.0, own=True))
    groups = [gather(read_tables(tmp_path), group.label, group.recipe, (0, 1)) for group in groups]
    base, *others = groups
    (answer,) = answers_by_base(groups, compare([(base, one) for one in others]), _label)
    assert answer.words == "higher with rate 1; not resolved with rate 2"
