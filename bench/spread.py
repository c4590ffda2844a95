"""How far the verdicts can be trusted: coverage, false verdicts and power by simulation.

    python bench/spread.py                 # the whole table, a few minutes
    python bench/spread.py --draws 200     # quicker, less exact
    python bench/spread.py --json

A study has a base and some variants.  One variant differs from the base by half a point, all others are equal to it.
Each seed's error is the variant's true error plus a normal deviation, rounded to one test image of 10,000.  Each study
is judged with each group's own spread (Welch) and with a shared one (moderated).  Columns, in percent: 95% intervals
that hold the true difference (`coverage`, per comparison), studies with a false verdict after Holm's correction
(`false`), and studies that find the half point, after correction (`power`) and by its interval alone (`alone`).
In `wild`, one variant has 20 times the spread of the others; in `edge`, three come closer and closer to divergence.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from reslab.analysis.differences import Difference, difference, own_variance, with_spreads
from reslab.analysis.spread import Own, common, share
from reslab.analysis.summary import Summary, summarise
from reslab.analysis.verdicts import judge

SPREAD, EFFECT, ERROR, IMAGE = 0.15, 0.5, 8.0, 0.01

Chance = np.random.Generator
Method = Callable[[list[Summary]], list[Difference]]


@dataclass(frozen=True)
class Row:
    """One setting and one method; percentages."""

    method: str
    seeds: int
    comparisons: int
    spreads: str
    coverage: float
    false: float
    power: float
    alone: float


def welch(sides: list[Summary]) -> list[Difference]:
    """Compare all with the first, each with its own spread."""
    return [found for side in sides[1:] if (found := difference(sides[0], side, IMAGE)) is not None]


def moderated(sides: list[Summary]) -> list[Difference]:
    """Compare all with the first, with spreads that lean on each other."""
    owns = [Own(own_variance(side.sd or 0.0, IMAGE), side.n - 1) for side in sides]
    prior, apart = common(owns)
    spreads = share(owns, prior, apart)
    basis = float("inf") if prior is None else prior.basis
    pairs = [(spreads[0], spread) for spread in spreads[1:]]
    found = [with_spreads(sides[0], side, pair, basis) for side, pair in zip(sides[1:], pairs, strict=True)]
    return [one for one in found if one is not None]


METHODS: dict[str, Method] = {"Welch": welch, "moderated": moderated}

SPREADS: dict[str, Callable[[Chance, int], NDArray[np.float64]]] = {
    "equal": lambda _, number: np.full(number, SPREAD),
    "unequal": lambda chance, number: SPREAD * np.exp(0.35 * chance.standard_normal(number)),
    "wild": lambda _, number: np.append(np.full(number - 1, SPREAD), 20 * SPREAD),
    "edge": lambda chance, number: np.append(
        SPREAD * np.exp(0.35 * chance.standard_normal(number - 3)), [3 * SPREAD, 10 * SPREAD, 60 * SPREAD]
    ),
}
"""The true spreads of a study's groups; unequal ones differ by a factor of 1.4, up or down, typically."""


def measure(seeds: int, comparisons: int, spreads: str, draws: int) -> list[Row]:
    """Simulate studies of one kind; all methods see the same ones."""
    chance = np.random.default_rng([seeds, comparisons, list(SPREADS).index(spreads)])
    different = comparisons // 2
    counts = {name: np.zeros(4) for name in METHODS}
    for _ in range(draws):
        true = np.full(comparisons + 1, ERROR)
        true[different] += EFFECT
        scale = SPREADS[spreads](chance, comparisons + 1)
        errors = true[:, None] + scale[:, None] * chance.standard_normal((comparisons + 1, seeds))
        sides = [summarise(map(float, row)) for row in np.round(errors, 2)]
        for name, method in METHODS.items():
            counts[name] += _judged(method(sides), true, different)
    return [
        Row(name, seeds, comparisons, spreads, *(round(100 * float(count) / draws, 1) for count in counts[name]))
        for name in METHODS
    ]


def _judged(found: list[Difference], true: NDArray[np.float64], different: int) -> NDArray[np.float64]:
    verdicts = judge(found)
    truths = true[1:] - true[0]
    covered = [abs(one.value - truth) <= (one.margin or 0.0) for one, truth in zip(found, truths, strict=True)]
    false = [verdict.resolved for place, verdict in enumerate(verdicts) if place != different - 1]
    one = verdicts[different - 1]
    return np.array(
        [np.mean(covered), any(false), one.kind == "higher", one.difference.resolved and one.difference.value > 0]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000, help="studies simulated a row")
    parser.add_argument("--seeds", default="2,3,5", help="seeds of each variant")
    parser.add_argument("--comparisons", default="6,13,20", help="comparisons of a study")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    if not given.json:
        print(
            f"{given.draws} studies a row; spread {SPREAD}, difference {EFFECT} points, 10,000 test images; percent\n"
        )
        heads = (
            ("seeds", 5),
            ("comparisons", 11),
            ("spreads", 8),
            ("method", 10),
            ("coverage", 9),
            ("false", 6),
            ("power", 6),
            ("alone", 6),
        )
        print(*(f"{head:>{width}}" for head, width in heads))
    for seeds in map(int, given.seeds.split(",")):
        for comparisons in map(int, given.comparisons.split(",")):
            for spreads in SPREADS:
                for row in measure(seeds, comparisons, spreads, given.draws):
                    rows.append(row)
                    if not given.json:
                        print(
                            f"{row.seeds:5} {row.comparisons:11} {row.spreads:>8} {row.method:>10} {row.coverage:9} "
                            f"{row.false:6} {row.power:6} {row.alone:6}",
                            flush=True,
                        )
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
