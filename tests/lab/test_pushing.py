"""What is pushed is whole at the share, whatever was there before and whoever pushes at the same time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reslab.errors import ShareError
from reslab.files import DIGEST, file_sha256, json_bytes, signed
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.fetching import fetch_run
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.places import place
from reslab.lab.shares.pushing import push_run
from reslab.lab.shares.share import Outcome
from share_places import FINISHED, copied, forged, rewritten, s3_bucket


def other_training(root: Path) -> RunFiles:
    """Return another training of the run, with other metrics and results."""
    files = copied(root)
    rows = (files.path / "metrics.jsonl").read_text().splitlines()
    last = json.loads(rows[-1]) | {"test_error": 9.99}
    rewritten(files, "metrics.jsonl", "\n".join([*rows[:-1], json.dumps(last), ""]).encode())
    forged(files, "result.json", test_error=9.99)
    return files


def no_sums(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_bytes())
    content.pop(DIGEST)
    for entry in content["files"].values():
        del entry["sha256"]
    (folder / "manifest.json").write_bytes(json_bytes(signed(content)))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "weights cut short": lambda folder: (folder / "weights.safetensors").write_bytes(b"xx"),
    "a file that is gone": lambda folder: (folder / "metrics.jsonl").unlink(),
    "a provenance of the same length": lambda folder: (folder / "provenance.json").write_bytes(
        b"x" * (folder / "provenance.json").stat().st_size
    ),
    "a manifest that is none": lambda folder: (folder / "manifest.json").write_text("{"),
    "a manifest without sums": no_sums,
    "a manifest that was changed": lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text().replace('"bytes": 1', '"bytes": 2')
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_a_share_has_damaged_is_sent_again(tmp_path: Path, what: str) -> None:
    where, mine = Folder(tmp_path / "share"), copied(tmp_path / "mine")
    assert push_run(where, mine) == Outcome(FINISHED, "pushed")
    assert push_run(where, mine) == Outcome(FINISHED, "there")
    DAMAGE[what](tmp_path / "share" / FINISHED)
    assert fetch_run(where, FINISHED, tmp_path / "early").kind == "refused"
    assert push_run(where, mine) == Outcome(FINISHED, "pushed")
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "fetched"
    assert push_run(where, mine) == Outcome(FINISHED, "there")


def test_a_run_of_an_older_version_is_sealed_and_pushed(tmp_path: Path) -> None:
    where, mine = Folder(tmp_path / "share"), copied(tmp_path / "mine")
    (mine.path / "manifest.json").unlink()
    assert push_run(where, mine) == Outcome(FINISHED, "pushed")
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "fetched"


def test_a_fetched_run_mends_its_share(tmp_path: Path) -> None:
    where = Folder(tmp_path / "share")
    push_run(where, copied(tmp_path / "mine"))
    fetch_run(where, FINISHED, tmp_path / "runs")  # its provenance says where it is from
    (tmp_path / "share" / FINISHED / "provenance.json").write_text("{}")
    assert push_run(where, RunFiles(tmp_path / "runs" / FINISHED)).kind == "pushed"
    assert fetch_run(where, FINISHED, tmp_path / "again").kind == "fetched"


def test_an_object_store_s_run_is_mended(tmp_path: Path) -> None:
    with s3_bucket("mended") as address:
        where, mine = place(address), copied(tmp_path / "mine")
        push_run(where, mine)
        where.write(f"{FINISHED}/weights.safetensors", b"xx")
        where.remove(f"{FINISHED}/metrics.jsonl")
        assert push_run(where, mine).kind == "pushed"
        assert push_run(where, mine).kind == "there"
        assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "fetched"


def test_a_damaged_manifest_of_another_training_is_not_written_over(tmp_path: Path) -> None:
    where = Folder(tmp_path / "share")
    push_run(where, copied(tmp_path / "one"))
    (tmp_path / "share" / FINISHED / "manifest.json").write_text("{")
    refused = push_run(where, other_training(tmp_path / "two"))
    assert refused.kind == "refused"
    assert str(tmp_path / "share") in refused.words
    assert f"remove {FINISHED} there" in refused.words


def meanwhile(kind: type[Folder], share: Path, at: str, second: RunFiles, *, are_done: bool) -> Folder:
    """Return a share where somebody else pushes before the file `at` is written, or just before it stops."""

    class Meanwhile(kind):  # type: ignore[misc,valid-type]
        come = False

        def write(self, name: str, content: bytes | Path) -> None:
            if name.endswith(at) and not Meanwhile.come:
                Meanwhile.come = True
                names = [path for path in sorted(second.path.rglob("*")) if path.is_file() and path.name[0] != "."]
                for path in names:
                    if path.name != "manifest.json":
                        Folder(share).write(f"{FINISHED}/{path.relative_to(second.path)}", path)
                if are_done:
                    Folder(share).write(f"{FINISHED}/manifest.json", second.path / "manifest.json")
            super().write(name, content)

    return Meanwhile(share)


@pytest.mark.parametrize("at", ["run.json", "weights.safetensors", "result.json", "manifest.json"])
@pytest.mark.parametrize("are_done", [True, False])
def test_two_trainings_that_are_pushed_at_once_leave_no_mixture(tmp_path: Path, at: str, are_done: bool) -> None:
    """The other one comes between, with all that it has or all but its manifest."""
    first, second = copied(tmp_path / "one"), other_training(tmp_path / "two")
    share = tmp_path / "share"
    assert push_run(meanwhile(Folder, share, at, second, are_done=are_done), first).kind in ("pushed", "replicate")
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "fetched"
    assert push_run(Folder(share), second).kind in ("there", "replicate")
    assert fetch_run(Folder(share), FINISHED, tmp_path / "later").kind == "fetched"


@pytest.mark.parametrize("at", ["weights.safetensors", "result.json"])
def test_nor_where_only_lengths_are_compared_and_are_the_same(tmp_path: Path, at: str) -> None:
    """As object stores compare large files: there the other's manifest alone tells that somebody came between."""

    class Lengths(Folder):
        def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
            return (self.path / name).is_file() and (self.path / name).stat().st_size == num_bytes

    first, second = copied(tmp_path / "one"), copied(tmp_path / "two")
    weights = second.weights.read_bytes()
    rewritten(second, "weights.safetensors", weights[:-1] + bytes([weights[-1] ^ 1]))
    forged(second, "result.json", weights_sha256=file_sha256(second.weights))
    share = tmp_path / "share"
    assert push_run(meanwhile(Lengths, share, at, second, are_done=True), first).kind == "pushed"
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "fetched"
    assert (tmp_path / "runs" / FINISHED / "weights.safetensors").read_bytes() == first.weights.read_bytes()


def test_who_comes_last_has_the_place_and_the_other_is_kept_beside(tmp_path: Path) -> None:
    first, second = copied(tmp_path / "one"), other_training(tmp_path / "two")
    share = tmp_path / "share"

    class Overtaken(Folder):
        """Where somebody else's manifest comes right after one's own."""

        def write(self, name: str, content: bytes | Path) -> None:
            super().write(name, content)
            if name == f"{FINISHED}/manifest.json":
                push_all(second, share)

    def push_all(files: RunFiles, to: Path) -> None:
        for path in files.path.rglob("*"):
            if path.is_file() and path.name[0] != ".":
                Folder(to).write(f"{FINISHED}/{path.relative_to(files.path)}", path)

    pushed = push_run(Overtaken(share), first)
    assert pushed.kind == "replicate"
    assert (share / pushed.words / "manifest.json").exists()
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "fetched"


def test_a_share_that_keeps_nothing_is_said_so(tmp_path: Path) -> None:
    class Forgetful(Folder):
        def write(self, name: str, content: bytes | Path) -> None:
            super().write(name, b"" if name.endswith("weights.safetensors") else content)

    with pytest.raises(ShareError, match="does not keep what is written"):
        push_run(Forgetful(tmp_path / "share"), copied(tmp_path / "mine"))
