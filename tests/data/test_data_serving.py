"""Images of any shape are served with every augmentation, or it is said which does not fit them."""

import numpy as np
import pytest
import torch

from reslab.data.given_images import from_given
from reslab.data.images import Dataset
from reslab.data.serving import serve
from reslab.datasets import ARRAYS, SHORT
from reslab.errors import ResLabError
from reslab.presets import preset_recipe
from reslab.recipe import Run, Scalar, vary

CPU = torch.device("cpu")


def own(height: int, width: int) -> Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (20, height, width, 3), dtype=np.uint8)
    labels = np.arange(20) % 2
    return from_given((pixels, labels, pixels, labels))


def run(images: Dataset, **changes: Scalar) -> Run:
    base = preset_recipe("assignment", dataset=ARRAYS)
    return Run(vary(base, images=images.fingerprint[:SHORT], batch_size=8, **changes))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 48), (8, 40)])
def test_images_of_any_shape_are_augmented(height: int, width: int) -> None:
    images = own(height, width)
    augmented = run(images, cutout=6, randaugment=2, randaugment_magnitude=9, crop_padding=0, normalisation="imagenet")
    batches = [batch for batch, _ in serve(augmented, images, CPU).train.batches(0)]
    assert [tuple(batch.shape) for batch in batches] == [(size, 3, height, width) for size in (8, 8, 4)]
    sizes = (torch.cat(batches) == 0).all(dim=1).flatten(1).sum(1)
    assert sizes.min() >= 9  # a quarter of a square, whose centre is in a corner
    assert sizes.max() == 36


def test_what_does_not_fit_images_is_refused_once_their_shape_is_known() -> None:
    images = own(8, 40)
    with pytest.raises(ResLabError, match="cutout must be 0 to 80 pixels for images of 8 x 40, not 81"):
        serve(run(images, cutout=81), images, CPU)
    with pytest.raises(ResLabError, match=r"padding reflect, crop_padding must be below .* 8 x 40, not 8"):
        serve(run(images, padding="reflect", crop_padding=8), images, CPU)
