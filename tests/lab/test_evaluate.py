"""Weights from elsewhere, measured under every network that they may be of; and what is said of the figures."""

import dataclasses
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from reslab.cli import main
from reslab.errors import CheckpointError, DamagedError, DataError, ResLabError
from reslab.lab.folder import ending, manifest
from reslab.lab.folder.store import RunFiles
from reslab.lab.weights.candidates import candidates
from reslab.lab.weights.contest import Measured
from reslab.lab.weights.doubts import suspicious, undecided
from reslab.lab.weights.evaluate import Evaluated, evaluate_run, evaluate_weights
from reslab.lab.weights.given import Given
from reslab.models.networks import build
from reslab.models.weights import WeightsFile, read_weights, read_weights_file, save_weights
from reslab.recipe import Run, vary
from reslab.training import hardware
from reslab.training.evaluation import Evaluation

TRAINING = (
    "train --dataset digits --depth 8 --epochs 3 --batch-size 48 --precision fp32 --threads 1 --learning-rate 0.05"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """Return a run of a ResNet-8 with shortcut A-centred and ImageNet's normalisation."""
    root = tmp_path_factory.mktemp("trained")
    what = [*TRAINING.split(), "--preset", "akamaster", "--runs", str(root)]
    assert main(what) == 0
    (folder,) = root.glob("*/seed0")
    return RunFiles(folder)


@pytest.fixture(scope="module")
def elsewhere(trained: RunFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its weights as akamaster keeps them, in a folder that says nothing of them."""
    path = tmp_path_factory.mktemp("elsewhere") / "resnet8.th"
    state = {f"module.{name}".replace("fc.", "linear."): value for name, value in read_weights(trained.weights).items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, path)
    return path


@pytest.fixture(scope="module")
def found(elsewhere: Path) -> Evaluated:
    """Return the measurement of those weights, of which nothing was said but the images."""
    return evaluate_weights(elsewhere, Given(dataset="digits"))


def error_of(trained: RunFiles) -> float:
    result = trained.result()
    assert result is not None
    return float(result["test_error"])


def test_what_the_file_cannot_tell_is_measured_each_way(found: Evaluated, trained: RunFiles) -> None:
    facts = found.to_mapping()
    ways = [(one["family"], one["shortcut"], one["normalisation"]) for one in facts["candidates"]]
    assert len(ways) == len(set(ways)) == 15
    assert ways[0] == ("residual", "A-centred", "imagenet")
    assert {(family, shortcut) for family, shortcut, _ in ways} == {
        ("residual", "A"),
        ("residual", "A-centred"),
        ("plain", "none"),
    }
    assert facts["test_error"] == error_of(trained)
    errors = [one["test_error"] for one in facts["candidates"]]
    assert errors == sorted(errors)
    assert errors[0] < 40 < errors[-1]
    assert facts["candidates"][0]["flags"] == "--shortcut A-centred --normalisation imagenet"
    assert any(one["flags"] == "--family plain --normalisation channel" for one in facts["candidates"])
    assert facts["decided_by"] == {
        "dataset": "--dataset",
        "network": "the file",
        "family": "best of 2 measured",
        "shortcut": "best of 3 measured",
        "normalisation": "best of 5 measured",
        "precision": "default",
    }
    assert (facts["network"], facts["depth"], facts["num_classes"]) == ("resnet8", 8, 10)
    assert (facts["entry"], facts["prefix"]) == ("state_dict", "module")


def test_the_flags_of_a_candidate_choose_it(found: Evaluated, elsewhere: Path) -> None:
    for place in (0, 7, 14):
        one = found.measured[place]
        flags = dict(zip(one.candidate.flags.split()[::2], one.candidate.flags.split()[1::2], strict=True))
        alone = evaluate_weights(
            elsewhere,
            Given(
                dataset="digits",
                family=flags.get("--family"),
                shortcut=flags.get("--shortcut"),
                normalisation=flags["--normalisation"],
            ),
        )
        assert [again.candidate.recipe for again in alone.measured] == [one.candidate.recipe]
        assert alone.evaluation.confusion == one.evaluation.confusion


def test_a_preset_decides_what_it_fits(elsewhere: Path, trained: RunFiles) -> None:
    right = evaluate_weights(elsewhere, Given(dataset="digits", preset="akamaster"))
    assert right.evaluation.error == error_of(trained)
    assert len(right.measured) == 1
    assert right.decided["shortcut"] == right.decided["normalisation"] == "preset akamaster"
    assert "the weights fit --shortcut A, --family plain as well; preset akamaster decided" in right.remarks
    other = evaluate_weights(
        elsewhere, Given(dataset="digits", preset="hysts")
    )  # whose shortcut B the weights do not have
    assert [one.candidate.recipe.normalisation for one in other.measured] == ["channel"] * 3
    assert {one.candidate.flags for one in other.measured} == {"--shortcut A", "--shortcut A-centred", "--family plain"}


def test_a_run_json_beside_the_weights_is_used_and_said(trained: RunFiles, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    path = tmp_path / "run" / "weights.safetensors"
    beside = evaluate_weights(path, Given())
    assert len(beside.measured) == 1
    assert beside.evaluation.error == error_of(trained)
    assert set(beside.decided.values()) == {"run.json next to the weights", "the file"}
    assert evaluate_weights(path, Given(normalisation="channel")).decided["normalisation"] == "--normalisation"
    plain = vary(RunFiles(tmp_path / "run").read_run().recipe, family="plain")
    shutil.copytree(tmp_path / "run", tmp_path / "plain")
    (tmp_path / "plain" / "run.json").unlink()
    RunFiles(tmp_path / "plain").create(Run(plain, 0))
    assert "--family" not in evaluate_weights(tmp_path / "plain" / "weights.safetensors", Given()).decided.values()
    other = build("residual", 14, "B", 10, initialisation="he-fan-in", seed=0)
    torch.save(other.state_dict(), tmp_path / "run" / "other.pth")
    alone = evaluate_weights(tmp_path / "run" / "other.pth", Given(dataset="digits", preset="hysts"))
    assert not any("run.json" in remark for remark in alone.remarks)
    alone = evaluate_weights(tmp_path / "run" / "other.pth", Given(dataset="digits", normalisation="channel"))
    assert any("run.json next to the weights is ignored: it describes resnet8" in remark for remark in alone.remarks)


def test_a_run_tells_what_it_is(trained: RunFiles) -> None:
    facts = evaluate_run(trained).to_mapping()
    result = trained.result()
    assert result is not None
    assert (facts["network"], facts["shortcut"], facts["normalisation"]) == ("resnet8", "A-centred", "imagenet")
    assert (facts["precision"], facts["num_images"]) == ("fp32", 355)
    assert facts["weights_sha256"] == result["weights_sha256"]
    assert set(facts["decided_by"].values()) == {"run.json"}
    assert len(facts["candidates"]) == 1


@pytest.mark.parametrize("fast", ["fp32", "bf16"])
def test_bf16_that_is_computed_in_fp32_is_said(trained: RunFiles, monkeypatch: pytest.MonkeyPatch, fast: str) -> None:
    monkeypatch.setattr(hardware, "cpu_precision", lambda: fast)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    found = evaluate_run(trained, precision="bf16", device="cpu")
    assert ("computed in fp32: this processor only emulates bf16" in found.remarks) == (fast == "fp32")


def test_what_does_not_fit_is_said_with_the_flag_that_is_wrong(elsewhere: Path) -> None:
    with pytest.raises(CheckpointError, match=r"they have depth 8, it has depth 14(.|\n)*without --depth the file"):
        evaluate_weights(elsewhere, Given(dataset="digits", depth=14))
    with pytest.raises(CheckpointError, match=r"resnet8\.th: the weights do not fit resnet14 \(family residual\)"):
        evaluate_weights(elsewhere, Given(dataset="digits", depth=14))
    with pytest.raises(CheckpointError, match=r"missing \(\d+\): layer2\.0\.downsample"):
        evaluate_weights(elsewhere, Given(dataset="digits", shortcut="B"))
    with pytest.raises(CheckpointError, match="are for 10 classes, and cifar100 has 100: --dataset digits or cifar10"):
        evaluate_weights(elsewhere, Given(dataset="cifar100"))
    with pytest.raises(ResLabError, match="normalisation must be one of"):
        evaluate_weights(elsewhere, Given(dataset="digits", normalisation="none"))


def test_the_data_set_follows_from_the_classes(tmp_path: Path, elsewhere: Path) -> None:
    def asked(num_classes: int, **said: Any) -> str:
        state = build("residual", 8, "A", num_classes, initialisation="he-fan-in", seed=0).state_dict()
        file = WeightsFile(dict(state), "top", "", (), "")
        return candidates(file, tmp_path / "w.th", Given(**said)).every[0].recipe.dataset

    assert [asked(10), asked(20), asked(100), asked(10, dataset="digits")] == [
        "cifar10",
        "cifar100-coarse",
        "cifar100",
        "digits",
    ]
    with pytest.raises(ResLabError, match="are for 7 classes: give their data set with --dataset"):
        asked(7)
    with pytest.raises(DataError, match="cifar10 is the default for 10 classes; --dataset chooses another"):
        evaluate_weights(elsewhere, Given(), data_root=tmp_path)


def test_the_families_of_imagenet_are_both_candidates(tmp_path: Path) -> None:
    state = build("imagenet", 50, "B", 1000, initialisation="he-fan-in", seed=0).state_dict()
    every = candidates(WeightsFile(dict(state), "top", "", (), ""), tmp_path / "w.th", Given()).every
    assert {(one.recipe.family, one.recipe.normalisation) for one in every} == {
        (family, normalisation)
        for family in ("imagenet", "imagenet-1x1")
        for normalisation in ("channel-2023", "imagenet", "per-image")
    }
    assert every[0].recipe.dataset == "imagefolder"
    assert every[0].flags == "--family imagenet --normalisation channel-2023"
    said = candidates(WeightsFile(dict(state), "top", "", (), ""), tmp_path / "w.th", Given(preset="imagenet")).every
    assert [(one.recipe.family, one.recipe.normalisation) for one in said] == [("imagenet", "imagenet")]


def confusion(rows: list[list[int]]) -> Evaluation:
    return Evaluation(1.0, tuple(map(tuple, rows)))


def measured(evaluation: Evaluation, found: Evaluated, flags: str = "") -> Measured:
    return Measured(dataclasses.replace(found.measured[0].candidate, flags=flags), evaluation, True)


def test_errors_near_guessing_are_said(found: Evaluated) -> None:
    guessing = [[10] * 10 for _ in range(10)]
    (words,) = suspicious(measured(confusion(guessing), found))
    assert words.startswith("an error of 90.00% is no better than guessing (90%)")
    near = [[25 if i == j else 8 for j in range(10)] for i in range(10)]
    (words,) = suspicious(measured(confusion(near), found))
    assert "is close to guessing" in words
    good = [[90 if i == j else 1 for j in range(10)] for i in range(10)]
    assert not list(suspicious(measured(confusion(good), found)))
    turned = [good[(row + 1) % 10] for row in range(10)]
    assert any(
        "in another order the error would be 9.09%" in words for words in suspicious(measured(confusion(turned), found))
    )
    constant = [[100 if j == 3 else 0 for j in range(10)] for i in range(10)]
    assert next(suspicious(measured(confusion(constant), found))).startswith("an error of 90.00% is no better")
    broken = Evaluation(float("nan"), confusion(constant).confusion)
    assert next(suspicious(measured(broken, found))).startswith("the loss is not a finite number")


def test_candidates_that_are_not_told_apart_are_said(found: Evaluated) -> None:
    def right(share: int) -> Evaluation:
        return confusion([[share, 1000 - share], [1000 - share, share]])

    best, near, far = (measured(right(share), found, f"--way {share}") for share in (920, 915, 800))
    assert not list(undecided([best, far]))
    (words,) = undecided([best, near, far])
    assert "--way 920 (8.00%), cannot be distinguished from --way 915 (8.50%)" in words
    assert "800" not in words


def test_only_what_may_be_the_best_is_measured_on_all_images(
    elsewhere: Path, found: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.lab.weights.contest.FIRST_IMAGES", 100)
    monkeypatch.setattr("reslab.data.serving._CPU_BATCH", 100)
    said: list[str] = []
    again = evaluate_weights(elsewhere, Given(dataset="digits"), on_progress=said.append)
    assert said[0] == "the weights fit 15 networks and normalisations; measuring each on 100 images"
    counts = [one.evaluation.num_images for one in again.measured]
    assert counts[0] == 355
    assert counts[-1] == 100
    assert counts == sorted(counts, reverse=True)
    assert again.evaluation.confusion == found.evaluation.confusion
    assert again.evaluation.loss == pytest.approx(found.evaluation.loss, rel=1e-5)
    assert again.recipe == found.recipe


def test_all_of_it_is_json(found: Evaluated) -> None:
    json.dumps(found.to_mapping(), allow_nan=False)
    broken = dataclasses.replace(
        found, measured=(measured(Evaluation(float("nan"), found.evaluation.confusion), found),)
    )
    assert broken.to_mapping()["test_loss"] is None
    json.dumps(broken.to_mapping(), allow_nan=False)


def test_a_run_of_an_older_version_gets_its_predictions(trained: RunFiles, tmp_path: Path) -> None:
    files = RunFiles(tmp_path / trained.path.parent.name / trained.path.name)
    shutil.copytree(trained.path, files.path)
    before = files.predictions.read_bytes()
    for name in (files.predictions.name, manifest.NAME):
        (files.path / name).unlink()
    evaluate_run(files)
    assert files.predictions.read_bytes() == before
    (files.path / manifest.NAME).unlink(missing_ok=True)
    ending.seal(files)
    files.predictions.unlink()
    evaluate_run(files)
    assert manifest.verify(files.path) == []


@pytest.mark.parametrize("name", ["predictions.safetensors", "weights/epoch0001.safetensors"])
def test_a_flipped_bit_in_any_file_of_the_run_is_told(trained: RunFiles, tmp_path: Path, name: str) -> None:
    files = RunFiles(tmp_path / trained.path.parent.name / trained.path.name)
    shutil.copytree(trained.path, files.path)
    content = bytearray((files.path / name).read_bytes())
    content[-3] ^= 4
    (files.path / name).write_bytes(content)
    with pytest.raises(DamagedError, match=f"{name} is damaged"):
        evaluate_run(files)


NORM_FIRST = {
    "preact": {"family": "preact", "depth": 8, "shortcut": "A-centred"},
    "preact B": {"family": "preact", "depth": 14, "shortcut": "B"},
    "preact C": {"family": "preact", "depth": 8, "shortcut": "C"},
    "bottlenecks": {"family": "preact-bottleneck", "depth": 11, "shortcut": "B"},
    "bottlenecks C": {"family": "preact-bottleneck", "depth": 20, "shortcut": "C"},
    "wide": {"family": "wide", "depth": 10, "shortcut": "B", "width": 2},
}


@pytest.mark.parametrize("name", NORM_FIRST)
def test_a_network_with_the_norm_first_is_told_by_its_weights(tmp_path: Path, name: str) -> None:
    """Under another beginning of the names, with an average beside, and with nothing said."""
    what: dict[str, Any] = NORM_FIRST[name]
    state = build(**what, num_classes=10, initialisation="he-fan-in", seed=3).state_dict()
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, tmp_path / "w.pth")
    weights = read_weights_file(tmp_path / "w.pth")
    assert weights.remarks == ()
    found = candidates(weights, tmp_path / "w.pth", Given(dataset="digits", normalisation="channel"))
    alike = {"A", "A-centred"} if what["shortcut"] == "A-centred" else {what["shortcut"]}
    assert {one.recipe.shortcut for one in found.every} == alike
    for one in found.every:
        assert (one.recipe.family, one.recipe.depth, one.recipe.width) == (
            what["family"],
            what["depth"],
            what.get("width", 1),
        )
    assert (found.decided["family"], found.decided["network"]) == ("the file", "the file")


@pytest.mark.deep
def test_weights_of_a_wide_network_are_measured_as_its_run_is(tmp_path: Path) -> None:
    what = ["--family", "wide", "--depth", "10", "--width", "2", "--dropout", "0.2", "--epochs", "1"]
    rest = ["--dataset", "digits", "--precision", "fp32", "--threads", "1", "--runs", str(tmp_path / "runs")]
    assert main(["train", *what, *rest]) == 0
    (folder,) = (tmp_path / "runs").glob("*/seed0")
    files = RunFiles(folder)
    beside = evaluate_weights(files.weights, Given())
    assert beside.decided["family"] == "run.json next to the weights"
    alone = shutil.copy(files.weights, tmp_path / "alone.safetensors")
    found = evaluate_weights(Path(alone), Given(dataset="digits", normalisation=files.read_run().recipe.normalisation))
    assert found.recipe.network_name == "wrn10-2"
    assert found.evaluation.error == beside.evaluation.error == error_of(files)


def test_a_wide_network_of_width_1_is_a_preactivation_network(tmp_path: Path) -> None:
    state = build("wide", 10, "B", 10, initialisation="he-fan-in", seed=0)
    save_weights(state, tmp_path / "weights.safetensors")
    weights = read_weights_file(tmp_path / "weights.safetensors")
    found = candidates(weights, tmp_path / "weights.safetensors", Given(dataset="digits", normalisation="channel"))
    assert [one.recipe.network_name for one in found.every] == ["preact8"]
    asked = Given(dataset="digits", family="wide", normalisation="channel")
    named = candidates(weights, tmp_path / "weights.safetensors", asked)
    assert [one.recipe.network_name for one in named.every] == ["wrn10-1"]


def test_nothing_is_chosen_where_no_output_is_finite(elsewhere: Path, tmp_path: Path) -> None:
    state = {name: value * float("nan") for name, value in read_weights(elsewhere).items()}
    save_weights(state, tmp_path / "nan.safetensors")
    found = evaluate_weights(tmp_path / "nan.safetensors", Given(dataset="digits", shortcut="A"))
    assert found.decided["normalisation"] == "not chosen: no loss is finite"
    assert any("so the error says nothing" in remark for remark in found.remarks)


def test_classes_that_no_data_set_has_are_told(tmp_path: Path) -> None:
    network = build("residual", 8, "A", 11, initialisation="he-fan-in", seed=0)
    save_weights(network, tmp_path / "eleven.safetensors")
    with pytest.raises(
        CheckpointError,
        match=r"eleven\.safetensors: the weights are for 11 classes, and digits has 10\.  No data set of ResLab has 11"
        ": for images of your own, give --dataset imagefolder",
    ):
        evaluate_weights(tmp_path / "eleven.safetensors", Given(dataset="digits"))


OWN = """
import numpy as np

def load():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    return pixels[:40], np.arange(40) % 2, pixels[40:], np.arange(20) % 2, ["a", "b"]
"""


def test_weights_are_measured_on_images_of_the_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c10.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    assert main([*TRAINING.replace("digits", "c10.py:load").replace("48", "20").split(), "--runs", "runs"]) == 0
    (folder,) = (tmp_path / "runs").glob("*/seed0")
    ended = error_of(RunFiles(folder))
    alone = tmp_path / "alone.safetensors"
    shutil.copy(folder / "weights.safetensors", alone)
    shutil.rmtree(tmp_path / "data")
    given = evaluate_weights(alone, Given(normalisation="channel-2023", dataset="c10.py:load"))
    assert given.evaluation.num_images == 20  # it calls the function, which is given again
    (tmp_path / "c10.py").unlink()
    for beside in (folder / "weights.safetensors", folder.relative_to(tmp_path) / "weights.safetensors"):
        found = evaluate_weights(beside, Given())  # what the run was trained on is kept, and no code is run
        assert (found.evaluation.error, found.class_names) == (ended, ("a", "b"))
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match=r"the images \w{16} of load \(c10.py\) are not kept"):
        evaluate_weights(folder / "weights.safetensors", Given())
    with pytest.raises(DataError, match="only a run says which ones"):
        evaluate_weights(alone, Given(dataset="arrays"))
