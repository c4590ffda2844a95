"""Gradient norms against those computed by hand."""

import math

import pytest
import torch
from diagnostics_fakes import batches, gradients_by_name, network
from torch import nn
from torch.nn import functional as F

from reslab.diagnostics.gradients import gradient_norms
from reslab.models.networks import build

NAMES = ("conv1", "conv2", "fc")

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_a_linear_layer_by_hand() -> None:
    """Two classes, weights zero but one: both probabilities follow from the single score."""
    layer = nn.Linear(2, 2, bias=False)
    module = nn.Sequential(layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    batch = (torch.tensor([[2.0, 1.0]]), torch.tensor([0]))
    (found,) = gradient_norms(module, [batch])
    wrong = 1 / (1 + math.exp(2))  # probability of the other class
    expected = wrong * math.sqrt(2) * math.sqrt(5)  # |(p - y) x'| = |p - y| |x|
    assert found.gradient_norm == pytest.approx(expected, rel=1e-6)
    assert found.weight_norm == 1.0
    assert found.relative == found.gradient_norm
    assert (found.layer, found.name, found.standard_deviation) == (1, "0", 0.0)


def test_mean_and_spread_over_batches_as_in_training() -> None:
    module, images = network(), batches((6, 6, 4))
    norms = []
    for batch, labels in images:
        gradients = gradients_by_name(network(), batch, labels)
        norms.append([gradients[f"{name}.weight"].norm().item() for name in NAMES])
    found = gradient_norms(module, images)
    assert tuple(each.name for each in found) == NAMES
    columns = torch.tensor(norms, dtype=torch.float64)
    assert [each.gradient_norm for each in found] == pytest.approx(columns.mean(0).tolist(), rel=1e-5)
    assert [each.standard_deviation for each in found] == pytest.approx(columns.std(0).tolist(), rel=1e-4)
    for each in found:
        weight = module.get_parameter(f"{each.name}.weight")
        assert each.weight_norm == pytest.approx(torch.linalg.vector_norm(weight).item(), rel=1e-6)
        assert each.relative == pytest.approx(each.gradient_norm / each.weight_norm)


def test_weights_twice_as_long_have_gradients_half_as_long() -> None:
    """Batch norm takes the length of the weights before it out: their gradient goes as its inverse."""
    module, longer = (network().double() for _ in range(2))
    module.bn1.eps = longer.bn1.eps = 1e-30
    with torch.no_grad():
        longer.conv1.weight.mul_(2)
    images = batches(dtype=torch.float64)
    before, after = gradient_norms(module, images), gradient_norms(longer, images)
    assert after[0].gradient_norm == pytest.approx(before[0].gradient_norm / 2, rel=1e-9)
    assert after[1].gradient_norm == pytest.approx(before[1].gradient_norm, rel=1e-9)


def test_the_loss_is_the_one_that_is_given() -> None:
    def doubled(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return 2 * F.cross_entropy(logits, labels)

    plain, double = gradient_norms(network(), batches()), gradient_norms(network(), batches(), doubled)
    assert double[0].gradient_norm == pytest.approx(2 * plain[0].gradient_norm, rel=1e-5)


def test_projections_do_not_count_as_layers() -> None:
    module = build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = gradient_norms(module, [(images, torch.arange(4))])
    assert [each.layer for each in found if "downsample" not in each.name] == list(range(1, 9))
    assert [each.name for each in found][4:7] == ["layer2.0.conv2", "layer2.0.downsample.0", "layer3.0.conv1"]
    assert [each.layer for each in found][4:7] == [5, 5, 6]
    assert all(each.gradient_norm > 0 for each in found)


def test_a_layer_whose_weight_is_computed_from_others_is_left_out() -> None:
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    batch = (torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 0]))
    assert [one.name for one in gradient_norms(module, [batch])] == ["1"]
