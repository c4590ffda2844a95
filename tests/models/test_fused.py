"""The fused way through a network against the plain one: the same losses to rounding, the same names."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import kernels
from reslab.models.fused import FusedResNet, fused
from reslab.models.networks import build

needs_kernels = pytest.mark.skipif(kernels().library is None, reason=kernels().reason)
KINDS = [("residual", "A"), ("residual", "A-centred"), ("residual", "B"), ("residual", "C"), ("plain", "none")]


def network(family: str = "residual", shortcut: str = "A", depth: int = 14) -> nn.Module:
    module = build(family, depth, shortcut, 10, initialisation="he-fan-in", seed=0)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def batch(seed: int, num_images: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(num_images, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    return images, torch.randint(0, 10, (num_images,), generator=generator)


def losses(module: nn.Module, num_steps: int, rate: float) -> list[float]:
    optimiser = torch.optim.SGD(module.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    found = []
    for step in range(num_steps):
        images, labels = batch(step)
        loss = F.cross_entropy(module(images), labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        found.append(loss.item())
    return found


@needs_kernels
@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_twenty_steps_lose_the_same(family: str, shortcut: str) -> None:
    plain, fast = network(family, shortcut), fused(network(family, shortcut))
    assert type(fast) is FusedResNet
    wanted, found = losses(plain, 20, 0.01), losses(fast, 20, 0.01)
    assert found == pytest.approx(wanted, rel=1e-5)
    for (name, one), (other, two) in zip(plain.state_dict().items(), fast.state_dict().items(), strict=True):
        assert name == other
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-4)


@needs_kernels
def test_bf16_stays_as_near_to_fp32_as_the_plain_way() -> None:
    images, labels = batch(0, 64)

    def gradient(module: nn.Module, *, half: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = module(images)
        F.cross_entropy(logits.float(), labels).backward()
        return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])

    exact = gradient(network(), half=False)
    plain = (gradient(network(), half=True) - exact).norm() / exact.norm()
    fast = (gradient(fused(network()), half=True) - exact).norm() / exact.norm()
    assert fast < 1.1 * plain


def test_evaluation_is_the_plain_one_bit_for_bit() -> None:
    images, _ = batch(0)
    with torch.inference_mode():
        assert torch.equal(network().eval()(images), fused(network()).eval()(images))


def test_what_is_left_alone() -> None:
    checkpointed = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0, checkpoint_activations=True)
    assert type(fused(checkpointed)) is not FusedResNet
    linear = nn.Linear(2, 2)
    assert fused(linear) is linear
