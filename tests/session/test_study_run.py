"""What `Study.run` raises at the end: interrupts, failures and what another process held, whatever a share does."""

from pathlib import Path

import pytest

import reslab
from reslab.errors import LockedError, ResLabError, ShareError
from reslab.lab.folder.store import run_files
from reslab.lab.stopping import StopRequest
from reslab.session.work import Outcome, Session


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train nothing, and note what would be pushed."""
    found: list[str] = []
    monkeypatch.setattr("reslab.session.where.launch", lambda *_, **__: True)
    monkeypatch.setattr(Session, "push", lambda session: found.append(session.plan.name))
    return found


def ask(tmp_path: Path) -> reslab.Study:
    return reslab.study("depth", dataset="digits", depths=8, epochs=1, seeds=1, runs=tmp_path)


def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def push(_: Session) -> None:
        raise ShareError("the share does not answer")

    monkeypatch.setattr(Session, "push", push)


def test_runs_that_another_process_holds_are_not_done(tmp_path: Path, pushed: list[str]) -> None:
    study = ask(tmp_path)
    (run,) = study.asked.runs()
    with pytest.raises(LockedError, match=rf"1 of 1 runs are left to another process: {run.id} \(pending\)"):
        study.run(jobs=1, diagnose=False)
    files = run_files(tmp_path, run)
    files.create(run)
    with files.lock(), pytest.raises(LockedError, match=rf"{run.id} \(running\); call this again once it has ended"):
        study.run(jobs=1, diagnose=False)
    assert pushed == ["depth", "depth"]  # others may have ended


def test_what_time_did_not_suffice_for_is_no_mistake(tmp_path: Path, pushed: list[str]) -> None:
    assert len(ask(tmp_path).run(jobs=1, diagnose=False, time_limit=0)) == 0
    assert pushed == ["depth"]


def test_a_share_that_takes_nothing_hides_neither_failures_nor_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pushed: list[str]
) -> None:
    silent(monkeypatch)
    with pytest.raises(LockedError, match="left to another process"):
        ask(tmp_path).run(jobs=1, diagnose=False)
    monkeypatch.setattr(Session, "outcome", lambda self, stop: Outcome({"a/seed0": "failed"}, stopped=False))
    with pytest.raises(ResLabError, match="1 of 1 runs failed; a/seed0: no reason was recorded"):
        ask(tmp_path).run(jobs=1, diagnose=False)
    assert capsys.readouterr().err.count("the share does not answer") == 2

    def train(session: Session, jobs: int | None, stop: StopRequest, **_: object) -> None:
        stop.ask()

    monkeypatch.setattr(Session, "train", train)
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path).run(jobs=1)
    assert "the share does not answer" in capsys.readouterr().err


def test_a_share_that_takes_nothing_is_told_where_all_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushed: list[str]
) -> None:
    silent(monkeypatch)
    monkeypatch.setattr(Session, "outcome", lambda self, stop: Outcome({}, stopped=False))
    with pytest.raises(ShareError, match="the share does not answer"):
        ask(tmp_path).run(jobs=1, diagnose=False)
