"""Batches against a reference that augments image by image and pixel by pixel."""

import hashlib
from itertools import product

import numpy as np
import pytest
import torch
from data_fakes import image_set
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reslab.data.batches import EvaluationBatches, TrainBatches
from reslab.data.images import ImageSet
from reslab.data.normalisation import Normaliser, fit
from reslab.errors import ResLabError
from reslab.recipe import CHOICES, random_stream

DEVICES = ["cpu"]
if torch.cuda.is_available():
    DEVICES.append("cuda")
if torch.backends.mps.is_available():
    DEVICES.append("mps")

IDENTITY = Normaliser("identity", *(np.full((3, 1, 1), value, np.float32) for value in (0, 1, 0)))
"""Leaves pixels as they are, to look at them."""

GOLDEN: list[tuple[int, int, list[int], str]] = [
    (0, 0, [3, 7, 5, 2, 4, 1, 0, 6], "e04b51b36ff3294619cd5803a6d22aa7a899b6c68ed73fcd4dad8e9ae6e91166"),
    (7, 12, [4, 0, 2, 5, 1, 3, 6, 7], "6719fcffcd5f01196159d8ecd6b0dd961ba1abc99b94dd52bea30538e1266189"),
]
"""Seed, epoch, order of images, and SHA-256 of all their augmented pixels."""


def words(count: int, seed: int, purpose: str, epoch: int) -> list[int]:
    generator = np.random.Philox(key=random_stream(seed, purpose, epoch))
    return [int(word) for word in generator.random_raw(count)]


def reference(
    images: ImageSet, normaliser: Normaliser, *, edge: int, padding: str, mirror: str, seed: int, epoch: int
) -> tuple[NDArray[np.float32], list[int]]:
    """Return an epoch's images and labels, made one pixel at a time from the definition."""
    count = len(images)
    keys = words(count, seed, "order", epoch)
    order = sorted(range(count), key=lambda place: keys[place])
    offsets = [word % (2 * edge + 1) for word in words(2 * count, seed, "crop", epoch)]
    turned = [mirror == "random" and word >= 2**63 for word in words(count, seed, "mirror", epoch)]
    if mirror == "alternating":
        first = words(count, seed, "mirror", 0)
        turned = [(first[place] >= 2**63) != (epoch % 2 == 1) for place in order]
    made = [
        augment(
            images.images[place],
            normaliser,
            row=offsets[k] - edge,
            column=offsets[count + k] - edge,
            turned=turned[k],
            padding=padding,
        )
        for k, place in enumerate(order)
    ]
    return np.stack(made), [int(images.labels[place]) for place in order]


def augment(
    image: NDArray[np.uint8], normaliser: Normaliser, *, row: int, column: int, turned: bool, padding: str
) -> NDArray[np.float32]:
    """Return one image mirrored or not, moved up and left by `row` and `column`, and normalised."""
    channels, height, width = image.shape
    result = np.zeros(image.shape, np.float32)
    shift, scale = None, None
    if normaliser.shift is None:
        shift, scale = own_statistics(image[:, :, ::-1] if turned else image, row, column, padding)
    if padding == "reflect":
        return by_reflection(image, normaliser, row=row, column=column, turned=turned)
    for channel, y, x in product(range(channels), range(height), range(width)):
        from_y, from_x = y + row, x + column
        inside = 0 <= from_y < height and 0 <= from_x < width
        if not inside and padding == "mean":
            continue
        if turned:
            from_x = width - 1 - from_x
        pixel = np.float32(image[channel, from_y, from_x]) if inside else np.float32(0)
        if shift is not None and scale is not None:
            result[channel, y, x] = (pixel - shift) * scale
            continue
        assert normaliser.shift is not None
        assert normaliser.scale is not None
        assert normaliser.border is not None
        whole = np.broadcast_to(normaliser.shift, image.shape)
        subtracted = whole[channel, from_y, from_x] if inside else normaliser.border[channel, 0, 0]
        result[channel, y, x] = (pixel - subtracted) * normaliser.scale[channel, 0, 0]
    return result


def by_reflection(
    image: NDArray[np.uint8], normaliser: Normaliser, *, row: int, column: int, turned: bool
) -> NDArray[np.float32]:
    """Return one image as `augment` does, what is outside its edge being what is as far inside."""
    channels, height, width = image.shape

    def inside(place: int, size: int) -> int:
        return -place if place < 0 else 2 * (size - 1) - place if place >= size else place

    crop, shift = np.zeros_like(image), np.zeros(image.shape, np.float32)
    whole = None if normaliser.shift is None else np.broadcast_to(normaliser.shift, image.shape)
    for channel, y, x in product(range(channels), range(height), range(width)):
        at_y, at_x = inside(y + row, height), inside(x + column, width)
        crop[channel, y, x] = image[channel, at_y, width - 1 - at_x if turned else at_x]
        if whole is not None:
            shift[channel, y, x] = whole[channel, at_y, width - 1 - at_x if turned else at_x]
    if whole is None or normaliser.scale is None:
        mean, one_over = own_statistics(crop, 0, 0, "black")
        return (crop - mean) * one_over
    return (crop.astype(np.float32) - shift) * normaliser.scale


def own_statistics(image: NDArray[np.uint8], row: int, column: int, padding: str) -> tuple[np.float32, np.float32]:
    """Return mean and one over the deviation of the augmented image, padding being black or the mean itself."""
    _, height, width = image.shape
    seen = image[:, max(row, 0) : height + min(row, 0), max(column, 0) : width + min(column, 0)]
    pixels = [int(pixel) for pixel in seen.ravel()]
    count = image.size if padding == "black" else len(pixels)
    total, squares = sum(pixels), sum(pixel**2 for pixel in pixels)
    mean = np.float32(total) / np.float32(count)
    variance = np.float32(count * squares - total**2) / np.float32(count * image.size)
    bound = np.float32(1 / np.sqrt(image.size))
    return mean, np.float32(1) / max(np.sqrt(variance), bound)


def collect(batches: TrainBatches, epoch: int, start: int = 0) -> tuple[NDArray[np.float32], list[int]]:
    pairs = list(batches.batches(epoch, start))
    images = torch.cat([images for images, _ in pairs]).float().cpu().numpy()
    return images, [int(label) for _, labels in pairs for label in labels]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("padding", ["mean", "black", "reflect"])
@pytest.mark.parametrize("kind", CHOICES["normalisation"])
def test_batches_equal_the_reference_bit_for_bit(kind: str, padding: str, device: str) -> None:
    images = image_set(23, shape=(3, 6, 5))
    images.images[4] = 9  # constant: per-image must not divide by zero
    normaliser = fit(kind, images)
    for edge, mirror in ((2, "random"), (0, "random"), (2, "none"), (0, "none"), (4, "alternating")):
        batches = TrainBatches(
            images,
            normaliser,
            batch_size=8,
            crop_padding=edge,
            padding=padding,
            mirror=mirror,
            seed=3,
            device=device,
        )
        for epoch in (0, 5):
            expected = reference(images, normaliser, edge=edge, padding=padding, mirror=mirror, seed=3, epoch=epoch)
            found = collect(batches, epoch)
            assert np.array_equal(found[0], expected[0])
            assert found[1] == expected[1]


@pytest.mark.parametrize("kind", CHOICES["normalisation"])
def test_real_sizes_equal_the_reference_too(kind: str) -> None:
    images = image_set(3)
    normaliser = fit(kind, images)
    batches = TrainBatches(images, normaliser, batch_size=2, crop_padding=4, padding="mean", mirror="random", seed=0)
    expected = reference(images, normaliser, edge=4, padding="mean", mirror="random", seed=0, epoch=1)
    found = collect(batches, 1)
    assert np.array_equal(found[0], expected[0])
    assert found[1] == expected[1]


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**32 - 1), st.integers(0, 400))
def test_any_sizes_equal_the_reference(count: int, batch_size: int, edge: int, seed: int, epoch: int) -> None:
    images = image_set(count, shape=(1, 3, 4))
    normaliser = fit("pixel-mean", images)
    batches = TrainBatches(
        images, normaliser, batch_size=batch_size, crop_padding=edge, padding="black", mirror="random", seed=seed
    )
    expected = reference(images, normaliser, edge=edge, padding="black", mirror="random", seed=seed, epoch=epoch)
    found = collect(batches, epoch)
    assert np.array_equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_all_81_offsets_occur_about_equally_often_and_nothing_else() -> None:
    """Each image says where it was cropped and whether it was mirrored, by pixels that count rows and columns."""
    count = 4050
    rows, columns = np.mgrid[1:33, 1:33].astype(np.uint8)
    image = np.stack([rows, columns, columns])
    batches = TrainBatches(
        ImageSet(np.broadcast_to(image, (count, *image.shape)), np.zeros(count, np.int64)),
        IDENTITY,
        batch_size=500,
        crop_padding=4,
        padding="black",
        mirror="random",
        seed=0,
    )
    crops = torch.cat([part for part, _ in batches.batches(0)]).numpy().astype(int)
    mirrored = crops[:, 1, 16, 16] > crops[:, 1, 16, 17]
    row = crops[:, 0, 16, 16] - 17
    column = np.where(mirrored, 32 - crops[:, 1, 16, 16], crops[:, 1, 16, 16] - 1) - 16
    seen, tally = np.unique(np.stack([row, column]), axis=1, return_counts=True)
    assert seen.T.tolist() == [[y, x] for y in range(-4, 5) for x in range(-4, 5)]
    assert 20 < tally.min() <= tally.max() < 90
    for turned in (False, True):
        assert (
            len({tuple(pair) for pair in zip(row[mirrored == turned], column[mirrored == turned], strict=True)}) == 81
        )
    assert (crops[:, 0, :, 16] == 0).sum(axis=1).tolist() == np.abs(row).tolist()


def test_mirrored_share_is_about_a_half() -> None:
    count = 4000
    images = np.zeros((count, 3, 2, 2), np.uint8)
    images[:, :, :, 0] = 1
    batches = TrainBatches(
        ImageSet(images, np.zeros(count, np.int64)),
        IDENTITY,
        batch_size=1000,
        crop_padding=0,
        padding="mean",
        mirror="random",
        seed=1,
    )
    mirrored = sum(float(part[:, 0, 0, 1].sum()) for part, _ in batches.batches(0))
    assert 0.46 < mirrored / count < 0.54


def test_alternating_mirrors_show_both_sides_of_an_image_in_two_epochs() -> None:
    pixels = np.zeros((40, 1, 1, 2), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(40) + 1
    batches = TrainBatches(
        ImageSet(pixels, np.zeros(40, np.int64)),
        Normaliser("identity", *(np.full((1, 1, 1), value, np.float32) for value in (0, 1, 0))),
        batch_size=40,
        crop_padding=0,
        padding="mean",
        mirror="alternating",
        seed=1,
    )
    seen = [collect(batches, epoch)[0] for epoch in range(3)]
    turned = [{int(image.max()): bool(image[0, 0, 1]) for image in epoch} for epoch in seen]
    assert all(turned[0][name] != turned[1][name] and turned[0][name] == turned[2][name] for name in range(1, 41))
    assert 8 < sum(turned[0].values()) < 32


def test_each_epoch_has_every_image_once_in_another_order() -> None:
    images = ImageSet(image_set(50, shape=(3, 2, 2)).images, np.arange(50, dtype=np.int64))
    batches = made(images, batch_size=8)
    orders = [collect(batches, epoch)[1] for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert collect(made(images, batch_size=8, seed=1), 0)[1] != orders[0]
    assert collect(made(images, batch_size=8), 0)[1] == orders[0]


def made(images: ImageSet, *, batch_size: int, seed: int = 0) -> TrainBatches:
    return TrainBatches(
        images,
        fit("pixel-mean", images),
        batch_size=batch_size,
        crop_padding=1,
        padding="mean",
        mirror="random",
        seed=seed,
    )


def test_the_draws_never_change() -> None:
    """Order, crops and mirror images of golden epochs: whatever changes them changes every published number."""
    images = (np.arange(8 * 3 * 4 * 4) * 37 % 251).astype(np.uint8).reshape(8, 3, 4, 4)
    numbered = ImageSet(images, np.arange(8, dtype=np.int64))
    for seed, epoch, order, digest in GOLDEN:
        batches = TrainBatches(
            numbered, IDENTITY, batch_size=3, crop_padding=2, padding="black", mirror="random", seed=seed
        )
        crops, labels = collect(batches, epoch)
        assert labels == order
        assert hashlib.sha256(crops.astype(np.uint8).tobytes()).hexdigest() == digest


@pytest.mark.parametrize("start", [0, 1, 3, 6, 7])
def test_a_later_start_gives_the_tail(start: int) -> None:
    images = image_set(50, shape=(3, 4, 4))
    whole = list(made(images, batch_size=8).batches(2))
    tail = list(made(images, batch_size=8).batches(2, start))
    assert len(tail) == len(whole) - start
    for (images_a, labels_a), (images_b, labels_b) in zip(whole[start:], tail, strict=True):
        assert torch.equal(images_a, images_b)
        assert torch.equal(labels_a, labels_b)


def test_the_last_batch_is_what_is_left() -> None:
    batches = made(image_set(21, shape=(3, 4, 4)), batch_size=8)
    assert (batches.num_images, batches.num_batches) == (21, 3)
    assert [len(labels) for _, labels in batches.batches(0)] == [8, 8, 5]
    alone = made(image_set(3, shape=(3, 4, 4)), batch_size=8)
    assert [len(labels) for _, labels in alone.batches(0)] == [3]
    exact = made(image_set(16, shape=(3, 4, 4)), batch_size=8)
    assert [len(labels) for _, labels in exact.batches(0)] == [8, 8]


def test_nothing_is_written_back_and_batches_are_their_own() -> None:
    images = image_set(20, shape=(3, 4, 4))
    before = images.images.copy(), images.labels.copy()
    for kind in CHOICES["normalisation"]:
        batches = TrainBatches(
            images, fit(kind, images), batch_size=8, crop_padding=2, padding="mean", mirror="random", seed=0
        )
        first, second = (list(batches.batches(0)) for _ in range(2))
        for part, labels in first:
            part.zero_()
            labels.zero_()
        assert all(float(part.abs().max()) > 0 for part, _ in second)
        assert np.array_equal(collect(batches, 0)[0], torch.cat([part for part, _ in second]).numpy())
    for part, _ in EvaluationBatches(images, fit("channel", images), device="cpu"):
        part.zero_()
    assert np.array_equal(images.images, before[0])
    assert np.array_equal(images.labels, before[1])


def test_read_only_images_will_do() -> None:
    images = image_set(4, shape=(3, 4, 4))
    images.images.flags.writeable = False
    assert len(collect(made(images, batch_size=4), 0)[1]) == 4


@pytest.mark.parametrize("kind", CHOICES["normalisation"])
def test_batches_have_the_form_that_training_wants(kind: str) -> None:
    images = image_set(9, shape=(3, 6, 5))
    batches = TrainBatches(
        images, fit(kind, images), batch_size=9, crop_padding=2, padding="mean", mirror="random", seed=0
    )
    first = next(iter(batches.batches(0)))[0]
    assert first.dtype == torch.float32
    assert first.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", CHOICES["normalisation"])
def test_evaluation_is_in_order_and_unaugmented(kind: str, device: str) -> None:
    images = image_set(23, shape=(3, 6, 5))
    normaliser = fit(kind, images)
    batches = EvaluationBatches(images, normaliser, batch_size=10, device=device)
    expected = np.stack(
        [augment(image, normaliser, row=0, column=0, turned=False, padding="mean") for image in images.images]
    )
    for _ in range(2):
        pairs = list(batches)
        assert [len(labels) for _, labels in pairs] == [10, 10, 3]
        assert np.array_equal(torch.cat([part for part, _ in pairs]).cpu().numpy(), expected)
        assert torch.cat([labels for _, labels in pairs]).tolist() == images.labels.tolist()
    assert (batches.num_images, batches.num_batches) == (23, 3)


def test_impossible_batches_say_why() -> None:
    images = image_set(4, shape=(3, 4, 4))
    for name, value, message in (
        ("batch_size", 0, "batch_size must be 1 or more"),
        ("crop_padding", -1, "crop_padding 0 or more"),
        ("padding", "grey", "padding must be one of mean, black, reflect; not 'grey'"),
        ("mirror", "always", "mirror must be one of random, alternating, none; not 'always'"),
    ):
        settings_: dict[str, int | str] = {"batch_size": 2, "crop_padding": 1, "padding": "mean", "mirror": "none"}
        settings_[name] = value
        with pytest.raises(ResLabError, match=message):
            TrainBatches(images, IDENTITY, seed=0, **settings_)  # type: ignore[arg-type]
    reflected = TrainBatches(
        images, IDENTITY, seed=0, batch_size=2, crop_padding=3, padding="reflect", mirror="none", device="cpu"
    )
    assert len(list(reflected.batches(0))) == 2
    with pytest.raises(ResLabError, match="crop_padding must be below the height and width of the images, 4 x 4"):
        TrainBatches(images, IDENTITY, seed=0, batch_size=2, crop_padding=4, padding="reflect", mirror="none")
    with pytest.raises(ResLabError, match="batch_size must be 1 or more"):
        EvaluationBatches(images, IDENTITY, batch_size=0)
