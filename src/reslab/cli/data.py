"""The verbs `data fetch`, `import`, `check` and `list`: get images, and see which are here."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from reslab.amounts import counted
from reslab.cli import OK
from reslab.cli.console import aside, print_json, print_listing, remark_cache
from reslab.cli.flags import AsJson, DataRoot, GivenPath
from reslab.session.images import check_data, fetch_data, import_data, list_data


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
    if data_root is None:
        remark_cache()
    path = fetch_data(name, mirrors=mirror, data_root=data_root, tell=aside)
    if json:
        print_json({"name": name, "path": str(path)})
    else:
        print(f"{name} is in {path}")
    return OK


def import_(
    path: GivenPath,
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
    if data_root is None:
        remark_cache()
    kept = import_data(path, force=force, data_root=data_root)
    if json:
        print_json({"name": kept.name, "path": str(kept.path), "official": kept.official, "was_there": kept.was_there})
    else:
        words = "was there already" if kept.was_there else "is kept"
        print(f"{kept.name} {words} in {kept.path}{'' if kept.official else ' (not the official images)'}")
    return OK


def check(*, data_root: DataRoot = None, json: AsJson = False) -> int:
    """Decode every file of the image folder, list those that fail and count those that are skipped.

    Before training, ResLab decodes files for a few seconds only; in a large set, a bad file may stop a run hours later.
    For example:

      reslab data check --data-root ~/flowers
    """
    found = check_data(data_root)
    if json:
        print_json({**asdict(found), "path": str(found.path)})
    else:
        print(
            f"{found.path}: {found.num_train:,} training images and {found.num_test:,} test images, in "
            f"{found.num_classes:,} classes; all can be decoded"
        )
        if num := sum(found.passed_over.values()):
            kinds = ", ".join(f"{count:,} {ending}" for ending, count in found.passed_over.items())
            print(f"{counted(num, 'file')} skipped: {kinds}")
        for words in found.remarks:
            aside(f"remark: {words}")
    return OK


def list_(*, data_root: DataRoot = None, json: AsJson = False) -> int:
    """List the data sets, whether they are here, and whether they are the official ones."""
    print_listing(list_data(data_root), json=json)
    return OK
