"""The loss surface: its middle, its directions, and what moves."""

import pytest
import torch
from diagnostics_fakes import batches, everything, network

from reslab.diagnostics.surface import filter_normalised_direction, loss_surface
from reslab.errors import ResLabError
from reslab.training.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_the_middle_is_the_network_itself() -> None:
    module, images = network(), batches()
    found = loss_surface(module, images, num_points=5, reach=0.5)
    expected = evaluate(module, images, precision="fp32")
    assert found.steps == (-0.5, -0.25, 0.0, 0.25, 0.5)
    assert found.loss[2][2] == pytest.approx(expected.loss, rel=1e-6)
    assert found.error[2][2] == expected.error
    assert len({loss for row in found.loss for loss in row}) == 25


def test_each_filter_of_a_direction_is_as_long_as_the_network_s() -> None:
    module = network()
    with torch.no_grad():
        module.conv2.weight[1].zero_()  # a filter of no length does not move
    direction = filter_normalised_direction(module, seed=3)
    weights = {name: parameter for name, parameter in module.named_parameters() if parameter.ndim > 1}
    assert (
        direction.keys() == weights.keys() == {"conv1.weight", "conv2.weight", "fc.weight"}
    )  # no biases, no batch norm
    for name, weight in weights.items():
        for moved, own in zip(direction[name], weight.detach(), strict=True):
            assert moved.norm().item() == pytest.approx(own.norm().item(), rel=1e-5)
    assert not torch.allclose(direction["conv1.weight"], weights["conv1.weight"], rtol=0.1)


def test_a_corner_is_the_network_moved_by_hand() -> None:
    module, images = network(), batches()
    found = loss_surface(module, images, seed=4, num_points=3, reach=0.7)
    moved = network()
    first, second = (filter_normalised_direction(module, 4, which) for which in (0, 1))
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            if name in first:
                parameter.add_(-0.7 * first[name] + 0.7 * second[name])
    expected = evaluate(moved, images, precision="fp32")
    assert found.loss[0][2] == pytest.approx(expected.loss, rel=1e-5)
    assert found.error[0][2] == expected.error


def test_directions_follow_from_the_seed_alone() -> None:
    same = [filter_normalised_direction(network(), 5, 1)["conv1.weight"] for _ in range(2)]
    assert torch.equal(*same)
    others = [filter_normalised_direction(network(), seed, which)["conv1.weight"] for seed, which in ((5, 0), (6, 1))]
    assert all(not torch.allclose(same[0], other) for other in others)


def test_a_longer_network_has_the_same_surface() -> None:
    """The point of normalising: with batch norm, weights twice as long are the same network (Li et al. 2018)."""
    module, longer = (network(width=6).double() for _ in range(2))
    images = batches(dtype=torch.float64)
    with torch.no_grad():
        for part in (longer.conv1, longer.conv2):
            part.weight.mul_(2)
        for name, buffer in longer.named_buffers():
            if name.endswith(("mean", "var")):
                buffer.mul_(4 if name.endswith("var") else 2)
    for norm in (module.bn1, module.bn2, longer.bn1, longer.bn2):
        norm.eps = 1e-30
    one, two = loss_surface(module, images, num_points=3), loss_surface(longer, images, num_points=3)
    for ours, theirs in zip(one.loss, two.loss, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-9)


def test_a_loss_that_is_not_finite_is_none() -> None:
    module = network()
    with torch.no_grad():
        module.fc.weight.mul_(1e38)
    before = everything(module)
    found = loss_surface(module, batches(), num_points=3, reach=5.0)
    assert None in [loss for row in found.loss for loss in row]
    assert everything(module) == before


@pytest.mark.parametrize("num_points", [1, 4])
def test_a_grid_has_a_middle(num_points: int) -> None:
    with pytest.raises(ResLabError, match="odd number"):
        loss_surface(network(), batches(), num_points=num_points)
