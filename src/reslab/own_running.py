"""Load a function of the user's own from its file, and explain its failures in words.

This runs the user's code: the caller must have made sure that the user agreed to that.
"""

import contextlib
import inspect
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from importlib.util import find_spec, module_from_spec
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from reslab.errors import ResLabError
from reslab.files import one_line
from reslab.own_code import Reference, Source, read_source

Function = Callable[..., Any]

_LOADING = threading.RLock()
"""Held while the modules of a folder are in `sys.modules`."""


_STATE = threading.local()


def check_not_running() -> None:
    """Raise `ResLabError` if this thread is running a file of the user's own: a training in it would never end."""
    if getattr(_STATE, "depth", 0):
        raise ResLabError(
            "the file of a network or of images starts a training when it is loaded: put that below "
            'if __name__ == "__main__":, or move the function to a file of its own'
        )


def check_installed(source: Source, folder: Path) -> None:
    """Raise `ResLabError` if a source imports a module from a place that no run keeps.

    A module must be beside the source or installed; anything on PYTHONPATH counts as installed.  A module that cannot
    be found is reported when it is imported.
    """
    for name, file in source.imported().items():
        place = _place(name)
        if place is not None and place.parent != folder.resolve() and not _is_installed(name, place):
            raise ResLabError(
                f"{folder / file} imports {name} from {place.parent}, which no run would keep, for it is neither "
                f"beside that file nor installed.  Put a file into {place.parent} that imports the function by name, "
                "and use that file, as in my_net.py:build"
            )


def _place(name: str) -> Path | None:
    """Return where a module is imported from; None if it is built into Python or cannot be found."""
    try:
        spec = getattr(sys.modules.get(name), "__spec__", None) or find_spec(name)
    except (ImportError, ValueError):
        return None
    places = list(getattr(spec, "submodule_search_locations", None) or []) or [getattr(spec, "origin", None)]
    return Path(places[0]).resolve() if places[0] and Path(places[0]).exists() else None


def _is_installed(name: str, place: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(place.parts) or name == __name__.partition(".")[0]:
        return True
    known = [*sysconfig.get_paths().values(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return any(place.is_relative_to(Path(one).resolve()) for one in known) or name in packages_distributions()


@contextlib.contextmanager
def modules_of(folder: Path, file: str) -> Iterator[None]:
    """Let a file in this folder import its neighbours, even if modules of the same names are already imported.

    On exit those modules and torch's default dtype are restored; nothing else is left behind.  Raises `ResLabError` if
    a file of its source cannot be read or is not Python.
    """
    source = read_source(folder / file).files
    check_installed(Source(source), folder)
    names = {PurePath(path).parts[0].removesuffix(".py") for path in source}

    def of_these_names() -> dict[str, ModuleType]:
        return {
            key: module
            for key, module in list(sys.modules.items())
            if any(key == name or key.startswith(f"{name}.") for name in names)
        }

    with _LOADING:
        before, wrote, arguments = of_these_names(), sys.dont_write_bytecode, sys.argv
        dtype = sys.modules["torch"].get_default_dtype() if "torch" in sys.modules else None
        for name in before:
            del sys.modules[name]
        for name in names:
            if not {f"{name}.py", f"{name}/__init__.py"} & source.keys():
                sys.modules[name] = _namespace(name, folder / name)
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        sys.argv = [str(folder / file)]  # what a run computes follows from its recipe, not from how it was started
        _STATE.depth = getattr(_STATE, "depth", 0) + 1
        try:
            yield
        finally:
            _STATE.depth -= 1
            sys.dont_write_bytecode, sys.argv = wrote, arguments
            if torch := sys.modules.get("torch"):
                torch.set_default_dtype(dtype or torch.float32)
            with contextlib.suppress(ValueError):
                sys.path.remove(str(folder))
            for name in of_these_names():
                del sys.modules[name]
            sys.modules.update(before)


def _namespace(name: str, folder: Path) -> ModuleType:
    """Return a package without an __init__.py; Python would prefer any other package of that name to it."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return module_from_spec(spec)


def load_function(folder: Path, reference: Reference, *arguments: str) -> Function:
    """Return the function of a file in a folder, which must take these arguments; call this within `modules_of`.

    Raises `ResLabError` if the file cannot be run or has no such function.
    """
    path = folder / reference.file
    module = ModuleType(path.stem)
    module.__file__, module.__package__ = str(path), ""  # a file by itself, as the run's copy of it is
    sys.modules[path.stem] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise told(error, reference, folder, "its file cannot be run") from error
    function = getattr(module, reference.function, None)
    if function is None:
        there = sorted(name for name, value in vars(module).items() if inspect.isfunction(value))
        raise ResLabError(f"{reference.file} has no function {reference.function}; it has {', '.join(there) or 'none'}")
    if not callable(function):
        raise ResLabError(f"{reference.words} is not a function but {type(function).__name__}")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise ResLabError(
            f"{reference.words} must take ({', '.join(arguments)}), and takes {inspect.signature(function)}: {error}"
        ) from None
    except ValueError:  # it has no signature
        pass
    else:
        _check_names(function, reference, arguments)
    loaded: Function = function
    return loaded


def _check_names(function: Function, reference: Reference, arguments: Sequence[str]) -> None:
    """Raise `ResLabError` if an option of the function, such as dropout=0.1, would receive the seed."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [one for one in inspect.signature(function).parameters.values() if one.kind in kinds]
    for wanted, one in zip(arguments, taken, strict=False):
        if wanted == "seed" and "seed" not in one.name.lower() and not one.name.startswith("_"):
            raise ResLabError(
                f"{reference.words} would get the seed as its {one.name}: write def build(num_classes, seed) that "
                "calls it, or name that parameter seed"
            )


def frames_in(folder: Path, error: BaseException) -> list[traceback.FrameSummary]:
    """Return the traceback's frames in the user's files in this folder."""
    return [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(str(folder))]


def told(error: BaseException, reference: Reference, folder: Path, what: str, beside: str = "") -> ResLabError:
    """Return an error that explains an exception of the user's code, with the last line of it that ran."""
    frames = frames_in(folder, error)
    line = f", {Path(frames[-1].filename).relative_to(folder)}, line {frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError) and error.lineno:
        line = f", line {error.lineno}"
    first, *rest = str(error).split("\n")
    words = one_line(f"{first} {rest[0].strip()}" if first.endswith(":") and rest else first)
    if "relative import" in words:
        beside = f"{beside}.  Give a file beside the package, in which an import by name leads to the function"
    return ResLabError(f"{reference.words}: {what}{line}: {type(error).__name__}: {words}{beside}")
