"""The verb `diagnose`, stopped half way."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cli_runs import tiny_run

pytest_plugins = ["cli_fixtures"]


def test_ctrl_c_while_the_why_is_measured_is_answered_at_once(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    script = "import sys; from reslab.cli import main; sys.exit(main(sys.argv[1:]))"
    ask = ["diagnose", tiny_run().id, "--which", "responses,surface", "--budget", "thorough", "--runs", "runs"]
    command = [sys.executable, "-c", script, *ask]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert any("surface, " in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 130
    assert "surface, 50%" not in said  # of 625 points, one of which takes a few hundredths of a second
    assert f"interrupted; finished measurements are kept.  To resume:  reslab {' '.join(ask)}" in said
    assert "Traceback" not in said
    content = json.loads((tmp_path / "runs" / tiny_run().id / "diagnostics.json").read_text())
    assert list(content["diagnostics"]) == ["responses"]
