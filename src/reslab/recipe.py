"""A recipe says all that decides what a training comes to, up to rounding; a run is a recipe and a seed.

A recipe is flat, one scalar a field, so that it is a row of a table, a set of command-line flags and a line
in a diff.  What changes no number (worker processes, how often a checkpoint is taken), or only how numbers are rounded
(device, threads, kernels), is not in it.
"""

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, cast

from reslab.datasets import DATASETS, SHORT, images_used, is_named, known
from reslab.errors import ResLabError, nearest

SEMANTICS = 1
"""Raised by a change of the mathematics that no field of `Recipe` shows, and not by one of rounding.

It is part of what every id is the hash of: raising it gives all runs new ids.
"""

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, whole.

    Errors and shares are explained by field; lengths of the schedule are in `schedule_unit`.  An impossible
    value raises `ResLabError` with the allowed ones.
    """

    dataset: str = "cifar10"
    """Data set: one of those that `reslab data list` shows, or imagefolder (your own, one folder per class)."""
    images: str = ""
    """Which images, for a set that its name does not tell: the first 16 digits of their fingerprint.  ResLab fills it \
in from the data root; a set known by its name has none."""
    train_share: float = 1.0
    """Share of the training images to use, in (0, 1]; stratified by class; smaller shares lie within larger ones."""
    holdout: int = 0
    """Number of training images held out for validation, stratified by class (the paper: 5000)."""
    image_size: int = 32
    """Height and width in pixels that imagefolder images are cropped to; the other sets are 32 x 32."""
    normalisation: str = "pixel-mean"
    """pixel-mean (subtracted, no division), channel (mean and std), channel-2023, imagenet, or per-image."""
    crop_padding: int = 4
    """Pixels padded on each side before a random crop of the original size; 0 for no crop.  Unused with imagefolder, \
whose random crops are resized."""
    padding: str = "mean"
    """What the padding is filled with: mean (zero after normalisation), black (zero before it) or reflect (the image \
mirrored at its edge)."""
    mirror: str = "random"
    """Horizontal mirroring in training: random, alternating (drawn once per image, then every second epoch) or \
none."""

    family: str = "residual"
    """Network: residual or plain (the same without shortcuts), with 6n+2 layers; or one for ImageNet: imagenet \
(stride in the 3x3 convolution of a bottleneck) or imagenet-1x1 (stride in its first 1x1, as in the paper)."""
    depth: int = 20
    """Weighted layers, 6n+2.  With imagenet and imagenet-1x1: 18, 34, 50, 101 or 152."""
    shortcut: str = "A"
    """Shortcut where the size changes: A (identity, zero channels appended), A-centred (zeros on both sides) or B \
(projection); or C (projection everywhere).  A plain network has none."""
    initialisation: str = "he-fan-in"
    """Initial weights: he-fan-in, or he-fan-out with a uniform linear layer."""

    batch_size: int = 128
    """Images per iteration; the last batch of an epoch may be smaller."""
    optimiser: str = "sgd"
    """sgd, or muon: orthogonalised momentum for the 3x3 convolutions in the blocks, SGD for the rest."""
    muon_rate: float = 0.02
    """Base learning rate of Muon: the fraction by which a step turns the weights of a convolution."""
    muon_momentum: float = 0.95
    """Momentum of Muon (Nesterov)."""
    learning_rate: float = 0.1
    """Base learning rate of SGD."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Use Nesterov momentum."""
    weight_decay: float = 1e-4
    """L2 penalty, added to the gradient."""
    decay_scope: str = "all"
    """Parameters that decay: all, or weights only (no biases, no batch norm)."""
    label_smoothing: float = 0.0
    """Fraction of the target spread evenly over the classes, in [0, 1)."""

    schedule_unit: str = "epochs"
    """Unit of the schedule's lengths: epochs or iterations."""
    length: float = 164
    """Length of the training, in that unit."""
    schedule: str = "step"
    """How the learning rate falls: step (two drops by `drop_factor`) or linear (from the warm-up down to zero)."""
    first_drop: float = 81
    """Completed units after which the rate is first multiplied by `drop_factor`."""
    second_drop: float = 122
    """Completed units after which it is multiplied again."""
    drop_factor: float = 0.1
    """Factor by which each drop multiplies the rate."""
    warmup: str = "none"
    """Start at `warmup_rate`: none, until-error (until a finished epoch has a training error below `warmup_error`), \
or fixed (for `warmup_length`); or linear: rise from zero to the base rate over `warmup_length`.  No warm-up outlasts \
the first drop."""
    warmup_rate: float = 0.01
    """Learning rate of the warm-up."""
    warmup_error: float = 80.0
    """Training error (%) that ends an until-error warm-up, checked once an epoch."""
    warmup_length: float = 1
    """Length of a fixed or linear warm-up, in the schedule's unit."""

    precision: str = "fp32"
    """Precision of convolutions and activations: fp32 or bf16 (weights and statistics stay fp32)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _set(self, field.name, _coerce(field.name, field.type, getattr(self, field.name)))
        _check(self)
        for name, value in _irrelevant(self).items():
            _set(self, name, value)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a recipe from a mapping of field names; an unknown name raises `ResLabError`."""
        known = field_names()
        for name in values:
            if name not in known:
                raise ResLabError(f"a recipe has no field {name!r}; its fields are {', '.join(written_fields())}")
        return cls(**values)

    @property
    def network(self) -> str:
        """The network's name, as in resnet20, plain56 or imagenet-resnet50."""
        if self.family in IMAGENET_FAMILIES:
            return f"{self.family}-resnet{self.depth}"  # there is a resnet50 of 6n+2 layers, too
        return f"{'resnet' if self.family == 'residual' else self.family}{self.depth}"

    @property
    def id(self) -> str:
        """Name and short SHA-256 of the canonical JSON, e.g. cifar10-resnet20-3f9a1c2b."""
        digest = hashlib.sha256(canonical_json(self).encode()).hexdigest()
        return f"{self.dataset}-{self.network}-{digest[:8]}"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: a recipe and a seed, 0 or more."""

    recipe: Recipe
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise ResLabError(f"seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}")

    @property
    def id(self) -> str:
        """Folder of the run below the folder of all runs, e.g. cifar10-resnet20-3f9a1c2b/seed0."""
        return f"{self.recipe.id}/seed{self.seed}"


def field_names() -> tuple[str, ...]:
    """Return the names of a recipe's fields, in order."""
    return tuple(field.name for field in fields(Recipe))


def written_fields() -> tuple[str, ...]:
    """Return the names of the fields that a user may write, in order: all but those that ResLab fills in."""
    return tuple(name for name in field_names() if name not in FILLED_IN)


def to_mapping(recipe: Recipe) -> dict[str, Scalar]:
    """Return a recipe as a dict of scalars, in the order of its fields."""
    return {name: getattr(recipe, name) for name in field_names()}


def canonical_json(recipe: Recipe) -> str:
    """Return the text that a recipe's identity is the hash of.

    A field added after the first release is left out while it has the value that changes nothing.
    """
    values = to_mapping(recipe)
    for name, neutral in ADDED_LATER.items():
        if values[name] == neutral:
            del values[name]
    return json.dumps({"semantics": SEMANTICS, **values}, sort_keys=True, separators=(",", ":"))


def vary(recipe: Recipe, **changes: Scalar) -> Recipe:
    """Return the recipe with some fields changed; an unknown field or value raises `ResLabError`."""
    if recipe.family == "plain" and changes.get("family", "plain") != "plain":
        changes = {"shortcut": "A", **changes}  # a plain recipe has forgotten which
    return Recipe.from_mapping({**to_mapping(recipe), **changes})


def stretch(recipe: Recipe, epochs: float) -> Recipe:
    """Return the recipe at another length in epochs, its drops at the same shares of it.

    Drops are rounded to whole epochs, halves upwards (82 epochs of 81/122 in 164 give 41/61), unless that
    would put both at one place or one at an end, as in trainings of two or three epochs.
    """
    if not epochs > 0 or not math.isfinite(epochs):
        raise ResLabError(f"epochs must be above 0, not {epochs!r}")
    shares = [recipe.first_drop / recipe.length, recipe.second_drop / recipe.length]
    if recipe.schedule_unit == "epochs" and recipe.length == epochs:
        return recipe
    exact = [share * epochs for share in shares]
    whole = [float(math.floor(drop + 0.5)) for drop in exact]
    distinct = 0 < whole[0] < whole[1] < epochs
    first, second = whole if distinct else exact
    warmup_length = recipe.warmup_length
    if recipe.schedule_unit == "iterations" or recipe.warmup == "linear":
        warmup_length *= epochs / recipe.length
    return vary(
        recipe,
        schedule_unit="epochs",
        length=epochs,
        first_drop=first,
        second_drop=second,
        warmup_length=warmup_length,
    )


def images_trained_on(recipe: Recipe) -> int | None:
    """Return how many images a recipe trains on; None where the name of its data set does not tell."""
    size = known(recipe.dataset).size
    if size is None:
        return None
    return images_used(size.num_train, train_share=recipe.train_share, holdout=recipe.holdout)


def differing_fields(recipes: list[Recipe]) -> tuple[str, ...]:
    """Return the names of the fields in which the recipes are not all alike, in order."""
    return tuple(name for name in field_names() if len({getattr(recipe, name) for recipe in recipes}) > 1)


def check_depth(family: str, depth: int) -> None:
    """Raise `ResLabError` unless there is a network of this family and depth."""
    if family in IMAGENET_FAMILIES:
        if depth not in IMAGENET_DEPTHS:
            raise ResLabError(f"depth must be 18, 34, 50, 101 or 152 for a network of family {family}; not {depth}")
    elif depth < 8 or depth % 6 != 2:
        near = max(8, depth - (depth - 2) % 6)
        hint = f"; try {near}" if near >= depth else f"; try {near} or {near + 6}"
        raise ResLabError(f"depth must be 6n+2, as in 8, 14, 20, 32, 44, 56, 110 or 1202; not {depth}{hint}")


def unhandled(field: str, value: str) -> ResLabError:
    """Return the error of code that has no case for a value: it must not do what another value asks for."""
    return ResLabError(f"ResLab knows of {field} {value}, but not what to do with it")


def random_stream(seed: int, purpose: str, epoch: int = 0) -> int:
    """Return the 64-bit key of a random stream, by a hash: no two (seed, purpose, epoch) share one."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


CHOICES: dict[str, tuple[str, ...]] = {
    "dataset": tuple(DATASETS),
    "normalisation": ("pixel-mean", "channel", "channel-2023", "imagenet", "per-image"),
    "padding": ("mean", "black", "reflect"),
    "mirror": ("random", "alternating", "none"),
    "family": ("residual", "plain", "imagenet", "imagenet-1x1"),
    "shortcut": ("A", "A-centred", "B", "C", "none"),
    "initialisation": ("he-fan-in", "he-fan-out"),
    "optimiser": ("sgd", "muon"),
    "decay_scope": ("all", "weights"),
    "schedule_unit": ("epochs", "iterations"),
    "schedule": ("step", "linear"),
    "warmup": ("none", "until-error", "fixed", "linear"),
    "precision": ("fp32", "bf16"),
}
"""The allowed values of the fields that name something."""

IMAGENET_FAMILIES = ("imagenet", "imagenet-1x1")
"""The families of He et al. 2016, table 1, whose depths are `IMAGENET_DEPTHS`."""

IMAGENET_DEPTHS = (18, 34, 50, 101, 152)
"""The first two have basic blocks, the others bottlenecks."""

UNMEASURED = ("channel-2023", "imagenet", "per-image")
"""Normalisations that need no pass over the training images: those that imagefolder can have."""

FILLED_IN = ("images",)
"""Fields that a user never writes: ResLab finds their values where it plans."""

ADDED_LATER: dict[str, Scalar] = {
    "images": "",
    "image_size": 32,
    "schedule": "step",
    "optimiser": "sgd",
    "muon_rate": 0.02,
    "muon_momentum": 0.95,
}
"""Fields younger than the first release, each with the value that changes nothing."""

_set = object.__setattr__
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{SHORT}}}")

_KINDS: dict[Any, tuple[type, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (bool, "true or false"),
}


def _coerce(name: str, kind: Any, value: Any) -> Scalar:
    python, words = _KINDS[kind]
    if python is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            value = float(value) + 0.0  # -0.0 is 0.0
    if not isinstance(value, python) or (python is int and isinstance(value, bool)):
        raise ResLabError(f"{name} must be {words}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ResLabError(f"{name} must be a finite number, not {value!r}")
    allowed = tuple(DATASETS) if name == "dataset" else CHOICES.get(name)
    if allowed is not None and value not in allowed:
        raise ResLabError(f"{name} must be one of {', '.join(allowed)}; not {value!r}{nearest(str(value), allowed)}")
    return cast(Scalar, value)


def _check(recipe: Recipe) -> None:
    def require(holds: bool, message: str) -> None:
        if not holds:
            raise ResLabError(message)

    check_depth(recipe.family, recipe.depth)
    require(
        not recipe.images or _FINGERPRINT.fullmatch(recipe.images) is not None,
        f"images must be the first {SHORT} hexadecimal digits of a fingerprint, not {recipe.images!r}",
    )
    require(
        recipe.family == "plain" or recipe.shortcut != "none",
        "a residual network needs a shortcut: A, A-centred, B or C",
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
        require(
            recipe.image_size == 32,
            f"image_size is for imagefolder; the images of {recipe.dataset} are 32 x 32, not {recipe.image_size}",
        )
    require(0 < recipe.train_share <= 1, f"train_share must be above 0 and at most 1, not {recipe.train_share}")
    require(recipe.holdout >= 0, f"holdout must be 0 or more, not {recipe.holdout}")
    require(0 <= recipe.crop_padding <= 16, f"crop_padding must be 0 to 16, not {recipe.crop_padding}")
    require(recipe.batch_size >= 1, f"batch_size must be 1 or more, not {recipe.batch_size}")
    require(recipe.learning_rate > 0, f"learning_rate must be above 0, not {recipe.learning_rate}")
    require(0 <= recipe.momentum < 1, f"momentum must be at least 0 and below 1, not {recipe.momentum}")
    require(recipe.momentum > 0 or not recipe.nesterov, "nesterov needs a momentum above 0")
    require(recipe.muon_rate > 0, f"muon_rate must be above 0, not {recipe.muon_rate}")
    require(0 <= recipe.muon_momentum < 1, f"muon_momentum must be at least 0 and below 1, not {recipe.muon_momentum}")
    require(recipe.weight_decay >= 0, f"weight_decay must be 0 or more, not {recipe.weight_decay}")
    require(0 <= recipe.label_smoothing < 1, f"label_smoothing must be in [0, 1), not {recipe.label_smoothing}")
    require(recipe.length > 0, f"length must be above 0, not {recipe.length}")
    require(
        recipe.schedule != "step" or 0 < recipe.first_drop <= recipe.second_drop <= recipe.length,
        "the schedule must have 0 < first_drop <= second_drop <= length, not "
        f"{recipe.first_drop:g}, {recipe.second_drop:g} and {recipe.length:g} {recipe.schedule_unit}",
    )
    require(0 < recipe.drop_factor <= 1, f"drop_factor must be above 0 and at most 1, not {recipe.drop_factor}")
    require(recipe.warmup_rate > 0, f"warmup_rate must be above 0, not {recipe.warmup_rate}")
    require(0 < recipe.warmup_error <= 100, f"warmup_error must be in (0, 100], not {recipe.warmup_error}")
    require(recipe.warmup_length > 0, f"warmup_length must be above 0, not {recipe.warmup_length}")
    require(
        recipe.warmup != "linear" or recipe.warmup_length < recipe.length,
        f"a linear warm-up must be shorter than the training, not {recipe.warmup_length:g} of {recipe.length:g} "
        f"{recipe.schedule_unit}",
    )


def _irrelevant(recipe: Recipe) -> dict[str, Scalar]:
    """Return the fields that play no part in this recipe with the value they get, so that equal means equal."""
    named = {"images": ""} if is_named(recipe.dataset) else {}
    plain = {"shortcut": "none"} if recipe.family == "plain" else {}
    # Basic blocks have no 1x1 convolution to put the stride in.
    basic = {"family": "imagenet"} if recipe.family == "imagenet-1x1" and recipe.depth < 50 else {}
    resized = {"crop_padding": 0} if known(recipe.dataset).in_files else {}
    uncropped = {"padding": "mean"} if resized or recipe.crop_padding == 0 else {}
    used = {
        "none": (),
        "until-error": ("warmup_rate", "warmup_error"),
        "fixed": ("warmup_rate", "warmup_length"),
        "linear": ("warmup_length",),
    }
    defaults = {"warmup_rate": 0.01, "warmup_error": 80.0, "warmup_length": 1.0}
    unused = {name: value for name, value in defaults.items() if name not in used[recipe.warmup]}
    muonless = {"muon_rate": 0.02, "muon_momentum": 0.95} if recipe.optimiser != "muon" else {}
    undropped: dict[str, Scalar] = {}
    if recipe.schedule != "step":
        undropped = {"first_drop": recipe.length, "second_drop": recipe.length, "drop_factor": 0.1}
    undecayed = {"decay_scope": "all"} if recipe.weight_decay == 0 else {}
    return {**named, **plain, **basic, **resized, **uncropped, **undropped, **muonless, **undecayed, **unused}
