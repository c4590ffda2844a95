"""The process that trains runs, on a machine that has little more than torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lab_runs import make, small

from reslab.errors import ShareError
from reslab.lab import execute
from reslab.lab.settings import Settings
from reslab.lab.stopping import INTERRUPTED, StopRequest

BARE = """
import runpy, sys
absent = ["altair", "cyclopts", "jinja2", "polars", "pooch", "rich", "scipy", "vl_convert"]
for name in absent:
    sys.modules[name] = None
sys.argv[0] = "reslab.lab.execute"
code = None
try:
    runpy.run_module("reslab.lab.execute", run_name="__main__")
except SystemExit as end:
    code = end.code
import json
loaded = sorted({name.split(".")[0] for name, module in sys.modules.items() if module is not None})
twice = "reslab.lab.execute" in sys.modules  # it is __main__ already
found = [name for name in loaded if name in [*absent, "sklearn", "pandas", "sympy"]]
found += [name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules]  # as long as all else of torch
print(json.dumps({"code": code, "twice": twice, "loaded": found}))
"""


def test_a_bare_compute_node_trains_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    missing = make(tmp_path, small(1, dataset="cifar10"))
    digits = make(tmp_path, small(2))
    nowhere = tmp_path / "nowhere"
    command = [sys.executable, "-W", "error", "-c", BARE, str(missing.path), str(nowhere), str(digits.path)]
    options = ["--device", "cpu", "--threads", "1", "--data-root", str(tmp_path), "--keep-epochs", "none"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *events, last = (json.loads(line) for line in done.stdout.splitlines())
    assert last == {
        "code": 2,
        "twice": False,
        "loaded": [],
    }  # the last failure's; nothing was imported but torch and its kin
    assert digits.status() == "finished"
    assert digits.kept_epochs() == ()
    assert missing.status() == "failed"
    settled = [(event["folder"], event["exit_code"]) for event in events if event["event"] == "settled"]
    assert settled == [(str(missing.path), 4), (str(nowhere), 2), (str(digits.path), 0)]
    messages = [event["message"] for event in events if event["event"] == "settled"]
    assert "no images of cifar10" in messages[0]
    assert "no run.json" in messages[1]
    assert done.stderr == ""


def test_what_could_not_be_sent_is_told_also_where_a_stop_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this code a task on a cluster keeps its folder, which would else be removed."""
    stop = StopRequest()

    def unsent(*_: object, **__: object) -> None:
        stop.ask()
        raise ShareError("the share does not answer")

    def ended(*_: object, **__: object) -> None:
        stop.ask()

    for one, code in ((unsent, ShareError.exit_code), (ended, INTERRUPTED)):
        stop.interrupted = False
        monkeypatch.setattr(execute, "execute", one)
        assert execute.work([str(tmp_path / "seed0"), str(tmp_path / "seed1")], Settings(), stop, write=len) == code


def test_a_file_of_events_has_few_lines_of_how_far_a_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now, kept = 100.0, list[str]()
    monkeypatch.setattr("time.monotonic", lambda: now)
    write = execute._Sparse(kept.append)
    for step in range(100):
        write(json.dumps({"event": "progress", "run": "a", "iteration": step}))
        now += 0.25
    write(json.dumps({"event": "epoch", "run": "a", "epoch": 1}))
    assert [json.loads(line).get("iteration") for line in kept] == [0, 40, 80, None]


def test_a_mistake_in_its_settings_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--threads", "0"], ["--device", "tpu"], ["--side-by-side", "0"]):
        monkeypatch.setattr("sys.argv", ["execute", str(tmp_path), *wrong])
        assert execute.main() == 2
        assert capsys.readouterr().err.startswith("python -m reslab.lab.execute: ")
