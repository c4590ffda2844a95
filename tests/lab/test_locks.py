"""Leases: one holder among machines that the system's locks do not reach, and a holder that has lost its run."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab_runs import wait_for

from reslab import host
from reslab.errors import LockedError, ReplacedError, ResLabError
from reslab.lab.folder import locks

LEASES = Path(__file__).parents[2] / "bench" / "leases.py"


def test_of_two_machines_one_holds_a_run_and_the_other_follows_when_it_dies() -> None:
    done = subprocess.run([sys.executable, str(LEASES), "4"], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.startswith("4 of 4 with one trainer at a time"), done.stdout + done.stderr


@pytest.mark.parametrize("hours", [-24, 24])
def test_clocks_need_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "0.5")
    with locks.hold(tmp_path) as held:
        lease = tmp_path / ".lease"
        ahead = time.time() + 3600 * hours
        os.utime(lease, (ahead, ahead))  # as a file server with another clock would
        time.sleep(0.8)
        locks.check_same(tmp_path, held)
        assert lease.exists()
    assert not lease.exists()


def test_a_holder_that_was_silent_too_long_writes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "0.3")
    with locks.hold(tmp_path) as held:
        locks.check_same(tmp_path, held)
        (tmp_path / ".lease").write_text("another machine's")
        (tmp_path / ".lease").unlink()
        assert held.lease is not None
        wait_for(lambda: held.lease and held.lease.compromise)
        with pytest.raises(LockedError, match="could not renew its lease"):
            locks.check_same(tmp_path, held)


def test_a_lease_is_taken_where_machines_share_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESLAB_LEASE", raising=False)
    assert locks.lease_seconds(tmp_path) == 0
    monkeypatch.setattr(locks, "is_shared", lambda _: True)
    assert locks.lease_seconds(tmp_path) == locks.LEASE_SECONDS
    monkeypatch.setenv("RESLAB_LEASE", "0")
    assert locks.lease_seconds(tmp_path) == 0
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("RESLAB_LEASE", wrong)
        with pytest.raises(ResLabError, match="RESLAB_LEASE must be a number of seconds"):
            locks.lease_seconds(tmp_path)


def test_what_a_folder_is_on_is_read_from_the_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "home" / "local").mkdir(parents=True)
    mounts.write_text(
        "rootfs / ext4 rw 0 0\n"
        f"server:/home {tmp_path}/home nfs4 rw 0 0\n"
        f"scratch {tmp_path}/home/local xfs rw 0 0\n"
        f"me@there: {tmp_path}/far fuse.sshfs rw 0 0\n"
        "broken\n"
    )
    assert not host.is_shared(tmp_path, mounts)
    assert host.is_shared(tmp_path / "home" / "runs" / "not there yet", mounts)
    assert not host.is_shared(tmp_path / "home" / "local" / "runs", mounts)
    assert not host.is_shared(tmp_path / "far", mounts)  # nothing is mounted on a folder that is not there
    (tmp_path / "far").mkdir()
    assert host.is_shared(tmp_path / "far", mounts)
    assert not host.is_shared(tmp_path, tmp_path / "no mounts here")


def test_another_thread_is_told_that_this_program_holds_the_run(tmp_path: Path) -> None:
    def another() -> None:
        with locks.hold(tmp_path):
            pass

    with ThreadPoolExecutor(1) as pool:
        with locks.hold(tmp_path), pytest.raises(LockedError, match="by another thread of this program"):
            pool.submit(another).result()
        pool.submit(another).result()  # it is free again


def test_a_folder_that_is_gone_is_told_as_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed(folder: Path) -> float:
        shutil.rmtree(folder)
        return 0.0

    monkeypatch.setattr(locks, "lease_seconds", removed)  # between lock and look
    (tmp_path / "seed0").mkdir()
    for _ in range(2):  # removed meanwhile, then before
        with pytest.raises(ReplacedError, match="was removed"), locks.hold(tmp_path / "seed0"):
            pass
        assert not (tmp_path / "seed0").exists()


def test_a_folder_that_is_not_there_is_not_made_by_holding_it(tmp_path: Path) -> None:
    with pytest.raises(ReplacedError, match="was removed"), locks.hold(tmp_path / "seed0"):
        pass
    assert not (tmp_path / "seed0").exists()


@pytest.mark.parametrize("listed", [Path("/proc/locks"), Path("/nowhere")])
def test_those_who_ask_do_not_see_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: Path) -> None:
    (tmp_path / ".lock").touch()
    monkeypatch.setattr(locks, "LOCKS", listed)
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: locks.is_held(tmp_path), range(400)))
    with locks.hold(tmp_path):
        assert locks.is_held(tmp_path)


def test_a_lock_is_known_by_its_device_too(tmp_path: Path) -> None:
    lock, listed = tmp_path / ".lock", tmp_path / "locks"
    lock.touch()
    found = lock.stat()

    def holds(device: int) -> bool:
        place = f"{os.major(device):02x}:{os.minor(device):02x}:{found.st_ino}"
        listed.write_text(f"1: FLOCK  ADVISORY  WRITE 12 {place} 0 EOF\nbroken\n2: FLOCK ADVISORY WRITE 1 x:y 0 EOF\n")
        return locks.Holding(listed).holds(tmp_path)

    assert holds(found.st_dev)
    assert not holds(os.makedev(os.major(found.st_dev) + 1, 7))  # a file of another disk
    with locks.hold(tmp_path):  # or of a file system that is called otherwise there
        assert holds(os.makedev(os.major(found.st_dev) + 1, 7))
