"""Identity, canonical form and checks of recipes, and the random streams."""

import inspect
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab import recipe as recipe_module
from reslab.errors import ResLabError
from reslab.exhibits.recipes import aspects
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import (
    Recipe,
    Run,
    Scalar,
    an_epoch_of,
    at_rate,
    canonical_json,
    check_heeded,
    check_plays_a_part,
    differing_fields,
    field_names,
    lengthened,
    on_share,
    random_stream,
    stretch,
    to_mapping,
    vary,
)

CIFAR_PRESETS = [name for name, preset in PRESETS.items() if preset.recipe.family == "residual"]

GOLDEN = Path(__file__).parent / "golden" / "recipe_ids.json"


def golden_recipes() -> dict[str, Recipe]:
    named = {
        f"{preset} {dataset} {depth}": preset_recipe(preset, dataset=dataset, depth=depth)
        for preset in CIFAR_PRESETS
        for dataset in ("cifar10", "cifar100")
        for depth in (20, 32, 44, 56, 110, 1202)
    }
    named |= {f"{preset} digits 8": preset_recipe(preset, dataset="digits", depth=8) for preset in CIFAR_PRESETS}
    named |= {f"imagenet {depth}": preset_recipe("imagenet", depth=depth) for depth in (18, 34, 50, 101, 152)}
    base = preset_recipe("assignment")
    return named | {
        "defaults": Recipe(),
        "plain": vary(base, family="plain"),
        "coarse labels": vary(base, dataset="cifar100-coarse"),
        "a fifth": vary(base, train_share=0.2),
        "bf16": vary(base, precision="bf16"),
        "imagenet, stride in the 1x1": preset_recipe("imagenet", family="imagenet-1x1"),
        "an image folder at 32": preset_recipe("assignment", dataset="imagefolder"),
        "imagenet on digits": preset_recipe("imagenet", dataset="digits", depth=18),
        "10 epochs": stretch(base, 10),
        "2 epochs": stretch(base, 2),
        "everything else": vary(
            base,
            holdout=5000,
            normalisation="imagenet",
            crop_padding=0,
            mirror="none",
            shortcut="C",
            batch_size=64,
            learning_rate=0.05,
            momentum=0.8,
            nesterov=True,
            weight_decay=5e-4,
            decay_scope="weights",
            label_smoothing=0.1,
            schedule_unit="iterations",
            length=1000,
            first_drop=500,
            second_drop=750,
            drop_factor=0.2,
            warmup="fixed",
            warmup_rate=0.001,
            warmup_length=100,
        ),
    }


def test_no_id_may_move() -> None:
    """A changed id orphans everybody's runs: a new field goes to ADDED_LATER; see SEMANTICS for what may move them."""
    assert {name: recipe.id for name, recipe in golden_recipes().items()} == json.loads(GOLDEN.read_text())


def test_the_golden_recipes_tell_their_ids_apart() -> None:
    recipes = golden_recipes()
    assert len(set(recipes.values())) == len({recipe.id for recipe in recipes.values()}) >= len(recipes) - 1


def test_the_id_names_the_network_and_the_run() -> None:
    assert Recipe().id.startswith("cifar10-resnet20-")
    assert len(Recipe().id) == len("cifar10-resnet20-") + 8
    plain = Recipe(family="plain", depth=56, dataset="cifar100")
    assert plain.id.startswith("cifar100-plain56-")
    assert Run(plain, 3).id == f"{plain.id}/seed3"


OTHER_VALUES: dict[str, Scalar] = {
    "dataset": "cifar100",
    "images": "0123456789abcdef",
    "train_share": 0.5,
    "holdout": 5000,
    "image_size": 64,
    "normalisation": "channel",
    "crop_padding": 3,
    "padding": "black",
    "mirror": "none",
    "network": "my_net.py:build@0123456789abcdef",
    "family": "plain",
    "depth": 56,
    "shortcut": "B",
    "initialisation": "he-fan-out",
    "batch_size": 64,
    "learning_rate": 0.2,
    "momentum": 0.8,
    "nesterov": True,
    "weight_decay": 5e-4,
    "decay_scope": "weights",
    "label_smoothing": 0.1,
    "schedule_unit": "iterations",
    "length": 200,
    "first_drop": 82,
    "second_drop": 123,
    "drop_factor": 0.2,
    "warmup": "fixed",
    "warmup_rate": 0.02,
    "warmup_error": 70,
    "warmup_length": 2,
    "precision": "bf16",
    "schedule": "linear",
    "optimiser": "muon",
    "muon_rate": 0.05,
    "muon_momentum": 0.6,
    "randaugment": 2,
    "randaugment_magnitude": 9,
    "cutout": 16,
    "mixup": 0.2,
    "width": 4,
    "dropout": 0.3,
    "adam_beta_mean": 0.8,
    "adam_beta_square": 0.99,
    "adam_epsilon": 1e-6,
    "clip_norm": 1,
    "ema_decay": 0.99,
    "third_drop": 150,
    "final_rate": 0.001,
    "cycle_rise": 0.5,
    "cycle_start": 0.1,
    "cycle_end": 0.01,
}

NEEDED: dict[str, dict[str, Scalar]] = {
    "images": {"dataset": "imagefolder", "normalisation": "imagenet"},
    "image_size": {"dataset": "imagefolder", "normalisation": "imagenet"},
    "muon_rate": {"optimiser": "muon"},
    "muon_momentum": {"optimiser": "muon"},
    "adam_beta_mean": {"optimiser": "adam"},
    "adam_beta_square": {"optimiser": "adamw"},
    "adam_epsilon": {"optimiser": "adam"},
    "randaugment_magnitude": {"randaugment": 1},
    "width": {"family": "wide", "depth": 28},
    "dropout": {"family": "wide", "depth": 28},
    "final_rate": {"schedule": "cosine"},
    "cycle_rise": {"schedule": "one-cycle", "warmup": "none"},
    "cycle_start": {"schedule": "one-cycle", "warmup": "none"},
    "cycle_end": {"schedule": "one-cycle", "warmup": "none"},
    "warmup_length": {"warmup": "fixed"},
}
"""What a field plays a part with, where it does not in all recipes."""


@pytest.mark.parametrize("name", field_names())
def test_every_field_is_part_of_the_identity(name: str) -> None:
    base = vary(Recipe(warmup="until-error"), **NEEDED.get(name, {}))
    changed = vary(base, **{name: OTHER_VALUES[name]})
    assert changed.id.rpartition("-")[2] != base.id.rpartition("-")[2]


@pytest.mark.parametrize("name", sorted(NEEDED.keys() - {"image_size"}))  # which other sets refuse
def test_a_field_is_neutral_where_it_plays_no_part(name: str) -> None:
    base = Recipe()
    assert vary(base, **{name: OTHER_VALUES[name]}) == base


UNSHOWN = {"dataset", "images", "network"}
"""What is said of a recipe's runs in other places than among the aspects of the recipe."""


@pytest.mark.parametrize("name", [name for name in field_names() if name not in UNSHOWN])
def test_every_field_is_told_in_the_words_of_a_recipe(name: str) -> None:
    base = vary(Recipe(warmup="until-error"), **NEEDED.get(name, {}))
    assert aspects(base) != aspects(vary(base, **{name: OTHER_VALUES[name]}))


def test_what_plays_no_part_is_neutral() -> None:
    assert Recipe(family="plain", shortcut="B") == Recipe(family="plain", shortcut="none")
    assert Recipe(images="0123456789abcdef") == Recipe()
    assert Recipe(crop_padding=0, padding="black") == Recipe(crop_padding=0, padding="mean")
    unused: dict[str, Scalar] = {"warmup_rate": 0.02, "warmup_error": 50, "warmup_length": 3}
    assert vary(Recipe(), **unused) == Recipe()
    fixed = vary(Recipe(), warmup="fixed", **unused)
    assert (fixed.warmup_rate, fixed.warmup_error, fixed.warmup_length) == (0.02, 80, 3)
    until = vary(Recipe(), warmup="until-error", **unused)
    assert (until.warmup_rate, until.warmup_error, until.warmup_length) == (0.02, 50, 1)
    assert vary(fixed, warmup="none").id == Recipe().id


def test_what_plays_no_part_with_another_optimiser_schedule_or_network_is_neutral() -> None:
    assert Recipe(adam_beta_mean=0.5, muon_rate=1) == Recipe()
    adam = Recipe(optimiser="adam", learning_rate=0.001)
    assert vary(adam, momentum=0.5, nesterov=True) == adam
    assert vary(adam, adam_beta_mean=0.5) != adam
    assert Recipe(final_rate=0.01, cycle_rise=0.5, cycle_start=0.1, cycle_end=0.1) == Recipe()
    cosine = Recipe(schedule="cosine")
    assert vary(cosine, first_drop=10, second_drop=20, third_drop=30, drop_factor=0.5) == cosine
    assert Recipe(randaugment_magnitude=9) == Recipe()
    assert Recipe(width=4, dropout=0.3) == Recipe()
    wide = Recipe(family="wide", depth=28, width=10)
    assert wide.shortcut == "B"
    assert (wide.network_name, Recipe(family="preact", depth=110).network_name) == ("wrn28-10", "preact110")
    assert vary(Recipe(family="plain"), family="preact").shortcut == "A"


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ({"optimiser": "muon"}, "adam_beta_mean", "adam_beta_mean has no effect here: .* adam or adamw, not muon"),
        ({"optimiser": "adam"}, "momentum", "momentum has no effect here: it is for optimiser sgd or muon, not adam"),
        ({}, "muon_rate", "muon_rate has no effect here: it is for optimiser muon, not sgd"),
        ({"schedule": "cosine"}, "drop_factor", "it is for schedule step, not cosine"),
        ({"schedule": "linear"}, "first_drop", "first_drop has no effect here: it is for schedule step, not linear"),
        ({}, "warmup_length", "it is for warmup fixed or linear, not none"),
        ({}, "width", "width has no effect here: it is for family wide, not residual"),
        ({"family": "preact"}, "dropout", "dropout has no effect here: it is for family wide, not preact"),
        ({}, "randaugment_magnitude", "it is for randaugment of 1 or more"),
    ],
)
def test_a_field_that_plays_no_part_is_refused_where_it_was_given(
    values: dict[str, Scalar], given: str, message: str
) -> None:
    with pytest.raises(ResLabError, match=message):
        check_plays_a_part([Recipe.from_mapping(values)], [given])


def test_a_field_that_plays_a_part_in_one_of_a_studys_recipes_is_not_refused() -> None:
    check_plays_a_part([Recipe(), Recipe(optimiser="adam")], ["momentum", "adam_beta_mean", "depth", "learning_rate"])
    check_plays_a_part([], ["momentum"])


@pytest.mark.parametrize(
    ("fields", "name", "kept"),
    [
        ({"family": "wide", "depth": 10}, "shortcut", "A"),
        ({"family": "plain"}, "shortcut", "B"),
        ({"crop_padding": 0}, "padding", "reflect"),
        ({"weight_decay": 0.0}, "decay_scope", "weights"),
    ],
)
def test_a_field_that_the_others_leave_one_value_is_not_taken_in_silence(
    fields: dict[str, Any], name: str, kept: str
) -> None:
    recipe = vary(Recipe(), **fields, **{name: kept})
    with pytest.raises(ResLabError, match=f"{name} {kept} has no effect here .* it would be {getattr(recipe, name)}"):
        check_heeded(recipe, {**fields, name: kept})
    check_heeded(recipe, {**fields, name: getattr(recipe, name)})


def test_a_third_drop_is_stretched_with_the_others() -> None:
    three = Recipe(length=200, first_drop=60, second_drop=120, third_drop=160)
    assert stretch(three, 20) == vary(three, length=20, first_drop=6, second_drop=12, third_drop=16)
    short = stretch(three, 2)  # whole epochs would put two drops at one place
    assert (short.first_drop, short.second_drop, short.third_drop) == (0.6, 1.2, 1.6)


def test_equal_numbers_of_other_types_are_the_same_recipe() -> None:
    assert Recipe(length=164, train_share=1).id == Recipe(length=164.0, train_share=1.0).id
    assert isinstance(Recipe(length=164).length, float)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("depth", 18, r"depth must be 6n\+2, as in 8, 14, 20, 32, 44, 56, 110 or 1202; not 18"),
        ("depth", 2, r"depth must be 6n\+2"),
        ("depth", 6_000_002, "depth must be 10,000 or less, not 6000002"),
        ("batch_size", 10**20, "batch_size must be 1 to 1,048,576, not 100000000000000000000"),
        ("depth", 20.0, "depth must be a whole number, not 20.0"),
        ("depth", True, "depth must be a whole number, not True"),
        ("nesterov", 1, "nesterov must be true or false, not 1"),
        ("learning_rate", True, "learning_rate must be a number, not True"),
        ("learning_rate", "0.1", "learning_rate must be a number, not '0.1'"),
        ("learning_rate", float("nan"), "learning_rate must be a finite number"),
        ("length", float("inf"), "length must be a finite number"),
        (
            "dataset",
            "mnist",
            "dataset must be one of digits, cifar10, cifar100, cifar100-coarse, imagefolder; not 'mnist'",
        ),
        ("dataset", 10, "dataset must be text, not 10"),
        ("images", "flowers", "images must be the first 16 hexadecimal digits of a fingerprint, not 'flowers'"),
        ("shortcut", "none", "a residual network needs a shortcut: A, A-centred, B or C"),
        ("shortcut", "D", "shortcut must be one of"),
        ("train_share", 0, "train_share must be above 0 and at most 1, not 0.0"),
        ("train_share", 1.1, "train_share must be above 0"),
        ("holdout", -1, "holdout must be 0 or more, not -1"),
        ("crop_padding", 17, "crop_padding must be 0 to 16, not 17"),
        ("batch_size", 0, "batch_size must be 1 to 1,048,576, not 0"),
        ("learning_rate", 0, "learning_rate must be above 0, not 0.0"),
        ("momentum", 1, "momentum must be at least 0 and below 1, not 1.0"),
        ("weight_decay", -1e-4, "weight_decay must be 0 or more"),
        ("label_smoothing", 1, "label_smoothing must be in"),
        ("first_drop", 0, "the schedule must have 0 < first_drop <= second_drop <= length, not 0, 122 and 164 epochs"),
        ("first_drop", 123, "not 123, 122 and 164 epochs"),
        ("second_drop", 165, "not 81, 165 and 164 epochs"),
        ("drop_factor", 0, "drop_factor must be above 0"),
        ("warmup_rate", 0, "warmup_rate must be above 0"),
        ("warmup_error", 101, "warmup_error must be in"),
        ("warmup_length", 0, "warmup_length must be above 0"),
        ("width", 0, "width must be 1 to 64, not 0"),
        ("dropout", 1.0, "dropout must be 0 or more and below 1, not 1.0"),
        ("randaugment", 15, "randaugment must be 0 to 14 operations, not 15"),
        ("randaugment_magnitude", 31, "randaugment_magnitude must be 0 to 30, not 31"),
        ("cutout", 65, "cutout must be 0 to 64 pixels, not 65"),
        ("length", 1e8, "length must be at most 10,000,000 epochs, not 1e\\+08"),
        ("warmup_length", 1e308, "warmup_length must be at most 10,000,000 epochs"),
        ("cutout", 8.5, "cutout must be a whole number, not 8.5"),
        ("mixup", -0.1, "mixup must be 0 or more, not -0.1"),
        ("adam_beta_mean", 1, "adam_beta_mean must be at least 0 and below 1, not 1.0"),
        ("adam_beta_square", -0.1, "adam_beta_square must be at least 0 and below 1, not -0.1"),
        ("adam_epsilon", 0, "adam_epsilon must be above 0, not 0.0"),
        ("clip_norm", -1, r"clip_norm must be 0 \(no limit\) or more, not -1.0"),
        ("ema_decay", 1, r"ema_decay must be at least 0 \(none\) and below 1, not 1.0"),
        ("third_drop", 121, r"third_drop must be 0 \(none\), or between second_drop and length, 122 and 164 epochs"),
        ("third_drop", 165, "not 165"),
        ("cycle_rise", 1, "cycle_rise must be above 0 and below 1, not 1.0"),
        ("cycle_start", 0, "cycle_start must be above 0 and at most 1, not 0.0"),
        ("cycle_end", 1.5, "cycle_end must be above 0 and at most 1, not 1.5"),
    ],
)
def test_impossible_values_are_refused_in_words(field: str, value: object, message: str) -> None:
    with pytest.raises(ResLabError, match=message):
        Recipe.from_mapping({field: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "imagenet"}, "depth must be 18, 34, 50, 101 or 152 for a network of family imagenet; not 20"),
        ({"family": "imagenet-1x1", "depth": 56}, "family imagenet-1x1; not 56"),
        ({"family": "residual", "depth": 18}, r"depth must be 6n\+2"),
        ({"family": "imagenet", "depth": 18, "shortcut": "none"}, "a residual network needs a shortcut"),
        ({"image_size": 64}, "image_size is for imagefolder; the images of cifar10 are 32 x 32, not 64"),
        ({"dataset": "imagefolder"}, "normalisation of imagefolder must be one of channel-2023, imagenet, per-image"),
        (
            {"dataset": "imagefolder", "normalisation": "imagenet", "image_size": 31},
            "image_size must be 32 or more, not 31",
        ),
        ({"schedule": "cosine", "final_rate": 0.2}, "final_rate must be between 0 and the learning rate, 0.1; not 0.2"),
        (
            {"schedule": "one-cycle", "warmup": "linear"},
            "warmup must be none with the one-cycle schedule, which rises by itself; not 'linear'",
        ),
        ({"schedule_unit": "iterations", "length": 2e12}, "at most 1,000,000,000,000 iterations"),
        (
            {"dataset": "arrays", "image_size": 64},
            "image_size is for imagefolder; the images of arrays keep their size",
        ),
        ({"dataset": "arrays", "cutout": -1}, "cutout must be 0 or more, not -1"),
        ({"mixup": 1, "batch_size": 1}, "mixup mixes the images of a batch: batch_size must be 2 or more"),
        ({"family": "wide", "depth": 20}, r"depth must be 6n\+4 for a network of family wide, as in 16.*try 16 or 22"),
        ({"family": "preact-bottleneck", "depth": 110, "shortcut": "none"}, "a residual network needs a shortcut"),
        ({"family": "preact-bottleneck", "depth": 20.5}, "depth must be a whole number"),
        ({"family": "preact-bottleneck", "depth": 60}, r"9n\+2 .* as in 164 or 1001; not 60; try 56 or 65"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(values: dict[str, Scalar], message: str) -> None:
    with pytest.raises(ResLabError, match=message):
        Recipe.from_mapping(values)


def test_equal_networks_and_images_have_one_recipe() -> None:
    basic = {family: preset_recipe("imagenet", family=family, depth=34) for family in ("imagenet", "imagenet-1x1")}
    assert basic["imagenet"] == basic["imagenet-1x1"]
    assert preset_recipe("imagenet") != preset_recipe("imagenet", family="imagenet-1x1")
    cropped = vary(preset_recipe("imagenet"), crop_padding=4, padding="black")
    assert cropped == preset_recipe("imagenet")  # the crops of imagefolder are resized, not padded


def test_networks_of_both_families_have_names_of_their_own() -> None:
    assert preset_recipe("imagenet").network_name == "imagenet-resnet50"
    assert preset_recipe("assignment", depth=50).network_name == "resnet50"


def test_an_own_network_takes_the_place_of_what_describes_ours() -> None:
    own = Recipe(network="nets/my net.py:build@0123456789abcdef", depth=56, shortcut="B")
    assert own == Recipe(network="my net.py:build@0123456789abcdef"), "where the file lies plays no part"
    assert own.id.startswith("cifar10-my_net.build-")
    assert (own.family, own.depth, own.shortcut) == ("own", 0, "none")
    assert Recipe.from_mapping(to_mapping(own)) == own
    assert vary(own, network="") == Recipe()
    assert vary(own, network="", depth=56, family="plain") == Recipe(depth=56, family="plain")
    assert own.id != vary(own, network="my net.py:build@0123456789abcdee").id


@pytest.mark.parametrize("network", ["resnet", "my_net.py", "my_net.build", "my_net.py:build@12", "my_net.py:"])
def test_what_is_no_function_in_a_file_is_no_network(network: str) -> None:
    with pytest.raises(ResLabError, match=r"network must be a function in a file, as in my_net.py:build"):
        Recipe(network=network)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ResLabError, match="nesterov needs a momentum above 0"):
        Recipe(momentum=0, nesterov=True)


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ResLabError, match=r"no field 'zzz'; there are dataset, train_share, .*, precision"):
        Recipe.from_mapping({"zzz": 0.1})
    with pytest.raises(ResLabError, match=r"no field 'lr' \(did you mean 'learning_rate'\?\)"):
        vary(Recipe(), lr=0.1)
    with pytest.raises(ResLabError, match=r"^a recipe has no field 'depht' \(did you mean 'depth'\?\)$"):
        Recipe(depht=8)  # type: ignore[call-arg]
    with pytest.raises(ResLabError, match=r"takes its fields by name, as in Recipe\(depth=20\)"):
        Recipe("cifar10")  # type: ignore[call-arg]
    assert list(inspect.signature(Recipe).parameters) == list(field_names())  # as help and editors show it


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "0"])
def test_impossible_seeds_are_refused(seed: int) -> None:
    with pytest.raises(ResLabError, match="seed must be a whole number from 0 to 4294967295"):
        Run(Recipe(), seed)


def test_a_recipe_survives_json() -> None:
    for recipe in golden_recipes().values():
        again = Recipe.from_mapping(json.loads(json.dumps(to_mapping(recipe))))
        assert again == recipe
        assert again.id == recipe.id


def test_differing_fields_come_in_order() -> None:
    base = Recipe()
    assert differing_fields([base, base]) == ()
    assert differing_fields([base, vary(base, precision="bf16", depth=56)]) == ("depth", "precision")


@pytest.mark.parametrize(
    ("epochs", "drops"),
    [(164, (81, 122)), (82, (41, 61)), (328, (162, 244)), (16, (8, 12)), (10, (5, 7)), (4, (2, 3))],
)
def test_stretch_rounds_the_drops_to_whole_epochs(epochs: int, drops: tuple[int, int]) -> None:
    recipe = stretch(preset_recipe("assignment"), epochs)
    assert (recipe.first_drop, recipe.second_drop, recipe.length) == (*drops, epochs)
    assert recipe.schedule_unit == "epochs"


@pytest.mark.parametrize("epochs", [1, 2, 3, 0.5])
def test_stretch_keeps_the_drops_of_very_short_trainings_apart(epochs: float) -> None:
    recipe = stretch(preset_recipe("assignment"), epochs)
    assert recipe.first_drop == pytest.approx(81 / 164 * epochs) or epochs == 3
    assert 0 < recipe.first_drop < recipe.second_drop < recipe.length == epochs


@given(epochs=st.integers(4, 2000), preset=st.sampled_from(sorted(PRESETS)))
def test_stretch_rounds_halves_upwards_exactly(epochs: int, preset: str) -> None:
    recipe = preset_recipe(preset)
    stretched = stretch(recipe, epochs)
    for before, after in ((recipe.first_drop, stretched.first_drop), (recipe.second_drop, stretched.second_drop)):
        share = Fraction(before) / Fraction(recipe.length)
        assert abs(Fraction(after) - share * epochs) <= Fraction(1, 2)
        if (share * epochs).denominator == 2:
            assert after > share * epochs


@pytest.mark.parametrize("epochs", [0, -1, float("nan"), float("inf")])
def test_stretch_refuses_impossible_lengths(epochs: float) -> None:
    with pytest.raises(ResLabError, match="epochs must be a number above 0"):
        stretch(Recipe(), epochs)


def test_a_linear_schedule_has_no_drops_and_stretches_with_its_warm_up() -> None:
    linear = Recipe(schedule="linear", length=16, first_drop=3, second_drop=4, warmup="linear", warmup_length=2)
    assert (linear.first_drop, linear.second_drop) == (16, 16)
    assert linear == vary(linear, first_drop=7, second_drop=9, drop_factor=0.3)
    long = stretch(linear, 40)
    assert (long.length, long.warmup_length, long.schedule) == (40, 5, "linear")


def test_a_linear_warm_up_ends_before_the_training() -> None:
    with pytest.raises(ResLabError, match="a linear warm-up must be shorter than the training, not 16 of 16 epochs"):
        Recipe(schedule="linear", length=16, warmup="linear", warmup_length=16)


def test_a_field_added_later_leaves_old_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: recipe.id for name, recipe in golden_recipes().items()}
    monkeypatch.setitem(recipe_module.ADDED_LATER, "label_smoothing", 0.0)
    assert "label_smoothing" not in canonical_json(Recipe())
    assert '"label_smoothing":0.1' in canonical_json(Recipe(label_smoothing=0.1))
    after = {name: recipe.id for name, recipe in golden_recipes().items()}
    # Left out where neutral: as if the field had not been there.  Kept where not: the id of before.
    assert {name for name in before if before[name] == after[name]} == {"everything else"}
    assert Recipe().id != Recipe(label_smoothing=0.1).id


def test_fields_added_later_have_their_neutral_value_by_default() -> None:
    for name, neutral in recipe_module.ADDED_LATER.items():
        assert getattr(Recipe(), name) == neutral


def test_new_semantics_make_new_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Recipe().id
    monkeypatch.setattr("reslab.recipe.recipe.SEMANTICS", recipe_module.SEMANTICS + 1)
    assert Recipe().id != before


def test_random_streams_do_not_collide() -> None:
    purposes = ("initialisation", "order", "crops")
    keys = {random_stream(s, purpose, epoch) for s in range(60) for purpose in purposes for epoch in range(60)}
    assert len(keys) == 60 * 60 * len(purposes)
    assert all(0 <= key < 2**64 for key in keys)


def test_random_streams_are_fixed_for_ever() -> None:
    assert random_stream(0, "initialisation") == random_stream(0, "initialisation", 0) == 13255386935999947131


def test_a_schedule_so_many_times_as_long_stays_in_its_unit() -> None:
    epochs, iterations = preset_recipe("assignment"), preset_recipe("paper")
    assert lengthened(epochs, 0.5) == stretch(epochs, 82)
    half = lengthened(iterations, 0.5)
    assert (half.schedule_unit, half.length, half.first_drop, half.second_drop) == (
        "iterations",
        32_000,
        16_000,
        24_000,
    )
    assert lengthened(iterations, 1) is iterations


def test_a_warm_up_is_so_many_times_as_long_as_its_schedule() -> None:
    linear = vary(preset_recipe("paper"), warmup="linear", warmup_length=400)
    assert lengthened(linear, 0.5).warmup_length == 200
    assert lengthened(linear, 0.001).warmup_length == 1
    assert lengthened(preset_recipe("paper", depth=110), 0.5).warmup == "until-error"


@pytest.mark.parametrize("epochs", [1e8, 1e308, 10**400], ids=["long", "float", "whole"])
def test_no_training_is_longer_than_any_could_be(epochs: float) -> None:
    with pytest.raises(ResLabError, match="epochs must be at most 10,000,000"):
        stretch(preset_recipe("assignment"), epochs)


def test_a_share_of_the_images_keeps_the_steps_or_the_epochs() -> None:
    epochs, iterations = preset_recipe("assignment"), preset_recipe("paper")
    lengths = [
        [on_share(recipe, 0.5, same_steps=same).length for same in (True, False)] for recipe in (epochs, iterations)
    ]
    assert lengths == [[328, 164], [64_000, 32_000]]
    assert on_share(epochs, 0.5, same_steps=True).train_share == 0.5


@pytest.mark.parametrize("warmup", ["fixed", "linear"])
def test_the_warm_up_of_a_share_keeps_its_steps_or_its_epochs_as_the_schedule_does(warmup: str) -> None:
    epochs = vary(preset_recipe("akamaster", depth=110), warmup=warmup, warmup_length=1)
    iterations = vary(preset_recipe("paper"), warmup=warmup, warmup_length=400)
    for same, found in ((True, [(2_000, 10), (64_000, 400)]), (False, [(200, 1), (6_400, 40)])):
        parts = [on_share(recipe, 0.1, same_steps=same) for recipe in (epochs, iterations)]
        assert [(part.length, part.warmup_length) for part in parts] == found


def test_an_epoch_is_told_in_the_unit_of_the_schedule() -> None:
    paper = preset_recipe("paper")
    assert (an_epoch_of(preset_recipe("assignment")), an_epoch_of(paper)) == (1, 391)
    assert an_epoch_of(vary(paper, dataset="imagefolder", normalisation="imagenet")) is None


def test_a_rate_times_a_factor_has_no_binary_digits_and_takes_muons_along() -> None:
    assert at_rate(preset_recipe("assignment"), 0.2).learning_rate == 0.02
    fast = preset_recipe("fast")
    assert (fast.optimiser, at_rate(fast, 2).muon_rate) == ("muon", 2 * fast.muon_rate)


def test_numbers_of_numpy_are_the_same_recipe() -> None:
    plain = Recipe(depth=32, batch_size=64, learning_rate=0.5)
    theirs: dict[str, Any] = {"depth": np.int64(32), "batch_size": np.int32(64), "learning_rate": np.float32(0.5)}
    assert Run(plain, 3).id == Run(Recipe(**theirs), np.int64(3)).id  # type: ignore[arg-type]
    assert [type(getattr(Recipe(**theirs), name)) for name in theirs] == [int, int, float]
