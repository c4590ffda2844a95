"""A call that is made again and again beside what takes longer."""

import threading
import time

from lab_runs import wait_for

from reslab.lab.shares.repeating import repeating


def test_a_call_is_repeated_until_the_end() -> None:
    calls: list[float] = []

    def call() -> bool:
        calls.append(time.monotonic())
        return True

    begun = time.monotonic()
    with repeating(call, 0.02, patience=5.0):
        wait_for(lambda: len(calls) >= 3)
    made = len(calls)
    assert all(after - before > 0.01 for before, after in zip([begun, *calls], calls, strict=False))
    time.sleep(0.1)
    assert len(calls) == made


def test_a_call_that_says_no_more_is_the_last() -> None:
    calls: list[int] = []

    def call() -> bool:
        calls.append(len(calls))
        return len(calls) < 2

    with repeating(call, 0.001, patience=5.0):
        wait_for(lambda: len(calls) >= 2)
        time.sleep(0.05)
    assert calls == [0, 1]


def test_a_call_that_hangs_keeps_nobody() -> None:
    under_way, free = threading.Event(), threading.Event()

    def call() -> bool:
        under_way.set()
        return free.wait(60)

    begun = time.monotonic()
    with repeating(call, 0.001, patience=0.05):
        assert under_way.wait(10)
    assert 0.05 <= time.monotonic() - begun < 30
    free.set()
