"""A small made-up set of images in folders."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"apple": (200, 40, 40), "leaf": (40, 200, 40), "sea": (40, 40, 200)}


def write_folders(root: Path, *, num_train: int = 6, num_test: int = 2, measured: str = "val") -> Path:
    """Write noisy red, green and blue images of 32 to 64 pixels, JPEG and PNG, in the folders of three classes."""
    generator = np.random.default_rng(0)
    for part, count in (("train", num_train), (measured, num_test)):
        for name, colour in COLOURS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                height, width = generator.integers(32, 65, 2)
                noisy = generator.normal(colour, 30, (height, width, 3))
                image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
                image.save(folder / f"{number}.{'JPEG' if number % 2 else 'png'}")
    return root
