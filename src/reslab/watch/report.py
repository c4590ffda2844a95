"""The report that the page's one button writes, by the command that anybody would give, and its files."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from reslab.host import python
from reslab.report.existing_files import TEXTS

_FOLDERS = ("figures", "tables")


class Report:
    """The report of a folder of runs in another folder.  It is written by a process of its own, one at a time."""

    def __init__(
        self,
        root: Path,
        out: Path,
        *,
        title: str | None = None,
        author: str | None = None,
        data_root: Path | None = None,
    ) -> None:
        """Write the report on the runs below `root` to `out`, as `reslab report` does with these flags."""
        self._root, self._out = root, out
        flags = {"--title": title, "--author": author, "--data-root": data_root}
        self._flags = [f"{flag}={value}" for flag, value in flags.items() if value is not None]
        self._writing = asyncio.Lock()

    async def write(self) -> dict[str, Any]:
        """Write the report; return where it is found, or what kept it from being written."""
        async with self._writing:
            begun = time.time()
            folders = ["--runs", str(self._root), "--out", str(self._out)]
            command = [*python(), "-m", "reslab", "report", *folders, *self._flags]
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
                "folder": str(self._out),
            }

    def files(self) -> dict[str, Path]:
        """Return the files of the report by the names that the page may ask for; links that lead elsewhere are none."""
        found = {name: self._out / name for name in TEXTS if (self._out / name).is_file()}
        for folder in _FOLDERS:
            if (self._out / folder).is_dir():
                for entry in os.scandir(self._out / folder):
                    if entry.is_file(follow_symlinks=False):
                        found[f"{folder}/{entry.name}"] = Path(entry.path)
        return found
