"""Runs that go from machine to machine by a share: separate folders stand for machines that see nothing else."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lab_runs import make, outcome
from machines import RECIPE, Machine, asked, reached

from reslab.errors import LockedError, ResLabError, ShareError
from reslab.files import file_sha256, write_whole
from reslab.lab.execute import main as execute_main
from reslab.lab.folder import ending
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import Event, execute
from reslab.lab.settings import Settings
from reslab.lab.shares import handover, relay
from reslab.lab.shares.distant import ask_for
from reslab.lab.shares.fetching import fetch_run
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.handover import Sender, folder_of, progress
from reslab.lab.shares.listing import listed
from reslab.lab.shares.places import place
from reslab.lab.shares.relay import push_place
from reslab.lab.shares.share import Outcome
from reslab.lab.shares.shared_lease import holding
from reslab.lab.shares.vetting import incoming
from share_places import served

pytest_plugins = ["machine_fixtures"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    from share_places import s3_bucket

    with s3_bucket("relayed") as address:
        yield address


def test_a_run_that_failed_goes_on_from_where_it_was_when_it_is_asked_for_again(tmp_path: Path, share: Path) -> None:
    name, node = asked(tmp_path, share), Machine(tmp_path / "node", str(share))
    files = node.train(name, epochs=1)
    far = reached(share, name)
    ending.fail(files, "out-of-memory", "not enough memory")
    where = Folder(share)
    Sender(where, name, progress(where, name)).send(files, "failed", 9, 3)
    asked(tmp_path, share)  # the launcher's folder has no checkpoint
    found = progress(where, name)
    assert found is not None
    assert (found.state, found.iteration, "failure.json" in found.files) == ("stopped", far, False)
    assert far > 0
    other = Machine(tmp_path / "other", str(share))
    assert other.train(name).status() == "finished"
    assert other.starts == [far]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_three_machines_in_turn_end_with_the_bits_of_one(
    tmp_path: Path, share: Path, alone: RunFiles, kind: str, request: pytest.FixtureRequest
) -> None:
    url = str(share) if kind == "folder" else request.getfixturevalue("bucket")
    name = asked(tmp_path, url)
    machines = [Machine(tmp_path / str(number), url) for number in range(3)]
    assert machines[0].train(name, epochs=1).status() == "interrupted"
    assert machines[1].train(name, epochs=1).status() == "interrupted"
    shutil.rmtree(machines[0].root)
    last = machines[2].train(name)
    assert outcome(last) == outcome(alone)
    assert [machine.starts[0] > 0 for machine in machines] == [False, True, True]
    assert len((last.provenance() or {})["attempts"]) == 3

    where = place(url)
    assert listed(where).runs == [name]
    assert where.names("unfinished") == []
    assert fetch_run(where, name, tmp_path / "launcher").kind == "fetched"
    assert outcome(RunFiles(tmp_path / "launcher" / name)) == outcome(alone)
    late = Machine(tmp_path / "late", url)
    assert late.train(name).status() == "finished"
    assert late.starts == []


def test_a_node_needs_nothing_but_a_name_and_the_share(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(tmp_path, share)
    node = tmp_path / "node" / name
    words = ["execute", str(node), "--threads", "1", "--device", "cpu", "--share", str(share), "--push"]
    monkeypatch.setattr("sys.argv", words)
    assert execute_main() == 0
    assert listed(Folder(share)).runs == [name]
    monkeypatch.setattr("sys.argv", [*words[:1], str(node.with_name("seed7")), *words[2:]])
    assert execute_main() == 2


def test_a_run_is_the_same_to_a_share_however_its_folder_is_called(
    tmp_path: Path, share: Path, alone: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Machine(tmp_path / "node", str(share))
    make(node.root, RECIPE)
    monkeypatch.chdir((node.root / alone.name).parent)
    node.root = Path()
    node.train("seed0", epochs=1)
    assert reached(share, alone.name) > 0
    assert {name.split("/")[1] for name in Folder(share).names("unfinished") or []} == {RECIPE.id}
    elsewhere = Machine(tmp_path / "elsewhere", str(share))
    assert outcome(elsewhere.train(alone.name)) == outcome(alone)
    assert node.train("seed0").status() == "finished"
    assert elsewhere.starts[0] > 0
    assert len(node.starts) == 1
    assert outcome(RunFiles(tmp_path / "node" / alone.name)) == outcome(alone)


def test_what_was_begun_where_nothing_is_shared_goes_on_elsewhere(tmp_path: Path, share: Path, alone: RunFiles) -> None:
    laptop = Machine(tmp_path / "laptop", "", shares=(), push=False)
    make(laptop.root, RECIPE)
    files = laptop.train(alone.name, epochs=2)
    ask_for(Folder(share), files)
    assert reached(share, alone.name) == laptop.events[-2]["iteration"] > 0
    cluster = Machine(tmp_path / "cluster", str(share))
    assert outcome(cluster.train(alone.name)) == outcome(alone)
    assert cluster.starts[0] > 0


def test_a_web_server_is_gone_on_from_and_not_pushed_to(tmp_path: Path, share: Path, alone: RunFiles) -> None:
    name = asked(tmp_path, share)
    Machine(tmp_path / "first", str(share)).train(name, epochs=2)
    before = sorted(share.rglob("*"))
    with served(share) as address:
        reader = Machine(tmp_path / "reader", address, push=False)
        assert outcome(reader.train(name)) == outcome(alone)
        assert reader.starts[0] > 0
        with pytest.raises(ShareError, match="is read only; --push needs a --share that can be written to"):
            Machine(tmp_path / "writer", address).train(name)
        both = Settings(shares=(address, str(share)), push=True)
        assert push_place(both) == Folder(share)
        assert push_place(replace(both, push=False)) is None
    assert sorted(share.rglob("*")) == before


def test_the_farthest_checkpoint_counts_wherever_it_is(tmp_path: Path, share: Path, alone: RunFiles) -> None:
    name = asked(tmp_path, share)
    first, second = (Machine(tmp_path / one, str(share)) for one in ("first", "second"))
    first.train(name, epochs=1)
    second.train(name, epochs=1)
    assert second.starts == [first.events[-2]["iteration"]]
    here = Machine(first.root, str(share), push=False)
    here.train(name, epochs=2)  # past the share now
    assert here.starts[0] > first.events[-2]["iteration"]
    again = Machine(first.root, str(share))
    assert outcome(again.train(name)) == outcome(alone)
    assert again.starts[0] > here.starts[0]


def test_half_a_push_is_never_used(tmp_path: Path, share: Path, alone: RunFiles) -> None:
    """Every prefix of the writes of a push leaves the checkpoint before it, or the new one."""
    name = asked(tmp_path, share)
    first = Machine(tmp_path / "first", str(share))
    first.train(name, epochs=1)
    before = reached(share, name)
    first.settings = Settings(device="cpu", threads=1, checkpoint_seconds=0.0)
    files = first.train(name, epochs=1)

    class Dying(Folder):
        left = 0

        def write(self, name: str, content: bytes | Path) -> None:
            if Dying.left == 0:
                raise ShareError("the power is gone")
            Dying.left -= 1
            super().write(name, content)

    seen = set()
    for writes in range(12):
        copy = tmp_path / f"copy{writes}"
        shutil.copytree(share, copy)
        Dying.left = writes
        sender = Sender(Dying(copy), name, progress(Folder(copy), name))
        with contextlib.suppress(ShareError):
            sender.send(files, "training", 20, 4)
        found = progress(Folder(copy), name)
        assert found is not None
        with incoming(tmp_path / "look", name) as into:
            handover.fetch(Folder(copy), found, into)
        seen.add(found.iteration)
    assert len(seen) == 2
    assert min(seen) == before


def test_only_what_is_in_use_stays_on_the_share(tmp_path: Path, share: Path) -> None:
    name = asked(tmp_path, share)
    machine = Machine(tmp_path / "one", str(share))
    machine.train(name, epochs=3)
    found = progress(Folder(share), name)
    assert found is not None
    there = Folder(share).names(f"{folder_of(name)}/files") or []
    assert len(there) <= 2 * len(found.files)
    assert {one["sha256"] for one in found.files.values()} <= {path.rpartition("/")[2] for path in there}


def test_what_was_named_before_stays_for_those_who_fetch_it_just_now(tmp_path: Path, share: Path) -> None:
    files = make(tmp_path, RECIPE)
    sender, named = Sender(Folder(share), files.name, None), list[set[str]]()
    for epoch in range(1, 4):
        files.append_metrics({"epoch": epoch})
        sender.send(files, "training", 20, 4)
        found = progress(Folder(share), files.name)
        assert found is not None
        named.append({one["sha256"] for one in found.files.values()})
        there = {path.rpartition("/")[2] for path in Folder(share).names(f"{folder_of(files.name)}/files") or []}
        assert there == set().union(*named[-2:])


def test_a_file_that_does_not_change_is_read_once(tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make(tmp_path, RECIPE)
    for name in ("weights/epoch0001.safetensors", "network/own.py"):
        (files.path / name).parent.mkdir(parents=True)
        (files.path / name).write_text(name)
    hashed: list[str] = []

    def sha256(path: Path) -> str | None:
        hashed.append(path.relative_to(files.path).as_posix())
        return file_sha256(path)

    monkeypatch.setattr(handover, "file_sha256", sha256)
    sender = Sender(Folder(share), files.name, None)
    sender.send(files, "training", 20, 4)
    assert {"run.json", "weights/epoch0001.safetensors", "network/own.py"} <= set(hashed)
    hashed.clear()
    files.append_metrics({"epoch": 1})
    sender.send(files, "training", 20, 4)
    assert sorted(hashed) == ["metrics.jsonl", "metrics.sha256"]
    hashed.clear()
    (files.path / "network" / "own.py").write_text("another")
    sender.send(files, "training", 20, 4)
    found = progress(Folder(share), files.name)
    assert found is not None
    assert hashed == ["network/own.py"]
    assert found.files["network/own.py"]["sha256"] == file_sha256(files.path / "network" / "own.py")


def test_a_file_that_is_there_is_not_sent_again(tmp_path: Path, share: Path) -> None:
    files = make(tmp_path / "here", RECIPE)
    sender, seen = Sender(Folder(share), files.name, None), []
    for _ in range(2):
        sender.send(files, "training", 10, 2)
        seen.append({path.name: path.stat().st_ino for path in (share / "unfinished").rglob("files/*")})
    assert seen[0] == seen[1] != {}


def test_pushes_are_as_rare_as_checkpoints_and_take_a_twentieth_of_the_time(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(tmp_path, share)
    states: list[str] = []
    clock = [1000.0]

    def send(self: Sender, files: RunFiles, state: str, *_: int) -> None:
        states.append(state)
        clock[0] += 10.0

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Sender, "send", send)
    for every, gap in ((60.0, 200.0), (500.0, 500.0)):
        states.clear()
        settings = Settings(shares=(str(share),), push=True, checkpoint_seconds=every)
        one = relay.Relay(RunFiles(tmp_path / "x" / name), settings, print, lambda: False)
        with one.further(0):
            one.checkpointed()
            clock[0] += gap - 1
            one.checkpointed()
            assert states == ["training"]
            clock[0] += 1
            one.checkpointed()
            one.checkpointed(last=True)
        assert states == ["training", "training", "stopped"]


def test_a_share_that_does_not_answer_for_a_while_stops_no_training(
    tmp_path: Path, share: Path, alone: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(tmp_path, share)
    real = Folder.write

    def write(self: Folder, name: str, content: bytes | Path) -> None:
        if "/files/" in name:
            raise ShareError("the network is gone")
        real(self, name, content)

    monkeypatch.setattr(Folder, "write", write)
    machine = Machine(tmp_path / "one", str(share))
    assert outcome(machine.train(name)) == outcome(alone)
    assert machine.remarks == ["the network is gone; training continues, and the next checkpoint will be sent"]
    assert listed(Folder(share)).runs == [name]


def test_a_run_that_cannot_be_sent_is_kept_and_said_so(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(tmp_path, share)

    def push_run(where: Folder, files: RunFiles) -> None:
        raise ShareError("the disk is full")

    monkeypatch.setattr(relay, "push_run", push_run)
    monkeypatch.setattr(relay, "WAITS", (0.01, 0.01))
    machine = Machine(tmp_path / "one", str(share))
    with pytest.raises(ShareError, match=r"the disk is full; .* has the run, which `reslab push` sends"):
        machine.train(name)
    assert RunFiles(machine.root / name).status() == "finished"


def test_a_run_that_the_share_refuses_is_sent_once(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, sent = asked(tmp_path, share), list[str]()

    def push_run(where: Folder, files: RunFiles) -> Outcome:
        sent.append(files.name)
        return Outcome(name, "refused", "the share has something else of it")

    monkeypatch.setattr(relay, "push_run", push_run)
    monkeypatch.setattr(relay, "WAITS", (0.01, 0.01))
    with pytest.raises(ShareError, match=r"has something else of it; .* has the run, which `reslab push` sends"):
        Machine(tmp_path / "one", str(share)).train(name)
    assert sent == [name]
    assert progress(Folder(share), name) is not None


def test_a_failure_reaches_those_who_follow(tmp_path: Path, share: Path) -> None:
    name = asked(tmp_path, share)
    broken = Machine(tmp_path / "one", str(share), device="cuda:77")
    with pytest.raises(ResLabError):
        broken.train(name)
    found = progress(Folder(share), name)
    assert found is not None
    assert found.state == "failed"
    failure = handover.read_file(Folder(share), found, "failure.json")
    assert failure is not None
    assert "cuda" in json.loads(failure)["message"].lower()
    assert Machine(tmp_path / "two", str(share)).train(name).status() == "finished"


def test_one_machine_at_a_time(tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "3")
    name = asked(tmp_path, share)
    first = holding(Folder(share), f"{folder_of(name)}/lease")
    with first, pytest.raises(LockedError, match="is being trained by another machine"):
        Machine(tmp_path / "second", str(share)).train(name)
    assert Machine(tmp_path / "second", str(share)).train(name).status() == "finished"


@pytest.fixture(scope="module")
def epochs_apart(tmp_path_factory: pytest.TempPathFactory, alone: RunFiles) -> list[RunFiles]:
    """Return the run of `alone` on two machines, after one epoch and after two."""
    machines = [Machine(tmp_path_factory.mktemp("machine"), "", shares=(), push=False) for _ in range(2)]
    for machine in machines:
        make(machine.root, RECIPE)
    return [machine.train(alone.name, epochs=epochs) for epochs, machine in enumerate(machines, start=1)]


@pytest.mark.parametrize("cut", range(3))
def test_a_kill_while_a_shares_checkpoint_is_taken_over_leaves_what_resumes(
    tmp_path: Path, alone: RunFiles, epochs_apart: list[RunFiles], monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    class KilledError(BaseException):
        pass

    here = RunFiles(tmp_path / "here" / alone.name)
    shutil.copytree(epochs_apart[0].path, here.path)
    there, written = epochs_apart[1], list[str]()

    def dying(path: Path, content: bytes) -> None:
        if len(written) == cut:
            raise KilledError
        written.append(path.name)
        write_whole(path, content)

    monkeypatch.setattr(relay, "write_whole", dying)
    with here.lock() as held, pytest.raises(KilledError):
        relay.adopt(there, held)
    assert outcome(Machine(tmp_path / "here", "", shares=(), push=False).train(alone.name)) == outcome(alone)


def test_a_machine_that_was_taken_over_stops_and_sends_nothing(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SHARE_OF_TIME", float("inf"))  # each checkpoint is sent, however slow the machine is
    name = asked(tmp_path, share)
    first = Machine(tmp_path / "first", str(share))
    taken: list[bytes] = []

    def on_event(event: Event) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2:
            Folder(share).create(f"{folder_of(name)}/lease/2", b"another's")
            taken.append((share / folder_of(name) / "progress.json").read_bytes())

    with pytest.raises(LockedError, match="another machine has taken over"):
        execute(RunFiles(first.root / name), first.settings, on_event=on_event)
    assert (share / folder_of(name) / "progress.json").read_bytes() == taken[0]
    assert RunFiles(first.root / name).status() == "interrupted"
    assert (share / folder_of(name) / "lease" / "2").read_bytes() == b"another's"


def test_a_last_checkpoint_that_cannot_be_sent_is_tried_again_and_said(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(tmp_path, share)
    real, gone = Folder.write, [2]
    monkeypatch.setattr(relay, "LAST_WAITS", (0.01, 0.01))

    def write(self: Folder, name: str, content: bytes | Path) -> None:
        if gone[0]:
            gone[0] -= 1
            raise ShareError("the network is gone")
        real(self, name, content)

    monkeypatch.setattr(Folder, "write", write)
    later = {"checkpoint_seconds": 1e6}
    one = Machine(tmp_path / "one", str(share), **later)
    assert one.train(name, epochs=1).status() == "interrupted"
    assert (one.remarks, reached(share, name)) == ([], 5)
    gone[0] = 10**6
    two = Machine(tmp_path / "two", str(share), **later)
    assert two.train(name, epochs=1).status() == "interrupted"
    assert (
        two.remarks[-1]
        == "the network is gone; another machine would resume from what was sent before, this one from here"
    )
    assert reached(share, name) == 5
