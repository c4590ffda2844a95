"""Runs fetched and pushed: whole or not at all, nothing written over, and nothing believed that does not agree."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from lab_runs import make, small

from reslab.errors import DamagedError, ShareError
from reslab.lab.folder import ending
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.fetching import fetch_run
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.listing import listed, write_index
from reslab.lab.shares.places import place
from reslab.lab.shares.pushing import push_run
from reslab.lab.shares.replicates import agreements
from reslab.lab.shares.web_place import Web
from share_places import FINISHED, HOSTILE_NAMES, copied, forged, listing, origin, rewritten, s3_bucket, served


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A share with one run of ours."""
    files = copied(tmp_path / "elsewhere")
    folder = tmp_path / "share"
    assert push_run(Folder(folder), files).kind == "pushed"
    write_index(Folder(folder))
    return folder


def on_share(share: Path) -> RunFiles:
    return RunFiles(share / FINISHED)


def counting(share: Path) -> tuple[Folder, list[str]]:
    """Return a share and the names that it is asked for."""
    asked: list[str] = []

    class Counting(Folder):
        def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
            asked.append(name)
            return super().fetch(name, to, most)

    return Counting(share), asked


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on an S3 server of this machine."""
    with s3_bucket("ours") as address:
        yield address


def test_an_object_store_takes_runs_and_hands_them_out(bucket: str, tmp_path: Path) -> None:
    where, mine = place(bucket), copied(tmp_path / "elsewhere")
    assert listed(where).runs == []
    assert push_run(where, mine).kind == "pushed"
    assert push_run(where, mine).kind == "there"
    assert write_index(where) == 1
    assert listed(where).runs == [FINISHED]
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "fetched"
    assert fetch_run(where, "cifar10-resnet20-00000000/seed0", tmp_path / "runs").kind == "absent"
    files = RunFiles(tmp_path / "runs" / FINISHED)
    assert files.check_files() == []
    assert files.weights.read_bytes() == mine.weights.read_bytes()
    assert (origin(files) or {})["from"] == bucket
    with pytest.raises(ShareError, match="s3://nobodys/runs cannot be used"):
        push_run(place("s3://nobodys/runs"), mine)


@pytest.mark.parametrize("kind", ["folder", "web"])
def test_a_run_comes_whole_and_says_where_from(share: Path, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "runs"
    with served(share) as address:
        where = place(str(share) if kind == "folder" else address)
        assert listed(where).runs == [FINISHED]
        assert fetch_run(where, FINISHED, root).kind == "fetched"
        assert fetch_run(where, FINISHED, root).kind == "there"
        shown = where.shown
    files = RunFiles(root / FINISHED)
    files.check()
    assert files.check_files() == []
    assert files.status() == "finished"
    there, here = files_below(share / FINISHED), files_below(files.path)
    assert {name for name in there if there[name] != here[name]} == {"provenance.json", "manifest.json"}
    noted = origin(files)
    assert noted is not None
    assert noted["from"] == shown
    assert not (root / ".incoming").exists()
    assert origin(on_share(share)) is None


def test_a_run_that_is_here_is_not_fetched_again(share: Path, tmp_path: Path) -> None:
    where, asked = counting(share)
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "fetched"
    asked.clear()
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "there"
    assert asked == [f"{FINISHED}/manifest.json"]
    (tmp_path / "runs" / FINISHED / "manifest.json").unlink()
    assert fetch_run(where, FINISHED, tmp_path / "runs").kind == "there"


def test_diagnostics_made_since_are_added_to_what_a_share_has(share: Path, tmp_path: Path) -> None:
    mine = RunFiles(tmp_path / "elsewhere" / FINISHED)
    before = files_below(share / FINISHED)
    (mine.path / "manifest.json").unlink()
    ending.seal(mine)
    mine.write("diagnostics.json", {"format": 1, "diagnostics": {}})
    name = "diagnostics.json"
    had = name in before
    assert push_run(Folder(share), mine).kind == "there"
    after = files_below(share / FINISHED)
    assert (after[name] == before.get(name)) == had
    assert {one for one in after if after[one] != before.get(one)} == (set() if had else {name, "manifest.json"})
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "fetched"
    assert RunFiles(tmp_path / "runs" / FINISHED).check_files() == []


@pytest.mark.parametrize(
    ("weights", "kind"), [(None, "there"), ("0" * 64, "refused")], ids=["of this run", "of other weights"]
)
def test_diagnostics_made_since_come_to_a_run_that_is_here(
    share: Path, tmp_path: Path, weights: str | None, kind: str
) -> None:
    theirs = RunFiles(share / FINISHED)
    (theirs.path / "diagnostics.json").unlink(missing_ok=True)
    (theirs.path / "manifest.json").unlink()
    ending.seal(theirs)
    mine = RunFiles(tmp_path / "runs" / FINISHED)
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "fetched"
    digest = weights or (theirs.result() or {})["weights_sha256"]
    theirs.write("diagnostics.json", {"format": 1, "weights_sha256": digest, "diagnostics": {}})
    found = fetch_run(Folder(share), FINISHED, tmp_path / "runs")
    assert found.kind == kind
    assert ("its files made after the run's end" in found.words) == (kind == "refused")
    assert (mine.diagnostics() is not None) == (kind == "there")
    assert mine.check_files() == []


def test_the_manifest_of_a_share_is_read_once_to_push(share: Path, tmp_path: Path) -> None:
    where, asked = counting(share)
    assert push_run(where, RunFiles(tmp_path / "elsewhere" / FINISHED)).kind == "there"
    assert asked == [f"{FINISHED}/manifest.json"]


def test_the_source_of_an_own_network_comes_along(tmp_path: Path) -> None:
    mine = copied(tmp_path / "elsewhere")
    (mine.path / "network" / "parts").mkdir(parents=True)
    for name in ("my_net.py", "parts/block.py"):
        rewritten(mine, f"network/{name}", f"# {name}".encode())
    assert push_run(Folder(tmp_path / "share"), mine).kind == "pushed"
    assert fetch_run(Folder(tmp_path / "share"), FINISHED, tmp_path / "runs").kind == "fetched"
    fetched = tmp_path / "runs" / FINISHED / "network"
    assert (fetched / "my_net.py").read_text() == "# my_net.py"
    assert (fetched / "parts" / "block.py").read_text() == "# parts/block.py"


def test_what_is_not_there_is_absent(share: Path, tmp_path: Path) -> None:
    with served(share) as address:
        for where in (Folder(share), Web(address)):
            assert fetch_run(where, "cifar10-resnet20-00000000/seed0", tmp_path / "runs").kind == "absent"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_leads_elsewhere(share: Path, tmp_path: Path, name: str) -> None:
    outside = files_below(tmp_path)
    assert fetch_run(Folder(share), name, tmp_path / "runs").kind == "refused"
    assert files_below(tmp_path) == outside


def flipped(files: RunFiles) -> None:
    path = files.path / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def longer(files: RunFiles) -> None:
    with (files.path / "metrics.jsonl").open("ab") as file:
        file.write(b"\n" * 5_000_000)


def other_weights(files: RunFiles) -> None:
    path = files.path / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    rewritten(files, path.name, bytes(content))


def other_metrics(files: RunFiles) -> None:
    rows = (files.path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    rewritten(files, "metrics.jsonl", b"".join(rows[:-1]))


def other_run(files: RunFiles) -> None:
    recipe = json.loads((files.path / "run.json").read_bytes())["recipe"]
    forged(files, "run.json", recipe={**recipe, "learning_rate": 0.2})


def other_images(files: RunFiles) -> None:
    data = json.loads((files.path / "provenance.json").read_bytes())["data"]
    forged(files, "provenance.json", data={**data, "fingerprint": "0" * 64})


def manifest_is(content: bytes) -> Callable[[RunFiles], None]:
    def change(files: RunFiles) -> None:
        (files.path / "manifest.json").write_bytes(content)

    return change


def lists(name: str, num_bytes: object = 3) -> Callable[[RunFiles], None]:
    def change(files: RunFiles) -> None:
        listing(files, {name: {"bytes": num_bytes, "sha256": "0" * 64}})

    return change


def result_with(**changes: object) -> Callable[[RunFiles], None]:
    return lambda files: forged(files, "result.json", **changes)


def rows_with(**changes: object) -> Callable[[RunFiles], None]:
    """Change the last line of metrics; None leaves a value out."""

    def change(files: RunFiles) -> None:
        *before, last = (files.path / "metrics.jsonl").read_text().splitlines()
        row = {key: value for key, value in {**json.loads(last), **changes}.items() if value is not None}
        rewritten(files, "metrics.jsonl", "\n".join([*before, json.dumps(row), ""]).encode())

    return change


def attempt_with(**changes: object) -> Callable[[RunFiles], None]:
    def change(files: RunFiles) -> None:
        (first, *_) = json.loads((files.path / "provenance.json").read_bytes())["attempts"]
        forged(files, "provenance.json", attempts=[{**first, **changes}])

    return change


def measured_with(**entry: object) -> Callable[[RunFiles], None]:
    content = {"format": 1, "weights_sha256": "0" * 64, "diagnostics": {"gap": {"budget": "quick", **entry}}}
    return lambda files: rewritten(files, "diagnostics.json", json.dumps(content).encode())


HOSTILE: dict[str, tuple[Callable[[RunFiles], None], str]] = {
    "a bit of the weights": (flipped, "weights.safetensors is not what its manifest says"),
    "a file longer than its manifest says": (longer, "is longer than the"),
    "weights that are not the run's": (other_weights, "weights.safetensors is damaged"),
    "metrics cut short": (other_metrics, "metrics.jsonl is damaged"),
    "another recipe": (other_run, "is not cifar10"),
    "other images": (other_images, "trained on other images than CIFAR-10"),
    "a better error": (result_with(test_error=1.0), "its test_error is 1.0, and that of the last epoch"),
    "an error that is text": (result_with(test_error="<script>"), "test_error has an impossible value"),
    "seconds that are a list": (result_with(seconds=[1]), "seconds has an impossible value"),
    "no manifest": (manifest_is(b"{}"), "manifest.json is not valid"),
    "an unsigned manifest": (manifest_is(b'{"format": 1, "files": {}}'), "run.json is missing"),
    "a manifest of brackets": (manifest_is(b"[" * 100_000), "manifest.json is not valid"),
    "a manifest that is text": (manifest_is(b'{"files": "x"}'), "manifest.json is not valid"),
    "a path to elsewhere": (lists("../../../x"), "is not a file of a run"),
    "an absolute path": (lists("/tmp/reslab-share-x"), "is not a file of a run"),
    "a path below weights": (lists("weights/../../../x"), "is not a file of a run"),
    "a pickle": (lists("weights.pt"), "is not a file of a run"),
    "code": (lists("sitecustomize.py"), "is not a file of a run"),
    "code beside a network": (lists("network/../../../x.py"), "is not a file of a run"),
    "a hidden folder": (lists("network/.git/hook.py"), "is not a file of a run"),
    "a pattern": (lists("weights/epoch*.safetensors"), "is not a file of a run"),
    "a checkpoint": (lists("checkpoint/1/state.json"), "is not a file of a run"),
    "a lock": (lists(".lock"), "is not a file of a run"),
    "a huge file": (lists("failure.json", 10**15), "at most"),
    "huge weights": (lists("weights/epoch0001.safetensors", 10**15), "at most"),
    "a result that is gone": (lambda files: (files.path / "result.json").unlink(), "result.json is missing"),
    "a row without its epoch": (rows_with(epoch=None), "metrics.jsonl is damaged in line "),
    "a row of another epoch": (rows_with(epoch=1), "is not that of epoch "),
    "a row without its rate": (rows_with(rate=None), "of its metrics.jsonl has no rate"),
    "a row without a loss": (rows_with(train_loss=None), "of its metrics.jsonl has no train_loss"),
    "a huge iteration": (rows_with(iteration=10**30), "metrics.jsonl is damaged in line "),
    "a huge reading": (rows_with(another=10**400), "not a number"),
    "a result without its iterations": (result_with(iterations=None), "result.json is damaged: it has no iterations"),
    "a result without its weights": (result_with(weights_sha256=None), "it has no weights_sha256"),
    "an attempt from nowhere": (attempt_with(from_iteration="x"), "from_iteration has an impossible value"),
    "no attempts": (lambda files: forged(files, "provenance.json", attempts=5), "attempts has an impossible value"),
    "a run that nobody trained": (lambda files: forged(files, "provenance.json", attempts=[]), "who trained it"),
    "an unknown budget": (measured_with(budget="huge"), "budget has an impossible value"),
    "a huge measurement": (measured_with(final={"test_loss": 10**400}), "final has an impossible value"),
    "a sum that is none": (lambda files: listing(files, {"failure.json": {"bytes": 3}}), "manifest.json is not valid"),
    "a sum that is text": (
        lambda files: listing(files, {"failure.json": {"bytes": 3, "sha256": "x"}}),
        "has 'x' for the SHA-256 of failure.json",
    ),
    "a negative length": (lists("failure.json", -1), "at most"),
    "a length that is text": (lists("failure.json", "3"), "at most"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_does_not_agree_is_refused(share: Path, tmp_path: Path, what: str) -> None:
    change, words = HOSTILE[what]
    change(on_share(share))
    outside = files_below(tmp_path)
    outcome = fetch_run(Folder(share), FINISHED, tmp_path / "runs")
    assert outcome.kind == "refused"
    assert words in outcome.words
    assert ".incoming" not in outcome.words
    assert files_below(tmp_path) == outside


def test_files_replaced_while_they_are_fetched_are_refused(share: Path, tmp_path: Path) -> None:
    class Replacing(Folder):
        def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
            digest = super().fetch(name, to, most)
            if name.endswith("manifest.json"):  # checked by now
                other_weights(on_share(share))
            return digest

    outcome = fetch_run(Replacing(share), FINISHED, tmp_path / "runs")
    assert outcome.kind == "refused"
    assert "weights.safetensors is not what its manifest says" in outcome.words
    assert find_runs(tmp_path / "runs") == []


def test_another_training_of_a_run_is_kept_beside_the_first(share: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    mine = copied(root)
    (mine.path / "weights.safetensors").unlink()
    rows = (mine.path / "metrics.jsonl").read_text().splitlines()
    last = json.loads(rows[-1]) | {"test_error": 9.99}
    rewritten(mine, "metrics.jsonl", "\n".join([*rows[:-1], json.dumps(last), ""]).encode())
    forged(mine, "result.json", test_error=9.99, weights_sha256="1" * 64)
    before = files_below(mine.path)

    fetched = fetch_run(Folder(share), FINISHED, root)
    assert fetched.kind == "replicate"
    assert files_below(mine.path) == before
    assert fetch_run(Folder(share), FINISHED, root).kind == "there"
    assert (root / fetched.words / "manifest.json").exists()
    ((found,), damaged) = agreements(mine, root, mine.read_run())
    assert damaged == []
    assert (found.run, found.same_bits, found.errors[0]) == (FINISHED, False, 9.99)

    pushed = push_run(Folder(share), mine)
    assert pushed.kind == "replicate"
    assert push_run(Folder(share), mine).kind == "there"
    assert listed(Folder(share)).runs == [FINISHED]
    assert (share / pushed.words / "manifest.json").exists()
    assert len(find_runs(root)) == 1


def test_what_was_begun_here_is_moved_and_not_lost(share: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    begun = copied(root)
    for name in ("result.json", "manifest.json", "weights.safetensors"):
        (begun.path / name).unlink(missing_ok=True)
    begun.checkpoints.mkdir()
    (begun.checkpoints / "state").write_bytes(b"precious")
    assert begun.status() == "interrupted"
    assert fetch_run(Folder(share), FINISHED, root).kind == "fetched"
    (kept,) = root.glob(f"replicates/unfinished-*/{FINISHED}/checkpoint/state")
    assert kept.read_bytes() == b"precious"
    assert agreements(RunFiles(root / FINISHED), root, begun.read_run()) == ([], [])


def test_two_seeds_that_were_begun_here_are_moved_in_the_same_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda *_: "20260101T000000")
    root, names = tmp_path / "runs", [FINISHED, FINISHED.replace("seed0", "seed1")]
    for name in names:
        copied(tmp_path / "elsewhere", name)
        begun = copied(root, name)
        (begun.path / "manifest.json").unlink(missing_ok=True)
        (begun.path / "result.json").unlink()
    assert [fetch_run(Folder(tmp_path / "elsewhere"), name, root).kind for name in names] == ["fetched", "fetched"]
    assert all(len(list(root.glob(f"replicates/unfinished-*/{name}/metrics.jsonl"))) == 1 for name in names)


def test_a_run_that_is_being_trained_is_left_alone(share: Path, tmp_path: Path) -> None:
    begun = copied(tmp_path / "runs")
    (begun.path / "result.json").unlink()
    with begun.lock():
        assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "running"


def test_only_what_has_ended_and_is_whole_is_pushed(tmp_path: Path) -> None:
    pending = make(tmp_path / "runs", small())
    assert push_run(Folder(tmp_path / "share"), pending).kind == "absent"
    files = copied(tmp_path / "runs")
    ending.seal(files)
    flipped(files)
    with pytest.raises(DamagedError, match="weights"):
        push_run(Folder(tmp_path / "share"), files)
    assert not (tmp_path / "share" / FINISHED).exists()


def test_many_fetch_the_same_run_at_once_and_one_arrives(share: Path, tmp_path: Path) -> None:
    kinds: list[str] = []
    threads = [
        threading.Thread(target=lambda: kinds.append(fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kinds) == ["fetched", *["there"] * 7]
    RunFiles(tmp_path / "runs" / FINISHED).check_files()


def test_a_link_on_a_share_gives_nothing_away(share: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    target = on_share(share).path / "weights.safetensors"
    target.unlink()
    target.symlink_to(secret)
    assert fetch_run(Folder(share), FINISHED, tmp_path / "runs").kind == "refused"
    assert not any(b"secret" in content for content in files_below(tmp_path / "runs").values())
