"""Flags that several verbs share, and a recipe's fields as flags."""

import ast
import inspect
from collections.abc import Sequence
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token

from reslab.files import as_path
from reslab.recipe import Recipe, Scalar, written_fields


def _path(_: object, tokens: Sequence[Token]) -> Path:
    """Return a path with ~/ expanded, which shells do not do after `--runs=`."""
    return as_path(tokens[0].value)


Runs = Annotated[
    Path, Parameter(name="--runs", env_var="RESLAB_RUNS", converter=_path, help="Folder that holds all runs.")
]
GivenPath = Annotated[Path, Parameter(converter=_path)]
"""A file or folder of the user's, with ~ expanded."""
Out = Annotated[Path, Parameter(name="--out", converter=_path, help="Folder to write the report to.")]
DataRoot = Annotated[
    Path | None,
    Parameter(
        name="--data-root",
        env_var="RESLAB_DATA",
        converter=_path,
        help="Folder of the images; default: your cache folder.",
    ),
]
Device = Annotated[str, Parameter(name="--device", help="Device: auto, cpu, cuda, cuda:N or mps.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for scripts.")]
Ids = Annotated[bool, Parameter(name="--ids", negative="", help="Show runs by id instead of name.")]
Activations = Annotated[
    bool,
    Parameter(
        name="--checkpoint-activations",
        negative="",
        help="Use less memory but more time, for depth 1202; results agree up to rounding.",
    ),
]

TrustCode = Annotated[
    bool,
    Parameter(
        name="--trust-code",
        negative="",
        help="Run the network code that came with the run even if you have not used it on this machine before.",
    ),
]

KeepEpochs = Annotated[
    str | None,
    Parameter(
        name="--keep-epochs",
        help="Epochs after which to keep the weights for `reslab diagnose RUN --epoch`, e.g. 1,41,82, or none; "
        "default: epoch 1 and the last before each drop of the rate (other schedules: epoch 1 and the middle one).",
    ),
]


@cache
def field_help() -> dict[str, str]:
    """Return the docstring below each field of `Recipe`."""
    body = ast.parse(inspect.cleandoc(inspect.getsource(Recipe))).body[0]
    assert isinstance(body, ast.ClassDef)
    pairs = zip(body.body, body.body[1:], strict=False)
    return {
        one.target.id: two.value.value
        for one, two in pairs
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(two, ast.Expr)
        and isinstance(two.value, ast.Constant)
        and isinstance(two.value.value, str)
    }


def _flag(name: str, kind: Any) -> Any:
    alias = ["--lr"] if name == "learning_rate" else []  # its usual name
    return Annotated[kind | None, Parameter(alias=alias, help=field_help()[name], negative=_negative(name, kind))]


def _negative(name: str, kind: Any) -> str:
    return f"--no-{name.replace('_', '-')}" if kind is bool else ""


if TYPE_CHECKING:

    class RecipeFlags:
        """The fields of a recipe that a user may set, as optional flags; the docstring of each field is the help."""

else:
    RecipeFlags = make_dataclass(
        "RecipeFlags",
        [(name, _flag(name, Recipe.__dataclass_fields__[name].type), field(default=None)) for name in written_fields()],
        kw_only=True,
        namespace={"__module__": __name__},
    )

if TYPE_CHECKING:

    class StudyFlags(RecipeFlags):
        """Those of these fields for which `reslab run` has no flag of its own."""

else:
    StudyFlags = make_dataclass(
        "StudyFlags",
        [
            (name, _flag(name, Recipe.__dataclass_fields__[name].type), field(default=None))
            for name in written_fields()
            if name not in ("dataset", "depth", "precision")
        ],
        kw_only=True,
        namespace={"__module__": __name__},
    )

StudyFields = Annotated[StudyFlags | None, Parameter(name="*", group="Base recipe (default: the preset's)")]
RecipeFields = Annotated[RecipeFlags | None, Parameter(name="*", group="Recipe (default: the preset's)")]


def given_fields(flags: RecipeFlags | None) -> dict[str, Scalar]:
    """Return the fields of a recipe that were given as flags."""
    return {name: value for name in written_fields() if (value := getattr(flags, name, None)) is not None}
