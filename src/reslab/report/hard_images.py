"""The images that every network of a report gets wrong, read from the data sets where these are present."""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.predictions import always_wrong
from reslab.data.decoding import decode
from reslab.data.folders import Folders
from reslab.data.images import Dataset
from reslab.data.sources import load_for
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Block
from reslab.exhibits.predictions import MOST_PICTURES, Picture, Sheet, sheet_figure
from reslab.exhibits.wording import dataset_name
from reslab.lab.folder.predictions import Predictions

LONGEST_SIDE = 64
"""Side in pixels that images in files are reduced to; others are magnified by whole factors to at most about this."""

_NOT_SHOWN = (ResLabError, OSError)
"""Errors that keep images from being shown, but not the report from being written."""


def hard_images(key: str, groups: Sequence[Group], data_root: Path | None, *, partly: bool = False) -> list[Block]:
    """Return the sheet of images that all of these groups' networks get wrong, for the data sets that are present.

    All groups have predictions, on each data set for the same images; `partly` says that other networks have none.
    """
    sheets: list[Sheet] = []
    for dataset, own in by_dataset(groups):
        predictions = [one for group in own for one in group.predictions]
        places = always_wrong(predictions)
        images = _images(own[0], predictions[0], data_root) if len(places) else None
        pictures = [] if images is None else list(islice(_pictures(images, predictions, places), MOST_PICTURES))
        if pictures:
            sheets.append(Sheet(dataset_name(dataset), pictures, len(places), len(predictions)))
    figure = sheet_figure(key, sheets, partly=partly)
    return [figure] if figure is not None else []


def _images(group: Group, predictions: Predictions, data_root: Path | None) -> Dataset | Folders | None:
    """Return the images that a group was tested on; None where they are missing or differ."""
    try:
        found = load_for(group.recipe, data_root)
    except _NOT_SHOWN:
        return None
    known = (found.fingerprint, found.former) if isinstance(found, Folders) else (found.fingerprint,)
    same = group.fact("data_fingerprint") in known and np.array_equal(found.test.labels, predictions.labels)
    return found if same else None


def _pictures(
    images: Dataset | Folders, predictions: Sequence[Predictions], places: Iterable[int]
) -> Iterator[Picture]:
    """Yield the pictures at these places, without those that cannot be read."""
    for place in map(int, places):
        with suppress(*_NOT_SHOWN):
            yield _picture(images, predictions, place)


def _picture(images: Dataset | Folders, predictions: Sequence[Predictions], place: int) -> Picture:
    names = [name.replace("_", " ") for name in predictions[0].class_names]
    taken = Counter(int(one.predicted[place]) for one in predictions).most_common(1)[0][0]
    return Picture(_address(images, place), names[int(predictions[0].labels[place])], names[taken])


def _address(images: Dataset | Folders, place: int) -> str:
    """Return an image as a data: address."""
    if isinstance(images, Folders):
        image = decode(images.test.path(place))
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    else:
        pixels = images.test.images[place]
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
        times = max(1, LONGEST_SIDE // max(image.size))
        image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    held = io.BytesIO()
    image.save(held, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
