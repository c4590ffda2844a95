"""Files that are no weights, by their content: what each is, in words, and what to do about it."""

import json
import re
from collections.abc import Sequence

from reslab.errors import CheckpointError

HEAD_BYTES = 1024
"""How much of a file's beginning is looked at."""

_AGAIN = "download the file itself"
_UNPACK = "unpack it, and give the file of weights that is in it"
_CONVERT = "save the weights under their names as safetensors or with torch.save(model.state_dict(), ...) first"

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for a file that was not downloaded",
        "run git lfs pull",
    ),
    (b"\x1f\x8b", "an archive of gzip's", _UNPACK),
    (b"BZh", "an archive of bzip2's", _UNPACK),
    (b"\xfd7zXZ\x00", "an archive of xz's", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "an archive of Zstandard's", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip's", _UNPACK),
    (b"Rar!", "an archive of RAR's", _UNPACK),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them", _CONVERT),
    (b"GGUF", "a GGUF file, of language models", _CONVERT),
    (b"\x89PNG", "a picture", _AGAIN),
    (b"\xff\xd8\xff", "a picture", _AGAIN),
    (b"%PDF", "a PDF", _AGAIN),
    (b"\x7fELF", "a program", _AGAIN),
    (b"MZ", "a program", _AGAIN),
    (b"TDF$", "an archive of TensorFlow's", _CONVERT),
)


def check_head(head: bytes) -> None:
    """Raise `CheckpointError`, with a clause about "it", where a file's beginning shows that it holds no weights."""
    if not head:
        raise CheckpointError("it is empty; get it again")
    for magic, what, todo in _MAGIC:
        if head.startswith(magic):
            raise CheckpointError(f"it is {what}; {todo}")
    if head[257:262] == b"ustar":
        raise CheckpointError(f"it is an archive of tar's; {_UNPACK}")
    if head[4:8] == b"TFL3":
        raise CheckpointError(f"it is a network of TensorFlow Lite's; {_CONVERT}")
    if _is_onnx(head):
        raise CheckpointError(f"it is a network in ONNX; {_CONVERT}")
    if not head.strip(b"\0"):
        raise CheckpointError("it begins with nothing but zeros, as after a disk that was full; get it again")


def check_archive(names: Sequence[str]) -> None:
    """Raise `CheckpointError`, with a clause about "it", where a zip archive with these members holds no weights."""
    inner = [name for name in names if re.search(r"\.(pth?|pt|ckpt|bin|safetensors|th|pyth|pkl|tar|npz)$", name)]
    pickles = [name for name in names if name.endswith("data.pkl")]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise CheckpointError(f"it is a network in TorchScript, program and all; {_CONVERT}")
    if any(name.endswith((".pt2", "archive_format", "/models/model.json")) for name in names):
        raise CheckpointError(f"it is a program of torch.export; {_CONVERT}")
    if any(name.endswith(".weights.h5") for name in names):
        raise CheckpointError(f"it is a network of Keras; {_CONVERT}")
    if not pickles and not (names and all(name.endswith(".npy") for name in names)):
        listed = f": in it is {', '.join(printable(name) for name in inner[:5])}" if inner else ""
        raise CheckpointError(f"it is a zip archive; {_UNPACK}{listed}")


def as_text(head: bytes) -> str | None:
    """Return the beginning of a file as text, or None where it has other characters than texts have."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else a letter that the end of the head cuts
            return None
        text = head[: error.start].decode(encoding)
    is_text = all(letter.isprintable() or letter in "\ufeff\t\r\n\f\x1b" for letter in text)
    return text if is_text else None


def describe_text(text: str) -> str:
    """Return what a text is that is no file of weights, as a clause about "it", and what to do."""
    start = text.lstrip("\ufeff \t\r\n")
    lower = start[:200].lower()
    if lower.startswith(("<!doctype html", "<html", "<head", "<body", "<script", "<!--")) or "<html" in lower:
        return f"it is a web page, as a link to a page about the file gives or a site that asks to log in; {_AGAIN}"
    if lower.startswith("<"):
        return f"it is XML, as servers answer in place of a file that they do not give; {_AGAIN}"
    if start[:1] in "{[" and (start[:1] == "{" or _is_json(start)):
        shown = printable(" ".join(start.split()))
        return f"it is text in JSON, as servers answer in place of a file that they do not give: {shown}"
    if not start:
        return f"it holds nothing but spaces and ends of lines; {_AGAIN}"
    first = " ".join(start.splitlines()[0].split())
    return f"it is text, which begins {printable(first)!r}; {_AGAIN}"


def printable(text: str, most: int = 100) -> str:
    """Return text from a file as it can be printed: no control characters, not too long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return clean if len(clean) <= most else f"{clean[:most]}..."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return len(text) > HEAD_BYTES // 2 and text[1:2] in ' "{[0123456789-\n\r'
    return True


def _is_onnx(head: bytes) -> bool:
    """ONNX is a protocol buffer: field 1 (version of its format, below 20), then names of who made it or a graph."""
    if len(head) < 8 or head[0] != 0x08 or not 1 <= head[1] < 20 or head[2] not in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return False
    return (
        any(word in head for word in (b"pytorch", b"onnx", b"tf2onnx", b"keras", b"skl2onnx", b"paddle"))
        or head[2] == 0x3A
    )
