"""Convert an image opened by Pillow to upright 8-bit RGB: grey, Lab, transparency and EXIF orientation.

Pillow itself would clip grey values above 255 and drop transparency.
"""

from typing import TYPE_CHECKING

import numpy as np

from reslab.data.tiff import BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112

# ICC's Lab (white D50) to linear sRGB (white D65): http://www.brucelindbloom.com, Bradford-adapted.
_WHITE = np.array([0.96422, 1.0, 0.82521])
_XYZ_TO_RGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def to_rgb(image: "Image") -> "Image":
    """Return an image in mode RGB: scaled to 8 bits, with transparent pixels on white."""
    if image.mode.startswith("I"):
        return _grey(image)
    if image.mode == "LAB":
        return _lab(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def upright(image: "Image", pixels: "Image") -> "Image":
    """Turn the pixels as the file's EXIF orientation says; unreadable EXIF is ignored."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises nearly anything
        return pixels
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return pixels if turn is None else pixels.transpose(turn)


def undefined_numbers(image: "Image") -> str | None:
    """Say which numbers an image holds if their black and white are not defined; else None."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        return "floating-point numbers"
    if set(tags.get(SAMPLE_FORMAT, (1,))) == {2}:
        return "signed numbers"
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # those two have 16 bits, in some releases as mode I
        return "whole numbers of 32 bits"
    return None


def scale_key(image: "Image") -> None:
    """Scale the transparent grey of a 2- or 4-bit PNG as Pillow scales its pixels: to 8 bits."""
    key = image.info.get("transparency")
    tiles = getattr(image, "tile", [])
    levels = {"L;2": 3, "L;4": 15}.get(str(tiles[0][3])) if image.format == "PNG" and tiles else None
    if levels is not None and isinstance(key, int):
        image.info["transparency"] = key * 255 // levels


def _grey(image: "Image") -> "Image":
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(BITS_PER_SAMPLE, (16,))[0]) - 1
    values = np.asarray(image).astype(np.int64)
    grey = (255 * values + white // 2) // white
    if tags.get(PHOTOMETRIC) == 0:  # white is zero: Pillow inverts that for 8 bits only
        grey = 255 - grey
    if (clear := image.info.get("transparency")) is not None:
        grey[values == clear] = 255
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


def _lab(image: "Image") -> "Image":
    from PIL import Image

    stored = np.asarray(image)
    lightness, (a, b) = stored[..., 0] * (100 / 255), np.moveaxis(stored[..., 1:].view(np.int8).astype(float), -1, 0)
    middle = (lightness + 16) / 116
    roots = np.stack([middle + a / 500, middle, middle - b / 200], axis=-1)
    linear = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 3 * (6 / 29) ** 2) * _WHITE @ _XYZ_TO_RGB.T
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * encoded + 0.5).astype(np.uint8))


def _on_white(image: "Image") -> "Image":
    from PIL import Image

    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")
