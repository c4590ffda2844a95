"""As many threads as other work leaves cores for: what is decided on a load, and that torch is told."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch

from reslab.load import Load, Reading
from reslab.training import threads
from reslab.training.threads import FollowingThreads, Standing, after

STEP = 0.25


def machine(cores: int, others: Callable[[float], float]) -> Callable[[float, int], Load]:
    """Return what a machine says at a time to a process of so many threads: each thing that runs has its fair share."""

    def load(now: float, mine: int) -> Load:
        busy = others(now)
        shares = min(1.0, cores / (mine + busy))
        used = mine * shares
        return Load(STEP, max(0.0, cores - mine - busy), used, mine - used)

    return load


def follow(cores: int, others: Callable[[float], float], seconds: float, start: int | None = None) -> list[int]:
    """Return the threads at each look."""
    says = machine(cores, others)
    standing = Standing(start or cores, cores, cores)
    seen = []
    for look in range(round(seconds / STEP)):
        standing = after(standing, says(look * STEP, standing.threads))
        seen.append(standing.threads)
    return seen


@pytest.mark.parametrize(
    ("cores", "others", "best"), [(2, 0, 2), (2, 1, 1), (2, 2, 1), (4, 1, 3), (8, 3, 5), (64, 1, 63), (64, 40, 25)]
)
def test_the_cores_that_others_leave_are_used_within_two_seconds_and_kept(cores: int, others: int, best: int) -> None:
    found = follow(cores, lambda _: others, 30)
    assert set(found[8:]) == {best}


@pytest.mark.parametrize(("cores", "most"), [(2, 0.75), (64, 3)])
def test_one_starved_moment_is_enough_for_fewer(cores: int, most: float) -> None:
    found = follow(cores, lambda _: cores / 2, 4)
    assert found.index(cores // 2) * STEP < most


@pytest.mark.parametrize(("cores", "beside"), [(2, 1), (4, 2), (8, 2), (64, 6)])
def test_when_the_others_leave_all_cores_are_used_again(cores: int, beside: int) -> None:
    """Beside others that leave one core, two threads are kept where each still has most of a core."""
    found = follow(cores, lambda now: cores - 1 if now < 10 else 0, 25)
    assert found[39] == beside
    assert set(found[52:]) == {cores}  # 3 s after


def test_a_single_thread_is_never_too_many() -> None:
    assert set(follow(2, lambda _: 30, 20, start=1)) == {1}


def test_little_other_work_changes_nothing() -> None:
    """A browser, a mail program: a tenth or two of a core."""
    assert set(follow(2, lambda now: 0.15 + 0.1 * (now % 1 < 0.5), 60)) == {2}
    assert set(follow(2, lambda _: 0.35, 60, start=1)) == {1}  # nor is there room for a whole thread


def changes(found: list[int]) -> int:
    return sum(now != before for before, now in pairwise(found))


def test_load_that_comes_and_goes_is_soon_followed_less_often() -> None:
    """Half a second on, a second off: more threads prove too many each time, and are tried ever less."""
    found = follow(2, lambda now: 1 if now % 1.5 < 0.5 else 0, 300)
    assert changes(found) <= 300 / 1.5 / 2  # each burst would be two
    calm = follow(2, lambda now: (1 if now % 1.5 < 0.5 else 0) if now < 60 else 0, 80)
    assert set(calm[-40:]) == {2}


def test_load_that_stays_for_seconds_is_followed_each_time() -> None:
    """Four seconds on, six off."""
    found = follow(2, lambda now: 1 if now % 10 < 4 else 0, 100)
    assert changes(found) == 19  # it begins with other work
    assert found.count(2) * STEP > 0.85 * 60


def test_cores_that_idle_because_this_process_does_are_no_room() -> None:
    """It waits for a disk: the core that it leaves is its own, and the other is busy."""
    standing = Standing(1, 2, 2)
    for _ in range(40):
        standing = after(standing, Load(STEP, idle=0.9, used=0.1, waiting=0.0))
    assert standing.threads == 1


def test_a_limit_on_its_time_leaves_cores_idle_and_is_no_room() -> None:
    standing = Standing(1, 4, 4)
    for _ in range(40):
        standing = after(standing, Load(STEP, idle=3.2, used=0.8, waiting=0.2))
    assert standing.threads == 1


def test_processes_that_look_for_room_together_do_not_all_take_it() -> None:
    """Four trainings of four threads on 64 cores, when 48 cores become free: each takes its part."""
    mine, at_work = 4, 16
    now = after(Standing(mine, 64, 64, room_for=10.0), Load(STEP, 64 - at_work, mine, 0.0))
    assert mine < now.threads <= mine + 48 // 4 + 1


@pytest.fixture
def _torch_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_torch_threads")
def test_torch_computes_with_what_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    readings = [
        Reading(100.0, 0.0, 0.0, 0.0),
        Reading(100.3, 0.0, 0.4, 0.2),  # two threads have 1.3 cores
        Reading(100.7, 0.4, 0.8, 0.2),
        Reading(101.8, 1.5, 1.9, 0.2),
    ]
    monkeypatch.setattr(time, "monotonic", lambda: now)
    left = iter(readings)
    following = FollowingThreads(2, 2, 2, lambda: next(left))
    assert torch.get_num_threads() == 2
    seen = []
    for now in (100.1, 100.3, 100.4, 100.7, 101.8, 101.9):  # noqa: B007
        following.look()
        seen.append(torch.get_num_threads())
    assert seen == [2, 1, 1, 1, 2, 2]
    assert next(left, None) is None  # not read at every step


@pytest.mark.usefixtures("_torch_threads")
def test_where_the_system_tells_nothing_the_threads_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LOOK_SECONDS", 0.0)
    following = FollowingThreads(2, 2, 2, lambda: None)
    for _ in range(5):
        following.look()
    assert torch.get_num_threads() == 2
