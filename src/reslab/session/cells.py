"""A function typed in a notebook or a shell, written as a file that a run can keep: with all that it refers to.

What a function means depends on the names around it.  Each is looked up where the function would: a function or class
of the notebook comes with its own source, a module or what comes from one as an import, a plain value as it is now.
Whatever else there is, such as a tensor or an object, has no source and is refused by name.  At last the file is run
once, and its functions and classes compared with those of the notebook: a class that was changed after its cell
was run is refused, too.
"""

import __future__

import ast
import atexit
import inspect
import linecache
import math
import shutil
import symtable
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from reslab.errors import ResLabError
from reslab.own_code import parse, source_of
from reslab.own_running import load_function, modules_of

FILE = "notebook.py"
"""What the file is called: part of the network's name, and of its identity."""

INSTEAD = "write the cell to a file: put %%writefile my_net.py in its first line, and give my_net.py:{name}"

_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
"""As IPython compiles cells."""

_FUTURE = __future__.annotations.compiler_flag
"""Of a notebook in which a cell said `from __future__ import annotations`, which holds for all cells after it."""

_UNREADABLE = ("eval", "exec", "globals")
"""Builtins that reach names which cannot be read from the source."""

_SCALARS = (int, float, complex, str, bytes, bool, type(None), type(...))


def file_of(function: Callable[..., Any], folder: Path | None = None) -> Path:
    """Return a file with a function or class that stands in none, kept as long as this process lives.

    What it imports from `folder`, by default the working folder, lies beside it.  Raises `ResLabError` that names what
    cannot be captured.
    """
    name = getattr(function, "__name__", "")
    capture = _Capture(function)
    content = capture.text().encode()
    source = source_of(folder or Path.cwd(), FILE, content)
    place = _kept() / source.digest
    source.write(place)
    _check_same(place, name, function, capture.places)
    return place / FILE


@cache
def _kept() -> Path:
    """Return a folder that lasts as long as this process; each run has a copy of what is in it."""
    folder = tempfile.mkdtemp(prefix="reslab-cells-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class _Capture:
    """What a function needs: imports, values, and definitions in an order in which they can be run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._root = function
        self._imports: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._owners: dict[int, str] = {}
        """The name of each mutable value: two names of one value would be two values in the file."""
        self._definitions: dict[str, str] = {}
        self.places: dict[str, _Place] = {}
        """Where each definition stands."""
        self._flags = 0
        self._namespace = _namespace(function)
        self._define(getattr(function, "__name__", ""), function)

    def text(self) -> str:
        """Return the file."""
        future = ["from __future__ import annotations"] if self._flags & _FUTURE else []
        parts = [future, sorted(self._imports.values()), [self._values[name] for name in sorted(self._values)]]
        head = "\n\n".join("\n".join(lines) for lines in parts if lines)
        return "\n\n\n".join([*([head] if head else []), *self._definitions.values()]) + "\n"

    def _define(self, name: str, value: Any) -> None:
        """Take in the source of a function or class and what it refers to, first what its definition itself uses."""
        if name in self.places:
            return
        place = self.places[name] = _place(value, name)
        source = place.source
        inner = inspect.unwrap(value)
        functions = [inner] if isinstance(inner, FunctionType) else map(_function_in, vars(inner).values())
        for one in functions:
            self._flags |= one.__code__.co_flags if one is not None else 0
        at_once, later = _names(source, has_future=bool(self._flags & _FUTURE))
        for other in sorted(at_once - {name}):
            self._take(other, name)
        self._definitions[name] = source
        for other in sorted(later - at_once - {name}):
            self._take(other, name)

    def _take(self, name: str, user: str) -> None:
        if name not in self._namespace:
            if name in _UNREADABLE:
                raise self._refused(user, f"calls {name}(), and what that reaches cannot be read from its source")
            return  # a builtin, or missing: the trial of the network tells in words
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
            self._values[name] = f"{name} = {self._literal(name, value, user)}"

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
        if type(value) in _SCALARS:
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
            f"uses {name}, a value of type {type(value).__name__} that was made in the notebook: make it within "
            f"{user}, or a plain number or text of it",
        )

    def _refused(self, user: str, why: str) -> ResLabError:
        root = getattr(self._root, "__name__", "")
        whose = "" if user == root else f" ({user} belongs to {root})"
        return ResLabError(
            f"{user} {why}{whose}.  A run keeps source, not the state of a notebook; else " + INSTEAD.format(name=root)
        )


def _namespace(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names around a function or class."""
    inner = inspect.unwrap(function)
    if isinstance(inner, FunctionType):
        return inner.__globals__
    return vars(sys.modules.get(getattr(inner, "__module__", ""), ModuleType("")))


def _is_definition(value: Any) -> bool:
    return callable(value) and (isinstance(inspect.unwrap(value), FunctionType) or inspect.isclass(value))


def _imported(name: str, value: Any) -> str | None:
    """Return the import of a value that a module has under its own name; None where there is none."""
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", ""))
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        module, own = "torch", str(value).removeprefix("torch.")
    if module == "__main__" or not isinstance(own, str) or not own.isidentifier():
        return None
    if not isinstance(module, str) or getattr(sys.modules.get(module), own, None) is not value:
        if not callable(value) or _is_definition(value):
            return None
        # What is written in C does not always tell where it is: the shortest public name of a module that has it.
        there = [
            key
            for key, one in list(sys.modules.items())
            if getattr(one, "__dict__", {}).get(own) is value and "._" not in f".{key}"
        ]
        if not there:
            return None
        module = min(there, key=lambda key: (len(key), key))
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a definition stands: a cell by the name that `linecache` knows it by, and its lines."""

    cell: str
    first: int
    last: int

    def tree(self) -> ast.Module:
        """Return the whole cell."""
        source = "".join(linecache.getlines(self.cell))
        found = compile(source, self.cell, "exec", ast.PyCF_ONLY_AST | _AWAIT, dont_inherit=True)
        assert isinstance(found, ast.Module)
        return found

    @property
    def source(self) -> str:
        """The definition, with its decorators."""
        return "".join(linecache.getlines(self.cell)[self.first - 1 : self.last]).rstrip()


def _place(value: Any, name: str) -> _Place:
    """Return where a function or class stands."""
    inner = inspect.unwrap(value)
    shown = getattr(inner, "__qualname__", name)
    if not name.isidentifier() or shown != name:
        raise ResLabError(
            f"{shown} is not defined at the top of a cell: a lambda, or a function inside another one, cannot be found "
            "again; define it with def at the top"
        )
    found: dict[str, _Place] = {}
    for cell, line in _places(inner, name):
        try:
            statements = _Place(cell, 1, 1).tree().body
        except SyntaxError:
            continue
        for node in statements:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name != name:
                continue
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            place = _Place(cell, first, node.end_lineno or first)
            if line is None or first <= line <= place.last:
                found[place.source] = place
    if len(found) == 1:
        return found.popitem()[1]
    why = "is not known (Python's own shell keeps none before 3.13; a notebook does)"
    if found:
        why = "is in several cells, and which one counts is not known; restart the notebook"
    raise ResLabError(f"the source of {name} {why}: run its cell again, or " + INSTEAD.format(name=name))


def _places(value: Any, name: str) -> Iterator[tuple[str, int | None]]:
    """Yield where a function or class may stand: a file that `linecache` knows, and a line, where that is known."""
    if isinstance(value, FunctionType):
        yield value.__code__.co_filename, value.__code__.co_firstlineno
        return
    methods = [one for one in map(_function_in, vars(value).values()) if one is not None]
    methods = [
        one
        for one in methods
        if one.__qualname__ == f"{name}.{one.__name__}" and one.__code__.co_filename in linecache.cache
    ]
    if methods:
        yield methods[0].__code__.co_filename, methods[0].__code__.co_firstlineno
        return
    for file in list(linecache.cache):  # a class without methods does not tell its cell
        if not Path(file).is_file():
            yield file, None


def _function_in(attribute: Any) -> FunctionType | None:
    inner = getattr(attribute, "__func__", getattr(attribute, "fget", attribute))
    inner = inspect.unwrap(inner) if callable(inner) else inner
    return inner if isinstance(inner, FunctionType) else None


def _names(source: str, *, has_future: bool) -> tuple[set[str], set[str]]:
    """Return the names around it that a definition uses: when it is run, and also when what it defines is called."""
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


def _check_same(folder: Path, name: str, function: Callable[..., Any], places: Mapping[str, _Place]) -> None:
    """Raise `ResLabError` where what the file defines is not what the notebook has."""
    reference = parse(f"{FILE}:{name}")
    assert reference is not None
    with modules_of(folder):
        load_function(folder, reference, "num_classes", "seed")
        written = dict(vars(sys.modules[Path(FILE).stem]))
    namespace = _namespace(function) | {name: function}
    for own, place in places.items():
        for part in _differing(written[own], namespace[own], own, place):
            raise ResLabError(
                f"{part} is not what its cell says: it was changed after the cell was run.  Run the cell again, or "
                + INSTEAD.format(name=name)
            )


def _differing(written: Any, own: Any, name: str, place: _Place) -> Iterator[str]:
    """Yield the name of a part in which a definition of the file is not that of the notebook."""
    if written is own:
        return
    if inspect.isclass(written) and inspect.isclass(own):
        first, second = (
            {key: value for key, value in vars(one).items() if key not in _IMPLICIT} for one in (written, own)
        )
        for key in sorted(first.keys() | second.keys()):
            if key not in first or key not in second:
                yield f"{name}.{key}"
            else:
                yield from _differing(first[key], second[key], f"{name}.{key}", place)
        return
    one, other = _function_in(written), _function_in(own)
    if one is None or other is None:
        if one is not other or not _same(written, own):
            yield name
    elif one is not other and not (
        _is_of(place, other.__code__, one.__code__)
        and _same((one.__defaults__, one.__kwdefaults__), (other.__defaults__, other.__kwdefaults__))
    ):
        yield name


def _is_of(place: _Place, code: CodeType, written: CodeType) -> bool:
    """Say whether code of the notebook is what is compiled from its lines, or is made alike by what they call."""
    if code.co_filename != place.cell:  # as a dataclass makes its __init__
        return code.co_filename == written.co_filename and _same_code(code, written)
    if not place.first <= code.co_firstlineno <= place.last:
        return False
    # How a call is compiled depends on the imports above it: IPython compiles statement by statement, a shell all.
    statements = place.tree().body
    flags = code.co_flags & _FUTURE | _AWAIT
    for part in ([one for one in statements if (one.end_lineno or 0) >= place.last][:1], statements):
        compiled = compile(ast.Module(part, []), place.cell, "exec", flags, dont_inherit=True)
        for one in _codes_in(compiled):
            if (one.co_name, one.co_firstlineno) == (code.co_name, code.co_firstlineno) and _same_code(one, code):
                return True
    return False


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes_in(one)


_IMPLICIT = {
    "__annotations__",
    "__annotations_cache__",
    "__annotate_func__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
    "__abstractmethods__",
}
"""What a class has without being told."""


def _same(one: Any, other: Any) -> bool:
    """Say whether two plain values are alike; others, which a definition makes anew, are if their types are."""
    if type(one) is not type(other):
        return type(one).__name__ == type(other).__name__ and type(one).__module__ == Path(FILE).stem
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) not in _SCALARS or repr(one) == repr(other)


def _same_code(one: CodeType, other: CodeType) -> bool:
    parts = (
        "co_code",
        "co_names",
        "co_varnames",
        "co_freevars",
        "co_cellvars",
        "co_flags",
        "co_argcount",
        "co_kwonlyargcount",
    )
    if any(getattr(one, part) != getattr(other, part) for part in parts) or len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        _same_code(first, second)
        if isinstance(first, CodeType) and isinstance(second, CodeType)
        else _same(first, second)
        for first, second in zip(one.co_consts, other.co_consts, strict=True)
    )
