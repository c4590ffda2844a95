"""The optimiser of a recipe, and momentum by name."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_fakes import Images, begin, bits, events, network, recipe, reloaded

from reslab.errors import CheckpointError, ResLabError
from reslab.models.networks import build
from reslab.recipe import Recipe
from reslab.training.optimiser import (
    Muon,
    inner_convolutions,
    load_optimiser_state,
    make_optimiser,
    optimiser_state,
    orthogonalised,
    set_rate,
)

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_a_recipe_decides_the_optimiser() -> None:
    module = network()
    optimiser = make_optimiser(module, recipe(nesterov=True, momentum=0.8, weight_decay=0.01, learning_rate=0.3))
    (group,) = optimiser.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.3, 0.8, True, 0.01)
    assert group["dampening"] == 0
    assert len(group["params"]) == len(list(module.parameters()))


def test_decay_of_weights_only_divides_the_parameters() -> None:
    optimiser = make_optimiser(network(), recipe(decay_scope="weights", weight_decay=0.01))
    decayed, free = optimiser.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert [parameter.ndim for parameter in free["params"]] == [1, 1, 1]


def test_the_rate_is_set_for_all() -> None:
    optimiser = make_optimiser(network(), recipe(decay_scope="weights"))
    set_rate(optimiser, 0.007)
    assert [group["lr"] for group in optimiser.param_groups] == [0.007, 0.007]


def test_only_what_is_trained_and_has_momentum_is_kept() -> None:
    module = network()
    assert optimiser_state(module, make_optimiser(module, recipe(momentum=0.0))) == {}
    module.get_parameter("0.weight").requires_grad_(False)
    assert list(optimiser_state(module, make_optimiser(module, recipe()))) == [
        name for name, parameter in module.named_parameters() if parameter.requires_grad
    ]


def test_momentum_that_does_not_fit_is_refused() -> None:
    module = network()
    optimiser = make_optimiser(module, recipe())
    assert not any(value.any() for value in optimiser_state(module, optimiser).values())
    right = {name: torch.ones_like(value) for name, value in module.named_parameters()}
    with pytest.raises(CheckpointError, match="not that of this network"):
        load_optimiser_state(module, optimiser, {"other": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"5\.bias has shape \(7,\)"):
        load_optimiser_state(module, optimiser, {**right, "5.bias": torch.ones(7)})
    load_optimiser_state(module, optimiser, right)
    assert all(torch.equal(value, right[name]) for name, value in optimiser_state(module, optimiser).items())


PLAIN: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any], Recipe]] = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9}, recipe()),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, recipe(nesterov=True)),
    "without momentum": (torch.optim.SGD, {}, recipe(momentum=0.0)),
    "adam": (torch.optim.Adam, {}, recipe(optimiser="adam")),
    "adamw": (torch.optim.AdamW, {}, recipe(optimiser="adamw")),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_parameter_may_have_its_first_gradient_at_any_step_as_in_torchs_plain_loop(name: str) -> None:
    kind, options, of = PLAIN[name]
    module, other = (network().to(memory_format=torch.contiguous_format) for _ in range(2))  # type: ignore[call-overload]
    optimiser = make_optimiser(module, of)
    plain = kind(other.parameters(), lr=of.learning_rate, weight_decay=of.weight_decay, foreach=False, **options)
    last = list(module.parameters())[-1].detach().clone()
    for step in range(6):
        for one, its in ((module, optimiser), (other, plain)):
            _given(one, step)
            for place, parameter in enumerate(one.parameters()):
                if place > step or (place + step) % 3 == 0 or place == 4:
                    parameter.grad = None
            its.step()
        for one_value, other_value in zip(module.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one_value, other_value, rtol=1e-5, atol=1e-7)
    assert torch.equal(list(module.parameters())[-1], last), "it never had a gradient"


def test_muon_trains_the_inner_convolutions() -> None:
    module = build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert [names[id(weight)] for weight in inner_convolutions(module)] == [
        f"layer{stage}.0.conv{place}.weight" for stage in (1, 2, 3) for place in (1, 2)
    ]


@pytest.mark.parametrize(
    ("family", "depth", "width", "expected"),
    [
        ("plain", 8, 1, [f"layer{stage}.0.conv{place}.weight" for stage in (1, 2, 3) for place in (1, 2)]),
        ("preact", 8, 1, [f"layer{stage}.0.conv1.weight" for stage in (1, 2, 3)]),
        ("preact-bottleneck", 11, 1, [f"layer{stage}.0.conv2.weight" for stage in (1, 2, 3)]),
        ("wide", 10, 2, [f"layer{stage}.0.conv1.weight" for stage in (1, 2, 3)]),
    ],
)
def test_muon_leaves_convolutions_that_no_norm_follows(
    family: str, depth: int, width: int, expected: list[str]
) -> None:
    module = build(family, depth, "B", 10, initialisation="he-fan-in", seed=0, width=width)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert [names[id(weight)] for weight in inner_convolutions(module)] == expected


def test_muon_refuses_a_network_that_it_cannot_look_through() -> None:
    with pytest.raises(ResLabError, match=r"Muon needs to know .* failed on a 32 x 32 image .*another optimiser"):
        make_optimiser(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 2)), recipe(optimiser="muon"))


def test_adams_means_that_do_not_fit_are_refused() -> None:
    module = network()
    optimiser = make_optimiser(module, recipe(optimiser="adam"))
    with pytest.raises(CheckpointError, match="not that of this network"):
        load_optimiser_state(module, optimiser, dict(module.named_parameters()))


def test_orthogonalised_matrices_keep_their_singular_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(3, 16, 144, generator=generator)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    singular = left.mT @ orthogonalised(matrices) @ right.mT
    diagonal = singular.diagonal(dim1=1, dim2=2)
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.3
    assert (singular - torch.diag_embed(diagonal)).abs().max() < 1e-4


def test_orthogonalised_matrices_are_of_five_steps_of_the_quintic() -> None:
    singular = torch.tensor([1.0, 0.1, 0.01, 0.001], dtype=torch.float64)
    expected = singular / (singular.norm() + 1e-7)
    for _ in range(5):
        expected = 3.4445 * expected - 4.7750 * expected**3 + 2.0315 * expected**5
    torch.testing.assert_close(orthogonalised(torch.diag(singular)[None])[0], torch.diag(expected))


def _muon(seed: int = 0) -> tuple[nn.Sequential, Muon, nn.Parameter]:
    module = network(seed, width=8, for_muon=True)
    optimiser = make_optimiser(module, recipe(optimiser="muon", muon_rate=0.1, muon_momentum=0.8, learning_rate=0.05))
    assert isinstance(optimiser, Muon)
    (weight,) = inner_convolutions(module)
    return module, optimiser, weight


def _given(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator).to(memory_format=torch.preserve_format)


def test_two_steps_of_muon_are_those_of_its_definition() -> None:
    module, optimiser, weight = _muon()
    momentum = torch.zeros(8, 18)
    for seed, rate in ((1, 0.05), (2, 0.025)):
        _given(module, seed)
        assert weight.grad is not None
        gradient, before = weight.grad.reshape(8, 18), weight.detach().reshape(8, 18).clone()
        momentum = 0.8 * momentum + 0.2 * gradient
        direction = orthogonalised((0.2 * gradient + 0.8 * momentum)[None])[0]
        size = math.sqrt(8)
        turned = size * before / before.norm() - (rate / 0.05) * 0.1 * size * direction / direction.norm()
        set_rate(optimiser, rate)
        optimiser.step()
        torch.testing.assert_close(weight.detach().reshape(8, 18), turned, rtol=1e-5, atol=1e-6)
        assert weight.grad is not None  # as the others' are


def test_the_rest_is_trained_by_sgd() -> None:
    module, optimiser, _ = _muon()
    other = network(0, width=8, for_muon=True)
    plain = make_optimiser(other, recipe(learning_rate=0.05))
    for seed in (1, 2):
        for one, of in ((module, optimiser), (other, plain)):
            _given(one, seed)
            of.step()
    pairs = zip(module.parameters(), other.parameters(), strict=True)
    assert [torch.equal(one, two) for one, two in pairs] == [True, False, True, True, True, True]


def test_muon_leaves_everything_where_the_loss_was_not_finite() -> None:
    module, optimiser, _ = _muon()
    _given(module, 1)
    optimiser.step()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    momentum = {name: value.clone() for name, value in optimiser_state(module, optimiser).items()}
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, math.nan)
    optimiser.found_inf = torch.ones(())  # type: ignore[attr-defined]
    optimiser.step()
    assert all(torch.equal(one, two) for one, two in zip(module.parameters(), before, strict=True))
    conv = "1.weight"
    assert torch.equal(optimiser_state(module, optimiser)[conv], momentum[conv])


@pytest.mark.parametrize("cut", [1, 4, 6])
def test_a_training_by_muon_continues_bit_for_bit(cut: int, tmp_path: Path) -> None:
    of, images = recipe(optimiser="muon", schedule="linear", warmup="linear", warmup_length=3), Images()
    whole = begin(of, images)
    list(events(whole, of, images))
    state = begin(of, images)
    for _ in events(state, of, images):
        if state.iteration == cut:
            break
    fresh = reloaded(state, of, images, tmp_path)
    list(events(fresh, of, images))
    found: dict[str, list[float]] = bits(fresh)
    assert found == bits(whole)
    (weight,) = inner_convolutions(fresh.module)
    assert isinstance(fresh.optimiser.state[weight]["momentum_buffer"], Tensor)


def test_muon_leaves_what_is_frozen() -> None:
    module = build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)
    module.get_parameter("layer1.0.conv1.weight").requires_grad_(False)
    optimiser = make_optimiser(module, recipe(optimiser="muon"))
    module(torch.randn(2, 3, 32, 32)).sum().backward()
    optimiser.step()
    assert len(inner_convolutions(module)) == 5


def test_muon_leaves_the_first_convolution_whatever_its_name() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2)
    )
    (weight,) = inner_convolutions(module)
    assert weight is module[2].weight


def test_muon_leaves_convolutions_that_are_not_3x3() -> None:
    module = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 5), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )
    (weight,) = inner_convolutions(module)
    assert weight is module[3].weight


def test_muon_looks_through_a_norm_of_a_single_pixel() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    (weight,) = inner_convolutions(module, (5, 5))
    assert weight is module[1].weight


def test_muon_looks_at_images_of_the_size_that_is_trained_on() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(320, 2))
    assert isinstance(make_optimiser(module, recipe(optimiser="muon"), (12, 14)), Muon)


def test_muon_steps_over_zeros() -> None:
    """The last norm of a block begins at zero in many networks, so that nothing before it has a gradient."""
    module, optimiser, weight = _muon()
    _given(module, 1)
    assert weight.grad is not None
    weight.grad.zero_()
    before = weight.detach().clone()
    optimiser.step()
    size = math.sqrt(8)
    torch.testing.assert_close(weight.detach(), before * size / before.norm())
    with torch.no_grad():
        weight.zero_()
    _given(module, 2)
    optimiser.step()
    assert weight.isfinite().all()
    assert weight.norm().item() == pytest.approx(0.1 * size, rel=1e-5)


def test_muon_passes_over_what_has_no_gradient() -> None:
    module, optimiser, weight = _muon()
    _given(module, 1)
    weight.grad = None
    before = weight.detach().clone()
    optimiser.step()
    assert torch.equal(weight, before)
