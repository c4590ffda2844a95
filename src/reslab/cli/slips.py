"""Mistakes in the command line, reported in ResLab's words."""

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    convert,
)

from reslab.arguments import alternatives
from reslab.errors import closest, nearest

_MUST_BE = {int: "a whole number", float: "a number", bool: "true or false"}


def converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return the value of a flag's words; unlike cyclopts, do not round fractions to whole numbers."""
    if int in alternatives(kind):
        for token in tokens:
            try:
                int(token.value)
            except ValueError:
                raise CoercionError(token=token, target_type=int) from None
    return convert(kind, tokens)


def words(error: CycloptsError) -> str:
    """Return what is wrong, on one line, and what to do."""
    command = " ".join(("reslab", *(error.command_chain or ())))
    match error:
        case UnknownCommandError(unused_tokens=[name, *_]):
            there = [] if error.app is None else [one for one in error.app if not one.startswith("-")]
            return f"there is no command {name!r}{nearest(name, there)}; {command} --help lists them"
        case UnknownOptionError():
            flag = (error.token.keyword or error.token.value).split("=", 1)[0]
            meant = closest(flag, (name for one in error.argument_collection if one.parse for name in one.names))
            return (
                f"{command} has no {flag}{'' if meant is None else f' (did you mean {meant}?)'}; see {command} --help"
            )
        case UnusedCliTokensError():
            return f"{command} takes no {' '.join(map(repr, error.unused_tokens or ()))}; see {command} --help"
        case MissingArgumentError(argument=argument) if argument is not None:
            given = error.keyword or next((one.keyword for one in argument.tokens if one.keyword), None)
            if given is None and argument.field_info.is_positional:
                return f"{command} needs {_place(argument.name)}; see {command} --help"
            return f"{given or argument.name} needs a value; see {command} --help"
        case RepeatArgumentError():
            return f"{error.token.keyword or error.token.value} is given twice"
        case CoercionError(token=token) if token is not None and (wanted := _wanted(error.target_type)):
            name = token.keyword or ("" if error.argument is None else _place(error.argument.name))
            source = "" if token.source in ("", "cli") else f" (from {token.source})"
            return f"{name} must be {wanted}, not {token.value!r}{source}"
    return " ".join(str(error).split())


def _place(name: str) -> str:
    """Return the name of a positional argument in the help."""
    return name.lstrip("-").upper()


def _wanted(kind: Any) -> str:
    """Return what a value must be; "" where only cyclopts knows."""
    for one in alternatives(kind):
        if get_origin(one) is Literal:
            return f"one of {', '.join(map(str, get_args(one)))}"
        if one in _MUST_BE:
            return _MUST_BE[one]
    return ""
