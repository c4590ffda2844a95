"""Mirrors on this machine that answer `reslab data fetch` in every wrong way: refused, and the next one is tried."""

import contextlib
import gzip
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from plan import DATA, Child, Plan, Tally, reslab, timed

ARCHIVE = "cifar-10-python.tar.gz"
CONTENT = hashlib.sha512(b"an archive").digest() * 40_000
"""What stands for the archive: 2.5 MB that no compression makes small."""

DELAY = 2.0
"""Seconds in which a mirror must have delivered something worth while, in place of a minute."""


def refused(plan: Plan) -> list[Tally]:
    """Fetch from each hostile mirror alone, and then from it with an honest one after it."""
    tally = Tally(
        "mirrors",
        f"hostile mirror on loopback: {', '.join(ANSWERS)}",
        "told in words (exit code 4), nothing wrong kept, the disk not filled; the next mirror serves",
    )
    place = plan.fresh("mirrors")
    with timed(tally), _served(place) as port:
        for name in list(ANSWERS)[:: 7 if plan.is_short else 1]:
            for mirrors in ([name], [name, "honest"]):
                root = plan.fresh("mirrors data")
                bases = [f"http://127.0.0.1:{port}/{mirror}" for mirror in mirrors]
                ended = reslab(
                    ["data", "fetch", "cifar10", "--data-root", str(root)], place, before=partial(_official, bases)
                ).wait(60)
                there = {path.name: path.stat().st_size for path in root.rglob("*") if path.is_file()}
                right = (root / ARCHIVE).exists() and (root / ARCHIVE).read_bytes() == CONTENT
                bounded = sum(there.values()) <= len(CONTENT) + 2**16
                as_promised = (
                    ended.code == 0 and right
                    if len(mirrors) == 2
                    else ended.code == DATA and not right and ended.is_in_words
                )
                tally.note(as_promised and bounded, f"{mirrors}: {ended.code}, {there}, {ended.err[-400:]!r}")
    return [tally]


def _official(bases: list[str]) -> None:
    """Let what stands for the archive be the official one, served by these mirrors."""
    from reslab import datasets
    from reslab.data import fetch

    os.environ["NO_PROXY"] = "127.0.0.1"
    archive = datasets.Archive(ARCHIVE, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), tuple(bases))
    datasets.DATASETS["cifar10"] = replace(datasets.DATASETS["cifar10"], archive=archive)
    fetch.PATIENCE_SECONDS = DELAY


def _whole(handler: BaseHTTPRequestHandler, content: bytes, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def _honest(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, CONTENT)


def _wrong_bytes(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, bytes(len(CONTENT)))


def _one_byte_wrong(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, CONTENT[:-1] + b"\0")


def _truncated(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, CONTENT[: len(CONTENT) // 2], Content_Length=str(len(CONTENT)))


def _shorter(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, CONTENT[:-100])


def _longer(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, CONTENT + CONTENT)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(bytes(2**20))


def _endless_in_pieces(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"100000\r\n" + bytes(2**20) + b"\r\n")


def _page(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, b"<html>please log in</html>", Content_Type="text/html")


def _long_page(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, b"<html>" + b" " * (len(CONTENT) - 6), Content_Type="text/html")


def _elsewhere(handler: BaseHTTPRequestHandler) -> None:
    _redirect(handler, f"http://{handler.headers['Host']}/wrong-bytes/{ARCHIVE}")


def _to_a_file(handler: BaseHTTPRequestHandler) -> None:
    _redirect(handler, "file:///etc/passwd")


def _round_and_round(handler: BaseHTTPRequestHandler) -> None:
    _redirect(handler, handler.path)


def _redirect(handler: BaseHTTPRequestHandler, to: str) -> None:
    handler.send_response(302)
    handler.send_header("Location", to)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    for place in range(600):
        handler.wfile.write(CONTENT[place : place + 1])
        time.sleep(0.1)


def _drip_of_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    for place in range(600):
        handler.wfile.write(b"X-%d: 1\r\n" % place)
        time.sleep(0.1)


def _silent(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:1000])
    time.sleep(30)


def _packed_bomb(handler: BaseHTTPRequestHandler) -> None:
    _whole(handler, gzip.compress(bytes(2**29), 1), Content_Encoding="gzip")


def _wrong_range(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 7-{len(CONTENT)}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[7:] + bytes(7))


def _hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def _no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(os.urandom(5000))


def _error(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(503)


ANSWERS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    function.__name__.strip("_").replace("_", "-"): function
    for function in (
        _wrong_bytes,
        _one_byte_wrong,
        _truncated,
        _shorter,
        _longer,
        _endless,
        _endless_in_pieces,
        _page,
        _long_page,
        _elsewhere,
        _to_a_file,
        _round_and_round,
        _drip,
        _drip_of_headers,
        _silent,
        _packed_bomb,
        _wrong_range,
        _hangs_up,
        _no_http,
        _error,
    )
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer as the mirror in the path does."""
        with contextlib.suppress(OSError):
            ANSWERS.get(self.path.split("/")[1], _honest)(self)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _served(place: Path) -> Iterator[int]:
    """Serve all mirrors from a child, and give the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])

    def serve() -> int:
        ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()
        return 0

    server = Child(serve, place / "server")
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield port
    finally:
        server.send(9)
        server.wait()


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {"mirrors": refused}
