"""Weights of every form in circulation, and files that should not be trusted."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from reslab.errors import CheckpointError
from reslab.models.fitting import infer_depth, infer_shortcut
from reslab.models.networks import build
from reslab.models.weights import load_into, read_weights, save_weights

State = dict[str, Tensor]


def network(depth: int = 8, shortcut: str = "B", num_classes: int = 10, seed: int = 0) -> nn.Module:
    return build("residual", depth, shortcut, num_classes, initialisation="he-fan-in", seed=seed)


def renamed(state: State, *changes: tuple[str, str]) -> State:
    for old, new in changes:
        state = {name.replace(old, new): value for name, value in state.items()}
    return state


def without_counters(state: State) -> State:
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def same(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "akamaster": lambda state: {
        "state_dict": {f"module.{name}": value for name, value in renamed(state, ("fc.", "linear.")).items()},
        "best_prec1": 91.7,
    },
    "bearpaw": lambda state: {
        "epoch": 164,
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "optimizer": {"param_groups": [{"lr": 0.001}], "state": {}},
    },
    "kuangliu": lambda state: {
        "net": renamed(state, ("fc.", "linear."), (".downsample.", ".shortcut.")),
        "acc": 91.7,
        "epoch": 3,
    },
    "model": lambda state: {"model": state},
    "nested twice": lambda state: {"model": {"state_dict": state}},
    "compiled": lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
    "half": lambda state: {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
    "old": without_counters,
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_torch_files_of_every_form_are_read(form: str, zipped: bool, tmp_path: Path) -> None:
    state = network(seed=1).state_dict()
    path = tmp_path / "weights.th"
    torch.save(FORMS[form](state), path, _use_new_zipfile_serialization=zipped)
    module = network(seed=2)
    load_into(module, read_weights(path))
    loaded = module.state_dict()
    expected = {name: value.half().float() for name, value in state.items()} if form == "half" else state
    assert all(torch.equal(loaded[name].float(), expected[name].float()) for name in state)


def test_saved_weights_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    module = network(seed=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    path = tmp_path / "weights.safetensors"
    save_weights(module, path)
    assert same(read_weights(path), module.state_dict())
    save_weights(network(seed=2).state_dict(), path)
    assert same(read_weights(path), network(seed=2).state_dict())
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]


def test_safetensors_are_known_by_their_content_and_their_names_mapped(tmp_path: Path) -> None:
    state = network().state_dict()
    path = tmp_path / "weights.bin"
    foreign = {f"module.{name}": value for name, value in renamed(dict(state), ("fc.", "linear.")).items()}
    path.write_bytes(safetensors.torch.save(foreign))
    assert same(read_weights(path), state)


class Hostile:
    """A pickle that would make a folder if it were allowed to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("form", ["pickle", "torch", "torch legacy", "inside"])
def test_a_hostile_pickle_does_not_run(form: str, tmp_path: Path) -> None:
    folder, path = tmp_path / "proof", tmp_path / "weights.th"
    hostile = Hostile(folder)
    if form == "pickle":
        path.write_bytes(pickle.dumps(hostile))
    elif form == "inside":
        torch.save({"state_dict": network().state_dict(), "note": hostile}, path)
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(CheckpointError, match="not a weights file that can be read safely"):
        read_weights(path)
    assert not folder.exists()


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    state = network().state_dict()
    buffers = [io.BytesIO(), io.BytesIO()]
    torch.save(state, buffers[0])
    torch.save(state, buffers[1], _use_new_zipfile_serialization=False)
    path = tmp_path / "weights"
    for content in (*(buffer.getvalue() for buffer in buffers), safetensors.torch.save(state)):
        for length in (0, 1, 9, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            with pytest.raises(CheckpointError, match="weights"):
                read_weights(path)


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        read_weights(tmp_path / "absent.th")
    with pytest.raises(CheckpointError, match="it is a folder"):
        read_weights(tmp_path)
    path = tmp_path / "weights.th"
    endless: dict[str, Any] = {}
    endless["state_dict"] = endless
    contents: list[Any] = [
        {},
        [1, 2],
        torch.zeros(3),
        {"epoch": 3},
        {"state_dict": {"a": 1}},
        {"model": {}},
        endless,
    ]
    contents.append({"conv1.weight": torch.eye(2).to_sparse()})
    for content in contents:
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="weights"):
            read_weights(path)
    torch.save({"fc.bias": torch.zeros(2), "linear.bias": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=r"fc\.bias twice"):
        read_weights(path)


def refusal(module: nn.Module, state: State) -> str:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_into(module, state)
    assert same(module.state_dict(), before)
    return str(caught.value)


def test_weights_of_another_depth_are_refused_with_both_depths() -> None:
    deeper = refusal(network(8), network(14).state_dict())
    assert "they have depth 14, it has depth 8" in deeper
    assert "unexpected (36): layer1.1.conv1.weight" in deeper
    assert deeper.endswith("and 30 more")
    assert "missing" not in deeper
    shallower = refusal(network(14), network(8).state_dict())
    assert "missing (30)" in shallower
    assert len(shallower) < 600


def test_all_that_does_not_fit_is_listed() -> None:
    state = network(8, "B", num_classes=100).state_dict()
    del state["layer3.0.bn2.running_var"]
    state["extra"] = torch.zeros(1)
    message = refusal(network(8, "B"), state)
    assert "missing (1): layer3.0.bn2.running_var" in message
    assert "unexpected (1): extra" in message
    assert "fc.weight is 100x64 of float32, should be 10x64 of float32" in message
    assert "fc.bias is 100 of float32, should be 10 of float32" in message
    assert "depth" not in message


def test_numbers_of_another_kind_are_refused() -> None:
    state = network().state_dict()
    state["fc.bias"] = torch.zeros(10, dtype=torch.int64)
    assert "fc.bias is 10 of int64, should be 10 of float32" in refusal(network(), state)


def test_the_shortcut_and_the_depth_are_inferred() -> None:
    for shortcut in ("A", "B", "C"):
        assert infer_shortcut(network(14, shortcut).state_dict()) == shortcut
    assert infer_shortcut(network(14, "A-centred").state_dict()) == "A"
    assert infer_depth(network(20).state_dict()) == 20
    assert infer_depth({"weight": torch.zeros(1)}) is None


@pytest.mark.parametrize(
    ("pickled", "storage", "message"),
    [
        (b"\x80\x02\xff.", b"", "damaged or cut off"),
        (b"\x80\x02\x82\x01.", b"", "instruction EXT1"),
        (
            b"\x80\x02}X\x0c\x00\x00\x00conv1.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
            b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00K\x04\x85K\x01\x85\x89}tRs.",
            bytes(2**27),
            "too large for weights when unpacked",
        ),
    ],
    ids=["unknown-instruction", "extension", "bomb"],
)
def test_a_false_archive_is_refused_by_name(tmp_path: Path, pickled: bytes, storage: bytes, message: str) -> None:
    path = tmp_path / "false.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", storage)
        archive.writestr("archive/version", b"3\n")
    with pytest.raises(CheckpointError, match=rf"false\.pth is not a weights file.*{message}"):
        read_weights(path)
