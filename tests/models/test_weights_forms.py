"""Weights as people keep them: every form holds the same network, and is read as that network to the bit."""

import argparse
import datetime
import functools
import os
import pickle
import types
import warnings
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reslab.errors import CheckpointError, ResLabError
from reslab.models.networks import build
from reslab.models.weights import read_weights, read_weights_file

State = dict[str, Tensor]


class Colour(Enum):
    RED = 1


@dataclass
class Settings:
    rate: float = 0.1
    folder: Path = Path("x")


class AttributeDict(dict[str, Any]):
    """As the configurations of several libraries are."""


class Meter:
    def __init__(self) -> None:
        self.history = [1.0, 2.0]


def state_of(seed: int = 1, shortcut: str = "B") -> State:
    return dict(build("residual", 8, shortcut, 10, initialisation="he-fan-in", seed=seed).state_dict())


OURS, OTHERS = state_of(1), state_of(2)


def under(prefix: str, state: State = OURS) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def adam_state() -> dict[str, Any]:
    network = build("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.zeros(2, 3, 8, 8)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


BESIDE: dict[str, Any] = {
    "namespace": argparse.Namespace(rate=0.1, folder=Path("x"), device=torch.device("cuda:0")),
    "simple namespace": types.SimpleNamespace(a=1),
    "dataclass": Settings(),
    "enumeration": Colour.RED,
    "attributes": AttributeDict(a=AttributeDict(b=1)),
    "meter": Meter(),
    "times": [datetime.datetime(2026, 1, 1), datetime.timedelta(1), datetime.UTC],
    "numpy": [np.float64(91.2), np.int32(3), np.arange(3.0), np.dtype("f4"), np.str_("x")],
    "generator": np.random.default_rng(0),
    "collections": [OrderedDict(a=1), defaultdict(list), deque([1]), {1, 2}, frozenset("a"), range(3), slice(1)],
    "numbers": [1j, 2**200, float("nan"), Fraction(1, 2), None, ..., b"x", bytearray(b"x")],
    "torch": [torch.float32, torch.Size([1]), torch.__version__, torch.get_rng_state(), torch.nn.Conv2d, torch.eye(2)],
    "functions": [torch.nn.functional.relu, functools.partial(int, base=2)],
    "machine": os.uname(),
}


def saved(path: Path, value: Any, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


def same(found: State, expected: State = OURS) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", [*BESIDE, "optimiser"])
def test_objects_beside_the_weights_are_passed_over(name: str, protocol: int, tmp_path: Path) -> None:
    more = adam_state() if name == "optimiser" else BESIDE[name]
    content = {"epoch": 3, "state_dict": OURS, "more": more}
    for zipped in (True, False):
        path = saved(tmp_path / "w", content, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        assert same(read_weights(path))


def hysts(state: State) -> State:
    changes = (("downsample.0", "shortcut.conv"), ("downsample.1", "shortcut.bn"))
    found = {}
    for old, value in state.items():
        name = old.replace("conv1", "conv", 1) if old.startswith("conv1") else old
        name = name.replace("bn1", "bn", 1) if name.startswith("bn1") else name
        for one, other in changes:
            name = name.replace(one, other)
        found[name.replace("layer", "stage").replace(".0.", ".block1.", 1)] = value
    return found


def flat_views(state: State) -> State:
    """Return all weights as views of one storage."""
    whole = torch.cat([value.reshape(-1) for value in state.values() if value.is_floating_point()])
    found, place = {}, 0
    for name, value in state.items():
        if not value.is_floating_point():
            found[name] = value
            continue
        found[name] = whole[place : place + value.numel()].view(value.shape)
        place += value.numel()
    return found


HEADLESS = {name: value for name, value in OURS.items() if not name.startswith("fc.")}

FORMS: dict[str, tuple[Any, str, str]] = {
    "lightning": ({"state_dict": under("model."), "callbacks": {"a": {"best": torch.ones(())}}}, "state_dict", "model"),
    "repeated": (under("module.model.module."), "top", "module.model.module"),
    "compiled": (under("module._orig_mod."), "top", "module._orig_mod"),
    "any prefix": ({"weights": under("a.b.c.")}, "weights", "a.b.c"),
    "mixed": ({("module." if "conv" in name else "") + name: value for name, value in OURS.items()}, "top", ""),
    "any name": ({"epoch": 1, "what I call it": OURS}, "what I call it", ""),
    "deep": ({"a": {"b": [{"c": OURS}]}}, "a.b.0.c", ""),
    "attributes": (argparse.Namespace(best=types.SimpleNamespace(net=OURS)), "best.net", ""),
    "averaged": ({"n_averaged": torch.tensor(5), **under("module.")}, "top", "module"),
    "same twice": ({"state_dict": OURS, "ema": OURS}, "state_dict", ""),
    "equal twice": ({"a": OURS, "b": {name: value.clone() for name, value in OURS.items()}}, "a", ""),
    "flat": ({**OURS, "epoch": 3, "best_acc": torch.tensor(91.2)}, "top", ""),
    "views": ({"model": flat_views(OURS)}, "model", ""),
    "strided": ({n: v.mT.contiguous().mT if v.dim() == 4 else v for n, v in OURS.items()}, "top", ""),
    "parameters": ({n: torch.nn.Parameter(v, v.is_floating_point()) for n, v in OURS.items()}, "top", ""),
    "pairs": (list(OURS.items()), "top", ""),
    "pairs in an entry": ({"model": [[name, value] for name, value in OURS.items()]}, "model", ""),
    "slashes": ({"model": {name.replace(".", "/"): value for name, value in OURS.items()}}, "model", ""),
    "bytes": ({name.encode(): value for name, value in OURS.items()}, "top", ""),
    "numpy": ({n: v.numpy() for n, v in OURS.items()}, "top", ""),
    "numpy by columns": ({n: np.asfortranarray(v.numpy()) if v.dim() else v for n, v in OURS.items()}, "top", ""),
    "compiled in parts": (
        {name.replace(".conv1", "._orig_mod.conv1"): value for name, value in OURS.items()},
        "top",
        "",
    ),
    "sharded in parts": (
        under("_fsdp_wrapped_module.", {n.replace(".0.", ".0._fsdp_wrapped_module.", 1): v for n, v in OURS.items()}),
        "top",
        "_fsdp_wrapped_module",
    ),
    "negative views": ({n: torch._neg_view(-v) if v.dim() else v for n, v in OURS.items()}, "top", ""),
    "hysts": ({"state_dict": OrderedDict(hysts(OURS)), "config": OrderedDict()}, "state_dict", ""),
    "mmcv": (
        {
            "meta": {"time": datetime.datetime(2026, 1, 1)},
            "state_dict": under("backbone.", HEADLESS)
            | {"head.fc.weight": OURS["fc.weight"], "head.fc.bias": OURS["fc.bias"]},
        },
        "state_dict.backbone",
        "backbone",
    ),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_weights_are_found_under_any_name_and_prefix(form: str, zipped: bool, tmp_path: Path) -> None:
    content, entry, prefix = FORMS[form]
    found = read_weights_file(saved(tmp_path / "w", content, _use_new_zipfile_serialization=zipped))
    assert same(found.weights)
    assert (found.entry, found.prefix, found.remarks) == (entry, prefix, ())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_they_are(dtype: torch.dtype, tmp_path: Path) -> None:
    expected = {name: value.to(dtype) if value.is_floating_point() else value for name, value in OURS.items()}
    for zipped in (True, False):
        assert same(read_weights(saved(tmp_path / "w", expected, _use_new_zipfile_serialization=zipped)), expected)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_plain_pickles_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    for content in (OURS, {"model": {name: value.numpy() for name, value in OURS.items()}}):
        path.write_bytes(pickle.dumps(content, protocol))
        assert same(read_weights(path))


def test_numpy_files_are_read(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: value.numpy() for name, value in OURS.items()}
    np.savez(tmp_path / "w.npz", **arrays)
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    np.save(tmp_path / "object.npy", np.array(arrays, dtype=object))
    np.savez(
        tmp_path / "swapped.npz", **{name: value.astype(value.dtype.newbyteorder()) for name, value in arrays.items()}
    )
    for name in ("w.npz", "small.npz", "object.npy", "swapped.npz"):
        assert same(read_weights(tmp_path / name))


def test_what_lies_beside_the_network_is_said(tmp_path: Path) -> None:
    more = {"criterion.weight": torch.ones(10), "queue": torch.zeros(3)}
    found = read_weights_file(saved(tmp_path / "w", {"state_dict": under("model.") | more}))
    assert same(found.weights)
    assert found.remarks == ("2 arrays that are not part of the network are ignored: criterion.weight, queue",)
    parameters = {name: value for name, value in OTHERS.items() if "running" not in name}
    found = read_weights_file(saved(tmp_path / "w", {"net": OURS, "ema": parameters}))
    assert same(found.weights)
    assert found.remarks == ("the file also has weights that make no complete network: ema",)


SEVERAL: dict[str, tuple[Any, tuple[str, str]]] = {
    "ema": ({"state_dict": OURS, "state_dict_ema": OTHERS}, ("state_dict", "state_dict_ema")),
    "swa": ({"model": OURS, "swa": {"n_averaged": torch.tensor(2), **under("module.", OTHERS)}}, ("model", "swa")),
    "moco": (under("encoder_q.") | under("encoder_k.", OTHERS), ("encoder_q", "encoder_k")),
    "beside the plain names": (OURS | under("ema.", OTHERS), ("top", "ema")),
    "nested": ({"a": {"net": OURS}, "b": [OTHERS]}, ("a.net", "b.0")),
    "epochs": ({1: OURS, 20: OTHERS}, ("1", "20")),
    "heads apart": (
        {
            name: under("backbone.", {key: value for key, value in state.items() if not key.startswith("fc.")})
            | {f"head.{key}": state[key] for key in ("fc.weight", "fc.bias")}
            for name, state in (("state_dict", OURS), ("ema_state_dict", OTHERS))
        },
        ("state_dict", "ema_state_dict"),
    ),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_networks_are_listed_and_one_is_chosen(form: str, tmp_path: Path) -> None:
    content, (first, second) = SEVERAL[form]
    path = saved(tmp_path / "w", content)
    with pytest.raises(ResLabError, match=rf"2 networks: {first}, {second}\.  Choose one with --entry"):
        read_weights(path)
    assert same(read_weights_file(path, first).weights)
    assert same(read_weights_file(path, second).weights, OTHERS)
    with pytest.raises(ResLabError, match=rf"has no entry 'nothing' with weights; it has {first}, {second}"):
        read_weights_file(path, "nothing")


def test_two_of_one_name_are_not_chosen_from(tmp_path: Path) -> None:
    path = saved(tmp_path / "w", {"a.b": {"net": OURS}, "a": {"b.net": OTHERS}})
    with pytest.raises(CheckpointError, match=r"several of its entries are called 'a.b.net'"):
        read_weights_file(path, "a.b.net")


def test_names_cannot_command_a_terminal(tmp_path: Path) -> None:
    path = saved(tmp_path / "w", {"\x1b[31mred\n": OURS, "plain": OTHERS})
    with pytest.raises(ResLabError, match=r"2 networks: \\x1b\[31mred\\n, plain"):
        read_weights(path)


def test_parts_that_our_networks_lack_are_no_network_of_ours(tmp_path: Path) -> None:
    content = under("net.") | {"net.layer1.0.attention.fc.weight": torch.eye(16)}
    found = read_weights_file(saved(tmp_path / "w", content))
    assert "net.layer1.0.attention.fc.weight" in found.weights  # so that it does not fit, and is named
    with pytest.raises(
        CheckpointError, match=r"its 2 arrays are not of any of ResLab's networks .*: features\.0\.weight"
    ):
        read_weights(saved(tmp_path / "w", {"features.0.weight": torch.eye(2), "features.0.bias": torch.ones(2)}))
    with pytest.raises(CheckpointError, match=r"its array is not of any of ResLab's networks .*: features\.0\.weight"):
        read_weights(saved(tmp_path / "w", {"features.0.weight": torch.eye(2)}))


def test_numbers_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in OURS.items()}
    state["fc.weight"][:2] = float("nan")
    state["bn1.running_var"][3] = float("inf")
    (remark,) = read_weights_file(saved(tmp_path / "w", state)).remarks
    assert remark.startswith("129 weights are not finite numbers")
    assert "fc.weight (128 of 640)" in remark
    assert "bn1.running_var (1 of 16)" in remark
    (remark,) = read_weights_file(saved(tmp_path / "w", {**OURS, "bn1.running_var": state["bn1.running_var"]})).remarks
    assert remark == "1 weight is not a finite number (NaN or infinite): bn1.running_var (1 of 16)"


def test_counters_made_over_with_the_weights_are_left_out(tmp_path: Path) -> None:
    expected = {name: value.half() for name, value in OURS.items() if value.is_floating_point()}
    path = saved(tmp_path / "w", {name: value.half() for name, value in OURS.items()})
    assert same(read_weights(path), expected)


def test_arrays_that_are_no_plain_numbers_are_told(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, which is about to leave quantised tensors behind
        quantised = torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)
    odd = {"quantised": quantised, "sparse": torch.eye(2).to_sparse(), "meta": torch.empty(2, 2, device="meta")}
    for words, value in odd.items():
        with pytest.raises(CheckpointError, match=words):
            read_weights(saved(tmp_path / "w", {**OURS, "fc.weight": value}))


def test_false_claims_are_refused(tmp_path: Path) -> None:
    content = saved(tmp_path / "w", {"fc.weight": torch.zeros(123, 124)}).read_bytes()
    claimed = content.replace(b"K{K|\x86", b"KzK~\x86")
    assert claimed != content
    (tmp_path / "w").write_bytes(claimed)
    with pytest.raises(CheckpointError, match=r"claims more numbers than the file has|damaged"):
        read_weights(tmp_path / "w")


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float16, torch.bfloat16])
def test_short_numbers_are_looked_through(kind: torch.dtype, tmp_path: Path) -> None:
    state = {name: value.to(kind) if value.is_floating_point() else value for name, value in OURS.items()}
    state["fc.bias"] = (OURS["fc.bias"] * float("nan")).to(kind)
    found = read_weights_file(saved(tmp_path / "w", state))
    assert any("fc.bias (10 of 10)" in remark for remark in found.remarks)
