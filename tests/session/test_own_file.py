"""A file of the user's own that trains with what it defines, where that would never end."""

from pathlib import Path

import pytest

import reslab

NETWORK = """
import reslab
import torch

def build(num_classes, seed):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, num_classes))

"""
IMAGES = """
import numpy as np
import reslab

def load():
    x, y = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2
    return x, y, x, y

"""
TRAINED = 'dataset="digits", epochs=1, precision="fp32"'


@pytest.mark.parametrize(
    "call",
    [
        f"reslab.train(network=build, {TRAINED})",
        f"reslab.study('mine', vary={{'learning_rate': [0.1]}}, seeds=1, network=build, {TRAINED}).run(jobs=1)",
    ],
    ids=["train", "study"],
)
def test_a_network_in_a_file_that_trains_it_when_it_is_loaded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK + call + "\n")
    study = reslab.study("mine", vary={"learning_rate": [0.1]}, dataset="digits", epochs=1, network="net.py:build")
    with pytest.raises(reslab.ResLabError, match=r"net\.py, line 8: ResLabError: .* starts a training when it is"):
        study.run(jobs=1)


def test_images_in_a_file_that_asks_about_them_when_it_is_loaded_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_images.py").write_text(f'{IMAGES}reslab.study("depth", dataset="my_images.py:load", depths=8).plan(1)\n')
    with pytest.raises(reslab.ResLabError, match="starts a training when it is loaded"):
        reslab.study("depth", dataset="my_images.py:load", depths=8, epochs=1).plan(1)
