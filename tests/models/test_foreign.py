"""Files that are no weights are told as what they are, in our words."""

import gzip
import io
import json
import os
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reslab.errors import CheckpointError
from reslab.models.weights import read_weights


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_DOT_", ".").replace("_IN_", "/"), content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return buffer.getvalue()


def one_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


ONNX = b'\x08\x08\x12\x07pytorch\x1a\x051.9.0:\xa4\x05\n"\n\x05input'

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer.*git lfs pull"),
    "page": (b"<!DOCTYPE html>\n<html><head><title>Sign in</title>", "it is a web page"),
    "page after space": (b"\xef\xbb\xbf\r\n  <html lang=en>", "it is a web page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "it is XML"),
    "JSON": (json.dumps({"message": "Not\x1b[31m Found"}).encode(), "text in JSON.*Not"),
    "JSON by lines": (json.dumps({"error": {"code": 404}}, indent=1).encode(), "text in JSON"),
    "text": (b"Not Found", "it is text that begins 'Not Found'"),
    "JSON in lines": (b'{\n "format": 1,\n\t"run": 2\n}\n', 'refuse a file: { "format": 1, "run": 2 }'),
    "tabs": (b"one\ttwo\n", "it is text that begins 'one two'"),
    "a program": (b"import torch\nprint(1)\n", "it is text that begins 'import torch'"),
    "escapes": (b"\x1b[31mrate limited\x1b[0m\n", "it is text that begins"),
    "spaces": (b"\n\n  \n", "nothing but spaces"),
    "zeros": (bytes(5000), "nothing but zeros"),
    "gzip": (gzip.compress(b"x" * 100), "gzip archive; unpack it"),
    "tar": (tarred(), "tar archive; unpack it"),
    "zip": (zipped(model_DOT_pth=b"x", readme=b"y"), "it is a zip archive; unpack it.*it contains model.pth"),
    "TorchScript": (zipped(m_IN_data_DOT_pkl=b"x", m_IN_constants_DOT_pkl=b"x", m_IN_code_IN_a=b""), "TorchScript"),
    "Keras": (zipped(config_DOT_json=b"{}", model_DOT_weights_DOT_h5=b"x"), "a Keras network"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 file, as Keras"),
    "ONNX": (ONNX, "a network in ONNX"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a picture"),
    "noise": (bytes(range(255, 0, -1)), "damaged or cut off, or not a torch file"),
    "one array": (one_array(), "there are no named arrays in it"),
    "torch's zip, cut": (zipped(a=b"x" * 500)[:300], "torch file that is damaged or cut off"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_weights_are_told_as_what_they_are(name: str, tmp_path: Path) -> None:
    content, words = FILES[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_weights(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not a weights file: ")
    assert message.isprintable()
    assert "weights_only" not in message
    assert len(message) < 400


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_network_is_told_as_such(is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    for content in (nn.Sequential(nn.Linear(2, 2)), {"net": nn.Linear(2, 2), "epoch": 3}):
        torch.save(content, path, _use_new_zipfile_serialization=is_zip)
        with pytest.raises(CheckpointError, match=r"holds a whole network \(an object of torch\.nn\.modules"):
            read_weights(path)


def test_a_script_is_told_as_such(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, which is about to leave scripts behind
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "script.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(CheckpointError, match="it is a TorchScript network"):
        read_weights(tmp_path / "script.pt")


def test_a_folder_is_told_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"it is a folder; it contains best\.pth"):
        read_weights(tmp_path)
    (tmp_path / "run.json").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="it is a run's: reslab evaluate FOLDER"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("count", "words"), [(2, "a checkpoint in 2 files .a-0.bin, .*; load them"), (1, "in a-0.bin: give that")]
)
def test_an_index_of_a_checkpoint_is_told_as_such(count: int, words: str, tmp_path: Path) -> None:
    places = {f"layer{number}": f"a-{number % count}.bin" for number in range(200)}
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}, indent=2))
    with pytest.raises(CheckpointError, match=words):
        read_weights(path)


def test_a_distributed_checkpoint_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "__0_0.distcp").write_bytes(b"PK\x03\x04")
    (tmp_path / ".metadata").write_bytes(b"\x80\x04N.")
    for path in (tmp_path, tmp_path / "__0_0.distcp", tmp_path / ".metadata"):
        with pytest.raises(CheckpointError, match=r"distributed torch checkpoint; .*dcp_to_torch_save"):
            read_weights(path)


def test_what_is_no_ordinary_file_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "link.pth").symlink_to("gone.pth")
    (tmp_path / "round.pth").symlink_to("round.pth")
    os.mkfifo(tmp_path / "fifo.pth")
    found = {
        "link.pth": "a link to gone.pth, which does not exist",
        "round.pth": "a link that leads",
        "fifo.pth": "a FIFO",
    }
    for name, words in found.items():
        with pytest.raises(CheckpointError, match=f"{name}: it is {words}"):
            read_weights(tmp_path / name)
