"""Places where runs are shared: what others do to a folder meanwhile, and what a web server answers."""

import contextlib
import errno
import functools
import gzip
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest

from reslab.errors import ShareError
from reslab.files import write_whole
from reslab.lab.shares import folder_place, web_place
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.places import place, read
from reslab.lab.shares.remote_place import Remote
from reslab.lab.shares.web_place import Web
from share_places import served

NAME = "unfinished/a/lease/1"


@pytest.mark.parametrize("write", [Folder.write, Folder.create])
def test_a_folder_that_another_process_finds_empty_and_removes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Folder, str, bytes], object]
) -> None:
    share, left = Folder(tmp_path), [3]

    def racing(path: Path, content: bytes) -> None:
        if left[0]:
            left[0] -= 1
            share.remove(f"{NAME}0")
        write_whole(path, content)

    monkeypatch.setattr(folder_place, "write_whole", racing)
    write(share, NAME, b"content")
    assert left == [0]
    assert read(share, NAME, 100) == b"content"
    left[0] = 10**6
    share.remove(NAME)
    with pytest.raises(ShareError, match=f"cannot write .*{NAME}: No such file or directory"):
        write(share, NAME, b"content")
    assert share.names() == []


def test_a_folder_that_is_mounted_no_more_is_not_an_empty_one(tmp_path: Path) -> None:
    share = Folder(tmp_path / "mount" / "share")
    assert share.names() == []  # it may be new
    share.write(NAME, b"content")
    (tmp_path / "mount").rename(tmp_path / "elsewhere")
    for ask in (
        share.names,
        lambda: read(share, NAME, 9),
        lambda: share.write("other", b""),
        lambda: share.remove(NAME),
    ):
        with pytest.raises(ShareError, match=r"mount/share was there and is gone; is it still mounted\?"):
            ask()
    assert not (tmp_path / "mount").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "mount")
    assert read(share, NAME, 9) == b"content"


def test_a_folder_that_cannot_be_listed_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Folder(tmp_path).write("a/seed0/run.json", b"{}")

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ShareError, match="cannot be read: Permission denied"):
        Folder(tmp_path).names()


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///tmp/my%20runs", "/tmp/my runs"),
        ("file://localhost/tmp/runs", "/tmp/runs"),
        ("~lab", "~lab"),
        ("runs%20", "runs%20"),
    ],
)
def test_an_address_of_a_folder_is_read_as_such(address: str, path: str) -> None:
    share = place(address, may_be_new=True)
    assert isinstance(share, Folder)
    assert share.path == Path(path)


def test_an_address_of_a_folder_on_another_machine_is_refused() -> None:
    with pytest.raises(ShareError, match=r"names another machine, host; a folder of this one is file:///host/runs"):
        place("file://host/runs")


def test_a_file_where_a_folder_is_needed_is_said_so(tmp_path: Path) -> None:
    share = Folder(tmp_path)
    share.write("unfinished", b"")
    for write in (share.write, share.create):
        with pytest.raises(ShareError, match=f"cannot write .*{NAME}"):
            write(NAME, b"content")


def test_an_error_page_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"log in first")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    monkeypatch.setattr(web_place, "_sessions", functools.cache(threading.local))
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = Web(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ShareError, match=r"/index\.json: the server answers 401 Unauthorized"):
            read(where, "index.json", 100)
        server.shutdown()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], Web]]:
    """Return how to make a web server of this machine that answers as told."""
    monkeypatch.setattr(web_place, "_sessions", functools.cache(threading.local))
    servers = []

    def serve(answer: Callable[[BaseHTTPRequestHandler], None]) -> Web:
        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Web(f"http://127.0.0.1:{server.server_port}")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_asks_for_a_day_is_not_waited_for(answering: Callable[..., Web]) -> None:
    def busy(request: BaseHTTPRequestHandler) -> None:
        request.send_response(503)
        request.send_header("Retry-After", "100000")
        request.send_header("Content-Length", "0")
        request.end_headers()

    where, begun = answering(busy), time.monotonic()
    with pytest.raises(ShareError, match=r"^http://127\.0\.0\.1:\d+ cannot be reached"):
        read(where, "index.json", 100)
    assert time.monotonic() - begun < 20


def _dripping(request: BaseHTTPRequestHandler) -> None:
    for _ in range(1000):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.02)


def test_a_server_that_sends_byte_after_byte_is_given_up(
    answering: Callable[..., Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        _dripping(request)

    monkeypatch.setattr(web_place, "_SLOW_SECONDS", 0.5)
    with pytest.raises(ShareError, match=r"^http://127\.0\.0\.1:\d+ sends too slowly: \d+ bytes in 0\.5 s"):
        read(answering(slow), "index.json", 10**6)
    monkeypatch.setattr(web_place, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(
        ShareError, match=r"^http://127\.0\.0\.1:\d+ cannot be reached: it does not answer within 0\.5 s"
    ):
        read(answering(_dripping), "index.json", 10**6)


def test_a_large_file_over_a_slow_line_comes(answering: Callable[..., Web], monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.end_headers()
        for start in range(0, len(packed), 2**15):
            request.wfile.write(packed[start : start + 2**15])
            time.sleep(0.05)

    content = random.Random(0).randbytes(2**19)
    packed = gzip.compress(content)
    monkeypatch.setattr(web_place, "_SLOW_SECONDS", 0.2)
    assert read(answering(slow), "weights.safetensors", len(content)) == content


def test_a_place_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="there is no folder"):
        place(str(tmp_path / "nothing"))
    with pytest.raises(ShareError, match="'gopher' is not a known kind of address"):
        place("gopher://example.org/runs")
    with pytest.raises(ShareError, match="read only"):
        Web("http://example.org").write("x", b"")
    with served(tmp_path) as address:
        pass
    with pytest.raises(ShareError, match="cannot be reached"):
        read(Web(address), "index.json", 100)


def test_why_a_place_does_not_answer_is_said_in_few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_place, "_TIMEOUT_SECONDS", (1.0, 0.05))
    monkeypatch.setattr(web_place, "_sessions", functools.cache(threading.local))
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
    silent = socket.create_server(("127.0.0.1", 0))
    closed = socket.create_server(("127.0.0.1", 0))
    gone = closed.getsockname()[1]
    closed.close()
    with silent:
        for address, words in (
            (f"http://127.0.0.1:{gone}", "Connection refused"),
            (f"http://127.0.0.1:{silent.getsockname()[1]}", "it does not answer in time"),
            ("http://nowhere.invalid", "no machine with this name is known"),
        ):
            with pytest.raises(ShareError) as found:
                read(place(address), "index.json", 100)
            assert str(found.value).startswith(f"{address} cannot be reached: {words}")
            assert "retries" not in str(found.value)


def test_why_a_driver_fails_is_said_in_few_words() -> None:
    class Failing:
        def open(self, path: str, mode: str) -> BinaryIO:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError as error:
                raise RuntimeError("Pool(host='x'): Max retries exceeded") from error

    with pytest.raises(ShareError, match=r"^s3://bucket cannot be used: Connection refused$"):
        read(Remote("s3://bucket", Failing(), "bucket"), "index.json", 100)
