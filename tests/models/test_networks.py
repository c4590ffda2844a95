"""The networks against the paper's section 4.2 and against themselves."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.errors import ResLabError
from reslab.families import FAMILIES
from reslab.models.blocks import Block, ZeroPadding
from reslab.models.networks import build, initialise, skeleton
from reslab.recipe import CHOICES

KINDS = [
    ("residual", "A"),
    ("residual", "A-centred"),
    ("residual", "B"),
    ("residual", "C"),
    ("plain", "none"),
]


def make(
    family: str = "residual",
    depth: int = 8,
    shortcut: str = "A",
    *,
    seed: int = 0,
    initialisation: str = "he-fan-in",
    checkpoint_activations: bool = False,
) -> nn.Module:
    return build(
        family,
        depth,
        shortcut,
        10,
        initialisation=initialisation,
        seed=seed,
        checkpoint_activations=checkpoint_activations,
    )


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("depth", "family", "shortcut"),
    [(1202, "residual", "A"), *((depth, *kind) for depth in (8, 20, 110) for kind in KINDS)],
)
def test_depth_is_the_number_of_weighted_layers_on_the_main_path(depth: int, family: str, shortcut: str) -> None:
    network = skeleton(family, depth, shortcut, 10)
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
    ]
    assert len(layers) == depth


@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_maps_and_logits_have_the_papers_sizes(family: str, shortcut: str, images: Tensor) -> None:
    network = make(family, 14, shortcut)
    sizes = {}
    for name in ("conv1", "layer1", "layer2", "layer3"):
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _, __, output, name=name: sizes.update({name: output.shape[1:]}))
    assert network(images).shape == (4, 10)
    assert sizes == {
        "conv1": (16, 32, 32),
        "layer1": (16, 32, 32),
        "layer2": (32, 16, 16),
        "layer3": (64, 8, 8),
    }


def test_parameters_have_torchvisions_names() -> None:
    names = set(make("residual", 14, "B").state_dict())
    batch_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{entry}" for entry in batch_norm)}
    for block in [f"layer{stage}.{index}" for stage in (1, 2, 3) for index in (0, 1)]:
        for number in (1, 2):
            expected |= {f"{block}.conv{number}.weight"}
            expected |= {f"{block}.bn{number}.{entry}" for entry in batch_norm}
    for block in ("layer2.0", "layer3.0"):
        expected |= {f"{block}.downsample.0.weight"}
        expected |= {f"{block}.downsample.1.{entry}" for entry in batch_norm}
    assert names == expected


@pytest.mark.parametrize("shortcut", ["A", "A-centred"])
def test_shortcut_a_has_no_parameters(shortcut: str) -> None:
    network = make("residual", 20, shortcut)
    shortcuts = [module for module in network.modules() if isinstance(module, ZeroPadding)]
    assert len(shortcuts) == 2
    assert all(not list(module.parameters()) and not list(module.buffers()) for module in shortcuts)
    assert list(network.state_dict()) == list(make("plain", 20, "none").state_dict())


@pytest.mark.parametrize(("centred", "first"), [(False, 0), (True, 8)])
def test_shortcut_a_keeps_every_second_pixel_and_adds_zero_channels(centred: bool, first: int) -> None:
    x = torch.rand(2, 16, 32, 32) + 1
    y = ZeroPadding(16, 32, 2, centred=centred)(x)
    assert y.shape == (2, 32, 16, 16)
    assert torch.equal(y[:, first : first + 16], x[:, :, 0::2, 0::2])
    assert y[:, :first].count_nonzero() == 0
    assert y[:, first + 16 :].count_nonzero() == 0


def test_projections_are_where_the_paper_puts_them() -> None:
    def projections(shortcut: str) -> list[str]:
        modules = skeleton("residual", 14, shortcut, 10).named_modules()
        return [name for name, module in modules if "downsample" in name and isinstance(module, nn.Conv2d)]

    assert projections("A") == []
    assert projections("B") == ["layer2.0.downsample.0", "layer3.0.downsample.0"]
    assert projections("C") == [f"layer{stage}.{index}.downsample.0" for stage in (1, 2, 3) for index in (0, 1)]


def test_a_plain_network_has_no_shortcuts_whatever_is_said_of_them(images: Tensor) -> None:
    plain, other = make("plain", 14, "none").eval(), make("plain", 14, "B").eval()
    assert list(other.state_dict()) == list(plain.state_dict())
    assert torch.equal(other(images), plain(images))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_a_family_is_initialised(family: str) -> None:
    depth = {"preact-bottleneck": 11, "wide": 10}.get(family, 18 if FAMILIES[family].layers is None else 8)
    weights = []
    for memory in (math.nan, 1e30):
        network = skeleton(family, depth, "none" if family == "plain" else "B", 10).to_empty(device="cpu")
        with torch.no_grad():
            for value in (*network.parameters(), *(one for one in network.buffers() if one.is_floating_point())):
                value.fill_(memory)
        initialise(network, "he-fan-out", 0)
        weights.append(network.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("module", [nn.GroupNorm(4, 16), nn.Conv2d(16, 16, 1), nn.PReLU()])
def test_a_module_that_nothing_initialises_is_refused(module: nn.Module) -> None:
    with pytest.raises(TypeError, match=f"does not support 0, a {type(module).__name__}"):
        initialise(nn.Sequential(module), "he-fan-in", 0)


def test_residual_blocks_pass_their_input_on_and_plain_ones_do_not() -> None:
    x = torch.rand(1, 16, 8, 8)
    for shortcut, expected in (("A", x), ("none", torch.zeros_like(x))):
        block = Block(16, 16, 1, shortcut).eval()
        nn.init.zeros_(block.bn2.weight)
        assert torch.equal(block(x), expected)


@pytest.mark.parametrize("shortcut", ["B", "C"])
@pytest.mark.parametrize("initialisation", ["he-fan-in", "he-fan-out"])
def test_initialisation_has_the_stated_spread(shortcut: str, initialisation: str) -> None:
    network = make("residual", 56, shortcut, initialisation=initialisation)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            channels = module.in_channels if initialisation == "he-fan-in" else module.out_channels
            deviation = (2 / (module.kernel_size[0] ** 2 * channels)) ** 0.5
            tolerance = 5 / (2 * module.weight.numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(deviation, rel=tolerance)
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.all(module.weight == 1)
            assert torch.all(module.bias == 0)
            assert torch.all(module.running_mean == 0)  # type: ignore[arg-type]
            assert torch.all(module.running_var == 1)  # type: ignore[arg-type]
            assert module.num_batches_tracked == 0
    fc = network.get_submodule("fc")
    assert isinstance(fc, nn.Linear)
    if initialisation == "he-fan-in":
        assert fc.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.15)
        assert torch.all(fc.bias == 0)
    else:
        assert fc.weight.abs().max().item() == pytest.approx(1 / 8, rel=0.05)
        assert 0 < fc.bias.abs().max().item() <= 1 / 8


def test_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    torch.manual_seed(1)
    first = make(seed=3).state_dict()
    before = torch.get_rng_state()
    second = make(seed=3).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], make(seed=4).state_dict()["conv1.weight"])


def test_networks_of_one_seed_start_alike_whatever_their_shortcuts() -> None:
    states = [make(family, 8, shortcut).state_dict() for family, shortcut in KINDS]
    for state in states[1:]:
        assert all(torch.equal(state[name], states[0][name]) for name in states[0])


def test_initialise_draws_a_trained_network_anew() -> None:
    network = make(seed=5)
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(1)
    initialise(network, "he-fan-in", 5)
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), make(seed=5).state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(("family", "shortcut"), KINDS)
def test_checkpointed_activations_change_no_bit(family: str, shortcut: str, bf16: bool, images: Tensor) -> None:
    labels = torch.tensor([0, 1, 2, 3])
    outcomes = []
    for checkpoint_activations in (False, True):
        network = make(family, 14, shortcut, checkpoint_activations=checkpoint_activations)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = network(images)
            F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        outcomes.append((logits, [p.grad for p in network.parameters()], network.state_dict()))
    (logits, gradients, state), (logits2, gradients2, state2) = outcomes
    assert torch.equal(logits, logits2)
    assert all(
        a is not None and b is not None and torch.equal(a, b) for a, b in zip(gradients, gradients2, strict=True)
    )
    assert list(state) == list(state2)
    assert all(torch.equal(state[name], state2[name]) for name in state)
    assert state["bn1.num_batches_tracked"] == 2


def test_checkpointed_blocks_keep_only_their_input(images: Tensor) -> None:
    def saved_bytes(checkpoint_activations: bool) -> int:
        network = make("residual", 20, "A", checkpoint_activations=checkpoint_activations)
        own = {parameter.data_ptr() for parameter in network.parameters()}
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            if tensor.data_ptr() not in own:
                kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(images)
        return sum(kept.values())

    assert saved_bytes(True) < saved_bytes(False) / 3


def test_channels_last_stays_channels_last(images: Tensor) -> None:
    for shortcut in ("A", "A-centred", "B", "C"):
        network = make("residual", 8, shortcut).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        layouts: list[bool] = []

        def note(_: nn.Module, __: object, output: Tensor, layouts: list[bool] = layouts) -> None:
            layouts.append(output.is_contiguous(memory_format=torch.channels_last))

        for module in network.modules():
            if isinstance(module, Block | ZeroPadding | nn.Conv2d):
                module.register_forward_hook(note)
        network(images.to(memory_format=torch.channels_last))
        assert len(layouts) >= 10
        assert all(layouts)


def test_no_python_depends_on_the_data(images: Tensor) -> None:
    network = make("residual", 8, "A").eval()
    program = torch.export.export(copy.deepcopy(network), (images,))
    torch.testing.assert_close(program.module()(images), network(images))


@pytest.mark.parametrize("family", ["residual", "preact"])
def test_a_shortcut_or_initialisation_that_no_code_knows_is_refused(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field in ("shortcut", "initialisation"):
        monkeypatch.setitem(CHOICES, field, (*CHOICES[field], "novel"))
    with pytest.raises(ResLabError, match="knows of shortcut novel, but not what to do with it"):
        make(family, 8, "novel")
    with pytest.raises(ResLabError, match="knows of initialisation novel, but not what to do with it"):
        make(family, 8, "B", initialisation="novel")


def test_input_channels_and_classes_are_free() -> None:
    network = build("residual", 8, "B", 7, initialisation="he-fan-out", seed=0, in_channels=1)
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("residual", 18, "A", 10), r"depth must be 6n\+2.*not 18"),
        (("residual", 2, "A", 10), r"depth must be 6n\+2.*not 2"),
        (
            ("dense", 20, "A", 10),
            "family must be one of residual, plain, imagenet, imagenet-1x1, preact, .*; not 'dense'",
        ),
        (("residual", 20, "D", 10), "shortcut must be one of A, A-centred, B, C"),
        (("residual", 20, "none", 10), "a residual network needs a shortcut"),
        (("plain", 20, "none", 0), "at least one class"),
    ],
)
def test_impossible_networks_are_refused(arguments: tuple[str, int, str, int], message: str) -> None:
    with pytest.raises(ResLabError, match=message):
        skeleton(*arguments)
    with pytest.raises(ResLabError, match="at least one class and one input channel, not 10 and 0"):
        skeleton("residual", 8, "A", 10, in_channels=0)
    with pytest.raises(ResLabError, match="initialisation must be one of"):
        make(initialisation="xavier")
