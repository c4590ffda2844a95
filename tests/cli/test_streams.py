"""A reader that leaves, at once or in the middle, is no fault: every verb, every flag that prints, mistakes too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reslab.cli import COMMANDS, DATA_COMMANDS, SOME_FAILED, main

SCRIPT = "import sys; from reslab.cli import main; sys.exit(main())"
VERBS = [[name] for name in COMMANDS] + [["data", name] for name in DATA_COMMANDS]

ASKED = [
    *(([*verb, "--help"], 0) for verb in [[], *VERBS]),
    (["--version"], 0),
    (["status"], 0),
    (["status", "--json"], 0),
    (["data", "list"], 0),
    (["data", "list", "--json"], 0),
    (["presets"], 0),
    (["presets", "--json"], 0),
    (["doctor"], 0),
    (["models", "--depths", "20,32,44,56", "--json"], 0),
    (["run", "depth", "--dataset", "digits", "--depths", "8", "--seeds", "1", "--epochs", "1", "--prepare"], 0),
    (["report"], 0),
    (["statsu"], 2),
    (["status", "--jsno"], 2),
    (["train", "--depth", "21"], 2),
    (["evaluate", "nothing"], 2),
    (["diagnose", "nothing"], 2),
    (["bench", "--rounds", "0"], 2),
    (["data", "import", "nothing"], 4),
    (["data", "check"], 4),
    (["data", "fetch", "digits"], 4),
]
"""Command lines with their exit codes, where somebody reads and where nobody does."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs and no images."""
    root = tmp_path_factory.mktemp("streams")
    ask = ["--dataset", "digits", "--depth", "8", "--epochs", "1", "--precision", "fp32", "--train-share", "0.1"]
    assert main(["train", *ask, "--runs", str(root / "runs"), "--threads", "1"]) in (0, SOME_FAILED)
    return root


FORKING = """
import io, json, os, sys
import reslab.cli.bench, reslab.cli.diagnose, reslab.cli.run, reslab.cli.train, reslab.lab.diagnose, reslab.report.write
from reslab.cli import main

def child(arguments, shut, buffered):
    read, write = os.pipe()
    os.close(read)
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(write if name in shut else os.open(os.devnull, os.O_WRONLY), number)
        raw = io.FileIO(number, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=name == "stderr", write_through=not buffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    code = main(arguments)
    sys.stdout.flush()  # as the interpreter does at its end
    sys.stderr.flush()
    os._exit(code)

found = []
for case in json.load(sys.stdin):
    pid = os.fork()
    if pid == 0:
        try:
            child(*case)
        finally:
            os._exit(99)
    found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(found))
"""
"""Starts the verbs as forks of one process, which has imported what they need."""


@pytest.mark.deep
def test_no_verb_minds_a_reader_that_has_left(folder: Path) -> None:
    """In turn, standard output is shut with and without buffering, and both outputs are."""
    ways = [(["stdout"], True), (["stdout"], False), (["stdout", "stderr"], True)]
    cases = [(arguments, *ways[place % len(ways)]) for place, (arguments, _) in enumerate(ASKED)]
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        input=json.dumps(cases),
        cwd=folder,
        env={**os.environ, "RESLAB_DATA": str(folder), "RESLAB_KERNELS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [code for _, code in ASKED]
    assert list(zip(cases, json.loads(done.stdout), strict=True)) == list(zip(cases, expected, strict=True))


def run(folder: Path, arguments: list[str]) -> tuple[int, str]:
    """Run a command line into a pipe that nobody reads; return the exit code and what was said on standard error."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", SCRIPT, *arguments]
    done = subprocess.run(command, cwd=folder, text=True, check=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    return done.returncode, done.stderr


def test_a_reader_that_has_left_gets_no_complaint(folder: Path) -> None:
    assert run(folder, ["presets"]) == (0, "")
    assert run(folder, ["presets", "--json"]) == (0, "")
    code, said = run(folder, ["data", "lits"])
    assert code == 2
    assert "Traceback" not in said


def test_no_output_at_all_and_a_full_disk(folder: Path) -> None:
    for redirection, code, words in ((">&-", 0, ""), (">/dev/full", 2, "No space left on device"), ("2>&- >&-", 0, "")):
        script = f'"$0" -c "$1" presets {redirection}'
        done = subprocess.run(
            ["sh", "-c", script, sys.executable, SCRIPT], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_signs_that_a_terminal_does_not_have_are_written_plainly(folder: Path) -> None:
    script = "from reslab.cli import outlive_readers; outlive_readers(); print('\u22125 \u00b1 1 \u00d7 \u03b1')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "-5 +- 1 x ?\n"
