"""The frame that studies of one factor share: bases, and each compared with what varies around it."""

from pathlib import Path

import pytest

from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.errors import ResLabError
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary
from reslab.studies.catalogue import ask, chapter_of
from reslab.studies.chapter import find
from reslab.studies.designs import BOTH, bases, study_of
from reslab.studies.sentences import muon_words
from reslab.studies.study import Options
from reslab.studies.words import words_of as texts_of


def test_there_is_a_base_on_every_data_set_at_every_depth() -> None:
    assert [(base.dataset, base.depth) for base in bases(Options(), (20, 56))] == [
        (dataset, depth) for dataset in BOTH for depth in (20, 56)
    ]
    (own,) = bases(Options(datasets=("digits",), depths=(8,)), (20, 56))
    assert (own.dataset, own.depth) == ("digits", 8)


def muon(tmp_path: Path, *rates: tuple[float, float]) -> str:
    """Return what is said of recipes with these rates of SGD and Muon."""
    fast = preset_recipe("fast", dataset="digits", depth=8)
    recipes = [vary(fast, learning_rate=sgd, muon_rate=own) for sgd, own in rates]
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in recipes]
    return muon_words(groups, texts_of("custom"))


def test_what_muons_rate_does_is_said_where_the_learning_rate_is_varied(tmp_path: Path) -> None:
    assert "is 0.025 throughout: the rates given are SGD's" in muon(tmp_path, (0.1, 0.025), (0.2, 0.025))
    along = muon(tmp_path, *((recipe.learning_rate, recipe.muon_rate) for recipe in fast_rates()))
    assert "is proportional to the rates given, which are SGD's: it is 0.0025 to 0.25." in along
    assert "is 0.025 and 0.03, not proportional" in muon(tmp_path, (0.1, 0.025), (0.2, 0.03))
    assert muon(tmp_path, (0.1, 0.025), (0.1, 0.05)) == ""
    sgd = [vary(base, learning_rate=rate) for base in bases(Options(datasets=("digits",)), (8,)) for rate in (0.1, 1.0)]
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in sgd]
    assert muon_words(groups, texts_of("custom")) == ""


def fast_rates() -> list[Recipe]:
    study = ask("learning-rate", Options(preset="fast", datasets=("digits",), depths=(8,)))
    return [variant.recipe for variant in study.variants]


def test_each_base_is_compared_with_what_has_its_data_set_and_depth(tmp_path: Path) -> None:
    options = Options(datasets=("digits", "cifar10"), depths=(8, 14))
    base = bases(options, ())
    varied = [vary(one, learning_rate=0.5) for one in base]
    asked = [*(("rate 0.5", one, {"rate_times": 5}) for one in varied), *(("", one, {"rate_times": 1}) for one in base)]
    study = study_of("learning-rate", options, [*asked, *asked])
    assert [variant.label for variant in study.variants][:2] == [
        "rate 0.5, ResNet-8, digits",
        "rate 0.5, ResNet-14, digits",
    ]
    assert study.variants[-1].factors == (("dataset", "cifar10"), ("depth", 14), ("rate_times", 1))
    compared = find(study, read_tables(tmp_path), chapter_of(study)).compared
    assert [(one.first.recipe, one.second.recipe) for one in compared] == list(zip(base, varied, strict=True))


def test_the_number_of_images_is_not_given_from_outside() -> None:
    with pytest.raises(ResLabError, match="train_share has no effect on data-size, which sets it itself"):
        ask("data-size", Options(recipe=(("train_share", 0.3),)))


def test_a_network_of_ones_own_is_asked_where_something_else_is_varied(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def build(num_classes):\n    return None\n")
    own = Options(recipe=(("network", f"{tmp_path}/net.py:build"),))
    images = ask("data-size", own)
    assert {dict(variant.factors)["dataset"] for variant in images.variants} == {
        "cifar10",
        "cifar100",
        "cifar100-coarse",
    }
    assert all(variant.recipe.network for variant in images.variants)
    assert len(ask("learning-rate", own).variants) > 2
    for name in ("depth", "shortcuts"):
        with pytest.raises(ResLabError, match=rf"{name} compares networks .* but .* is the same network"):
            ask(name, own)


@pytest.mark.parametrize(
    ("options", "network"),
    [
        (Options(preset="wide", depths=(16, 28)), "WRN-16-10"),
        (Options(recipe=(("family", "wide"),), depths=(16,)), "WRN-16-1"),
        (Options(recipe=(("family", "plain"),)), "plain-20"),
    ],
)
def test_what_a_network_has_only_one_of_is_not_compared(options: Options, network: str) -> None:
    said = rf"shortcuts compares shortcut A, B and C, but {network} has the same recipe for all of them; use other netw"
    with pytest.raises(ResLabError, match=said):
        ask("shortcuts", options)
    changes = ask("fidelity", options)  # that of the shortcut, which these cannot have, is left out
    assert not any("shortcut" in variant.label for variant in changes.variants)
    assert dict(changes.variants[0].factors)["change"] == "base"
    residual = Options(preset=options.preset, recipe=(("family", "residual"),), depths=(8,))
    assert {variant.recipe.shortcut for variant in ask("shortcuts", residual).variants} == {"A", "B", "C"}
