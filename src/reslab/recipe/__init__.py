"""A recipe says all that decides what a training comes to, up to rounding; a run is a recipe and a seed.

`recipe` has both and their identity, `fields` what the fields can be, `roles` which plays a part with which, `checks`
what is refused, `changes` recipes made from others, `streams` random numbers by seed and purpose.  Users import from
here.
"""

from reslab.recipe.changes import (
    an_epoch_of,
    at_rate,
    differing_fields,
    images_trained_on,
    lengthened,
    on_share,
    stretch,
    vary,
)
from reslab.recipe.fields import ADDED_LATER, CHOICES, FILLED_IN, IMAGENET_FAMILIES, OWN_NETWORK, Scalar, unhandled
from reslab.recipe.recipe import SEMANTICS, Recipe, Run, canonical_json, field_names, to_mapping, written_fields
from reslab.recipe.roles import check_heeded, check_plays_a_part, plays_a_part
from reslab.recipe.streams import random_stream

__all__ = [
    "ADDED_LATER",
    "CHOICES",
    "FILLED_IN",
    "IMAGENET_FAMILIES",
    "OWN_NETWORK",
    "SEMANTICS",
    "Recipe",
    "Run",
    "Scalar",
    "an_epoch_of",
    "at_rate",
    "canonical_json",
    "check_heeded",
    "check_plays_a_part",
    "differing_fields",
    "field_names",
    "images_trained_on",
    "lengthened",
    "on_share",
    "plays_a_part",
    "random_stream",
    "stretch",
    "to_mapping",
    "unhandled",
    "vary",
    "written_fields",
]
