"""What is submitted to Slurm, as text."""

from pathlib import Path

import pytest

from reslab.errors import ResLabError
from reslab.lab.clusters.slurm_script import check_options, check_place, script


def test_options_take_the_place_of_ours_and_some_are_refused(tmp_path: Path) -> None:
    text = script(tmp_path, 3, "depth", ["partition=gpu", "cpus-per-task=8", "exclusive"], ["--device", "cuda"])
    directives = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    assert {"job-name=depth", "array=0-2", "partition=gpu", "cpus-per-task=8", "exclusive", "requeue"} <= {*directives}
    assert "cpus-per-task=2" not in directives
    for wrong in ("--partition=gpu", "p gpu", "partition=gpu\n#SBATCH --x", ""):
        with pytest.raises(ResLabError, match="without dashes"):
            check_options([wrong])
    with pytest.raises(ResLabError, match="set by ResLab itself; --jobs limits how many tasks run at a time"):
        check_options(["array=0-5"])


@pytest.mark.parametrize(("at_a_time", "array"), [(None, "array=0-2"), (2, "array=0-2%2")])
def test_slurm_is_told_how_many_tasks_run_at_a_time(tmp_path: Path, at_a_time: int | None, array: str) -> None:
    text = script(tmp_path, 3, "depth", [], [], at_a_time=at_a_time)
    assert f"#SBATCH --{array}" in text.splitlines()


def test_a_task_on_a_node_of_its_own_keeps_what_could_not_be_sent(tmp_path: Path) -> None:
    names = ["digits-resnet8-00000000/seed0", "digits-resnet8-00000000/seed1"]
    text = script(tmp_path, 2, "depth", [], ["--push"], names)
    assert str(tmp_path) not in text
    assert "\n".join(names) in text
    assert '[ "$code" -eq 6 ] || rm -rf "$runs"' in text


def test_the_log_is_in_any_folder_but_those_that_sbatch_cannot_be_told(tmp_path: Path) -> None:
    text = script(tmp_path / "100% of o'Brien", 1, "depth", [], [])
    assert f'#SBATCH --output="{tmp_path}/100%% of o\'Brien/%a.log"' in text.splitlines()
    for name in ("two\nlines", 'a "quote"', "back\\slash"):
        with pytest.raises(ResLabError, match="without line breaks, quotes and backslashes"):
            check_place(tmp_path / name)
