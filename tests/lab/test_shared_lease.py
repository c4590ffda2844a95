"""Leases at a share: one holder, however many ask."""

import threading
from pathlib import Path

import pytest

from reslab.errors import LockedError
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.shared_lease import Lease, _acquire, holding


def test_leases_of_many_threads_have_one_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "0.4")
    held: list[int] = []
    ended = threading.Event()

    def take(number: int) -> None:
        try:
            with holding(Folder(tmp_path), "unfinished/x/lease"):
                held.append(number)
                ended.wait(3)
        except LockedError:
            pass

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads[:]:
        thread.join(timeout=2)
    assert len(held) == 1
    ended.set()
    for thread in threads:
        thread.join()


def test_what_is_too_long_for_a_lease_keeps_nobody_out_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "0.2")
    folder = tmp_path / "unfinished" / "x" / "lease"
    folder.mkdir(parents=True)
    (folder / "7").write_bytes(b"x" * 100_000)
    with holding(Folder(tmp_path), "unfinished/x/lease") as lease:
        assert lease is not None
        assert (folder / "8").exists()


LEASE = "unfinished/x/lease"


def held(share: Path) -> Lease:
    """Return the lease of a machine that gives no sign of life by itself."""
    lease = _acquire(Folder(share), LEASE, 0.2, lambda: False)
    assert lease is not None
    return lease


def test_each_sign_of_life_is_another(tmp_path: Path) -> None:
    lease, seen = held(tmp_path), set()
    for _ in range(3):
        seen.add((tmp_path / LEASE / "1").read_bytes())
        lease.renew()
        lease.check()
    assert len(seen) == 3


@pytest.mark.parametrize("has_ended", [True, False])
@pytest.mark.parametrize("comes_third", [True, False])
def test_a_machine_that_was_taken_over_stops_also_when_the_other_has_left(
    tmp_path: Path, has_ended: bool, comes_third: bool
) -> None:
    first = held(tmp_path)
    first.renew()
    second = held(tmp_path)
    second.renew()
    if has_ended:
        second.end()
    second.give_back()
    third = held(tmp_path) if comes_third else None  # it may have the first one's number
    for act in (first.check, first.renew):
        with pytest.raises(LockedError, match="another machine has taken over unfinished/x"):
            act()
    if third is not None:
        third.renew()
    first.give_back()
    if third is not None:
        third.check()
