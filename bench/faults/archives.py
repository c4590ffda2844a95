"""Archives that mean harm, given to `reslab data import`: refused in words, within bounds, nothing unpacked."""

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

from plan import DATA, Plan, Tally, bound, must, reslab, timed, train_arguments

MOST_MORE_BYTES = 512 * 2**20
CPU_SECONDS = 30

BATCHES = tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6))


def refused(plan: Plan) -> list[Tally]:
    """Let `reslab data import` read each hostile archive."""
    place = plan.fresh("archives")
    usual = must(train_arguments(place / "runs", "fp32", 1), place).memory_bytes
    files = _archives(place)
    tally = Tally(
        "archives",
        f"hostile archive: {', '.join(files)}",
        "refused in words (exit code 4), nothing run or written, less than 512 MiB and 30 s of the processor",
    )
    with timed(tally):
        for name, content in list(files.items())[:: 6 if plan.is_short else 1]:
            root, path = plan.fresh("archives data"), place / f"{name}.tar.gz"
            path.write_bytes(content())
            before = sorted(place.rglob("*"))
            command = ["data", "import", str(path), "--data-root", str(root), "--force"]
            ended = reslab(command, place, before=lambda: bound(8 * 2**30, CPU_SECONDS)).wait()
            left = [one.name for one in root.rglob("*") if not one.name.endswith(".lock")]
            strange = set(place.rglob("*")) - set(before)
            more = ended.memory_bytes - usual
            tally.note(
                ended.code == DATA and ended.is_in_words and not left and not strange and more < MOST_MORE_BYTES,
                f"{name}: {ended.code}, {left} {strange}, {more / 2**20:.0f} MiB more, {ended.err[-300:]!r}",
            )
            path.unlink()
    return [tally]


class _Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def _archives(place: Path) -> dict[str, Callable[[], bytes]]:
    """Return archives, made when they are wanted, by the name of what they try."""
    canary = place / "canary"
    hostile = pickle.dumps({"data": _Touches(canary), "labels": []}, 2)
    zeros = gzip.compress(bytes(2**24))

    def members(*given: tuple[str, bytes, bytes, str]) -> Callable[[], bytes]:
        def make() -> bytes:
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, kind, content, link in given:
                    member = tarfile.TarInfo(name)
                    member.type, member.linkname, member.size = kind, link, len(content)
                    archive.addfile(member, io.BytesIO(content))
            return file.getvalue()

        return make

    def one(name: str, kind: bytes, content: bytes = b"", link: str = "") -> Callable[[], bytes]:
        return members((name, kind, content, link))

    def bomb(head: bytes, mebibytes: int) -> Callable[[], bytes]:
        """Return what unpacks to a head and so much of zeros."""

        return lambda: gzip.compress(head) + zeros * (mebibytes // 16)

    def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
        member = tarfile.TarInfo(name)
        member.size, member.type = size, kind
        return member.tobuf(tarfile.GNU_FORMAT)

    return {
        "file-of-4-gib": bomb(header(BATCHES[0], 2**32), 4096),
        "unwanted-file-of-64-gib": bomb(header("cifar-10-batches-py/readme.html", 2**36), 4096),
        "zeros-after-the-end": bomb(header("a", 0) + bytes(1024), 4096),
        "name-of-4-gib": bomb(header("././@LongLink", 2**32, tarfile.GNUTYPE_LONGNAME), 4096),
        "pax-header-of-4-gib": bomb(header("pax", 2**32, tarfile.XHDTYPE), 4096),
        "a-million-members": bomb(header("a", 0) * 2**18, 0),
        "symbolic-link": one(BATCHES[0], tarfile.SYMTYPE, link="/etc/passwd"),
        "hard-link": one(BATCHES[0], tarfile.LNKTYPE, link="../../../etc/passwd"),
        "character-device": one(BATCHES[0], tarfile.CHRTYPE),
        "block-device": one(BATCHES[0], tarfile.BLKTYPE),
        "pipe": one(BATCHES[0], tarfile.FIFOTYPE),
        "sparse-file": one(BATCHES[0], tarfile.GNUTYPE_SPARSE),
        "climbing-name": one("cifar-10-batches-py/../../data_batch_1", tarfile.REGTYPE, hostile),
        "absolute-name": one(str(canary), tarfile.REGTYPE, hostile),
        "backslashes": one("..\\..\\data_batch_1", tarfile.REGTYPE, hostile),
        "one-file-twice": members(*[(BATCHES[0], tarfile.REGTYPE, b"\x80\x02}.", "")] * 2),
        "pickle-that-calls": members(*[(name, tarfile.REGTYPE, hostile, "") for name in BATCHES]),
        "pickle-longer-than-itself": one(
            BATCHES[0], tarfile.REGTYPE, b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f" + b"abc."
        ),
        "pickle-nested-deep": one(BATCHES[0], tarfile.REGTYPE, b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b"."),
        "pickle-memo-far-away": one(BATCHES[0], tarfile.REGTYPE, b"\x80\x02Nr\xff\xff\xff\x7f."),
        "truncated": lambda: members(*[(name, tarfile.REGTYPE, bytes(99_999), "") for name in BATCHES])()[:200],
        "no-archive": lambda: b"<html>log in</html>",
        "empty": lambda: b"",
    }


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {"archives": refused}
