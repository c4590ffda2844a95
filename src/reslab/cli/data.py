"""The verbs `data fetch`, `import`, `check` and `list`: getting the images, and looking at what is here."""

import math
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reslab.cli import OK
from reslab.cli.console import print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot


def fetch(
    name: str,
    *,
    mirror: Annotated[
        tuple[str, ...], Parameter(help="Base URL to try first; can be given more than once.", negative="")
    ] = (),
    data_root: DataRoot = None,
    json: AsJson = False,
) -> int:
    """Download the official archive of a data set, checked by its SHA-256.

    Mirrors are tried in order: --mirror, those in RESLAB_MIRRORS (base URLs separated by commas), ResLab's own.
    An interrupted download resumes.  For example:

      reslab data fetch cifar10

    Parameters
    ----------
    name
        cifar10, cifar100 or cifar100-coarse (the same archive).
    """
    from reslab.data.fetch import fetch as fetch_archive

    if data_root is None:
        remark_cache()

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with bars:
        task = bars.add_task(name, total=None)
        path = fetch_archive(
            name,
            data_root,
            mirrors=mirror,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
            notice=lambda words: print(f"reslab: {words}; trying the next mirror", file=sys.stderr),
        )
    if json:
        print_json({"name": name, "path": str(path)})
    else:
        print(f"{name} is in {path}")
    return OK


def import_(
    path: Path,
    *,
    force: Annotated[bool, Parameter(negative="", help="Accept images that are not the official ones.")] = False,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> int:
    """Check images you already have, then copy them to where ResLab looks.

    Takes CIFAR's official archives and the folders they unpack to, in the python or the binary version.  For
    example:

      reslab data import ~/Downloads/cifar-10-python.tar.gz

    Parameters
    ----------
    path
        The archive or folder to import.
    """
    from reslab.data.fetch import import_path

    if data_root is None:
        remark_cache()
    kept = import_path(path, data_root, allow_unofficial=force)
    if json:
        print_json({"name": kept.name, "path": str(kept.path), "official": kept.official, "was_there": kept.was_there})
    else:
        words = "was there already" if kept.was_there else "is kept"
        print(f"{kept.name} {words} in {kept.path}{'' if kept.official else ' (not the official images)'}")
    return OK


def check(*, data_root: DataRoot = None, json: AsJson = False) -> int:
    """Decode every file of the image folder and list those that fail.

    A training tests files for a few seconds only before it starts; a bad file in a large set may stop it hours later.
    For example:

      reslab data check --data-root ~/flowers
    """
    from reslab.data.folder_files import folder_root
    from reslab.data.folders import check_decodes, read_folders

    root = folder_root(data_root)
    dataset = read_folders(root)
    check_decodes(dataset, seconds=math.inf)
    counts = {"num_train": len(dataset.train), "num_test": len(dataset.test), "num_classes": dataset.num_classes}
    if json:
        print_json({"path": str(root), **counts})
    else:
        print(
            f"{root}: {counts['num_train']:,} training images and {counts['num_test']:,} test images, in "
            f"{counts['num_classes']:,} classes; all can be decoded"
        )
    return OK


def list_(*, data_root: DataRoot = None, json: AsJson = False) -> int:
    """List the data sets, whether they are here, and whether they are the official ones."""
    from reslab.data.fetch import available
    from reslab.datasets import known

    sets = available(data_root)
    if json:
        print_json(
            [
                {
                    "name": item.name,
                    "num_train": item.num_train,
                    "num_test": item.num_test,
                    "num_classes": item.num_classes,
                    "path": None if item.path is None else str(item.path),
                    "official": item.official,
                    "problem": item.problem,
                }
                for item in sets
            ]
        )
        return OK
    rows = []
    for item in sets:
        where = f"comes with {package}" if (package := known(item.name).comes_with) else str(item.path or "not here")
        state = item.problem or {True: "official", False: "not the official images", None: ""}[item.official]
        rows.append([item.name, f"{item.num_train:,}", f"{item.num_test:,}", str(item.num_classes), where, state])
    print_table(["name", "train", "test", "classes", "where", ""], rows)
    return OK
