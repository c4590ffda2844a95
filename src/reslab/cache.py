"""The cache of what can be remade (compiled kernels, measured speeds, images), even for a user without a home."""

import contextlib
import getpass
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from reslab.errors import ResLabError

_PROBE_BYTES = 2**20
"""Room that a folder must have to count as writable: more than the compiled kernels take."""

_SETTLED = "RESLAB_TEMPORARY_HOME"
"""Environment variable that tells child processes that their home is not the user's."""


def cached(*parts: str) -> Path:
    """Return where a file of the cache is or can be created: below the home's cache, else a temporary folder.

    Raises `ResLabError` if it does not exist and neither folder is writable.
    """
    with contextlib.suppress(PermissionError):
        if (at_home := home_cache().joinpath(*parts)).exists():
            return at_home
    return user_cache().joinpath(*parts)


def user_cache() -> Path:
    """Return the cache folder that is writable; raise `ResLabError` if there is none."""
    return temporary_folder() if why_unwritable(home_cache()) else home_cache()


def home_cache() -> Path:
    """Return the user's own cache folder, writable or not."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / "reslab"  # noqa: PTH111 (raises nothing)


def remark() -> str | None:
    """Say where the cache is kept if it may be lost there, and why; None if the home's cache is used."""
    problem = why_unwritable(home_cache())
    try:
        if problem:
            return f"{home_cache()} {problem}; the cache is kept in {temporary_folder()}"
        if "HOME" in os.environ and os.environ["HOME"] == os.environ.get(_SETTLED):
            return f"there is no home folder; the cache is kept in {home_cache()}"
    except ResLabError as error:
        return str(error)
    return None


def temporary_folder() -> Path:
    """Return this user's folder in the system's temporary one: the same for all processes, closed to other users.

    Raises `ResLabError` if no temporary folder is writable.
    """
    try:
        return _temporary(tempfile.gettempdir())
    except OSError:
        raise ResLabError(
            f"neither {home_cache()} nor a temporary folder can be written; set XDG_CACHE_HOME or TMPDIR to a folder "
            "that you can write to, with a few MB free"
        ) from None


def why_unwritable(folder: Path) -> str | None:
    """Say why a folder, created if need be, is not writable; None if it is."""
    return _tried(folder, os.geteuid())


def settle_home() -> None:
    """Provide what libraries assume for this process and its children: a home, a user name, a writable cache.

    Raises `ResLabError` as `temporary_folder` does.
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
    """Return a folder into which no other user can have put anything, since libraries are loaded from it."""
    folder = Path(base) / f"reslab-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="reslab-", dir=base))
    if problem := why_unwritable(folder):
        raise OSError(problem)
    return folder
