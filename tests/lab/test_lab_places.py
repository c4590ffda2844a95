"""Places where runs are shared: what others do to a folder meanwhile, and what a web server answers."""

import functools
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reslab.errors import ShareError
from reslab.files import write_whole
from reslab.lab.shares import places
from reslab.lab.shares.places import Folder, Web, read

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

    monkeypatch.setattr(places, "write_whole", racing)
    write(share, NAME, b"content")
    assert left == [0]
    assert read(share, NAME, 100) == b"content"
    left[0] = 10**6
    share.remove(NAME)
    with pytest.raises(ShareError, match=f"cannot write .*{NAME}: No such file or directory"):
        write(share, NAME, b"content")
    assert share.names() == []


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

    monkeypatch.setattr(places, "_sessions", functools.cache(threading.local))
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = Web(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ShareError, match=r"/index\.json: the server answers 401 Unauthorized"):
            read(where, "index.json", 100)
        server.shutdown()
