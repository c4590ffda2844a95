"""Remarks on what the results leave open or make doubtful."""

import math
from collections.abc import Iterator, Sequence

from reslab.lab.weights.contest import Measured, spread

NEAR_CHANCE = 0.8
"""Fraction of the error of guessing above which an error is called close to guessing."""


def undecided(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield what the results leave open: candidates that cannot be distinguished from the best."""
    best = measured[0].evaluation
    others = [
        f"{one.candidate.flags} ({one.evaluation.error:.2f}%)"
        for one in measured[1:]
        if one.whole and one.evaluation.error - best.error <= 2 * spread(one.evaluation, best)
    ]
    if others:
        yield (
            f"the best, {measured[0].candidate.flags} ({best.error:.2f}%), cannot be distinguished from "
            f"{', '.join(others)}: if you know how the weights were trained, say so with these flags"
        )


def suspicious(one: Measured) -> Iterator[str]:
    """Yield signs that something does not match: results like guessing, or classes in another order."""
    evaluation = one.evaluation
    rows = evaluation.confusion
    largest = max(sum(row) for row in rows) / evaluation.num_images
    share = 1 - max(1 / len(rows), largest)
    chance = 100 * share
    bound = chance - 300 * math.sqrt(share * (1 - share) / evaluation.num_images)
    if not math.isfinite(evaluation.loss):
        yield "the loss is not a finite number, so the error says nothing: the outputs of the network are not finite"
    elif evaluation.error >= min(bound, NEAR_CHANCE * chance):
        where = "no better than guessing" if evaluation.error >= bound else "close to guessing"
        yield (
            f"an error of {evaluation.error:.2f}% is {where} ({chance:.0f}%): unless the network has hardly been "
            "trained, something does not match: data set, normalisation, shortcut, or the order of the classes"
        )
        taken = [max(range(len(row)), key=row.__getitem__) for row in rows]
        agreeing = sum(row[place] for row, place in zip(rows, taken, strict=True))
        if len(set(taken)) == len(rows) and 2 * agreeing > evaluation.num_images:
            reordered = 100 - 100 * agreeing / evaluation.num_images
            yield f"with its classes in another order the error would be {reordered:.2f}%"
