"""The files that docs/own_network.md and docs/own_images.md show are run, on small data made here."""

import gzip
import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.io import savemat

from reslab.data.own_images import from_function
from reslab.models.own_network import build_own
from reslab.own_code import Reference

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = {
    name: code
    for page in ("own_network.md", "own_images.md")
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
}


def small(count: int, side: int, channels: int, classes: int = 10) -> tuple[Any, Any]:
    generator = np.random.default_rng(count)
    shape = (count, side, side, channels) if channels > 1 else (count, side, side)
    return generator.integers(0, 256, shape, dtype=np.uint8), np.arange(count, dtype=np.uint8) % classes


def write_svhn(folder: Path) -> None:
    for name, count in (("train", 30), ("test", 20)):
        pixels, labels = small(count, 32, 3)
        marks = np.where(labels == 0, 10, labels)[:, None]
        savemat(folder / f"{name}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": marks})


def write_fashion(folder: Path) -> None:
    for name, count in (("train", 30), ("t10k", 20)):
        for array, kind in zip(small(count, 28, 1), ("images-idx3", "labels-idx1"), strict=True):
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))


def write_hugging(folder: Path) -> None:
    (folder / "data").mkdir()
    for name, count in (("train", 30), ("test", 20)):
        pixels, labels = small(count, 16, 3)
        files = []
        for image in pixels:
            Image.fromarray(image).save(file := io.BytesIO(), format="png")
            files.append({"bytes": file.getvalue(), "path": None})
        table = pl.DataFrame({"image": files, "label": labels.astype(np.int64)})
        table.write_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")


@pytest.mark.parametrize(
    ("name", "write", "side"),
    [("svhn", write_svhn, 32), ("fashion", write_fashion, 28), ("hugging", write_hugging, 16)],
)
def test_each_example_reads_its_files(name: str, write: Any, side: int, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / f"{name}.py").write_text(BLOCKS[f"{name}.py"])
    dataset = from_function(f"{tmp_path}/{name}.py:load", tmp_path / "kept").dataset
    assert (len(dataset.train), len(dataset.test), dataset.num_classes) == (30, 20, 10)
    assert dataset.train.image_shape == (3, side, side)
    expected = small(30, side, 1 if name == "fashion" else 3)[0]
    assert sorted(image.sum() for image in dataset.train.images) == sorted(
        int(image.sum()) * (3 if name == "fashion" else 1) for image in expected
    )


def test_the_example_of_a_network_can_be_trained(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(BLOCKS["my_net.py"])
    network = build_own(tmp_path, Reference("", "my_net.py", "build"), 10, 0, (3, 32, 32))
    assert sum(one.numel() for one in network.parameters()) == 3 * 32 * 9 + 64 + 330


def test_every_file_that_is_shown_is_tested() -> None:
    assert set(BLOCKS) == {"my_net.py", "svhn.py", "fashion.py", "hugging.py"}
