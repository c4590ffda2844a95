"""Existing files in a report's folder: other people's, edited ones, pictures to reuse, outdated ones."""

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
"""Files of a report, besides its figures and tables."""

_OURS = re.compile(
    r"index\.html|report\.(?:md|pdf)|tables/[\w-][\w.-]*\.(?:csv|tex)|figures/[\w-][\w.-]*\.(?:svg|pdf|png)"
)

_BRAND = '<p class="brand">ResLab</p>'
"""Marks a page as ResLab's; see templates/page.html."""


def check_place(out: Path, names: Iterable[str] = TEXTS) -> None:
    """Raise `ResLabError` where one of these files would be overwritten and is not as ResLab wrote it.

    Either it was edited since, or nothing shows that it is a report's: it is not in the list nor, where there is no
    list, is there a page of ours.
    """
    listed = _listed(out)
    ours = not listed and _has_page(out)
    for path, entry in [(out / name, listed.get(name)) for name in names]:
        with contextlib.suppress(OSError):  # writing it will raise a clearer error
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
    """Return whether there is a report of ours with figures, that is, of runs that had begun."""
    return _has_page(out) and any((out / "figures").glob("*.svg"))


def pictures_before(out: Path) -> dict[tuple[str, str], bytes]:
    """Return the unchanged pictures of an earlier report by the fingerprint of their chart and their format."""
    return {
        (str(entry["drawn_from"]), Path(name).suffix[1:]): content
        for name, entry in _listed(out).items()
        if "drawn_from" in entry and (content := _unchanged(out / name, entry)) is not None
    }


def write_files(out: Path, files: Mapping[str, bytes], drawn_from: Mapping[str, str]) -> None:
    """Write a report's files, and remove those of an earlier report that this one does not have.

    Edited files stay, and stay listed, so that no later report takes them for its own.  `drawn_from` are the
    fingerprints of the pictures' charts.  New contents are listed beside the old before they are written, so that an
    interrupted report does not look edited.  Raises `OSError`.
    """
    before = _listed(out)
    new: dict[str, dict[str, Any]] = {name: {"sha256": [_digest(content)]} for name, content in files.items()}
    both = {name: {"sha256": [*before.get(name, {}).get("sha256", []), *one["sha256"]]} for name, one in new.items()}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / WRITTEN, {"format": FORMAT, "files": {**before, **both}})
    for name in sorted(files, key=lambda name: name != "index.html"):  # the page first: it marks the others as ours
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
            (out / folder).rmdir()  # succeeds only if it is empty


def _has_page(out: Path) -> bool:
    """Return whether there is a page of ours."""
    with contextlib.suppress(OSError):
        return _BRAND in (out / "index.html").read_text(errors="replace")
    return False


def _listed(out: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the list; {} where it is missing, damaged or of another format."""
    with contextlib.suppress(ResLabError, OSError):
        content = read_json(out / WRITTEN) or {}
        if content.get("format") == FORMAT and isinstance(content.get("files"), dict):
            files = content["files"].items()
            return {name: entry for name, entry in files if _OURS.fullmatch(name) and isinstance(entry, dict)}
    return {}


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bytes | None:
    """Return the content of a file that is still as written; else None."""
    hashes = entry.get("sha256")
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        return content if isinstance(hashes, list) and _digest(content) in hashes else None
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
