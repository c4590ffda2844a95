"""The fused way through a network against the plain one: the same losses to rounding, the same names."""

import copy
import statistics
from typing import Any, cast

import pytest
import torch
import torch.nn.utils.parametrizations
import torch.nn.utils.prune
from torch import Tensor, nn
from torch.nn import functional as F

from profiles import DEEP
from reslab.errors import ResLabError
from reslab.kernels.build import kernels
from reslab.models.blocks import Block
from reslab.models.fused import FusedResNet, fused, thread_invariant, why_plain
from reslab.models.networks import ResNet, build
from reslab.recipe import Recipe
from reslab.training.evaluation import evaluate
from reslab.training.optimiser import make_optimiser
from reslab.training.step import Totals, TrainingStep

pytestmark = pytest.mark.usefixtures("two_threads")
needs_kernels = pytest.mark.skipif(kernels().library is None, reason=kernels().reason)
NUM_STEPS = 20 if DEEP else 7
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
def test_each_step_has_the_same_loss_and_gradient(family: str, shortcut: str) -> None:
    """From the same weights at each step: steps on end are chaotic, also between fp32 and float64."""
    plain, fast = network(family, shortcut), fused(network(family, shortcut))
    assert type(fast) is FusedResNet
    exact = network(family, shortcut).double()
    optimiser = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    distances = []
    for step in range(NUM_STEPS):
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
    images, labels = batch(0, 64 if DEEP else 24)
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


@needs_kernels
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_evaluation_is_as_near_to_the_truth_as_the_plain_one(family: str, shortcut: str, half: bool) -> None:
    images, _ = batch(0)
    plain = network(family, shortcut)
    plain(images)  # statistics that are not those of the beginning
    plain.eval()
    fast = fused(copy.deepcopy(plain))
    with torch.inference_mode():
        exact = copy.deepcopy(plain).double()(images.double())
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found, usual = fast(images), plain(images)
    assert not torch.equal(found, usual)
    assert far(found, exact) < (2 * far(usual, exact) if half else 2e-6)


def test_what_is_differentiated_in_evaluation_is_the_plain_way_bit_for_bit() -> None:
    images, _ = batch(0)
    assert torch.equal(network().eval()(images), fused(network()).eval()(images))


def _hooked(module: FusedResNet, how: str) -> list[str]:
    """Do to some modules what the kernels would pass over; return what will tell of it."""
    told: list[str] = []
    names = {part: name for name, part in module.named_modules()}

    def tell(part: nn.Module, *_: object) -> None:
        if part is not module:
            told.append(names[part])

    for part in list(names):
        match how:
            case "forward":
                part.register_forward_hook(tell)
            case "before forward":
                part.register_forward_pre_hook(tell)
            case "backward":
                part.register_full_backward_hook(tell)
            case _:
                part.register_full_backward_pre_hook(tell)
    return told


@needs_kernels
@pytest.mark.parametrize("how", ["forward", "before forward", "backward", "before backward"])
def test_all_hooks_are_called_in_training(how: str) -> None:
    module, images, labels = fused(network(depth=8)), *batch(0)
    assert isinstance(module, FusedResNet)
    told = _hooked(module, how)
    gradient(module, images.requires_grad_(), labels)
    assert sorted(told) == sorted(name for name, _ in module.named_modules() if name)


@needs_kernels
def test_global_hooks_are_called_in_training() -> None:
    module, images, labels = fused(network(depth=8)), *batch(0)
    told: list[nn.Module] = []
    hook = nn.modules.module.register_module_forward_hook(lambda part, *_: told.append(part))
    try:
        gradient(module, images, labels)
    finally:
        hook.remove()
    assert set(told) == set(module.modules())


class _Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


class _OtherConvolution(nn.Conv2d):
    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps) + 1


def _meddled(module: nn.Module, what: str) -> nn.Module:
    block = cast(ResNet, module).layer2[0]
    assert isinstance(block, Block)
    match what:
        case "parametrised":
            nn.utils.parametrize.register_parametrization(block.conv1, "weight", _Halved())
        case "weight norm":
            nn.utils.parametrizations.weight_norm(block.conv2)
        case "pruned":
            mask = torch.rand(block.conv1.weight.shape).round()
            nn.utils.prune.custom_from_mask(block.conv1, "weight", mask)  # type: ignore[no-untyped-call]
        case "another norm":
            block.bn2 = nn.GroupNorm(2, 32)  # type: ignore[assignment]
        case "a subclass":
            block.conv1.__class__ = _OtherConvolution
        case "another forward":
            block.conv2.forward = lambda input: F.conv2d(input, block.conv2.weight, padding=1) + 1  # type: ignore[method-assign]
        case "two convolutions":
            block.conv2 = nn.Sequential(block.conv2, nn.Conv2d(32, 32, 1))  # type: ignore[assignment]
        case "a longer stage":
            cast(ResNet, module).layer3.append(nn.Dropout(0))
        case "a longer projection":
            assert isinstance(block.downsample, nn.Sequential)
            block.downsample.append(nn.Identity())
        case "a frozen norm":
            block.bn1.eval()
        case "another end":
            cast(ResNet, module).fc = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))  # type: ignore[assignment]
        case _:
            raise AssertionError(what)
    return module


@needs_kernels
@pytest.mark.parametrize(
    "what",
    [
        *("parametrised", "weight norm", "pruned", "another norm", "a subclass", "another forward", "two convolutions"),
        *("a longer stage", "a longer projection", "a frozen norm", "another end"),
    ],
)
def test_what_was_done_to_the_modules_is_not_passed_over(what: str) -> None:
    images, labels = batch(0)
    results = []
    for prepare in (lambda module: module, fused):
        torch.manual_seed(0)
        results.append(gradient(_meddled(prepare(network(shortcut="B", depth=8)), what), images, labels))
    (loss, slope), (fast_loss, fast_slope) = results
    assert fast_loss == loss
    assert torch.equal(fast_slope, slope)


@needs_kernels
def test_a_second_derivative_of_the_network_is_refused_in_training_and_right_in_evaluation() -> None:
    module, images, labels = fused(network(depth=8)), *batch(0, 2)
    parameters = list(module.parameters())
    with pytest.raises(ResLabError, match="no second derivative"):
        torch.autograd.grad(F.cross_entropy(module(images), labels), parameters, create_graph=True)
    curves = []
    for one in (fused(network(depth=8)).eval(), network(depth=8).eval()):
        parameters = list(one.parameters())
        slopes = torch.autograd.grad(F.cross_entropy(one(images), labels), parameters, create_graph=True)
        curves.append(torch.autograd.grad(sum(slope.square().sum() for slope in slopes), parameters))  # type: ignore[arg-type]
    assert all(torch.equal(one, two) for one, two in zip(*curves, strict=True))


TRAININGS: list[dict[str, Any]] = [
    {"shortcut": "A", "depth": 8},
    {"shortcut": "B", "nesterov": True, "dataset": "cifar100"},
    {"shortcut": "C", "label_smoothing": 0.1, "dataset": "cifar100"},
    {"shortcut": "A-centred", "optimiser": "muon", "nesterov": True, "dataset": "cifar100"},
    {"family": "plain", "shortcut": "none"},
]


def _training(recipe: Recipe, threads: list[int]) -> list[Tensor]:
    """Return losses, weights and an evaluation after as many steps as there are numbers of threads."""
    num_classes = 100 if recipe.dataset == "cifar100" else 10
    module = fused(build(recipe.family, recipe.depth, recipe.shortcut, num_classes, initialisation="he-fan-in", seed=0))
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert thread_invariant(module)
    optimiser, totals = make_optimiser(module, recipe), Totals.zero(torch.device("cpu"))
    device = torch.device("cpu")
    step = TrainingStep(
        module, optimiser, label_smoothing=recipe.label_smoothing, precision=recipe.precision, device=device
    )
    seen, sizes = [], (64, 40) if DEEP else (32, 20)
    for place, count in enumerate(threads):
        torch.set_num_threads(count)
        images, labels = batch(place, sizes[place % 2])
        step(images, labels + (num_classes - 10), 0.1, totals)
        seen.append(totals.loss.clone())
    images, labels = batch(99, 100 if DEEP else 50)
    measured = evaluate(module, [(images, labels)], precision=recipe.precision)
    return [*seen, *(value.clone() for value in module.state_dict().values()), torch.tensor(measured.loss)]


@pytest.mark.skipif(not kernels().convolves, reason="no kernels that convolve")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("fields", TRAININGS, ids=str)
def test_any_number_of_threads_gives_the_same_bits(fields: dict[str, Any], precision: str) -> None:
    """Also where it changes at every step, and where there are more threads than cores."""
    usual: dict[str, Any] = {"depth": 8, "dataset": "cifar10", "precision": precision}
    recipe = Recipe(**(usual | fields))
    results = [_training(recipe, threads) for threads in ([1, 1, 1], [2, 2, 2], [3, 4, 1], [5, 1, 2])]
    for result in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(result, results[0], strict=True))


def test_for_which_networks_any_number_of_threads_gives_the_same_bits() -> None:
    assert thread_invariant(fused(network())) == kernels().convolves
    assert not thread_invariant(network())
    assert not thread_invariant(fused(build("imagenet", 18, "B", 10, initialisation="he-fan-in", seed=0)))
    checkpointed = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0, checkpoint_activations=True)
    assert not thread_invariant(fused(checkpointed))
    hooked = fused(network())
    hooked.get_submodule("layer1.0.bn1").register_forward_hook(lambda *_: None)
    assert not thread_invariant(hooked)


def test_what_is_left_alone() -> None:
    checkpointed = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0, checkpoint_activations=True)
    assert type(fused(checkpointed)) is not FusedResNet
    linear = nn.Linear(2, 2)
    assert fused(linear) is linear


LATER = [("preact", 8, 1), ("preact-bottleneck", 11, 1), ("wide", 10, 2)]


@pytest.mark.parametrize(("family", "depth", "width"), LATER)
def test_networks_with_the_norm_before_the_convolution_do_without_the_kernels(
    family: str, depth: int, width: int
) -> None:
    module = build(family, depth, "B", 10, initialisation="he-fan-in", seed=0, width=width)
    assert fused(module) is module
    assert not isinstance(module, FusedResNet)
    assert why_plain(module) == "they are for networks in which batch norm follows each convolution"
    assert not thread_invariant(module)
    kept = build(family, depth, "B", 10, initialisation="he-fan-in", seed=0, width=width, checkpoint_activations=True)
    assert why_plain(kept) == "its activations are checkpointed"
