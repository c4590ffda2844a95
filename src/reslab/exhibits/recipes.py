"""A recipe in words: only what plays a part in it, with units, and what differs between variants said so."""

from collections.abc import Callable, Sequence

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.datasets import known
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.wording import dataset_name, listing, network_name, number, percent, settings, whole
from reslab.families import family_of
from reslab.recipe import Recipe, images_trained_on, unhandled

_NORMALISATION = {
    "pixel-mean": "per-pixel mean subtracted, no division",
    "channel": "mean and standard deviation of each channel",
    "channel-2023": "mean of each channel, divided by 0.2023, 0.1994, 0.2010",
    "imagenet": "ImageNet's channel means and standard deviations",
    "per-image": "mean and standard deviation of each image",
}
_SHORTCUT = {
    "A": "A: identity, new channels zero",
    "A-centred": "A: identity, new channels zero, half on each side",
    "B": "B: projection where the size changes",
    "C": "C: projection everywhere",
    "none": "none",
}
_INITIALISATION = {
    "he-fan-in": "He, fan-in",
    "he-fan-out": "He, fan-out; linear layer uniform",
}


def recipe_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the recipes of all groups as one table: a row an aspect, its values, and whose they are if they differ."""
    rows: list[tuple[str | None, ...]] = []
    for aspect, describe in ASPECTS:
        described = [(group, describe(group.recipe)) for group in groups]
        if any(text is not None for _, text in described):
            described = [(group, text or _WITHOUT.get(aspect)) for group, text in described]
        values = list(dict.fromkeys(text for _, text in described if text is not None))
        if not values:
            continue
        if len(values) == 1 and all(text is not None for _, text in described):
            rows.append((aspect, values[0]))
        elif aspect in _SELF_EXPLAINING:
            rows.append((aspect, listing(values)))
        else:
            rows.append((aspect, _by(described, values)))
    seeds = list(dict.fromkeys(group.seeds for group in groups))
    shown = seeds[0] if len(seeds) == 1 else sorted({seed for own in seeds for seed in own})
    rows.append(("Seeds", listing(str(seed) for seed in shown) + ("" if len(seeds) == 1 else ", not all of each")))
    return Table(
        key,
        "The recipe",
        "All settings that can change the results, and the seeds.",
        (Column("Aspect", "left"), Column("Value", "left")),
        tuple(rows),
    )


def schedule_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the counterpart of the assignment's table 5: the lengths of training and the places of the drops."""
    schedules: dict[tuple[str, float | None, float | None], None] = {}  # in order, each once
    for group in groups:
        places = schedule_epochs(group.recipe, group.number("num_train"))
        unit = "epochs" if places else group.recipe.schedule_unit
        found = places or (group.recipe.first_drop, group.recipe.second_drop, group.recipe.length)
        first, second, length = (round(place, 1) for place in found)
        drops = (first, second) if group.recipe.schedule == "step" else (None, None)
        schedules[f"{_place(length)} {unit}", *drops] = None
    lengths, firsts, seconds = zip(*schedules, strict=True)
    return Table(
        key,
        "Lengths of training",
        "The lengths of training that are compared, and the completed epochs after which the rate drops.",
        (Column("Length", "left"), Column("First drop after"), Column("Second drop after")),
        tuple(zip(lengths, settings(firsts), settings(seconds), strict=True)),
    )


def differences(recipe: Recipe, other: Recipe, *, epochs_apart: float = 1.0) -> list[tuple[str, str, str]]:
    """Return (aspect, here, there) for each aspect in which two recipes differ, leaving out what is compared.

    Schedules whose places lie less than `epochs_apart` from each other count as one, as 164 epochs and 64,000
    iterations on CIFAR do; with 0 none but equal ones do.
    """
    found = []
    for aspect, describe in ASPECTS:
        here, there = describe(recipe) or "none", describe(other) or "none"
        if aspect in _SELF_EXPLAINING or here == there:
            continue
        if aspect == "Schedule" and _same_schedule(recipe, other, epochs_apart):
            continue
        found.append((aspect, here, there))
    return found


def schedule_words(recipe: Recipe) -> str:
    """Return the length of the training and the places of the drops in the recipe's own unit."""
    unit = recipe.schedule_unit.removesuffix("s") if recipe.length == 1 else recipe.schedule_unit
    first, second, length = (_place(place) for place in (recipe.first_drop, recipe.second_drop, recipe.length))
    factor = number(recipe.drop_factor)
    if recipe.schedule == "linear":
        return f"{length} {unit}, rate falling linearly to zero"
    if recipe.schedule == "cosine":
        return f"{length} {unit}, rate falling to {number(recipe.final_rate)} along half a cosine"
    if recipe.schedule == "one-cycle":
        start, end = number(recipe.cycle_start), number(recipe.cycle_end)
        return (
            f"{length} {unit}, one cycle along half cosines: from {start} of the rate up to it over "
            f"{percent(recipe.cycle_rise)}, then down to {end} of it"
        )
    if recipe.schedule != "step":
        raise unhandled("schedule", recipe.schedule)
    if recipe.drop_factor == 1:
        return f"{length} {unit}, rate constant"
    places = (first, second, *([_place(recipe.third_drop)] if recipe.third_drop else []))
    return f"{length} {unit}, rate multiplied by {factor} after {listing(places)}"


def _place(place: float) -> str:
    return whole(int(place)) or "" if place == int(place) else number(round(place, 2))


def _images(recipe: Recipe) -> str:
    return dataset_name(recipe.dataset) + (f", images {recipe.images}" if recipe.images else "")


def _network(recipe: Recipe) -> str:
    own = recipe.own_network
    return network_name(recipe) + (f", source {own.digest}" if own is not None and own.digest else "")


def _augmentation(recipe: Recipe) -> str:
    padded = {"mean": "with the mean", "black": "with black", "reflect": "by reflection"}[recipe.padding]
    crop = f"random crop after padding {recipe.crop_padding} pixels {padded}" if recipe.crop_padding else None
    if known(recipe.dataset).in_files:
        crop = f"random crop of 8% to 100% of the area, resized to {recipe.image_size} x {recipe.image_size} pixels"
    mirror = {"random": "random mirror image", "alternating": "mirror image every second epoch", "none": None}[
        recipe.mirror
    ]
    drawn = None
    if recipe.randaugment:
        operations = "operation" if recipe.randaugment == 1 else "operations"
        drawn = f"RandAugment of {recipe.randaugment} {operations}, magnitude {number(recipe.randaugment_magnitude)}"
    square = f"cutout of {recipe.cutout} x {recipe.cutout} pixels" if recipe.cutout else None
    mixed = f"mixup with alpha {number(recipe.mixup)}" if recipe.mixup else None
    return listing([part for part in (drawn, crop, mirror, square, mixed) if part]) or "none"


def _share(recipe: Recipe) -> str | None:
    share = None if recipe.train_share == 1 else f"{percent(recipe.train_share)} of the training images"
    held = f"{whole(recipe.holdout)} of them held out to measure on" if recipe.holdout else None
    return "; ".join(part for part in (share, held) if part) or None


def _optimiser(recipe: Recipe) -> str:
    form = "Nesterov momentum" if recipe.nesterov else "momentum"
    sgd = f"stochastic gradient descent, {form} {number(recipe.momentum)}"
    if recipe.optimiser == "sgd":
        return sgd
    if recipe.optimiser == "muon":
        muon = f"Muon, momentum {number(recipe.muon_momentum)}, rate {number(recipe.muon_rate)}"
        which = "" if family_of(recipe.family).norm_follows else " that batch norm follows"
        return f"{muon} (3x3 convolutions within the blocks{which}); {sgd} (the rest)"
    if recipe.optimiser in ("adam", "adamw"):
        name = {"adam": "Adam", "adamw": "AdamW"}[recipe.optimiser]
        betas = f"{number(recipe.adam_beta_mean)} and {number(recipe.adam_beta_square)}"
        return f"{name}, betas {betas}, epsilon {recipe.adam_epsilon:g}"
    raise unhandled("optimiser", recipe.optimiser)


def _decay(recipe: Recipe) -> str:
    scope = {"all": "all parameters", "weights": "weights only"}[recipe.decay_scope]
    how = ", apart from the gradient" if recipe.optimiser == "adamw" else ""
    return f"{number(recipe.weight_decay)} on {scope}{how}" if recipe.weight_decay else "none"


def _averaged(recipe: Recipe) -> str | None:
    """Return what is averaged over the iterations, and measured."""
    if not recipe.ema_decay:
        return None
    return f"exponential moving average, decay {number(recipe.ema_decay)} per iteration; it is what is measured"


def _warmup(recipe: Recipe) -> str | None:
    if recipe.warmup == "none":
        return None
    if recipe.warmup == "linear":
        return f"rate rising from zero over {_place(recipe.warmup_length)} {recipe.schedule_unit}"
    rate = f"rate {number(recipe.warmup_rate)}"
    if recipe.warmup == "fixed":
        return f"{rate} for {_place(recipe.warmup_length)} {recipe.schedule_unit}"
    if recipe.warmup == "until-error":
        return f"{rate} until the training error is below {number(recipe.warmup_error)}%"
    raise unhandled("warm-up", recipe.warmup)


ASPECTS: tuple[tuple[str, Callable[[Recipe], str | None]], ...] = (
    ("Data set", _images),
    ("Training images", _share),
    ("Normalisation", lambda recipe: _NORMALISATION[recipe.normalisation]),
    ("Augmentation", _augmentation),
    ("Network", _network),
    ("Shortcut", lambda recipe: _SHORTCUT[recipe.shortcut] if family_of(recipe.family).has_shortcuts else None),
    ("Initialisation", lambda recipe: None if recipe.network else _INITIALISATION[recipe.initialisation]),
    ("Optimiser", _optimiser),
    ("Weight decay", _decay),
    ("Gradient", lambda recipe: f"norm at most {number(recipe.clip_norm)}" if recipe.clip_norm else None),
    ("Averaged weights", _averaged),
    ("Batch size", lambda recipe: f"{recipe.batch_size} images"),
    ("Learning rate", lambda recipe: number(recipe.learning_rate)),
    ("Schedule", schedule_words),
    ("Warm-up", _warmup),
    ("Label smoothing", lambda recipe: number(recipe.label_smoothing) if recipe.label_smoothing else None),
    ("Precision", lambda recipe: recipe.precision),
)
"""The aspects of a recipe in the order of the table, each with its words; None where it plays no part."""

_SELF_EXPLAINING = ("Data set", "Network")

_WITHOUT = {
    "Training images": "all",
    "Shortcut": "none",
    "Initialisation": "the network's own",
    "Warm-up": "none",
    "Label smoothing": "0",
    "Gradient": "not clipped",
    "Averaged weights": "none",
}
"""What it is called to do without an aspect, beside others that have it."""


def _by(described: Sequence[tuple[Group, str | None]], values: Sequence[str]) -> str:
    """Return values with whose they are, where data set or network tells that, else the values alone."""
    names: tuple[Callable[[Group], str], ...] = (
        lambda group: dataset_name(group.recipe.dataset),
        lambda group: network_name(group.recipe),
    )
    for name in names:
        holders = {text: list(dict.fromkeys(name(group) for group, own in described if own == text)) for text in values}
        everyone = [one for own in holders.values() for one in own]
        silent = {name(group) for group, own in described if own is None}
        if len(everyone) == len(set(everyone)) and not silent & set(everyone):
            return "; ".join(f"{text} ({listing(own)})" for text, own in holders.items())
    return f"{'; '.join(values)} (by variant)"


def _same_schedule(recipe: Recipe, other: Recipe, epochs_apart: float) -> bool:
    """Return whether the places of two schedules lie less than so many epochs from each other.

    Iterations on a data set whose name does not tell its size are no known epochs.
    """
    here, there = (schedule_epochs(one, images_trained_on(one)) for one in (recipe, other))
    if here is None or there is None or recipe.drop_factor != other.drop_factor:
        return False
    return all(abs(first - second) < epochs_apart for first, second in zip(here, there, strict=True))
