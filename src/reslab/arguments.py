"""Check the arguments of the public functions against their annotations; word errors for the caller."""

import inspect
import math
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, Unpack, get_args, get_origin

from reslab.errors import ResLabError, nearest

P = ParamSpec("P")
T = TypeVar("T")


def checked(call: Callable[P, T]) -> Callable[P, T]:
    """Return the function wrapped so that its arguments are first checked against their annotations.

    Numbers of other libraries reach the function as Python's own.  Raises `ResLabError` with the argument's name, what
    was given and what is expected; for an unknown keyword, the nearest one.  A string does not count as a list.  Errors
    that the function raises name keywords, not flags.  Quoted annotations and the values of recipe fields are left to
    the function.
    """
    signature = inspect.signature(call)

    @wraps(call)
    def checking(*args: P.args, **kwargs: P.kwargs) -> T:
        _check(call.__qualname__.removesuffix(".__init__"), signature, args, kwargs)
        # Results computed from a float32 would be rounded to float32.
        plain: Any = map(as_plain, args)
        named: Any = {name: as_plain(value) for name, value in kwargs.items()}
        try:
            return call(*plain, **named)
        except ResLabError as error:
            error.args = tuple(as_keywords(one) if isinstance(one, str) else one for one in error.args)
            raise

    return checking


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return "did you mean" with the known name nearest to a wrong one, or a list of all known names."""
    return nearest(name, known) or f"; there are {', '.join(known)}"


def as_plain(value: Any) -> Any:
    """Convert a number of another library, such as NumPy, to Python's own; return anything else unchanged."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return value


def check_least(name: str, value: float | None, least: int) -> None:
    """Raise `ResLabError` if an argument or flag of this name is below `least` or not finite."""
    if value is not None and not least <= value < math.inf:
        raise ResLabError(f"{name} must be {least} or more, not {value:g}")


_COMMAND = re.compile(r"(`[^`]*`|\breslab [a-z]+ -\S+(?: [^\s;,.-]\S*)?)")
_FLAG = re.compile(
    r"(?<![\w-])--(?!no-)([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?: (?=(?:[A-Z]{2,}|[\d,]+)\b)(\S+?)(?=[.;,:]?(?:\s|$)))?"
)
_EXAMPLE = re.compile(r"e\.g\. --([a-z][a-z-]*) ('[^']*'|\S+)")
_SEVERAL = {"epoch": "epochs", "slurm-option": "slurm_options", "allow-host": "allow_hosts", "mirror": "mirrors"}
_ASKED = re.compile(r"\b(with|give|add|set|leave out|try) $")


def as_keywords(message: str) -> str:
    """Return a message with each flag replaced by its keyword, except within whole commands.

    "choose another folder with --out" becomes "choose another folder with out=...".
    """

    def keyword(found: re.Match[str]) -> str:
        name, value = _SEVERAL.get(found[1], found[1].replace("-", "_")), found[2]
        if value is None:
            return f"{name}=..." if _ASKED.search(found.string[: found.start()]) else name
        listed = ", ".join(value.split(","))
        return f"{name}=[{listed}]" if "," in value else f"{name}={value}"

    def example(found: re.Match[str]) -> str:
        return f'e.g. {found[1].replace("-", "_")}="{found[2].strip(chr(39))}"'

    parts = _COMMAND.split(message)
    return "".join(one if at % 2 else _FLAG.sub(keyword, _EXAMPLE.sub(example, one)) for at, one in enumerate(parts))


def _check(called: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    parameters = signature.parameters
    rest = next((one for one in parameters.values() if one.kind is one.VAR_KEYWORD), None)
    own = [one.name for one in parameters.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    fields = () if rest is None else _fields(rest.annotation)
    for name in kwargs:
        if name not in own and (rest is None or (fields and name not in fields)):
            known = [one for one in own if one != "self"]
            what = "field" if fields else "argument"
            raise ResLabError(f"{called} has no {what} {name!r}{did_you_mean(name, [*known, *fields])}")
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ResLabError(f"{called}: {error}") from None
    for name, value in bound.arguments.items():
        one = parameters[name]
        if one.kind is one.VAR_KEYWORD or value is one.default or one.annotation is one.empty:
            continue
        if one.kind is one.VAR_POSITIONAL:
            each = {f"{name}[{at}]": item for at, item in enumerate(value)}
        else:
            each = {name: value}
            _check_not_empty(name, value, one)
        for shown, item in each.items():
            if isinstance(item, str | PathLike) and "\0" in str(item):
                raise ResLabError(f"{shown} contains a null character, which no name can have")
            if (wrong := _wrong(shown, item, one.annotation)) is not None:
                raise ResLabError(wrong)


def _check_not_empty(name: str, value: Any, parameter: inspect.Parameter) -> None:
    wanted = {get_origin(kind) for kind in alternatives(parameter.annotation)}
    if not wanted & {Sequence, Mapping} or isinstance(value, str) or not isinstance(value, Collection) or len(value):
        return
    if parameter.default is parameter.empty or parameter.default is None or len(parameter.default):
        raise ResLabError(f"{name} is empty; give one value or more, or leave it out for the default")


def _fields(annotation: Any) -> tuple[str, ...]:
    return tuple(get_args(annotation)[0].__annotations__) if get_origin(annotation) is Unpack else ()


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union; for any other type, that type alone."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _wrong(name: str, value: Any, kind: Any) -> str | None:
    """Return how a value, or one inside it, fails to match a type; None if it matches."""
    nested = []
    for one in alternatives(kind):
        if _is(value, one):
            inside = [_wrong(*item) for item in _items(name, value, one)]
            if not any(inside):
                return None
            nested += [words for words in inside if words]
    if nested:
        return nested[0]
    shown = repr(value)
    given = shown if len(shown) <= 80 else f"{shown[:77]}..."
    hint = ""
    if isinstance(value, str) and any(get_origin(one) in (Sequence, Iterable) for one in alternatives(kind)):
        hint = f"; a list has brackets, as in {name}=[...]"
    return f"{name} must be {_words(kind)}, not {given}{hint}"


def _is(value: Any, kind: Any) -> bool:
    """Say whether a value is of a type, ignoring its contents."""
    origin = get_origin(kind) or kind
    if kind is Any:
        return True
    if kind is None or kind is types.NoneType:
        return value is None
    if origin is Literal:
        return value in get_args(kind)
    if origin is bool:
        return isinstance(value, bool)
    if origin in (int, float):
        return isinstance(value, Integral if origin is int else Real) and not isinstance(value, bool)
    if origin is Path:
        return isinstance(value, PathLike)
    if origin is Callable:
        return callable(value)
    if origin in (Sequence, Iterable):
        if isinstance(value, str | bytes | Mapping):
            return False
        return isinstance(value, Iterable) and (origin is Iterable or hasattr(value, "__getitem__"))
    return isinstance(value, origin) if isinstance(origin, type) and origin is not object else True


def _items(name: str, value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, value and expected type of each item of a container, unless iterating would use it up."""
    inside = get_args(kind)
    if get_origin(kind) is Mapping:
        yield from ((f"a key of {name}", key, inside[0]) for key in value)
        yield from ((f"{name}[{key!r}]", each, inside[1]) for key, each in value.items())
    elif get_origin(kind) in (Sequence, Iterable) and isinstance(value, Collection):
        yield from ((f"{name}[{at}]", each, inside[0]) for at, each in enumerate(value))


_ONE: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "True or False", Path: "a path"}
_MANY: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}


def _words(kind: Any) -> str:
    """Return a type in words."""
    return " or ".join(dict.fromkeys(map(_word, alternatives(kind))))


def _word(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is None or kind is types.NoneType:
        return "None"
    if origin is Literal:
        return f"one of {', '.join(map(repr, inside))}"
    if origin in (Sequence, Iterable):
        return f"a list of {_MANY[inside[0]]}" if inside[0] in _MANY else "a list"
    if origin is Mapping:
        return "a dict of lists" if get_origin(inside[1]) is Sequence else "a dict"
    if origin is Callable:
        return "a function"
    name = getattr(kind, "__name__", str(kind))
    return _ONE.get(kind) or f"a{'n' if name[0] in 'AEIO' else ''} {name}"
