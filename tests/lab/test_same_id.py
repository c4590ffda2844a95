"""Two recipes whose ids are the same, as 32 bits allow: neither is ever taken for the other."""

from pathlib import Path

import pytest
from lab_runs import make, small

import reslab
from reslab.analysis.tidy import read_tables
from reslab.datasets import known
from reslab.errors import ResLabError
from reslab.lab.folder import ending
from reslab.lab.folder.store import RunFiles
from reslab.lab.planner import plan
from reslab.lab.shares import handover
from reslab.lab.shares.distant import ask_for
from reslab.lab.shares.fetching import fetch_run
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.handover import progress
from reslab.lab.shares.pushing import push_run
from reslab.recipe import Run
from synthetic import Truth, write_run

FIRST, SECOND = (Run(small(1, learning_rate=rate), 0) for rate in (0.02919, 0.06521099999999999))
WORDS = (
    r"another run that happens to have the same id \(learning_rate is 0\.02919 there, and 0\.065210?9+ is requested\)"
)


def ended(root: Path, run: Run) -> RunFiles:
    """Return a run that has ended below `root`, with a manifest."""
    fingerprint = known("digits").fingerprint
    files = RunFiles(write_run(root, run, Truth(3.0, 1.0 if run == FIRST else 0.5), fingerprint=fingerprint))
    ending.seal(files)
    return files


def test_their_ids_are_the_same() -> None:
    assert FIRST != SECOND
    assert FIRST.id == SECOND.id


def test_a_folder_of_the_one_is_not_the_others(tmp_path: Path) -> None:
    files = make(tmp_path, FIRST.recipe)
    files.create(FIRST)
    with pytest.raises(ResLabError, match=f"{WORDS}; use another --runs folder"):
        files.create(SECOND)
    with pytest.raises(ResLabError, match=WORDS):
        plan(tmp_path, [SECOND])
    assert len(plan(tmp_path, [FIRST])) == 1


def test_the_finished_run_of_the_one_is_no_answer_to_the_other(tmp_path: Path) -> None:
    write_run(tmp_path, FIRST, Truth(3.0, 1.0))
    with pytest.raises(ResLabError, match=WORDS):
        reslab.train(SECOND.recipe, runs=tmp_path)
    tables = read_tables(tmp_path, [SECOND])
    assert tables.runs["status"].to_list() == ["unreadable"]
    assert "happens to have the same id" in tables.problems[0].message
    assert read_tables(tmp_path, [FIRST]).problems == ()


def test_a_share_s_run_of_the_one_is_refused_for_the_other(tmp_path: Path) -> None:
    ended(tmp_path / "share", FIRST)
    where, root = Folder(tmp_path / "share"), tmp_path / "runs"
    refused = fetch_run(where, SECOND.id, root, SECOND)
    assert refused.kind == "refused"
    assert refused.words.startswith("it has another run that happens to have the same id (")
    make(root, SECOND.recipe)  # also where only its folder tells which is meant
    assert fetch_run(where, SECOND.id, root).kind == "refused"
    assert RunFiles(root / SECOND.id).read_run() == SECOND
    assert fetch_run(where, FIRST.id, tmp_path / "others", FIRST).kind == "fetched"


def test_a_run_is_no_replicate_of_the_other(tmp_path: Path) -> None:
    ended(tmp_path / "share", FIRST)
    refused = push_run(Folder(tmp_path / "share"), ended(tmp_path / "runs", SECOND))
    assert refused.kind == "refused"
    assert "another run that happens to have the same id; push to another share" in refused.words
    assert not (tmp_path / "share" / "replicates").exists()


def test_nobody_goes_on_from_the_others_checkpoint(tmp_path: Path) -> None:
    where = Folder(tmp_path / "share")
    ask_for(where, make(tmp_path / "one", FIRST.recipe))
    found = progress(where, SECOND.id)
    assert found is not None
    for asked, fits in ((FIRST, True), (SECOND, False)):
        into = RunFiles(tmp_path / str(fits) / asked.id)
        into.path.mkdir(parents=True)
        if fits:
            handover.fetch(where, found, into, asked=asked)
        else:
            with pytest.raises(ResLabError, match=WORDS):
                handover.fetch(where, found, into, asked=asked)
