"""What lies where a report goes: somebody else's files, pictures to use again, files that nobody shows any more."""

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError
from reslab.files import read_json, write_json

MANIFEST = "manifest.json"
"""Lists the pictures that ResLab wrote into the folder, with what each was drawn from."""

FORMAT = 1

WRITTEN = "written.json"
"""Lists the other files of a report with the SHA-256 of what ResLab wrote, so that an edited one is known."""

TEXTS = ("index.html", "report.md", "report.pdf")
"""What a report consists of, beside its figures."""

_BRAND = '<p class="brand">ResLab</p>'
"""What every page of ours has, see templates/page.html."""

_NAME = re.compile(r"[\w-][\w.-]*\.(?:svg|pdf|png)")


def pictures_before(folder: Path) -> dict[tuple[str, str], bytes]:
    """Return the pictures of an earlier report by the fingerprint of what each was drawn from, and its format.

    Only pictures that are still what was written: one that was edited is drawn again.
    """
    found = {}
    for name, entry in _entries(folder).items():
        content = _unchanged(folder / name, entry)
        if content is not None:
            found[str(entry.get("drawn_from")), Path(name).suffix[1:]] = content
    return found


def tidy_up(folder: Path, pictures: Mapping[str, bytes], fingerprints: Mapping[str, str]) -> None:
    """Remove the pictures of an earlier report that this one does not have, and list those it has.

    `pictures` are the files by name, `fingerprints` of each the one of what it was drawn from.  Removed is only what
    the manifest lists and nobody changed since.  Raises OSError.
    """
    for name, entry in _entries(folder).items():
        if name not in pictures and _unchanged(folder / name, entry) is not None:
            (folder / name).unlink()
    listed = {
        name: {"drawn_from": fingerprints[name], "sha256": _digest(content)}
        for name, content in sorted(pictures.items())
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


def check_unedited(out: Path) -> None:
    """Raise `ResLabError` where somebody has edited a file of the report since ResLab wrote it."""
    for name, hashes in _written(out).items():
        path = out / name
        if path.is_file() and _digest(path.read_bytes()) not in hashes:
            raise ResLabError(
                f"{path} was edited after ResLab wrote it and would be overwritten; keep it under another name, "
                f"choose another folder with --out, or put your own words into notes.md in the runs folder"
            )


def begin_writing(out: Path, contents: Mapping[str, bytes]) -> None:
    """List what is about to be written beside what was, so that a report that is cut short is nobody's edit."""
    before = _written(out)
    out.mkdir(parents=True, exist_ok=True)
    listed = {name: [*before.get(name, []), _digest(content)] for name, content in contents.items()}
    write_json(out / WRITTEN, {"format": FORMAT, "files": {**before, **listed}})


def end_writing(out: Path, contents: Mapping[str, bytes]) -> None:
    """List what was written, and remove files of an earlier report that this one does not have."""
    for name, hashes in _written(out).items():
        path = out / name
        if name not in contents and path.is_file() and _digest(path.read_bytes()) in hashes:
            path.unlink()
    listed = {name: [_digest(content)] for name, content in contents.items()}
    write_json(out / WRITTEN, {"format": FORMAT, "files": listed})


def _written(out: Path) -> dict[str, list[str]]:
    try:
        content = read_json(out / WRITTEN) or {}
    except (ResLabError, OSError):
        return {}
    files = content.get("files") if content.get("format") == FORMAT else None
    if not isinstance(files, dict):
        return {}
    return {name: hashes for name, hashes in files.items() if _OURS.fullmatch(name) and isinstance(hashes, list)}


_OURS = re.compile(r"index\.html|report\.(?:md|pdf)|tables/[\w-][\w.-]*\.(?:csv|tex)")


def check_place(out: Path, names: Sequence[str] = TEXTS) -> None:
    """Raise `ResLabError` where files would be written over and no page of ours tells that they are a report's."""
    page = out / "index.html"
    check_unedited(out)
    try:
        if page.exists() and _BRAND in page.read_text(errors="replace"):
            return
        foreign = [out / name for name in names if (out / name).exists() and (out / name).stat().st_size > 0]
    except OSError:
        return  # writing will say what is wrong
    if foreign:
        raise ResLabError(
            f"{foreign[0]} is not a ResLab report and would be overwritten; choose another folder with --out, or "
            "move it away"
        )
