"""Where a function or class typed in a notebook is defined: its cell, by its name in `linecache`, and its lines."""

import __future__

import ast
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from reslab.errors import ResLabError

FILE = "notebook.py"
"""Name of the file that a function is written to: part of the network's name and of its identity."""

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
"""IPython compiles cells with this flag."""

FUTURE = __future__.annotations.compiler_flag
"""Flag of code after `from __future__ import annotations`, which holds for all later cells of a notebook."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a definition is: a cell, by its name in `linecache`, and its lines."""

    cell: str
    first: int
    last: int

    @property
    def source(self) -> str:
        """The definition, with its decorators."""
        return "".join(linecache.getlines(self.cell)[self.first - 1 : self.last]).rstrip()


def statements_of(cell: str) -> list[ast.stmt]:
    """Return the statements of a cell."""
    source = "".join(linecache.getlines(cell))
    found = compile(source, cell, "exec", ast.PyCF_ONLY_AST | AWAIT, dont_inherit=True)
    assert isinstance(found, ast.Module)
    return found.body


def place_of(value: Any, name: str) -> Place:
    """Return where a function or class of this name is defined; raise `ResLabError` where that is unknown."""
    inner = inspect.unwrap(value)
    shown = getattr(inner, "__qualname__", name)
    if not name.isidentifier() or shown != name:
        raise ResLabError(
            f"{shown} is not defined at the top of a cell: a lambda, or a function inside another one, cannot be found "
            "again; define it with def at the top"
        )
    found: dict[str, Place] = {}
    is_inside = False
    for cell, line in _candidates(inner, name):
        try:
            statements = statements_of(cell)
        except SyntaxError:
            continue
        for node in (one for statement in statements for one in ast.walk(statement)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name != name:
                continue
            if node not in statements:
                is_inside |= line is None or _first(node) <= line <= (node.end_lineno or 0)
                continue
            first = _first(node)
            place = Place(cell, first, node.end_lineno or first)
            if line is None or first <= line <= place.last:
                found[place.source] = place
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        why = "is in several cells, and which one is current is unknown; restart the notebook and run its cell again"
    elif is_inside:
        why = "is inside another statement, such as if, try or for: define it at the top of a cell"
    elif _is_timed(inner):
        why = "is not known, because %%time keeps none: remove that line and run the cell again"
    else:
        why = "is not known (Python's own shell keeps none before 3.13; a notebook does): run its cell again"
    raise ResLabError(f"the source of {name} {why}, or {instead(name)}")


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Return the first line of a definition, including its decorators."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _is_timed(value: Any) -> bool:
    """Say whether IPython's %%time or %%timeit compiled a function or class, which records no cell."""
    return any(one.__code__.co_filename in ("<timed exec>", "<magic-timeit>") for one in functions_of(value))


def _candidates(value: Any, name: str) -> Iterator[tuple[str, int | None]]:
    """Yield where a function or class may be defined: a file that `linecache` knows, and a line, where known."""
    if isinstance(value, FunctionType):
        yield value.__code__.co_filename, value.__code__.co_firstlineno
        return
    for one in functions_of(value):
        file = one.__code__.co_filename
        is_own = (
            one.__qualname__ == f"{name}.{one.__name__}" and file != "<string>"
        )  # the file of code that dataclasses generate
        if is_own and file in linecache.cache:
            yield file, one.__code__.co_firstlineno
            return
    for file in list(linecache.cache):  # a class without methods does not record its cell
        if not Path(file).is_file():
            yield file, None


def functions_of(value: Any) -> Iterator[FunctionType]:
    """Yield a function, or the functions among a class's attributes, without their wrappers."""
    inner = inspect.unwrap(value)
    attributes = [inner] if isinstance(inner, FunctionType) else vars(inner).values()
    yield from (one for one in map(function_of, attributes) if one is not None)


def function_of(attribute: Any) -> FunctionType | None:
    """Return the function behind a class attribute such as a method or property; None where there is none."""
    inner = getattr(attribute, "__func__", getattr(attribute, "fget", attribute))
    inner = inspect.unwrap(inner) if callable(inner) else inner
    return inner if isinstance(inner, FunctionType) else None


def namespace_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the global names that a function or class sees."""
    inner = inspect.unwrap(function)
    if isinstance(inner, FunctionType):
        return inner.__globals__
    return vars(sys.modules.get(getattr(inner, "__module__", ""), ModuleType("")))


def instead(name: str) -> str:
    """Return the advice for a function whose source cannot be kept."""
    return f"write the cell to a file: put %%writefile my_net.py in its first line, and give my_net.py:{name}"
