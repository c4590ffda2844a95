"""The verb `evaluate`: error, loss and confusions of a trained run, or of weights from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reslab.cli import OK
from reslab.cli.console import print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot, Device, Runs
from reslab.errors import CheckpointError, ResLabError
from reslab.lab.store import RunFiles, find_run
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary

NUM_CONFUSIONS = 10


def evaluate(
    run: str | None = None,
    *,
    weights: Path | None = None,
    preset: str = "assignment",
    dataset: str | None = None,
    depth: int | None = None,
    family: str | None = None,
    shortcut: str | None = None,
    precision: Literal["fp32", "bf16"] | None = None,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    json: AsJson = False,
) -> int:
    """Measure a trained run, or weights from elsewhere, on the test images.

    Weights are read without running anything in them.  For example:

      reslab evaluate cifar10-resnet20-3f9a1c2b/seed0

      reslab evaluate --weights resnet20.th --depth 20 --preset akamaster

    Parameters
    ----------
    run
        A run's id, or its folder.
    weights
        A safetensors or torch file, in place of a run.
    preset
        Whose normalisation and shortcut the weights were trained with.
    dataset
        digits, cifar10, cifar100, cifar100-coarse or imagefolder; default: the preset's.
    depth
        Depth of the network, 6n+2, or that of an ImageNet network; default: the preset's, 20 or 50.
    family
        residual, plain, imagenet or imagenet-1x1; default: the preset's.  Weights of a plain network look like those
        of a residual one with shortcut A, so that only you can tell.
    shortcut
        A, A-centred, B or C; default: what the weights have, else the preset's.
    precision
        fp32 or bf16; default: that of the run, else fp32.
    """
    if (run is None) == (weights is None):
        raise ResLabError("evaluate takes either a run or --weights FILE")
    if run is not None:
        what = _of_run(run, runs)
    else:
        assert weights is not None
        what = _of_file(weights, preset_recipe(preset, dataset=dataset, depth=depth, family=family), shortcut)
    facts = _measure(what, precision, data_root, device)
    if json:
        print_json(facts)
    else:
        _print(facts)
    return OK


@dataclass(frozen=True, slots=True)
class _Trained:
    recipe: Recipe
    weights: dict[str, Any]
    files: RunFiles | None = None
    """Of the run that they are of."""


def _of_run(run: str, root: Path) -> _Trained:
    files = find_run(run, root)
    recipe = files.read_run().recipe
    if not files.weights.exists():
        raise CheckpointError(f"{files.path} has no trained weights: {files.why_no_weights()}")
    from reslab.lab.diagnose import weights_digest
    from reslab.models.weights import read_weights

    weights_digest(files)
    return _Trained(recipe, read_weights(files.weights), files)


def _of_file(path: Path, recipe: Recipe, shortcut: str | None) -> _Trained:
    from reslab.models.weights import infer_shortcut, read_weights

    weights = read_weights(path)
    if shortcut is None:
        inferred = infer_shortcut(weights)
        # Shortcuts without parameters look alike: there the preset decides.
        shortcut = recipe.shortcut if inferred == "A" and recipe.shortcut.startswith("A") else inferred
    return _Trained(vary(recipe, shortcut=shortcut), weights)


def _measure(what: _Trained, precision: str | None, data_root: Path | None, device: str) -> dict[str, Any]:
    import torch

    from reslab.data.sources import load_any
    from reslab.lab.assembly import assemble
    from reslab.lab.provenance import check_trained_on
    from reslab.models.weights import load_into
    from reslab.recipe import Run
    from reslab.training.evaluation import evaluate as measure
    from reslab.training.hardware import make_deterministic, pick_device

    remark_cache()
    place: torch.device = pick_device(device)
    make_deterministic()
    dataset = load_any(what.recipe.dataset, data_root)
    if what.files is not None:
        check_trained_on(what.files, dataset)
    module, _, parts = assemble(Run(what.recipe), dataset, place)
    load_into(module, what.weights)
    evaluation = measure(module, parts["test"], precision=precision or what.recipe.precision)
    return {
        "dataset": dataset.name,
        "test_error": evaluation.error,
        "test_loss": evaluation.loss,
        "num_images": evaluation.num_images,
        "per_class": [
            {"class": name, "num_images": sum(row), "error": error}
            for name, row, error in zip(
                dataset.class_names, evaluation.confusion, evaluation.error_by_class, strict=True
            )
        ],
        "confusion": [list(row) for row in evaluation.confusion],
    }


def _print(facts: dict[str, Any]) -> None:
    print(
        f"{facts['dataset']}: test error {facts['test_error']:.2f}%, test loss {facts['test_loss']:.4f} nats, "
        f"{facts['num_images']:,} images\n"
    )
    names = [row["class"] for row in facts["per_class"]]
    confusion = facts["confusion"]
    columns = ["class", "error in %"]
    rows = [[row["class"], "-" if row["error"] is None else f"{row['error']:.2f}"] for row in facts["per_class"]]
    if len(names) <= 12:
        columns += [f"as {name}" for name in names]
        rows = [row + [str(count) for count in counts] for row, counts in zip(rows, confusion, strict=True)]
        print_table(columns, rows)
        return
    print_table(columns, sorted(rows, key=lambda row: -float(row[1].replace("-", "0"))))
    pairs = [(count, i, j) for i, row in enumerate(confusion) for j, count in enumerate(row) if i != j]
    print(f"\nThe {NUM_CONFUSIONS} most frequent confusions")
    worst = sorted(pairs, reverse=True)[:NUM_CONFUSIONS]
    print_table(["class", "taken for", "images"], [[names[i], names[j], str(count)] for count, i, j in worst])
