"""The fields of a recipe as keyword arguments, for type checkers; `reslab.recipe.Recipe` says what each is."""

from typing import TypedDict


class StudyFields(TypedDict, total=False):
    """The fields of a study's base recipe that a user may set, with their types."""

    train_share: float
    holdout: int
    image_size: int
    normalisation: str
    crop_padding: int
    padding: str
    mirror: str
    randaugment: int
    randaugment_magnitude: float
    cutout: int
    mixup: float
    family: str
    width: int
    dropout: float
    shortcut: str
    initialisation: str
    batch_size: int
    optimiser: str
    muon_rate: float
    muon_momentum: float
    adam_beta_mean: float
    adam_beta_square: float
    adam_epsilon: float
    learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip_norm: float
    ema_decay: float
    decay_scope: str
    label_smoothing: float
    schedule_unit: str
    length: float
    schedule: str
    first_drop: float
    second_drop: float
    third_drop: float
    drop_factor: float
    final_rate: float
    cycle_rise: float
    cycle_start: float
    cycle_end: float
    warmup: str
    warmup_rate: float
    warmup_error: float
    warmup_length: float


class RecipeFields(StudyFields, total=False):
    """The fields of a recipe that a user may set, with their types; a test checks that `Recipe` has the same."""

    dataset: str
    depth: int
    precision: str
