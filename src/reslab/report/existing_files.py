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


def check_place(out: Path, names: Iterable[str] = TEXTS) -> None:
    """Raise `ResLabError` where one of these files would be written over and is not as ResLab wrote it.

    It was edited since, or nothing tells that it is a report's: not the list, nor, where there is none, a page of ours.
    """
    listed = _listed(out)
    ours = not listed and _has_page(out)
    for path, entry in [(out / name, listed.get(name)) for name in names]:
        with contextlib.suppress(OSError):  # writing will say what is wrong
            if not path.is_file():
                continue
            if entry is not None and _unchanged(path, entry) is None:
                raise ResLabError(
                    f"{path} was edited after ResLab wrote it and would be overwritten; keep it under another name, "
                    "choose another folder with --out, or put your own words into notes.md in the runs folder"
                )
            if entry is None and not ours and path.stat().st_size:
                raise ResLabError(
                    f"{path} is not a ResLab report and would be overwritten; choose another folder with --out, or "
                    "move it away"
                )


def has_figures(out: Path) -> bool:
    """Return whether a report of ours with figures is there: one of runs that had begun."""
    return _has_page(out) and any((out / "figures").glob("*.svg"))


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
    """Write a report's files, and remove those of an earlier one that this one does not have.

    Edited ones stay, and stay listed, so that no later report takes them for its own.  `drawn_from` are the
    fingerprints of what the pictures were drawn from.  What is about to be written is listed before, beside what was,
    so that a report that is cut short is nobody's edit.  Raises OSError.
    """
    before = _listed(out)
    new: dict[str, dict[str, Any]] = {name: {"sha256": [_digest(content)]} for name, content in files.items()}
    both = {name: {"sha256": [*before.get(name, {}).get("sha256", []), *one["sha256"]]} for name, one in new.items()}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / WRITTEN, {"format": FORMAT, "files": {**before, **both}})
    for name in sorted(files, key=lambda name: name != "index.html"):  # the page first: it tells that others are ours
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(out / name, files[name])
    old = {name: entry for name, entry in before.items() if name not in files}
    for name, entry in old.items():
        if _unchanged(out / name, entry) is not None:
            (out / name).unlink()
    edited = {name: entry for name, entry in old.items() if (out / name).exists()}
    for name, fingerprint in drawn_from.items():
        new[name]["drawn_from"] = fingerprint
    write_json(out / WRITTEN, {"format": FORMAT, "files": {**edited, **new}})
    for folder in ("figures", "tables"):
        with contextlib.suppress(OSError):
            (out / folder).rmdir()  # only where nothing is in it


def _has_page(out: Path) -> bool:
    """Return whether a page of ours is there."""
    with contextlib.suppress(OSError):
        return _BRAND in (out / "index.html").read_text(errors="replace")
    return False


def _listed(out: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the list; none where it is missing, damaged or of another version: then nothing is ours."""
    with contextlib.suppress(ResLabError, OSError):
        content = read_json(out / WRITTEN) or {}
        if content.get("format") == FORMAT and isinstance(content.get("files"), dict):
            files = content["files"].items()
            return {name: entry for name, entry in files if _OURS.fullmatch(name) and isinstance(entry, dict)}
    return {}


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bytes | None:
    """Return the content of a file that is still what was written; else None."""
    hashes = entry.get("sha256")
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        return content if isinstance(hashes, list) and _digest(content) in hashes else None
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
