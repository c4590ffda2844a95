"""What tests of several packages share."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from profiles import DEEP, WHY_SKIPPED

NOBODY = 65534
if not Path("/dev/nvidia0").exists():
    os.environ["TRITON_INTERPRET"] = (
        "1"  # read at Triton's first import: the card's kernels are tested on the processor
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `deep`, unless the profile is."""
    for item in items:
        if not DEEP and item.get_closest_marker("deep"):
            item.add_marker(pytest.mark.skip(reason=WHY_SKIPPED))


@pytest.fixture
def torch_settings() -> Iterator[None]:
    """Compute on one thread, and leave torch's global settings as they were."""
    import torch

    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)


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
