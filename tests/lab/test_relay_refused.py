"""What a share must not get in: checkpoints that do not agree with themselves or with the run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_runs import make, outcome
from machines import RECIPE, Machine

from reslab.errors import ResLabError
from reslab.files import DIGEST, file_sha256, json_bytes, signed
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.distant import Followed, ask_for
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.handover import folder_of

pytest_plugins = ["machine_fixtures"]


def altered(share: Path, name: str, **changes: Any) -> None:
    """Change progress.json, signed, as somebody who lies would."""
    path = share / folder_of(name) / "progress.json"
    content = json.loads(path.read_bytes())
    content.pop(DIGEST)
    path.write_bytes(json_bytes(signed({**content, **changes})))


def replaced(share: Path, name: str, file: str, content: bytes) -> None:
    """Put other bytes in the place of a file, with all sums right."""
    path = share / folder_of(name) / "progress.json"
    values = json.loads(path.read_bytes())
    values.pop(DIGEST)
    (name_of,) = [one for one in values["files"] if one.endswith(file)]
    new = share / folder_of(name) / "files" / "new"
    new.write_bytes(content)
    digest = file_sha256(new)
    new.rename(new.with_name(str(digest)))
    values["files"][name_of] = {"bytes": len(content), "sha256": digest}
    path.write_bytes(json_bytes(signed(values)))


def files_of(share: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((share / folder_of(name) / "progress.json").read_bytes())["files"])


def read_back(share: Path, name: str, file: str) -> bytes:
    (digest,) = [entry["sha256"] for one, entry in files_of(share, name).items() if one.endswith(file)]
    content: bytes = (share / folder_of(name) / "files" / digest).read_bytes()
    return content


def checkpoint_with(file: str, content: bytes) -> Callable[[Path, str], None]:
    """Return what puts a file into the checkpoint, and vouches for it there, too."""

    def change(share: Path, name: str) -> None:
        sums = json.loads(read_back(share, name, "manifest.json"))
        path = share / "x"
        path.write_bytes(content)
        sums[file] = file_sha256(path)
        replaced(share, name, file, content)
        replaced(share, name, "manifest.json", json.dumps(sums).encode())

    return change


def state_with(**changes: Any) -> Callable[[Path, str], None]:
    def change(share: Path, name: str) -> None:
        state = json.loads(read_back(share, name, "state.json"))
        checkpoint_with("state.json", json.dumps({**state, **changes}).encode())(share, name)

    return change


def lists(file: str, num_bytes: object = 3, digest: object = "0" * 64) -> Callable[[Path, str], None]:
    def change(share: Path, name: str) -> None:
        altered(share, name, files={**files_of(share, name), file: {"bytes": num_bytes, "sha256": digest}})

    return change


def flip(share: Path, name: str) -> None:
    digest = next(
        entry["sha256"] for one, entry in files_of(share, name).items() if one.endswith("/weights.safetensors")
    )
    path = share / folder_of(name) / "files" / digest
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def metrics_with(**changes: Any) -> Callable[[Path, str], None]:
    def change(share: Path, name: str) -> None:
        rows = [json.loads(line) for line in read_back(share, name, "metrics.jsonl").splitlines()]
        rows[0] |= changes
        replaced(share, name, "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        altered(share, name, files={k: v for k, v in files_of(share, name).items() if k != "metrics.sha256"})

    return change


def other_network(share: Path, name: str) -> None:
    import torch
    from safetensors.torch import save

    checkpoint_with("weights.safetensors", save({"weight": torch.zeros(3)}))(share, name)


def reads_elsewhere(share: Path, name: str) -> None:
    replaced(share, name, "manifest.json", json.dumps({"../../../../../../etc/passwd": "0" * 64}).encode())


def other_images(share: Path, name: str) -> None:
    values = json.loads(read_back(share, name, "provenance.json"))
    values.pop(DIGEST, None)
    values["data"]["fingerprint"] = "0" * 64
    replaced(share, name, "provenance.json", json_bytes(signed(values)))


def other_recipe(share: Path, name: str) -> None:
    values = json.loads(read_back(share, name, "run.json"))
    values["recipe"]["learning_rate"] = 0.5
    replaced(share, name, "run.json", json_bytes(values))


def says(text: str) -> Callable[[Path, str], None]:
    def change(share: Path, name: str) -> None:
        (share / folder_of(name) / "progress.json").write_text(text)

    return change


HOSTILE: dict[str, Callable[[Path, str], None]] = {
    "a bit of the weights": flip,
    "another network": other_network,
    "no safetensors": checkpoint_with("weights.safetensors", b"\x80\x04pickle"),
    "an iteration past the end": state_with(iteration=10**9),
    "an iteration that is text": state_with(iteration="5"),
    "a rate that is no number": state_with(rate=float("nan")),
    "totals of something else": state_with(totals=[]),
    "a checkpoint that names files elsewhere": reads_elsewhere,
    "metrics of another epoch": metrics_with(epoch=7),
    "an error that is text": metrics_with(test_error="<script>"),
    "no seconds": metrics_with(seconds=None),
    "other images": other_images,
    "another recipe": other_recipe,
    "an unsigned progress.json": says("{}"),
    "brackets": says("[" * 100_000),
    "another run": lambda share, name: altered(share, name, run="cifar10-resnet20-00000000/seed0"),
    "another iteration": lambda share, name: altered(share, name, iteration=9),
    "files that are a list": lambda share, name: altered(share, name, files=[]),
    "a path to elsewhere": lists("../../../x"),
    "a checkpoint elsewhere": lists("checkpoint/../../../../x/state.json"),
    "a result": lists("result.json"),
    "a lock": lists(".lock"),
    "code": lists("sitecustomize.py"),
    "a file that is not there": lists("network/net.py"),
    "a huge file": lists("checkpoint/000000099/weights.safetensors", 10**15),
    "a sum that is a path": lists("network/net.py", 3, "../../../../../etc/passwd"),
    "a sum that is a list": lists("network/net.py", 3, []),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A share with a run of which two epochs are trained."""
    share = tmp_path_factory.mktemp("begun") / "share"
    share.mkdir()
    root = tmp_path_factory.mktemp("launcher")
    files = make(root, RECIPE)
    ask_for(Folder(share), files)
    Machine(tmp_path_factory.mktemp("machine"), str(share)).train(files.name, epochs=2)
    return share, files.name


@pytest.mark.parametrize("what", HOSTILE)
def test_a_checkpoint_that_does_not_agree_is_refused_and_the_run_trained_anew(
    tmp_path: Path, begun: tuple[Path, str], alone: RunFiles, what: str
) -> None:
    share = tmp_path / "share"
    shutil.copytree(begun[0], share)
    HOSTILE[what](share, begun[1])
    machine = Machine(tmp_path / "machine", str(share), push=False)
    make(machine.root, RECIPE)
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(machine.root)}
    machine.train(begun[1], iterations=3)
    assert machine.starts == [0]
    assert any("is refused" in words for words in machine.remarks), machine.remarks
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(machine.root)} == outside
    assert not (machine.root / ".incoming").exists()


def test_an_ended_run_without_its_result_is_told_once(tmp_path: Path, share: Path, alone: RunFiles) -> None:
    shutil.copytree(alone.path, share / alone.name)
    (share / alone.name / "result.json").unlink()
    machine = Machine(tmp_path / "machine", str(share))
    make(machine.root, RECIPE)
    machine.train(alone.name, iterations=3)
    told = [words for words in machine.remarks if "refused" in words]
    assert told == [f"the copy on {share} is refused, so the run is trained here: result.json is missing"]


def test_what_is_there_and_right_is_gone_on_from(tmp_path: Path, begun: tuple[Path, str], alone: RunFiles) -> None:
    """The counterpart of what is refused: nothing of it was refused for another reason."""
    machine = Machine(tmp_path / "machine", str(begun[0]), push=False)
    assert outcome(machine.train(begun[1])) == outcome(alone)
    assert machine.starts[0] > 0


def test_a_name_that_is_none_asks_for_nothing(tmp_path: Path, share: Path) -> None:
    with pytest.raises(ResLabError):
        Machine(tmp_path / "one", str(share)).train("x/../../y")
    assert list(share.iterdir()) == []


@pytest.mark.parametrize("digest", ["../../../../../etc/passwd", [], None])
def test_a_sum_that_is_none_is_refused_by_who_sends_and_who_follows(
    tmp_path: Path, begun: tuple[Path, str], digest: object
) -> None:
    share, name = tmp_path / "share", begun[1]
    shutil.copytree(begun[0], share)
    altered(share, name, files={**files_of(share, name), "network/net.py": {"bytes": 3, "sha256": digest}})
    machine = Machine(tmp_path / "machine", str(share))
    files = make(machine.root, RECIPE)
    assert Followed(Folder(share), tmp_path / "launcher").training([files.read_run()]) == []
    machine.train(name, iterations=3)
    assert machine.starts == [0]
    assert any("is refused" in words for words in machine.remarks), machine.remarks


def test_metrics_longer_than_announced_are_not_told(tmp_path: Path, begun: tuple[Path, str]) -> None:
    share, name = tmp_path / "share", begun[1]
    shutil.copytree(begun[0], share)
    entry = files_of(share, name)["metrics.jsonl"]
    altered(share, name, files={**files_of(share, name), "metrics.jsonl": {**entry, "bytes": 3}})
    run = make(tmp_path / "launcher", RECIPE).read_run()
    told = Followed(Folder(share), tmp_path / "launcher").training([run])
    assert [event["event"] for event in told if event["event"] == "epoch"] == []
