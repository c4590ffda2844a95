"""The presets: each number once more, and how they adapt to a depth and a data set."""

from dataclasses import fields

import pytest

from reslab.errors import ResLabError
from reslab.presets import PRESETS, muon_left, preset_of, preset_recipe, published_values, with_papers_warmup
from reslab.recipe import ADDED_LATER, Recipe, differing_fields, stretch, to_mapping, vary

# name: normalisation, padding, shortcut, initialisation, Nesterov, decay, unit, first drop, second drop, length
TABLE = {
    "paper": ("pixel-mean", "mean", "A", "he-fan-in", False, 1e-4, "iterations", 32_000, 48_000, 64_000),
    "assignment": ("channel-2023", "black", "B", "he-fan-out", False, 1e-4, "epochs", 81, 122, 164),
    "fb-resnet-torch": ("channel", "mean", "A", "he-fan-out", True, 1e-4, "epochs", 80, 121, 164),
    "akamaster": ("imagenet", "black", "A-centred", "he-fan-in", False, 1e-4, "epochs", 100, 150, 200),
    "hysts": ("channel", "black", "B", "he-fan-out", True, 1e-4, "epochs", 80, 120, 160),
    "tf-models": ("per-image", "black", "B", "he-fan-in", False, 2e-4, "epochs", 91, 136, 182),
}

UNSETTLED = {"dataset", "train_share", "holdout", "image_size", "family", "depth", "label_smoothing", "precision"}
UNSETTLED |= set(ADDED_LATER)  # SGD, steps and no more augmentation than crops and mirrors everywhere
WARMUP = {"warmup", "warmup_rate", "warmup_error", "warmup_length"}


def test_the_presets_are_eight_for_cifar_one_for_imagenet_and_our_own() -> None:
    assert list(PRESETS) == [*TABLE, "preact", "wide", "imagenet", "fast"]
    assert [name for name, preset in PRESETS.items() if not preset.published] == ["fast"]
    assert all(preset.name == name for name, preset in PRESETS.items())


@pytest.mark.parametrize("name", TABLE)
def test_every_preset_is_as_published(name: str) -> None:
    recipe = preset_recipe(name)
    assert TABLE[name] == (
        recipe.normalisation,
        recipe.padding,
        recipe.shortcut,
        recipe.initialisation,
        recipe.nesterov,
        recipe.weight_decay,
        recipe.schedule_unit,
        recipe.first_drop,
        recipe.second_drop,
        recipe.length,
    )
    common = (recipe.batch_size, recipe.learning_rate, recipe.momentum, recipe.drop_factor, recipe.crop_padding)
    assert common == (128, 0.1, 0.9, 0.1, 4)
    assert (recipe.mirror, recipe.decay_scope, recipe.warmup, recipe.precision) == ("random", "all", "none", "fp32")
    assert (recipe.dataset, recipe.depth, recipe.holdout, recipe.train_share) == ("cifar10", 20, 0, 1)


def test_imagenets_preset_is_section_3_4_with_the_usual_schedule() -> None:
    recipe = preset_recipe("imagenet")
    assert (recipe.dataset, recipe.image_size, recipe.normalisation) == ("imagefolder", 224, "imagenet")
    assert (recipe.family, recipe.depth, recipe.shortcut, recipe.initialisation) == ("imagenet", 50, "B", "he-fan-in")
    assert (recipe.batch_size, recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (256, 0.1, 0.9, 1e-4)
    assert (recipe.first_drop, recipe.second_drop, recipe.length, recipe.schedule_unit) == (30, 60, 90, "epochs")
    assert (recipe.mirror, recipe.nesterov, recipe.drop_factor, recipe.warmup) == ("random", False, 0.1, "none")
    settled = {field for key in PRESETS["imagenet"].evidence for field in key.split()}
    assert settled | WARMUP | UNSETTLED == {field.name for field in fields(Recipe)}


def test_the_fast_preset_changes_no_network_and_takes_a_tenth_of_the_epochs() -> None:
    fast, paper = preset_recipe("fast"), preset_recipe("paper")
    for field in ("family", "depth", "shortcut", "initialisation", "batch_size", "label_smoothing"):
        assert getattr(fast, field) == getattr(paper, field)
    assert (fast.length, fast.schedule_unit) == (16, "epochs")
    settled = [field for key in PRESETS["fast"].evidence for field in key.split()]
    known = {field.name for field in fields(Recipe)}
    unused = {"first_drop", "second_drop", "drop_factor"}
    assert set(settled) | WARMUP | UNSETTLED | unused == known
    assert preset_recipe("fast", dataset="digits").mirror == "none"


def test_the_preact_preset_is_the_papers_with_its_warm_up() -> None:
    preact, paper = preset_recipe("preact"), preset_recipe("paper")
    assert (preact.family, preact.depth, preact.shortcut) == ("preact-bottleneck", 164, "B")
    assert (preact.warmup, preact.warmup_rate, preact.warmup_length) == ("fixed", 0.01, 400)
    own = {"family", "depth", "shortcut", "initialisation", "warmup", "warmup_length"}
    assert set(differing_fields([preact, paper])) == own
    assert preset_recipe("preact", depth=1001).network_name == "preact-bottleneck1001"
    basic = vary(preset_recipe("preact", family="preact", depth=110), shortcut="A")
    assert (basic.network_name, basic.shortcut) == ("preact110", "A")


def test_the_wide_preset_is_as_published() -> None:
    wide = preset_recipe("wide")
    assert (wide.family, wide.depth, wide.width, wide.shortcut) == ("wide", 28, 10, "B")
    assert (wide.normalisation, wide.padding, wide.crop_padding, wide.mirror) == ("channel", "reflect", 4, "random")
    assert (wide.learning_rate, wide.drop_factor, wide.weight_decay, wide.nesterov) == (0.1, 0.2, 5e-4, True)
    assert (wide.first_drop, wide.second_drop, wide.third_drop, wide.length) == (60, 120, 160, 200)
    assert preset_recipe("wide", depth=40).network_name == "wrn40-10"


@pytest.mark.parametrize("name", ["preact", "wide"])
def test_every_number_of_other_families_has_its_place_in_the_source(name: str) -> None:
    settled = [field for key in PRESETS[name].evidence for field in key.split()]
    assert len(settled) == len(set(settled))
    assert set(settled) <= {field.name for field in fields(Recipe)}
    changed = set(differing_fields([PRESETS[name].recipe, Recipe()]))
    assert changed <= set(settled)


def test_presets_take_another_data_set_depth_or_family() -> None:
    folder = preset_recipe("assignment", dataset="imagefolder", family="imagenet", depth=18)
    assert (folder.network_name, folder.image_size, folder.crop_padding) == ("imagenet-resnet18", 32, 0)
    digits = preset_recipe("imagenet", dataset="digits", depth=18)
    assert (digits.image_size, digits.mirror, digits.batch_size) == (32, "none", 32)
    assert preset_recipe("assignment", family="plain").shortcut == "none"


@pytest.mark.parametrize("name", TABLE)
def test_every_number_has_its_place_in_the_source(name: str) -> None:
    preset = PRESETS[name]
    assert preset.source.startswith("https://")
    assert preset.notes
    settled = [field for key in preset.evidence for field in key.split()]
    assert len(settled) == len(set(settled))
    known = {field.name for field in fields(Recipe)}
    assert set(settled) | WARMUP | UNSETTLED == known
    deep = preset_recipe(name, depth=110)
    assert (deep.warmup == "none") == ("warmup" not in settled)


def test_the_warm_up_is_for_the_depths_that_the_source_names() -> None:
    for depth, warm in ((20, False), (56, False), (110, True), (116, True), (1202, True)):
        paper = preset_recipe("paper", depth=depth)
        assert (paper.warmup, paper.warmup_rate, paper.warmup_error) == (
            "until-error" if warm else "none",
            0.01,
            80,
        )
    for depth, warm in ((56, False), (104, False), (110, True), (116, False), (1202, True)):
        akamaster = preset_recipe("akamaster", depth=depth)
        assert (akamaster.warmup, akamaster.warmup_rate, akamaster.warmup_length) == (
            "fixed" if warm else "none",
            0.01,
            1,
        )
    assert all(preset_recipe(name, depth=110).warmup == "none" for name in TABLE if name not in ("paper", "akamaster"))


@pytest.mark.parametrize("name", TABLE)
def test_only_what_should_changes_with_the_data_set(name: str) -> None:
    ten = to_mapping(preset_recipe(name, depth=56))
    hundred = to_mapping(preset_recipe(name, dataset="cifar100", depth=56))
    digits = to_mapping(preset_recipe(name, dataset="digits", depth=56))
    assert {field for field in ten if ten[field] != hundred[field]} == {"dataset"}
    schedule = {"schedule_unit", "length", "first_drop", "second_drop"} if name == "paper" else set()
    assert {field for field in ten if ten[field] != digits[field]} == {"dataset", "mirror", "batch_size"} | schedule
    assert (digits["mirror"], digits["batch_size"]) == ("none", 32)


def test_other_lengths_keep_the_shares() -> None:
    short = stretch(preset_recipe("paper"), 164)
    assert (short.schedule_unit, short.first_drop, short.second_drop) == ("epochs", 82, 123)
    assert stretch(preset_recipe("assignment"), 164) == preset_recipe("assignment")


def test_mistakes_are_named() -> None:
    with pytest.raises(ResLabError, match="no preset 'kaiming'; the presets are paper, assignment, fb-resnet"):
        preset_recipe("kaiming")
    with pytest.raises(ResLabError, match=r"depth must be 6n\+2"):
        preset_recipe("paper", depth=18)
    with pytest.raises(ResLabError, match="dataset must be one of digits, cifar10"):
        preset_recipe("paper", dataset="mnist")


def test_a_preset_is_known_by_its_recipe_whatever_the_precision() -> None:
    for name in TABLE:
        found = preset_of(vary(preset_recipe(name, dataset="cifar100", depth=110), precision="bf16"))
        assert found is PRESETS[name]
    fast = preset_recipe("fast", dataset="cifar10", depth=20)
    assert preset_of(fast) is PRESETS["fast"]
    assert preset_of(stretch(fast, 15)) is None
    assert preset_of(vary(fast, nesterov=False)) is None


def test_muons_rate_that_was_left_behind_is_told_with_the_one_that_goes_along() -> None:
    fast = preset_recipe("fast")
    assert muon_left(fast) == muon_left(preset_recipe("assignment")) == ""
    assert muon_left(vary(preset_recipe("assignment"), learning_rate=0.2)) == ""
    words = muon_left(vary(fast, learning_rate=0.2))
    assert "learning_rate 0.2 is that of SGD alone" in words
    assert "stays at 0.025 (muon_rate 0.05 would keep their proportion)" in words
    assert muon_left(vary(fast, learning_rate=0.2, muon_rate=0.05)) == ""
    assert muon_left(vary(fast, muon_rate=0.01)) == ""
    assert "stays at 0.02 (muon_rate 0.04" in muon_left(vary(Recipe(), optimiser="muon", learning_rate=0.2))


def _drops_of_its_day(milestones: tuple[int, int]) -> list[int]:
    """Return after how many completed epochs akamaster's loop sees a lower rate, with MultiStepLR before PyTorch 1.1.

    Making it sets the rate of epoch 0 and leaves the count at -1; each later call, without an argument, adds one.
    """
    count, drops = -1, []
    for completed in range(1, 201):
        before = sum(count >= milestone for milestone in milestones)
        count += 1
        if sum(count >= milestone for milestone in milestones) > before:
            drops.append(completed)
    return drops


def test_what_follows_akamaster_is_what_its_scheduler_did() -> None:
    (deviation,) = PRESETS["akamaster"].deviations
    recipe = preset_recipe("akamaster")
    there = _drops_of_its_day((int(recipe.first_drop), int(recipe.second_drop)))
    assert there == [101, 151] == list(deviation.follow.values())
    assert f"after {there[0]} and {there[1]} completed epochs" in deviation.theirs
    followed = vary(recipe, **deviation.follow)
    assert (followed.first_drop, followed.second_drop, followed.length) == (101, 151, 200)


def test_hysts_leaves_out_the_last_images_of_an_epoch() -> None:
    (deviation,) = PRESETS["hysts"].deviations
    batch = preset_recipe("hysts").batch_size
    there, here = 50_000 // batch, -(-50_000 // batch)
    assert f"{there} batches of {batch}: the last {50_000 - there * batch} images" in deviation.theirs
    assert f"{here} batches, the last of {50_000 - there * batch} images" in deviation.ours
    assert f"{100 * (here - there) / there:.2f}% more iterations" in deviation.basis


def test_tf_models_drops_at_iterations_of_its_own() -> None:
    """piecewise_constant keeps the rate while the step, counted from 0, is not above the boundary."""
    (deviation,) = PRESETS["tf-models"].deviations
    recipe = preset_recipe("tf-models")
    epochs = (recipe.first_drop, recipe.second_drop)
    there = [int(50_000 / 128 * epoch) + 1 for epoch in epochs]
    here = [int(epoch) * 391 for epoch in epochs]
    assert f"after {there[0]:,} and {there[1]:,} iterations" in deviation.theirs
    assert f"after {here[0]:,} and {here[1]:,} iterations" in deviation.ours
    assert all(abs(128 * count - 50_000 * epoch) <= 128 for count, epoch in zip(there, epochs, strict=True))
    assert f"{100 * (here[0] - there[0]) / there[0]:.1f}% more iterations" in deviation.basis


def test_every_deviation_has_a_price_and_fields_that_a_recipe_takes() -> None:
    for name, preset in PRESETS.items():
        for deviation in preset.deviations:
            assert 0 < deviation.points < 0.19
            assert all((deviation.theirs, deviation.ours, deviation.basis))
            assert vary(preset_recipe(name), **deviation.follow) != preset_recipe(name) or not deviation.follow


def test_the_papers_warm_up_is_that_of_its_deep_networks() -> None:
    deep = preset_recipe("assignment", depth=110)
    warmed = with_papers_warmup(deep)
    assert warmed is not None
    paper = preset_recipe("paper", depth=110)
    assert [(one.warmup, one.warmup_rate, one.warmup_error) for one in (warmed, paper)] == [
        ("until-error", 0.01, 80.0)
    ] * 2
    for other in (paper, preset_recipe("assignment", depth=56), vary(deep, family="plain", shortcut="none")):
        assert with_papers_warmup(other) is None


def test_values_of_a_field_are_those_of_published_recipes() -> None:
    found = published_values("nesterov")
    assert found.keys() == {True, False}
    assert "paper" in found[False]
    assert not {name for names in found.values() for name in names if not PRESETS[name].published}


def test_the_imagenet_preset_takes_arrays_as_large_as_they_are() -> None:
    """Images that somebody brings keep their size, which no field of a recipe has."""
    recipe = preset_recipe("imagenet", dataset="my_images.py:load", depth=18)
    assert (recipe.image_size, recipe.family, recipe.depth) == (32, "imagenet", 18)
