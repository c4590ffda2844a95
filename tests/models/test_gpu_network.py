"""A whole network by the graphics card's kernels against the plain one in float64."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpu_interpreter import DEVICE, distance
from reslab.kernels import gpu_device, gpu_layer, gpu_sizes
from reslab.lab.assembly import make_ready
from reslab.models.complexity import multiply_adds
from reslab.models.fused import fused
from reslab.models.networks import build
from reslab.presets import preset_recipe
from reslab.recipe import vary

KINDS = [("residual", "A-centred"), ("residual", "B"), ("plain", "none")]


@pytest.fixture(autouse=True)
def _on_this_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_device, "available", lambda device: device.type == DEVICE.type)
    if DEVICE.type == "cpu":
        # Few programs, of which the interpreter does one after the other.
        monkeypatch.setattr(gpu_layer, "COLUMNS", 2048)
        monkeypatch.setattr(gpu_sizes, "PROGRAMS", 2)


def network(family: str, shortcut: str) -> nn.Module:
    module = build(family, 8, shortcut, 10, initialisation="he-fan-in", seed=0)
    return module.to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def batch() -> tuple[Tensor, Tensor]:
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return images.to(DEVICE), torch.tensor([1, 2, 3, 4], device=DEVICE)


def gradient(module: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    module.zero_grad()
    loss = F.cross_entropy(module(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in module.parameters()])  # type: ignore[union-attr]


@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_a_step_and_an_evaluation_are_the_same(family: str, shortcut: str) -> None:
    images, labels = batch()
    plain, fast = network(family, shortcut).double(), fused(network(family, shortcut))
    loss, slope = gradient(plain, images.double(), labels)
    fast_loss, fast_slope = gradient(fast, images, labels)
    assert fast_loss == pytest.approx(loss, rel=1e-6)
    assert distance(fast_slope, slope) < 1e-5
    for (name, one), (other, two) in zip(plain.named_buffers(), fast.named_buffers(), strict=True):
        assert name == other
        assert distance(two, one) < 1e-5
    with torch.inference_mode():
        assert distance(fast.eval()(images), plain.eval()(images.double())) < 1e-5


def test_the_same_step_gives_the_same_bits_and_leaves_the_module_as_it_was() -> None:
    images, labels = batch()
    module = fused(network("residual", "B"))
    names = set(vars(module))
    first, second = gradient(module, images, labels), gradient(module, images, labels)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    assert set(vars(module)) == names
    copy.deepcopy(module)
    assert multiply_adds(module) > 0


def test_bf16_is_as_near_to_the_truth_as_the_plain_way() -> None:
    images, labels = batch()
    module = fused(network("residual", "B"))
    with torch.autocast(DEVICE.type, torch.bfloat16):
        loss, _ = gradient(module, images, labels)
    assert loss == pytest.approx(gradient(network("residual", "B").double(), images.double(), labels)[0], rel=1e-2)


def test_what_the_kernels_are_not_made_for_goes_the_plain_way() -> None:
    """Other types; gradients of the images, or in evaluation; norms in another mode; hooks; many input channels."""
    module, plain, (images, _) = fused(network("residual", "B")), network("residual", "B"), batch()
    assert torch.equal(module.eval()(images), plain.eval()(images))  # with gradients, as the diagnostics do
    seen: list[Tensor] = []
    handle = module.conv1.register_forward_hook(lambda *arguments: seen.append(arguments[2]))  # type: ignore[union-attr]
    with torch.no_grad():
        module(images)
    assert len(seen) == 1
    handle.remove()
    for one in (module, plain):
        one.train()
        one.bn1.eval()  # type: ignore[union-attr]
    assert torch.equal(module(images), plain(images))
    module.train()
    wanted = images.clone().requires_grad_()
    module(wanted).sum().backward()
    assert wanted.grad is not None
    assert torch.equal(module.double()(images.double()), plain.train().double()(images.double()))
    wide = fused(build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0, in_channels=17)).to(DEVICE)
    assert wide(torch.randn(2, 17, 8, 8, device=DEVICE)).isfinite().all()


@pytest.mark.deep
def test_kernels_are_made_ready_on_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where they give an error, all networks do without them, and it is said why."""
    monkeypatch.setattr("reslab.lab.assembly.available", lambda device: device not in gpu_device._GIVEN_UP)
    monkeypatch.setattr(gpu_device, "available", lambda device: device not in gpu_device._GIVEN_UP)
    monkeypatch.setattr(gpu_device, "_GIVEN_UP", {torch.device("meta"): "no kernels"})
    recipe = vary(preset_recipe("assignment", dataset="digits", depth=8), batch_size=1)
    module = fused(network("residual", "B"))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert make_ready(module, recipe, DEVICE) == ""
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())

    class StarvedError(Exception):
        pass

    def starved(*_: object, **__: object) -> None:
        raise StarvedError("out of resource: shared memory\nReduce it")

    monkeypatch.setattr(gpu_layer.Done, "of_weight", starved)
    said = "uses PyTorch's kernels, which are slower: Triton's gave an error (out of resource: shared memory)"
    assert make_ready(module, recipe, DEVICE) == said
    images, labels = batch()
    assert gradient(module, images, labels)[0] == pytest.approx(
        gradient(network("residual", "B"), images, labels)[0], rel=1e-5
    )
    assert make_ready(module, recipe, DEVICE) == ""


def test_a_second_backward_pass_says_what_is_missing() -> None:
    images, labels = batch()
    loss = F.cross_entropy(fused(network("plain", "none"))(images), labels)
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="run the forward pass again"):
        loss.backward()  # type: ignore[no-untyped-call]
