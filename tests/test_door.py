"""What `import reslab` offers: the list, what the type checkers are told, and what it costs."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import reslab
from reslab.cli import COMMANDS, DATA_COMMANDS
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
    "OwnCodeError",
    "Recipe",
    "ReplacedError",
    "ResLabError",
    "Run",
    "Runs",
    "ShareError",
    "Study",
    "UnknownRunError",
    "UnreadableError",
    "__version__",
    "bench",
    "check_data",
    "compare",
    "demo",
    "diagnose",
    "doctor",
    "evaluate",
    "fetch_data",
    "import_data",
    "list_data",
    "list_models",
    "list_presets",
    "live_page",
    "load_data",
    "preset",
    "pull",
    "push",
    "runs",
    "status",
    "stretch",
    "study",
    "train",
    "vary",
    "verify",
    "write_report",
]

CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "demo": ("demo", {}),
    "run": (
        "study Study.run Study.plan Study.prepare Study.report live_page",
        {
            "study": "questions",
            "more": "questions",
            "no_diagnose": "diagnose",
            "slurm_option": "slurm_options",
            "recipe": "fields",
        },
    ),
    "status": ("status", {}),
    "watch": ("live_page", {"allow_host": "allow_hosts"}),
    "report": ("write_report", {}),
    "compare": ("compare", {}),
    "train": ("train", {"recipe": "fields"}),
    "evaluate": ("evaluate", {}),
    "pull": ("pull", {}),
    "push": ("push", {}),
    "verify": ("verify", {}),
    "bench": ("bench", {}),
    "diagnose": ("diagnose", {"epoch": "epochs"}),
    "models": ("list_models", {}),
    "presets": ("list_presets", {}),
    "doctor": ("doctor", {}),
    "data fetch": ("fetch_data", {"mirror": "mirrors"}),
    "data import": ("import_data", {}),
    "data check": ("check_data", {}),
    "data list": ("list_data", {}),
}
"""What does in Python what a verb does, and the parameters that have another name there."""

PRINTED = {"json", "ids", "dry_run", "every", "prepare", "watch", "no_report"}
"""What only tells a verb how to print, or which of several calls is meant."""


def test_the_public_names_are_these_and_each_is_documented() -> None:
    assert sorted(reslab.__all__) == PUBLIC
    for name in PUBLIC:
        assert name in dir(reslab)
        assert name == "__version__" or getattr(reslab, name).__doc__


def test_type_checkers_are_told_the_same_names_from_the_same_modules() -> None:
    stub = ast.parse(Path(reslab.__file__).with_suffix(".pyi").read_text())
    told = {alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == vars(reslab)["_PLACES"]


def the_call(name: str) -> Callable[..., object]:
    found: object = reslab
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)
    return found


def test_whatever_a_verb_can_be_told_python_can_be_told() -> None:
    verbs = {**COMMANDS, **{f"data {name}": told for name, told in DATA_COMMANDS.items()}}
    assert CALLS.keys() == verbs.keys()
    for verb, (place, _) in verbs.items():
        module, function = place.split(":")
        asked = set(inspect.signature(getattr(importlib.import_module(module), function)).parameters) - PRINTED
        names, renamed = CALLS[verb]
        offered = {one for name in names.split() for one in inspect.signature(the_call(name)).parameters}
        assert {renamed.get(one, one) for one in asked} <= offered, verb


def test_the_page_on_python_has_the_call_of_each_verb() -> None:
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
    rows = dict(re.findall(r"^\| `reslab ([a-z]+(?: [a-z]+)*)[A-Z ]*` \| (.*) \|$", page, re.MULTILINE))
    assert rows.keys() == CALLS.keys()
    for verb, told in rows.items():
        for name in re.findall(r"`(?:reslab\.)?(\w+)\(", told):
            assert name in reslab.__all__ or hasattr(reslab.Study, name), verb


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
        ("reslab.list_presets(), reslab.status('.'), reslab.live_page, reslab.bench", ["torch", "polars", "uvicorn"]),
    ],
)
def test_nothing_is_loaded_before_it_is_used(use: str, absent: list[str]) -> None:
    script = f"import reslab, sys; {use}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
