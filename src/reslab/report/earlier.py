"""What an earlier report left in the folder: pictures to use again, and files that nobody shows any more."""

import contextlib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError
from reslab.files import read_json, write_json

MANIFEST = "manifest.json"
"""Lists the pictures that ResLab wrote into the folder, with what each was drawn from."""

FORMAT = 1

_NAME = re.compile(r"[\w-][\w.-]*\.svg")


def pictures_before(folder: Path) -> dict[str, str]:
    """Return the SVG of each picture of an earlier report, by the fingerprint of what it was drawn from.

    Only pictures that are still what was written: one that was edited is drawn again.
    """
    found = {}
    for name, entry in _entries(folder).items():
        svg = _unchanged(folder / name, entry)
        if svg is not None:
            found[str(entry.get("drawn_from"))] = svg.decode()
    return found


def tidy_up(folder: Path, pictures: Mapping[str, str], fingerprints: Mapping[str, str]) -> None:
    """Remove the pictures of an earlier report that this one does not have, and list those it has.

    Removed is only what the manifest lists and nobody changed since.  Raises OSError.
    """
    for name, entry in _entries(folder).items():
        if name.removesuffix(".svg") not in pictures and _unchanged(folder / name, entry) is not None:
            (folder / name).unlink()
    listed = {
        f"{name}.svg": {"drawn_from": fingerprints[name], "sha256": _digest(svg.encode())}
        for name, svg in sorted(pictures.items())
    }
    if listed:
        write_json(folder / MANIFEST, {"format": FORMAT, "pictures": listed})
    else:
        (folder / MANIFEST).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where nothing else is in it


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest's entries; none where it is missing, damaged or newer: then nothing is taken for ours."""
    try:
        content = read_json(folder / MANIFEST) or {}
    except (ResLabError, OSError):
        return {}
    listed = content.get("pictures") if content.get("format") == FORMAT else None
    if not isinstance(listed, dict):
        return {}
    return {name: entry for name, entry in listed.items() if _NAME.fullmatch(name) and isinstance(entry, dict)}


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if _digest(content) == entry.get("sha256") else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
