"""All diagnostics by name, each with its question and source, measured within a budget."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any

from torch import Tensor, nn

from reslab.diagnostics.cost import BUDGETS, Budget, check_names, whole_batches
from reslab.diagnostics.curvature import hessian_extremes, stability_limit
from reslab.diagnostics.gap import train_test_gap
from reslab.diagnostics.gradients import LayerGradient, gradient_norms
from reslab.diagnostics.measuring import Batches, Loss, Tick, cross_entropy, first, unwatched, watched
from reslab.diagnostics.noise_scale import gradient_noise_scale
from reslab.diagnostics.responses import layer_responses
from reslab.diagnostics.surface import loss_surface
from reslab.files import finite

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is measured: a trained network, its state before training (or None), the images, and how it was trained.

    All batches can be iterated over repeatedly and are always the same.
    """

    final: nn.Module
    initial: nn.Module | None
    train: Batches
    """Training images without augmentation, in batches of the training's size."""
    augmented: Batches
    """Augmented batches, each drawn independently of the others, as many as are needed."""
    test: Batches
    batch_size: int
    seed: int = 0
    """Of random directions and starting vectors."""
    loss: Loss = cross_entropy
    """The training loss, without weight decay."""
    last_rate: float = 0.001
    """Learning rate of the last iteration."""
    momentum: float = 0.9
    nesterov: bool = False
    is_adaptive: bool = False
    """Whether each weight had its own rate, as with Adam: there is no stability limit then."""
    precision: str = "fp32"
    """Of the gap only, so that it is comparable with the run's own errors; all else is measured in fp32."""
    tick: Tick = unwatched
    """Called before each batch is measured."""


NUM_GROUPS = 8
TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A measurement: its question, the paper and figure that it is based on, and the function that makes it."""

    question: str
    source: str
    measure: Callable[[Subject, Budget], Json]
    """Returns `settings` and the results `final` and, for some, `initial`."""


def diagnose(
    subject: Subject, which: Iterable[str], budget: str, clock: Callable[[], float]
) -> Iterator[tuple[str, Json]]:
    """Yield each diagnostic's name and findings: budget, seconds, settings, and results (`final`, `initial`).

    Findings are JSON values; a number that is not finite is None.  Unknown names raise `ResLabError`.
    """
    names = tuple(which)
    check_names(names, budget)
    for name in names:
        begun = clock()
        found = finite(DIAGNOSTICS[name].measure(subject, BUDGETS[budget]))
        yield name, {"budget": budget, "seconds": clock() - begun, **found}


def _gap(subject: Subject, budget: Budget) -> Json:
    train, test = first(subject.train, budget.gap_images), first(subject.test, budget.gap_images)
    parts = (watched(part, subject.tick) for part in (train, test))
    found = train_test_gap(subject.final, *parts, precision=subject.precision)
    return {
        "settings": {"num_images": _count(train), "batch_norm": "running", "precision": subject.precision},
        "final": asdict(found),
    }


def _responses(subject: Subject, budget: Budget) -> Json:
    batches = first(subject.train, budget.response_images)
    found = layer_responses(subject.final, watched(batches, subject.tick))
    return {
        "settings": {"num_images": _count(batches), "batch_norm": "running"},
        "final": {"layers": [asdict(each) for each in found]},
    }


def _gradients(subject: Subject, budget: Budget) -> Json:
    num_batches = whole_batches(subject.batch_size, budget.gradient_images)
    batches = list(islice(subject.augmented, num_batches))
    return {
        "settings": {
            "num_images": _count(batches),
            "batch_size": subject.batch_size,
            "batch_norm": "batch",
            "augmented": True,
        },
        **{
            moment: {"layers": [asdict(each) for each in _norms(subject, module, batches)]}
            for moment, module in (("initial", subject.initial), ("final", subject.final))
            if module is not None
        },
    }


def _noise_scale(subject: Subject, budget: Budget) -> Json:
    num_batches = budget.noise_batches
    estimate = partial(
        gradient_noise_scale,
        batches=watched(subject.augmented, subject.tick),
        num_groups=NUM_GROUPS,
        batches_per_group=num_batches // NUM_GROUPS,
        loss=subject.loss,
    )
    return {
        "settings": {
            "num_images": num_batches * subject.batch_size,
            "batch_size": subject.batch_size,
            "groups": NUM_GROUPS,
            "batch_norm": "batch",
            "augmented": True,
        },
        "final": asdict(estimate(subject.final)),
    }


def _curvature(subject: Subject, budget: Budget) -> Json:
    batches = list(islice(subject.train, whole_batches(subject.batch_size, budget.curvature_images)))
    found = hessian_extremes(
        subject.final,
        batches,
        seed=subject.seed,
        max_iterations=budget.lanczos_iterations,
        tolerance=TOLERANCE,
        loss=subject.loss,
        tick=subject.tick,
    )
    return {
        "settings": {
            "num_images": _count(batches),
            "batch_size": subject.batch_size,
            "batch_norm": "batch",
            "seed": subject.seed,
            "tolerance": TOLERANCE,
        },
        "final": {
            **asdict(found),
            "rate": subject.last_rate,
            "stability_limit": None
            if subject.is_adaptive
            else stability_limit(subject.last_rate, subject.momentum, nesterov=subject.nesterov),
        },
    }


def _surface(subject: Subject, budget: Budget) -> Json:
    batches = first(subject.train, budget.surface_images)
    found = loss_surface(subject.final, batches, seed=subject.seed, num_points=budget.surface_points, tick=subject.tick)
    return {
        "settings": {
            "num_images": _count(batches),
            "batch_norm": "running",
            "seed": subject.seed,
            "normalisation": "filter",
        },
        "final": asdict(found),
    }


DIAGNOSTICS = {
    "gap": Diagnostic(
        "How much better is the network on the images that it was trained on?",
        "He et al. 2016, section 4.2 and figure 6: training and test error",
        _gap,
    ),
    "responses": Diagnostic(
        "How strongly does each layer respond?",
        "He et al. 2016, figure 7: standard deviation of layer responses",
        _responses,
    ),
    "gradients": Diagnostic(
        "Do gradients vanish on their way back?",
        "He et al. 2016, section 4.1: gradients of plain networks with batch norm have healthy norms",
        _gradients,
    ),
    "noise-scale": Diagnostic(
        "How many images can a batch hold before more of them stop helping?",
        "McCandlish et al. 2018, equation 2.9 and appendix A.1: simple gradient noise scale",
        _noise_scale,
    ),
    "curvature": Diagnostic(
        "How sharp is the minimum, compared with what the learning rate allows?",
        "Cohen et al. 2021, section 2: largest Hessian eigenvalue against the stability limit",
        _curvature,
    ),
    "surface": Diagnostic(
        "What does the loss look like around the weights?",
        "Li et al. 2018, section 4 and figure 5: filter-normalised random directions",
        _surface,
    ),
}
"""The diagnostics by name, quickest first."""


def _norms(subject: Subject, module: nn.Module, batches: Batches) -> tuple[LayerGradient, ...]:
    return gradient_norms(module, watched(batches, subject.tick), subject.loss)


def _count(batches: list[tuple[Tensor, Tensor]]) -> int:
    return sum(len(labels) for _, labels in batches)
