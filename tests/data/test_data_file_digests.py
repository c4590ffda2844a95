"""What is remembered of files that were read: while they stay as they are, and no longer."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from reslab.data import file_digests
from reslab.data.file_digests import digests, key_of
from reslab.errors import DataError, ResLabError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "SETTLED_SECONDS", -3600.0)  # files that were just written count as settled
    return tmp_path / "cache" / "reslab" / "images"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "set" / f"{number}.png" for number in range(5)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


def ask(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], list[str]]:
    """Return the digests and the names of the files that were read for them."""
    read: list[str] = []
    true = file_digests._digest

    def watched(path: Path) -> bytes:
        read.append(path.name)
        return true(path)

    with monkeypatch.context() as patch:
        patch.setattr(file_digests, "_digest", watched)
        found = digests(files[0].parent, files, [key_of(path.stat()) for path in files])
    return found, sorted(read)


def expected(files: list[Path]) -> list[bytes]:
    return [hashlib.sha256(path.read_bytes()).digest() for path in files]


def test_a_file_is_read_once_and_again_when_it_changed(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(files, monkeypatch) == (expected(files), [path.name for path in files])
    assert ask(files, monkeypatch) == (expected(files), [])
    before = files[2].stat()
    files[2].write_bytes(b"x" * 100)  # as long as before, and as old for who looks at mtime alone
    os.utime(files[2], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files[2].stat().st_mtime_ns == before.st_mtime_ns
    assert ask(files, monkeypatch) == (expected(files), ["2.png"])


def test_a_file_in_anothers_place_is_read(files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(files, monkeypatch)
    other = files[0].with_name("other")
    other.write_bytes(b"y" * 100)
    os.utime(other, ns=(files[3].stat().st_atime_ns, files[3].stat().st_mtime_ns))
    other.replace(files[3])
    assert ask(files, monkeypatch) == (expected(files), ["3.png"])


def test_a_file_written_just_now_is_read_again(files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a file system may be too coarse to tell a second change from the first."""
    monkeypatch.setattr(file_digests, "SETTLED_SECONDS", 3600.0)
    ask(files, monkeypatch)
    assert ask(files, monkeypatch)[1] == [path.name for path in files]
    assert not cache.exists()


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: bytes([raw[0] ^ 1]) + raw[1:], lambda raw: b""])
def test_a_damaged_memory_is_none(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch, damage: "object"
) -> None:
    ask(files, monkeypatch)
    (store,) = cache.iterdir()
    assert callable(damage)
    store.write_bytes(damage(store.read_bytes()))
    assert ask(files, monkeypatch) == (expected(files), [path.name for path in files])


def test_what_was_read_before_an_interruption_is_kept(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "CHUNK", 2)
    keys = [key_of(path.stat()) for path in files]

    def stop(done: int, total: int) -> None:
        assert total == 5
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        digests(files[0].parent, files, keys, stop)
    assert ask(files, monkeypatch)[1] == ["4.png"]


def test_without_a_cache_all_is_read_each_time(files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*parts: str) -> Path:
        raise ResLabError("no folder can be written")

    monkeypatch.setattr(file_digests, "cached", nowhere)
    for _ in range(2):
        assert ask(files, monkeypatch) == (expected(files), [path.name for path in files])
    monkeypatch.setattr(file_digests, "cached", lambda *parts: files[0] / "below a file")
    for _ in range(2):
        assert ask(files, monkeypatch) == (expected(files), [path.name for path in files])


def test_a_file_that_cannot_be_read_is_named(files: list[Path], cache: Path) -> None:
    keys = [key_of(path.stat()) for path in files]
    files[1].unlink()
    with pytest.raises(DataError, match=r"cannot read .*1\.png: No such file"):
        digests(files[0].parent, files, keys)


def test_many_files_are_soon_recalled(tmp_path: Path, cache: Path) -> None:
    """A second look at many files costs a look at each, and reads none: here without the files."""
    paths = [tmp_path / "set" / str(number) for number in range(20_000)]
    keys = [number.to_bytes(32, "little") for number in range(20_000)]
    store = cache / hashlib.sha256(os.fsencode(tmp_path / "set")).hexdigest()[:16]
    store.parent.mkdir(parents=True)
    file_digests._remember(store, dict(zip(keys, keys, strict=True)))
    begun = time.perf_counter()
    assert digests(tmp_path / "set", paths, keys) == keys
    assert time.perf_counter() - begun < 5
