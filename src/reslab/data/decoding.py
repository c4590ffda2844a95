"""An image file as upright RGB pixels of 8 bits, whatever it is stored as; what has no defined range is refused.

Pillow decodes, `rgb` turns what it gives into RGB, and `tiff` tells what Pillow would read wrongly.
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
"""Part of an image folder's fingerprint: raised when the same files decode to other pixels."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "PPM", "TIFF", "GIF", "MPO", "JPEG2000", "AVIF")
"""What a file may hold, whatever its name ends in; Pillow's others include PostScript, which is a program."""

CHECK_SECONDS = 10.0
"""How long files are tried before a training begins."""

NUM_NAMED = 5
"""Files that will not do, named in one message before a training."""

_LIKE_TEXT = (*tiff.MAGIC, b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"%!PS", b"BM", b"RIFF", b"GIF8")
"""How files begin that are no texts, though what a cut leaves of one may look like that."""


def decode(path: Path) -> "Image":
    """Return a file's first image, upright, in mode RGB.

    Grey of 16 bits is scaled to 8; what is transparent lies on white; the turn that EXIF states is made, as any viewer
    makes it; an embedded colour profile is ignored.  Raises `DataError`, which names the file, where it cannot be
    decoded whole, or holds numbers whose black and white are not defined.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError("image files are decoded by Pillow, which is not installed: pip install pillow") from None
    _keep_quiet()
    try:
        # Opened here, since of a path Pillow maps TIFF files into memory, and shears those that EXIF turns sideways.
        with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
            if tiff.is_misread(image):
                raise DataError(
                    f"{path} is a TIFF with its channels apart, which Pillow reads wrongly at 16 bits or with grey and "
                    "alpha; save it with the channels together (PlanarConfiguration 1), or as PNG"
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
    """Return an image of Pillow's as `decode` would of a file, H x W x 3, but not turned; raises `DataError`."""
    if reason := undefined_numbers(image):
        raise DataError(
            f"an image of mode {image.mode} holds {reason}, and nothing says which values are black and white; "
            "convert it to 8 bits"
        )
    return np.asarray(to_rgb(image))


def check_files(
    paths: Iterable[Path], *, workers: int, seconds: float = CHECK_SECONDS, most: int | None = NUM_NAMED
) -> None:
    """Decode files until they or the time are at an end; raise `DataError` that names those that will not do.

    It names `most` of them, and looks no further once there are more; None: all.

    What is not reached is decoded first in the training, hours later where there are many files.
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
    """Say what a file is that holds no image that Pillow knows; "" where that is not known either."""
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
    except Exception:  # what is wrong has been said by Pillow
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
    """Return which kind of image a file begins as that is not decoded here, as a clause about "it"; or ""."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "it is an image in HEIF, as telephones write them; save it as JPEG or PNG"
    return "it is a drawing in SVG; save it as PNG" if b"<svg" in head else ""


def _words(error: Exception, path: Path) -> str:
    """Return what went wrong, without the path, which the message begins with."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, DecompressionBombError):
        return "it has more pixels than any photograph, as files have that are made to fill the memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "MAX_TEXT" in str(error):
        return "it has more text or profile beside its pixels than a picture has; save it without"
    if isinstance(error, AssertionError | SyntaxError | struct.error | IndexError | KeyError):
        return "it is damaged"
    return (str(error).splitlines() or [type(error).__name__])[0].replace(str(path), "it")


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _keep_quiet() -> None:
    """Keep what Pillow has to say of single files out of our lines: what matters is raised."""
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # without any, Python prints its errors
    # For the whole process and not within a context: files are decoded in threads, which share the filters.
    if not any(action == "ignore" and module == _PILLOW for action, _, _, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


_PILLOW = re.compile(r"PIL(\.|$)")
