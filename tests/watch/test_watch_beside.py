"""`reslab run --watch`: the page starts with the command, tells its address, ends with it, and never harms the runs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reslab.watch import beside
from reslab.watch.beside import page_beside
from reslab.watch.report import Report

RUN = [
    "depth",
    "--dataset",
    "digits",
    "--depths",
    "8",
    "--seeds",
    "1",
    "--no-diagnose",
    "--no-report",
    "--device",
    "cpu",
]
SECONDS = 60


class Said:
    """Words that the page is told with, and the address among them."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __call__(self, words: str) -> bool:
        self.words.append(words)
        return True

    def address(self) -> str:
        return str(until(lambda: next((found for words in self.words if (found := address_in(words))), None)))


def address_in(words: str) -> str | None:
    found = re.search(r"The live page: (http://\S+)", words)
    return None if found is None else found[1]


def until(ask: Any, seconds: float = SECONDS) -> Any:
    """Ask until there is an answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")


def plan(address: str) -> Any:
    with urllib.request.urlopen(f"{address}api/plan", timeout=SECONDS) as answer:
        return json.load(answer)


def is_gone(address: str) -> bool:
    try:
        plan(address)
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionError)
    except ConnectionError:  # it left while it was being asked
        return True
    return False


@contextmanager
def training(folder: Path, *more: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Run `reslab run --watch` as a terminal does, in a process group of its own; what it says goes to a file."""
    said = folder / "said.txt"
    command = [sys.executable, "-m", "reslab", "run", *RUN, *more, "--watch"]
    places = ["--runs", str(folder / "runs"), "--out", str(folder / "report")]
    with said.open("wb") as file:
        process = subprocess.Popen([*command, *places], stdout=file, stderr=file, process_group=0)
    try:
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def states(address: str) -> list[str]:
    """Return how the runs stand; none where the page has left, as it does with the training."""
    try:
        found = plan(address)
    except (urllib.error.URLError, ConnectionError):
        return []
    return [seed["status"] for study in found["studies"] for variant in study["variants"] for seed in variant["seeds"]]


@pytest.mark.usefixtures("known_speed")
def test_the_page_shows_the_run_and_ends_with_it(tmp_path: Path) -> None:
    with training(tmp_path, "--epochs", "2") as (process, said):
        address = until(lambda: address_in(said.read_text()))
        until(lambda: process.poll() is not None or states(address) == ["running"])
        assert process.wait(SECONDS) == 0
        assert is_gone(address)
    assert "1 finished" in said.read_text()
    assert "Ctrl-C ends the page" not in said.read_text()  # here it stops the training, too


@pytest.mark.usefixtures("known_speed")
def test_ctrl_c_stops_the_training_and_the_page_shows_it(tmp_path: Path) -> None:
    with training(tmp_path, "--epochs", "500") as (process, said):
        address = until(lambda: address_in(said.read_text()))
        until(lambda: re.search(r"epoch \d+/500", said.read_text()))  # not each epoch has a line
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert is_gone(address)
    assert "1 interrupted" in said.read_text()
    assert "Traceback" not in said.read_text()
    assert list(tmp_path.rglob("checkpoint"))


@pytest.mark.deep
@pytest.mark.usefixtures("known_speed")
def test_a_page_that_is_killed_harms_no_run(tmp_path: Path) -> None:
    with training(tmp_path, "--epochs", "2") as (process, said):
        until(lambda: address_in(said.read_text()))
        os.kill(page_of(process.pid), signal.SIGKILL)
        assert process.wait(SECONDS) == 0
    assert "1 finished" in said.read_text()


def page_of(parent: int) -> int:
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    return next(int(row[0]) for row in rows if int(row[1]) == parent and "reslab.watch.beside" in row[2])


def test_a_command_that_is_killed_leaves_no_page_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from reslab.session.progress import aside\n"
        "from reslab.watch.beside import page_beside; from reslab.watch.report import Report\n"
        "with page_beside(Report(Path(sys.argv[1]), Path(sys.argv[2])), tell=aside): time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "runs"), str(tmp_path / "report")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = address_in(process.stderr.readline())
        assert address is not None
        plan(address)
        process.kill()
    until(lambda: is_gone(address))


def test_a_page_that_does_not_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "END_SECONDS", 0.2)
    said = Said()
    with page_beside(Report(tmp_path / "runs", tmp_path / "report"), tell=said):
        address = said.address()
        os.kill(page_of(os.getpid()), signal.SIGSTOP)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert is_gone(address)


def test_a_page_that_cannot_start_is_told_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    said, done = Said(), False
    with page_beside(Report(tmp_path / "runs", tmp_path / "report"), tell=said):
        done = True
    assert done
    assert said.words == ["The live page did not start (No such file or directory); the runs go on without it."]
