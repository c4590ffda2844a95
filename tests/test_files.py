"""Files: whole or not at all, and JSON refused in words."""

import errno
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reslab.errors import DamagedError, ResLabError, UnreadableError
from reslab.files import (
    file_sha256,
    moved,
    new_folder,
    odd_kind,
    read_json,
    read_toml,
    signed,
    sync_folder,
    unwritten,
    write_json,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_whole(path, b"first")
    write_whole(path, b"second, longer")
    assert path.read_bytes() == b"second, longer"
    assert names(tmp_path) == ["file.bin"]


def test_threads_can_write_the_same_file_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, path = threading.Barrier(2), tmp_path / "run.json"
    monkeypatch.setattr(os, "fsync", lambda _: both.wait(10))  # each has written its own, and neither has its name
    monkeypatch.setattr("reslab.files.sync_folder", lambda _: None)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda content: write_whole(path, content), (b"one", b"two")))
    assert path.read_bytes() in (b"one", b"two")
    assert names(tmp_path) == ["run.json"]


def test_each_of_many_at_once_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_folder(tmp_path / "a" / "b", "x-"), range(32)))
    assert len(set(made)) == len(list((tmp_path / "a" / "b").glob("x-*"))) == 32


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"a": 2})
    monkeypatch.undo()
    assert read_json(path) == {"a": 1}
    assert names(tmp_path) == ["file.json"]


def test_the_content_is_on_the_disk_before_the_name_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        calls.append("sync")
        fsync(handle)

    def note_replace(self: Path, target: Path) -> Path:
        calls.append("rename")
        assert self.read_bytes() == b"content"
        assert not target.exists()
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_whole(path, b"content")
    assert calls == ["sync", "rename", "sync"]


def test_a_folder_is_moved_unless_there_is_one_of_that_name(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert not moved(tmp_path / "first", tmp_path / "second")
    assert [(tmp_path / name / "file").read_text() for name in ("first", "second")] == ["first", "second"]
    assert moved(tmp_path / "first", tmp_path / "third")
    assert names(tmp_path) == ["second", "third"]
    with pytest.raises(FileNotFoundError):
        moved(tmp_path / "first", tmp_path / "fourth")


def test_a_number_that_is_not_finite_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert names(tmp_path) == []


def test_json_goes_there_and_back(tmp_path: Path) -> None:
    content = {"ä": [1, 0.1, None, True], "nested": {"x": "y"}}
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json") == content
    assert (tmp_path / "file.json").read_bytes().endswith(b"}\n")
    assert json.loads((tmp_path / "file.json").read_bytes()) == content


def test_no_file_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "missing.json") is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b'{"a":\n 1', "line 2 is not JSON"),
        (b"[1]", "it should hold a JSON object"),
        (b"7", "it should hold a JSON object"),
        (b"\xff\xfe{}", "it is not UTF-8"),
    ],
)
def test_damaged_json_is_refused_by_name(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ResLabError, match=rf"run\.json is damaged: {why}$") as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path) -> None:
    sync_folder(tmp_path / "missing")
    sync_folder(tmp_path)


def test_a_file_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file.json").mkdir()
    with pytest.raises(
        UnreadableError, match=r"file\.json cannot be read: it is a folder where a file should be; move it away"
    ):
        read_json(tmp_path / "file.json")


def test_a_signed_object_is_checked_when_it_is_read(tmp_path: Path) -> None:
    path, content = tmp_path / "file.json", {"ä": [1, 0.1, None], "nested": {"x": 1e-5}}
    write_json(path, signed(content))
    assert read_json(path) == read_json(path, must_be_signed=True) == content
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(DamagedError, match=r"file\.json is damaged: it is not what was written"):
        read_json(path)
    write_json(path, content)
    assert read_json(path) == content  # of an older version
    with pytest.raises(DamagedError, match="not what was written"):
        read_json(path, must_be_signed=True)


def test_the_sum_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    assert file_sha256(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room, or choose another folder with --out"),
        (errno.EACCES, "choose another folder with --out, or make this one writable"),
        (errno.EEXIST, "there is a file where a folder is needed; choose another folder with --out"),
        (errno.EIO, "Input/output error; choose another folder with --out"),
    ],
)
def test_what_cannot_be_written_is_told_with_what_helps(number: int, remedy: str) -> None:
    assert unwritten(OSError(number, os.strerror(number)), "--out").endswith(remedy)


def test_a_toml_key_that_is_there_twice_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("depth = 8\ndepth = 14\n")
    with pytest.raises(ResLabError, match=r"study\.toml is not TOML: a key occurs twice \(at line 2"):
        read_toml(tmp_path / "study.toml")


def test_what_is_no_ordinary_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("gone.pth")
    (tmp_path / "round").symlink_to("round")
    found = {name: odd_kind(tmp_path / name) for name in ("file", "absent", "fifo", "link", "round", ".")}
    assert found == {
        "file": "",
        "absent": "",
        "fifo": "a FIFO",
        "link": "a link to gone.pth, which does not exist",
        "round": "a link that leads back to itself",
        ".": "a folder",
    }
    assert odd_kind(Path("/dev/null")) == "a device"
