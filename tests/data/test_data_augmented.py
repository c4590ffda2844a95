"""Cutout and mixup against NumPy's float64, and that an epoch's batches depend on nothing but seed and epoch."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from agreement import agrees
from reslab.data.augmented import AugmentedBatches, beta_shares
from reslab.data.batches import TrainBatches, random_words
from reslab.data.images import ImageSet
from reslab.data.normalisation import fit

CLASSES, BATCH = 5, 9
HEIGHT, WIDTH = 8, 11
CPU = torch.device("cpu")


def image_set(count: int = 23) -> ImageSet:
    pixels = np.random.Generator(np.random.Philox(0)).integers(0, 256, (count, 3, HEIGHT, WIDTH), dtype=np.uint8)
    return ImageSet(pixels, np.arange(count, dtype=np.int64) % CLASSES)


def plain(seed: int = 0) -> TrainBatches:
    images = image_set()
    return TrainBatches(
        images,
        fit("channel", images),
        batch_size=BATCH,
        crop_padding=2,
        padding="mean",
        mirror="random",
        seed=seed,
    )


def augmented(seed: int = 0, *, randaugment: int = 0, cutout: int = 0, mixup: float = 0.0) -> AugmentedBatches:
    return AugmentedBatches(
        plain(seed),
        seed=seed,
        batch_size=BATCH,
        size=(HEIGHT, WIDTH),
        num_classes=CLASSES,
        randaugment=randaugment,
        magnitude=9.0,
        cutout=cutout,
        mixup=mixup,
        device=CPU,
    )


def test_each_epoch_has_operations_of_its_own() -> None:
    batches = augmented(randaugment=2)
    draw = next(batches.inner.draws(0))
    batches.inner.draws = lambda epoch, start=0: iter([draw])  # type: ignore[method-assign]
    first, again, second = (next(batches.batches(epoch))[0] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def pairs(
    batches: AugmentedBatches, epoch: int
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.int64], Tensor, Tensor]]:
    """Yield the number of each batch, the images and labels that it is made from, and what it is."""
    for number, ((images, labels), (ours, targets)) in enumerate(
        zip(plain().batches(epoch), batches.batches(epoch), strict=True)
    ):
        yield number, images.double().numpy(), labels.numpy(), ours, targets


@pytest.mark.parametrize("side", [3, 4, 16])
def test_cutout_zeroes_a_square_about_the_drawn_centre(side: int) -> None:
    """DeVries and Taylor 2017: clipped at the image's edge; the square of an even side as in their code."""
    centres = random_words(2 * 23, 0, "cutout", 4).reshape(23, 2) % np.array([HEIGHT, WIDTH], np.uint64)
    found, expected, seen = [], [], 0
    for _, images, labels, ours, targets in pairs(augmented(cutout=side), 4):
        for image in images:
            row, column = centres[seen].tolist()
            seen += 1
            rows = slice(max(0, row - side // 2), max(0, row - side // 2 + side))
            columns = slice(max(0, column - side // 2), max(0, column - side // 2 + side))
            image[:, rows, columns] = 0
        found.append(ours.numpy().ravel())
        expected.append(images.ravel())
        assert np.array_equal(targets.numpy(), labels)
    assert seen == 23
    agrees(f"cutout of {side}", np.concatenate(found), np.concatenate(expected), digits=16)


def test_mixup_mixes_images_and_losses_by_one_share() -> None:
    """Zhang et al. 2018, equation 2 and the loss of their code: share x CE(y) + (1 - share) x CE(y of the partner)."""
    batches = augmented(mixup=0.4)
    shares = beta_shares(batches.num_batches, 0.4, 0, 2)
    words = random_words(23, 0, "mixup order", 2)
    found, expected, losses, references = [], [], [], []
    for number, images, labels, ours, targets in pairs(batches, 2):
        partners = np.argsort(words[number * BATCH : (number + 1) * BATCH], kind="stable")
        share = shares[number]
        expected.append((share * images + (1 - share) * images[partners]).ravel())
        found.append(ours.numpy().ravel())
        assert ours.is_contiguous(memory_format=torch.channels_last)
        logits = np.random.Generator(np.random.Philox(number)).standard_normal((len(labels), CLASSES))
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        own, other = (-logs[np.arange(len(labels)), which].mean() for which in (labels, labels[partners]))
        references.append(share * own + (1 - share) * other)
        losses.append(F.cross_entropy(torch.from_numpy(logits).float(), targets).item())
        assert targets.dtype == torch.float32
        assert torch.allclose(targets.sum(1), torch.ones(len(labels)))
    agrees("mixup, images", np.concatenate(found), np.concatenate(expected), digits=6.5)
    agrees("mixup, loss", losses, references, digits=6)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    shares = np.array([share for epoch in range(4) for share in beta_shares(500, alpha, 7, epoch)])
    assert ((shares >= 0) & (shares <= 1)).all()
    # Where nearly all lie at the ends, floats near 1 are too coarse: those below a half are looked at, which are half.
    low = shares[shares < 0.5]
    assert abs(len(low) - 1000) < 5 * 500**0.5
    assert stats.kstest(low, lambda x: 2 * stats.beta.cdf(x, alpha, alpha)).pvalue > 0.01
    assert beta_shares(3, alpha, 7, 0) == shares[:3].tolist()
    assert beta_shares(3, alpha, 8, 0) != shares[:3].tolist()


CASES: dict[str, Callable[[int], AugmentedBatches]] = {
    "randaugment": lambda seed: augmented(seed, randaugment=2),
    "cutout": lambda seed: augmented(seed, cutout=4),
    "mixup": lambda seed: augmented(seed, mixup=1.0),
    "all": lambda seed: augmented(seed, randaugment=1, cutout=4, mixup=1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_an_epoch_is_the_same_whenever_it_is_asked_for_and_from_any_batch_on(name: str) -> None:
    batches = CASES[name](0)
    whole = list(batches.batches(3))
    assert len(whole) == batches.num_batches == 3
    for start in range(4):
        tail = list(CASES[name](0).batches(3, start))
        assert len(tail) == 3 - start
        for (images, labels), (other_images, other_labels) in zip(whole[start:], tail, strict=True):
            assert torch.equal(images, other_images)
            assert torch.equal(labels, other_labels)
    for other in (CASES[name](1).batches(3), CASES[name](0).batches(4)):
        assert not torch.equal(whole[0][0], next(iter(other))[0])
    assert not torch.equal(whole[0][0], next(plain().batches(3))[0])


def test_randaugment_is_done_to_the_pixels_before_they_are_cropped() -> None:
    batches = augmented(randaugment=2)
    for draw, (inner,) in zip(batches.draws(1), plain().draws(1), strict=True):
        assert torch.equal(draw[0], inner)
        assert draw[1].dtype == torch.uint8
        images, labels = batches.render(*draw)
        expected, expected_labels = plain().render(inner, draw[1])
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)
    assert not batches.uses_kernel
