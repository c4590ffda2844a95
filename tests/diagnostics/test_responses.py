"""Layer responses of networks whose responses are known."""

import math

import pytest
import torch
from diagnostics_fakes import batches, network
from torch import nn

from reslab.diagnostics.responses import layer_responses
from reslab.errors import ResLabError
from reslab.models.networks import build

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_a_network_of_known_weights() -> None:
    """A convolution that passes its image on, and a batch norm that triples and shifts it."""
    convolution, norm = nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1, eps=1e-30)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1, 1] = 1.0
        norm.weight.fill_(3.0)
        norm.bias.fill_(-50.0)
        norm.get_buffer("running_mean").fill_(4.0)
        norm.get_buffer("running_var").fill_(4.0)  # a standard deviation of 2
    values = torch.tensor([0.0, 1.0, 5.0, 6.0])
    images = [(values.view(4, 1, 1, 1).expand(4, 1, 3, 3), torch.zeros(4, dtype=torch.long))]
    (found,) = layer_responses(nn.Sequential(convolution, norm, nn.ReLU(inplace=True)), images)
    assert (found.layer, found.name) == (1, "1")
    assert found.standard_deviation == pytest.approx(1.5 * math.sqrt(6.5))  # before the ReLU, which would leave 0


def test_batches_make_no_difference() -> None:
    module = network()
    whole = batches((16,))
    images, labels = whole[0]
    parts = [(images[start : start + 5], labels[start : start + 5]) for start in range(0, 16, 5)]
    one, many = layer_responses(module, whole), layer_responses(module, parts)
    for together, apart in zip(one, many, strict=True):
        assert apart.standard_deviation == pytest.approx(together.standard_deviation, rel=1e-6)
    module.eval()
    with torch.no_grad():
        first = module.bn1(module.conv1(images))
        outputs = first, module.bn2(module.conv2(first.relu()))
    expected = [output.double().std(correction=0).item() for output in outputs]
    assert [each.standard_deviation for each in one] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
def test_all_3x3_layers_in_order_and_no_projections(shortcut: str) -> None:
    module = build("residual", 14, shortcut, 10, initialisation="he-fan-in", seed=0)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = layer_responses(module, [(images, torch.zeros(2, dtype=torch.long))])
    assert [each.layer for each in found] == list(range(1, 14))
    blocks = [f"layer{stage}.{block}.bn{norm}" for stage in (1, 2, 3) for block in (0, 1) for norm in (1, 2)]
    assert [each.name for each in found] == ["bn1", *blocks]


def test_a_large_mean_costs_no_digits() -> None:
    found = []
    for shift in (0.0, 1e4):
        module = network()
        with torch.no_grad():
            module.bn1.bias.fill_(shift)
        found.append(layer_responses(module, batches())[0].standard_deviation)
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_a_network_without_such_layers() -> None:
    with pytest.raises(ResLabError, match="no 3x3 convolution"):
        layer_responses(nn.Flatten(), batches())


@pytest.mark.parametrize(
    ("family", "depth", "shortcut", "expected"),
    [
        ("preact", 8, "A", [f"layer{stage}.0.bn2" for stage in (1, 2, 3)]),
        ("preact-bottleneck", 11, "B", [f"layer{stage}.0.bn3" for stage in (1, 2, 3)]),
        ("wide", 10, "B", [f"layer{stage}.0.bn2" for stage in (1, 2, 3)]),
    ],
)
def test_layers_that_are_added_before_a_norm_are_left_out(
    family: str, depth: int, shortcut: str, expected: list[str]
) -> None:
    module = build(family, depth, shortcut, 10, initialisation="he-fan-in", seed=0)
    found = layer_responses(module, [(torch.randn(4, 3, 32, 32), torch.zeros(4, dtype=torch.long))])
    names = [one.name for one in found]
    # The first convolution's output goes to a norm and to the shortcut.
    assert names in (expected, ["layer1.0.bn1", *expected])
