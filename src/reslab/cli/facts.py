"""The verbs `models` and `doctor`: facts about the networks, and about this machine."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from reslab.cli import OK
from reslab.cli.console import print_json, print_table, size
from reslab.cli.flags import AsJson, DataRoot, Runs
from reslab.cli.lists import whole_numbers
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import Scalar, differing_fields, field_names, to_mapping


def models(
    *,
    depths: Annotated[str, Parameter(help="Depths to list, as in 20,56,110.")] = "20,32,44,56,110,1202",
    classes: Annotated[str, Parameter(help="Numbers of classes to list.")] = "10,100",
    json: AsJson = False,
) -> int:
    """List networks with their parameters and multiply-adds for one 32x32 image.

    Counted on the networks themselves; He et al. 2016, section 4.2.  For example:

      reslab models --depths 20,56 --classes 10 --json
    """
    from reslab.models.complexity import catalogue

    rows = catalogue(depths=whole_numbers("depths", depths), num_classes=whole_numbers("classes", classes))
    if json:
        print_json(rows)
        return OK
    columns = list(rows[0])
    print_table(
        [column.replace("_", "-") for column in columns],
        [[f"{value:,}" if isinstance(value, int) else value for value in row.values()] for row in rows],
    )
    return OK


def presets(name: str | None = None, *, json: AsJson = False) -> int:
    """Show the published recipes beside each other, or one of them with its sources and what it cannot express.

    For example:

      reslab presets akamaster

    Parameters
    ----------
    name
        A preset; default: all, and only the fields in which they differ.
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
                }
                for preset in chosen
            ]
        )
        return OK
    fields = differing_fields([preset.recipe for preset in chosen]) if name is None else field_names()
    rows = [[field, *(_plain(getattr(preset.recipe, field)) for preset in chosen)] for field in fields]
    print_table(["field", *(preset.name for preset in chosen)], rows)
    if name is not None:
        print(f"\nSource: {chosen[0].source}")
        for where, place in chosen[0].evidence.items():
            print(f"  {', '.join(where.split())}: {place}")
        print("\nNotes:")
        for note in chosen[0].notes:
            print(f"  - {note}")
    return OK


def doctor(*, runs: Runs = Path("runs"), data_root: DataRoot = None, json: AsJson = False) -> int:
    """Tell what this machine has, and what ResLab makes of it: device, precision, threads, images, folders."""
    import shutil

    import torch

    from reslab.data.sources import NAMES, find
    from reslab.kernels.build import kernels
    from reslab.training import hardware

    device = hardware.pick_device()
    free = shutil.disk_usage(next(path for path in (runs.absolute(), *runs.absolute().parents) if path.exists()))
    features = hardware.cpu_features()
    facts: dict[str, Any] = {
        "reslab": importlib.metadata.version("reslab"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": str(device),
        "device_name": hardware.device_name(device),
        "cores": hardware.usable_cores(),
        "processor_has": sorted(features & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16"}),
        "precision": hardware.fast_precision(device),
        "kernels": kernels().reason,
        "runs": str(runs),
        "runs_writable": _is_writable(runs),
        "free_bytes": free.free,
        "images": {name: name == "digits" or find(name, data_root) is not None for name in NAMES},
    }
    if json:
        print_json(facts)
        return OK
    print(f"ResLab {facts['reslab']}, Python {facts['python']}, torch {facts['torch']}, {facts['platform']}")
    print(f"Trains on {facts['device']} ({facts['device_name']}), {facts['cores']} cores")
    print(f"Processor has {', '.join(facts['processor_has']) or 'no vector extension that ResLab knows'}")
    print(f"Precision by default: {facts['precision']}, the fast one here")
    print(f"Fused kernels for the CPU: {facts['kernels']}")
    writable = "writable" if facts["runs_writable"] else "NOT WRITABLE: choose another with --runs"
    print(f"Runs go to {facts['runs']} ({writable}, {size(facts['free_bytes'])} free)")
    for name, here in facts["images"].items():
        print(f"Images of {name}: {'here' if here else f'not here; try reslab data fetch {name}'}")
    return OK


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_writable(folder: Path) -> bool:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)
