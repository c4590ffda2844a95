"""A run with each of the later fields of a recipe, stopped within an epoch, ends with the bits of one that was not.

Pre-activation and wide networks train by our kernels layer by layer here, where there are any.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab_runs import make, outcome, small

from reslab.families import family_of
from reslab.kernels.build import kernels
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.recipe import Scalar

pytestmark = pytest.mark.usefixtures("torch_settings")

FIELDS: dict[str, dict[str, Scalar]] = {
    "adam": {"optimiser": "adam", "learning_rate": 0.001, "decay_scope": "weights"},
    "adamw": {"optimiser": "adamw", "learning_rate": 0.001, "adam_beta_square": 0.99},
    "muon": {"optimiser": "muon"},
    "clipped": {"clip_norm": 0.5},
    "averaged": {"ema_decay": 0.8},
    "cosine after a warm-up": {"schedule": "cosine", "warmup": "linear", "warmup_length": 1, "final_rate": 0.01},
    "one cycle": {"schedule": "one-cycle"},
    "three drops": {"first_drop": 0.5, "second_drop": 1, "third_drop": 1.5},
    "randaugment": {"randaugment": 2},
    "cutout": {"cutout": 8},
    "mixup": {"mixup": 1.0, "label_smoothing": 0.1},
    "preact": {"family": "preact"},
    "preact-bottleneck": {"family": "preact-bottleneck", "depth": 11, "shortcut": "A"},
    "wide": {"family": "wide", "depth": 10, "width": 2},
    "dropout": {"family": "wide", "depth": 10, "dropout": 0.3},
    "dropout in bf16": {"family": "wide", "depth": 10, "width": 2, "dropout": 0.3, "precision": "bf16"},
    "all at once": {
        "optimiser": "adamw",
        "learning_rate": 0.001,
        "clip_norm": 0.5,
        "ema_decay": 0.9,
        "schedule": "one-cycle",
        "randaugment": 1,
        "cutout": 8,
        "mixup": 0.2,
    },
    "muon, before activation": {"optimiser": "muon", "family": "preact", "ema_decay": 0.9},
}
QUICK = ("all at once", "muon, before activation", "dropout", "three drops")
"""Between them every kind of state that a checkpoint has; the others run in the deep profile."""
SETTINGS = Settings(threads=1, checkpoint_seconds=1000.0)


def after(calls: int) -> Callable[[], bool]:
    """Return a stop that is asked for at that call and ever after."""
    made = [0]

    def stop() -> bool:
        made[0] += 1
        return made[0] >= calls

    return stop


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the weights of a run without any of these fields."""
    files = make(tmp_path_factory.mktemp("plain"), small(2))
    execute(files, SETTINGS)
    return outcome(files)[0]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.deep) for name in FIELDS]
)
def test_a_stopped_run_ends_with_the_same_bits(name: str, tmp_path: Path, plain: bytes) -> None:
    recipe = small(2, **FIELDS[name])
    whole, stopped = make(tmp_path / "whole", recipe), make(tmp_path / "stopped", recipe)
    assert execute(whole, SETTINGS) == "finished"
    assert execute(stopped, SETTINGS, stop=after(4)) == "interrupted"
    assert any(stopped.checkpoints.iterdir())
    assert not stopped.metrics()
    assert execute(stopped, SETTINGS) == "finished"
    assert outcome(stopped) == outcome(whole)
    assert outcome(whole)[0] != plain  # the field did something
    if not family_of(recipe.family).norm_follows and kernels().convolves:
        used = [each["kernels"] for files in (whole, stopped) for each in (files.provenance() or {})["attempts"]]
        assert len(used) == 3
        assert all(re.search(r"3x3 convolution.* in \d\d+ layers, one at a time", words) for words in used), used
