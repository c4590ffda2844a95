"""Reasons: of what is shown, of single runs only on a condition, and of nothing where nothing was compared."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from chapter_words import words_of

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.wording import listing
from reslab.recipe import Run
from reslab.studies.reasons import CAUTION, NOTHING_BESIDE, UNTESTED, on_what_scale, reasons, untested
from synthetic import Truth, small, write_run

BASE = (14.0, 11.0)


def _compared(root: Path, *others: tuple[float, float], seeds: int = 1, noise: float = 0.0) -> list[Compared]:
    """Compare runs of these test and training errors with one of `BASE`, on as many images as CIFAR-10 has."""
    groups: list[Group] = []
    for place, (test, train) in enumerate((BASE, *others)):
        recipe = small(8, dataset="cifar10", learning_rate=0.1 + place)
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), Truth(test, train, noise, own=bool(noise)))
        groups.append(gather(read_tables(root), f"rate {place}", recipe, tuple(range(seeds))))
    return compare([(groups[0], group) for group in groups[1:]])


def _listed(compared: Sequence[Compared]) -> str:
    return listing(one.second.label for one in compared)


def _words(compared: list[Compared]) -> str:
    return words_of(reasons(compared, _listed))


def test_differences_stand_beside_what_the_test_images_alone_may_do(tmp_path: Path) -> None:
    several = _compared(tmp_path / "several", (14.4, 11.0), (38.0, 38.0))
    # At 14% and 14.4%, and at 14% and 38%, of 10,000 images: 1.96 * sqrt(14 * 86 + 38 * 62) / 100 points.
    assert on_what_scale(several).endswith(
        "two of these errors 0.97 to 1.17 points apart (95%); of these two differences one is larger."
    )
    alone = _compared(tmp_path / "alone", (14.4, 11.0))
    assert on_what_scale(alone).endswith("0.97 points apart (95%); this difference is not larger.")
    far = _compared(tmp_path / "far", (38.0, 38.0), (40.0, 38.0))
    assert on_what_scale(far).endswith("; all of these two differences are larger.")
    assert on_what_scale([]) == CAUTION


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((21.0, 20.0), "where both errors are higher (rate 1), the training images themselves are learnt less well"),
        (
            (21.0, 3.0),
            "higher and the training error lower (rate 1), what is learnt carries over less to new images, which",
        ),
        ((21.0, 11.1), "higher and the training error about the same (rate 1), what is learnt carries over less"),
        ((10.0, 7.0), "where both errors are lower (rate 1), more is learnt, and it carries over"),
        ((10.0, 15.0), "lower and the training error higher (rate 1), less is learnt"),
        ((10.0, 11.1), "lower and the training error about the same (rate 1), what is learnt carries over better"),
    ],
)
def test_a_large_difference_has_the_reason_that_both_errors_would_give(
    tmp_path: Path, other: tuple[float, float], said: str
) -> None:
    text = _words(_compared(tmp_path, other))
    assert text.startswith(f"{UNTESTED}  ")
    assert "Should more seeds confirm the differences" in text
    assert said in text


def test_a_small_difference_has_none(tmp_path: Path) -> None:
    near, far = (14.4, 20.0), (38.0, 38.0)
    assert _words(_compared(tmp_path / "small", near)) == UNTESTED
    assert "(rate 2)" in (text := _words(_compared(tmp_path / "both", near, far)))
    assert "rate 1" not in text


def test_several_seeds_are_tested(tmp_path: Path) -> None:
    assert untested(_compared(tmp_path / "one", (21.0, 20.0)))
    assert not untested(_compared(tmp_path / "two", (21.0, 20.0), seeds=2))
    assert not untested([])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((21.0, 20.0), "Where both errors are higher (rate 1), the training images themselves are learnt less"),
        ((21.0, 3.0), "higher and the training error lower (rate 1), what is learnt carries over less"),
        ((10.0, 7.0), "Where both errors are lower (rate 1), more is learnt, and it carries over"),
        ((10.0, 15.0), "lower and the training error higher (rate 1), less is learnt"),
        ((14.0, 7.0), "equal within 0.5 points and the training error lower (rate 1), what more is learnt"),
        ((14.0, 15.0), "equal within 0.5 points and the training error higher (rate 1), less is learnt"),
        ((14.0, 11.0), "No difference is shown, so that there is nothing to give a reason for."),
    ],
)
def test_what_is_shown_has_a_reason_whichever_way_it_goes(
    tmp_path: Path, other: tuple[float, float], said: str
) -> None:
    assert said in _words(_compared(tmp_path, other, seeds=3, noise=0.05))


def test_where_nothing_stands_beside_the_base_nothing_is_denied(tmp_path: Path) -> None:
    found = _compared(tmp_path, (14.0, 11.0))
    alone = [Compared(one.first, one.second, None, None) for one in found]
    assert _words(alone) == NOTHING_BESIDE
    assert _words([]) == NOTHING_BESIDE


def test_a_study_may_have_words_of_its_own(tmp_path: Path) -> None:
    found = _compared(tmp_path, (14.0, 11.0), seeds=3, noise=0.05)
    text = words_of(reasons(found, _listed, {("equal", "open"): "it does nothing"}))
    assert text == "Where the test error is equal within 0.5 points (rate 1), it does nothing."
