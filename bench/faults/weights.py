"""Files of weights that mean harm, or are no weights: refused in words, nothing run, within bounds."""

import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plan import DAMAGED, Plan, Tally, bound, must, reslab, timed, train_arguments

MOST_MORE_BYTES = 512 * 2**20
"""What a refusal may take of memory beyond what measuring good weights does."""
CPU_SECONDS = 20

DATA = "data.pkl"


def refused(plan: Plan) -> list[Tally]:
    """Let `reslab evaluate` read each hostile file."""
    tallies = []
    place = plan.fresh("hostile weights")
    must(train_arguments(place / "runs", "fp32", 1), place)
    (good,) = (place / "runs").glob("*/seed0/weights.safetensors")
    usual = must(_evaluate(good), place).memory_bytes
    for what, files in (
        ("pickle or torch file", _pickles(place)),
        ("safetensors file", _safetensors(good.read_bytes())),
    ):
        tally = Tally(
            "weights",
            f"hostile or false {what}: {', '.join(files)}",
            "refused in words (exit code 5), nothing run, less than 512 MiB and 20 s of the processor",
        )
        tallies.append(tally)
        with timed(tally):
            for name, content in list(files.items())[:: 16 if plan.is_short else 1]:
                path = place / f"{name}.pth"
                path.write_bytes(content)
                ended = reslab(_evaluate(path), place, before=lambda: _bounded(place)).wait()
                has_run = (place / "canary").exists()
                (place / "canary").unlink(missing_ok=True)
                more = ended.memory_bytes - usual
                tally.note(
                    ended.code == DAMAGED
                    and ended.is_in_words
                    and len(ended.err) < 4000
                    and not has_run
                    and more < MOST_MORE_BYTES,
                    f"{name}: {ended.code}, run {has_run}, {more / 2**20:.0f} MiB more, {ended.err[-400:]!r}",
                )
                path.unlink()
    return tallies


def _evaluate(path: Path) -> list[str]:
    size = ["--dataset", "digits", "--depth", "8", "--preset", "assignment"]
    return ["evaluate", "--weights", str(path), *size, "--device", "cpu", "--json"]


def _bounded(place: Path) -> None:
    bound(8 * 2**30, CPU_SECONDS)
    sys.path.insert(0, str(place))  # where a module lies that a pickle may name
    os.chdir(place)


class _Calls:
    """An object whose pickle calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.parts = function, arguments

    def __reduce_ex__(self, _: Any) -> Any:
        return self.parts


def _pickles(place: Path) -> dict[str, bytes]:
    """Return torch files by the name of what they try; whatever runs makes a file `canary`."""
    canary = str(place / "canary")
    (place / "planted.py").write_text(f"from pathlib import Path\nPath({canary!r}).touch()\n")
    touch = f"touch {canary}"
    python = f"open({canary!r}, 'w')"
    loads = pickle.dumps(_Calls(os.system, touch))
    deep = b"(" * 200_000 + b"t" * 200_000
    doubled = b"]q\x01" + b"".join(b"](h%ch%ceq%c" % (level, level, level + 1) for level in range(1, 40))
    found: dict[str, bytes] = {
        "os.system": _zipped(loads),
        "system-by-stack-global": _zipped(
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(touch)]) + touch.encode() + b"\x85R."
        ),
        "eval": _zipped(pickle.dumps(_Calls(eval, python))),
        "exec": _zipped(pickle.dumps(_Calls(exec, python))),
        "nested-reduce": _zipped(pickle.dumps({"a": [(_Calls(list, (1,)), {"b": _Calls(os.system, touch)})]})),
        "getattr-chain": _zipped(b"cbuiltins\ngetattr\n(cos\npath\nVos\ntR(Vsystem\ntR."),
        "import-of-a-planted-module": _zipped(b"cplanted\nx\n."),
        "dotted-global": _zipped(
            b"\x80\x04\x8c\x05torch\x8c\x13serialization.os.system\x93\x8c"
            + bytes([len(touch)])
            + touch.encode()
            + b"\x85R."
        ),
        "inst": _zipped(b"(V" + touch.encode() + b"\nios\nsystem\n."),
        "obj": _zipped(b"(cos\nsystem\nV" + touch.encode() + b"\no."),
        "newobj-of-popen": _zipped(b"\x80\x02csubprocess\nPopen\n]V" + touch.encode() + b"\na\x85\x81."),
        "build-with-setstate": _zipped(
            b"\x80\x02ccollections\nOrderedDict\n)R}V__setstate__\ncos\nsystem\nsbV" + touch.encode() + b"\nb."
        ),
        "torch.load-again": _zipped(b"\x80\x02ctorch\nload\nV" + canary.encode() + b"\n\x85R."),
        "numpy-object-scalar": _zipped(_numpy_scalar(loads)),
        "extension-registry": _zipped(b"\x80\x02\x82\x01."),
        "bytearray-of-a-terabyte": _zipped(b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."),
        "bytes-longer-than-the-file": _zipped(b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc."),
        "frame-longer-than-the-file": _zipped(b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N."),
        "long-of-a-gigabyte": _zipped(b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"\x01."),
        "memo-at-two-thousand-million": _zipped(b"\x80\x02Nr" + struct.pack("<I", 2**31 - 1) + b"."),
        "doubled-forty-times": _zipped(b"\x80\x04}V" + b"state_dict\n" + doubled + b"s."),
        "nested-two-hundred-thousand-deep": _zipped(b"\x80\x02" + deep + b"."),
        "a-dict-that-holds-itself": _zipped(b"\x80\x02}q\x00Vstate_dict\nh\x00s."),
        "unknown-opcode": _zipped(b"\x80\x02\xff."),
        "protocol-200": _zipped(b"\x80\xc8N."),
        "empty-pickle": _zipped(b""),
        "storage-of-a-strange-class": _zipped(_tensor(storage_class=b"cos\nsystem\n")),
        "storage-longer-than-its-record": _zipped(_tensor(numel=10**12)),
        "storage-without-a-record": _zipped(_tensor(key=b"99")),
        "storage-key-that-climbs": _zipped(_tensor(key=b"../../../etc/passwd")),
        "tensor-larger-than-its-storage": _zipped(_tensor(size=10**11)),
        "tensor-of-stride-0": _zipped(_tensor(size=10**11, stride=0)),
        "tensor-at-a-negative-offset": _zipped(_tensor(offset=-8)),
        "tensor-of-negative-size": _zipped(_tensor(size=-4)),
        "rebuild-by-any-function": _zipped(
            b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncos\nsystem\nV"
            + touch.encode()
            + b"\n\x85}tR."
        ),
        "zip-bomb": _zipped(_tensor(numel=2**29), storage=None),
        "pickle-bomb-in-the-zip": _bomb(),
        "two-pickles-of-one-name": _zipped(b"\x80\x02}.", extra=[("archive/data.pkl", loads)]),
        "a-zip-in-a-zip": _zipped(_zipped(loads)),
        "names-that-climb": _zipped(loads, folder="../../archive"),
        "bare-pickle": loads,
        "old-torch-file": _old_torch(loads),
        "old-tar-file": _tar(loads, place),
        "torchscript": _zipped(
            loads, extra=[("archive/constants.pkl", loads), ("archive/code/__torch__.py", python.encode())]
        ),
        "truncated-zip": _zipped(_tensor())[:-40],
        "empty-file": b"",
        "html": b"<!DOCTYPE html><html><body>log in</body></html>",
        "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1000\n",
        "random-bytes": bytes((17 * place * place + 3) % 251 for place in range(5000)),
    }
    return found


def _zipped(
    content: bytes,
    *,
    folder: str = "archive",
    storage: bytes | None = bytes(16),
    extra: list[tuple[str, bytes]] | None = None,
) -> bytes:
    """Return a torch file of today's format; a storage of None is a bomb."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/{DATA}", content)
        archive.writestr(f"{folder}/byteorder", b"little")
        _store(archive, f"{folder}/data/0", storage)
        for name, more in extra or []:
            archive.writestr(zipfile.ZipInfo(name), more)
        archive.writestr(f"{folder}/version", b"3\n")
    return file.getvalue()


def _store(archive: zipfile.ZipFile, name: str, content: bytes | None) -> None:
    """Write a member; None is 2 GiB of zeros, which pack into 2 MiB."""
    if content is not None:
        archive.writestr(name, content)
        return
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as packed:
        for _ in range(2048):
            packed.write(bytes(2**20))


def _bomb() -> bytes:
    """Return a torch file whose pickle unpacks to 2 GiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        _store(archive, f"archive/{DATA}", None)
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


def _tensor(
    *,
    key: bytes = b"0",
    numel: int = 4,
    size: int = 4,
    stride: int = 1,
    offset: int = 0,
    storage_class: bytes = b"ctorch\nFloatStorage\n",
) -> bytes:
    """Return the pickle of {"conv1.weight": a tensor} as torch writes it, with the numbers given."""
    persistent = b"(Vstorage\n" + storage_class + b"V" + key + b"\nVcpu\n" + _int(numel) + b"tQ"
    shape = b"(" + _int(size) + b"t(" + _int(stride) + b"t"
    rebuild = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + persistent
        + _int(offset)
        + shape
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    return b"\x80\x02}Vconv1.weight\n" + rebuild + b"s."


def _int(number: int) -> bytes:
    return b"I%d\n" % number


def _numpy_scalar(content: bytes) -> bytes:
    dtype = b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR(I3\nV|\nNNNI-1\nI-1\nI63\ntb"
    return (
        b"\x80\x03cnumpy.core.multiarray\nscalar\n(" + dtype + b"B" + struct.pack("<I", len(content)) + content + b"tR."
    )


def _old_torch(content: bytes) -> bytes:
    """Return a torch file of before version 1.6: pickles one after the other."""
    head = [
        pickle.dumps(one, 2)
        for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "protocol_version": 1001, "type_sizes": {}})
    ]
    return b"".join(head) + content


def _tar(content: bytes, place: Path) -> bytes:
    """Return a torch file of the oldest format, whose members are unpacked when it is read."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("../canary")
        link.type, link.linkname = tarfile.SYMTYPE, str(place)
        archive.addfile(link)
    return file.getvalue()


def _safetensors(good: bytes) -> dict[str, bytes]:
    """Return safetensors files by what is false about them."""
    length = struct.unpack("<Q", good[:8])[0]
    header, data = json.loads(good[8 : 8 + length]), good[8 + length :]
    first, second = [name for name, entry in header.items() if len(entry.get("shape", ())) == 4][:2]

    def changed(**entry: Any) -> bytes:
        return _with_header({**header, first: {**header[first], **entry}}, data)

    return {
        "header-longer-than-the-file": struct.pack("<Q", len(good) * 2) + good[8:],
        "header-of-2-to-the-63": struct.pack("<Q", 2**63) + good[8:],
        "header-cut-short": good[: 8 + length // 2],
        "header-no-json": struct.pack("<Q", 20) + b"{" * 20 + data,
        "header-nested-deep": struct.pack("<Q", 400_001) + b'{"a":' + b"[" * 399_996 + data,
        "header-no-utf8": struct.pack("<Q", 12) + b'{"\xff\xfe":{}}   '[:12] + data,
        "header-a-list": struct.pack("<Q", 4) + b"[1]{" + data,
        "offsets-beyond-the-end": changed(data_offsets=[0, len(data) + 10**9]),
        "offsets-negative": changed(data_offsets=[-8, 8]),
        "offsets-backwards": changed(data_offsets=[64, 0]),
        "offsets-overlapping": changed(data_offsets=header[second]["data_offsets"]),
        "offsets-too-large-for-64-bits": changed(data_offsets=[0, 2**70]),
        "offsets-with-a-hole": _with_header(header, data + bytes(64)),
        "shape-too-large": changed(shape=[2**40, 2**40]),
        "shape-negative": changed(shape=[-1, 3]),
        "shape-other-than-its-bytes": changed(shape=[3, 5, 7]),
        "dtype-unknown": changed(dtype="F12"),
        "dtype-other-than-its-bytes": changed(dtype="F64"),
        "entry-missing": _with_header({name: entry for name, entry in header.items() if name != first}, data),
        "no-tensors": struct.pack("<Q", 2) + b"{}",
        "data-cut-short": good[:-100],
    }


def _with_header(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {"weights": refused}
