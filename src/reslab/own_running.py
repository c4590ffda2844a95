"""A function of the user's own, loaded from its file and told of in words where that fails.

This runs the user's code: whoever calls it has made sure that the user said so.
"""

import contextlib
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from reslab.errors import ResLabError
from reslab.files import one_line
from reslab.own_code import Reference, read_source

Function = Callable[..., Any]

_LOADING = threading.RLock()
"""Held while the modules of a folder stand in `sys.modules`."""


_STATE = threading.local()


def check_not_running() -> None:
    """Raise `ResLabError` where this thread is running a file of the user's own: a training in it would never end."""
    if getattr(_STATE, "depth", 0):
        raise ResLabError(
            "the file of a network or of images starts a training when it is loaded: put that below "
            'if __name__ == "__main__":, or the function into a file of its own'
        )


@contextlib.contextmanager
def modules_of(folder: Path, file: str) -> Iterator[None]:
    """Let a file in this folder import what lies beside it, whatever of these names was imported before.

    In the end those modules are back, and torch's default type of numbers; nothing else is left behind.  Raises
    `ResLabError` where a file of its source cannot be read or is not Python.
    """
    source = read_source(folder / file).files
    names = {PurePath(path).parts[0].removesuffix(".py") for path in source}

    def of_these_names() -> dict[str, ModuleType]:
        return {
            key: module
            for key, module in list(sys.modules.items())
            if any(key == name or key.startswith(f"{name}.") for name in names)
        }

    with _LOADING:
        before, wrote = of_these_names(), sys.dont_write_bytecode
        dtype = sys.modules["torch"].get_default_dtype() if "torch" in sys.modules else None
        for name in before:
            del sys.modules[name]
        for name in names:
            if not {f"{name}.py", f"{name}/__init__.py"} & source.keys():
                sys.modules[name] = _namespace(name, folder / name)
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        _STATE.depth = getattr(_STATE, "depth", 0) + 1
        try:
            yield
        finally:
            _STATE.depth -= 1
            sys.dont_write_bytecode = wrote
            if torch := sys.modules.get("torch"):
                torch.set_default_dtype(dtype or torch.float32)
            with contextlib.suppress(ValueError):
                sys.path.remove(str(folder))
            for name in of_these_names():
                del sys.modules[name]
            sys.modules.update(before)


def _namespace(name: str, folder: Path) -> ModuleType:
    """Return a package without an __init__.py, for which Python would take any other of the name instead."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return module_from_spec(spec)


def load_function(folder: Path, reference: Reference, *arguments: str) -> Function:
    """Return the function of a file in a folder, which takes these arguments; call it within `modules_of`.

    Raises `ResLabError` where the file cannot be run, or has no such function.
    """
    path = folder / reference.file
    module = ModuleType(path.stem)
    module.__file__ = str(path)
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
        raise ResLabError(f"{reference.words} is no function but {type(function).__name__}")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise ResLabError(
            f"{reference.words} must take ({', '.join(arguments)}), and takes {inspect.signature(function)}: {error}"
        ) from None
    except ValueError:  # no signature to be had
        pass
    loaded: Function = function
    return loaded


def frames_in(folder: Path, error: BaseException) -> list[traceback.FrameSummary]:
    """Return the lines of the user's files in this folder that were running when an exception came up."""
    return [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(str(folder))]


def told(error: BaseException, reference: Reference, folder: Path, what: str, beside: str = "") -> ResLabError:
    """Return an exception of the user's code in words, with the line of it that was last run."""
    frames = frames_in(folder, error)
    line = f", {Path(frames[-1].filename).relative_to(folder)}, line {frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError) and error.lineno:
        line = f", line {error.lineno}"
    words = one_line(str(error).split("\n", 1)[0])
    return ResLabError(f"{reference.words}: {what}{line}: {type(error).__name__}: {words}{beside}")
