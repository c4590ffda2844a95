"""Write a function typed in a notebook or a shell, with everything it refers to, to a file that a run can keep.

What a function does depends on the global names that it uses.  Each is looked up as the function would: a function or
class of the notebook is written with its own source, a module or something from one as an import, a plain value as it
is now.  Anything else, such as a tensor or an object, has no source and is refused by name.  Finally, the file is run
once, and its functions and classes are compared with those of the notebook: a class that was changed after its cell was
run is refused, too.
"""

import atexit
import inspect
import math
import shutil
import symtable
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any

from reslab.errors import ResLabError
from reslab.own_code import source_of
from reslab.session.cell_check import SCALARS, check_same
from reslab.session.cell_places import FILE, FUTURE, Place, functions_of, instead, namespace_of, place_of

_UNREADABLE = ("eval", "exec", "globals")
"""Builtins that reach names which cannot be read from the source."""


def file_of(function: Callable[..., Any], folder: Path | None = None) -> Path:
    """Write a function or class that is in no file to one that lasts as long as this process, and return that file.

    What it imports from `folder`, by default the working folder, is copied beside it.  Raises `ResLabError` naming what
    cannot be captured.
    """
    capture = _Capture(function)
    source = source_of(folder or Path.cwd(), FILE, capture.text().encode())
    place = _kept() / source.digest
    source.write(place)
    check_same(place, capture.name, function, capture.places)
    return place / FILE


@cache
def _kept() -> Path:
    """Return a folder that lasts as long as this process; each run copies what it needs from it."""
    folder = tempfile.mkdtemp(prefix="reslab-cells-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class _Capture:
    """What a function needs: imports, values, and definitions in an order in which they can run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = getattr(function, "__name__", "")
        self._imports: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._owners: dict[int, str] = {}
        """The name of each mutable value, by its id: a value with two names would be two values in the file."""
        self._definitions: dict[str, str] = {}
        self.places: dict[str, Place] = {}
        """Where each definition is."""
        self._flags = 0
        self._namespace = namespace_of(function)
        self._define(self.name, function)

    def text(self) -> str:
        """Return the content of the file."""
        future = ["from __future__ import annotations"] if self._flags & FUTURE else []
        parts = [future, sorted(self._imports.values()), [self._values[name] for name in sorted(self._values)]]
        head = "\n\n".join("\n".join(lines) for lines in parts if lines)
        return "\n\n\n".join([*([head] if head else []), *self._definitions.values()]) + "\n"

    def _define(self, name: str, value: Any) -> None:
        """Add the source of a function or class and what it refers to; what the definition itself needs comes first."""
        if name in self.places:
            return
        place = self.places[name] = place_of(value, name)
        for one in functions_of(value):
            self._flags |= one.__code__.co_flags
        at_once, later = _names(place.source, has_future=bool(self._flags & FUTURE))
        for other in sorted(at_once - {name}):
            self._take(other, name)
        self._definitions[name] = place.source
        for other in sorted(later - at_once - {name}):
            self._take(other, name)

    def _take(self, name: str, user: str) -> None:
        if name not in self._namespace:
            if name in _UNREADABLE:
                raise self._refused(user, f"calls {name}(), and what that reaches cannot be read from its source")
            return  # a builtin, or missing, which the trial of the network reports
        value = self._namespace[name]
        if isinstance(value, ModuleType):
            if sys.modules.get(value.__name__) is not value or value.__name__ == "__main__":
                raise self._refused(user, f"uses the module {name}, which cannot be imported by its name")
            self._imports[name] = f"import {value.__name__} as {name}" if name != value.__name__ else f"import {name}"
        elif (line := _imported(name, value)) is not None:
            self._imports[name] = line
        elif _is_definition(value):
            self._take_definition(name, value, user)
        else:
            try:
                self._values[name] = f"{name} = {self._literal(name, value, user)}"
            except RecursionError:
                kind = type(value).__name__
                raise self._refused(user, f"uses {name}, a {kind} that contains itself or is nested too deep") from None

    def _take_definition(self, name: str, value: Any, user: str) -> None:
        inner = inspect.unwrap(value)
        own = inner.__name__
        if isinstance(inner, FunctionType) and inner.__globals__ is not self._namespace:
            raise self._refused(
                user, f"uses {name}, a function of {inner.__module__} that cannot be imported from there"
            )
        if own == name or not own.isidentifier():
            self._define(name, value)
        elif self._namespace.get(own) is value:
            self._define(own, value)
            self._definitions[name] = f"{name} = {own}"
        else:
            raise self._refused(user, f"uses {name}, which was {own} before {own} was defined again")

    def _literal(self, name: str, value: Any, user: str) -> str:
        """Return an expression for a plain value."""
        if isinstance(value, PurePath) and type(value) in (type(Path()), type(PurePath())):
            self._imports["pathlib"] = "import pathlib"
            return f"pathlib.{'Path' if isinstance(value, Path) else 'PurePath'}({str(value)!r})"
        if type(value) is float and not math.isfinite(value):
            return f'float("{value}")'
        if type(value) in SCALARS:
            return repr(value)
        if type(value) in (list, tuple, set, frozenset, dict):
            if type(value) in (list, set, dict) and self._owners.setdefault(id(value), name) != name:
                raise self._refused(
                    user, f"uses {name}, which is the same {type(value).__name__} as in {self._owners[id(value)]}"
                )
            if type(value) is dict:
                pairs = (
                    f"{self._literal(name, key, user)}: {self._literal(name, one, user)}" for key, one in value.items()
                )
                return f"{{{', '.join(pairs)}}}"
            items = [self._literal(name, one, user) for one in value]
            if isinstance(value, set | frozenset):
                return f"{type(value).__name__}([{', '.join(sorted(items))}])"
            inner = ", ".join(items) + ("," if type(value) is tuple and len(items) == 1 else "")
            return f"[{inner}]" if type(value) is list else f"({inner})"
        raise self._refused(
            user,
            f"uses {name}, a value of type {type(value).__name__} that was made in the notebook: make it inside "
            f"{user}, or use a plain number or text instead",
        )

    def _refused(self, user: str, why: str) -> ResLabError:
        whose = "" if user == self.name else f" ({user} belongs to {self.name})"
        return ResLabError(
            f"{user} {why}{whose}.  A run keeps source, not the state of a notebook.  Otherwise, {instead(self.name)}"
        )


def _is_definition(value: Any) -> bool:
    return callable(value) and (isinstance(inspect.unwrap(value), FunctionType) or inspect.isclass(value))


def _imported(name: str, value: Any) -> str | None:
    """Return the import statement for a value that a module has under the value's own name; None if there is none."""
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", ""))
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        module, own = "torch", str(value).removeprefix("torch.")
    if module == "__main__" or not isinstance(own, str) or not own.isidentifier():
        return None
    if not isinstance(module, str) or getattr(sys.modules.get(module), own, None) is not value:
        if not callable(value) or _is_definition(value):
            return None
        # C functions do not always record their module: take the shortest public name of a module that has this one.
        there = [
            key
            for key, one in list(sys.modules.items())
            if getattr(one, "__dict__", {}).get(own) is value and "._" not in f".{key}"
        ]
        if not there:
            return None
        module = min(there, key=lambda key: (len(key), key))
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


def _names(source: str, *, has_future: bool) -> tuple[set[str], set[str]]:
    """Return the global names that a definition uses: when it runs, and these plus those used when it is called."""
    at_once: set[str] = set()
    later: set[str] = set()

    def walk(table: symtable.SymbolTable, *, is_called: bool) -> None:
        is_module = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (is_module or symbol.is_global()):
                (later if is_called else at_once).add(symbol.get_name())
        for child in table.get_children():
            walk(child, is_called=is_called or child.get_type() == "function")

    head = "from __future__ import annotations\n" if has_future else ""
    walk(symtable.symtable(head + source, FILE, "exec"), is_called=False)
    return at_once, later | at_once
