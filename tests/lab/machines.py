"""Machines that see nothing of each other but a share: each is a folder of its own."""

from pathlib import Path
from typing import Any

from lab_runs import make, small

from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import Event, execute
from reslab.lab.settings import Settings
from reslab.lab.shares.distant import ask_for
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.handover import progress
from reslab.lab.shares.places import place

RECIPE = small(4)


class Machine:
    """A folder of runs that nobody else sees."""

    def __init__(self, root: Path, share: str, **settings: Any) -> None:
        self.root = root
        self.settings = Settings(
            **{"device": "cpu", "threads": 1, "checkpoint_seconds": 0.0, "shares": (share,), "push": True, **settings}
        )
        self.events: list[Event] = []

    def train(self, name: str, *, epochs: int | None = None, iterations: int | None = None) -> RunFiles:
        """Train a run until so many epochs were measured here, or so far, or to its end."""
        files, begun = RunFiles(self.root / name), len(self.events)

        def stop() -> bool:
            new = self.events[begun:]
            return (epochs is not None and sum(event["event"] == "epoch" for event in new) >= epochs) or (
                iterations is not None and any(event.get("iteration", 0) >= iterations for event in new)
            )

        execute(files, self.settings, on_event=self.events.append, stop=stop)
        return files

    @property
    def remarks(self) -> list[str]:
        """What it told beside the progress."""
        return [event["words"] for event in self.events if event["event"] == "remark"]

    @property
    def starts(self) -> list[int]:
        """Iterations that it began from."""
        return [event["iteration"] for event in self.events if event["event"] == "start"]


def asked(tmp_path: Path, share: Path | str) -> str:
    """Ask for the run at the share, as a launcher does, and return its name."""
    files = make(tmp_path / "launcher", RECIPE)
    ask_for(place(str(share)), files)
    return files.name


def reached(share: Path, name: str) -> int:
    """Return the iteration of the checkpoint that a share has."""
    found = progress(Folder(share), name)
    assert found is not None
    return found.iteration
