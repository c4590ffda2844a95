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
from reslab.studies.reasons import on_what_scale, reasons
from reslab.studies.words import Words
from reslab.studies.words import words_of as texts_of
from synthetic import Truth, small, write_run

BASE = (14.0, 11.0)

WORDS = texts_of("custom")


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
    return words_of(reasons(compared, _listed, WORDS).blocks)


def test_differences_stand_beside_what_the_test_images_alone_may_do(tmp_path: Path) -> None:
    several = _compared(tmp_path / "several", (14.4, 11.0), (38.0, 38.0))
    # At 14% and 14.4%, and at 14% and 38%, of 10,000 images: 1.96 * sqrt(14 * 86 + 38 * 62) / 100 points.
    assert on_what_scale(several, WORDS) == (
        f"{WORDS('tests.untested', compared=0, single=True)}  With 10,000 test images, chance alone can put equally "
        "good networks 0.97 to 1.17 points apart (95%, by their errors); of the two differences here one is larger."
    )
    alone = _compared(tmp_path / "alone", (14.4, 11.0))
    assert on_what_scale(alone, WORDS).endswith("up to 0.97 points apart (95%); the difference here is not larger.")
    far = _compared(tmp_path / "far", (38.0, 38.0), (40.0, 38.0))
    assert on_what_scale(far, WORDS).endswith("; all two differences here are larger.")
    assert on_what_scale([], WORDS) == WORDS("tests.untested", compared=0, single=True)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((21.0, 20.0), "Both errors higher (rate 1): the network learns even the training images less well"),
        (
            (21.0, 3.0),
            "Test error higher, training error lower (rate 1): "
            "the network learns the training images better and generalises less",
        ),
        ((10.0, 7.0), "Both errors lower (rate 1): the network learns more, and this carries over"),
        (
            (10.0, 15.0),
            "Test error lower, training error higher (rate 1): the network learns the training images less well",
        ),
    ],
)
def test_a_large_difference_has_the_reason_that_both_errors_would_give(
    tmp_path: Path, other: tuple[float, float], said: str
) -> None:
    text = _words(_compared(tmp_path, other))
    assert text.startswith("If more seeds confirm the differences that the test images alone do not explain:")
    assert said in text


@pytest.mark.parametrize("other", [(21.0, 11.1), (10.0, 11.1)])
def test_a_large_difference_without_one_of_the_training_errors_has_no_reason(
    tmp_path: Path, other: tuple[float, float]
) -> None:
    assert _words(_compared(tmp_path, other)) == "No difference is large enough to suggest a reason."


def test_training_errors_far_apart_and_not_resolved_are_no_reason_and_have_sizes(tmp_path: Path) -> None:
    groups: list[Group] = []
    for place, (test, noise) in enumerate(((14.0, 0.02), (21.0, 0.02))):
        recipe = small(8, dataset="cifar10", learning_rate=0.1 + place)
        for seed in (0, 1):
            train = 11.0 if place == 0 else (20.0, 90.0)[seed]
            write_run(tmp_path, Run(recipe, seed), Truth(test, train, noise, own=True))
        groups.append(gather(read_tables(tmp_path), f"rate {place}", recipe, (0, 1)))
    text = _words(compare([(groups[0], groups[1])]))
    assert text.startswith("Test error higher, training error not significantly different (rate 1; training +4")
    assert text.endswith(" points): these runs do not show why.")
    assert "overfitting" not in text


def test_training_errors_of_differently_augmented_images_are_no_reason(tmp_path: Path) -> None:
    plain, mixed = small(8, dataset="cifar10"), small(8, dataset="cifar10", mixup=0.2)
    for recipe, errors in ((plain, (14.0, 11.0)), (mixed, (10.0, 30.0))):
        for seed in range(3):
            write_run(tmp_path, Run(recipe, seed), Truth(*errors, 0.01, own=True))
    first, second = (gather(read_tables(tmp_path), name, one, (0, 1, 2)) for name, one in (("a", plain), ("b", mixed)))
    assert _words(compare([(first, second)])) == (
        "Test error lower (b); the training errors are of differently augmented images, so they do not show why."
    )


def test_a_small_difference_has_none(tmp_path: Path) -> None:
    near, far = (14.4, 20.0), (38.0, 38.0)
    assert _words(_compared(tmp_path / "small", near)) == "No difference is large enough to suggest a reason."
    assert "(rate 2)" in (text := _words(_compared(tmp_path / "both", near, far)))
    assert "rate 1" not in text


def test_whether_anything_asks_for_a_reason_is_a_value(tmp_path: Path) -> None:
    alike, apart = (_compared(tmp_path / name, other, seeds=3) for name, other in (("a", BASE), ("b", (21.0, 20.0))))
    assert reasons(alike, _listed, WORDS).none
    assert not reasons(apart, _listed, WORDS).none
    assert not reasons([], _listed, WORDS).none


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((21.0, 20.0), "Both errors higher (rate 1): the network learns even the training images less well"),
        (
            (21.0, 3.0),
            "Test error higher, training error lower (rate 1): "
            "the network learns the training images better and generalises less",
        ),
        ((10.0, 7.0), "Both errors lower (rate 1): the network learns more, and this carries over"),
        (
            (10.0, 15.0),
            "Test error lower, training error higher (rate 1): the network learns the training images less well",
        ),
        (
            (14.0, 7.0),
            "Test error equal within 0.5 points, training error lower (rate 1): "
            "the network learns the training images better",
        ),
        (
            (14.0, 15.0),
            "Test error equal within 0.5 points, training error higher (rate 1): "
            "the network learns the training images less well",
        ),
        ((14.0, 11.0), "No difference is significant, so there is nothing to explain."),
    ],
)
def test_what_is_shown_has_a_reason_whichever_way_it_goes(
    tmp_path: Path, other: tuple[float, float], said: str
) -> None:
    assert said in _words(_compared(tmp_path, other, seeds=3, noise=0.05))


def test_where_nothing_stands_beside_the_base_nothing_is_denied(tmp_path: Path) -> None:
    found = _compared(tmp_path, (14.0, 11.0))
    alone = [Compared(one.first, one.second, None, None) for one in found]
    assert _words(alone) == WORDS("tests.nothing")
    assert _words([]) == WORDS("tests.nothing")


def test_a_study_may_have_words_of_its_own(tmp_path: Path) -> None:
    found = _compared(tmp_path, (14.0, 11.0), seeds=3, noise=0.05)
    words = Words({**WORDS.texts, "reasons.equal, open": "it does nothing"})
    text = words_of(reasons(found, _listed, words).blocks)
    assert text == "Test error equal within 0.5 points (rate 1): it does nothing."
