"""Which Ray cluster is joined where none is named."""

import socket
from pathlib import Path

import pytest

from reslab.lab import ray_cluster


@pytest.mark.parametrize("noted", ["127.0.0.1:{closed}", "nonsense", "127.0.0.1:99999999", ""])
def test_a_cluster_that_is_gone_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert ray_cluster._default_address() is None
    (tmp_path / "ray").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = one.getsockname()[1]
    (tmp_path / "ray" / "ray_current_cluster").write_text(noted.format(closed=closed))
    assert ray_cluster._default_address() == "local"


def test_a_cluster_that_answers_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{one.getsockname()[1]}")
        assert ray_cluster._default_address() is None
