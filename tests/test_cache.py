"""Where things are kept for a user without a home, without an entry, with a cache that cannot be written."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import pytest

from reslab import cache
from reslab.cache import cached, home_cache, remark, settle_home, temporary_folder, user_cache
from reslab.errors import ResLabError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start with a home and a temporary folder of its own, and forget what was found; return their folder."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "USER", "LOGNAME", cache._SETTLED):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    cache._tried.cache_clear()
    cache._temporary.cache_clear()
    yield tmp_path
    cache._tried.cache_clear()
    cache._temporary.cache_clear()


def no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user have no entry in the system's list."""

    def missing(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", missing)


def test_the_home_s_cache_is_used_where_it_can_be(machine: Path) -> None:
    settle_home()
    assert user_cache() == home_cache() == machine / "home" / ".cache" / "reslab"
    assert remark() is None
    assert os.environ["HOME"] == str(machine / "home")


def test_without_a_home_and_an_entry_libraries_find_both(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass

    for home in (None, str(machine / "nothing")):
        monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
        no_entry(monkeypatch)
        settle_home()
        assert Path.home() == temporary_folder()
        assert user_cache().is_relative_to(temporary_folder())
        assert getpass.getuser() == f"user{os.getuid()}"
        assert str(remark()).startswith("there is no home folder; the cache is kept in ")


def test_what_cannot_be_written_is_replaced_with_a_remark(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine / "file"))
    assert user_cache() == temporary_folder()
    assert remark() == (
        f"{machine}/file/reslab cannot be written (Not a directory); the cache is kept in {temporary_folder()}"
    )


def test_a_full_disk_takes_no_cache(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, full = tempfile.TemporaryFile, {home_cache()}

    def write(dir: Path) -> IO[bytes]:
        if dir in full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", write)
    assert user_cache() == temporary_folder()
    assert "(No space left on device); the cache is kept in" in str(remark())
    full.add(temporary_folder())
    cache._tried.cache_clear()
    cache._temporary.cache_clear()
    with pytest.raises(ResLabError, match="set XDG_CACHE_HOME or TMPDIR to a folder that you can write to"):
        user_cache()
    assert "neither" in str(remark())


def test_what_a_read_only_cache_holds_is_used(
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: Path,
    read_only: Callable[[Path], AbstractContextManager[None]],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(open_folder))
    there = open_folder / "reslab" / "kernels" / "key.so"
    there.parent.mkdir(parents=True)
    there.write_text("")
    (machine / "tmp").chmod(0o777)
    for folder in (machine, *machine.parents):  # pytest closes its own to others
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    with read_only(open_folder):
        assert cached("kernels", "key.so") == there
        assert f"{open_folder}/reslab cannot be written (Permission denied)" in str(remark())
        assert cached("kernels", "other.so") == temporary_folder() / "kernels" / "other.so"


def test_a_temporary_folder_is_closed_to_others_and_never_theirs(machine: Path) -> None:
    folder = machine / "tmp" / f"reslab-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)  # anyone may have put a library there
    assert temporary_folder() != folder
    assert temporary_folder().stat().st_mode & 0o077 == 0
    cache._temporary.cache_clear()
    folder.rmdir()
    folder.symlink_to(machine / "home")
    assert temporary_folder() not in (folder, machine / "home")
    cache._temporary.cache_clear()
    folder.unlink()
    assert temporary_folder() == folder
    assert folder.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_the_message_says_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(machine / "tmp" / "missing"))
    monkeypatch.setenv("HOME", str(machine / "nothing"))
    with pytest.raises(ResLabError, match="set XDG_CACHE_HOME or TMPDIR to a folder that you can write to"):
        settle_home()


def test_verbs_work_without_a_home_and_an_entry(tmp_path: Path) -> None:
    """Libraries, too, want both when they are imported; so the whole process is tried."""
    script = (
        "import pwd, sys\n"
        "def missing(user): raise KeyError('getpwuid(): uid not found')\n"
        "pwd.getpwuid = missing\n"
        "from reslab.cli import main\n"
        "sys.exit(max(main(verb.split()) for verb in sys.argv[1:]))\n"
    )
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script, "presets", "data list", "status", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**environment, "TMPDIR": str(tmp_path), "RESLAB_KERNELS": "0"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Cache: there is no home folder" in done.stdout
