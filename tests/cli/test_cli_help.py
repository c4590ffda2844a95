"""The help of every verb, and the commands that the documents name."""

import importlib
import inspect
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runs import Reslab

from reslab.cli import COMMANDS, DATA_COMMANDS, app, main
from reslab.recipe import written_fields

pytest_plugins = ["cli_fixtures"]

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), *(["data", name] for name in DATA_COMMANDS)])
def test_every_verb_has_help(reslab: Reslab, command: list[str]) -> None:
    code, out, _ = reslab(*command, "--help")
    assert code == 0
    assert " ".join(["Usage: reslab", *command]) in out


@pytest.mark.parametrize("verb", [*((name,) for name in COMMANDS), *(("data", name) for name in DATA_COMMANDS)])
def test_the_help_of_a_verb_is_its_whole_docstring(reslab: Reslab, verb: tuple[str, ...]) -> None:
    module, function = (DATA_COMMANDS if len(verb) == 2 else COMMANDS)[verb[-1]][0].split(":")
    whole = inspect.getdoc(getattr(importlib.import_module(module), function)) or ""
    body, _, _ = whole.partition("\n\nParameters\n---")
    _, out, _ = reslab(*verb, "--help")
    assert " ".join(body.split()) in " ".join(out.split())


def test_the_help_of_run_shows_its_examples_each_on_a_line(reslab: Reslab) -> None:
    _, out, _ = reslab("run", "--help")
    assert "\n  reslab run depth --dataset cifar10 --depths 20,56 --seeds 3\n" in out
    assert "\n  reslab run my-study.toml --dry-run\n" in out


def test_the_help_of_run_shows_that_it_takes_several_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "STUDY [STUDY ...]" in capsys.readouterr().out


def test_each_field_of_the_recipe_is_a_flag_with_help(reslab: Reslab) -> None:
    _, out, _ = reslab("train", "--help")
    for name in written_fields():
        assert f"--{name.replace('_', '-')}" in out
    assert "Weighted layers: 6n+2;" in out
    assert "--images" not in out


DOCUMENTS = ["Makefile", "README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_in_the_documents_can_be_parsed(document: str) -> None:
    text = (ROOT / document).read_text()
    lines = re.findall(r"^\s*(?:\$\(BIN\)/)?reslab (.+)$", text, flags=re.MULTILINE)
    for line in lines:
        arguments = shlex.split(line, comments=True)
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert lines or document != "README.md"


def test_help_is_quick() -> None:
    script = "import sys; from reslab.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert time.perf_counter() - begun < 5  # says that nothing hangs; what makes it quick is below
    for slow in ("torch", "polars", "altair", "scipy", "numpy"):
        assert f"'{slow}'" not in done.stderr
