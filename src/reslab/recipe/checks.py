"""Reject recipes with impossible values, alone or in combination."""

import re
from typing import TYPE_CHECKING

from reslab.datasets import SHORT, is_brought, known
from reslab.errors import ResLabError
from reslab.families import check_depth, family_of

if TYPE_CHECKING:
    from reslab.recipe.recipe import Recipe

UNMEASURED = ("channel-2023", "imagenet", "per-image")
"""Normalisations that need no pass over the training images: those allowed for imagefolder."""

MOST: dict[str, float] = {"epochs": 1e7, "iterations": 1e12}
"""The greatest length of a training, in each unit: anything longer is a typo, and could not be planned."""

_FINGERPRINT = re.compile(rf"[0-9a-f]{{{SHORT}}}")


def check_values(recipe: "Recipe") -> None:
    """Raise `ResLabError`, which says what is allowed, if a value or combination of values is impossible."""
    for check in (_check_network, _check_images, _check_augmentation, _check_optimiser, _check_schedule, _check_warmup):
        check(recipe)


def require(holds: bool, message: str) -> None:
    """Raise `ResLabError` with the message unless the condition holds."""
    if not holds:
        raise ResLabError(message)


def _check_network(recipe: "Recipe") -> None:
    if not recipe.network:
        check_depth(recipe.family, recipe.depth)
    require(
        not recipe.network or recipe.own_network is not None,
        "network must be a function in a file, as in my_net.py:build, that takes (num_classes, seed) and returns a "
        f"torch.nn.Module; not {recipe.network!r}",
    )
    require(
        not family_of(recipe.family).has_shortcuts or recipe.shortcut != "none",
        "a residual network needs a shortcut: A, A-centred, B or C",
    )
    require(0 <= recipe.dropout < 1, f"dropout must be 0 or more and below 1, not {recipe.dropout}")
    require(1 <= recipe.width <= 64, f"width must be 1 to 64, not {recipe.width}")


def _check_images(recipe: "Recipe") -> None:
    require(
        not recipe.images or _FINGERPRINT.fullmatch(recipe.images) is not None,
        f"images must be the first {SHORT} hexadecimal digits of a fingerprint, not {recipe.images!r}",
    )
    if known(recipe.dataset).in_files:
        require(recipe.mirror != "alternating", "images of imagefolder are mirrored at random or not at all")
        require(recipe.image_size >= 32, f"image_size must be 32 or more, not {recipe.image_size}")
        require(
            recipe.normalisation in UNMEASURED,
            f"normalisation of imagefolder must be one of {', '.join(UNMEASURED)}, for measuring would take a pass "
            f"over all its files; not {recipe.normalisation!r}",
        )
    else:
        kept = "are 32 x 32" if not is_brought(recipe.dataset) else "keep their size"
        require(
            recipe.image_size == 32,
            f"image_size is for imagefolder; the images of {recipe.dataset} {kept}, not {recipe.image_size}",
        )
    require(0 < recipe.train_share <= 1, f"train_share must be above 0 and at most 1, not {recipe.train_share}")
    require(recipe.holdout >= 0, f"holdout must be 0 or more, not {recipe.holdout}")


def _check_augmentation(recipe: "Recipe") -> None:
    require(0 <= recipe.crop_padding <= 16, f"crop_padding must be 0 to 16, not {recipe.crop_padding}")
    require(0 <= recipe.randaugment <= 14, f"randaugment must be 0 to 14 operations, not {recipe.randaugment}")
    require(
        0 <= recipe.randaugment_magnitude <= 30,
        f"randaugment_magnitude must be 0 to 30, not {recipe.randaugment_magnitude}",
    )
    if is_brought(recipe.dataset):  # their size is known only when they are served
        require(recipe.cutout >= 0, f"cutout must be 0 or more, not {recipe.cutout}")
    else:
        most = 2 * recipe.image_size
        require(0 <= recipe.cutout <= most, f"cutout must be 0 to {most} pixels, not {recipe.cutout}")
    require(recipe.mixup >= 0, f"mixup must be 0 or more, not {recipe.mixup}")
    require(
        recipe.mixup == 0 or recipe.batch_size > 1,
        "mixup mixes the images of a batch: batch_size must be 2 or more",
    )


def _check_optimiser(recipe: "Recipe") -> None:
    require(1 <= recipe.batch_size <= 2**20, f"batch_size must be 1 to {2**20:,}, not {recipe.batch_size}")
    require(recipe.learning_rate > 0, f"learning_rate must be above 0, not {recipe.learning_rate}")
    require(0 <= recipe.momentum < 1, f"momentum must be at least 0 and below 1, not {recipe.momentum}")
    require(recipe.momentum > 0 or not recipe.nesterov, "nesterov needs a momentum above 0")
    require(recipe.muon_rate > 0, f"muon_rate must be above 0, not {recipe.muon_rate}")
    require(0 <= recipe.muon_momentum < 1, f"muon_momentum must be at least 0 and below 1, not {recipe.muon_momentum}")
    for name in ("adam_beta_mean", "adam_beta_square"):
        beta = getattr(recipe, name)
        require(0 <= beta < 1, f"{name} must be at least 0 and below 1, not {beta}")
    require(recipe.adam_epsilon > 0, f"adam_epsilon must be above 0, not {recipe.adam_epsilon}")
    require(recipe.clip_norm >= 0, f"clip_norm must be 0 (no limit) or more, not {recipe.clip_norm}")
    require(0 <= recipe.ema_decay < 1, f"ema_decay must be at least 0 (none) and below 1, not {recipe.ema_decay}")
    require(recipe.weight_decay >= 0, f"weight_decay must be 0 or more, not {recipe.weight_decay}")
    require(0 <= recipe.label_smoothing < 1, f"label_smoothing must be in [0, 1), not {recipe.label_smoothing}")


def _check_schedule(recipe: "Recipe") -> None:
    most = MOST[recipe.schedule_unit]
    require(recipe.length > 0, f"length must be above 0, not {recipe.length}")
    require(recipe.length <= most, f"length must be at most {most:,.0f} {recipe.schedule_unit}, not {recipe.length:g}")
    require(
        recipe.schedule != "step" or 0 < recipe.first_drop <= recipe.second_drop <= recipe.length,
        "the schedule must have 0 < first_drop <= second_drop <= length, not "
        f"{recipe.first_drop:g}, {recipe.second_drop:g} and {recipe.length:g} {recipe.schedule_unit}",
    )
    require(
        recipe.schedule != "step" or recipe.third_drop == 0 or recipe.second_drop <= recipe.third_drop <= recipe.length,
        f"third_drop must be 0 (none), or between second_drop and length, {recipe.second_drop:g} and "
        f"{recipe.length:g} {recipe.schedule_unit}; not {recipe.third_drop:g}",
    )
    require(
        0 <= recipe.final_rate <= recipe.learning_rate or recipe.schedule != "cosine",
        f"final_rate must be between 0 and the learning rate, {recipe.learning_rate:g}; not {recipe.final_rate:g}",
    )
    require(0 < recipe.cycle_rise < 1, f"cycle_rise must be above 0 and below 1, not {recipe.cycle_rise}")
    require(0 < recipe.cycle_start <= 1, f"cycle_start must be above 0 and at most 1, not {recipe.cycle_start}")
    require(0 < recipe.cycle_end <= 1, f"cycle_end must be above 0 and at most 1, not {recipe.cycle_end}")
    require(
        recipe.schedule != "one-cycle" or recipe.warmup == "none",
        f"warmup must be none with the one-cycle schedule, which rises by itself; not {recipe.warmup!r}",
    )
    require(0 < recipe.drop_factor <= 1, f"drop_factor must be above 0 and at most 1, not {recipe.drop_factor}")


def _check_warmup(recipe: "Recipe") -> None:
    require(recipe.warmup_rate > 0, f"warmup_rate must be above 0, not {recipe.warmup_rate}")
    require(0 < recipe.warmup_error <= 100, f"warmup_error must be in (0, 100], not {recipe.warmup_error}")
    require(recipe.warmup_length > 0, f"warmup_length must be above 0, not {recipe.warmup_length}")
    most = MOST[recipe.schedule_unit]
    require(
        recipe.warmup_length <= most,
        f"warmup_length must be at most {most:,.0f} {recipe.schedule_unit}, not {recipe.warmup_length:g}",
    )
    require(
        recipe.warmup != "linear" or recipe.warmup_length < recipe.length,
        f"a linear warm-up must be shorter than the training, not {recipe.warmup_length:g} of {recipe.length:g} "
        f"{recipe.schedule_unit}",
    )
