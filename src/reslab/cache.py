"""Where what can be made again is kept, also for a user without a home: compiled kernels, measured speeds, images."""

import contextlib
import getpass
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from reslab.errors import ResLabError

_PROBE_BYTES = 2**20
"""What a folder must have room for to be written to: more than the compiled kernels are."""

_SETTLED = "RESLAB_TEMPORARY_HOME"
"""Variable that tells the processes which this one starts that their home is not the user's."""


def cached(*parts: str) -> Path:
    """Return where a file of the cache is, or where it may be made: below the home's cache, else a temporary folder.

    Raises `ResLabError` where it is not there and neither folder can be written.
    """
    with contextlib.suppress(PermissionError):
        if (at_home := home_cache().joinpath(*parts)).exists():
            return at_home
    return user_cache().joinpath(*parts)


def user_cache() -> Path:
    """Return the folder of the cache that can be written; raises `ResLabError` where there is none."""
    return temporary_folder() if why_unwritable(home_cache()) else home_cache()


def home_cache() -> Path:
    """Return the user's own folder of the cache, whether it can be written or not."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / "reslab"  # noqa: PTH111 (raises nothing)


def remark() -> str | None:
    """Say what is kept where it may be lost, and why; None where the home's cache is used."""
    problem = why_unwritable(home_cache())
    try:
        if problem:
            return f"{home_cache()} {problem}; what can be made again is kept in {temporary_folder()}"
        if "HOME" in os.environ and os.environ["HOME"] == os.environ.get(_SETTLED):
            return f"there is no home folder; what can be made again is kept in {home_cache()}"
    except ResLabError as error:
        return str(error)
    return None


def temporary_folder() -> Path:
    """Return this user's folder below the system's temporary one, the same for all processes, closed to others.

    Raises `ResLabError` where there is no temporary folder that can be written.
    """
    try:
        return _temporary(tempfile.gettempdir())
    except OSError:
        raise ResLabError(
            f"neither {home_cache()} nor a temporary folder can be written; set XDG_CACHE_HOME or TMPDIR to a folder "
            "that you may write, with some MB free"
        ) from None


def why_unwritable(folder: Path) -> str | None:
    """Say why a folder, which is made if need be, takes no files; None where it does."""
    return _tried(folder, os.geteuid())


def settle_home() -> None:
    """Provide what libraries assume: a home, a user name, a cache that can be written.

    For this process and those that it starts.  Raises `ResLabError` as `temporary_folder` does.
    """
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    if not home.is_absolute() or not home.is_dir():
        os.environ["HOME"] = os.environ[_SETTLED] = str(temporary_folder())
    elif not os.access(home, os.W_OK | os.X_OK) and "TRITON_CACHE_DIR" not in os.environ:
        with contextlib.suppress(ResLabError):
            os.environ["TRITON_CACHE_DIR"] = str(temporary_folder() / "triton")
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = f"user{os.getuid()}"


@cache
def _tried(folder: Path, _user: int) -> str | None:
    if str(folder).startswith("~"):
        return "cannot be found without a home"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"
    return None


@cache
def _temporary(base: str) -> Path:
    """Return a folder that no other user can have put anything into: libraries are loaded from it."""
    folder = Path(base) / f"reslab-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="reslab-", dir=base))
    if problem := why_unwritable(folder):
        raise OSError(problem)
    return folder
