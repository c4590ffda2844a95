"""From pixels of 0 to 255 to the network's input: what they are shifted and scaled by.

The paper subtracts the per-pixel mean and does not say whether its pixels ran to 255 or to 1.  Here they run to 1.  It
hardly matters: the first convolution has no bias and is followed by batch norm, so that the network's function of its
weights does not depend on the scale of the input, except through the small constant in batch norm (1e-5, beside
variances of about 0.1 at the start).  The same function has the same gradients, so rate and weight decay mean the same
on either scale.  Only rounding differs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reslab.data.images import ImageSet
from reslab.errors import DataError, ResLabError
from reslab.recipe import CHOICES

CONSTANTS = {
    "channel-2023": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Fixed means and standard deviations of the channels, for pixels in 0 to 1.

channel-2023 is common in CIFAR code: its deviations are the means of the single images' deviations, which are smaller
than the deviation over all pixels.  imagenet is ImageNet's, as in torchvision.
"""

_Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """Input = (pixel - shift) x scale, in float32 and in this order, pixels 0 to 255.

    `shift` is C x H x W (pixel-mean) or C x 1 x 1, `scale` C x 1 x 1.  `border` is the shift of a padded black pixel,
    C x 1 x 1: beyond its edges the mean image continues as the channel's mean.  All three are None for per-image, where
    each image has its own mean subtracted and is divided by its own standard deviation, but by no less than
    `per_image_bound`; both are those of the augmented image, padding included.
    """

    kind: str
    shift: _Image | None
    scale: _Image | None
    border: _Image | None


def fit(kind: str, train: ImageSet) -> Normaliser:
    """Return the normaliser of this kind, measured on the training images if the kind needs that.

    pixel-mean: the mean image subtracted, no division (He et al. 2016, section 4.2).  channel: mean and standard
    deviation of each channel.  channel-2023 and imagenet: constants.  per-image: the image's own.  Sums are exact, so
    that the order of images has no effect.  An unknown kind raises `ResLabError`; a constant channel, or a wrong number
    of channels, `DataError`.
    """
    if kind == "pixel-mean":
        return _pixel_mean(train)
    if kind == "channel":
        mean, deviation = channel_statistics(train)
        if not deviation.all():
            raise DataError(f"channel {int(np.argmin(deviation))} is the same in all pixels: nothing to divide by")
        return _by_channel(kind, mean, deviation)
    if kind in CONSTANTS:
        num_channels = len(CONSTANTS[kind][0])
        if train.image_shape[0] != num_channels:
            raise DataError(f"{kind} is for {num_channels} channels, and these images have {train.image_shape[0]}")
        return unmeasured(kind)
    if kind == "per-image":
        return unmeasured(kind)
    raise ResLabError(f"normalisation must be one of {', '.join(CHOICES['normalisation'])}; not {kind!r}")


def unmeasured(kind: str) -> Normaliser:
    """Return a normaliser that needs no training images: one of CONSTANTS (three channels), or per-image."""
    if kind == "per-image":
        return Normaliser(kind, None, None, None)
    if kind not in CONSTANTS:
        raise ResLabError(f"normalisation must be per-image or one of {', '.join(CONSTANTS)}; not {kind!r}")
    return _by_channel(kind, *(np.array(values) for values in CONSTANTS[kind]))


def channel_statistics(train: ImageSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each channel over all pixels, on the scale of 0 to 1."""
    sums, squares = (np.zeros(train.image_shape[0], dtype=np.uint64) for _ in range(2))
    for start in range(0, len(train), 500):  # a few at a time, to save memory
        pixels = train.images[start : start + 500].astype(np.uint32)
        sums += pixels.sum(axis=(0, 2, 3), dtype=np.uint64)
        squares += np.square(pixels).sum(axis=(0, 2, 3), dtype=np.uint64)
    count = train.images.size // train.image_shape[0]
    exact = [(int(total), int(square)) for total, square in zip(sums, squares, strict=True)]
    mean = np.array([total / count for total, _ in exact])
    variance = np.array([(count * square - total**2) / count**2 for total, square in exact])
    return mean / 255, np.sqrt(variance) / 255


def per_image_bound(num_pixels: int) -> float:
    """Return the least standard deviation that an image is divided by, on the scale of 0 to 255.

    One over the square root of the number of values, all channels counted (TensorFlow's `per_image_standardization`).
    """
    return float(1 / np.sqrt(num_pixels))


def _pixel_mean(train: ImageSet) -> Normaliser:
    sums = train.images.sum(axis=0, dtype=np.uint64)
    mean = sums / len(train)
    border = mean.mean(axis=(1, 2), keepdims=True)
    scale = np.full_like(border, 1 / 255)
    return Normaliser("pixel-mean", *(array.astype(np.float32) for array in (mean, scale, border)))


def _by_channel(kind: str, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Normaliser:
    shift = (255 * mean).astype(np.float32).reshape(-1, 1, 1)
    scale = (1 / (255 * deviation)).astype(np.float32).reshape(-1, 1, 1)
    return Normaliser(kind, shift, scale, shift)
