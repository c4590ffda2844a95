"""Normalisers: what they measure, what they take from a list, and that the scale of the input does not matter."""

import numpy as np
import pytest
import torch
from data_fakes import image_set

from reslab.data.images import ImageSet
from reslab.data.normalisation import channel_statistics, fit, per_image_bound
from reslab.errors import DataError, ResLabError
from reslab.recipe import CHOICES


def test_every_kind_of_a_recipe_is_known() -> None:
    for kind in CHOICES["normalisation"]:
        assert fit(kind, image_set(4)).kind == kind


def test_pixel_mean_leaves_a_mean_of_zero_at_every_pixel_and_divides_by_nothing_but_255() -> None:
    train = image_set(50, shape=(3, 6, 5))
    normaliser = fit("pixel-mean", train)
    assert normaliser.shift is not None
    assert normaliser.scale is not None
    assert normaliser.border is not None
    assert normaliser.shift.shape == (3, 6, 5)
    values = (train.images - normaliser.shift) * normaliser.scale
    assert np.abs(values.mean(axis=0)).max() < 1e-6
    assert np.ptp(values) == pytest.approx(np.ptp(train.images - normaliser.shift) / 255)
    assert np.allclose(normaliser.border.ravel(), train.images.mean(axis=(0, 2, 3)))


def test_channel_leaves_mean_zero_and_deviation_one() -> None:
    train = image_set(50, shape=(3, 6, 5))
    normaliser = fit("channel", train)
    assert normaliser.shift is not None
    assert normaliser.scale is not None
    values = (train.images - normaliser.shift) * normaliser.scale
    assert np.abs(values.mean(axis=(0, 2, 3))).max() < 1e-5
    assert np.abs(values.std(axis=(0, 2, 3)) - 1).max() < 1e-5


def test_channel_statistics_are_exact_across_blocks() -> None:
    train = image_set(1203, shape=(3, 3, 2))
    mean, deviation = channel_statistics(train)
    assert np.allclose(mean, train.images.mean(axis=(0, 2, 3)) / 255, rtol=1e-14, atol=0)
    assert np.allclose(deviation, train.images.std(axis=(0, 2, 3)) / 255, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("kind", "mean", "deviation"),
    [
        ("channel-2023", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_constants_do_not_depend_on_the_images(
    kind: str, mean: tuple[float, ...], deviation: tuple[float, ...]
) -> None:
    for seed in (0, 1):
        normaliser = fit(kind, image_set(4, seed=seed))
        assert normaliser.shift is not None
        assert normaliser.scale is not None
        assert np.allclose(normaliser.shift.ravel() / 255, mean, rtol=1e-6, atol=0)
        assert np.allclose(1 / (normaliser.scale.ravel() * 255), deviation, rtol=1e-6, atol=0)


def test_the_order_of_images_has_no_effect() -> None:
    train = image_set(700, shape=(3, 4, 4))
    turned = train.take(np.arange(len(train))[::-1].copy())
    for kind in CHOICES["normalisation"][:-1]:
        one, other = fit(kind, train), fit(kind, turned)
        assert np.array_equal(one.shift, other.shift)  # type: ignore[arg-type]
        assert np.array_equal(one.scale, other.scale)  # type: ignore[arg-type]


def test_impossible_normalisations_say_why() -> None:
    with pytest.raises(ResLabError, match=r"normalisation must be one of pixel-mean, channel, .*; not 'none'"):
        fit("none", image_set(4))
    grey = ImageSet(np.full((2, 3, 4, 4), 7, np.uint8), np.zeros(2, np.int64))
    with pytest.raises(DataError, match="channel 0 is the same in all pixels"):
        fit("channel", grey)
    with pytest.raises(DataError, match="imagenet is for 3 channels, and these images have 1"):
        fit("imagenet", image_set(4, shape=(1, 4, 4)))


def test_the_bound_is_tensorflows() -> None:
    assert per_image_bound(3 * 32 * 32) == pytest.approx(1 / np.sqrt(3072))


def test_behind_batch_norm_the_scale_of_the_input_changes_neither_output_nor_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, 3, 8, 8, generator=generator, dtype=torch.float64) - 0.5
    weight = (torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64) * (2 / 27) ** 0.5).requires_grad_()
    target = torch.randn(16, 4, 8, 8, generator=generator, dtype=torch.float64)
    gradients = []
    for scale in (1, 255):
        convolved = torch.nn.functional.conv2d(images * scale, weight, padding=1)
        output = torch.nn.functional.batch_norm(convolved, None, None, training=True, eps=1e-5)
        gradients.append(torch.autograd.grad((output * target).sum(), weight)[0])
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-3)
    assert gradients[0].abs().max() > 1
