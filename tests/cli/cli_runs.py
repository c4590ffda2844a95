"""Small runs as command lines ask for them."""

from collections.abc import Callable

from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary

Reslab = Callable[..., tuple[int, str, str]]
"""A command line's words to its exit code, output and errors."""

TINY = ["--dataset", "digits", "--depth", "8", "--epochs", "1", "--precision", "fp32", "--threads", "1"]

SMALL_STUDY = """
name = "small"
question = "?"
dataset = "digits"
depth = 8
seeds = 1
[recipe]
train_share = 0.1
[vary]
learning_rate = [0.1]
"""
"""A study of one run on a tenth of the digits, as a TOML file."""

RUN_TINY = [
    "run",
    "depth",
    "--dataset",
    "digits",
    "--depths",
    "8",
    "--epochs",
    "1",
    "--seeds",
    "1",
    "--precision",
    "fp32",
]
"""One run of one epoch, as a study."""


def tiny_run() -> Run:
    recipe = stretch(preset_recipe("assignment", dataset="digits", depth=8), 1)
    return Run(vary(recipe, precision="fp32"))
