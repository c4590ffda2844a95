"""Check that functions match what a run would make of their source: a class or value may have changed since it ran.

Functions of a notebook are compared with the file that their cells are written to.  For functions of a file, the values
that they read and the networks that they build are compared.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from reslab.errors import ResLabError
from reslab.own_code import Reference, parse
from reslab.own_running import load_function, modules_of
from reslab.session.cell_places import AWAIT, FILE, FUTURE, Place, function_of, instead, namespace_of, statements_of

SCALARS = (int, float, complex, str, bytes, bool, type(None), type(...))
"""Types of the plain values that can be written to a file as they are."""


def check_same(folder: Path, name: str, function: Callable[..., Any], places: Mapping[str, Place]) -> None:
    """Raise `ResLabError` where a definition in the file differs from the notebook's."""
    reference = parse(f"{FILE}:{name}")
    assert reference is not None
    with modules_of(folder, FILE):
        load_function(folder, reference, "num_classes", "seed")
        written = dict(vars(sys.modules[Path(FILE).stem]))
    namespace = namespace_of(function) | {name: function}
    for own, place in places.items():
        for part in _differing(written[own], namespace[own], own, place):
            raise ResLabError(
                f"{part} is not what its cell says: it was changed after the cell was run.  Run the cell again, or "
                f"{instead(name)}"
            )


def check_values(function: Callable[..., Any], reference: Reference) -> None:
    """Raise `ResLabError` where a plain value that a function reads differs from what its file, run afresh, sets.

    A run trains what its file says, whatever a script has set since: a loop over WIDTH would always train one network.
    """
    namespace = namespace_of(function)
    read = _values_read(inspect.unwrap(function), namespace)
    if not read:
        return
    with modules_of(reference.path.parent, reference.file):
        load_function(reference.path.parent, reference, "num_classes", "seed")
        written = dict(vars(sys.modules[Path(reference.file).stem]))
    for name in read:
        if name not in written or not _same(written[name], namespace[name]):
            there = f"{written[name]!r}" if name in written else "not there"
            raise ResLabError(
                f"{name} is {namespace[name]!r} now, but {there} when {reference.file} is run by itself, as in a run.  "
                "Set it at the top of that file (and import it again if you have edited it); for several values, "
                "write a function for each"
            )


def check_built(function: Callable[..., Any], reference: Reference) -> None:
    """Raise `ResLabError` where a function now builds a different network from the one its file, run afresh, builds.

    This happens when something that it reads has changed since: a class attribute, a default, another module's value.
    A function that fails with these arguments is left to the check that builds it for the images.
    """
    from reslab.models.own_network import seeded

    def built(build: Callable[..., Any]) -> object:
        with seeded(0, "trial"):
            network = build(10, 0)
        return repr(network), [(name, tuple(value.shape)) for name, value in network.state_dict().items()]

    try:
        with modules_of(reference.path.parent, reference.file):
            written = built(load_function(reference.path.parent, reference, "num_classes", "seed"))
        now = built(function)
    except Exception:  # raised by the user's code
        return
    if now != written:
        raise ResLabError(
            f"{reference.function} now builds a different network from the one that {reference.file} builds when it is "
            "run by itself, as in a run: something that it reads has changed since.  Set that in the file; for several "
            "networks, write a function for each"
        )


def _values_read(function: object, namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of a module's plain values that one of its functions or classes reads, itself or indirectly."""
    found: dict[str, None] = {}
    waiting, seen = [function], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        parts = vars(one).values() if inspect.isclass(one) else (one,)
        for code in (code for part in parts for code in _codes_of(part)):
            for name in code.co_names:
                value = namespace.get(name)
                if name in namespace and not name.startswith("__") and isinstance(value, (*SCALARS, tuple, list, dict)):
                    found[name] = None
                elif getattr(value, "__module__", None) == namespace.get("__name__"):
                    waiting.append(value)
    return list(found)


def _codes_of(part: object) -> Iterator[CodeType]:
    code = getattr(function_of(part), "__code__", None)
    if code is not None:
        yield code
        yield from _codes_in(code)


def _differing(written: Any, own: Any, name: str, place: Place) -> Iterator[str]:
    """Yield the name of each part in which a definition in the file differs from the notebook's."""
    if written is own or _is_same_import(written, own):
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
    one, other = function_of(written), function_of(own)
    if one is None or other is None:
        if one is not other or not _same(written, own):
            yield name
    elif one is not other and not (
        _is_of(place, other.__code__, one.__code__)
        and _same((one.__defaults__, one.__kwdefaults__), (other.__defaults__, other.__kwdefaults__))
    ):
        yield name


def _is_same_import(written: Any, own: Any) -> bool:
    """Say whether both are the same function or class of a module, of which the file imports its own copy."""
    one, other = ((getattr(each, "__module__", ""), getattr(each, "__qualname__", "<")) for each in (written, own))
    return one == other and "<" not in one[1]


def _is_of(place: Place, code: CodeType, written: CodeType) -> bool:
    """Say whether code of the notebook equals what its lines compile to, or was generated alike by what they call."""
    if code.co_filename != place.cell:  # generated, such as the __init__ of a dataclass
        return code.co_filename == written.co_filename and _same_code(code, written)
    if not place.first <= code.co_firstlineno <= place.last:
        return False
    # How a call is compiled depends on the imports above it: IPython compiles each statement alone, a shell all.
    statements = statements_of(place.cell)
    flags = code.co_flags & FUTURE | AWAIT
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
"""Attributes that a class gets automatically."""


def _same(one: Any, other: Any) -> bool:
    """Say whether two plain values are equal; other values, which each definition creates anew, need equal types."""
    if type(one) is not type(other):
        modules = (Path(FILE).stem, type(other).__module__)  # modules beside the file are copies
        return type(one).__name__ == type(other).__name__ and type(one).__module__ in modules
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) not in SCALARS or repr(one) == repr(other)


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
