"""Places to share runs, made for a test: a web server over a folder, and runs that were trained elsewhere."""

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reslab.files import DIGEST, json_bytes, signed
from reslab.lab.folder.store import RunFiles

OWN_RESULTS = Path(__file__).parents[1] / "results" / "runs"
FINISHED = "cifar10-resnet20-3af2856c/seed0"
"""A run of ours, with its weights."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a port of this machine, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_bucket(name: str) -> Iterator[str]:
    """Run an S3 server on this machine, and give the address of a share in a new bucket."""
    pytest.importorskip("s3fs", reason="needs s3fs: pip install reslab[s3]")
    server_of = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[server]'").ThreadedMotoServer
    with pytest.MonkeyPatch.context() as patch:
        server = server_of(ip_address="127.0.0.1", port=0)
        server.start()
        host, port = server.get_host_and_port()
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(key, value)
        import s3fs

        s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
        try:
            yield f"s3://{name}/runs"
        finally:
            server.stop()
            s3fs.S3FileSystem.clear_instance_cache()


def copied(root: Path, name: str = FINISHED) -> RunFiles:
    """Return a copy of one of our own runs below `root`."""
    shutil.copytree(OWN_RESULTS / name, root / name)
    return RunFiles(root / name)


def forged(files: RunFiles, name: str, **changes: Any) -> None:
    """Change a JSON file of a run, and its digest and manifest with it, as somebody who lies would."""
    content = json.loads((files.path / name).read_bytes())
    was_signed = content.pop(DIGEST, None) is not None
    content |= changes
    rewritten(files, name, json_bytes(signed(content) if was_signed else content))


def rewritten(files: RunFiles, name: str, content: bytes) -> None:
    """Write any bytes as a file of a run, and a manifest that vouches for them."""
    from reslab.lab.folder import manifest

    (files.path / name).write_bytes(content)
    (files.path / manifest.NAME).unlink(missing_ok=True)
    manifest.seal(files.path, {})


def listing(files: RunFiles, entries: dict[str, Any]) -> None:
    """Add entries to a run's manifest, signed."""
    content = json.loads((files.path / "manifest.json").read_bytes())
    content.pop(DIGEST)
    content["files"] |= entries
    (files.path / "manifest.json").write_bytes(json_bytes(signed(content)))


def origin(files: RunFiles) -> dict[str, Any] | None:
    """Return where a run was fetched from last, by its provenance; None for one that was trained here."""
    hops = (files.provenance() or {}).get("fetched") or []
    return hops[-1] if hops else None


HOSTILE_NAMES = [
    "../../etc/passwd",
    "..",
    "/etc/passwd",
    "cifar10-resnet20-3af2856c/../seed0",
    "cifar10-resnet20-3af2856c/seed0/..",
    "cifar10-resnet20-3af2856c/seed0/../../../x",
    "./cifar10-resnet20-3af2856c/seed0",
    "../cifar10-resnet20-3af2856c/seed0",
    "a/../../cifar10-resnet20-3af2856c/seed0",
    "cifar10-resnet20-3af2856c//seed0",
    "cifar10-resnet20-3af2856c\\..\\..\\x/seed0",
    "cifar10-resnet20-3af2856c/seed-1",
    "cifar10-resnet20-3af2856c/seed0\n",
    "cifar10-resnet20-3af2856c/seed0\0",
    "cifar10-resnet20-3AF2856C/seed0",
    ".incoming-3af2856c/seed0",
    "-3af2856c/seed0",
    "%2e%2e-3af2856c/seed0",
    "file:///etc-3af2856c/seed0",
    "studies/depth.json",
]
"""What no share can make a path of."""
