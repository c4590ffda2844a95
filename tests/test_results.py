"""The published records: whole, unedited, and with weights that err as they say."""

import hashlib
import json
import math
import shutil
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import pytest

from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.manifest import RECORDS
from reslab.lab.folder.store import RunFiles
from reslab.presets import PRESETS, preset_recipe, with_papers_warmup
from reslab.published import published
from reslab.recipe import Recipe, stretch, vary

ROOT = Path(__file__).parents[1] / "results" / "runs"
RUNS = find_runs(ROOT)
WITH_WEIGHTS = [files for files in RUNS if files.weights.exists()]
MOST_BYTES = 25 * 10**6


def _name(files: RunFiles) -> str:
    return "/".join(files.path.parts[-2:])


@pytest.mark.parametrize("files", RUNS, ids=_name)
def test_a_record_is_whole_and_says_one_thing(files: RunFiles) -> None:
    run = files.read_run()
    assert run.id == _name(files)
    assert files.ended() is not None
    files.check_files()  # by their manifest, where they have one
    rows, result = files.metrics(), files.result()
    if result is not None:
        assert [row["epoch"] for row in rows] == list(range(1, result["epochs"] + 1))
        assert {name: rows[-1][name] for name in ("train_error", "test_error", "test_loss")} == {
            name: result[name] for name in ("train_error", "test_error", "test_loss")
        }
    provenance = files.provenance()
    assert provenance is not None
    assert provenance["data"]["official"]
    assert provenance["attempts"]


def test_the_weights_are_those_of_the_records_and_few() -> None:
    assert sum(files.weights.stat().st_size for files in WITH_WEIGHTS) <= MOST_BYTES
    for files in WITH_WEIGHTS:
        result = files.result()
        assert result is not None
        assert hashlib.sha256(files.weights.read_bytes()).hexdigest() == result["weights_sha256"]


def test_nothing_else_lies_beside_the_records() -> None:
    known = {*RECORDS, "diagnostics.json", "manifest.json"}
    found = {path.name for files in RUNS for path in files.path.iterdir() if not path.name.endswith("lock")}
    assert found <= known | {"weights.safetensors", "predictions.safetensors"}


def _readme_rows() -> list[str]:
    """Return a row for each preset, as it is or at 16 epochs, of which there are finished runs on CIFAR-10 or -100."""
    errors: dict[Recipe, list[float]] = {}
    for files in RUNS:
        result, recipe = files.result(), files.read_run().recipe
        if result is not None and recipe.dataset in ("cifar10", "cifar100"):
            errors.setdefault(recipe, []).append(result["test_error"])
    errors = dict(sorted(errors.items(), key=lambda item: (item[0].dataset, item[0].depth)))
    rows = []
    for name, length in product(PRESETS, (None, 16.0)):
        for recipe, values in errors.items():
            asked = preset_recipe(name, dataset=recipe.dataset, depth=recipe.depth, family=recipe.family)
            asked = vary(asked if length is None else stretch(asked, length), precision=recipe.precision)
            warmed = with_papers_warmup(asked)
            if recipe not in (asked, warmed) or (length is not None and preset_recipe(name).length == length):
                continue
            warm_up = " with the paper's warm-up" if recipe == warmed else ""
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            beside = [
                f"{found[0].error:.2f}" if found else "-"
                for source in ("paper", "assignment")
                for found in [published(dataset=recipe.dataset, depth=recipe.depth, source=source)]
            ]
            rows.append(
                f"| ResNet-{recipe.depth}, {recipe.dataset.upper().replace('CIFAR', 'CIFAR-')} | `{name}`{warm_up}, "
                f"{recipe.length:g} {recipe.schedule_unit} | {mean(values):.2f}{spread} ({len(values)}) | "
                f"{' | '.join(beside)} |"
            )
    return rows


@pytest.mark.skipif(not RUNS, reason="there are no records")
def test_the_table_in_the_readme_is_that_of_the_records() -> None:
    text = (ROOT.parents[1] / "README.md").read_text()
    rows = _readme_rows()
    assert rows
    assert [row for row in text.splitlines() if row.startswith("| ResNet-")] == rows


@pytest.mark.cifar
@pytest.mark.parametrize("files", WITH_WEIGHTS, ids=_name)
def test_published_weights_err_as_published(
    files: RunFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within two images in a thousand: another processor adds in another order, and a card rounds elsewhere."""
    from reslab.cli import main
    from reslab.data.sources import find

    dataset = files.read_run().recipe.dataset
    if find(dataset) is None:
        pytest.skip(f"the images of {dataset} are not here")
    copy = tmp_path / files.path.parent.name / files.path.name  # predictions are written beside them
    shutil.copytree(files.path, copy)
    assert main(["evaluate", str(copy), "--json"]) == 0
    result = files.result()
    assert result is not None
    assert json.loads(capsys.readouterr().out)["test_error"] == pytest.approx(result["test_error"], abs=0.2)


def test_the_prices_of_deviating_presets_follow_from_the_records() -> None:
    """By ResNet-20 on CIFAR-10 with the assignment's recipe: 164 epochs (three seeds) and 16."""
    base = preset_recipe("assignment")
    whole, short = [], []
    for files in RUNS:
        recipe = files.read_run().recipe
        if vary(recipe, precision="fp32") == base:
            whole.append([row["test_error"] for row in files.metrics()])
        if vary(recipe, precision="fp32") == stretch(base, 16):
            short.append(files.metrics()[-1]["test_error"])
    assert len(whole) == 3
    last = [errors[-1] for errors in whole]
    assert f"{stdev(last):.2f}" == "0.19"
    (akamaster,), (hysts,), (tf) = (PRESETS[name].deviations for name in ("akamaster", "hysts", "tf-models"))
    an_epoch = mean((mean(errors[40:60]) - mean(errors[60:80])) / 20 for errors in whole)
    assert akamaster.points == round(an_epoch, 2)
    assert f"{akamaster.points} points an epoch" in akamaster.basis
    power = math.log(mean(last) / mean(short)) / math.log(164 / 16)
    for deviation, share in ((hysts, 1 / 390), (tf[0], 34 / 35_547)):
        assert f"the power of {power:.2f}" in deviation.basis
        assert -power * share * mean(last) <= deviation.points
