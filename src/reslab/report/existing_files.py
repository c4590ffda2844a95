"""What lies where a report goes: somebody else's files, edited ones, pictures to use again, files out of date."""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError
from reslab.files import read_json, write_json, write_whole

WRITTEN = "written.json"
"""Lists the files of a report with the SHA-256 of what ResLab wrote, and what each picture was drawn from."""

FORMAT = 2

TEXTS = ("index.html", "report.md", "report.pdf")
"""What a report consists of, beside its figures and tables."""

_OURS = re.compile(
    r"index\.html|report\.(?:md|pdf)|tables/[\w-][\w.-]*\.(?:csv|tex)|figures/[\w-][\w.-]*\.(?:svg|pdf|png)"
)

_BRAND = '<p class="brand">ResLab</p>'
"""What every page of ours has, see templates/page.html."""

_OLD_LIST = "figures/manifest.json"
"""Where versions before this one listed the pictures."""


def check_place(out: Path, names: Iterable[str] = TEXTS) -> None:
    """Raise `ResLabError` where one of these files would be written over and is not as ResLab wrote it.

    It was edited since, or no page of ours tells that the files are a report's.
    """
    page, listed = out / "index.html", _listed(out)
    try:
        there = {name: out / name for name in names if (out / name).is_file()}
        edited = [path for name, path in there.items() if name in listed and _unchanged(path, listed[name]) is None]
        ours = page.exists() and _BRAND in page.read_text(errors="replace")
        foreign = [] if ours else [path for path in there.values() if path.stat().st_size > 0]
    except OSError:
        return  # writing will say what is wrong
    if edited:
        raise ResLabError(
            f"{edited[0]} was edited after ResLab wrote it and would be overwritten; keep it under another name, "
            f"choose another folder with --out, or put your own words into notes.md in the runs folder"
        )
    if foreign:
        raise ResLabError(
            f"{foreign[0]} is not a ResLab report and would be overwritten; choose another folder with --out, or "
            "move it away"
        )


def has_figures(out: Path) -> bool:
    """Return whether a report of ours with figures is there: one of runs that had begun."""
    try:
        ours = _BRAND in (out / "index.html").read_text(errors="replace")
    except OSError:
        return False
    return ours and any((out / "figures").glob("*.svg"))


def pictures_before(out: Path) -> dict[tuple[str, str], bytes]:
    """Return the pictures of an earlier report by the fingerprint of what each was drawn from, and its format.

    Only pictures that are still what was written.
    """
    return {
        (str(entry["drawn_from"]), Path(name).suffix[1:]): content
        for name, entry in _listed(out).items()
        if "drawn_from" in entry and (content := _unchanged(out / name, entry)) is not None
    }


def write_files(out: Path, files: Mapping[str, bytes], drawn_from: Mapping[str, str]) -> None:
    """Write a report's files, and remove those of an earlier one that this one does not have; edited ones stay.

    `drawn_from` are the fingerprints of what the pictures were drawn from.  What is about to be written is listed
    before, beside what was, so that a report that is cut short is nobody's edit.  Raises OSError.
    """
    before = _listed(out)
    new: dict[str, dict[str, Any]] = {name: {"sha256": [_digest(content)]} for name, content in files.items()}
    both = {name: {"sha256": [*before.get(name, {}).get("sha256", []), *one["sha256"]]} for name, one in new.items()}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / WRITTEN, {"format": FORMAT, "files": {**before, **both}})
    for name in ("index.html", *files):  # the page first: it tells that the others are ours
        if name in files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, files[name])
    for name in before.keys() - files.keys():
        if _unchanged(out / name, before[name]) is not None:
            (out / name).unlink()
    for name, fingerprint in drawn_from.items():
        new[name]["drawn_from"] = fingerprint
    write_json(out / WRITTEN, {"format": FORMAT, "files": new})
    (out / _OLD_LIST).unlink(missing_ok=True)
    for folder in ("figures", "tables"):
        with contextlib.suppress(OSError):
            (out / folder).rmdir()  # only where nothing is in it


def _listed(out: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the list; none where it is missing, damaged or of another version: then nothing is ours."""
    try:
        content = read_json(out / WRITTEN) or {}
    except (ResLabError, OSError):
        return {}
    files = content.get("files") if content.get("format") == FORMAT else None
    if not isinstance(files, dict):
        return {}
    return {name: entry for name, entry in files.items() if _OURS.fullmatch(name) and isinstance(entry, dict)}


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bytes | None:
    """Return the content of a file that is still what was written; else None."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    hashes = entry.get("sha256")
    return content if isinstance(hashes, list) and _digest(content) in hashes else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
