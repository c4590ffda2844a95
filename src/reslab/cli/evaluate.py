"""The verb `evaluate`: error, loss and confusions of a trained run, or of weights from elsewhere."""

from pathlib import Path
from typing import Any, Literal

from reslab.cli import OK
from reslab.cli.console import aside, print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot, Device, GivenPath, Runs, TrustCode
from reslab.lab.weights.given import Given
from reslab.session.evaluation import evaluated

NUM_CONFUSIONS = 10


def evaluate(
    run: str | None = None,
    *,
    weights: GivenPath | None = None,
    entry: str | None = None,
    preset: str | None = None,
    dataset: str | None = None,
    depth: int | None = None,
    family: str | None = None,
    shortcut: str | None = None,
    normalisation: str | None = None,
    precision: Literal["fp32", "bf16"] | None = None,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Measure a trained run, or weights from elsewhere, on the test images.

    No code in a weights file is ever run.  Depth, classes and projections are read from the file.  What it cannot
    tell (shortcut A, A-centred or none; the normalisation) comes from a flag or a run.json next to it; otherwise every
    possibility is measured and shown, best first.  For example:

      reslab evaluate cifar10-resnet20-3f9a1c2b/seed0

      reslab evaluate --weights resnet20.th

      reslab evaluate --weights resnet20.th --preset akamaster

    Parameters
    ----------
    run
        A run's id or folder.
    weights
        A weights file (torch, safetensors or .npz), alone or in the network of the run.
    entry
        Which weights to use if the file holds several, e.g. state_dict_ema.
    preset
        Preset the weights were trained with: sets the normalisation, and the shortcut if it fits.
    dataset
        A data set (see `reslab data list`) or imagefolder; default: guessed from the number of classes.
    depth
        Depth of the network; default: read from the file.
    family
        residual, plain, imagenet, imagenet-1x1, preact, preact-bottleneck or wide; default: read from the file.
    shortcut
        A, A-centred, B or C.
    normalisation
        pixel-mean, channel, channel-2023, imagenet or per-image.
    precision
        fp32 or bf16; default: the run's, or fp32 for a weights file.
    """
    remark_cache()
    found = evaluated(
        run,
        weights,
        Given(preset, dataset, depth, family, shortcut, normalisation, precision, entry),
        root=runs,
        data_root=data_root,
        device=device,
        trust_code=trust_code,
        tell=aside,
    )
    facts = found.facts
    if json:
        print_json(facts)
    else:
        _print(facts)
    return OK


def _print(facts: dict[str, Any]) -> None:
    loss = "not finite" if facts["test_loss"] is None else f"{facts['test_loss']:.4f} nats"
    print(
        f"{facts['dataset']}: test error {facts['test_error']:.2f}%, test loss {loss}, {facts['num_images']:,} images\n"
    )
    _print_known(facts)
    if len(facts["candidates"]) > 1:
        _print_candidates(facts["candidates"], "in no order" if facts["test_loss"] is None else "best first")
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


def _print_known(facts: dict[str, Any]) -> None:
    by = facts["decided_by"]
    shortcut = "none" if facts["family"] == "plain" else facts["shortcut"]
    where = [facts["weights"], f"SHA-256 {facts['weights_sha256'][:16]}"]
    where += [f"entry {facts['entry']}"] if facts["entry"] != "top" else []
    where += [f"without {facts['prefix']}. before the names"] if facts["prefix"] else []
    rows = [
        ["data set", facts["dataset"], by["dataset"]],
        ["network", f"{facts['network']}, {facts['num_classes']} classes", by["network"]],
        ["family", facts["family"], by["family"]],
        ["shortcut", shortcut, by["shortcut"]],
        ["normalisation", facts["normalisation"], by["normalisation"]],
        ["precision", facts["precision"], by["precision"]],
    ]
    print_table(["", "", "decided by"], rows)
    print(f"weights: {', '.join(where)}\n")


def _print_candidates(candidates: list[dict[str, Any]], order: str) -> None:
    print(f"Every network that these weights fit, {order}; the flags select one")
    rows = [
        [
            one["network"],
            "none" if one["family"] == "plain" else one["shortcut"],
            one["normalisation"],
            f"{one['test_error']:.2f}",
            f"{one['num_images']:,}",
            one["flags"],
        ]
        for one in candidates
    ]
    print_table(["network", "shortcut", "normalisation", "error in %", "images", "flags"], rows)
    print()
