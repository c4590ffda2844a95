"""The fault plan: everything that can go wrong is made to, and what is promised is checked.

python bench/faults                  the whole plan; some 20 minutes on two cores
python bench/faults --short          a little of each kind
python bench/faults --only starts    one kind; may be given several times
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import archives
import disk
import flips
import kills
import mirrors
import weights
from plan import Plan, Tally, load_all

from reslab import host

KINDS: dict[str, Callable[[Plan], list[Tally]]] = {
    **kills.KINDS,
    **disk.KINDS,
    **flips.KINDS,
    **weights.KINDS,
    **archives.KINDS,
    **mirrors.KINDS,
}


def main() -> int:
    """Run the plan, print a line for each kind of fault, and end with 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(
        prog="python bench/faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=KINDS, help="one kind; may be given several times")
    parser.add_argument("--short", action="store_true", help="a little of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of all random instants and bits; default: 0")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    given = parser.parse_args()
    place = os.environ.pop("RESLAB_DATA", None)
    begun = time.monotonic()
    load_all()
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), given.seed, given.short, Path(place) if place else None)
        for name in given.only or KINDS:
            for tally in KINDS[name](plan):
                tallies.append(tally)
                print(_line(tally), file=sys.stderr if given.json else sys.stdout, flush=True)
    if given.json:
        print(json.dumps([asdict(tally) for tally in tallies], indent=1))
    else:
        print(f"\nseed {given.seed}, {time.monotonic() - begun:.0f} s, {host.cpu_name()}, {host.usable_cores()} cores")
    return int(any(tally.broken for tally in tallies))


def _line(tally: Tally) -> str:
    lines = [
        f"{tally.kind:10} {tally.held:4} of {tally.tried:4}  {tally.seconds:5.0f} s  {tally.fault}: {tally.promise}"
    ]
    return "\n".join([*lines, *(f"  BROKEN  {words}" for words in tally.broken)])


if __name__ == "__main__":
    sys.exit(main())
