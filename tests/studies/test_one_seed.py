"""What single runs support: no verdict, a scale for their differences, and reasons only on a condition."""

from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.judgement import Compared, compare
from reslab.analysis.tidy import read_tables
from reslab.exhibits.wording import listing
from reslab.recipe import Run
from reslab.studies.one_seed import CAUTION, UNTESTED, on_what_scale, reasons_supposed, untested
from synthetic import Truth, small, write_run

BASE = (14.0, 11.0)


def _compared(root: Path, *others: tuple[float, float], seeds: int = 1) -> list[Compared]:
    """Compare runs of these test and training errors with one of `BASE`, on as many images as CIFAR-10 has."""
    groups: list[Group] = []
    for place, (test, train) in enumerate((BASE, *others)):
        recipe = small(8, dataset="cifar10", learning_rate=0.1 + place)
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), Truth(test, train))
        groups.append(gather(read_tables(root), f"rate {place}", recipe, tuple(range(seeds))))
    return compare([(groups[0], group) for group in groups[1:]])


def _listed(compared: list[Compared]) -> str:
    return listing(one.second.label for one in compared)


def test_differences_stand_beside_what_the_test_images_alone_may_do(tmp_path: Path) -> None:
    several = _compared(tmp_path / "several", (14.4, 11.0), (38.0, 38.0))
    # At 14 and 38% of 10,000 images: 1.96 * sqrt(14 * 86 + 38 * 62) / 100 points.
    assert on_what_scale(several).endswith(
        "may come out 1.17 points apart (95%); of these two differences one is larger."
    )
    alone = _compared(tmp_path / "alone", (14.4, 11.0))
    assert on_what_scale(alone).endswith("may come out 0.97 points apart (95%); this one is not larger.")
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
    text = reasons_supposed(_compared(tmp_path, other), _listed)
    assert text.startswith(f"{UNTESTED}  ")
    assert "Should more seeds confirm the differences" in text
    assert said in text


def test_a_small_difference_has_none(tmp_path: Path) -> None:
    near, far = (14.4, 20.0), (38.0, 38.0)
    assert reasons_supposed(_compared(tmp_path / "small", near), _listed) == UNTESTED
    assert "(rate 2)" in (text := reasons_supposed(_compared(tmp_path / "both", near, far), _listed))
    assert "rate 1" not in text


def test_several_seeds_are_tested(tmp_path: Path) -> None:
    assert untested(_compared(tmp_path / "one", (21.0, 20.0)))
    assert not untested(_compared(tmp_path / "two", (21.0, 20.0), seeds=2))
    assert not untested([])
