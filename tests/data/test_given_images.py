"""Images that a user gives become one data set, whatever their form, or are refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from given_arrays import Pairs, Pixels, arrays
from PIL import Image

from reslab.data.decoding import decode
from reslab.data.given_images import from_given
from reslab.datasets import ARRAYS
from reslab.errors import DataError


def test_whatever_form_and_order_they_come_in_the_content_is_the_same() -> None:
    x, y, u, v = arrays()
    first = from_given((x, y, u, v))
    assert (first.name, first.train.image_shape, first.class_names) == (ARRAYS, (3, 12, 14), ("0", "1"))
    order = np.random.default_rng(1).permutation(len(x))
    forms: list[Any] = [
        [x.transpose(0, 3, 1, 2), y[:, None], u, v],
        (torch.from_numpy(x[order].astype(np.int64)), y[order].astype(float), u, v.astype(np.uint8)),
        (x / 255, y, u / np.float32(255), v.tolist(), ["dark", "light"]),
        (Pairs(x, y), Pairs(u, v)),
        (Pairs(x, y), Pairs(u, v, classes=None)),
        (Pairs(x, y), Pairs(u, v, classes=["dark", "light"])),
    ]
    for form in forms:
        assert from_given(form).fingerprint == first.fingerprint
    assert from_given(forms[2]).class_names == from_given(forms[3]).class_names == ("dark", "light")
    assert from_given((x, 1 - y, u, v)).fingerprint != first.fingerprint
    grey = from_given((x[..., 0], y, u[..., :1], v)).train.images
    assert (grey == grey[:, :1]).all()
    assert grey.shape == (24, 3, 12, 14)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y, u, v: (x, y, u), r"images are \(x_train, y_train, x_test, y_test\).*; not tuple of 3"),
        (lambda x, y, u, v: None, "not NoneType"),
        (lambda x, y, u, v: (x[..., :2], y, u, v), r"x_train must be N x H x W x C.*not uint8 of 24 x 12 x 14 x 2"),
        (
            lambda x, y, u, v: (x.astype(float) - 128, y, u, v),
            "not normalised .the recipe does that.; these are float64",
        ),
        (lambda x, y, u, v: (x, y, u * 300.0, v), "x_test must have whole pixels of 0 to 255"),
        (lambda x, y, u, v: (x, y + 0.5, u, v), "y_train must be one whole number for each image"),
        (
            lambda x, y, u, v: (x, y + 1, u, v),
            "labels must be 0 to 2 with training images of each; there are none of 0",
        ),
        (
            lambda x, y, u, v: (x, np.where(y == 1, 10**12, y), u, v),
            "labels must be 0 to 1000000000000 .* none of 1, 2, 3,",
        ),
        (lambda x, y, u, v: (x, np.array(["cat", "dog"])[y], u, v), "y_train must be one whole number for each image"),
        (lambda x, y, u, v: (x, y, u, v + 1), "test label 2 is not in 0 to 1"),
        (lambda x, y, u, v: (x, 0 * y, u, 0 * v), "at least two classes, but all labels are 0"),
        (lambda x, y, u, v: (x[:5], y, u, v), "x_train and y_train: 5 images cannot have 24 labels"),
        (lambda x, y, u, v: (x, y, u[:0], v[:0]), "x_test and y_test: there must be at least one image"),
        (lambda x, y, u, v: (x[:, :4], y, u[:, :4], v), "x_train has images of 4 x 14; 8 x 8 is the least"),
        (lambda x, y, u, v: (x, y, u[:, :10], v), "training images are 3 x 12 x 14, but test images 3 x 10 x 14"),
        (
            lambda x, y, u, v: (x, y, u, v, 5),
            "the class names must be a list of 2, in the order of the labels, not int",
        ),
        (
            lambda x, y, u, v: (x, y, u, v, "ab"),
            "the class names must be a list of 2, in the order of the labels, not str",
        ),
        (lambda x, y, u, v: ([x[0], x[1, :9]], y[:2], u, v), "x_train must be one array, all its images"),
        (lambda x, y, u, v: (x, y, u, [[0], [0, 1]]), "y_test must be one array"),
        (lambda x, y, u, v: (x, y, u, v, ["one"]), "the 2 classes need 2 different names; given: one"),
        (lambda x, y, u, v: (x, y, u, v, ["a", "caf\udce9"]), r"encoded in UTF-8, not 'caf\\udce9'"),
        (lambda x, y, u, v: (x, y, u, v, ["a", "a"]), "the 2 classes need 2 different names; given: a, a"),
        (lambda x, y, u, v: (x, y, u * np.float32("nan"), v), "x_test holds NaN"),
        (lambda x, y, u, v: (Pairs(x, y, random=True), Pairs(u, v)), "leave out random transforms"),
        (lambda x, y, u, v: ([x, x], Pairs(u, v)), r"train\[0\] must be .image, label."),
        (lambda x, y, u, v: (Pairs(x[:0], y[:0]), Pairs(u, v)), "train has no images"),
        (
            lambda x, y, u, v: (Pairs(x, y, classes=["ant", "bee", "cat"]), Pairs(u, v, classes=["ant", "cat"])),
            "train and test must have the same classes; 1 of them is in one only, bee",
        ),
        (
            lambda x, y, u, v: (Pairs(x, y), Pairs(u, v, classes=["light", "dark"])),
            "must have the same classes; they come in a different order, with dark here where light is there",
        ),
    ],
)
def test_what_is_no_images_is_refused_in_words(change: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_given(change(*arrays()))


@pytest.mark.parametrize("mode", ["P", "L", "LA", "1", "I;16", "RGBA", "CMYK"])
def test_images_of_pillow_s_are_those_that_a_folder_of_them_has(tmp_path: Path, mode: str) -> None:
    x, y, u, v = arrays()
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")

    def image(pixels: Pixels) -> Image.Image:
        if mode == "I;16":
            return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        return Image.fromarray(pixels).convert("L" if mode == "1" else "RGB").convert(mode)

    def decoded(pixels: Pixels) -> Pixels:
        image(pixels).save(path)
        return np.asarray(decode(path))

    wanted = from_given((np.stack([*map(decoded, x)]), y, np.stack([*map(decoded, u)]), v))
    pairs = [[(image(pixels), int(label)) for pixels, label in zip(*part, strict=True)] for part in ((x, y), (u, v))]
    assert from_given(pairs).fingerprint == wanted.fingerprint
    listed = ([image(pixels) for pixels in x], y, [image(pixels) for pixels in u], v)
    assert from_given(listed).fingerprint == wanted.fingerprint


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point numbers"), ("I", "whole numbers of 32 bits")])
def test_images_of_pillow_s_without_a_range_are_refused(mode: str, kind: str) -> None:
    part = [(Image.new(mode, (12, 12)), label) for label in range(2)]
    with pytest.raises(DataError, match=f"of mode {mode} holds {kind}"):
        from_given((part, part))


def test_tensors_of_any_kind_are_taken_or_refused_in_words() -> None:
    x, y, u, v = arrays()
    tensors = [torch.from_numpy(part).float() / 255 for part in (x, u)]
    wanted = from_given((tensors[0], y, tensors[1], v)).fingerprint
    first, second = (part.clone().requires_grad_() for part in tensors)
    assert from_given((first, y, list(second), v)).fingerprint == wanted
    assert from_given(([*zip(first, y, strict=True)], [*zip(second, v, strict=True)])).fingerprint == wanted
    short = [part.bfloat16() for part in tensors]
    rounded = [part.float() for part in short]
    assert from_given((short[0], y, short[1], v)).fingerprint == from_given((rounded[0], y, rounded[1], v)).fingerprint
    with pytest.raises(DataError, match="x_train cannot be converted to an array"):
        from_given((tensors[0].to_sparse(), y, u, v))


def test_a_dataset_that_fails_is_told_of_by_its_item() -> None:
    class Failing(Pairs):
        def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
            if place == 3:
                raise KeyError("label")
            return super().__getitem__(place)

    x, y, u, v = arrays()
    with pytest.raises(DataError, match=r"test\[3\] cannot be read: KeyError: 'label'"):
        from_given((Pairs(x, y), Failing(u, v)))
