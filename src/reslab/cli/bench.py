"""The verb `bench`: how fast this machine trains, compared with a standard loop and the machine's ceiling."""

from typing import Annotated

from cyclopts import Parameter

from reslab.cli import OK
from reslab.cli.console import aside, print_json, print_listing, remark_cache
from reslab.cli.flags import AsJson, Device
from reslab.cli.lists import names, whole_numbers
from reslab.session.machine import bench as measured


def bench(
    *,
    depths: Annotated[str, Parameter(help="Depths to measure, e.g. 20,56,110.")] = "20",
    batch_sizes: Annotated[str, Parameter(help="Batch sizes to measure, e.g. 64,128.")] = "128",
    precisions: Annotated[
        str | None, Parameter(help="fp32, bf16 or both; default: the faster one on this machine.")
    ] = None,
    rounds: int = 5,
    device: Device = "auto",
    json: AsJson = False,
) -> int:
    """Measure how fast this machine trains, from uint8 pixels to updated weights.

    In each round our step and a standard PyTorch step (images transformed one by one in loader workers, eager fp32)
    take turns; the figures are medians over the rounds.  For example:

      reslab bench --depths 20,56 --precisions fp32,bf16

    Parameters
    ----------
    rounds
        Number of rounds, sixteen steps each.
    """
    remark_cache()
    found = measured(
        depths=whole_numbers("depths", depths),
        batch_sizes=whole_numbers("batch-sizes", batch_sizes),
        precisions=names("precisions", precisions),
        rounds=rounds,
        device=device,
        tell=aside,
    )
    if json:
        print_json(found.facts())
        return OK
    print(f"{found.words}\n")
    print_listing(found.speeds)
    for listing in (found.side_by_side, found.studies):
        print(f"\n{listing.title}:")
        print_listing(listing)
    return OK
