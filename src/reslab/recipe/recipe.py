"""Recipes and runs as values, and the ids made from their hashes.

A recipe is flat, with one scalar per field, so that it is a row of a table, a set of command-line flags and a line in a
diff.  It leaves out what does not affect the results (worker processes, how often a checkpoint is taken) or affects
only rounding (device, threads, kernels).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache, wraps
from typing import Any, Self

from reslab.arguments import as_plain, did_you_mean
from reslab.errors import ResLabError
from reslab.families import family_of
from reslab.own_code import Reference, parse
from reslab.recipe.checks import check_values
from reslab.recipe.fields import ADDED_LATER, FILLED_IN, OWN_NETWORK, Scalar, coerced
from reslab.recipe.roles import ONLY_WITH, without_effect

SEMANTICS = 1
"""Increased when the mathematics changes without a change of any field of `Recipe`, but not when only rounding does.

Every id's hash covers it: increasing it gives all runs new ids.
"""

_set = object.__setattr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about how a network is trained.

    Lengths of the schedule are in `schedule_unit`.  An impossible value raises `ResLabError` with the allowed ones, an
    unknown field with the nearest one.
    """

    dataset: str = "cifar10"
    """Data set: one of those that `reslab data list` shows; your own: imagefolder (one folder per class) or \
my_images.py:load, a function that returns arrays (docs/own_images.md)."""
    images: str = ""
    """Which images, if the data set's name does not identify them: the first 16 digits of their fingerprint.  ResLab \
fills it in from the data root."""
    train_share: float = 1.0
    """Share of the training images to use, in (0, 1]; stratified by class; smaller shares lie within larger ones."""
    holdout: int = 0
    """Number of training images held out for validation, stratified by class (the paper: 5000)."""
    image_size: int = 32
    """Height and width in pixels that imagefolder images are cropped to; arrays of your own keep their size, and the \
other sets are 32 x 32."""
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
    randaugment: int = 0
    """Number of operations, drawn from 14, that RandAugment applies to a training image before it is cropped (Cubuk \
et al. 2020); 0 for none.  The paper: 3 for WRN-28-10 on CIFAR-10."""
    randaugment_magnitude: float = 5.0
    """Strength of these operations, from 0 to 30; 10 is the end of AutoAugment's ranges.  The paper: 5 for \
WRN-28-10 on CIFAR-10."""
    cutout: int = 0
    """Side in pixels of the square that is set to zero in each training image after normalisation (DeVries and \
Taylor 2017: 16 for CIFAR-10, 8 for CIFAR-100); its centre is anywhere in the image, so part of it may lie \
outside.  0 for none."""
    mixup: float = 0.0
    """Alpha of mixup (Zhang et al. 2018): each training image and its label are mixed with another of the batch, \
their shares drawn from Beta(alpha, alpha) once per batch.  0 for none; the paper: 1 for CIFAR."""

    network: str = ""
    """A network of your own, in place of family, depth, shortcut and initialisation: my_net.py:build, a function from \
(num_classes, seed) to a torch.nn.Module.  Its source, including the files beside it that it imports, is part of the \
run."""
    family: str = "residual"
    """Network: residual or plain (the same without shortcuts), with 6n+2 layers; preact (batch norm and ReLU \
before each convolution, He et al. 2016b), with 6n+2 layers, or preact-bottleneck, with 9n+2; wide (Zagoruyko and \
Komodakis 2016), with 6n+4; or one for ImageNet: imagenet (stride in the 3x3 convolution of a bottleneck) or \
imagenet-1x1 (stride in its first 1x1, as in the paper)."""
    depth: int = 20
    """Weighted layers: 6n+2; wide: 6n+4; preact-bottleneck: 9n+2; imagenet and imagenet-1x1: 18, 34, 50, 101 or \
152."""
    width: int = 1
    """Multiple of the usual 16, 32 and 64 filters in a wide network, as 10 in WRN-28-10.  Other families have none."""
    dropout: float = 0.0
    """Dropout probability between the two 3x3 convolutions of a wide network's block, \
in [0, 1) (Zagoruyko and Komodakis 2016, section 2.4: 0.3 on CIFAR, 0.4 on SVHN)."""
    shortcut: str = "A"
    """Shortcut where the size changes: A (identity, zero channels appended), A-centred (zeros on both sides) or B \
(projection); or C (projection everywhere).  A plain network has none, a wide one B."""
    initialisation: str = "he-fan-in"
    """Initial weights: he-fan-in, or he-fan-out with a uniform linear layer."""

    batch_size: int = 128
    """Images per iteration; the last batch of an epoch may be smaller."""
    optimiser: str = "sgd"
    """sgd; muon: orthogonalised momentum for the blocks' 3x3 convolutions that feed batch norm directly, SGD for \
the rest; adam (Kingma and Ba 2015); or adamw (Loshchilov and Hutter 2019: decay decoupled from the gradient)."""
    muon_rate: float = 0.02
    """Base learning rate of Muon: how far a step turns a convolution's weights, as a fraction."""
    muon_momentum: float = 0.95
    """Momentum of Muon (Nesterov)."""
    adam_beta_mean: float = 0.9
    """Adam's beta 1: decay of its mean of the gradients (Kingma and Ba 2015: 0.9)."""
    adam_beta_square: float = 0.999
    """Adam's beta 2: decay of its mean of their squares (Kingma and Ba 2015: 0.999)."""
    adam_epsilon: float = 1e-8
    """Constant that Adam adds to the square root of that mean (Kingma and Ba 2015: 1e-8)."""
    learning_rate: float = 0.1
    """Base learning rate of SGD or of Adam, for which Kingma and Ba 2015 propose 0.001."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Use Nesterov momentum."""
    weight_decay: float = 1e-4
    """L2 penalty, added to the gradient; with adamw the weights shrink by learning rate x weight_decay at each step \
instead."""
    clip_norm: float = 0.0
    """Largest norm of the gradient of all parameters together; a longer one is scaled down to it (Pascanu et al. \
2013).  0 for no limit."""
    ema_decay: float = 0.0
    """Decay per iteration of an exponential moving average of the weights and of batch norm's statistics (Polyak \
and Juditsky 1992); the averaged network is the one that is measured and saved.  0 for none."""
    decay_scope: str = "all"
    """Parameters that decay: all, or weights only (no biases, no batch norm)."""
    label_smoothing: float = 0.0
    """Fraction of the target spread evenly over the classes, in [0, 1)."""

    schedule_unit: str = "epochs"
    """Unit of the schedule's lengths: epochs or iterations."""
    length: float = 164
    """Length of the training, in that unit."""
    schedule: str = "step"
    """How the learning rate falls: step (drops by `drop_factor`), linear (from the warm-up down to zero), cosine \
(from the warm-up down to `final_rate` along half a cosine, Loshchilov and Hutter 2017), or one-cycle (up to the \
base rate and down again, Smith and Topin 2017, along half cosines; the momentum stays constant)."""
    first_drop: float = 81
    """Completed units after which the rate is first multiplied by `drop_factor`."""
    second_drop: float = 122
    """Completed units after which it is multiplied again."""
    third_drop: float = 0.0
    """Completed units after which it is multiplied once more; 0 for no third drop."""
    drop_factor: float = 0.1
    """Factor by which each drop multiplies the rate."""
    final_rate: float = 0.0
    """Learning rate that the cosine schedule falls to."""
    cycle_rise: float = 0.3
    """Share of the training in which the one-cycle schedule rises, in (0, 1) (0.3 in fastai and PyTorch)."""
    cycle_start: float = 0.04
    """Rate that the one-cycle schedule starts at, as a share of the base rate (1/25 in fastai and PyTorch)."""
    cycle_end: float = 4e-6
    """Rate that the one-cycle schedule falls to, as a share of the base rate (PyTorch: 1/25 x 1/10,000)."""
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
        network = coerced("network", str, self.network)
        own = OWN_NETWORK if network else {}
        for field in fields(self):
            value = own[field.name] if field.name in own else coerced(field.name, field.type, getattr(self, field.name))
            _set(self, field.name, value)
        check_values(self)
        for name, value in without_effect(self, _DEFAULTS).items():
            _set(self, name, value)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a recipe from a mapping of field names; an unknown name raises `ResLabError`."""
        return cls(**values)

    @property
    def own_network(self) -> Reference | None:
        """The function that builds the network if it is the user's own, else None."""
        return parse(self.network)

    @property
    def drops(self) -> tuple[float, ...]:
        """Completed units of the schedule after which the rate drops, for the drops that are set."""
        return tuple(drop for drop in (self.first_drop, self.second_drop, self.third_drop) if drop)

    @property
    def network_name(self) -> str:
        """The network's name, as in resnet20, plain56, imagenet-resnet50, wrn28-10 or my_net.build."""
        if (own := self.own_network) is not None:
            return own.slug
        family = family_of(self.family)
        return f"{family.id_words}{self.depth}{f'-{self.width}' if family.has_width else ''}"

    @property
    def id(self) -> str:
        """Name and short SHA-256 of the canonical JSON, e.g. cifar10-resnet20-3f9a1c2b."""
        digest = hashlib.sha256(canonical_json(self).encode()).hexdigest()
        own = parse(self.dataset)
        return f"{self.dataset if own is None else own.slug}-{self.network_name}-{digest[:8]}"


def _in_words(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a recipe's constructor so that it reports an unknown field as the command line does."""

    @wraps(init)
    def made(self: Recipe, *args: Any, **values: Any) -> None:
        try:
            init(self, *args, **values)
        except TypeError:
            if args:
                raise ResLabError("a recipe takes its fields by name, as in Recipe(depth=20)") from None
            known = field_names()
            for name in values:
                if name not in known:
                    hint = did_you_mean(name, written_fields())
                    raise ResLabError(f"a recipe has no field {name!r}{hint}") from None
            raise

    return made


Recipe.__init__ = _in_words(Recipe.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Run:
    """One training: a recipe and a seed, 0 or more."""

    recipe: Recipe
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", as_plain(self.seed))
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise ResLabError(f"seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}")

    @property
    def id(self) -> str:
        """Folder of the run below the folder of all runs, e.g. cifar10-resnet20-3f9a1c2b/seed0."""
        return f"{self.recipe.id}/seed{self.seed}"


@cache
def field_names() -> tuple[str, ...]:
    """Return the names of a recipe's fields, in order."""
    return tuple(field.name for field in fields(Recipe))


def written_fields() -> tuple[str, ...]:
    """Return the names of the fields that a user may set, in order: all but those that ResLab fills in."""
    return tuple(name for name in field_names() if name not in FILLED_IN)


def to_mapping(recipe: Recipe) -> dict[str, Scalar]:
    """Return a recipe as a dict of scalars, in the order of its fields."""
    return {name: getattr(recipe, name) for name in field_names()}


def canonical_json(recipe: Recipe) -> str:
    """Return the text whose hash identifies a recipe.

    A field added after the first release is left out if it has its neutral value.
    """
    values = to_mapping(recipe)
    for name, neutral in ADDED_LATER.items():
        if values[name] == neutral:
            del values[name]
    return json.dumps({"semantics": SEMANTICS, **values}, sort_keys=True, separators=(",", ":"))


_DEFAULTS: dict[str, Scalar] = {
    field.name: coerced(field.name, field.type, field.default) for field in fields(Recipe) if field.name in ONLY_WITH
}
