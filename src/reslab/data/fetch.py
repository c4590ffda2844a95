"""Get the archives: download them from mirrors, import them from a local path, list what is there."""

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from reslab.data.cifar import LAYOUTS, Layout, read_cifar
from reslab.data.images import Dataset
from reslab.data.places import cifar_in, keeping_place
from reslab.data.sources import check_name, find, load
from reslab.datasets import Archive, known, named
from reslab.errors import DataError, LockedError, ResLabError

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int], None]
"""Called repeatedly with the bytes received so far and the total."""


PATIENCE_SECONDS = 60.0
"""Time in which a mirror must send a piece of the archive; a slower one is abandoned for the next."""

_PIECE_BYTES = 2**14


@dataclass(frozen=True, slots=True)
class Imported:
    """What `import_path` did: the images it found, where they are kept, and whether they are the official ones.

    `was_there` says that the same images were already there and nothing was copied.
    """

    name: str
    path: Path
    official: bool
    was_there: bool


@dataclass(frozen=True, slots=True)
class Available:
    """A data set as `reslab data list` shows it.

    `path` is None for the digits, which need no file, and if nothing was found.  `official` is None if nothing was
    found or it cannot be read; in the latter case `problem` says why.  In both cases the numbers are the official ones.
    """

    name: str
    num_train: int
    num_test: int
    num_classes: int
    path: Path | None
    official: bool | None
    problem: str | None


def fetch(
    name: str,
    data_root: Path | None = None,
    *,
    mirrors: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Callable[[str], object] | None = None,
    archive: Archive | None = None,
) -> Path:
    """Download a data set's archive into the data root, unless it is there, and return its path.

    Base URLs are tried in order: `mirrors`, those in RESLAB_MIRRORS (separated by commas), and the archive's own;
    `notice` is called with the reason if one fails.  An interrupted download is resumed, from the next mirror or at
    the next call.  The archive appears whole or not at all, and only with the right SHA-256.  Raises `DataError` if no
    mirror delivers it, and `LockedError` while another process downloads to the same place.  `archive` replaces the
    data set's own.
    """
    check_name(name)
    download = archive or known(name).archive
    if download is None:
        raise DataError(f"{name} comes with ResLab's own dependencies: there is nothing to fetch")
    extra = [mirror.strip() for mirror in os.environ.get("RESLAB_MIRRORS", "").split(",")]
    bases = dict.fromkeys([*mirrors, *(mirror for mirror in extra if mirror), *download.mirrors])
    with _data_root(data_root) as root:
        path = root / download.file
        if path.is_file() and _has_hash(path, download):
            return path
        failures = []
        for base in bases:
            url = f"{base.rstrip('/')}/{download.file}"
            failure = _try_mirror(url, path, download, progress)
            if failure is None:
                return path
            failures.append(f"{url}: {failure}")
            if notice is not None:
                notice(failures[-1])
    raise DataError(
        f"no mirror delivered {download.file}.  Name another in RESLAB_MIRRORS (base URLs, separated by commas), "
        f"or get the file some other way and use `reslab data import PATH`.  Tried:\n  " + "\n  ".join(failures)
    )


def import_path(path: Path, data_root: Path | None = None, *, allow_unofficial: bool = False) -> Imported:
    """Check an archive or an unpacked folder by reading it whole, then copy it into the data root.

    It may be any of CIFAR's official versions under any name; the copy gets the official name.  The copy appears whole
    or not at all, and never replaces other images.  Raises `DataError` if the path cannot be read, the images are not
    the official ones (unless `allow_unofficial`), or others are already there.
    """
    _check_not_around(path)
    layout, datasets = read_cifar(path)
    official = all(dataset.official for dataset in datasets.values())
    if not official and not allow_unofficial:
        first = datasets[layout.images]
        raise DataError(
            f"{path} can be read as {layout.images} ({len(first.train):,} training and {len(first.test):,} test "
            "images), but these are not the official images and labels.  To keep them anyway: --force"
        )
    with _data_root(data_root) as root:
        target = root / (layout.folder if path.is_dir() else layout.archive)
        was_there = target.exists()
        if was_there:
            _check_same(target, layout, datasets)
        else:
            _copy(path, target, layout)
    return Imported(layout.images, target, official, was_there)


def available(data_root: Path | None = None) -> list[Available]:
    """Return what there is of each data set; each is read whole, which takes a few seconds."""
    return [_look(name, data_root) for name in named()]


def _look(name: str, data_root: Path | None) -> Available:
    path = find(name, data_root)
    size = known(name).size
    assert size is not None
    nothing = (name, size.num_train, size.num_test, size.num_classes, path, None)
    if path is None and known(name).finder is not None:
        return Available(*nothing, problem=None)
    try:
        dataset = load(name, data_root)
    except DataError as error:
        return Available(*nothing, problem=str(error))
    counts = (len(dataset.train), len(dataset.test), dataset.num_classes)
    return Available(name, *counts, path, dataset.official, problem=None)


@contextmanager
def _data_root(data_root: Path | None) -> Iterator[Path]:
    """Create and lock the folder that data is kept in, and turn its OS errors into ours."""
    root = keeping_place(data_root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".reslab-data.lock", timeout=0):
            yield root
    except Timeout as error:
        raise LockedError(f"another reslab is fetching or importing data into {root}; try again later") from error
    except ResLabError:
        raise
    except OSError as error:
        raise DataError(f"cannot keep data in {root}: {error}") from error


def _check_not_around(path: Path) -> None:
    """Raise `DataError` for a folder that merely contains something that can be imported."""
    inside = dict.fromkeys(cifar_in(path, layout.images) for layout in LAYOUTS)
    held = [place for place in inside if place is not None and place != path]
    if held and path not in inside:
        raise DataError(
            f"{path} is a folder that contains data to import; name that: "
            + " or ".join(f"reslab data import {shlex.quote(str(place))}" for place in held)
        )


def _try_mirror(url: str, path: Path, download: Archive, progress: Progress | None) -> str | None:
    """Download from one mirror to the path; return None, or why it failed."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # the caller shows progress
    part = path.with_name(f".{path.name}.part")
    resumed = part.is_file()

    def deliver(url: str, output: str, _pooch: object) -> None:
        _download_part(url, part, download.num_bytes, progress)
        part.replace(output)

    try:
        pooch.retrieve(url, f"sha256:{download.sha256}", path.name, path.parent, downloader=deliver)
    except requests.RequestException as error:
        return _in_words(error)
    except ValueError:  # raised by pooch for a wrong hash; it has removed the file
        if resumed:  # the resumed part, now removed, may be to blame: try once more from the start
            return _try_mirror(url, path, download, progress)
        return "the file has a wrong SHA-256, so it is not the official archive: refused and removed"
    return None


def _in_words(error: OSError) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    wrong = (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema, requests.exceptions.InvalidURL)
    if isinstance(error, wrong):
        return "the address of a mirror must begin with http:// or https://"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "the server cannot be reached or stopped responding"
    return str(error)


def _download_part(url: str, part: Path, num_bytes: int, progress: Progress | None) -> None:
    """Complete the part file from the URL, resuming at its end if the server supports that.

    A broken connection leaves what has arrived for the next mirror; a file of another length is refused at the start.
    """
    import requests

    done = part.stat().st_size if part.is_file() else 0
    if done >= num_bytes:  # complete, or wrong: the hash decides
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
        response.raise_for_status()
        is_rest = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        if response.status_code != 206 or not is_rest:
            done = 0
        length = response.headers.get("Content-Length")
        if length is not None and done + int(length) != num_bytes:
            raise requests.RequestException(f"has {done + int(length):,} bytes instead of {num_bytes:,}: refused")
        with part.open("ab" if done else "wb") as file:
            for chunk in _pieces(response):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, num_bytes)
                if done > num_bytes:
                    break


def _pieces(response: "requests.Response") -> Iterator[bytes]:
    """Yield the response in pieces of one length; the last may be shorter."""
    import requests
    import urllib3

    piece, begun = b"", time.monotonic()
    try:
        while got := response.raw.read1(_PIECE_BYTES - len(piece)):
            piece += got
            if len(piece) == _PIECE_BYTES:
                yield piece
                piece, begun = b"", time.monotonic()
            elif time.monotonic() - begun > PATIENCE_SECONDS:
                raise requests.RequestException(f"sends too slowly: {len(piece):,} bytes in {PATIENCE_SECONDS:.0f} s")
    except urllib3.exceptions.TimeoutError as error:
        raise requests.Timeout(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    if piece:
        yield piece


def _has_hash(path: Path, download: Archive) -> bool:
    import pooch

    return bool(pooch.file_hash(str(path), alg="sha256") == download.sha256)


def _check_same(target: Path, layout: Layout, datasets: dict[str, Dataset]) -> None:
    try:
        _, there = read_cifar(target, layout.images)
    except DataError as error:
        raise DataError(f"{target} exists already and cannot be read; move it away first ({error})") from error
    if any(there[name].fingerprint != dataset.fingerprint for name, dataset in datasets.items()):
        raise DataError(f"{target} exists already and holds other images; move it away first")


def _copy(path: Path, target: Path, layout: Layout) -> None:
    unfinished = target.with_name(f".{target.name}.importing")
    if unfinished.is_dir():
        shutil.rmtree(unfinished)
    try:
        if path.is_dir():
            unfinished.mkdir()
            for file in layout.files:
                shutil.copyfile(path / file, unfinished / file)
        else:
            shutil.copyfile(path, unfinished)
        unfinished.rename(target)
    except BaseException:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)
        raise
