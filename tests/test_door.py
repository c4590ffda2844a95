"""What `import reslab` offers: the list, what the type checkers are told, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reslab
from reslab.recipe import Recipe, written_fields
from reslab.session.fields import RecipeFields

MISSPELT = "trian"

PUBLIC = [
    "CheckpointError",
    "Comparison",
    "DamagedError",
    "DataError",
    "Evaluation",
    "LockedError",
    "Recipe",
    "ReplacedError",
    "ResLabError",
    "Run",
    "Runs",
    "ShareError",
    "Study",
    "UnreadableError",
    "__version__",
    "compare",
    "evaluate",
    "preset",
    "pull",
    "push",
    "runs",
    "stretch",
    "study",
    "train",
    "vary",
    "verify",
]


def test_the_public_names_are_these_and_each_is_documented() -> None:
    assert sorted(reslab.__all__) == PUBLIC
    for name in PUBLIC:
        assert name in dir(reslab)
        assert name == "__version__" or getattr(reslab, name).__doc__


def test_type_checkers_are_told_the_same_names_from_the_same_modules() -> None:
    stub = ast.parse(Path(reslab.__file__).with_suffix(".pyi").read_text())
    told = {alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == vars(reslab)["_PLACES"]


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'trian'; it offers .*train"):
        getattr(reslab, MISSPELT)


def test_the_keywords_of_train_are_the_fields_of_a_recipe() -> None:
    kinds = {name: Recipe.__dataclass_fields__[name].type for name in written_fields() if name != "network"}
    assert RecipeFields.__annotations__ == kinds


@pytest.mark.parametrize(
    ("use", "absent"),
    [
        ("reslab", ["torch", "polars", "altair", "scipy", "numpy", "rich"]),
        ("reslab.Recipe, reslab.ResLabError", ["torch", "polars", "altair", "scipy", "numpy", "rich"]),
        ("reslab.study('depth')", ["torch"]),
    ],
)
def test_nothing_is_loaded_before_it_is_used(use: str, absent: list[str]) -> None:
    script = f"import reslab, sys; {use}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
