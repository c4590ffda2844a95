"""Ctrl-C at any moment: one line, and exit code 130."""

import subprocess
import sys

import pytest

from reslab.cli import COMMANDS, RESUMING, main

STRUCK = """
import os, signal, sys

module = sys.argv.pop()

class Struck:
    def find_spec(self, name, *_):
        if name == module:
            sys.meta_path.remove(self)
            {how}

sys.meta_path.insert(0, Struck())
from reslab.__main__ import main
sys.exit(main())
"""
"""Interrupts itself when a module is about to be loaded."""

PLAIN = "os.kill(os.getpid(), signal.SIGINT)"
IN_A_TEXT = "exec('os.kill(os.getpid(), signal.SIGINT); os.getpid()')"


@pytest.mark.parametrize(
    ("arguments", "module", "how", "said"),
    [
        (["status"], "cyclopts", PLAIN, "reslab: interrupted\n"),
        (["status"], "reslab.session.overview", PLAIN, "reslab: interrupted\n"),
        (["train"], "reslab.session.training", IN_A_TEXT, "reslab: interrupted; the same command resumes\n"),
    ],
)
def test_it_is_told_in_a_line(arguments: list[str], module: str, how: str, said: str) -> None:
    script = STRUCK.format(how=how)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, module], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", said)


def test_a_second_one_while_the_first_is_answered_changes_nothing() -> None:
    script = STRUCK.format(how=PLAIN).replace(
        "from reslab.__main__ import main",
        "import reslab.cli.streams as streams\n"
        "def again(_): raise KeyboardInterrupt\n"
        "streams.problem = again\n"
        "from reslab.__main__ import main",
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "status", "reslab.session.overview"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "reslab: interrupted\n")


def test_a_verb_that_is_interrupted_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reslab.session.overview.status", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == "reslab: interrupted\n"


def test_the_verbs_that_resume_are_verbs() -> None:
    assert set(RESUMING) <= {*COMMANDS, "data"}
