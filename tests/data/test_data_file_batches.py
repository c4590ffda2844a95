"""Batches from files: the crops, the same bits whatever the threads and the stops, and damaged files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from folder_fakes import write_folders
from reslab.data.file_batches import FileEvaluationBatches, FileTrainBatches, central_crop, random_crop
from reslab.data.folders import FileSet, read_folders
from reslab.data.normalisation import unmeasured
from reslab.errors import DataError, ResLabError

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> FileSet:
    return read_folders(write_folders(tmp_path_factory.mktemp("set"))).train


def train_batches(images: FileSet, *, workers: int = 1, seed: int = 0, mirror: str = "random") -> FileTrainBatches:
    return FileTrainBatches(
        images,
        unmeasured("imagenet"),
        image_size=32,
        batch_size=4,
        mirror=mirror,
        seed=seed,
        workers=workers,
    )


def equal(some: Batches, others: Batches) -> bool:
    return len(some) == len(others) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(some, others, strict=True)
    )


def test_an_epoch_has_every_image_once(images: FileSet) -> None:
    batches = train_batches(images)
    served = list(batches.batches(0))
    assert (batches.num_images, batches.num_batches) == (18, 5)
    assert [len(labels) for _, labels in served] == [4, 4, 4, 4, 2]
    assert torch.cat([labels for _, labels in served]).bincount().tolist() == [6, 6, 6]
    for pixels, labels in served:
        assert pixels.shape == (len(labels), 3, 32, 32)
        assert pixels.dtype == torch.float32
        assert pixels.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(pixels.mean(dim=(2, 3)).argmax(1), labels)  # red apples, green leaves, blue seas


def test_neither_threads_nor_stops_nor_global_chance_change_a_bit(images: FileSet) -> None:
    whole = list(train_batches(images).batches(3))
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert equal(whole, list(train_batches(images, workers=5).batches(3)))
    for start in (1, 4, 5):
        assert equal(whole[start:], list(train_batches(images, workers=2).batches(3, start)))


def test_epochs_and_seeds_differ(images: FileSet) -> None:
    batches = train_batches(images)
    first = list(batches.batches(0))
    assert not equal(first, list(batches.batches(1)))
    assert not equal(first, list(train_batches(images, seed=1).batches(0)))
    assert equal(first, list(batches.batches(0)))


def test_an_image_is_augmented_by_its_place_in_the_set_alone(images: FileSet) -> None:
    """The same image in another batch of the same epoch has the same pixels: the last of 18 and of 18 in two halves."""
    four, nine = train_batches(images), train_batches(images)
    nine._batch_size, nine.num_batches = 9, 2
    by_four, by_nine = (torch.cat([pixels for pixels, _ in one.batches(0)]) for one in (four, nine))
    assert torch.equal(by_four, by_nine)


def test_mirrors_only_mirror(images: FileSet) -> None:
    some, none = list(train_batches(images).batches(0)), list(train_batches(images, mirror="none").batches(0))
    same = mirrored = 0
    for (pixels, _), (straight, _) in zip(some, none, strict=True):
        for one, other in zip(pixels, straight, strict=True):
            same += torch.equal(one, other)
            mirrored += torch.equal(one, other.flip(2))
    assert same + mirrored == 18
    assert 3 <= mirrored <= 15


chances = st.lists(st.floats(0, 1, exclude_max=True), min_size=40, max_size=40)


@given(width=st.integers(1, 700), height=st.integers(1, 700), drawn=chances)
def test_random_crops_lie_inside(width: int, height: int, drawn: list[float]) -> None:
    left, top, right, bottom = random_crop(width, height, drawn)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_random_crops_have_the_stated_areas_and_ratios() -> None:
    generator = np.random.default_rng(0)
    crops = np.array([random_crop(1000, 1000, generator.random(40).tolist()) for _ in range(4000)])
    wide, high = crops[:, 2] - crops[:, 0], crops[:, 3] - crops[:, 1]
    area, ratio = wide * high / 1e6, wide / high
    assert 0.079 < area.min() < 0.09
    assert area.max() > 0.97
    assert 0.745 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 1.34
    # Up to three quarters of the area every ratio fits into a square; larger crops are drawn again where they do not.
    assert np.mean(area[area < 0.75] < (0.08 + 0.75) / 2) == pytest.approx(0.5, abs=0.03)
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.02)


def test_where_no_crop_fits_it_is_central_and_as_large_as_can_be() -> None:
    assert random_crop(400, 100, [0.999] * 40) == (133, 0, 266, 100)
    assert random_crop(100, 400, [0.999] * 40) == (0, 133, 100, 266)


def test_a_thin_image_is_cropped_without_being_enlarged_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    for image in (Image.fromarray(pixels), Image.fromarray(pixels.transpose(1, 0, 2))):
        whole = central_crop(image, 56).astype(int)
        with monkeypatch.context() as patch:
            patch.setattr("reslab.data.file_batches._MOST_RESIZED", 1)
            assert abs(central_crop(image, 56).astype(int) - whole).max() <= 1
    strip = Image.fromarray(np.full((60_000, 1, 3), 9, dtype=np.uint8))  # 15 GB where it is enlarged whole
    assert (central_crop(strip, 224) == 9).all()


def test_the_central_crop_is_seven_eighths_of_the_shorter_side() -> None:
    pixels = np.zeros((64, 128, 3), dtype=np.uint8)
    pixels[4:60, 36:92] = 255  # what is left of 64 x 128 after 7/8 of 64 in the middle
    crop = central_crop(Image.fromarray(pixels), 56)
    assert crop.shape == (56, 56, 3)
    assert (crop == 255).all()
    pixels[4, 36] = 0
    assert (central_crop(Image.fromarray(pixels), 56)[0, 0] == 0).all()


def test_evaluation_takes_the_images_in_order_and_always_alike(images: FileSet) -> None:
    one, other = (
        FileEvaluationBatches(images, unmeasured("per-image"), image_size=32, batch_size=7, workers=workers)
        for workers in (1, 3)
    )
    assert (one.num_images, one.num_batches) == (18, 3)
    assert equal(list(one), list(other))
    assert equal(list(one), list(one))
    assert torch.cat([labels for _, labels in one]).tolist() == images.labels.tolist()
    pixels = next(iter(one))[0]
    assert pixels.mean().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", ": it is empty; get it again"),
        (b"no image", ": it is text that begins 'no image'; download the file itself"),
        (None, r" \(.*\); replace it or remove it"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    images = read_folders(write_folders(tmp_path)).train
    path = images.path(5)
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    batches = train_batches(images, workers=2)
    with pytest.raises(DataError, match=rf"{path.name} cannot be decoded{why}"):
        list(batches.batches(0))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    write_folders(tmp_path, num_train=1)
    path = tmp_path / "train" / "apple" / "0.png"
    path.unlink()
    Image.new("RGB", (40, 40), (200, 40, 40)).convert(mode).save(path.with_suffix(".tif"))
    (pixels, _), *_ = list(train_batches(read_folders(tmp_path).train).batches(0))
    assert pixels.shape == (3, 3, 32, 32)


def test_a_normaliser_that_needs_measuring_is_refused() -> None:
    with pytest.raises(ResLabError, match="normalisation must be per-image or one of channel-2023, imagenet"):
        unmeasured("pixel-mean")
