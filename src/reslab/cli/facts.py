"""The verbs `models`, `presets` and `doctor`: the networks, the recipes, and this machine."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli import OK
from reslab.cli.console import aside, print_json, print_listing
from reslab.cli.flags import AsJson, DataRoot, Runs
from reslab.cli.lists import whole_numbers
from reslab.session import known, machine


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
    found = known.list_models(whole_numbers("depths", depths), whole_numbers("classes", classes), table_1=table_1)
    print_listing(found, json=json)
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
    print_listing(known.list_presets(name), json=json)
    return OK


def doctor(*, runs: Runs = Path("runs"), data_root: DataRoot = None, json: AsJson = False) -> int:
    """Show what this machine has and what ResLab uses of it: device, precision, threads, images, folders."""
    found = machine.doctor(runs, data_root, tell=aside)
    if json:
        print_json(found)
    else:
        print(found)
    return OK
