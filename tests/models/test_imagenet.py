"""The networks for ImageNet against table 1 of the paper and torchvision's names."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.errors import CheckpointError, ResLabError
from reslab.families import IMAGENET_DEPTHS
from reslab.models.blocks import Bottleneck
from reslab.models.complexity import Architecture, architecture, imagenet_catalogue, multiply_adds, parameters
from reslab.models.fitting import infer_depth, infer_shortcut
from reslab.models.imagenet import NUM_BLOCKS
from reslab.models.networks import build, skeleton
from reslab.models.weights import load_into

PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
"""Torchvision's, of its resnet18 to resnet152."""

MILLIONS = {18: "11.69", 34: "21.80", 50: "25.56", 101: "44.55", 152: "60.19"}
PAPER_GIGA = {18: "1.8", 34: "3.6", 50: "3.8", 101: "7.6", 152: "11.3"}
STRIDE_IN_3X3_GIGA = {18: "1.82", 34: "3.67", 50: "4.11", 101: "7.83", 152: "11.56"}
PLAIN_GIGA = {18: "1.81", 34: "3.66", 50: "4.09", 101: "7.80", 152: "11.51"}
"""Without batch norm, as torchvision's documentation has them."""


def make(depth: int = 18, shortcut: str = "B", family: str = "imagenet", **options: bool) -> nn.Module:
    return build(family, depth, shortcut, 10, initialisation="he-fan-in", seed=3, **options)


@pytest.fixture(scope="module")
def columns() -> dict[tuple[str, int], Architecture]:
    return {
        (family, depth): architecture(family, depth) for family in ("imagenet", "imagenet-1x1") for depth in NUM_BLOCKS
    }


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("depth", IMAGENET_DEPTHS)
def test_table_1_is_reproduced(columns: dict[tuple[str, int], Architecture], depth: int) -> None:
    ours, papers = columns["imagenet", depth], columns["imagenet-1x1", depth]
    for column in (ours, papers):
        assert list(column.sizes.values()) == [112, 56, 28, 14, 7, 1]
        assert column.parameters == PARAMETERS[depth]
        assert f"{column.parameters / 1e6:.2f}" == MILLIONS[depth]
    assert f"{ours.multiply_adds / 1e9:.2f}" == PLAIN_GIGA[depth]
    assert f"{ours.multiply_adds_and_batch_norm / 1e9:.2f}" == STRIDE_IN_3X3_GIGA[depth]
    cut = papers.multiply_adds_and_batch_norm // 10**8
    assert f"{cut // 10}.{cut % 10}" == PAPER_GIGA[depth]
    assert papers.multiply_adds == pytest.approx(float(PAPER_GIGA[depth]) * 1e9, rel=0.02)


def test_a_bottleneck_is_that_of_figure_5() -> None:
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    block = Bottleneck(16, 16, 1, "B").eval()
    y = F.relu(block.bn1(block.conv1(x)))
    y = F.relu(block.bn2(block.conv2(y)))
    torch.testing.assert_close(block(x), F.relu(block.bn3(block.conv3(y)) + x))


def test_blocks_are_those_of_table_1(columns: dict[tuple[str, int], Architecture]) -> None:
    assert columns["imagenet", 34].blocks == {
        "conv1": "7x7, 64, stride 2",
        "conv2_x": "3x3 max pool, stride 2; [3x3, 64; 3x3, 64] x 3",
        "conv3_x": "[3x3, 128; 3x3, 128] x 4",
        "conv4_x": "[3x3, 256; 3x3, 256] x 6",
        "conv5_x": "[3x3, 512; 3x3, 512] x 3",
        "classifier": "average pool, 1000-d linear",
    }
    blocks = columns["imagenet-1x1", 152].blocks
    assert blocks["conv3_x"] == "[1x1, 128; 3x3, 128; 1x1, 512] x 8"
    assert blocks["conv4_x"] == "[1x1, 256; 3x3, 256; 1x1, 1024] x 36"


@pytest.mark.parametrize("depth", IMAGENET_DEPTHS)
def test_depth_is_the_number_of_weighted_layers(depth: int) -> None:
    layers = [
        name
        for name, module in skeleton("imagenet", depth, "B", 1000).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
    ]
    assert len(layers) == depth


@pytest.mark.parametrize("family", ["imagenet", "imagenet-1x1"])
@pytest.mark.parametrize(("depth", "layers"), [(18, 2), (50, 3)])
def test_names_are_torchvisions(family: str, depth: int, layers: int) -> None:
    batch_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{entry}" for entry in batch_norm)}
    for stage, num_blocks in enumerate(NUM_BLOCKS[depth], start=1):
        for block in (f"layer{stage}.{index}" for index in range(num_blocks)):
            for number in range(1, layers + 1):
                expected |= {f"{block}.conv{number}.weight"}
                expected |= {f"{block}.bn{number}.{entry}" for entry in batch_norm}
        if stage > 1 or layers == 3:
            expected |= {f"layer{stage}.0.downsample.0.weight"}
            expected |= {f"layer{stage}.0.downsample.1.{entry}" for entry in batch_norm}
    assert set(skeleton(family, depth, "B", 7).state_dict()) == expected


@pytest.mark.parametrize(("family", "strides"), [("imagenet", (1, 2, 1)), ("imagenet-1x1", (2, 1, 1))])
def test_the_stride_is_where_the_family_says(family: str, strides: tuple[int, int, int]) -> None:
    network = skeleton(family, 50, "B", 10)
    for stage in (1, 2, 3, 4):
        for block, expected in ((0, strides if stage > 1 else (1, 1, 1)), (1, (1, 1, 1))):
            layers = [network.get_submodule(f"layer{stage}.{block}.conv{number}") for number in (1, 2, 3)]
            assert [layer.stride[0] for layer in layers if isinstance(layer, nn.Conv2d)] == list(expected)


def test_weights_are_those_of_the_seed_whatever_stride_and_shortcut() -> None:
    states = [make(50, *kind).state_dict() for kind in (("A", "imagenet"), ("B", "imagenet"), ("B", "imagenet-1x1"))]
    for state in states[1:]:
        assert all(torch.equal(state[name], states[0][name]) for name in states[0])
    spread = states[0]["layer4.2.conv2.weight"].std().item()
    assert spread == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(("depth", "shortcut"), [(18, "A"), (18, "B"), (18, "C"), (50, "A-centred"), (50, "B")])
def test_images_of_other_sizes_and_other_numbers_of_classes(depth: int, shortcut: str, images: Tensor) -> None:
    network = make(depth, shortcut).eval()
    with torch.no_grad():
        assert network(images).shape == (4, 10)
        assert network(images[:, :, :32, :40]).shape == (4, 10)


@pytest.mark.parametrize("depth", [18, 50])
def test_checkpointed_activations_change_no_bit(depth: int, images: Tensor, torch_settings: None) -> None:
    outcomes = []
    for checkpoint_activations in (False, True):
        network = make(depth, checkpoint_activations=checkpoint_activations)
        loss = F.cross_entropy(network(images[:, :, :32, :32]), torch.tensor([0, 1, 2, 3]))
        loss.backward()  # type: ignore[no-untyped-call]
        outcomes.append((loss, [p.grad for p in network.parameters()], network.state_dict()))
    (loss, gradients, state), (loss2, gradients2, state2) = outcomes
    assert torch.equal(loss, loss2)
    assert all(
        a is not None and b is not None and torch.equal(a, b) for a, b in zip(gradients, gradients2, strict=True)
    )
    assert all(torch.equal(state[name], state2[name]) for name in state)


@pytest.mark.parametrize("depth", IMAGENET_DEPTHS)
def test_depth_and_shortcut_are_read_off_the_weights(depth: int) -> None:
    for shortcut in ("A", "B", "C"):
        state = skeleton("imagenet", depth, shortcut, 10).state_dict()
        assert (infer_depth(state), infer_shortcut(state)) == (depth, shortcut)


def test_weights_of_another_depth_are_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="they have depth 18, it has depth 34"):
        load_into(skeleton("imagenet", 34, "B", 10), skeleton("imagenet", 18, "B", 10).state_dict())


def test_the_catalogue_lists_each_network_once() -> None:
    rows = imagenet_catalogue(depths=(18, 50), num_classes=(10,))
    assert [(row["family"], row["depth"]) for row in rows] == [("imagenet", 18), ("imagenet", 50), ("imagenet-1x1", 50)]
    for row in rows:
        network = skeleton(str(row["family"]), int(row["depth"]), "B", 10)
        assert row["parameters"] == parameters(network)
        assert row["multiply_adds"] == multiply_adds(network, (3, 224, 224))


@pytest.mark.parametrize(
    ("family", "depth", "shortcut", "message"),
    [
        ("imagenet", 20, "B", "depth must be 18, 34, 50, 101 or 152 for a network of family imagenet; not 20"),
        ("residual", 101, "B", r"depth must be 6n\+2.*not 101"),
        ("imagenet", 18, "none", "a residual network needs a shortcut"),
    ],
)
def test_impossible_networks_are_refused(family: str, depth: int, shortcut: str, message: str) -> None:
    with pytest.raises(ResLabError, match=message):
        skeleton(family, depth, shortcut, 10)
