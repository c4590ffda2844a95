"""The server of the live page: where it listens, which hosts it answers, what it prints, and how it ends."""

import contextlib
import getpass
import os
import re
import secrets
import signal
import socket
from collections.abc import Sequence
from threading import Thread
from types import FrameType
from typing import IO
from urllib.parse import unquote

import uvicorn

from reslab.errors import ResLabError
from reslab.session.progress import Tell
from reslab.watch.app import Watch, application
from reslab.watch.report import Report
from reslab.watch.safety import LOOPBACK, as_address

PORT = 8765
"""The default port; where it is taken, the system chooses one."""


_PART = re.compile(r"(?!\.{1,2}$)[\w.~@+-]+")
"""A part of a prefix between slashes: it may be a JupyterHub user name, which may be an e-mail address."""


class Server(uvicorn.Server):
    """A server that shuts down at once when requested, whatever streams are open."""

    def __init__(self, config: uvicorn.Config, watch: Watch) -> None:
        super().__init__(config)
        self._watch = watch

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams, and with them the server."""
        self._watch.close()
        super().handle_exit(sig, frame)


def serve(
    report: Report,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allowed: Sequence[str] = (),
    prefix: str = "",
    with_token: bool = False,
    ends_with: IO[str] | None = None,
    tell: Tell,
) -> None:
    """Serve the page of a report's runs until Ctrl-C or SIGTERM, or until `ends_with` closes.

    Its button writes the report.  Raises `ResLabError` where it cannot listen at the address, or the prefix is invalid.
    """
    path = _prefix(prefix)
    is_loopback = _is_loopback(host)
    needs_token = with_token or not is_loopback or bool(allowed)
    token = secrets.token_urlsafe(24) if needs_token else None
    listening = _listen(host, port)
    hosts = {*LOOPBACK, *(name.lower() for name in allowed), *([] if is_loopback else _own_names(host))}
    app, watch = application(report, hosts=hosts, token=token, any_address=not is_loopback, prefix=path)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=False,
        ws="none",
        proxy_headers=False,
    )
    try:
        _announce(listening, host, path, token, tell)
        if ends_with is None:
            tell("Ctrl-C ends the page; runs continue without it.")
        else:
            Thread(target=_end_with, args=(ends_with,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn re-raises the signal after shutdown
            Server(config, watch).run(sockets=[listening])
    finally:
        listening.close()


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket, on a port that the system chooses if none is given and the default one is taken."""
    if not host.strip():
        raise ResLabError(
            "--host is empty; leave it out to listen only on this machine, or use 0.0.0.0 for all networks"
        )
    if port is not None and not 0 <= port < 65536:
        raise ResLabError(f"--port must be from 0 to 65535, not {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        for number in [PORT, 0] if port is None else [port]:
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((host, number))
                listening.listen()  # before the address is announced, so that an early request waits, not fails
            except OSError:
                listening.close()
                if number and port is None:
                    continue
                raise
            listening.set_inheritable(False)
            return listening
    except OSError as error:
        raise ResLabError(
            f"cannot listen at {host}{'' if port is None else f', port {port}'}: {error.strerror or error}; "
            "choose another with --host and --port"
        ) from None
    raise AssertionError("unreachable")


def _announce(listening: socket.socket, host: str, path: str, token: str | None, tell: Tell) -> None:
    port = listening.getsockname()[1]
    query = f"?token={token}" if token else ""
    name = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):
        shown = name
    tell(f"The live page: http://{shown}:{port}{as_address(path)}/{query}")
    if _is_loopback(host):
        tell(f"From another machine: ssh -L {port}:{shown}:{port} {_user()}@{name}, then the same address there")


def _end_with(other: IO[str]) -> None:
    other.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "you"


def _prefix(prefix: str) -> str:
    """Return the path as a server receives it, decoded, without its final slash; "" for none."""
    path = prefix.strip("/")
    parts = [unquote(part) for part in path.split("/")]
    if path and not all(_PART.fullmatch(part) for part in parts):
        raise ResLabError(f"--prefix must be a path as in /user/anna/proxy/8765, not {prefix!r}")
    return f"/{'/'.join(parts)}" if path else ""


def _is_loopback(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.")


def _own_names(host: str) -> set[str]:
    return {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
