"""Decode image files to upright 8-bit RGB pixels, whatever their format; refuse numbers without a defined range.

Pillow decodes, `rgb` converts its output to RGB, and `tiff` detects what Pillow would read wrongly.
"""

import itertools
import logging
import re
import struct
import sys
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reslab.data import tiff
from reslab.data.rgb import scale_key, to_rgb, undefined_numbers, upright
from reslab.errors import DataError
from reslab.foreign import HEAD_BYTES, as_text, describe_text, recognised

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 2
"""Part of an image folder's fingerprint: increased when the same files decode to different pixels."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "PPM", "TIFF", "GIF", "MPO", "JPEG2000", "AVIF")
"""Formats that a file may have, whatever its extension; Pillow's others include PostScript, which is a program."""

CHECK_SECONDS = 10.0
"""How long files are checked before training starts."""

NUM_NAMED = 5
"""Unusable files named in one message before training."""

_LIKE_TEXT = (*tiff.MAGIC, b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"%!PS", b"BM", b"RIFF", b"GIF8")
"""First bytes of files that are not text, though a truncated one may look like text."""


def decode(path: Path) -> "Image":
    """Return a file's first image, upright, in mode RGB.

    16-bit grey is scaled to 8 bits; transparent pixels are put on white; the EXIF orientation is applied, as viewers
    do; an embedded colour profile is ignored.  Raises `DataError`, which names the file, if it cannot be decoded whole
    or holds numbers whose black and white are not defined.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError("image files are decoded by Pillow, which is not installed: pip install pillow") from None
    _keep_quiet()
    try:
        # Opened here: given a path, Pillow maps TIFF files into memory, and shears those that EXIF turns sideways.
        with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
            if tiff.is_misread(image):
                raise DataError(
                    f"{path} is a TIFF with separate channels, which Pillow reads wrongly at 16 bits or with grey and "
                    "alpha; save it with interleaved channels (PlanarConfiguration 1), or as PNG"
                )
            scale_key(image)
            image.load()
            if reason := undefined_numbers(image):
                raise DataError(_without_range(path, reason))
            return upright(image, to_rgb(image))
    except DataError:
        raise
    except Exception as error:  # damaged files raise nearly anything
        raise DataError(
            _unknown(path, error) or f"{path} cannot be decoded ({_words(error, path)}); replace it or remove it"
        ) from error


def from_memory(image: "Image") -> NDArray[np.uint8]:
    """Return a Pillow image as `decode` would a file, H x W x 3, but not turned; raise `DataError` as it does."""
    if reason := undefined_numbers(image):
        raise DataError(
            f"an image of mode {image.mode} holds {reason}, and nothing says which values are black and white; "
            "convert it to 8 bits"
        )
    return np.asarray(to_rgb(image))


def check_files(
    paths: Iterable[Path], *, workers: int, seconds: float = CHECK_SECONDS, most: int | None = NUM_NAMED
) -> None:
    """Decode files until they or the time run out; raise a `DataError` that names those that cannot be used.

    It names at most `most` files, and checking stops once there are more; None: all.

    Files not reached are first decoded during training, which may be hours later.
    """
    problems: list[str] = []
    most = sys.maxsize if most is None else most
    end = time.monotonic() + seconds
    remaining = iter(paths)
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        while chunk := list(itertools.islice(remaining, 8 * workers)):
            problems += filter(None, pool.map(_problem, chunk))
            if time.monotonic() > end or len(problems) > most:
                break
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        more = "\n  and others" if len(problems) > most else ""
        raise DataError("some image files cannot be used:\n  " + "\n  ".join(problems[:most]) + more)


def _problem(path: Path) -> str | None:
    try:
        decode(path)
    except DataError as error:
        return str(error)
    return None


def _without_range(path: Path, numbers: str) -> str:
    return (
        f"{path} holds {numbers}, and nothing says which values are black and white; save it with 8 or 16 unsigned "
        "bits per channel, or remove it"
    )


def _unknown(path: Path, error: Exception) -> str:
    """Say what a file is that Pillow does not recognise as an image; "" if that is unknown too."""
    from PIL import UnidentifiedImageError

    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head.startswith(tiff.MAGIC):
            tags = tiff.read_tags(path)
            if numbers := tiff.numbers_in(tags):
                return _without_range(path, numbers)
            if isinstance(error, UnidentifiedImageError) and tiff.is_whole(tags, path.stat().st_size):
                return f"{path} cannot be decoded: it is a TIFF of a kind that Pillow does not read; save it as PNG"
            return ""
    except Exception:  # Pillow has already said what is wrong
        return ""
    what = _other_image(head) or recognised(head)
    if (
        not what
        and not any(head[: len(magic)] == magic[: len(head)] for magic in _LIKE_TEXT)
        and (text := as_text(head)) is not None
    ):
        what = describe_text(text)
    return f"{path} cannot be decoded: {what}" if what else ""


def _other_image(head: bytes) -> str:
    """Return which kind of image, not decoded here, a file starts like, as a clause about "it"; or ""."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "it is an image in HEIF, as phones save them; save it as JPEG or PNG"
    return "it is a drawing in SVG; save it as PNG" if b"<svg" in head else ""


def _words(error: Exception, path: Path) -> str:
    """Return what went wrong, without the path, with which the message already starts."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, DecompressionBombError):
        return "it has more pixels than any photograph, like files made to exhaust memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "MAX_TEXT" in str(error):
        return "it has more metadata than a picture should have; save it without"
    if isinstance(error, AssertionError | SyntaxError | struct.error | IndexError | KeyError):
        return "it is damaged"
    return (str(error).splitlines() or [type(error).__name__])[0].replace(str(path), "it")


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _keep_quiet() -> None:
    """Silence Pillow's remarks on single files: what matters is raised."""
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # without a handler, Python prints its errors
    # For the whole process, not in a context: files are decoded in threads, which share the filters.
    if not any(action == "ignore" and module == _PILLOW for action, _, _, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


_PILLOW = re.compile(r"PIL(\.|$)")
