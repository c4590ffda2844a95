"""Answers: what is found in a few words, the sizes behind it, and a base that others are compared with."""

from collections.abc import Sequence
from pathlib import Path

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.wording import interval_ends
from reslab.recipe import Run
from reslab.studies.answers import MOST_NAMED, _shared, by_base
from reslab.studies.findings import Answer, Findings
from reslab.studies.study import Study, Variant
from reslab.studies.words import words_of
from synthetic import Truth, small, write_run

MINUS = "\N{MINUS SIGN}"


def _groups(root: Path, errors: Sequence[float], seeds: int = 1, noise: float = 0.01) -> list[Group]:
    found = []
    for place, error in enumerate(errors):
        recipe = small(8, learning_rate=0.1 + place)
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), Truth(error, 1.0, noise=noise, own=True))
        found.append(gather(read_tables(root), f"rate {place}", recipe, tuple(range(seeds))))
    return found


def _label(group: Group) -> str:
    return group.label


def _answers(groups: Sequence[Group], pairs: Sequence[tuple[Group, Group]]) -> list[Answer]:
    study = Study("rates", "Rates", "", "", tuple(Variant(one.label, one.recipe) for one in groups), (0,), "custom")
    return by_base(Findings(study, groups, compare(pairs), _label, _label, words_of("custom")))


def test_of_one_seed_the_best_is_named_and_sizes_have_no_interval(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 2.0, 5.0, 3.5))
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert (answer.where, answer.words) == ("digits", "best with rate 1, in one seed each")
    assert answer.size.startswith("rate 2 vs 0: +2.0")
    assert "(" not in answer.size
    assert answer.seeds == "1"
    assert answer.sentence.startswith("digits: best with rate 1, in one seed each.  Rate 2 vs 0: +2.0")
    assert answer.sentence.count("(n = 1)") == 1


def test_of_several_seeds_directions_are_named_and_the_largest_has_its_interval(tmp_path: Path) -> None:
    base, low, same, high = groups = _groups(tmp_path, (3.0, 2.0, 3.0, 5.0), seeds=3)
    (answer,) = _answers(groups, [(base, low), (base, same)])
    assert answer.words == "better with rate 1 than with 0; equal within 0.5 points with 2"
    assert answer.size.startswith(f"rate 1 vs 0: {MINUS}0.99 ({MINUS}1.")
    assert answer.size.count(" to ") == 1
    assert answer.seeds == "3"
    (answer,) = _answers(groups, [(base, low), (base, high)])
    assert answer.words == "better with rate 1 than with 0, worse with 3"
    assert answer.size.startswith("rate 3 vs 0: +2.0")
    assert _answers(groups, []) == []


def test_where_nothing_is_resolved_the_size_is_a_bound_on_all(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (20.0, 20.2, 20.4), seeds=2, noise=0.5)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words == "no difference from rate 0 is resolved"
    bound = float(answer.size.removeprefix("all within ±"))
    assert bound >= max(one.bound for one in answer.effects) > bound - 0.1
    assert f"All differences are within ±{bound:g} points." in answer.sentence
    (one,) = _answers(groups, [(base, others[0])])
    assert one.size.startswith(("rate 1 vs 0: +", f"rate 1 vs 0: {MINUS}"))  # a single one has its own interval


def test_many_are_counted_rather_than_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, *[6.0] * (MOST_NAMED + 1), 3.0), seeds=2)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words.startswith("worse with five others than with 0; ")


def test_settings_that_are_all_worse_leave_the_base_the_best(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 6.0, 7.0, 8.0), seeds=3)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words == "best with rate 0: all three others are worse"


def test_the_one_setting_that_is_not_resolved_is_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (20.0, 40.0, 20.4))
    for group in groups[:2]:  # their spread is lent to the others
        write_run(tmp_path, Run(group.recipe, 1), Truth(20.0 if group is base else 40.0, 1.0, noise=1.0, own=True))
    groups = [gather(read_tables(tmp_path), group.label, group.recipe, (0, 1)) for group in groups]
    base, *others = groups
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words == "worse with rate 1 than with 0; not resolved with 2"
    assert answer.size.startswith("rate 1 vs 0: +")


def test_the_interval_agrees_with_the_corrected_verdict(tmp_path: Path) -> None:
    """Some of these differences are resolved alone and not once corrected."""
    errors = [20.0, *(20.0 + 0.15 * step for step in range(1, 13))]
    base, *others = groups = _groups(tmp_path, errors, seeds=3, noise=0.3)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert {one.verdict.resolved for one in answer.effects} == {True, False}
    assert any(one.verdict.difference.resolved and not one.verdict.resolved for one in answer.effects)
    for one in answer.effects:
        low, high = interval_ends(one.verdict.difference, one.verdict.level, one.first) or (0.0, 0.0)
        assert (low > 0 or high < 0) == one.verdict.resolved


def test_words_that_all_names_share_are_said_once() -> None:
    assert _shared(["batch 64 at rate 0.1", "batch 128 at rate 0.1"]) == ("batch ", " at rate 0.1")
    assert _shared(["20 layers", "110 layers"]) == ("", " layers")
    assert _shared(["all images", "1/2 (same steps)"]) == ("", "")
    assert _shared(["base", "base two"]) == ("", "")
