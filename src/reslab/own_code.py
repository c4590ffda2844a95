"""The user's own code that determines what a run computes: a function in a file, named, read and fingerprinted.

Nothing here runs it.  A file's source is found from its import statements: the files in its folder that it imports, and
those that they import in turn.
"""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reslab.errors import DamagedError, ResLabError
from reslab.files import sync_folder, write_whole

DIGITS = 16
"""Digits of a source's SHA-256 that a recipe holds."""

_PART = r"\w[\w .()+-]*"

NAME = rf"({_PART}/){{0,9}}{_PART}\.py"
"""Pattern of the names of source files in a run and on a share, safe on every system."""

_REFERENCE = re.compile(rf"(?:(.*)/)?([^/@:]+\.py):([^\W\d]\w*)(?:@([0-9a-f]{{{DIGITS}}}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reference:
    """A function in a file, as in nets/my_net.py:build; in a recipe my_net.py:build@ and the digest of its source."""

    folder: str
    """The file's folder, "" for the working folder; unknown once the source is fingerprinted."""
    file: str
    function: str
    digest: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder) / self.file if self.folder else Path(self.file)

    @property
    def words(self) -> str:
        """The function as readers see it, e.g. build (my_net.py)."""
        return f"{self.function} ({self.file})"

    @property
    def slug(self) -> str:
        """The function as part of a run's id, e.g. my_net.build."""
        return re.sub(r"[^\w.-]", "_", f"{self.file.removesuffix('.py')}.{self.function}", flags=re.ASCII).lstrip("_.-")


def parse(text: str) -> Reference | None:
    """Return the reference that a text denotes, or None."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    folder, file, function, digest = match.groups()
    if folder is not None and not folder:
        folder = "/"  # a file in the root folder
    return Reference(folder or "", file, function, digest or "")


def within(text: str, folder: Path) -> str:
    """Return a reference from a file in this folder relative to the working folder; any other text unchanged."""
    reference = parse(text)
    if reference is None or reference.digest or reference.path.is_absolute() or str(folder) in ("", "."):
        return text
    return f"{(folder / reference.path).as_posix()}:{reference.function}"


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of a function's source files by their paths below its folder (POSIX)."""

    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The start of its SHA-256, as recipes hold it: it names the source but is too short to authenticate it."""
        return self.sha256[:DIGITS]

    @property
    def sha256(self) -> str:
        """The SHA-256 of names and contents."""
        whole = hashlib.sha256()
        for name in sorted(self.files):
            content = hashlib.sha256(self.files[name]).hexdigest()
            whole.update(f"{len(name.encode())} {name} {content}\n".encode())
        return whole.hexdigest()

    def check_names(self) -> None:
        """Raise `ResLabError` for a file whose name cannot be kept in a run."""
        for name in self.files:
            if not re.fullmatch(NAME, name):
                raise ResLabError(
                    f"{name!r} cannot be kept in a run; rename it: a name has letters, digits, spaces and _.-+(), "
                    "begins with a letter, a digit or _, and is at most 9 folders deep"
                )

    def imported(self) -> dict[str, str]:
        """Return the modules that the files import but do not include, each with a file that imports it."""
        own = {PurePosixPath(name).parts[0].removesuffix(".py") for name in self.files}
        found: dict[str, str] = {}
        for name, content in self.files.items():
            for node in ast.walk(ast.parse(content)):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                found |= {one: name for each in names if (one := each.partition(".")[0]) not in {*own, *found}}
        return found

    def write(self, folder: Path) -> None:
        """Write the files into a folder, each atomically; raise OSError if that fails."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        sync_folder(folder.parent)


def read_source(path: Path) -> Source:
    """Return a file with all that it imports from its folder, directly or indirectly.

    Raises `ResLabError` if a file cannot be read or is not Python.
    """
    return source_of(path.parent, path.name, _read(path))


def source_of(folder: Path, name: str, content: bytes) -> Source:
    """Return a file of this content with all that it would import from the folder if it were there."""
    files, waiting = {name: content}, [*_beside(folder, PurePosixPath(name), content)]
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        files[name] = _read(folder / name)
        waiting += _beside(folder, PurePosixPath(name), files[name])
    return Source(files)


def kept_source(folder: Path, reference: Reference) -> Source:
    """Return the copy of a source in a folder; raise `DamagedError` if it does not match the reference."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py")) if folder.is_dir() else []
    source = Source({name: _read(folder / name) for name in names})
    if reference.file not in source.files:
        raise DamagedError(f"{folder} lacks {reference.file}, from which the run was made; put back a copy of it")
    if source.digest != reference.digest:
        raise DamagedError(
            f"the source in {folder} was changed (its fingerprint is {source.digest}, not {reference.digest}); put "
            "back what was there.  A changed network is another run: name your file with --network"
        )
    return source


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResLabError(f"cannot read {path}: {error.strerror or error}") from None


def _beside(folder: Path, name: PurePosixPath, content: bytes) -> Iterator[str]:
    """Yield the files below `folder` that one of its files imports."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        words = error.msg if isinstance(error, SyntaxError) else error
        raise ResLabError(f"{folder / name}{line} is not Python: {words}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(folder, PurePosixPath(), alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = PurePosixPath(*name.parts[: max(0, len(name.parts) - node.level)]) if node.level else PurePosixPath()
            parts = node.module.split(".") if node.module else []
            for alias in node.names:  # each may be a module of the package, or something in it
                yield from _files_of(folder, base, [*parts, alias.name])


def _files_of(folder: Path, base: PurePosixPath, parts: list[str]) -> Iterator[str]:
    """Yield the files of a module and of its parent packages that are below the folder."""
    place = base
    for part in parts:
        place /= part
        for candidate in (place.with_name(f"{part}.py"), place / "__init__.py"):
            if (folder / candidate).is_file():
                yield candidate.as_posix()
        if not (folder / place).is_dir():
            return
