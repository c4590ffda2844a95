"""The words in which something from a share is refused."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reslab.errors import DamagedError, FullDiskError, ShareError
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.vetting import (
    INCOMING,
    RECORD_BYTES,
    RefusedError,
    entries,
    fetch_files,
    incoming,
    vetting,
)


def test_only_the_folder_is_cut_out_of_the_words(tmp_path: Path) -> None:
    folder = tmp_path / "kit" / "digits"
    with pytest.raises(RefusedError) as refused, vetting(folder):
        raise DamagedError(f"{folder}/network/kit/net.py is unlike git/x, and {folder} is damaged; remove {folder}")
    assert str(refused.value) == "network/kit/net.py is unlike git/x, and it is damaged"


@pytest.mark.parametrize(
    "error", [TypeError("'int' object is not iterable"), KeyError("epoch"), OverflowError("large")]
)
def test_python_s_own_words_go_to_nobody(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(RefusedError, match=r"^its files are not those of a run$"), vetting(tmp_path):
        raise error


def test_a_share_that_does_not_answer_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="gone"), vetting(tmp_path):
        raise ShareError("gone")


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("run.json", {"bytes": 1, "sha256": "0" * 64}, ""),
        ("../run.json", {"bytes": 1, "sha256": "0" * 64}, "which is not a file of a run"),
        ("run.json", {"bytes": -1, "sha256": "0" * 64}, "has -1 bytes"),
        ("run.json", {"bytes": RECORD_BYTES + 1, "sha256": "0" * 64}, "but at most"),
        ("run.json", {"bytes": True, "sha256": "0" * 64}, "has True bytes"),
        ("run.json", {"bytes": 1, "sha256": "0" * 63}, "for the SHA-256 of run.json"),
        ("run.json", {"bytes": 1, "sha256": f"{'0' * 64}/../run"}, "for the SHA-256 of run.json"),
        ("run.json", {"bytes": 1}, "is not valid"),
    ],
)
def test_a_manifest_lists_only_files_of_a_run_with_lengths_and_sums(
    name: str, entry: dict[str, object], message: str
) -> None:
    values = {"files": {name: entry}}
    if not message:
        assert entries(values) == values["files"]
        return
    with pytest.raises(DamagedError, match=message):
        entries(values)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_no_fault_of_the_share(tmp_path: Path) -> None:
    share, runs = tmp_path / "share", tmp_path / "runs"
    share.mkdir()
    (share / "run.json").write_bytes(b"1234")
    listed = {"run.json": {"bytes": 4, "sha256": "0" * 64}}

    def pull() -> None:
        with incoming(runs, "a/seed0") as fetched, vetting(fetched.path):
            (fetched.path / "run.json").symlink_to("/dev/full")
            fetch_files(Folder(share), listed, fetched.path, lambda file, _: file)

    with pytest.raises(
        FullDiskError, match=f"^cannot write to {runs}: No space left on device; make room, or .*--runs$"
    ):
        pull()
    assert [*runs.iterdir()] == []
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(FullDiskError, match="/dev/full: No space"):
        Folder(share).fetch("run.json", full, 4)


def test_folders_for_what_comes_in_are_made_and_removed_side_by_side(tmp_path: Path) -> None:
    def bring(number: int) -> None:
        for _ in range(40):
            with incoming(tmp_path, f"a-{number:08x}/seed0") as files:
                assert files.path.is_dir()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bring, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_had_fetched_is_removed_and_what_another_has_stays(tmp_path: Path) -> None:
    left = tmp_path / INCOMING / "tmpkilled"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    os.utime(left / ".lock", (0, 0))
    (left / "weights.safetensors").write_bytes(b"x" * 100)
    with incoming(tmp_path, "a-00000000/seed0") as first, incoming(tmp_path, "a-00000000/seed0") as second:
        assert not left.exists()
        assert first.path.is_dir()
        assert second.path.is_dir()
