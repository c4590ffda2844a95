"""Candidates compared on the test images: all of them on a few images, the likely best on the rest."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from reslab.data.serving import AnyDataset, AnyEvaluationBatches, batches_to_measure
from reslab.lab.weights.candidates import Candidate
from reslab.lab.weights.trained import loaded_network
from reslab.models.weights import Weights
from reslab.training.evaluation import Evaluation, evaluate
from reslab.training.process_settings import deterministic

FIRST_IMAGES = 500
"""Images that each of several candidates is measured on; the best are then measured on all."""

MOST_WHOLE = 6
"""Maximum number of candidates measured on all images."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate and its results, on all test images or (not `whole`) on the first of them."""

    candidate: Candidate
    evaluation: Evaluation
    whole: bool


@deterministic()
def measure_candidates(
    every: Sequence[Candidate],
    weights: Weights,
    dataset: AnyDataset,
    device: torch.device,
    on_progress: Callable[[str], object] = lambda _: None,
    source: Path | None = None,
) -> list[Measured]:
    """Measure all candidates on the first images and the likely best on the rest; return them, the best first.

    `source` is the folder with the code of a user's own network.
    """
    networks: dict[tuple[str, str], nn.Module] = {}
    ways = []
    for candidate in every:
        recipe = candidate.recipe
        kind = recipe.family, recipe.shortcut
        if kind not in networks:
            networks[kind] = loaded_network(recipe, weights, dataset, device, source)
        ways.append(_Way(candidate, networks[kind], batches_to_measure(recipe, dataset, device)))
    if len(ways) > 1:
        count = min(FIRST_IMAGES, ways[0].num_images)
        on_progress(f"the weights fit {len(ways)} networks and normalisations; measuring each on {count:,} images")
        for way in ways:
            way.go_on(FIRST_IMAGES)
        left = [way for way in _likely([way.result() for way in ways], ways) if not way.is_whole]
        if left:
            on_progress(f"measuring the {'best' if len(left) == 1 else f'{len(left)} best'} on all images")
    else:
        left = ways
    for way in left:
        way.go_on(way.num_images)
    return sorted((way.result() for way in ways), key=lambda one: (not one.whole, one.evaluation.error, _loss(one)))


def spread(first: Evaluation, second: Evaluation) -> float:
    """Return the standard error of the difference between two errors, in percentage points; never quite zero."""
    shares = [((one.num_wrong + 1) / (one.num_images + 2), one.num_images) for one in (first, second)]
    return 100 * math.sqrt(sum(share * (1 - share) / count for share, count in shares))


class _Way:
    """A candidate's evaluation in progress."""

    def __init__(self, candidate: Candidate, network: nn.Module, batches: AnyEvaluationBatches) -> None:
        self.candidate = candidate
        self.num_images = batches.num_images
        self._network = network
        self._batch_size = batches.batch_size
        self._batches = iter(batches)
        self._so_far: Evaluation | None = None

    @property
    def is_whole(self) -> bool:
        return self._so_far is not None and self._so_far.num_images == self.num_images

    def go_on(self, num_images: int) -> None:
        """Measure on `num_images` more images, rounded up to whole batches."""
        some = islice(self._batches, -(-num_images // self._batch_size))
        found = evaluate(self._network, some, precision=self.candidate.recipe.precision)
        self._so_far = found if self._so_far is None else self._so_far + found

    def result(self) -> Measured:
        assert self._so_far is not None
        return Measured(self.candidate, self._so_far, self.is_whole)


def _likely(results: Sequence[Measured], ways: Sequence[_Way]) -> list[_Way]:
    """Return the ways within three standard errors of the best, at most `MOST_WHOLE`, the best first."""
    pairs = sorted(zip(results, ways, strict=True), key=lambda pair: (pair[0].evaluation.error, _loss(pair[0])))
    best = pairs[0][0].evaluation
    near = [way for one, way in pairs if one.evaluation.error - best.error <= 3 * spread(one.evaluation, best)]
    return near[:MOST_WHOLE]


def _loss(one: Measured) -> float:
    return one.evaluation.loss if math.isfinite(one.evaluation.loss) else math.inf
