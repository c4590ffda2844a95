"""The verbs `models` and `doctor`: facts about the networks, and about this machine."""

import importlib.metadata
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from reslab.amounts import size
from reslab.cli import OK
from reslab.cli.console import print_json, print_table
from reslab.cli.flags import AsJson, DataRoot, Runs
from reslab.cli.lists import whole_numbers
from reslab.families import FAMILIES, IMAGENET_DEPTHS, is_depth
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import (
    IMAGENET_FAMILIES,
    Recipe,
    Scalar,
    differing_fields,
    to_mapping,
    written_fields,
)


def models(
    *,
    depths: Annotated[
        str | None, Parameter(help="Depths to list, e.g. 20,56,110 or 18,50; default: the paper's.")
    ] = None,
    classes: Annotated[
        str | None, Parameter(help="Numbers of classes to list; default: 10,100, and 1000 for ImageNet networks.")
    ] = None,
    table_1: Annotated[
        bool, Parameter(negative="", help="Show the structure of the ImageNet networks, stage by stage.")
    ] = False,
    json: AsJson = False,
) -> int:
    """List networks with their parameters and multiply-adds for one image.

    Counted on the networks themselves: the residual and plain ones of He et al. 2016, section 4.2, pre-activation and
    wide ones (images of 32x32), and those of table 1 (224x224).  For example:

      reslab models --depths 20,56 --classes 10 --json

      reslab models --depths 28

      reslab models --table-1
    """
    from reslab.models import complexity

    if table_1:
        return _table_1(json=json)
    asked = None if depths is None else whole_numbers("depths", depths)
    num_classes = None if classes is None else whole_numbers("classes", classes)
    # A depth of neither family is refused by the first; 50 and 152 are depths of both.
    small = complexity.PAPER_DEPTHS if asked is None else [one for one in asked if _is_small(one)]
    large = IMAGENET_DEPTHS if asked is None else [one for one in asked if _is_large(one)]
    rows = complexity.catalogue(depths=small, num_classes=num_classes or (10, 100))
    rows += complexity.later_catalogue(depths=asked, num_classes=num_classes or (10, 100))
    larger = complexity.imagenet_catalogue(depths=large, num_classes=num_classes or (1000,))
    if json:
        print_json(rows + larger)
        return OK
    columns = [*(rows + larger)[0], "image"]
    sized = [({**row, "image": side}) for part, side in ((rows, "32x32"), (larger, "224x224")) for row in part]
    print_table(
        [column.replace("_", "-") for column in columns],
        [[f"{value:,}" if isinstance(value, int) else value for value in row.values()] for row in sized],
    )
    return OK


def _is_small(depth: int) -> bool:
    """Say whether a depth is of the residual networks for 32 x 32 images, or of no family at all."""
    return is_depth("residual", depth) or not any(is_depth(family, depth) for family in FAMILIES)


def _is_large(depth: int) -> bool:
    return depth in IMAGENET_DEPTHS


def _table_1(*, json: bool) -> int:
    from reslab.models.complexity import architecture

    columns = {family: [architecture(family, depth) for depth in IMAGENET_DEPTHS] for family in IMAGENET_FAMILIES}
    if json:
        print_json([asdict(column) for family in columns.values() for column in family])
        return OK
    first = columns[IMAGENET_FAMILIES[0]]
    rows = [
        [stage, str(side), *(column.blocks[stage].replace("; [", "\n[").replace("; ", "\n ") for column in first)]
        for stage, side in first[0].sizes.items()
    ]
    for words, family in (("stride in the 3x3", "imagenet"), ("stride in the 1x1", "imagenet-1x1")):
        costs = [(column.multiply_adds, column.multiply_adds_and_batch_norm) for column in columns[family]]
        rows.append([f"G multiply-adds, {words}", "", *(f"{plain / 1e9:.2f}" for plain, _ in costs)])
        rows.append(["  and batch norm", "", *(f"{whole / 1e9:.2f}" for _, whole in costs)])
    rows.append(["M parameters", "", *(f"{column.parameters / 1e6:.2f}" for column in first)])
    print_table(["stage", "output", *(f"{depth} layers" for depth in IMAGENET_DEPTHS)], rows)
    print(
        "\nMultiply-adds are those of convolutions and linear layers; below them, with two operations for each value\n"
        "that batch norm normalises: with the stride in the 1x1, and cut to one decimal, the figures of the paper's\n"
        "table 1.  The first block of conv3_x, conv4_x and conv5_x has stride 2."
    )
    return OK


def presets(name: str | None = None, *, json: AsJson = False) -> int:
    """Show the published recipes and our fast one side by side, or one of them with its sources and notes.

    For example:

      reslab presets akamaster

    Parameters
    ----------
    name
        A preset to show in full; default: all presets, and only the fields that differ.
    """
    preset_recipe(name or "paper")  # refuses an unknown name
    chosen = list(PRESETS.values()) if name is None else [PRESETS[name]]
    if json:
        print_json(
            [
                {
                    "name": preset.name,
                    "source": preset.source,
                    "recipe": to_mapping(preset.recipe),
                    "evidence": dict(preset.evidence),
                    "notes": list(preset.notes),
                    "deviations": [asdict(one) for one in preset.deviations],
                }
                for preset in chosen
            ]
        )
        return OK
    fields = differing_fields([preset.recipe for preset in chosen]) if name is None else written_fields()
    rows = [[field, *(_plain(getattr(preset.recipe, field)) for preset in chosen)] for field in fields]
    print_table(["field", *(preset.name for preset in chosen)], rows)
    if name is not None:
        print(f"\nSource: {chosen[0].source}")
        for where, place in chosen[0].evidence.items():
            print(f"  {', '.join(where.split())}: {place}")
        print("\nNotes:")
        for note in chosen[0].notes:
            print(f"  - {note}")
        for one in chosen[0].deviations:
            flags = " ".join(f"--{field.replace('_', '-')} {_plain(value)}" for field, value in one.follow.items())
            print(f"\nDiffers from its source:\n  there: {one.theirs}\n  here: {one.ours}")
            print(f"  worth: {one.points:g} points of test error at most: {one.basis}")
            print(f"  to follow the source: {flags or 'no recipe field can'}")
    else:
        deviating = [preset.name for preset in chosen if preset.deviations]
        print(f"\nThe schedules of {', '.join(deviating)} differ from their sources; reslab presets NAME says how")
    return OK


def doctor(*, runs: Runs = Path("runs"), data_root: DataRoot = None, json: AsJson = False) -> int:
    """Show what this machine has and what ResLab uses of it: device, precision, threads, images, folders."""
    import shutil

    import torch

    from reslab import cache, host
    from reslab.data.sources import find
    from reslab.datasets import known, named
    from reslab.lab.assembly import training_network
    from reslab.lab.provenance import kernel_words
    from reslab.lab.threads import are_free, can_follow_load
    from reslab.training import hardware

    device, most = hardware.pick_device(), hardware.most_threads()
    precision = hardware.fast_precision(device)
    recipe = Recipe(precision=precision)
    invariant = are_free(device, training_network(recipe, 10, 0, device), recipe, most)
    follows = invariant and can_follow_load(most)
    free = shutil.disk_usage(next(path for path in (runs.absolute(), *runs.absolute().parents) if path.exists()))
    features = host.cpu_features()
    facts: dict[str, Any] = {
        "reslab": importlib.metadata.version("reslab"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": str(device),
        "device_name": hardware.device_name(device),
        "cores": host.usable_cores(),
        "processor_has": sorted(features & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16"}),
        "precision": precision,
        "kernels": kernel_words(device),
        "threads": most,
        "threads_follow_load": follows,
        "runs": str(runs),
        "runs_writable": _is_writable(runs),
        "free_bytes": free.free,
        "cache": str(cache.home_cache()),
        "cache_problem": cache.remark(),
        "images": {name: known(name).finder is None or find(name, data_root) is not None for name in named()},
    }
    if json:
        print_json(facts)
        return OK
    print(f"ResLab {facts['reslab']}, Python {facts['python']}, torch {facts['torch']}, {facts['platform']}")
    print(f"Trains on {facts['device']} ({facts['device_name']}), {facts['cores']} cores")
    print(f"Processor has {', '.join(facts['processor_has']) or 'no vector extension that ResLab uses'}")
    print(f"Default precision: {facts['precision']}, the faster one on this machine")
    print(f"Kernels: {facts['kernels']}")
    if device.type == "cpu":
        rule = "fewer while other work needs the cores" if follows else "fixed for the whole run"
        print(f"Threads: {facts['threads']}, {rule}")
    writable = "writable" if facts["runs_writable"] else "NOT WRITABLE: choose another with --runs"
    print(f"Runs go to {facts['runs']} ({writable}, {size(facts['free_bytes'])} free)")
    print(f"Cache: {facts['cache_problem'] or facts['cache']}")
    for name, here in facts["images"].items():
        print(f"Images of {name}: {'here' if here else f'not here; try reslab data fetch {name}'}")
    return OK


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_writable(folder: Path) -> bool:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)
