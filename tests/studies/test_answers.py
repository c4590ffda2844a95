"""Answers: what is found in a few words, the sizes behind it, and a base that others are compared with."""

import re
from collections.abc import Sequence
from pathlib import Path

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
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


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", MINUS)


def _answers(groups: Sequence[Group], pairs: Sequence[tuple[Group, Group]]) -> list[Answer]:
    study = Study("rates", "Rates", "", "", tuple(Variant(one.label, one.recipe) for one in groups), (0,), "custom")
    return by_base(Findings(study, groups, compare(pairs), _label, _label, words_of("custom")))


def test_of_one_seed_the_best_is_named_and_nothing_has_an_interval(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 2.0, 5.0, 3.5))
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert (answer.where, answer.words) == ("digits", "best with rate 1, in one seed each, not tested")
    assert answer.sizes == f"{MINUS}1.00"  # of the one that is named
    assert answer.seeds == "1"
    assert answer.sentence == f"digits: {answer.words} ({answer.sizes} points)."
    (answer,) = _answers(groups, [(others[0], one) for one in (base, *others[1:])])
    assert answer.words == "best with rate 1, in one seed each, not tested"
    assert answer.sizes == ""


def test_each_verdict_has_a_clause_with_its_size_and_its_interval(tmp_path: Path) -> None:
    base, low, same, high = groups = _groups(tmp_path, (3.0, 2.0, 3.0, 5.0), seeds=3)
    (answer,) = _answers(groups, [(base, low), (base, same)])
    assert answer.words == "rate 1 beat 0; 2 within 0.5 points of 0"
    better, equal = answer.clauses
    found = re.fullmatch(r"0\.99\s\((0\.\d\d)\sto\s(1\.\d\d)\)", better.sizes)
    assert found
    assert 0 < float(found[1]) < 0.99 < float(found[2])
    assert re.fullmatch(rf"[{MINUS}+]0\.0\d\s\({MINUS}0\.\d\d\sto\s\+0\.\d\d,\s90%\)", equal.sizes)
    assert "points, 95% interval 0." in better.sentence
    assert f"points, 90% interval {MINUS}0." in equal.sentence
    assert answer.sizes == f"{better.sizes}; {equal.sizes}"
    assert answer.seeds == "3"
    (answer,) = _answers(groups, [(base, low), (base, high)])
    assert answer.words == "rate 1 beat 0; 0 beat 3"
    assert re.fullmatch(r"0\.99\s\(0\.\d\d\sto\s1\.\d\d\); 2\.01\s\(1\.\d\d\sto\s2\.\d\d\)", answer.sizes)
    assert answer.sentence.startswith("digits: rate 1 beat 0 (0.99 points, 95% interval 0.")
    assert _answers(groups, []) == []


def test_where_nothing_is_resolved_of_several_their_ends_are_told_and_of_one_its_interval(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (20.0, 20.2, 20.4, 20.3), seeds=2, noise=0.5)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words == "no difference from rate 0 is significant"
    sizes = [one.difference.value for one in answer.verdicts]
    assert answer.sizes == f"estimates {_signed(min(sizes))} to {_signed(max(sizes))}"
    (one,) = _answers(groups, [(base, others[0])])
    assert one.words == "rate 1 vs 0: not significant"
    low, high = one.verdicts[0].ends or (0.0, 0.0)
    (size,) = (verdict.difference.value for verdict in one.verdicts)
    assert one.sizes.split() == [_signed(size), f"({_signed(low)}", "to", f"{_signed(high)})"]


def test_many_are_counted_rather_than_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, *[6.0] * (MOST_NAMED + 1), 3.0), seeds=2)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words.startswith("rate 0 beat five others; ")


def test_settings_that_are_all_worse_are_told_with_the_range_of_their_sizes(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (3.0, 6.0, 7.0, 8.0), seeds=3)
    (answer,) = _answers(groups, [(base, one) for one in others])
    sizes = sorted(one.difference.value for one in answer.verdicts)
    assert answer.words == "rate 0 beat the three others"
    assert answer.sizes == f"estimates {sizes[0]:.2f} to {sizes[-1]:.2f}"


def test_the_one_setting_that_is_not_resolved_is_named(tmp_path: Path) -> None:
    base, *others = groups = _groups(tmp_path, (20.0, 40.0, 20.4))
    for group in groups[:2]:  # their spread is lent to the others
        write_run(tmp_path, Run(group.recipe, 1), Truth(20.0 if group is base else 40.0, 1.0, noise=1.0, own=True))
    groups = [gather(read_tables(tmp_path), group.label, group.recipe, (0, 1)) for group in groups]
    base, *others = groups
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert answer.words == "rate 0 beat 1; 2 vs 0: not significant"
    assert answer.seeds == "1 or 2"


def test_the_interval_agrees_with_the_corrected_verdict(tmp_path: Path) -> None:
    """Some of these differences are resolved alone and not once corrected."""
    errors = [20.0, *(20.0 + 0.15 * step for step in range(1, 13))]
    base, *others = groups = _groups(tmp_path, errors, seeds=3, noise=0.3)
    (answer,) = _answers(groups, [(base, one) for one in others])
    assert {one.resolved for one in answer.verdicts} == {True, False}
    assert any(one.difference.resolved and not one.resolved for one in answer.verdicts)
    for one in answer.verdicts:
        low, high = one.ends or (0.0, 0.0)
        assert (low > 0 or high < 0) == one.resolved


def test_words_that_all_names_share_are_said_once() -> None:
    assert _shared(["batch 64 at rate 0.1", "batch 128 at rate 0.1"]) == ("batch ", " at rate 0.1")
    assert _shared(["20 layers", "110 layers"]) == ("", " layers")
    assert _shared(["all images", "1/2 (same steps)"]) == ("", "")
    assert _shared(["base", "base two"]) == ("", "")
