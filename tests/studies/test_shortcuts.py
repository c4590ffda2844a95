"""The study of shortcuts: what it shows of projections."""

from pathlib import Path

import pytest
from chapter_words import RATES, planted, words_of

from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from synthetic import Truth


@pytest.mark.parametrize(
    ("noise", "errors", "said"),
    [
        (0.01, (8.0, 8.0, 8.0), "All are equal within 0.5 points: projections are not essential here."),
        (2.0, (8.0, 8.0, 8.0), "or their effect may be too small for these seeds"),
        (0.01, (8.0, 7.0, 8.0), "a gain of B or C may be that of its parameters"),
    ],
)
def test_what_shortcuts_show_of_projections(
    tmp_path: Path, noise: float, errors: tuple[float, float, float], said: str
) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(errors["ABC".index(recipe.shortcut)], 1.0, noise, own=True)

    assert said in words_of(planted(tmp_path, ask("shortcuts", RATES), truth))
