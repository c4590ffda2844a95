"""What tests of several packages share."""

import gc
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from profiles import DEEP, WHY_SKIPPED
from reslab.cache import user_cache
from reslab.kernels.build import kernels

NOBODY = 65534
BROWSER_SECONDS = 300
"""After this a test in a browser fails, and what it has started is killed: browser, driver and servers."""
if not Path("/dev/nvidia0").exists():
    os.environ["TRITON_INTERPRET"] = (
        "1"  # read at Triton's first import: the card's kernels are tested on the processor
    )
# Read when libgomp is loaded, here and in processes that the tests start.  Two test processes of two threads each on
# two cores wait for each other most of the time; tests of several threads ask for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Studies that name no precision take the machine's: here the same on every machine.
os.environ.setdefault("RESLAB_PRECISION", "fp32")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background: processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels once, where they never were, before several processes need them at the same time."""
    if getattr(config.option, "numprocesses", None):
        kernels()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `deep`, unless the profile is, and `cluster`, unless it is asked for."""
    for item in items:
        if "cluster" not in config.option.markexpr and item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.skip(reason="starts daemons; make test-cluster runs it"))
        if not DEEP and item.get_closest_marker("deep"):
            item.add_marker(pytest.mark.skip(reason=WHY_SKIPPED))


def pytest_collection_finish() -> None:
    """Keep what all tests have loaded out of the rounds of the garbage collector."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give it back, so that nothing is said to leak."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_browser_hangs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no test in a browser keep the others waiting for ever, whatever process of its own is stuck or stopped."""
    if not request.node.get_closest_marker("browser"):
        yield
        return

    def late(*_: object) -> None:
        _kill_descendants()
        raise TimeoutError(f"the test took more than {BROWSER_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(BROWSER_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _kill_descendants() -> None:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    for pid in found - {os.getpid()}:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def torch_settings() -> Iterator[None]:
    """Compute on one thread, and leave torch's global settings as they were."""
    import torch

    threads, exact = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(exact)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Compute on two threads, so that work is shared between them, and leave their number as it was."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's cache for this test alone, in which there is nothing but the compiled kernels."""
    compiled = user_cache() / "kernels"
    compiled.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    user_cache().mkdir(parents=True, exist_ok=True)
    (user_cache() / "kernels").symlink_to(compiled)
    return user_cache()


@pytest.fixture
def known_speed(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the speed of this machine remembered, so that no process that the test starts measures it."""
    from reslab.lab.speeds import speed

    monkeypatch.setattr(speed, "_side_by_side", lambda device, precision, jobs: 30_000 / jobs)
    for jobs in speed.candidates("cpu"):
        speed.work_per_second("cpu", "fp32", jobs, again=True)


@pytest.fixture
def read_only() -> Callable[[Path], AbstractContextManager[None]]:
    """Return a context in which this process may read, but not write, below a folder; root becomes nobody in it."""
    return _read_only


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a fresh folder that any user may read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _read_only(root: Path) -> Iterator[None]:
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    is_root = os.geteuid() == 0  # whom no mode keeps from writing
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)
