"""The script of an array job on a Slurm cluster: what each of its tasks does."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from reslab.errors import ResLabError, ShareError
from reslab.host import python
from reslab.lab.clusters.following import environment
from reslab.lab.stopping import INTERRUPTED

WARNING_SECONDS = 90
"""How long before the end of its time a task is told to stop."""

_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9-]*(=[^\n]*)?")
_OURS = ("array", "output", "error", "open-mode", "requeue", "no-requeue", "parsable", "wrap")

SCRIPT = """\
#!/bin/bash
{directives}

{environment}{begin}
trap 'stopped=yes; kill -TERM "$worker"' TERM
{python} -m reslab.lab.execute "$folder" --threads "${{SLURM_CPUS_PER_TASK:-1}}" {arguments} >> "$events" &
worker=$!
wait "$worker"
code=$?
while [ -n "$stopped" ]; do  # the wait ended with the signal, not with the worker
  stopped=
  wait "$worker"
  code=$?
done
{end}if [ "$code" -eq {interrupted} ]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
"""
"""What a task does: train a run, pass on the request to stop, and requeue itself if stopped."""

BEGIN = """\
cd {cwd} || exit 1
[ -s {here}/job ] || {{ echo "$SLURM_ARRAY_JOB_ID" > {here}/job.$$ && mv {here}/job.$$ {here}/job; }}
folder=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {here}/folders.txt)
events={here}/$SLURM_ARRAY_TASK_ID.events"""
"""The start of a task whose node sees the folder of the runs."""

BEGIN_APART = """\
runs=$(mktemp -d "${{TMPDIR:-/tmp}}/reslab-XXXXXX") || exit 1
folder="$runs/$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" << 'RUNS'
{names}
RUNS
)"
events=/dev/stdout"""
"""The start of a task whose node sees only a share."""

END_APART = f'[ "$code" -eq {ShareError.exit_code} ] || rm -rf "$runs"  # it has what could not be sent\n'


def log_apart(job: str, task: int | str) -> str:
    """Return the file with a task's output on a node that sees only a share."""
    return f"/tmp/reslab-{job}_{task}.log"


def check_options(options: Sequence[str]) -> None:
    """Raise `ResLabError` if an option does not look like one of sbatch's, or is one that ResLab sets."""
    for option in options:
        key = option.partition("=")[0]
        if not _OPTION.fullmatch(option):
            raise ResLabError(
                f"--slurm-option takes sbatch's long options without dashes, as in partition=gpu: {option!r}"
            )
        if key in _OURS:
            hint = "; --jobs limits how many tasks run at a time" if key == "array" else ""
            raise ResLabError(f"--slurm-option {key} is set by ResLab itself{hint}")


def check_place(folder: Path) -> None:
    """Raise `ResLabError` if a folder's name has a character that sbatch's directives cannot hold."""
    if any(character in str(folder) for character in '\n\r"\\'):
        raise ResLabError(
            f"sbatch cannot write into {str(folder)!r}: choose a folder without line breaks, quotes and backslashes"
        )


def script(
    place: Path,
    num_tasks: int,
    name: str,
    options: Sequence[str],
    arguments: Sequence[str],
    names: Sequence[str] | None = None,
    at_a_time: int | None = None,
) -> str:
    """Return the script of an array of `num_tasks`, of which Slurm runs `at_a_time`, or as many as it has room for.

    With the `names` of the runs, the script needs no files from here.
    """
    chosen = {
        "job-name": name,
        "array": f"0-{num_tasks - 1}{'' if at_a_time is None else f'%{at_a_time}'}",
        "cpus-per-task": "2",
        "signal": f"B:TERM@{WARNING_SECONDS}",
        "requeue": "",
        "open-mode": "append",
        "output": '"{}/%a.log"'.format(str(place).replace("%", "%%")) if names is None else log_apart("%A", "%a"),
    }
    for option in options:
        key, _, value = option.partition("=")
        chosen[key] = value
    directives = [f"#SBATCH --{key}{f'={value}' if value else ''}" for key, value in chosen.items()]
    if names is None:
        begin = BEGIN.format(cwd=shlex.quote(str(Path.cwd())), here=shlex.quote(str(place)))
    else:
        begin = BEGIN_APART.format(names="\n".join(names))
    return SCRIPT.format(
        directives="\n".join(directives),
        environment="".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment().items()),
        begin=begin,
        end="" if names is None else END_APART,
        interrupted=INTERRUPTED,
        python=shlex.join(python()),
        arguments=shlex.join(arguments),
    )
