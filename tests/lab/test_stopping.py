"""The wish to stop: by a signal, by a limit, or told."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reslab.lab.stopping import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_and_a_second_ctrl_c_ends(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.interrupted
        os.kill(os.getpid(), signal.SIGTERM)  # no more than the first
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_on_another_thread_than_the_main_one_signals_are_left_alone() -> None:
    def use() -> bool:
        with StopRequest() as stop, stop.at_once():
            handled = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] != before
            stop.ask()
            return stop() and not handled

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(use).result()


def test_a_limit_stops_without_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stop = StopRequest(1.0)
    now[0] = 159.0
    assert not stop()
    now[0] = 160.0
    assert stop()
    assert not stop.interrupted


def test_it_can_be_told() -> None:
    stop = StopRequest()
    stop.ask()
    assert stop()


DEAF = """
import hashlib
from reslab.lab.stopping import StopRequest

with StopRequest() as stop, stop.at_once(lambda: print("left", flush=True)):
    print("computing", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 60_000_000)
"""


def test_a_process_that_is_not_ours_to_end_hears_when_it_can() -> None:
    script = DEAF.replace('lambda: print("left", flush=True)', "").replace("60_000_000", "4_000_000")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        assert b"KeyboardInterrupt" in errors  # raised in it, to be caught by whoever called
        assert process.returncode != 130


def test_what_cannot_hear_a_signal_is_left_in_a_second() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "computing\n"
        time.sleep(1.0)  # until it does
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "left\n"
        assert process.wait() == 130


def test_a_signal_that_is_heard_raises_and_nothing_is_left_behind() -> None:
    before = threading.active_count()
    with StopRequest() as stop, pytest.raises(KeyboardInterrupt), stop.at_once(lambda: os._exit(1)):
        os.kill(os.getpid(), signal.SIGINT)
    assert threading.active_count() == before
