"""Pre-activation and wide networks: their order of operations, shortcuts and blocks."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.models.blocks import ZeroPadding
from reslab.models.networks import build
from reslab.models.preact import PreActBlock, PreActBottleneck, PreActResNet

pytestmark = pytest.mark.usefixtures("torch_settings")
KINDS = [("preact", 8, "A", 1), ("preact", 14, "B", 1), ("preact-bottleneck", 11, "B", 1), ("wide", 10, "B", 2)]


def make(
    family: str,
    depth: int,
    shortcut: str,
    width: int = 1,
    checkpoint_activations: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    return build(
        family,
        depth,
        shortcut,
        10,
        initialisation="he-fan-out",
        seed=0,
        width=width,
        dropout=dropout,
        checkpoint_activations=checkpoint_activations,
    )


def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def by_hand(network: nn.Module, x: Tensor) -> Tensor:
    """Compute He et al. 2016b, equation 5 and figure 1 (b), from the parameters alone, in evaluation mode."""
    values = {name: value.double() for name, value in network.state_dict().items()}

    def activated(x: Tensor, name: str) -> Tensor:
        parts = (values[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        mean, variance, weight, bias = (part[None, :, None, None] for part in parts)
        normalised: Tensor = (x - mean) / (variance + 1e-5).sqrt() * weight + bias
        return normalised.relu()

    def convolved(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = values[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)

    x = convolved(x.double(), "conv1")
    for stage in (1, 2, 3):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in values:
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            before = activated(x, f"{name}.bn1")
            y = convolved(activated(convolved(before, f"{name}.conv1", stride), f"{name}.bn2"), f"{name}.conv2")
            if f"{name}.conv3.weight" in values:
                y = convolved(activated(y, f"{name}.bn3"), f"{name}.conv3")
            if f"{name}.downsample.weight" in values:
                x = F.conv2d(before, values[f"{name}.downsample.weight"], stride=stride)
            elif y.shape != x.shape:
                x = F.pad(before[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            x = x + y
            block += 1
    logits: Tensor = activated(x, "norm").mean((2, 3)) @ values["fc.weight"].T + values["fc.bias"]
    return logits


@pytest.mark.parametrize(("family", "depth", "shortcut", "width"), KINDS)
def test_the_forward_pass_is_the_papers(family: str, depth: int, shortcut: str, width: int) -> None:
    network = make(family, depth, shortcut, width)
    network.train()
    network(images())  # running statistics that are not those of the start
    network.eval()
    torch.testing.assert_close(network(images()).double(), by_hand(network, images()), rtol=1e-4, atol=1e-5)


def test_nothing_is_done_to_a_sum() -> None:
    network = make("preact", 14, "A")
    assert isinstance(network, PreActResNet)
    block = network.layer1[1]
    assert isinstance(block, PreActBlock)
    with torch.no_grad():
        block.conv2.weight.zero_()
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(block(x), x)  # negative values, too


def test_shortcuts_are_those_of_the_sources() -> None:
    wide, narrow, deep = make("wide", 10, "A", 2), make("wide", 10, "A", 1), make("preact-bottleneck", 11, "B")
    padded = make("preact", 8, "A-centred")
    kinds = []
    for network in (wide, narrow, deep, padded):
        stages = [network.get_submodule(f"layer{stage}.0") for stage in (1, 2, 3)]
        kinds.append([type(block.downsample) for block in stages])
    projection, nothing = nn.Conv2d, type(None)
    assert kinds == [
        [projection] * 3,
        [nothing, projection, projection],
        [projection] * 3,
        [nothing, ZeroPadding, ZeroPadding],
    ]
    assert isinstance(deep.get_submodule("layer1.0"), PreActBottleneck)


def dropping(network: nn.Module, x: Tensor, masks: list[Tensor]) -> Tensor:
    """Compute a wide network in training with plain operations, the values between convolutions times these masks."""
    assert isinstance(network, PreActResNet)
    left = iter(masks)
    x = network.conv1(x)
    for stage in (network.layer1, network.layer2, network.layer3):
        for block in stage:
            assert isinstance(block, PreActBlock)
            before = F.relu(block.bn1(x))
            y = F.relu(block.bn2(block.conv1(before))) * next(left)
            x = block.conv2(y) + (x if block.downsample is None else block.downsample(before))
    logits: Tensor = network.fc(F.relu(network.norm(x)).mean((2, 3)))
    return logits


@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_dropout_is_between_the_convolutions_after_relu(checkpoint_activations: bool) -> None:
    """Zagoruyko and Komodakis 2016, section 2.4, against plain operations with the same chance, both ways."""
    network = make("wide", 16, "B", 2, checkpoint_activations, dropout=0.3)
    shapes = [(4, channels, side, side) for channels, side in ((32, 32), (64, 16), (128, 8)) for _ in range(2)]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        masks = [F.dropout(torch.ones(shape), 0.3) for shape in shapes]  # 0, or 1 / (1 - 0.3)
        assert all(sorted(set(mask.flatten().tolist())) == pytest.approx([0, 1 / 0.7]) for mask in masks)
        zeros = sum(int((mask == 0).sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        assert zeros == pytest.approx(0.3, abs=0.005)
        outcomes = []
        for compute in (lambda: network(images()), lambda: dropping(network, images(), masks)):
            torch.manual_seed(5)
            network.zero_grad()
            logits = compute()
            F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()  # type: ignore[no-untyped-call]
            outcomes.append([logits, *(one.grad.clone() for one in network.parameters() if one.grad is not None)])
    for ours, plain in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    network.eval()
    assert torch.equal(network(images()), network(images()))


def test_without_a_chance_nothing_is_dropped_and_the_others_have_no_dropout() -> None:
    state = torch.get_rng_state()
    make("wide", 10, "B", 1)(images())
    make("preact", 8, "A", 1, dropout=0.5)(images())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("family", "depth", "shortcut", "width"), KINDS)
def test_checkpointed_activations_change_no_bit(family: str, depth: int, shortcut: str, width: int) -> None:
    outcomes = []
    for checkpoint_activations in (False, True):
        network = make(family, depth, shortcut, width, checkpoint_activations)
        loss = F.cross_entropy(network(images()), torch.tensor([0, 1, 2, 3]))
        loss.backward()  # type: ignore[no-untyped-call]
        outcomes.append((loss, [parameter.grad for parameter in network.parameters()], network.state_dict()))
    (loss, gradients, state), (loss2, gradients2, state2) = outcomes
    assert torch.equal(loss, loss2)
    assert all(torch.equal(a, b) for a, b in zip(gradients, gradients2, strict=True) if a is not None and b is not None)
    assert all(torch.equal(state[name], state2[name]) for name in state)
