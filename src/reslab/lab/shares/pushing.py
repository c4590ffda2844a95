"""Ended runs sent to a place, complete with their manifests, and repaired if the copy there is damaged."""

from collections.abc import Mapping

from reslab.errors import DamagedError, ResLabError, ShareError
from reslab.files import Json, parse_json
from reslab.lab.folder import manifest
from reslab.lab.folder.ending import settle
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.places import Place, read
from reslab.lab.shares.share import ENDS, MADE_LATER, Outcome, beside, end_sha256, place_beside
from reslab.lab.shares.vetting import RECORD_BYTES, listed_in
from reslab.recipe import Recipe, Run

_TRIES = 3


def push_run(where: Place, files: RunFiles) -> Outcome:
    """Push an ended run, its manifest last; if the place has it, push only damaged or missing files.

    If the place has another training of the same run, this one becomes a replicate of it.  Raises `DamagedError` if a
    local file does not match its manifest, and `ShareError` if the place cannot be written to.
    """
    run = files.read_run()
    name = run.id
    if files.ended() is None:
        return Outcome(name, "absent", f"it is {files.status()}; only runs that have ended are shared")
    settle(files)
    files.check()
    files.check_files()
    content = (files.path / manifest.NAME).read_bytes() if manifest.exists(files.path) else None
    if content is None:
        return Outcome(name, "refused", "it has no manifest, and its weights are not those that it ended with")
    try:
        there = _there(where, name, content)
        kind, prefix = place_beside(end_sha256(there), end_sha256(content), name)
        if kind == "replicate":
            _check_same(where, name, run)
            if (there := _there(where, prefix, content)) is not None:
                kind = "there"
    except DamagedError as error:
        return Outcome(name, "refused", f"{where.shown} has something else of it: {error}")
    if kind == "there" and there is not None:
        return Outcome(name, "pushed" if _mend(where, prefix, files, content, there) else "there")
    return _send(where, prefix, files, content)


def _there(where: Place, prefix: str, content: bytes) -> bytes | None:
    """Return a place's manifest of a run; None if there is none, or it is a damaged one of this training."""
    there = read(where, f"{prefix}/{manifest.NAME}", RECORD_BYTES)
    try:
        if there is not None:
            parse_json(there, f"its {manifest.NAME}", must_be_signed=True)
        end_sha256(there)
    except DamagedError as error:
        ends = [(file, entry) for file, entry in listed_in(content).items() if file in ENDS]
        if all(where.holds(f"{prefix}/{file}", entry["bytes"], entry["sha256"]) for file, entry in ends):
            return None  # everything is sent again
        raise DamagedError(f"{error}; remove {prefix} there to push this one") from None
    return there


def _check_same(where: Place, name: str, run: Run) -> None:
    """Raise `DamagedError` if the place has another run with the same id; ignore one that cannot be read.

    A training of another recipe is not a replicate of this one.
    """
    try:
        content = parse_json(read(where, f"{name}/run.json", RECORD_BYTES) or b"", "run.json")
        found = Run(Recipe.from_mapping(content["recipe"]), content["seed"])
    except (ResLabError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, ShareError):
            raise
        return
    if found != run and found.id == run.id:
        raise DamagedError("another run that happens to have the same id; push to another share")


def _send(where: Place, prefix: str, files: RunFiles, content: bytes) -> Outcome:
    """Send a run, its manifest last, until the place has it complete: another training may be sent at the same time.

    Of two concurrent senders, the one whose manifest is written last keeps the place, and resends what the other
    overwrote.  The other training becomes a replicate or, if its sender had already finished, does when pushed again.
    """
    name, mine = files.name, end_sha256(content)
    sent = {file: entry for file, entry in listed_in(content).items() if (files.path / file).exists()}
    damaged = dict(sent)
    for _ in range(_TRIES):
        for file in damaged:
            where.write(f"{prefix}/{file}", files.path / file)
        before = read(where, f"{prefix}/{manifest.NAME}", RECORD_BYTES)
        where.write(f"{prefix}/{manifest.NAME}", content)
        if _told_ending(read(where, f"{prefix}/{manifest.NAME}", RECORD_BYTES)) != mine and prefix == name:
            return _send(where, beside(str(mine), name), files, content)
        is_alone = before is None or _told_ending(before) == mine
        damaged = _damaged(where, prefix, sent) if is_alone else dict(sent)
        if not damaged:
            return Outcome(name, "pushed" if prefix == name else "replicate", "" if prefix == name else prefix)
    raise ShareError(
        f"{where.shown} does not keep what is written to {prefix}, or others keep writing there; try again"
    )


def _mend(where: Place, prefix: str, files: RunFiles, content: bytes, there: bytes) -> bool:
    """Resend a place's damaged files of the run with this manifest, and send those made since, such as diagnostics.

    Return whether any were damaged.
    """
    theirs, mine = listed_in(there), listed_in(content)
    here = [file for file in mine if (files.path / file).exists()]
    damaged = [file for file in _damaged(where, prefix, theirs) if file in here]
    new = [file for file in here if file in MADE_LATER and file not in theirs]
    for file in (*damaged, *new):
        where.write(f"{prefix}/{file}", files.path / file)
    changed = {**theirs, **{file: mine[file] for file in (*damaged, *new)}}
    if changed != theirs:
        where.write(f"{prefix}/{manifest.NAME}", manifest.as_bytes(changed))
    return bool(damaged)


def _damaged(where: Place, prefix: str, listed: Mapping[str, Json]) -> dict[str, Json]:
    """Return the files of a run that are missing or wrong at a place, as far as it can tell."""
    return {
        file: entry
        for file, entry in listed.items()
        if not where.holds(f"{prefix}/{file}", entry["bytes"], entry["sha256"])
    }


def _told_ending(content: bytes | None) -> str | None:
    """Return the result of `end_sha256`; None also for a damaged manifest."""
    try:
        return end_sha256(content)
    except DamagedError:
        return None
