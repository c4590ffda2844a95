"""A recipe is everything that decides the result of a training, up to rounding; a run is a recipe and a seed.

`recipe` defines both and their identity, `fields` the allowed values, `roles` which fields have an effect with which,
`checks` what is refused, `changes` recipes made from others, `streams` random numbers by seed and purpose.  Import from
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
