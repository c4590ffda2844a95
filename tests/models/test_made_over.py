"""Weights of networks that were made over before they were saved are refused with what to do."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from reslab.errors import CheckpointError
from reslab.models.networks import build
from reslab.models.weights import read_weights, read_weights_file

State = dict[str, Tensor]


def network() -> nn.Module:
    return build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)


def layers(module: nn.Module) -> list[nn.Module]:
    return [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]


def pruned(module: nn.Module) -> None:
    for one in layers(module):
        prune.l1_unstructured(one, "weight", 0.5)  # type: ignore[no-untyped-call]


def one_pruned(module: nn.Module) -> None:
    prune.l1_unstructured(layers(module)[-1], "weight", 0.5)  # type: ignore[no-untyped-call]


def weight_norm(module: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, which has another
        for one in layers(module):
            torch.nn.utils.weight_norm(one)


def spectral(module: nn.Module) -> None:
    for one in layers(module):
        torch.nn.utils.spectral_norm(one)


def parametrised(module: nn.Module) -> None:
    for one in layers(module):
        parametrizations.weight_norm(one)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pruned, r"a network pruned: .*conv1\.weight_mask; call torch\.nn\.utils\.prune\.remove"),
        (one_pruned, r"a network pruned: .*fc\.weight_mask"),
        (weight_norm, r"a network with weight norm: .*weight_g; call .*remove_weight_norm"),
        (spectral, r"a network with spectral norm: .*; call .*remove_spectral_norm"),
        (parametrised, r"a network parametrised .*; call .*remove_parametrizations"),
    ],
)
def test_what_was_done_to_a_network_is_told(
    change: Callable[[nn.Module], None], words: str, prefix: str, tmp_path: Path
) -> None:
    module = network()
    change(module)
    torch.save({f"{prefix}{name}": value for name, value in module.state_dict().items()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=words):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("kind", "words"),
    [(torch.complex64, "its numbers are complex64"), (torch.int8, "int8, .*; dequantise the network")],
)
def test_numbers_that_are_no_floats_are_told_once(kind: torch.dtype, words: str, tmp_path: Path) -> None:
    torch.save({name: value.to(kind) for name, value in network().state_dict().items()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=words) as caught:
        read_weights(tmp_path / "w.pth")
    assert len(str(caught.value)) < 300


def test_a_transposed_linear_layer_is_told(tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save({**state, "fc.weight": state["fc.weight"].T}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"transposed: fc\.weight is 64 x 10, .* save it as fc\.weight\.T"):
        read_weights(tmp_path / "w.pth")


def test_negative_variances_and_float8_are_remarked(tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in network().state_dict().items()}
    state["bn1.running_var"][2] = -1.0
    torch.save(state, tmp_path / "w.pth")
    (remark,) = read_weights_file(tmp_path / "w.pth").remarks
    assert remark.startswith("batch norm has negative variances")
    assert remark.endswith(": bn1.running_var (1 of 16)")
    short = {name: value.to(torch.float8_e4m3fn) if value.dim() == 4 else value for name, value in state.items()}
    torch.save(short, tmp_path / "w.pth")
    *_, remark = read_weights_file(tmp_path / "w.pth").remarks
    assert remark.startswith("weights are float8_e4m3fn, converted to float32 unscaled")
