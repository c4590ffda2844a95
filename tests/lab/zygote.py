"""A process that has imported what trains a run, and forks a child for each attempt, which so starts at once.

Importing torch takes seconds; dying and going on many times is what the tests that use this are about.  The
parent runs no torch operation, so that the children start as fresh as a new process would.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Attempt:
    """A child that trains a run as `python -m reslab.lab.execute` would."""

    def __init__(self, pid: int, events: "queue.Queue[Event]") -> None:
        self.pid = pid
        self.code: int | None = None
        self._events = events

    def events(self, until: float = 240.0) -> Iterator[Event]:
        """Yield what the child reports, to its end; fail where that takes too long."""
        end = time.monotonic() + until
        while self.code is None:
            event = self._events.get(timeout=max(0.01, end - time.monotonic()))
            if event["event"] == "exited":
                assert event["code"] is not None, "the process that forks is gone"
                self.code = int(event["code"])
            else:
                yield event

    def wait_for(self, name: str, **values: Any) -> Event:
        """Return the next event of a name with some values."""
        for event in self.events():
            if event["event"] == name and all(event.get(key) == value for key, value in values.items()):
                return event
        raise AssertionError(f"the attempt ended with {self.code} before {name} {values}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def finish(self) -> int:
        """Wait for the child's end; return its exit code, negative for a signal."""
        for _ in self.events():
            pass
        assert self.code is not None
        return self.code


class Zygote:
    """The process that forks, seen from the test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._events: queue.Queue[Event] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, folder: Path, *, dies_after: int | None = None, **settings: Any) -> Attempt:
        """Fork a child that trains the run in `folder`; it dies at its n-th change of the disk if told to."""
        assert self._process.stdin is not None
        order = {"folder": str(folder), "dies_after": dies_after, "settings": {"threads": 1, **settings}}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        event = self._events.get(timeout=240)
        assert event["event"] == "forked", f"the process that forks is gone, or its last child is not: {event}"
        return Attempt(event["pid"], self._events)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=240)
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put({"event": "exited", "code": None})


def main() -> None:
    """Fork a child for each line that comes in, one at a time."""
    from reslab.kernels.build import kernels
    from reslab.lab import attempt, execute
    from reslab.lab.folder import provenance
    from reslab.lab.settings import Settings
    from reslab.lab.stopping import StopRequest

    # Once for all children: what takes time and runs no torch operation.
    attempt.load_once("digits", None)
    provenance._source()
    kernels()
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            # By the child, and in one write: it comes before all that the child reports into the same pipe.
            os.write(1, (json.dumps({"event": "forked", "pid": os.getpid()}) + "\n").encode())
            if order["dies_after"] is not None:
                _die_after(order["dies_after"])
            settings = Settings(device="cpu", **order["settings"])
            with StopRequest() as stop:
                os._exit(execute.work([order["folder"]], settings, stop))
        _, status = os.waitpid(pid, 0)
        os.write(1, (json.dumps({"event": "exited", "code": os.waitstatus_to_exitcode(status)}) + "\n").encode())


def _die_after(count: int) -> None:
    """Let this process die as a power cut would have it, right before its n-th change of the disk."""
    left = [count]
    for name in ("fsync", "replace", "unlink", "rmdir", "truncate", "mkdir"):
        real = getattr(os, name)

        def dying(*arguments: Any, _real: Any = real, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return _real(*arguments, **options)

        setattr(os, name, dying)


if __name__ == "__main__":
    main()
