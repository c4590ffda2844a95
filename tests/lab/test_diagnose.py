"""The diagnostics of a run on disk: what is measured, when it is measured again, and what cannot be."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lab_runs import make, small

from reslab.cli import main
from reslab.diagnostics.cost import BUDGETS
from reslab.diagnostics.measure import DIAGNOSTICS
from reslab.errors import CheckpointError, DataError, ResLabError
from reslab.lab import diagnose as diagnosis
from reslab.lab.assembly import build_network
from reslab.lab.diagnose import diagnose_run
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.models.weights import read_weights

SETTINGS = Settings(device="cpu", threads=1)
CHEAP = ("gap", "responses", "gradients")

pytestmark = pytest.mark.usefixtures("torch_settings")


@pytest.fixture(scope="module", autouse=True)
def small_budget() -> Iterator[None]:
    """Make the smallest budget smaller: what a diagnostic finds is tested with the diagnostics."""
    small = replace(BUDGETS["quick"], curvature_images=16, lanczos_iterations=3, surface_images=16, surface_points=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "quick", small)
        yield


@pytest.fixture(scope="module")
def trained(small_budget: None, tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """Return a finished run of ResNet-8 on a tenth of the digits, with all of its diagnostics."""
    files = make(tmp_path_factory.mktemp("trained"), small(2, precision="fp32", batch_size=16))
    exact, threads = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    assert execute(files, SETTINGS) == "finished"
    diagnose_run(files, SETTINGS, budget="quick")
    torch.set_deterministic_debug_mode(exact)
    torch.set_num_threads(threads)
    return files


@pytest.fixture
def run(trained: RunFiles, tmp_path: Path) -> RunFiles:
    """Return a copy of the finished run, with no diagnostics yet."""
    folder = tmp_path / "runs" / trained.path.parent.name / trained.path.name
    shutil.copytree(trained.path, folder, ignore=shutil.ignore_patterns("diagnostics.json"))
    return RunFiles(folder)


def timeless(content: dict[str, Any]) -> dict[str, Any]:
    return {name: {**entry, "seconds": None} for name, entry in content["diagnostics"].items()}


def test_all_of_a_run(trained: RunFiles) -> None:
    run, content = trained, trained.diagnostics()
    assert content is not None
    assert content["format"] == 1
    assert content["run"] == run.read_run().id
    assert list(content["diagnostics"]) == list(DIAGNOSTICS)
    result = run.result()
    assert result is not None
    assert content["weights_sha256"] == result["weights_sha256"]
    entries = {name: entry["final"] for name, entry in content["diagnostics"].items()}
    assert entries["gap"]["test_error"] == result["test_error"]
    assert entries["gap"]["test_loss"] == pytest.approx(result["test_loss"], rel=1e-6)
    assert len(entries["responses"]["layers"]) == 7
    weighted = [each["layer"] for each in entries["gradients"]["layers"] if "downsample" not in each["name"]]
    assert weighted == list(range(1, 9))
    assert entries["noise-scale"]["batch_size"] == 16
    last = run.metrics()[-1]["rate"]
    assert entries["curvature"]["stability_limit"] == pytest.approx(2 * 1.9 / last)
    for entry in content["diagnostics"].values():
        assert entry["machine"]["device"] == "cpu"
        assert entry["machine"]["threads"] == 1


@pytest.mark.parametrize("family", ["preact", "wide"])
def test_networks_that_train_by_kernels_of_ours_are_measured_too(tmp_path: Path, family: str) -> None:
    depth = {"preact": 8, "wide": 10}[family]
    files = make(tmp_path, small(1, family=family, depth=depth, precision="fp32", batch_size=16))
    execute(files, SETTINGS)
    found = diagnose_run(files, SETTINGS, ("curvature", "gradients"), budget="quick")
    assert found["diagnostics"]["curvature"]["final"]["largest"] > 0


def test_the_start_is_that_of_the_run_and_the_end_its_weights(trained: RunFiles) -> None:
    content, run = trained.diagnostics(), trained.read_run()
    assert content is not None
    states = {
        "initial": build_network(run.recipe, 10, run.seed).state_dict(),
        "final": read_weights(trained.weights),
    }
    for moment, state in states.items():
        for layer in content["diagnostics"]["gradients"][moment]["layers"]:
            length = torch.linalg.vector_norm(state[f"{layer['name']}.weight"]).item()
            assert layer["weight_norm"] == pytest.approx(length, rel=1e-5)


def test_asking_again_measures_what_is_missing(run: RunFiles) -> None:
    events: list[dict[str, Any]] = []
    first = diagnose_run(run, SETTINGS, ["gap"], budget="quick", on_event=events.append)
    second = diagnose_run(run, SETTINGS, CHEAP, budget="quick", on_event=events.append)
    assert list(dict.fromkeys(event["diagnostic"] for event in events)) == ["gap", "responses", "gradients"]
    shares = [event["share"] for event in events]
    parts = [shares[: shares.index(1.0) + 1], shares[shares.index(1.0) + 1 :]]  # of either call
    for part in parts:
        assert (part[0], part[-1]) == (0.0, 1.0)
        assert part == sorted(part)
    assert second["diagnostics"]["gap"] == first["diagnostics"]["gap"]
    before = (run.path / "diagnostics.json").stat().st_mtime_ns
    assert diagnose_run(run, SETTINGS, CHEAP, budget="quick", on_event=events.append) == second
    assert (run.path / "diagnostics.json").stat().st_mtime_ns == before
    num_events = len(events)
    again = diagnose_run(run, SETTINGS, CHEAP, budget="quick", force=True, on_event=events.append)
    assert {event["diagnostic"] for event in events[num_events:]} == set(CHEAP)
    assert timeless(again) == timeless(second)


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_a_measurement_ended_half_way_loses_itself_only(
    run: RunFiles, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A stop comes between any two batches, within every diagnostic."""
    monkeypatch.setattr("reslab.lab.diagnose.TELL_SECONDS", 0.0)

    heard = []

    def end(event: dict[str, Any]) -> None:
        heard.append(event["diagnostic"])
        # After the first batch, where there are several; else before the only one.
        if heard.count(name) == (2 if name in ("responses", "gradients") else 3):
            raise KeyboardInterrupt

    which = ["responses", name] if name != "responses" else ["responses"]
    with pytest.raises(KeyboardInterrupt):
        diagnose_run(run, SETTINGS, which, budget="quick", on_event=end)
    assert list((run.diagnostics() or {"diagnostics": {}})["diagnostics"]) == which[:-1]
    assert list(diagnose_run(run, SETTINGS, which, budget="quick")["diagnostics"]) == which


def test_a_larger_budget_measures_again_and_a_smaller_does_not(run: RunFiles) -> None:
    budgets = []
    for budget in ("quick", "standard", "quick"):
        content = diagnose_run(run, SETTINGS, ["responses"], budget=budget)
        budgets.append(content["diagnostics"]["responses"]["budget"])
    assert budgets == ["quick", "standard", "standard"]


@pytest.mark.parametrize(("meanwhile", "kept"), [("thorough", "thorough"), ("quick", "standard")])
def test_what_another_process_measured_meanwhile_with_a_larger_budget_stays(
    run: RunFiles, monkeypatch: pytest.MonkeyPatch, meanwhile: str, kept: str
) -> None:
    def measured(subject: Any, names: Any, budget: str, clock: Any) -> Iterator[tuple[str, Any]]:
        theirs = {"gap": {"budget": meanwhile, "seconds": 9.0}}
        result = run.result() or {}
        run.write(
            "diagnostics.json",
            {"format": 1, "run": "", "weights_sha256": result["weights_sha256"], "diagnostics": theirs},
        )
        yield "gap", {"budget": budget, "seconds": 1.0}

    monkeypatch.setattr("reslab.lab.diagnose.diagnose", measured)
    content = diagnose_run(run, SETTINGS, ["gap"], budget="standard")
    assert content["diagnostics"]["gap"]["budget"] == kept
    assert run.diagnostics() == content


def test_what_was_measured_on_other_weights_is_dropped(run: RunFiles) -> None:
    content = diagnose_run(run, SETTINGS, ["gap", "responses"], budget="quick")
    run.write("diagnostics.json", {**content, "weights_sha256": "0" * 64})
    assert list(diagnose_run(run, SETTINGS, ["gap"], budget="quick")["diagnostics"]) == ["gap"]


def test_an_epoch_in_between_is_measured_on_the_weights_that_were_kept(run: RunFiles) -> None:
    events: list[dict[str, Any]] = []
    content = diagnose_run(run, SETTINGS, (*CHEAP, "curvature"), epochs=[1], budget="quick", on_event=events.append)
    told = dict.fromkeys((event["epoch"], event["diagnostic"]) for event in events)
    assert list(told) == [(1, name) for name in (*CHEAP, "curvature")]
    assert content == run.diagnostics()
    assert content["diagnostics"] == {}  # those of the trained weights, which nobody asked for
    found = content["epochs"]["1"]
    assert list(content["epochs"]) == ["1"]
    assert found["weights_sha256"] == hashlib.sha256(run.epoch_weights(1).read_bytes()).hexdigest()
    first, entries = run.metrics()[0], found["diagnostics"]
    assert entries["gap"]["final"]["test_error"] == first["test_error"]
    assert entries["gap"]["final"]["test_loss"] == pytest.approx(first["test_loss"], rel=1e-6)
    assert entries["curvature"]["final"]["rate"] == first["rate"] != run.metrics()[-1]["rate"]
    assert "initial" not in entries["gradients"]
    weights = read_weights(run.epoch_weights(1))
    for layer in entries["gradients"]["final"]["layers"]:
        length = torch.linalg.vector_norm(weights[f"{layer['name']}.weight"]).item()
        assert layer["weight_norm"] == pytest.approx(length, rel=1e-5)


def test_batches_of_an_epoch_are_those_that_would_follow_it(run: RunFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = diagnosis._Independent

    def noted(images: Any, after: int) -> Any:
        asked.append(after)
        return real(images, after)

    monkeypatch.setattr(diagnosis, "_Independent", noted)
    diagnose_run(run, SETTINGS, ["gradients"], epochs=[1], budget="quick")
    diagnose_run(run, SETTINGS, ["gradients"], budget="quick")
    assert asked == [1, 2]


def test_budget_force_and_weights_hold_for_each_epoch_alone(run: RunFiles) -> None:
    def measure(**options: Any) -> tuple[Any, list[Any]]:
        events: list[dict[str, Any]] = []
        content = diagnose_run(run, SETTINGS, ["responses"], on_event=events.append, **options)
        return content, list(dict.fromkeys(event["epoch"] for event in events))

    _, measured = measure(budget="quick")
    assert measured == [None]
    first, measured = measure(budget="quick", epochs=[1])
    assert measured == [1]
    assert measure(budget="quick", epochs=[1]) == (first, [])
    again, measured = measure(budget="quick", epochs=[1], force=True)
    assert measured == [1]
    assert timeless(again["epochs"]["1"]) == timeless(first["epochs"]["1"])
    larger, measured = measure(budget="standard", epochs=[1])
    assert measured == [1]
    assert larger["epochs"]["1"]["diagnostics"]["responses"]["budget"] == "standard"
    assert larger["diagnostics"]["responses"]["budget"] == "quick"

    other = {**larger, "epochs": {"1": {**larger["epochs"]["1"], "weights_sha256": "0" * 64}}}
    run.write("diagnostics.json", other)
    content = diagnose_run(run, SETTINGS, ["gap"], epochs=[1], budget="quick")
    assert list(content["epochs"]["1"]["diagnostics"]) == ["gap"]
    assert content["diagnostics"] == larger["diagnostics"]
    run.write("diagnostics.json", {**content, "weights_sha256": "0" * 64})
    assert "epochs" not in diagnose_run(run, SETTINGS, ["gap"], budget="quick")  # they are of another training


def test_an_epoch_whose_weights_were_not_kept(run: RunFiles) -> None:
    rows = run.metrics()
    for name in ("manifest.json", "metrics.jsonl"):  # one epoch more, as if it had been trained
        (run.path / name).rename(run.path / f".{name}")
    for row in [*rows, {**rows[-1], "epoch": 3}]:
        run.append_metrics(row)
    run.write("result.json", {**(run.result() or {}), "epochs": 3})
    with pytest.raises(ResLabError, match=r"no weights of epoch 2: it kept those of 1\..* --keep-epochs 2$") as caught:
        diagnose_run(run, SETTINGS, ["gap"], epochs=[1, 2])
    assert caught.value.exit_code == 2  # a slip in the command: the run is whole
    for none in (0, 4):
        with pytest.raises(ResLabError, match=rf"epoch {none}: it kept those of 1\.  It has epochs 1 to 3$"):
            diagnose_run(run, SETTINGS, ["gap"], epochs=[none])
    with pytest.raises(ResLabError, match=r"epoch 3 is the last of .*; leave out --epoch to measure it$"):
        diagnose_run(run, SETTINGS, ["gap"], epochs=[3])
    shutil.rmtree(run.path / "weights")
    with pytest.raises(ResLabError, match=r"no weights of epoch 1: it kept none\."):
        diagnose_run(run, SETTINGS, ["gap"], epochs=[1])
    assert run.diagnostics() is None


def test_an_unfinished_run(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))
    with pytest.raises(
        CheckpointError, match="no trained weights to measure: it is pending; train it to its end first"
    ):
        diagnose_run(files, SETTINGS)
    files.write("failure.json", {"format": 1, "kind": "diverged", "message": "", "traceback": None})
    with pytest.raises(CheckpointError, match=r"no trained weights to measure: it diverged$"):
        diagnose_run(files, SETTINGS)


def test_weights_that_are_not_the_run_s(run: RunFiles) -> None:
    with run.weights.open("ab") as file:
        file.write(b" ")
    with pytest.raises(CheckpointError, match="not what the run ended with"):
        diagnose_run(run, SETTINGS, ["gap"])


def test_images_that_are_not_the_run_s(run: RunFiles) -> None:
    provenance = run.provenance()
    assert provenance is not None
    provenance["data"]["fingerprint"] = "0" * 64
    run.write("provenance.json", provenance)
    with pytest.raises(DataError, match=r"not those that .* was trained on"):
        diagnose_run(run, SETTINGS, ["gap"])


def test_names_that_there_are_not(run: RunFiles) -> None:
    with pytest.raises(ResLabError, match="there is no diagnostic 'sharpness'"):
        diagnose_run(run, SETTINGS, ["sharpness"])
    assert run.diagnostics() is None


def test_the_verb(run: RunFiles, capsys: pytest.CaptureFixture[str]) -> None:
    root, name = run.path.parents[1], run.read_run().id
    common = ["--runs", str(root), "--device", "cpu", "--threads", "1", "--budget", "quick"]
    assert main(["diagnose", name, "--which", "gap,responses", *common, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == run.diagnostics()
    assert main(["diagnose", name, "--which", "gap,sharpness", *common]) == 2
    assert "there is no diagnostic 'sharpness'" in capsys.readouterr().err
    assert main(["diagnose", "nothing", *common]) == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err


def test_the_verb_measures_epochs(run: RunFiles, capsys: pytest.CaptureFixture[str]) -> None:
    common = [
        "diagnose",
        str(run.path),
        "--which",
        "gradients",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--budget",
        "quick",
    ]
    assert main([*common, "--epoch", "1"]) == 0
    out = capsys.readouterr().out
    assert f"{run.read_run().id} after epoch 1\n" in out
    assert "in the first of 8 layers" in out
    assert main([*common, "--epoch", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == run.diagnostics()
    assert main([*common, "--epoch", "1,7"]) == 2
    assert "no weights of epoch 7: it kept those of 1." in capsys.readouterr().err
    assert main([*common, "--epoch", "first"]) == 2
    assert "--epoch takes whole numbers" in capsys.readouterr().err


def test_the_verb_says_what_was_found(trained: RunFiles, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", str(trained.path), "--budget", "quick"]) == 0
    out = capsys.readouterr().out
    for name, diagnostic in DIAGNOSTICS.items():
        assert name in out
        assert diagnostic.question in out
    result = trained.result()
    assert result is not None
    assert f"{result['test_error']:.2f}% on " in out


def test_it_computes_with_the_threads_that_the_load_leaves(run: RunFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "threads_for_load", lambda _: 1)
    torch.set_num_threads(2)
    seen: list[dict[str, Any]] = []
    try:
        found = diagnose_run(run, Settings(device="cpu"), ["gap"], budget="quick", on_event=seen.append)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert found["diagnostics"]["gap"]["machine"]["threads"] == 1
    words = [event["words"] for event in seen if event["event"] == "remark"]
    assert words == ["computes with 1 of 2 threads to its end, because other work needs the CPU now"]
