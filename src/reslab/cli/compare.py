"""The verb `compare`: two runs, or two recipes over all their seeds."""

from pathlib import Path

from reslab.cli import OK
from reslab.cli.console import print_json
from reslab.cli.flags import AsJson, Runs


def compare(first: str, second: str, *, runs: Runs = Path("runs"), json: AsJson = False) -> int:
    """Compare the second run with the first: difference of test errors, interval, verdict, how the recipes differ.

    A recipe's id, without a seed, means all its seeds.  The spread between seeds is estimated from all runs in the
    folder.  For example:

      reslab compare cifar10-resnet20-3f9a1c2b cifar10-resnet56-5c0de1aa

      reslab compare cifar10-resnet20-3f9a1c2b/seed0 cifar10-resnet20-3f9a1c2b/seed1

    Parameters
    ----------
    first
        Id or folder of the baseline.
    second
        Id or folder of what is compared with it.
    """
    from reslab.session.door import compare as compared

    found = compared(first, second, runs=runs)
    if json:
        print_json(found.to_mapping())
    else:
        print(found)
    return OK
