"""From names, files and fields to a plan: which fields have an effect, and which choices of a size are remembered."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reslab.errors import ResLabError
from reslab.lab.settings import Settings
from reslab.session.asking import ask, ask_fitting
from reslab.session.fitting import Fit, Size
from reslab.studies.study import Options, Plan

DEPTHS = 'name = "mine"\ndataset = "digits"\nseeds = 1\n[vary]\ndepth = [8, 14]\n'


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"length": 10.0, "first_drop": 4.0, "second_drop": 8.0}),
        ({"depths": (16, 28)}, {"family": "wide"}),
        ({"preset": "fast"}, {"schedule": "one-cycle", "warmup": "none"}),
    ],
)
def test_fields_that_need_one_another_are_taken(options: dict[str, Any], fields: dict[str, Any]) -> None:
    """Without one of them there would be no such study, so each has an effect."""
    recipes = [run.recipe for run in ask(["depth"], Options(recipe=tuple(fields.items()), **options)).runs()]
    assert len({recipe.depth for recipe in recipes}) > 1
    assert all(getattr(recipe, name) == value for recipe in recipes for name, value in fields.items())


def test_fields_that_need_one_another_are_taken_by_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(DEPTHS)
    plan = ask([file], Options(recipe=(("optimiser", "adam"), ("adam_epsilon", 1e-3))))
    assert {(run.recipe.optimiser, run.recipe.adam_epsilon) for run in plan.runs()} == {("adam", 1e-3)}


def test_a_field_that_the_study_sets_itself_is_refused_beside_others_that_need_one_another() -> None:
    fields: dict[str, Any] = {"length": 10.0, "first_drop": 4.0, "second_drop": 8.0, "shortcut": "C"}
    with pytest.raises(ResLabError, match="shortcut has no effect on shortcuts, which sets it itself"):
        ask(["shortcuts"], Options(recipe=tuple(fields.items())))


def fitted(file: Path, monkeypatch: pytest.MonkeyPatch, *, keep: bool = True) -> Fit:
    """Return what fits into three hours where each run takes an hour."""

    def session(plan: Plan, *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(outlook=lambda *_, **__: SimpleNamespace(whole_seconds=3600.0 * len(plan.runs())))

    monkeypatch.setattr("reslab.session.asking.Session", session)
    monkeypatch.setattr("reslab.session.asking.choose_jobs", lambda *_: 1)
    runs = file.parent / "runs"
    return ask_fitting("3h", [file], Options(), runs, Settings(), tell=lambda words: True, keep=keep)[1]


def test_an_edited_file_is_another_question_whose_size_is_chosen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(DEPTHS)
    assert fitted(file, monkeypatch).size == Size()
    assert fitted(file, monkeypatch).remembered
    file.write_text(DEPTHS.replace("seeds = 1", 'seeds = 1\ntitle = "In other words"'))
    assert fitted(file, monkeypatch).remembered  # the same runs
    file.write_text(DEPTHS.replace("seeds = 1", "seeds = 3"))
    again = fitted(file, monkeypatch)
    assert (again.size, again.seconds, again.remembered) == (Size(seeds=1), 2 * 3600, False)
    file.write_text(DEPTHS.replace("14]", "14, 20, 26]"))
    with pytest.raises(ResLabError, match="nothing fits 3 h"):
        fitted(file, monkeypatch)
