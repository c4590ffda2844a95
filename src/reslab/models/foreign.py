"""Files that are not weights, recognised by content: what each is, in words, and what to do about it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from reslab.errors import CheckpointError
from reslab.foreign import AGAIN, HEAD_BYTES, printable, recognised

_UNPACK = "unpack it, and give the weights file that is in it"
MAX_INDEX_BYTES = 16 << 20
"""Maximum size of an index of a checkpoint's parts."""

_CONVERT = "save the weights under their names as safetensors or with torch.save(model.state_dict(), ...) first"

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them", _CONVERT),
    (b"GGUF", "a GGUF file, of language models", _CONVERT),
    (b"\x89PNG", "a picture", AGAIN),
    (b"\xff\xd8\xff", "a picture", AGAIN),
    (b"TDF$", "a TensorFlow archive", _CONVERT),
)


def check_head(head: bytes) -> None:
    """Raise `CheckpointError`, with a clause about "it", if a file's first bytes show that it holds no weights."""
    if what := recognised(head, _UNPACK):
        raise CheckpointError(what)
    for magic, what, todo in _MAGIC:
        if head.startswith(magic):
            raise CheckpointError(f"it is {what}; {todo}")
    if head[4:8] == b"TFL3":
        raise CheckpointError(f"it is a TensorFlow Lite network; {_CONVERT}")
    if _is_onnx(head):
        raise CheckpointError(f"it is a network in ONNX; {_CONVERT}")


def check_part(path: Path) -> None:
    """Raise `CheckpointError`, with a clause about "it", if a file is only a part of a checkpoint, or its index."""
    if path.suffix == ".distcp" or path.name == ".metadata":
        raise CheckpointError(
            "it is a part of a distributed torch checkpoint; convert its folder to one file with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE), and give that"
        )
    shards = _shards(path)
    if len(shards) == 1:
        raise CheckpointError(f"it is the index of a checkpoint, which is in {printable(shards[0])}: give that")
    if shards:
        raise CheckpointError(
            f"it is the index of a checkpoint in {len(shards)} files ({printable(shards[0])}, ...); load them with "
            "what wrote them, save all weights in one file with torch.save(model.state_dict(), ...), and give that"
        )


def _shards(path: Path) -> list[str]:
    """Return the files named in a checkpoint's index, such as *.safetensors.index.json; none for any other file."""
    if path.stat().st_size > MAX_INDEX_BYTES:
        return []
    with path.open("rb") as file:
        if file.read(HEAD_BYTES).lstrip()[:1] != b"{":
            return []
        file.seek(0)
        try:
            content = json.load(file)
        except (ValueError, RecursionError):
            return []
    places = content.get("weight_map") if isinstance(content, dict) else None
    return sorted({str(place) for place in places.values()}) if isinstance(places, dict) else []


def check_archive(names: Sequence[str]) -> None:
    """Raise `CheckpointError`, with a clause about "it", if a zip archive with these members holds no weights."""
    inner = [name for name in names if re.search(r"\.(pth?|pt|ckpt|bin|safetensors|th|pyth|pkl|tar|npz)$", name)]
    pickles = [name for name in names if name.endswith("data.pkl")]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise CheckpointError(f"it is a TorchScript network, including its program; {_CONVERT}")
    if any(name.endswith((".pt2", "archive_format", "/models/model.json")) for name in names):
        raise CheckpointError(f"it is a torch.export program; {_CONVERT}")
    if any(name.endswith(".weights.h5") for name in names):
        raise CheckpointError(f"it is a Keras network; {_CONVERT}")
    if not pickles and not (names and all(name.endswith(".npy") for name in names)):
        listed = f": it contains {', '.join(printable(name) for name in inner[:5])}" if inner else ""
        raise CheckpointError(f"it is a zip archive; {_UNPACK}{listed}")


def _is_onnx(head: bytes) -> bool:
    """Say whether a file looks like ONNX: a protocol buffer with a format version below 20, then producer or graph."""
    if len(head) < 8 or head[0] != 0x08 or not 1 <= head[1] < 20 or head[2] not in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return False
    return (
        any(word in head for word in (b"pytorch", b"onnx", b"tf2onnx", b"keras", b"skl2onnx", b"paddle"))
        or head[2] == 0x3A
    )
