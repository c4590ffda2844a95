"""The fused way through a network against the plain one: the same losses to rounding, the same names."""

import statistics

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import kernels
from reslab.models.fused import FusedResNet, fused
from reslab.models.networks import build

pytestmark = pytest.mark.usefixtures("two_threads")
needs_kernels = pytest.mark.skipif(kernels().library is None, reason=kernels().reason)
KINDS = [("residual", "A"), ("residual", "A-centred"), ("residual", "B"), ("residual", "C"), ("plain", "none")]


def network(family: str = "residual", shortcut: str = "A", depth: int = 14) -> nn.Module:
    module = build(family, depth, shortcut, 10, initialisation="he-fan-in", seed=0)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def batch(seed: int, num_images: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(num_images, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (num_images,), generator=generator)


def gradient(module: nn.Module, images: Tensor, labels: Tensor, *, half: bool = False) -> tuple[float, Tensor]:
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = module(images)
    loss = F.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in module.parameters()])  # type: ignore[union-attr]


def far(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm())


@needs_kernels
@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_each_of_twenty_steps_has_the_same_loss_and_gradient(family: str, shortcut: str) -> None:
    """From the same weights at each step: twenty steps on end are chaotic, also between fp32 and float64."""
    plain, fast = network(family, shortcut), fused(network(family, shortcut))
    assert type(fast) is FusedResNet
    exact = network(family, shortcut).double()
    optimiser = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    distances = []
    for step in range(20):
        fast.load_state_dict(plain.state_dict())
        exact.load_state_dict(plain.state_dict())
        images, labels = batch(step, 8)
        loss, slope = gradient(plain, images, labels)
        fast_loss, fast_slope = gradient(fast, images, labels)
        optimiser.step()
        assert fast_loss == pytest.approx(loss, rel=1e-5)
        _, truth = gradient(exact, images.double(), labels)
        distances.append((far(slope, truth), far(fast_slope, truth)))
        for (name, one), (other, two) in zip(plain.named_buffers(), fast.named_buffers(), strict=True):
            assert name == other
            assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)
    # A ReLU that opens on one side only moves a gradient by a thousandth, in either way: hence medians.
    of_plain, of_fast = (statistics.median(column) for column in zip(*distances, strict=True))
    assert of_fast < max(2 * of_plain, 1e-5)


@needs_kernels
def test_bf16_stays_nearly_as_near_to_the_truth_as_the_plain_way() -> None:
    """Winograd's products are of sums of pixels, rounded once more: a tenth further, in each of twelve batches."""
    images, labels = batch(0, 64)
    _, truth = gradient(network().double(), images.double(), labels)
    _, plain = gradient(network(), images, labels, half=True)
    _, fast = gradient(fused(network()), images, labels, half=True)
    assert far(fast, truth) < 1.2 * far(plain, truth)


@needs_kernels
@pytest.mark.parametrize("half", [False, True])
def test_maps_that_do_not_fit_the_kernels_are_left_to_torch(half: bool) -> None:
    """Three images of 34 x 34: the first maps fit, those of the second stage (17 x 17) do not.

    Gradients by their median over batches: a ReLU that opens on one side only moves one by some thousandths.
    """
    distances = []
    for seed in range(5):
        images = torch.randn(3, 3, 34, 34, generator=torch.Generator().manual_seed(seed))
        images, labels = images.contiguous(memory_format=torch.channels_last), torch.arange(3)
        loss, slope = gradient(network(), images, labels, half=half)
        fast_loss, fast_slope = gradient(fused(network()), images, labels, half=half)
        assert fast_loss == pytest.approx(loss, rel=2e-2 if half else 1e-5)
        distances.append(far(fast_slope, slope.double()))
    assert statistics.median(distances) < (0.2 if half else 1e-3)


def test_evaluation_is_the_plain_one_bit_for_bit() -> None:
    images, _ = batch(0)
    with torch.inference_mode():
        assert torch.equal(network().eval()(images), fused(network()).eval()(images))


def test_what_is_left_alone() -> None:
    checkpointed = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0, checkpoint_activations=True)
    assert type(fused(checkpointed)) is not FusedResNet
    linear = nn.Linear(2, 2)
    assert fused(linear) is linear
