"""Downloads from mirrors that fail in every way, and imports that must harm nothing."""

import errno
import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_fakes import LAYOUT, pack, parts, write_folder
from filelock import FileLock

from reslab.data.fetch import available, fetch, import_path
from reslab.data.images import Dataset
from reslab.data.sources import load
from reslab.datasets import DATASETS, Archive
from reslab.errors import DataError, LockedError

PYTHON = LAYOUT["cifar-10-batches-py"]


class Mirrors:
    """A local server: each mirror is a folder of its URLs and behaves in its own way."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.is_over = threading.Event()
        self.requests: list[tuple[str, str | None]] = []
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror = self.path.split("/")[1]
                asked = self.headers.get("Range")
                mirrors.requests.append((mirror, asked))
                mirrors.answer(self, mirror, asked)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, mirror: str, asked: str | None) -> None:
        """Send the archive whole, from the byte asked for, cut short, with wrong bytes, or not at all."""
        content = self.archive
        if mirror == "gone":
            handler.send_error(404)
            return
        if mirror == "page":
            content = b"<html>please log in</html>"
        if mirror.startswith("wrong"):
            content = bytes(len(content))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and mirror != "no-ranges" else 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        if mirror == "drip":
            while not self.is_over.wait(0.05):
                handler.wfile.write(content[start : start + 1])
            return
        end = (start + len(content)) // 2 if mirror in ("cut", "wrong-and-cut") else len(content)
        handler.wfile.write(content[start:end])

    def url(self, mirror: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{mirror}"


@pytest.fixture
def mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("RESLAB_MIRRORS", raising=False)
    folder = write_folder(tmp_path / "made", PYTHON, parts(PYTHON))
    served = Mirrors(pack(folder, tmp_path / "made.tar.gz").read_bytes())
    yield served
    served.is_over.set()
    served.server.shutdown()
    served.thread.join()
    served.server.server_close()


def call_official(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Have the table of data sets take these images for the published ones of their name."""
    known = replace(DATASETS[dataset.name], fingerprint=dataset.fingerprint, class_names_sha256=None)
    monkeypatch.setitem(DATASETS, dataset.name, known)


def archive(mirrors: Mirrors, *names: str) -> Archive:
    digest = hashlib.sha256(mirrors.archive).hexdigest()
    bases = tuple(mirrors.url(name) for name in names)
    return Archive(PYTHON.archive, digest, len(mirrors.archive), bases)


def what_came(mirrors: Mirrors) -> int:
    """Return the bytes that a download cut half-way keeps: whole pieces of 16 KiB."""
    kept = len(mirrors.archive) // 2 // 2**14 * 2**14
    assert kept > 0
    return kept


def test_the_archive_arrives_whole_and_loads(tmp_path: Path, mirrors: Mirrors) -> None:
    seen: list[tuple[int, int]] = []
    root = tmp_path / "root"
    path = fetch(
        "cifar10", root, archive=archive(mirrors, "good"), progress=lambda done, whole: seen.append((done, whole))
    )
    assert path == root / PYTHON.archive
    assert path.read_bytes() == mirrors.archive
    assert seen[-1] == (len(mirrors.archive), len(mirrors.archive))
    assert [file.name for file in root.iterdir() if not file.name.endswith(".lock")] == [PYTHON.archive]
    assert len(load("cifar10", root).train) == 20
    fetch("cifar10", root, archive=archive(mirrors, "gone"))
    assert len(mirrors.requests) == 1


def test_a_broken_download_goes_on_at_the_next_mirror(tmp_path: Path, mirrors: Mirrors) -> None:
    notices: list[str] = []
    path = fetch("cifar10", tmp_path, archive=archive(mirrors, "gone", "page", "cut", "good"), notice=notices.append)
    assert mirrors.requests[:3] == [("gone", None), ("page", None), ("cut", None)]
    assert mirrors.requests[3:] == [("good", f"bytes={what_came(mirrors)}-")]
    assert path.read_bytes() == mirrors.archive
    reasons = ["the server answers 404 Not Found", "has 26 bytes instead of", "the connection broke"]
    assert [reason in notice for reason, notice in zip(reasons, notices, strict=True)] == [True] * 3


def test_a_mirror_that_only_drips_is_left_for_the_next(
    tmp_path: Path, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.data.fetch.PATIENCE_SECONDS", 0.3)
    notices: list[str] = []
    path = fetch("cifar10", tmp_path, archive=archive(mirrors, "drip", "good"), notice=notices.append)
    assert path.read_bytes() == mirrors.archive
    assert "sends too slowly" in notices[0]


def test_an_interrupted_download_goes_on_the_next_time(tmp_path: Path, mirrors: Mirrors) -> None:
    with pytest.raises(DataError):
        fetch("cifar10", tmp_path, archive=archive(mirrors, "cut"))
    assert not (tmp_path / PYTHON.archive).exists()
    fetch("cifar10", tmp_path, archive=archive(mirrors, "good"))
    assert mirrors.requests[-1] == ("good", f"bytes={what_came(mirrors)}-")


def test_a_mirror_that_cannot_go_on_starts_again(tmp_path: Path, mirrors: Mirrors) -> None:
    path = fetch("cifar10", tmp_path, archive=archive(mirrors, "cut", "no-ranges"))
    assert path.read_bytes() == mirrors.archive


def test_a_good_mirror_is_not_spoilt_by_a_bad_ones_beginning(tmp_path: Path, mirrors: Mirrors) -> None:
    path = fetch("cifar10", tmp_path, archive=archive(mirrors, "wrong-and-cut", "good"))
    assert path.read_bytes() == mirrors.archive
    assert mirrors.requests[-1] == ("good", None)


def test_a_wrong_hash_is_refused_and_the_file_removed(tmp_path: Path, mirrors: Mirrors) -> None:
    with pytest.raises(
        DataError, match=r"wrong SHA-256, so it is not the official archive: refused and removed"
    ) as caught:
        fetch("cifar10", tmp_path / "root", archive=archive(mirrors, "wrong"))
    assert "`reslab data import PATH`" in str(caught.value)
    assert "RESLAB_MIRRORS" in str(caught.value)
    assert [file.name for file in (tmp_path / "root").iterdir() if not file.name.endswith(".lock")] == []


def test_a_damaged_archive_is_replaced_only_by_the_right_one(tmp_path: Path, mirrors: Mirrors) -> None:
    (tmp_path / PYTHON.archive).write_bytes(b"damaged")
    with pytest.raises(DataError, match="no mirror delivered"):
        fetch("cifar10", tmp_path, archive=archive(mirrors, "wrong"))
    assert (tmp_path / PYTHON.archive).read_bytes() == b"damaged"
    fetch("cifar10", tmp_path, archive=archive(mirrors, "good"))
    assert (tmp_path / PYTHON.archive).read_bytes() == mirrors.archive


def test_the_users_mirrors_come_first(tmp_path: Path, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_MIRRORS", f" {mirrors.url('gone')}/, {mirrors.url('cut')} ,")
    fetch("cifar10", tmp_path, mirrors=[mirrors.url("page")], archive=archive(mirrors, "good"))
    assert [mirror for mirror, _ in mirrors.requests] == ["page", "gone", "cut", "good"]


def test_a_server_that_is_not_there_is_said(tmp_path: Path, mirrors: Mirrors) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DataError, match="the server cannot be reached"):
        fetch("cifar10", tmp_path, mirrors=[nobody], archive=archive(mirrors))


@pytest.mark.parametrize("mirror", ["ftp://example.org/images", "example.org/images", "http://"])
def test_what_is_no_address_of_a_mirror_is_said(tmp_path: Path, mirrors: Mirrors, mirror: str) -> None:
    with pytest.raises(DataError, match="the address of a mirror must begin with http:// or https://"):
        fetch("cifar10", tmp_path, mirrors=[mirror], archive=archive(mirrors))


def test_two_fetches_do_not_meet(tmp_path: Path, mirrors: Mirrors) -> None:
    with (
        FileLock(tmp_path / ".reslab-data.lock"),
        pytest.raises(LockedError, match="another reslab is fetching or importing"),
    ):
        fetch("cifar10", tmp_path, archive=archive(mirrors, "good"))


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, mirrors: Mirrors) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot keep data in"):
        fetch("cifar10", tmp_path / "file" / "root", archive=archive(mirrors, "good"))


def test_the_digits_need_no_fetching(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to fetch"):
        fetch("digits", tmp_path)


def test_official_archives_are_known_by_sha256() -> None:
    archives = {name: spec.archive for name, spec in DATASETS.items() if spec.archive is not None}
    assert {name: download.file for name, download in archives.items()} == {
        "cifar10": "cifar-10-python.tar.gz",
        "cifar100": "cifar-100-python.tar.gz",
        "cifar100-coarse": "cifar-100-python.tar.gz",
    }
    for download in archives.values():
        assert len(bytes.fromhex(download.sha256)) == 32
        assert download.mirrors[-1] == "https://www.cs.toronto.edu/~kriz"
        assert all(mirror.startswith("https://") for mirror in download.mirrors)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "cifar-100-python"])
def test_an_import_keeps_a_copy_under_the_official_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, packed: bool
) -> None:
    layout = LAYOUT[folder]
    given = write_folder(tmp_path / "given", layout, parts(layout))
    (given / "readme.html").write_text("not needed")
    if packed:
        given = pack(given, tmp_path / "download (1).tgz")
    root = tmp_path / "root"
    with pytest.raises(DataError, match=r"these are not the official images and labels.*--force"):
        import_path(given, root)
    assert not root.exists()
    imported = import_path(given, root, allow_unofficial=True)
    assert (imported.name, imported.official, imported.was_there) == (layout.images, False, False)
    assert imported.path == root / (layout.archive if packed else layout.folder)
    assert given.exists()
    dataset = load(layout.images, root)
    call_official(monkeypatch, dataset)
    if layout.images == "cifar100":
        call_official(monkeypatch, load("cifar100-coarse", root))
    again = import_path(given, root)
    assert (again.official, again.was_there) == (True, True)


def test_an_import_never_replaces_other_images(tmp_path: Path) -> None:
    mine = write_folder(tmp_path / "root", PYTHON, parts(PYTHON, seed=1))
    other = write_folder(tmp_path / "other", PYTHON, parts(PYTHON, seed=2))
    before = (mine / "data_batch_1").read_bytes()
    with pytest.raises(DataError, match="exists already and holds other images; move it away first"):
        import_path(other, tmp_path / "root", allow_unofficial=True)
    (mine / "data_batch_2").write_bytes(b"")
    with pytest.raises(DataError, match="exists already and cannot be read"):
        import_path(other, tmp_path / "root", allow_unofficial=True)
    assert (mine / "data_batch_1").read_bytes() == before


def test_what_an_interrupted_import_left_is_no_hindrance(tmp_path: Path) -> None:
    given = write_folder(tmp_path / "given", PYTHON, parts(PYTHON))
    left = tmp_path / "root" / f".{PYTHON.folder}.importing"
    left.mkdir(parents=True)
    (left / "data_batch_1").write_text("half")
    import_path(given, tmp_path / "root", allow_unofficial=True)
    assert not left.exists()
    assert len(load("cifar10", tmp_path / "root").train) == 20


@pytest.mark.parametrize("is_archive", [False, True])
def test_an_import_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_archive: bool) -> None:
    given = write_folder(tmp_path / "given", PYTHON, parts(PYTHON))
    if is_archive:
        given = pack(given, tmp_path / "given.tar.gz")

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DataError, match=r"cannot keep data in .*No space left"):
        import_path(given, tmp_path / "root", allow_unofficial=True)
    assert {path.name for path in (tmp_path / "root").iterdir()} <= {".reslab-data.lock"}


def test_an_import_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        import_path(tmp_path / "missing", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no file of CIFAR's official versions"):
        import_path(tmp_path / "empty", tmp_path)
    given = write_folder(tmp_path / "around", PYTHON, parts(PYTHON))
    with pytest.raises(DataError, match=f"is a folder that contains data to import; .*: reslab data import {given}$"):
        import_path(given.parent, tmp_path)
    given = write_folder(tmp_path / "two words", PYTHON, parts(PYTHON))
    with pytest.raises(DataError, match=f"reslab data import '{given}'$"):
        import_path(given.parent, tmp_path)


def test_the_list_tells_what_is_there_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    write_folder(tmp_path, PYTHON, parts(PYTHON))
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(b"damaged")
    rows = {row.name: row for row in available(tmp_path)}
    assert list(rows) == ["digits", "cifar10", "cifar100", "cifar100-coarse"]
    assert (rows["digits"].num_train, rows["digits"].num_test, rows["digits"].official) == (1442, 355, True)
    assert rows["digits"].path is None
    assert (rows["cifar10"].num_train, rows["cifar10"].official) == (20, False)
    assert rows["cifar10"].path == tmp_path / PYTHON.folder
    assert rows["cifar100"].official is None
    assert "not a whole .tar.gz archive" in str(rows["cifar100"].problem)
    nothing = {row.name: row for row in available(tmp_path / "empty")}["cifar100-coarse"]
    assert (nothing.num_train, nothing.num_classes, nothing.path, nothing.problem) == (50_000, 20, None, None)


def test_looking_at_data_imports_nothing_heavy() -> None:
    program = "import reslab.data.fetch, sys; print({'torch', 'sklearn', 'pooch', 'requests'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
