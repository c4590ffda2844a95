"""Studies and runs pulled, pushed and trained again, by the names that people give."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import reslab
from reslab.cli import main
from reslab.errors import DamagedError, ResLabError, ShareError
from reslab.lab.folder import ending
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.lab.shares.relay import share_places
from reslab.lab.shares.replicates import compare
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary
from reslab.session.asking import ask
from reslab.session.sharing import fetch_instead, pull, push, verify
from reslab.session.work import Session
from reslab.studies.asked import record, recorded
from reslab.studies.study import Options, Study
from share_places import FINISHED, OWN_RESULTS, served
from synthetic import Truth, small, write_run


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of our own results, pushed once."""
    folder = tmp_path_factory.mktemp("sharing") / "share"
    runs = tmp_path_factory.mktemp("pushed")
    assert {one.kind for one in pull(str(OWN_RESULTS), [], runs)} == {"fetched"}
    push(str(folder), [], runs)
    return folder


def test_a_study_comes_with_its_runs(share: Path, tmp_path: Path) -> None:
    with served(share) as address:
        outcomes = pull(address, ["depth"], tmp_path)
    (study,) = recorded(tmp_path)[0]
    assert study.name == "depth"
    wanted = {run.id for run in study.runs()}
    assert {one.run for one in outcomes} == wanted
    fetched = {one.run for one in outcomes if one.kind == "fetched"}
    assert fetched == {"/".join(files.path.parts[-2:]) for files in find_runs(tmp_path)}
    assert fetched


def test_a_plan_means_those_of_its_studies_that_are_there(share: Path, tmp_path: Path) -> None:
    tasks = {study.name for study in ask(["assignment"], Options()).studies}
    outcomes = pull(str(share), ["assignment"], tmp_path / "runs")
    known = recorded(OWN_RESULTS)[0]
    wanted = {study.name: study for study in known if study.name in tasks}
    assert 0 < len(wanted) < len(known)
    assert {study.name for study in recorded(tmp_path / "runs")[0]} == wanted.keys()
    assert {one.run for one in outcomes} == {run.id for study in wanted.values() for run in study.runs()}

    (tmp_path / "runs" / "studies" / "depth.json").unlink()  # a plan of which not all was asked
    for name in ("full", "fast"):
        shutil.copy(OWN_RESULTS / "studies" / f"{name}.json", tmp_path / "runs" / "studies")
    sent = push(str(tmp_path / "other"), ["assignment"], tmp_path / "runs")
    assert {path.stem for path in (tmp_path / "other" / "studies").iterdir()} == wanted.keys() - {"depth"}
    assert {one.kind for one in sent} == {"pushed"}


def test_a_plan_of_which_nothing_has_ended_cannot_be_verified(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(ResLabError, match="there is no run or study 'assignment'"):
        verify(["assignment"], tmp_path)
    record(tmp_path, ask(["depth"], Options(datasets=("digits",), depths=(8,))).studies[0])
    with pytest.raises(ResLabError, match="none of these runs has ended"):
        verify(["assignment"], tmp_path)
    (tmp_path / "share").mkdir()
    with pytest.raises(ResLabError, match="has no study 'assignment'; it has none"):
        pull(str(tmp_path / "share"), ["assignment"], tmp_path / "other")


def test_a_recipe_means_all_of_its_seeds_and_no_name_all_there_is(share: Path, tmp_path: Path) -> None:
    recipe = FINISHED.partition("/")[0]
    assert {one.run for one in pull(str(share), [recipe], tmp_path)} == {f"{recipe}/seed{seed}" for seed in range(3)}
    kinds = [one.kind for one in pull(str(share), [], tmp_path)]
    assert kinds.count("there") == 3
    assert len(find_runs(tmp_path)) == len(kinds) == len(find_runs(OWN_RESULTS))
    assert len(recorded(tmp_path)[0]) == len(recorded(OWN_RESULTS)[0])


def test_what_a_share_does_not_have_is_said(share: Path, tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"has no study 'depht' \(did you mean 'depth'\?\)"):
        pull(str(share), ["depht"], tmp_path)
    with pytest.raises(ShareError, match="there is no folder"):
        pull(str(tmp_path / "nothing"), [], tmp_path)
    with pytest.raises(ResLabError, match="there is no run or study 'depht'"):
        push(str(share), ["depht"], OWN_RESULTS)


def test_a_forged_study_is_refused(share: Path, tmp_path: Path) -> None:
    liar = tmp_path / "liar" / "studies"
    liar.mkdir(parents=True)
    (liar / "depth.json").write_bytes((share / "studies" / "learning-rate.json").read_bytes())
    (liar / "epochs.json").write_bytes(b"[" * 100_000)
    for name, words in (("depth", "records the study 'learning-rate'"), ("epochs", "damaged")):
        with pytest.raises(DamagedError, match=words) as found:
            pull(str(tmp_path / "liar"), [name], tmp_path / "runs")
        assert "someone who has the study can push it again" in str(found.value)
        assert "remove" not in str(found.value)
        assert main(["pull", str(tmp_path / "liar"), name, "--runs", str(tmp_path / "runs")]) == 5
    assert not (tmp_path / "runs" / "studies").exists()


def test_a_damaged_study_keeps_nobody_from_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    share = tmp_path / "share"
    shutil.copytree(OWN_RESULTS / FINISHED, share / FINISHED)
    (share / "studies").mkdir()
    (share / "studies" / "depth.json").write_text("{}")
    outcomes = pull(str(share), [], tmp_path / "runs")
    assert {one.run: one.kind for one in outcomes} == {"studies/depth.json": "refused", FINISHED: "fetched"}
    assert main(["pull", str(share), "--runs", str(tmp_path / "again")]) == 5
    said = capsys.readouterr()
    assert said.out == "Runs: 1 fetched, 1 refused\n"
    assert said.err.startswith("reslab: refused studies/depth.json: ")


def test_a_mistyped_address_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = ["--runs", str(OWN_RESULTS)]
    asked = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1"]
    calls = [["push", "s3//bucket", *runs], ["pull", "s3//bucket"], [*asked, "--share", "s3//bucket"]]
    calls += [[*asked, "--share", "s3//bucket", "--push"], ["verify", "s3//bucket", *runs]]
    for call in calls:
        assert main(call) == (2 if call[0] == "verify" else 6)
        assert "s3://bucket" in capsys.readouterr().err
    monkeypatch.setenv("RESLAB_SHARE", "htp://example.org/runs")
    assert main(asked) == 6
    assert "did you mean http://example.org/runs?" in capsys.readouterr().err
    monkeypatch.delenv("RESLAB_SHARE")
    with pytest.raises(ShareError, match="did you mean gs://bucket"):
        push("gs;//bucket", [], OWN_RESULTS)
    with pytest.raises(ShareError, match="did you mean gs://bucket"):
        pull("gs;//bucket")
    study = reslab.study("depth", dataset="digits", depths=[8], epochs=1, seeds=1)
    with pytest.raises(ShareError, match="did you mean s3://x"):
        study.run(share="s3:/x", push=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["depth", "our-own", FINISHED, FINISHED.partition("/")[0]])
def test_a_forgotten_address_makes_no_folder_of_a_study_or_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.copytree(OWN_RESULTS / FINISHED, tmp_path / "runs" / FINISHED)
    record(tmp_path / "runs", replace(ask(["depth"], Options()).studies[0], name="our-own"))
    monkeypatch.chdir(tmp_path)
    for verb, call in (("push", push), ("pull", pull)):
        assert main([verb, name]) == 6
        assert f"Give the address first, as in `reslab {verb} URL {name}`" in capsys.readouterr().err
        with pytest.raises(ShareError, match="not the address of a share"):
            call(name)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert main(["push", f"./{name}"]) == 0
    assert (tmp_path / name / FINISHED / "result.json").exists()


def test_what_is_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    shutil.copytree(OWN_RESULTS / FINISHED, root / FINISHED)
    pending = made(root).read_run().id
    assert main(["push", str(tmp_path / "share"), "--runs", str(root)]) == 0
    said = capsys.readouterr()
    assert said.out == "Runs: 1 pushed, 1 left out\n"
    assert said.err == f"reslab: left out {pending}: it is pending; only runs that have ended are shared\n"
    assert main(["pull", str(tmp_path / "share"), pending, "--runs", str(tmp_path / "again")]) == 0
    assert f"left out {pending}: {tmp_path / 'share'} has no such ended run" in capsys.readouterr().err


def test_no_runs_and_no_share_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, share, file = tmp_path / "empty", tmp_path / "share", tmp_path / "file"
    empty.mkdir()
    file.touch()
    for root, words in ((tmp_path / "nope", "there is no folder"), (file, "is a file"), (empty, "nothing to push")):
        assert main(["push", str(share), "--runs", str(root)]) == 2
        assert words in capsys.readouterr().err
    assert not share.exists()
    assert main(["pull", str(empty), "--runs", str(tmp_path / "runs")]) == 6
    assert "is it a share?" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.deep
def test_a_damaged_run_is_told_once_and_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--train-share", "0.1"]
    asked += ["--seeds", "1", "--no-diagnose", "--no-report", "--jobs", "1"]
    assert main([*asked, "--runs", str(tmp_path / "one")]) == 0
    push(str(tmp_path / "share"), [], tmp_path / "one")
    (result,) = (tmp_path / "share").glob("*/seed0/result.json")
    result.unlink()
    capsys.readouterr()
    assert main([*asked, "--runs", str(tmp_path / "two"), "--share", str(tmp_path / "share")]) == 0
    said = capsys.readouterr()
    assert "Runs: 1 finished" in said.out
    assert said.err.count("refused") == said.err.count("result.json is missing") == 1
    assert f"the copy on {tmp_path / 'share'} is refused, so the run is trained here" in said.err


def test_shares_are_asked_in_order_before_anything_is_trained(share: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / FINISHED
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{}")
    places = share_places(Settings(shares=(str(tmp_path / "broken"), str(share))))
    runs = [RunFiles(OWN_RESULTS / FINISHED).read_run(), Run(small(8), 0)]
    assert [one.kind for one in fetch_instead(places, runs, tmp_path / "runs")] == ["fetched", "absent"]
    assert [one.kind for one in fetch_instead(places[:1], runs[:1], tmp_path / "other")] == ["refused"]


def made(root: Path) -> RunFiles:
    """Return a new run of an epoch of five iterations."""
    recipe = vary(stretch(preset_recipe("assignment", dataset="digits", depth=8), 1), train_share=0.1)
    files = run_files(root, Run(recipe, 0))
    files.create(Run(recipe, 0))
    return files


def test_a_run_trained_again_has_the_same_bits_here(tmp_path: Path) -> None:
    files = made(tmp_path)
    assert execute(files, Settings(threads=1)) == "finished"
    name = files.read_run().id
    (found,) = verify([], tmp_path, sample=3, threads=1)
    assert (found["run"], found["same_bits"]) == (name, True)
    assert found["test_errors"][0] == found["test_errors"][1]
    (again,) = map(RunFiles, tmp_path.glob(f"replicates/*/{name}"))
    before = again.weights.stat().st_mtime_ns
    listed = verify([name], tmp_path, sample=1, threads=1)
    assert list(listed) == [found]
    assert "1 run trained again" in repr(listed)
    assert "same bits" in repr(listed)
    assert again.weights.stat().st_mtime_ns == before
    result = json.loads((again.path / "result.json").read_text())
    assert result["test_error"] == found["test_errors"][1]


def test_nothing_ended_is_nothing_to_verify(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(ResLabError, match="none of these runs has ended"):
        verify([], tmp_path, sample=1)


def test_a_study_is_fetched_where_it_was_trained_and_only_the_rest_is_left(share: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def tell(words: str) -> bool:
        said.append(words)
        return True

    asked = ask(["learning-rate"], Options(datasets=("cifar10",), epochs=16, seeds=1, precision="bf16"))
    settings = Settings(shares=(str(share),))
    session = Session(asked, tmp_path, settings, tell=tell)
    assert len(session.todo) == 7
    session.fetch()
    assert session.todo == []
    assert said == ["7 of 7 runs fetched, not trained"]

    changed = ask(["learning-rate"], Options(datasets=("cifar10",), epochs=16, seeds=99, precision="bf16"))
    again = Session(changed, tmp_path, settings, tell=tell)
    again.fetch()
    assert {run.seed for run in again.todo} >= {98}
    assert 0 not in {run.seed for run in again.todo}


@pytest.mark.deep
def test_run_takes_a_share_and_trains_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--train-share", "0.1"]
    here = ["--no-diagnose", "--no-report", "--jobs", "1", "--json"]
    assert main([*asked, "--seeds", "1", *here, "--runs", str(tmp_path / "one")]) == 0
    push(str(tmp_path / "share"), [], tmp_path / "one")
    capsys.readouterr()
    taken = ["--share", str(tmp_path / "share"), "--runs", str(tmp_path / "two")]
    assert main([*asked, "--seeds", "2", *here, *taken, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["num_to_train"], plan["num_to_fetch"]) == (1, 1)
    assert [run["status"] for run in plan["runs"]] == ["on a share", "pending"]
    assert not (tmp_path / "two").exists()  # nothing is fetched to plan
    assert main([*asked, "--seeds", "2", *here, *taken]) == 0
    told = capsys.readouterr()
    assert set(json.loads(told.out)["runs"].values()) == {"finished"}
    assert "1 of 2 runs fetched, not trained" in told.err
    assert main([*asked, "--share", str(tmp_path / "nowhere"), "--runs", str(tmp_path / "three")]) == 6


def test_two_divergences_are_the_same_only_where_their_losses_are(tmp_path: Path) -> None:
    run, other = Run(small(8), 0), {"kind": "diverged", "message": "", "epoch": 3, "time": "2026-01-01T00:00:00Z"}
    places = []
    for name, iteration in (("a", 20), ("b", 20), ("c", 25)):
        write_run(tmp_path / name, run, Truth(3.0, 1.0), stop_after=2, failure={**other, "iteration": iteration})
        places.append(RunFiles(tmp_path / name / run.id))
    assert compare(places[0], places[1]).same_bits
    assert not compare(places[0], places[2]).same_bits


def test_what_is_damaged_keeps_back_no_other(share: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    pull(str(share), [], root)
    first, *others = sorted(files.name for files in find_runs(root))
    (root / first / "metrics.jsonl").write_bytes(b"{}\n")
    study = sorted((root / "studies").glob("*.json"))[0]
    study.write_text("")
    outcomes = {one.run: one.kind for one in push(str(tmp_path / "new"), [], root)}
    assert outcomes == {f"studies/{study.name}": "refused", first: "refused", **dict.fromkeys(others, "pushed")}
    assert (tmp_path / "new" / "index.json").exists()


def test_a_run_of_a_newer_version_keeps_back_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, newer = tmp_path / "runs", FINISHED.replace("seed0", "seed1")
    for name in (FINISHED, newer):
        shutil.copytree(OWN_RESULTS / name, root / name)
    content = json.loads((root / newer / "run.json").read_text())
    (root / newer / "run.json").write_text(json.dumps({**content, "format": 99}))
    assert main(["push", str(tmp_path / "share"), "--runs", str(root)]) == 5
    said = capsys.readouterr()
    assert said.out == "Runs: 1 pushed, 1 refused\n"
    assert f"refused {newer}: " in said.err
    assert "was written by a newer ResLab; update this one" in said.err


def test_a_damaged_study_here_is_replaced_by_pulling(share: Path, tmp_path: Path) -> None:
    pull(str(share), ["depth"], tmp_path)
    path = tmp_path / "studies" / "depth.json"
    whole = path.read_text()
    path.write_text("{}")
    pull(str(share), ["depth"], tmp_path)
    assert recorded(tmp_path)[1] == ()
    assert json.loads(path.read_text()) == json.loads(whole)


def test_a_recipe_that_a_share_does_not_have_is_said_so(share: Path, tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"has no run of the recipe cifar10-resnet20-00000000"):
        pull(str(share), ["cifar10-resnet20-00000000"], tmp_path / "runs")


def edited(files: RunFiles, error: float) -> None:
    """Give a run another error, and the manifest that it would have with it."""
    lines = (files.path / "metrics.jsonl").read_text().splitlines()
    (files.path / "metrics.jsonl").write_text(
        "\n".join([*lines[:-1], json.dumps({**json.loads(lines[-1]), "test_error": error})]) + "\n"
    )
    result = json.loads((files.path / "result.json").read_text())
    (files.path / "result.json").write_text(json.dumps({**result, "test_error": error}))
    (files.path / "manifest.json").unlink()
    ending.settle(files)


def test_an_edited_record_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = made(tmp_path / "runs")
    execute(files, Settings(threads=1))
    edited(files, 1.25)
    assert main(["push", str(tmp_path / "share"), "--runs", str(tmp_path / "runs")]) == 5
    said = "its result.json says that the test error is 1.25%, but its predictions give"
    assert said in capsys.readouterr().err
    assert main(["status", "--verify", "--runs", str(tmp_path / "runs")]) == 5
    files.predictions.unlink()
    (files.path / "manifest.json").unlink()
    ending.settle(files)  # without predictions, training again shows it
    assert main(["verify", "--runs", str(tmp_path / "runs"), "--threads", "1"]) == 5
    assert "same bits, but another test error: a record was edited" in capsys.readouterr().out


def test_a_study_on_a_share_grows_and_is_not_replaced_by_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share, root = tmp_path / "share", tmp_path / "runs"
    (few,) = ask(["depth"], Options(datasets=("digits",), depths=(8, 14), epochs=1, seeds=1)).studies
    (more,) = ask(["depth"], Options(datasets=("digits",), depths=(8, 14), epochs=1, seeds=2)).studies

    def pushed(study: Study) -> tuple[Study, str]:
        record(root, study)
        assert main(["push", str(share), "--runs", str(root)]) == 0
        return recorded(share)[0][0], capsys.readouterr().err

    assert pushed(few) == (few, "")
    assert pushed(more) == (more, "")
    for other in (few, replace(more, title="Another"), replace(more, answers=False)):
        there, said = pushed(other)
        assert there == more
        assert "left out studies/depth.json: the share keeps a different study of this name" in said


def test_runs_that_a_share_has_in_another_precision_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "depth", "--dataset", "cifar10", "--depths", "20", "--epochs", "16", "--seeds", "1", "--dry-run"]
    places = ["--share", str(OWN_RESULTS), "--runs", str(tmp_path)]
    assert main([*asked, *places, "--precision", "fp32"]) == 0
    assert f"{OWN_RESULTS} has 1 of these runs in bf16; --precision bf16 selects them" in capsys.readouterr().err
    assert main([*asked, *places, "--precision", "bf16"]) == 0
    assert "in fp32" not in capsys.readouterr().err


def test_a_folder_of_runs_in_the_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(OWN_RESULTS / FINISHED, tmp_path / "share" / FINISHED)
    pull(str(tmp_path / "share"), [], "~/runs")
    assert (tmp_path / "runs" / FINISHED / "result.json").exists()
    assert not (tmp_path / "~").exists()
