"""Images that a user gives: arrays, or a pair of torch datasets, checked and made into a `Dataset`."""

import sys
from collections.abc import Collection, Mapping, Set
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reslab.data.decoding import from_memory
from reslab.data.folders import differing
from reslab.data.images import Dataset, ImageSet, canonical_order, make_dataset, pixel_digests
from reslab.datasets import ARRAYS
from reslab.errors import DataError
from reslab.files import is_text, one_line

PARTS = ("train", "test")

LEAST_SIDE = 8
"""Least height and width of an image in pixels."""

_FORMS = (
    "images are (x_train, y_train, x_test, y_test), with the names of the classes as a fifth if you like, or a pair of "
    "torch datasets (train, test)"
)


def from_given(given: Any, name: str = ARRAYS) -> Dataset:
    """Return the data set of arrays or torch datasets, its images in canonical order; raise `DataError` if invalid."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 4, 5):
        raise DataError(f"{_FORMS}; not {_described(given)}")
    names: Collection[object] | None = None
    if len(given) == 2:
        names = _given_names(*given)
        pairs = [_read(part, which) for part, which in zip(given, PARTS, strict=True)]
    else:
        x_train, y_train, x_test, y_test = map(_array, given[:4], ("x_train", "y_train", "x_test", "y_test"))
        pairs = [(x_train, y_train), (x_test, y_test)]
        names = given[4] if len(given) == 5 else None
    parts = [_part(pixels, labels, which) for (pixels, labels), which in zip(pairs, PARTS, strict=True)]
    return _dataset(name, parts[0], parts[1], names)


READ_AGAIN = 64
"""Images of a torch dataset that are read twice, to see whether they stay the same."""


def _given_names(train: Any, test: Any) -> Any:
    """Return the class names of torch datasets, None if they have none; raise `DataError` if the two differ."""
    names, others = getattr(train, "classes", None), getattr(test, "classes", None)
    if isinstance(names, Collection) and isinstance(others, Collection):
        here, there = (list(map(str, one)) for one in (names, others))
        if here != there:
            raise DataError(f"train and test must have the same classes; {differing(here, there)}")
    return names


def _read(part: Any, which: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the images and labels of a torch dataset, read one by one."""
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        raise DataError(f"{_FORMS}; {which} is {type(part).__name__}, which has no length or no items")
    if len(part) == 0:
        raise DataError(f"{which} has no images")
    items = [_item(part, place, which) for place in range(len(part))]
    for place, item in enumerate(items):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{which}[{place}] must be (image, label), not {_described(item)}")
    pixels = [_array(image, f"the image of {which}[{place}]") for place, (image, _) in enumerate(items)]
    if len({(one.shape, one.dtype) for one in pixels}) > 1:
        raise DataError(f"the images of {which} must all have the same size; resize or crop them first")
    for place in np.unique(np.linspace(0, len(items) - 1, READ_AGAIN).astype(int)).tolist():
        image, label = _item(part, place, which)
        if not np.array_equal(pixels[place], _array(image, f"the image of {which}[{place}]")):
            raise DataError(
                f"{which}[{place}] has different pixels when it is read again: leave out random transforms, the recipe "
                "augments images"
            )
        if not np.array_equal(_array(items[place][1], f"y_{which}"), _array(label, f"y_{which}")):
            raise DataError(f"{which}[{place}] has a different label when it is read again; labels must not change")
    return np.stack(pixels), _array([label for _, label in items], f"y_{which}")


def _item(part: Any, place: int, which: str) -> Any:
    try:
        return part[place]
    except Exception as error:  # it is the user's own code
        raise DataError(f"{which}[{place}] cannot be read: {type(error).__name__}: {one_line(str(error))}") from error


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        if isinstance(values, list | tuple):
            values = [_plain(value) for value in values]
        return np.asarray(_plain(values))
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except ValueError:  # nested lists have different lengths
        raise DataError(f"{name} must be one array, all its images or labels of one size") from None
    except (TypeError, RuntimeError) as error:
        raise DataError(f"{name} cannot be converted to an array: {one_line(str(error))}") from error


def _plain(value: Any) -> Any:
    """Return a tensor detached, in a dtype that NumPy has; a Pillow image as RGB; anything else unchanged."""
    if (image := sys.modules.get("PIL.Image")) is not None and isinstance(value, image.Image):
        return from_memory(value)
    if (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float() if value.dtype == torch.bfloat16 else value
    return value


def _part(pixels: NDArray[Any], labels: NDArray[Any], which: str) -> ImageSet:
    images = _three_channels(_bytes(_channels_first(pixels, which), which))
    flat = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    is_number = flat.dtype.kind in "iuf"
    if flat.ndim != 1 or not is_number or not np.isfinite(flat).all() or not np.all(flat == np.round(flat)):
        raise DataError(f"y_{which} must be one whole number for each image, not {_described(labels)}{_mended(labels)}")
    try:
        found = ImageSet(images, flat.astype(np.int64))
    except DataError as error:
        raise DataError(f"x_{which} and y_{which}: {error}") from None
    order = canonical_order(pixel_digests(found.images), found.labels)
    return found.take(order)


def _mended(labels: NDArray[Any]) -> str:
    """Return how to turn such an array into labels, as a clause; "" if that is not known."""
    if labels.ndim == 2:
        return "; for one-hot rows use labels.argmax(1)"
    if labels.dtype == bool:
        return "; use labels.astype(int)"
    if labels.dtype.kind in "US":
        return "; names, labels = numpy.unique(labels, return_inverse=True) numbers them"
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        return ": some are not finite"
    return ""


def _channels_first(pixels: NDArray[Any], which: str) -> NDArray[Any]:
    """Return images as N x C x H x W, given that, N x H x W x C or N x H x W, with 1 or 3 channels."""
    wanted = "N x H x W x C, N x C x H x W or N x H x W, with 1 or 3 channels"
    if pixels.ndim == 3:
        pixels = pixels[:, np.newaxis]
    elif pixels.ndim == 4 and pixels.shape[3] in (1, 3) and pixels.shape[1] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise DataError(f"x_{which} must be {wanted}; not {_described(pixels)}")
    if min(pixels.shape[2:]) < LEAST_SIDE:
        raise DataError(
            f"x_{which} has images of {pixels.shape[2]} x {pixels.shape[3]}; {LEAST_SIDE} x {LEAST_SIDE} is the least"
        )
    return pixels


def _bytes(pixels: NDArray[Any], which: str) -> NDArray[np.uint8]:
    """Return pixels of 0 to 255; floats must be 0 to 1 and are rounded."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "biuf":
        raise DataError(f"x_{which} must be numbers, not {_described(pixels)}")
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if np.issubdtype(pixels.dtype, np.floating) and low >= 0 and high <= 1:
        return np.round(255 * pixels).astype(np.uint8)
    if np.issubdtype(pixels.dtype, np.integer) and low >= 0 and high <= 255:
        return pixels.astype(np.uint8)
    if np.issubdtype(pixels.dtype, np.floating) and low >= 0 and high <= 255 and np.array_equal(pixels, pixels.round()):
        raise DataError(f"x_{which} are whole pixels of 0 to {high:g} as {pixels.dtype}; give x.astype(numpy.uint8)")
    if np.isnan(low):
        raise DataError(f"x_{which} holds NaN; every pixel must be a number")
    raise DataError(
        f"x_{which} must have whole pixels of 0 to 255, or floats of 0 to 1, not normalised (the recipe does that); "
        f"these are {pixels.dtype} of {low:g} to {high:g}"
    )


def _three_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey images with three equal channels: the networks and constants expect three."""
    return np.repeat(pixels, 3, axis=1) if pixels.shape[1] == 1 else np.ascontiguousarray(pixels)


def numbered(num_classes: int) -> tuple[str, ...]:
    """Return the default class names."""
    return tuple(map(str, range(num_classes)))


def _dataset(name: str, train: ImageSet, test: ImageSet, names: Collection[object] | None) -> Dataset:
    there = set(train.labels.tolist())
    num_classes = max(there) + 1
    missing = list(islice((label for label in range(num_classes) if label not in there), 6))
    if num_classes == 1:
        raise DataError("there must be at least two classes, but all labels are 0")
    if missing:
        raise DataError(
            f"labels must be 0 to {num_classes - 1} with training images of each; there are none of "
            f"{', '.join(map(str, missing[:5]))}{' and others' if len(missing) > 5 else ''}"
            f"{'; if labels count from 1, use labels - 1' if missing == [0] else ''}"
        )
    if names is None:
        names = numbered(num_classes)
    if isinstance(names, str | bytes | Set | Mapping) or not isinstance(names, Collection):
        raise DataError(
            f"the class names must be a list of {num_classes}, in the order of the labels, not {_described(names)}"
        )
    names = [name.decode(errors="replace") if isinstance(name, bytes) else name for name in names]
    if len(names) != num_classes or len(set(map(str, names))) != num_classes:
        given = ", ".join(map(str, names))
        raise DataError(f"the {num_classes} classes need {num_classes} different names; given: {given[:200]}")
    if unreadable := [one for one in map(str, names) if not is_text(one)]:
        raise DataError(f"a class name must be text that can be encoded in UTF-8, not {unreadable[0]!r}")
    return make_dataset(name, train, test, tuple(map(str, names)))


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {' x '.join(map(str, value.shape)) or 'no dimension'}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
