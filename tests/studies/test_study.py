"""Studies as values: their order of runs, and what they refuse."""

import re
from importlib import resources

import pytest

from reslab.errors import ResLabError
from reslab.recipe import vary
from reslab.studies.study import TAKEN, Study, Variant
from synthetic import small


def _study(*variants: Variant, name: str = "it", seeds: tuple[int, ...] = (0, 1)) -> Study:
    return Study(name, "t", "q", "e", variants, seeds, "custom")


def test_one_seed_of_everything_comes_before_the_second_of_anything() -> None:
    study = _study(Variant("a", small(8)), Variant("b", small(14), seeds=(5, 6, 7)))
    assert [(run.recipe.depth, run.seed) for run in study.runs()] == [(8, 0), (14, 5), (8, 1), (14, 6), (14, 7)]


def test_runs_are_unique() -> None:
    runs = _study(Variant("a", small(8)), Variant("b", small(14))).runs()
    assert len(set(runs)) == len(runs) == 4


@pytest.mark.parametrize("name", ["", "Depth", "a b", "../a", "-a", "a" * 65])
def test_a_name_is_a_plain_one(name: str) -> None:
    with pytest.raises(ResLabError, match="letters a to z, digits and hyphens"):
        _study(Variant("a", small(8)), name=name)


def test_what_makes_no_study() -> None:
    with pytest.raises(ResLabError, match="no variants"):
        _study()
    with pytest.raises(ResLabError, match="one or more different seeds"):
        _study(Variant("a", small(8)), seeds=(1, 1))
    with pytest.raises(ResLabError, match="same label: a"):
        _study(Variant("a", small(8)), Variant("a", small(14)))
    with pytest.raises(ResLabError, match="same recipe: digits-resnet8-"):
        _study(Variant("a", small(8)), Variant("b", small(8)))


def test_many_variants_are_looked_at_once_each() -> None:
    """Each label beside each other would take a minute for a study of the most variants that there may be."""

    class Label(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Label.compared += 1
            return str.__eq__(self, str(other))

        __hash__ = str.__hash__

    study = _study(*(Variant(Label(f"rate {n}"), vary(small(8), learning_rate=n)) for n in range(1, 200)))
    assert len(study.variants) == 199
    assert Label.compared < 2 * 199


def test_no_study_can_be_called_as_another_place_of_the_page() -> None:
    page = resources.files("reslab.report").joinpath("templates", "page.html").read_text()
    assert set(re.findall(r'id="([a-z-]+)"', page)) <= set(TAKEN)
