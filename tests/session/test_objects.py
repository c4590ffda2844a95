"""Runs, comparisons and studies as Python and a notebook see them, over runs with planted errors."""

import json
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import reslab
from reslab.cli import main
from reslab.lab.folder import ending
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run, vary
from reslab.session.display import VEGA_LITE
from reslab.session.work import Session
from reslab.studies.asked import record
from reslab.studies.study import Study, Variant
from synthetic import Truth, small, write_run

TINY: Any = {"dataset": "digits", "depth": 8, "epochs": 1, "train_share": 0.1, "precision": "fp32", "threads": 1}


ASK: Any = reslab.study  # whose keywords a type checker would refuse


def planted(root: Path, *errors: tuple[int, float, int]) -> Path:
    """Write finished runs of these depths, test errors and numbers of seeds, which stray by about 0.2 points."""
    for depth, error, seeds in errors:
        for seed in range(seeds):
            write_run(root, Run(small(depth), seed), Truth(error, 1.0, noise=0.2, own=True))
    return root


def one(root: Path, depth: int) -> reslab.Run:
    return next(iter(reslab.runs(root).filter(depth=depth, seed=0).values()))


def test_seeds_are_a_number_or_a_list() -> None:
    ask: Any = {"dataset": "digits", "depths": [8, 14], "epochs": 1}
    listed = reslab.study("depth", seeds=[3, 7], **ask).asked.runs()
    assert [run.seed for run in listed] == [3, 3, 7, 7]
    assert (
        reslab.study("depth", seeds=range(2), **ask).asked.runs() == reslab.study("depth", seeds=2, **ask).asked.runs()
    )
    for seeds, words in (
        ([1, 1], "needs one or more different seeds"),
        ([], "seeds is empty; give one value or more"),
        ([-1], "seeds must be whole numbers from 0 to 4,294,967,295, not -1"),
    ):
        with pytest.raises(reslab.ResLabError, match=words):
            reslab.study("depth", seeds=seeds, **ask)
    with pytest.raises(reslab.ResLabError, match="fit chooses the number of seeds"):
        reslab.study("depth", seeds=[1], fit="1h", **ask)


def test_what_is_no_id_is_told_so(tmp_path: Path) -> None:
    runs: Any = reslab.runs(planted(tmp_path, (8, 10.0, 2)))
    with pytest.raises(reslab.ResLabError, match=r"runs are found by id, not 0; list\(runs.values\(\)\)"):
        runs[0]


def test_no_folder_but_a_runs_is_advised_to_be_removed(tmp_path: Path) -> None:
    root = planted(tmp_path / "runs", (8, 10.0, 1))
    for folder in (root, root / small(8).id, tmp_path / "nowhere"):
        with pytest.raises(reslab.ResLabError, match=r"it has no run.json; `reslab status --ids` lists the runs"):
            reslab.Run(folder)


def test_a_folder_of_runs_is_a_mapping_that_can_be_filtered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = reslab.runs(str(planted(tmp_path, (8, 10.0, 2), (14, 5.0, 1))))
    assert len(runs) == 3
    assert isinstance(runs, reslab.Runs)
    first = runs[f"{small(8).id}/seed0"]
    assert (first.id, first.seed) == (f"{small(8).id}/seed0", 0)
    for kind in (KeyError, reslab.ResLabError):
        with pytest.raises(kind, match=r"^there is no run .* \(did you mean"):
            runs[f"{small(8).id}/seed7"]
    assert set(runs.filter(depth=[14, 20], status="finished")) == {f"{small(14).id}/seed0"}
    assert len(runs.filter(lambda run: (run.test_error or 0) > 7)) == 2
    with pytest.raises(reslab.ResLabError, match=r"runs have no 'dpeth' \(did you mean 'depth'\?\)"):
        runs.filter(dpeth=8)
    assert runs.table().height == 3
    with pytest.raises(reslab.ResLabError, match="there is no folder"):
        reslab.runs(tmp_path / "nowhere")
    (first.path / "result.json").write_text("{")
    assert len(reslab.runs(tmp_path)) == 2
    assert "left out: " in capsys.readouterr().err


def test_a_recipe_among_runs_is_its_only_seed_and_never_one_of_several(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 2), (14, 5.0, 1))
    write_run(root, Run(small(20), 3), Truth(4.0, 1.0))
    runs = reslab.runs(root)
    assert [runs[small(depth).id].seed for depth in (14, 20)] == [0, 3]
    assert [small(depth).id in runs for depth in (8, 14, 20, 26)] == [True, True, True, False]
    for look in (runs.__getitem__, runs.get):
        with pytest.raises(reslab.ResLabError, match=r"with seeds 0 and 1 here; name one, as in '.*/seed0'"):
            look(small(8).id)
    assert {one.first.recipe.id for one in runs.compare(first=small(8).id)} == {small(8).id}
    with pytest.raises(KeyError, match="there is no run"):
        runs.compare(first=small(26).id)


def test_a_run_has_its_root_however_its_folder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = one(planted(tmp_path, (8, 10.0, 1)), 8).path
    monkeypatch.chdir(folder)
    assert [reslab.Run(path).root for path in (folder, ".", Path("../seed0"))] == [tmp_path] * 3


def test_a_run_says_how_it_stands(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8)), Truth(10.0, 1.0))
    write_run(tmp_path, Run(small(14)), Truth(10.0, 1.0), stop_after=2)
    done, begun = one(tmp_path, 8), one(tmp_path, 14)
    assert done.test_error == done.curve["test_error"][-1]
    assert done.train_error is not None
    assert done.provenance["data"]["name"] == "digits"
    assert (begun.status, begun.test_error, begun.curve.height) == ("interrupted", None, 2)
    assert "run_id" not in done.curve.columns
    assert f"test error {done.test_error:.2f}%" in repr(done)
    with pytest.raises(reslab.ResLabError, match="has no weights: it is interrupted"):
        _ = begun.weights
    assert {"text/plain", "text/html"} == set(begun._repr_mimebundle_())
    ending.fail(
        RunFiles(begun.path), "error", "no images; --data-root says where they are; `reslab data fetch cifar10 --force`"
    )
    assert begun.failure is not None
    words = "no images; data_root says where they are; `reslab data fetch cifar10 --force`"
    assert (begun.failure["kind"], begun.failure["message"]) == ("error", words)


def test_a_pair_of_single_seeds_gets_the_spread_of_the_others_or_none(tmp_path: Path) -> None:
    alone = reslab.compare(one(planted(tmp_path / "alone", (8, 10.0, 1), (14, 5.0, 1)), 8), one(tmp_path / "alone", 14))
    assert alone.difference == pytest.approx(-5, abs=1)
    assert (alone.interval, alone.verdict, alone.p) == (None, "no verdict", None)
    assert any("the spread between seeds is unknown" in words for words in alone.remarks)
    assert any("test images alone can make two such errors differ" in words for words in alone.remarks)
    assert ("Network", "ResNet-8", "ResNet-14") in alone.recipes_differ
    root = planted(tmp_path / "beside", (8, 10.0, 1), (14, 5.0, 1), (20, 4.0, 3), (26, 4.5, 3), (32, 4.2, 3))
    lent = reslab.compare(one(root, 8), one(root, 14))
    assert lent.verdict == "lower"
    assert lent.interval is not None
    assert lent.interval[0] < lent.difference < lent.interval[1] < 0
    assert any("single seed varies is taken from the recipes with several seeds" in words for words in lent.remarks)
    assert lent.to_mapping()["verdict"] == "lower"
    several = reslab.compare(reslab.runs(root).filter(depth=20), small(26).id, runs=root)
    assert several.to_mapping()["first"]["num_finished"] == several.to_mapping()["second"]["num_finished"] == 3
    assert len(reslab.runs(root).compare()) == 4


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 1), (14, 5.0, 1))
    write_run(root, Run(vary(small(8), dataset="cifar10")), Truth(9.0, 1.0))
    write_run(root, Run(small(20)), Truth(9.0, 1.0), stop_after=1)
    write_run(root, Run(small(26)), Truth(9.0, 1.0), fingerprint="cd" * 32, official=False)
    runs = reslab.runs(root)
    ours = one(root, 8) if one(root, 8).recipe.dataset == "digits" else runs[small(8).id]
    with pytest.raises(reslab.ResLabError, match="errors on different images cannot be compared"):
        reslab.compare(runs[small(8).id], next(iter(runs.filter(dataset="cifar10").values())))
    with pytest.raises(reslab.ResLabError, match=r"has no test error to compare: .* is interrupted"):
        reslab.compare(ours, one(root, 20))
    with pytest.raises(reslab.ResLabError, match="trained on different images of digits"):
        reslab.compare(ours, one(root, 26))
    with pytest.raises(
        reslab.ResLabError, match=r"one side has runs of .*, which differ in .*; compare .*runs\.filter\("
    ):
        reslab.compare(ours, runs)
    with pytest.raises(reslab.ResLabError, match="there is no run 'nothing'"):
        reslab.compare(ours, "nothing", runs=root)


def words_of(root: Path, first: str, second: str) -> str:
    return "\n".join(reslab.compare(first, second, runs=root).remarks)


def test_a_comparison_says_whose_spread_it_takes(tmp_path: Path) -> None:
    """It names them, also where they are but the two compared, and gives what each side varies by."""
    root = planted(tmp_path / "two", (8, 10.0, 2), (14, 5.0, 2))
    first, second = small(8).id, small(14).id
    of_two = words_of(root, f"{first}/seed0", f"{second}/seed0")
    assert "ResNet-14, digits" in of_two
    assert "(only the two compared)" in of_two
    found = reslab.compare(f"{first}/seed0", f"{second}/seed0", runs=root).compared.test
    assert found is not None
    assert found.difference.sds is not None
    here, there = found.difference.sds
    assert here > there  # the error of the first is twice that of the second
    assert f"{here:.2f} points for the first and {there:.2f} for the second" in of_two
    assert "by its own seeds" in words_of(root, f"{first}/seed0", second)
    assert "(1 of them compared here)" in words_of(root, f"{first}/seed0", f"{first}/seed1")
    planted(root, (20, 4.0, 3))
    assert "(2 of them compared here)" in words_of(root, f"{first}/seed0", f"{second}/seed0")
    alone = planted(tmp_path / "one", (8, 10.0, 2), (14, 5.0, 1))
    assert "(only one compared)" in words_of(alone, first, second)
    others = planted(tmp_path / "others", (8, 10.0, 1), (14, 5.0, 1), *((depth, 4.0, 2) for depth in range(20, 51, 6)))
    assert "several seeds in the folder: 6 recipes.  That" in words_of(others, first, second)
    shared = words_of(others, small(20).id, small(26).id)
    assert shared.startswith("How much seeds vary is estimated from the recipes with several seeds in the folder")


def test_one_seed_of_several_is_not_passed_off_as_all_that_is_known(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 3), (14, 5.0, 2), (20, 4.0, 1))
    write_run(root, Run(small(8), 7), Truth(10.0, 1.0), stop_after=2)  # has not finished, and counts nowhere
    first, second = small(8).id, small(14).id
    every = reslab.compare(first, second, runs=root)
    assert not any("better evidence" in words for words in every.remarks)
    for sides in ((f"{first}/seed0", f"{second}/seed0"), (first, f"{second}/seed1"), (f"{first}/seed1", second)):
        remark = reslab.compare(*sides, runs=root).remarks[0]
        assert f"3 of {first} and 2 of {second}" in remark
        assert f"All of them together are the better evidence: {every.words}" in remark
    assert "better evidence" not in words_of(root, f"{first}/seed0", f"{first}/seed1")
    assert "better evidence" not in words_of(root, second, small(20).id)


def test_runs_are_not_compared_with_themselves(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 2))
    name = small(8).id
    for sides in ((name, name), (f"{name}/seed1", f"{name}/seed1")):
        with pytest.raises(reslab.ResLabError, match=f"both sides are the same runs, seeds? .* of {name}"):
            reslab.compare(*sides, runs=root)
    with pytest.raises(reslab.ResLabError, match=f"both sides have seed 1 of {name}: .* leave it out of one side"):
        reslab.compare(name, f"{name}/seed1", runs=root)
    assert reslab.compare(f"{name}/seed0", f"{name}/seed1", runs=root).first.num_finished == 1


def test_how_many_seeds_it_takes_is_a_range(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 2), (14, 9.7, 2))
    found = reslab.compare(small(8).id, small(14).id, runs=root)
    assert found.verdict == "not significant"
    assert found.compared.test is not None
    assert found.compared.test.seeds_range is not None
    fewest, most = found.compared.test.seeds_range
    reach = f"{fewest:,} to {'over 1,000' if most is None else f'{most:,}'}"
    assert f"To show a difference of this size takes {reach} seeds of each (power 80%" in found.remarks[-1]
    assert not any("About" in words for words in found.remarks)


def test_an_interval_that_is_cut_says_where(tmp_path: Path) -> None:
    root = tmp_path
    for depth, errors in ((8, (90.0, 10.0)), (14, (3.0, 80.0))):
        for seed, error in enumerate(errors):
            write_run(root, Run(small(depth), seed), Truth(error, 1.0))
    found = reslab.compare(small(8).id, small(14).id, runs=root)
    assert any(
        "The interval ends at 100 points, the most by which two errors can differ." in words for words in found.remarks
    )
    planted(root, (20, 10.0, 3), (26, 9.0, 3))
    assert "interval ends" not in words_of(root, small(20).id, small(26).id)


def test_the_only_seed_that_did_not_diverge_gets_no_spread_and_that_is_said(tmp_path: Path) -> None:
    root = planted(tmp_path, (8, 10.0, 1), (14, 5.0, 3))
    failure = {"kind": "diverged", "message": "loss is not finite", "epoch": 2, "iteration": 9}
    write_run(root, Run(small(8), 1), Truth(10.0, 1.0), stop_after=2, failure=failure)
    found = reslab.compare(small(8).id, small(14).id, runs=root)
    assert found.verdict == "no verdict"
    assert any("one seed diverged" in words for words in found.remarks)
    assert not any("No recipe in the folder has two finished seeds" in words for words in found.remarks)


def test_a_study_that_is_done_has_nothing_to_train(planned: reslab.Study) -> None:
    assert planned.plan().words == "Mine: all 4 runs have ended: nothing to train"


def test_the_verb_compares_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = planted(tmp_path, (8, 10.0, 2), (14, 5.0, 2))
    sides = [small(8).id, f"{small(14).id}/seed1"]
    assert main(["compare", *sides, "--runs", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == reslab.compare(*sides, runs=root).to_mapping()
    assert main(["compare", *sides, "--runs", str(root)]) == 0
    said = capsys.readouterr().out
    assert "Verdict: " in said
    assert "ResNet-14" in said
    assert main(["compare", sides[0], "nothing", "--runs", str(root)]) == 2


@pytest.fixture
def planned(tmp_path: Path) -> reslab.Study:
    """Return a study of two depths, whose runs have finished."""
    from reslab.lab.settings import Settings
    from reslab.studies.study import Plan

    root = planted(tmp_path, (8, 10.0, 2), (14, 5.0, 2))
    variants = tuple(Variant(f"depth {depth}", small(depth), (("depth", depth),)) for depth in (8, 14))
    asked = Study("mine", "Mine", "?", "", variants, (0, 1), "custom")
    record(root, asked)
    return reslab.Study(Plan("mine", "Mine", (asked,)), root, Settings(device="cpu"))


def test_a_study_shows_its_table_verdicts_and_figures(planned: reslab.Study, tmp_path: Path) -> None:
    table = planned.table()
    assert table.frame.height == 2
    assert "<table>" in table._repr_mimebundle_()["text/html"]
    (verdict,) = planned.verdicts()
    assert verdict.difference < 0
    figure = planned.figure("final")
    shown = figure._repr_mimebundle_()
    assert shown["image/png"].startswith(b"\x89PNG")
    assert "[[" not in shown["text/plain"]
    for kind, number in zip(VEGA_LITE, (5, 6), strict=True):
        assert shown[kind]["$schema"].endswith(f"v{number}.json")
        assert shown[kind]["datasets"]
        json.dumps(shown[kind], allow_nan=False)
    for kind in ("png", "svg", "html", "json"):
        assert figure.save(tmp_path / f"final.{kind}").stat().st_size > 1000
    with pytest.raises(reslab.ResLabError, match=r"saved as \.png, \.svg, \.json or \.html, not \.gif"):
        figure.save(tmp_path / "final.gif")
    with pytest.raises(reslab.ResLabError, match=r"no figure 'fnal' yet \(did you mean 'final'\?\)"):
        planned.figure("fnal")
    assert set(planned.runs) == {f"{small(depth).id}/seed{seed}" for depth in (8, 14) for seed in (0, 1)}
    assert planned.report(tmp_path / "report").html.exists()
    assert reslab.runs(tmp_path).plot().specification["title"]["text"]


def test_a_study_that_is_looked_at_is_planned_once(planned: reslab.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Session] = []

    def session(*given: Any) -> Session:
        made.append(Session(*given))
        return made[-1]

    monkeypatch.setattr("reslab.session.study.Session", session)
    study = reslab.Study(planned._plan, planned._root, planned._settings)
    study.table()
    study.verdicts()
    assert len(study.runs) == len(study.asked.runs())
    assert len(made) == 1


def test_several_questions_are_one_plan_of_which_one_is_taken() -> None:
    several = reslab.study("depth", "shortcuts", "depth", dataset="digits", depths=8, seeds=1)
    assert list(several.studies) == ["depth", "shortcuts"]
    with pytest.raises(reslab.ResLabError, match=r"several questions .* take one, as in study\['depth'\]"):
        several.table()
    with pytest.raises(reslab.ResLabError, match=r"no question 'shortcut' here \(did you mean 'shortcuts'\?\)"):
        several["shortcut"]


def test_the_same_question_has_the_same_ids_from_python_and_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RESLAB_PRECISION")
    monkeypatch.setattr("reslab.host.cpu_precision", lambda: "bf16")
    monkeypatch.setattr("reslab.host.computes_on_cpu", lambda device: True)
    monkeypatch.setattr("reslab.lab.speeds.speed._side_by_side", lambda device, precision, jobs: 30_000 / jobs)
    flags = ["--dataset", "digits", "--depths", "8", "--batch-size", "16", "--runs", str(tmp_path)]
    assert main(["run", "depth", "learning-rate", *flags, "--dry-run", "--json"]) == 0
    told = [row["run"] for row in json.loads(capsys.readouterr().out)["runs"]]
    study = reslab.study("depth", "learning-rate", dataset="digits", depths=8, batch_size=16, runs=tmp_path)
    assert [run.id for run in study.asked.runs()] == told
    assert {run.recipe.precision for run in study.asked.runs()} == {"bf16"}
    assert {run.recipe.batch_size for run in study.asked.runs()} == {16}
    assert reslab.preset("assignment").precision == "bf16"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: reslab.study("dpeth"), "there is no study 'dpeth'"),
        (reslab.study, "name a study"),
        (lambda: ASK("depth", batch_sze=3), "no field 'batch_sze'"),
        (lambda: reslab.study("shortcuts", shortcut="C", dataset="digits"), "shortcut has no effect on shortcuts"),
        (lambda: reslab.study("a", "b", vary={"depth": [8]}), "one name"),
        (lambda: reslab.study("mine", vary={"batch_sizes": [8]}), "did you mean 'batch_size'"),
        (lambda: reslab.study("mine", vary={"depth": [8, 14]}, depths=[20, 32]), "depth is given twice, in vary"),
        (lambda: reslab.study("mine", vary={"dataset": ["digits"]}, dataset="cifar10"), "dataset is given twice"),
        (lambda: reslab.study("mine", vary={"epochs": [1, 2]}, epochs=3), "epochs is given twice"),
        (lambda: reslab.study("mine", vary={"batch_size": [32, 64]}, batch_size=16), "batch_size is given twice"),
        (lambda: reslab.train(dataset="digits", depth=9), "depth must be 6n"),
        (lambda: reslab.train(reslab.Recipe(), preset="paper"), "leave out one of them"),
        (reslab.evaluate, "takes a run, or"),
        (lambda: ASK("depth", dataset="digits").run(on="slrum"), r"not 'slrum' \(did you mean 'slurm'\?\)"),
        (lambda: ASK("depth", dataset="digits").run(on="ray://"), "ray://ADDRESS, not 'ray://'"),
        (lambda: ASK("depth", dataset="digits").run(slurm_options=["partition=gpu"]), "belongs to .* slurm"),
        (lambda: reslab.train(**{**TINY, "threads": "two"}), "threads must be a whole number"),
        (lambda: reslab.train(**{**TINY, "threads": 0}), "threads must be a whole number from 1 to 1024, not 0"),
        (lambda: reslab.train(**TINY, checkpoint_seconds=float("nan")), "checkpoint_seconds must be .* not nan"),
        (lambda: reslab.train(**TINY, keep_epochs=[0]), "keep_epochs must be whole numbers, 1 or more, not 0"),
        (lambda: reslab.train(**TINY, device="cudda"), "device must be auto, cpu"),
        (lambda: reslab.train(**TINY, seed=-1), "seed must be a whole number"),
    ],
)
def test_mistakes_raise_never_exit_and_leave_nothing_behind(
    ask: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(reslab.ResLabError, match=words):
        ask()
    assert not list(tmp_path.glob("runs/*"))


@pytest.fixture
def quiet(torch_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in an empty folder, on one thread."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("quiet")
def test_a_run_trains_on_a_notebooks_thread_and_leaves_torch_as_it_was() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: reslab.train(seed=1, **TINY)).result()
    assert run.status == "finished"
    assert run.path.is_relative_to("runs")
    assert not torch.are_deterministic_algorithms_enabled()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    again = reslab.train(seed=1, **TINY)
    assert again == run
    assert again.test_error == run.test_error


@pytest.mark.usefixtures("quiet")
def test_a_stop_checkpoints_and_raises_and_the_same_call_resumes() -> None:
    asked: Any = {**TINY, "epochs": 2000, "learning_rate": 0.01}
    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        reslab.train(**asked)
    timer.cancel()
    (run,) = reslab.runs().values()
    assert run.status == "interrupted"
    assert list((run.path / "checkpoint").iterdir())


def test_a_run_is_compared_as_it_is_in_its_own_folder(tmp_path: Path) -> None:
    """Another folder may have another training of the same run, or the beginning of one."""
    first, second = Run(small(8), 0), Run(small(14), 0)
    mine = reslab.Run(write_run(tmp_path / "here", first, Truth(3.0, 1.0)))
    given = reslab.Run(write_run(tmp_path / "there", second, Truth(2.0, 0.5)))
    for stop_after in (None, 5):
        write_run(tmp_path / "here", second, Truth(9.0, 4.0), stop_after=stop_after)
        assert reslab.compare(mine, given).difference == -1.0
        shutil.rmtree(tmp_path / "here" / second.id)


def test_seeds_of_one_recipe_are_compared_by_one_spread_whichever_side_they_are_on(tmp_path: Path) -> None:
    for seed, error in enumerate((1.0, 1.05, 5.0, 9.0, 2.0, 7.0)):
        write_run(tmp_path, Run(small(8), seed), Truth(error, 1.0))
    every = list(reslab.runs(tmp_path).values())
    there, back = reslab.compare(every[:2], every[2:]), reslab.compare(every[2:], every[:2])
    assert there.p == pytest.approx(back.p)
    assert there.compared.test is not None
    spread = there.compared.test.difference
    assert spread.sds is not None
    assert (spread.freedom, spread.sds[0] == spread.sds[1]) == (4, True)
