"""The verb `evaluate`: runs, and weights from elsewhere."""

import json
import re
import shutil
from pathlib import Path

import pytest
from cli_runs import TINY, Reslab, tiny_run

from reslab.lab.folder.store import RunFiles

pytest_plugins = ["cli_fixtures"]


def test_evaluate_gives_the_run_s_own_error(reslab: Reslab, trained: Path) -> None:
    result = json.loads((trained / tiny_run().id / "result.json").read_text())
    code, out, _ = reslab("evaluate", tiny_run().id, "--runs", str(trained), "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["test_error"] == result["test_error"]
    assert facts["test_loss"] == pytest.approx(result["test_loss"], rel=1e-6)
    assert facts["num_images"] == sum(map(sum, facts["confusion"])) == 355
    assert len(facts["per_class"]) == 10
    num_wrong = sum(row["error"] * row["num_images"] / 100 for row in facts["per_class"])
    assert num_wrong == pytest.approx(facts["test_error"] * 355 / 100)


def test_evaluate_measures_what_the_run_ended_with_on_its_own_images(
    reslab: Reslab, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    folder = tmp_path / "runs" / tiny_run().id
    files = RunFiles(folder)
    provenance = files.provenance() or {}
    other = {**provenance, "data": {**provenance["data"], "fingerprint": "0" * 64}}
    files.write("provenance.json", other)
    code, _, err = reslab("evaluate", tiny_run().id)
    assert code == 4
    assert "are not those that" in err
    files.write("provenance.json", provenance)
    files.write("result.json", {**(files.result() or {}), "weights_sha256": "0" * 64})
    code, _, err = reslab("evaluate", tiny_run().id)
    assert code == 5
    assert "is not what the run ended with" in err


def test_evaluate_takes_weights_from_elsewhere(reslab: Reslab, trained: Path) -> None:
    weights = trained / tiny_run().id / "weights.safetensors"
    result = json.loads((weights.parent / "result.json").read_text())
    code, out, _ = reslab(
        "evaluate", "--weights", str(weights), "--dataset", "digits", "--depth", "8", "--preset", "assignment", "--json"
    )
    assert code == 0
    assert json.loads(out)["test_error"] == result["test_error"]


def test_evaluate_refuses_weights_of_another_depth(reslab: Reslab, trained: Path) -> None:
    weights = str(trained / tiny_run().id / "weights.safetensors")
    code, _, err = reslab("evaluate", "--weights", weights, "--dataset", "digits", "--depth", "14")
    assert code == 5
    assert "they have depth 8, it has depth 14" in err
    assert "layer1.1.conv1.weight" in err


def test_a_recipes_id_tells_which_seed_is_measured(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs", dirs_exist_ok=True)
    recipe = tiny_run().recipe.id
    for verb in (["evaluate"], ["diagnose", "--which", "gap", "--budget", "quick"]):
        assert "has 2 seeds" not in reslab(*verb, recipe)[2]
    shutil.copytree(tmp_path / "runs" / recipe / "seed0", tmp_path / "runs" / recipe / "seed1")
    said = f"reslab: {recipe} has 2 seeds, of which this is 0; for another, name it, as in {recipe}/seed1"
    for verb in (["evaluate"], ["diagnose", "--which", "gap", "--budget", "quick"]):
        code, _, err = reslab(*verb, recipe)
        assert (code, said in err) == (0, True)
        assert "has 2 seeds" not in reslab(*verb, f"{recipe}/seed0")[2]


def test_weights_of_a_plain_network_are_measured_as_such_where_told(reslab: Reslab, tmp_path: Path) -> None:
    assert reslab("train", *TINY, "--family", "plain", "--train-share", "0.2")[0] == 0
    (weights,) = (tmp_path / "runs").glob("*/seed0/weights.safetensors")
    error = json.loads((weights.parent / "result.json").read_text())["test_error"]
    ask = ["evaluate", "--weights", str(weights), "--dataset", "digits", "--depth", "8", "--json"]
    assert json.loads(reslab(*ask, "--family", "plain")[1])["test_error"] == error
    untold = json.loads(reslab(*ask)[1])
    assert (untold["test_error"], untold["decided_by"]["family"]) == (error, "run.json next to the weights")
    assert json.loads(reslab(*ask, "--family", "residual", "--shortcut", "A")[1])["test_error"] != error


def test_evaluate_shows_all_that_the_weights_fit(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(trained / tiny_run().id / "weights.safetensors", weights)
    code, out, err = reslab("evaluate", "--weights", str(weights), "--dataset", "digits")
    assert code == 0
    assert "the weights fit 5 networks and normalisations; measuring each on 355 images" in err
    assert re.search(r"network +resnet8, 10 classes +the file", out)
    assert re.search(r"shortcut +B +the file", out)
    assert re.search(r"normalisation +\S+ +best of 5 measured", out)
    assert len(re.findall(r"resnet8 +B +\S+ +[\d.]+ +355 +--normalisation \S+", out)) == 5
    _, out, _ = reslab("evaluate", tiny_run().id, "--runs", str(trained))
    assert re.search(r"normalisation +channel-2023 +run\.json", out)
    assert "Every network that these weights fit" not in out


def test_evaluate_asks_which_of_several_weights_and_prints_strict_json(reslab: Reslab, tmp_path: Path) -> None:
    import torch

    from reslab.models.networks import build

    plain, average = (
        dict(build("residual", 8, "B", 10, initialisation="he-fan-in", seed=seed).state_dict()) for seed in (0, 1)
    )
    average["fc.bias"] = average["fc.bias"] * float("nan")
    torch.save({"state_dict": plain, "ema": average}, tmp_path / "w.pth")
    ask = ["evaluate", "--weights", "w.pth", "--dataset", "digits", "--normalisation", "channel", "--json"]
    code, _, err = reslab(*ask)
    assert code == 2
    assert "2 networks: state_dict, ema.  Choose one with --entry" in err
    code, out, err = reslab(*ask, "--entry", "ema")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    facts = json.loads(out, parse_constant=refuse)
    assert code == 0
    assert (facts["entry"], facts["test_loss"], facts["candidates"][0]["test_loss"]) == ("ema", None, None)
    assert "reslab: 10 weights are not finite numbers (NaN or infinite): fc.bias (10 of 10)" in err
    assert any("fc.bias" in remark for remark in facts["remarks"])
    code, _, err = reslab("evaluate", "some-run", "--shortcut", "A")
    assert (code, "--shortcut only goes with --weights FILE" in err) == (2, True)
