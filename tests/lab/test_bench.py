"""The benchmark: its rows follow from what it times."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reslab.lab.speeds.bench import EPOCH_IMAGES, MATRIX, bench


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # the textbook's loader, from Python 3.12 on
def test_a_row_for_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MATRIX, "cpu", 256)  # how fast this machine is does not matter here
    monkeypatch.setattr("reslab.lab.speeds.bench.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("reslab.host.usable_cores", lambda: 1)  # so that the textbook has one loader worker to start
    speeds = list(
        bench(
            depths=[8],
            batch_sizes=[16],
            precisions=["fp32", "bf16"],
            device=torch.device("cpu"),
            rounds=1,
            num_steps=1,
        )
    )
    assert [(speed.depth, speed.batch_size, speed.precision) for speed in speeds] == [(8, 16, "fp32"), (8, 16, "bf16")]
    for speed in speeds:
        assert speed.ratio == pytest.approx(speed.images_per_second / speed.textbook_images_per_second)
        assert speed.epoch_seconds == pytest.approx(EPOCH_IMAGES / speed.images_per_second)
        assert speed.share > 0
    assert not torch.are_deterministic_algorithms_enabled()  # what follows in a notebook is as it was before


SCRIPT = """
import os, signal, sys, torch
from reslab.lab.speeds.stepping import noise
from reslab.lab.speeds.textbook import TextbookProcess
from reslab.presets import preset_recipe

if __name__ == "__main__":
    recipe = preset_recipe("assignment", depth=8)
    with TextbookProcess(recipe, noise(), torch.device("cpu"), 1) as textbook:
        textbook(1)
        try:
            print("ready", flush=True)
            textbook(10_000)
        except KeyboardInterrupt:
            sys.exit(130)
"""


@pytest.mark.deep
def test_ctrl_c_ends_the_textbook_without_a_word(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    pipe = subprocess.PIPE
    # Ctrl-C reaches all processes of the group.
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
