"""Augmented images by one kernel: the same bits as by torch's operations."""

import numpy as np
import pytest
import torch

from gpu_interpreter import DEVICE
from reslab.data import batches
from reslab.data.batches import TrainBatches
from reslab.data.images import ImageSet
from reslab.data.normalisation import fit


@pytest.mark.parametrize("edge", [0, 2])
@pytest.mark.parametrize("mirror", ["random", "none"])
@pytest.mark.parametrize("padding", ["mean", "black", "reflect"])
@pytest.mark.parametrize("kind", ["pixel-mean", "channel", "per-image"])
def test_a_batch_is_the_same(kind: str, padding: str, mirror: str, edge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in ((3, 9, 7), (1, 8, 8)):
        pixels = np.random.default_rng(0).integers(0, 256, (12, *shape), dtype=np.uint8)
        images = ImageSet(pixels, np.arange(12) % 10)
        ways = []
        for by_kernel in (True, False):
            monkeypatch.setattr(batches, "available", lambda _, by_kernel=by_kernel: by_kernel)
            ways.append(
                TrainBatches(
                    images,
                    fit(kind, images),
                    batch_size=8,
                    crop_padding=edge,
                    padding=padding,
                    mirror=mirror,
                    seed=0,
                    device=DEVICE,
                )
            )
        for (one, one_labels), (two, two_labels) in zip(ways[0].batches(1), ways[1].batches(1), strict=True):
            assert torch.equal(one, two)
            assert torch.equal(one_labels, two_labels)
            assert one.stride() == two.stride()
