"""The command line: its verbs and their exit codes.  Each verb is also one call in Python."""

import errno
import inspect
import os
import shlex
import sys
from contextlib import nullcontext

from cyclopts import App, CycloptsError, Parameter

from reslab import __version__
from reslab.cache import settle_home
from reslab.cli.slips import converted, words
from reslab.cli.streams import json_alone, outlive_readers, problem
from reslab.errors import ResLabError
from reslab.files import one_line

OK, CRASHED, USAGE, SOME_FAILED, DAMAGED, INTERRUPTED = 0, 1, 2, 3, 5, 130

EPILOGUE = """\
Exit codes: 0 ok, 1 bug in ResLab, 2 usage, 3 some runs failed (train: or diverged), 4 images, 5 damaged files, \
6 share not usable, 8 run locked by another process, 130 interrupted or out of time (the same command resumes).

Examples:
  reslab demo
  reslab run depth --dry-run
  reslab train --preset paper --depth 56 --seed 1
  reslab report --out report
"""


app = App(
    name="reslab",
    help="A laboratory for deep residual learning: ask a question, train the runs that answer it, read the report.",
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version=__version__,
    result_action="return_value",
    default_parameter=Parameter(converter=converted),
    suppress_keyboard_interrupt=False,
)
data = App(name="data", help="Fetch, import, check and list the images.", help_epilogue="", help_format="plaintext")

COMMANDS = {
    "demo": ("reslab.cli.demo:demo", "Train a small study of scanned digits and write its report: a first look."),
    "run": ("reslab.cli.run:run", "Train the runs a study still needs and write its report."),
    "status": ("reslab.cli.overview:status", "List the runs with their status, test error and speed."),
    "watch": ("reslab.cli.watch:watch", "Show the runs live in the browser."),
    "report": ("reslab.cli.overview:report", "Write the report from the runs on disk."),
    "compare": ("reslab.cli.compare:compare", "Compare two runs, or two recipes over all their seeds."),
    "train": ("reslab.cli.train:train", "Train one run, or resume it."),
    "evaluate": (
        "reslab.cli.evaluate:evaluate",
        "Measure the test error of a trained run, or of weights from elsewhere.",
    ),
    "pull": ("reslab.cli.share:pull", "Fetch completed runs from a share instead of training them."),
    "push": ("reslab.cli.share:push", "Push completed runs to a share."),
    "verify": ("reslab.cli.share:verify", "Train some completed runs again and compare."),
    "bench": ("reslab.cli.bench:bench", "Measure how fast this machine trains, compared with a standard PyTorch loop."),
    "diagnose": ("reslab.cli.diagnose:diagnose", "Measure why a trained run came out as it did."),
    "models": ("reslab.cli.facts:models", "List the networks with their parameters and multiply-adds."),
    "presets": ("reslab.cli.facts:presets", "Show the published recipes and our own fast one, with their sources."),
    "doctor": ("reslab.cli.facts:doctor", "Show what this machine has and what ResLab uses of it."),
}
DATA_COMMANDS = {
    "fetch": ("reslab.cli.data:fetch", "Download the official archive of a data set."),
    "import": ("reslab.cli.data:import_", "Check images you already have, then copy them to where ResLab looks."),
    "check": ("reslab.cli.data:check", "Decode every file of an image folder and list those that fail."),
    "list": ("reslab.cli.data:list_", "List the data sets and whether they are on this machine."),
}

UNSET_IF_EMPTY = ("RESLAB_RUNS", "RESLAB_DATA", "RESLAB_SHARE")
"""Environment variables that replace flags; an empty one would mean the current folder."""

RESUMING = ("demo", "run", "train", "diagnose", "pull", "push", "verify", "data")
"""Verbs that resume where they were stopped when given again."""

for _name, (_path, _help) in COMMANDS.items():
    _usage = {"usage": "Usage: reslab run [OPTIONS] STUDY [STUDY ...]"} if _name == "run" else {}
    app.command(_path, name=_name, help=_help, help_epilogue="", **_usage)
for _name, (_path, _help) in DATA_COMMANDS.items():
    data.command(_path, name=_name, help=_help, help_epilogue="")
app.command(data)


_given: list[str] = []


def command() -> str:
    """Return the current command line, for the user to repeat."""
    return shlex.join(["reslab", *_given])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors that a user can fix are printed without a traceback.

    If the reader of the output leaves, neither the work nor the exit code changes.
    """
    outlive_readers()
    _given[:] = sys.argv[1:] if arguments is None else arguments
    code = _run(arguments)
    if lost := problem(sys.stdout):
        print(f"reslab: the output could not be written: {lost}", file=sys.stderr)
        return code or USAGE
    return code


def _run(arguments: list[str] | None) -> int:
    try:
        settle_home()
        for name in UNSET_IF_EMPTY:
            if os.environ.get(name) == "":
                del os.environ[name]
        _show_docstring(_given)
        wants_json = "--json" in _given and not {"--help", "-h", "--version"} & set(_given)
        with json_alone() if wants_json else nullcontext():
            code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"reslab: {words(error)}", file=sys.stderr)
        return USAGE
    except ResLabError as error:
        print(f"reslab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"reslab: interrupted{_resumes(_given)}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:  # such as a name that is too long, or a full disk
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = "" if error.filename is None else f"{one_line(os.fsdecode(error.filename))}: "
        print(f"reslab: {where}{error.strerror or error}", file=sys.stderr)
        return USAGE
    return code if isinstance(code, int) else OK


def _resumes(arguments: list[str]) -> str:
    verb = next((word for word in arguments if not word.startswith("-")), "")
    return "; the same command resumes" if verb in RESUMING else ""


def _show_docstring(arguments: list[str]) -> None:
    """Make the whole docstring of the given verb its help; its line above is for the list of verbs.

    Only that verb is imported.
    """
    match [word for word in arguments if not word.startswith("-")]:
        case ["data", verb, *_] if verb in DATA_COMMANDS:
            asked = app["data"][verb]  # `data` itself is this package's module by now
        case [verb, *_] if verb in COMMANDS:
            asked = app[verb]
        case _:
            return
    body, _, _ = (inspect.getdoc(asked.default_command) or "").partition("\n\nParameters\n---")
    # The terminal breaks the lines of a paragraph; an example keeps its own.
    asked.help = "\n\n".join(part if part.startswith(" ") else part.replace("\n", " ") for part in body.split("\n\n"))
