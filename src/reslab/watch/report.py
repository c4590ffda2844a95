"""The report that the page's button writes, with the ordinary command, and its files."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from reslab.files import as_path
from reslab.host import python
from reslab.report.existing_files import TEXTS

_FOLDERS = ("figures", "tables")


@dataclass(frozen=True)
class Report:
    """The report on the runs below `root`, written to `out` as by `reslab report` with these flags.

    A separate process writes it, one at a time.
    """

    root: Path
    out: Path
    title: str | None = None
    author: str | None = None
    data_root: Path | None = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    @classmethod
    def of_text(cls, given: dict[str, str]) -> Self:
        """Return the report from the result of `as_text`."""
        root, out, images = (as_path(given.get(name)) for name in ("root", "out", "data_root"))
        assert root is not None
        assert out is not None
        return cls(root, out, given.get("title"), given.get("author"), images)

    def as_text(self) -> dict[str, str]:
        """Return the values that are set, to pass to another process."""
        given = {name: getattr(self, name) for name in ("root", "out", "title", "author", "data_root")}
        return {name: str(value) for name, value in given.items() if value is not None}

    async def write(self) -> dict[str, Any]:
        """Write the report; return its address, or the error that prevented it."""
        async with self._writing:
            begun = time.time()
            command = [*python(), "-m", "reslab", "report", *self._flags()]
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            try:
                _, said = await process.communicate()
            except asyncio.CancelledError:
                process.terminate()
                raise
            words = said.decode(errors="replace").strip()
            if process.returncode:
                return {"error": words or f"`reslab report` ended with {process.returncode}"}
            return {
                "address": "report/index.html",
                "seconds": time.time() - begun,
                "remarks": words,
                "folder": str(self.out),
            }

    def _flags(self) -> list[str]:
        flags = {"runs" if name == "root" else name.replace("_", "-"): value for name, value in self.as_text().items()}
        return [f"--{name}={value}" for name, value in flags.items()]

    def files(self) -> dict[str, Path]:
        """Return the report's files by the names that the page may request, without links that lead elsewhere."""
        found = {name: self.out / name for name in TEXTS if (self.out / name).is_file()}
        for folder in _FOLDERS:
            if (self.out / folder).is_dir():
                found |= {f"{folder}/{entry.name}": Path(entry.path) for entry in os.scandir(self.out / folder)}
        here = self.out.resolve()
        return {name: path for name, path in found.items() if path.is_file() and path.resolve().is_relative_to(here)}
