"""Published results to compare with, as data, each with its source and how it was measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published figure: a top-1 test error in percent."""

    source: str
    """Short name: paper, assignment, akamaster, gcr, tf-models, hysts, a-martyn, preact-paper or wide-paper."""
    citation: str
    """Where it was published, with the address if it has one."""
    dataset: str
    depth: int | None
    """None if the source does not say."""
    error: float
    """Test error; the mean if the source gives one."""
    family: str = "residual"
    width: int = 1
    """The width of a wide network."""
    low: float | None = None
    """Lowest of the errors averaged: over epochs for the assignment, else over runs."""
    high: float | None = None
    """Highest of the errors averaged."""
    standard_deviation: float | None = None
    """Standard deviation over runs."""
    n: int | None = None
    """Number of runs, if stated."""
    protocol: str = ""
    """What was measured, and when."""
    learning_rate: float | None = None
    """Base rate, if the source's table varies it."""
    epochs: int | None = None
    """Length of the training, if the table varies it."""
    train_share: float | None = None
    """Share of the training images, if the table varies it."""
    window: tuple[int, int] | None = None
    """First and last epoch averaged, if the error is a mean over epochs."""
    train_error: float | None = None
    """Training error, if the table has one."""

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """The error plus and minus one standard deviation if known, else its range if known, else Nones."""
        if self.standard_deviation is not None:
            return self.error - self.standard_deviation, self.error + self.standard_deviation
        return (None, None) if self.low is None or self.high is None else (self.low, self.high)


VARYING = ("learning_rate", "epochs", "train_share")
"""The fields that a source's table can vary; none of them is set if it varies only the depth."""


def published(
    *,
    dataset: str | None = None,
    depth: int | None = None,
    source: str | None = None,
    family: str = "residual",
    width: int | None = None,
    varying: str | None = None,
) -> list[Published]:
    """Return the results that match, in the order of `RESULTS`; None matches everything.

    Without `varying` these are the headline results, at most one per source, data set, family, depth and width; with
    one of `VARYING`, those of the tables that vary it.
    """
    return [
        result
        for result in RESULTS
        if (dataset is None or result.dataset == dataset)
        and (depth is None or result.depth == depth)
        and (source is None or result.source == source)
        and result.family == family
        and (width is None or result.width == width)
        and [name for name in VARYING if getattr(result, name) is not None] == ([varying] if varying else [])
    ]


def in_words(result: Published, unit: str = "") -> str:
    """Return the figure with its spread: 8.75; 6.61 ± 0.16 (best 6.43, n = 5); 8.39 (8.22 to 8.77)."""
    text = f"{result.error:g}"
    if result.standard_deviation is not None:
        text += f" ± {result.standard_deviation:g}"
    text += unit
    inside = []
    if result.low is not None and result.high is not None:
        inside.append(f"{result.low:g} to {result.high:g}")
    elif result.low is not None:
        inside.append(f"best {result.low:g}")
    if result.standard_deviation is not None and result.n is not None:
        inside.append(f"n = {result.n}")
    return f"{text} ({', '.join(inside)})" if inside else text


_HE = (
    'K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 6, '
    "https://arxiv.org/abs/1512.03385"
)
_REPORT = 'Report on "Coding assignment 1", based on He et al. 2016, table '
_AKAMASTER = "akamaster/pytorch_resnet_cifar10, README.md, https://github.com/akamaster/pytorch_resnet_cifar10"
_GCR = "gcr/torch-residual-networks, README.md, https://github.com/gcr/torch-residual-networks"
_TF = "tensorflow/models, pull request 5243, https://github.com/tensorflow/models/pull/5243"
_HYSTS = "hysts/pytorch_resnet, README.md, https://github.com/hysts/pytorch_resnet"
_MARTYN = "a-martyn/resnet, README.md, https://github.com/a-martyn/resnet"

_IDENTITY = (
    'K. He, X. Zhang, S. Ren, J. Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, '
    "table of szagoruyko/wide-residual-networks, https://arxiv.org/abs/1603.05027"
)
_WIDE = (
    'S. Zagoruyko, N. Komodakis, "Wide Residual Networks", BMVC 2016, table of szagoruyko/wide-residual-networks, '
    "https://arxiv.org/abs/1605.07146"
)

_BEST_EPOCH = "1 run, best epoch on the test set"


def _paper() -> list[Published]:
    errors = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 1202: 7.93}
    rows = [
        Published(
            source="paper",
            citation=_HE,
            dataset="cifar10",
            depth=depth,
            error=error,
            protocol="64,000 iterations",
        )
        for depth, error in errors.items()
    ]
    several = Published(
        source="paper",
        citation=_HE,
        dataset="cifar10",
        depth=110,
        error=6.61,
        low=6.43,
        standard_deviation=0.16,
        n=5,
        protocol="64,000 iterations, 5 runs; table 6 prints the best first: 6.43 (6.61 ± 0.16)",
    )
    return [*rows[:4], several, rows[4]]


def _assignment_by_depth(table: str, dataset: str, rows: dict[int, tuple[float, float, float]]) -> list[Published]:
    return [
        Published(
            source="assignment",
            citation=_REPORT + table,
            dataset=dataset,
            depth=depth,
            error=mean,
            low=low,
            high=high,
            n=3,
            window=(90, 350),
            protocol="mean, lowest and highest of epochs 90 to 350 of the mean curve of 3 runs",
        )
        for depth, (mean, low, high) in rows.items()
    ]


def _assignment_by_rate(table: str, dataset: str, rows: dict[float, tuple[float, float, float]]) -> list[Published]:
    return [
        Published(
            source="assignment",
            citation=_REPORT + table,
            dataset=dataset,
            depth=20,
            error=mean,
            low=low,
            high=high,
            learning_rate=rate,
            window=(90, 160),
            protocol="mean, lowest and highest of epochs 90 to 160",
        )
        for rate, (mean, low, high) in rows.items()
    ]


def _assignment_by_epochs(rows: dict[tuple[int, int], tuple[float, float]]) -> list[Published]:
    return [
        Published(
            source="assignment",
            citation=_REPORT + "6",
            dataset="cifar10",
            depth=depth,
            error=error,
            train_error=train_error,
            epochs=epochs,
            protocol="epoch not stated",
        )
        for (depth, epochs), (train_error, error) in rows.items()
    ]


def _assignment_by_share(rows: dict[tuple[str, float], float]) -> list[Published]:
    return [
        Published(
            source="assignment",
            citation=_REPORT + "7",
            dataset=dataset,
            depth=None,
            error=error,
            train_share=share,
            protocol="depth and epoch not stated; the errors on all images are about those of depth 56",
        )
        for (dataset, share), error in rows.items()
    ]


def _one_run(
    source: str, citation: str, protocol: str, errors: dict[int, float], family: str = "residual"
) -> list[Published]:
    return [
        Published(
            source=source,
            citation=citation,
            dataset="cifar10",
            depth=depth,
            family=family,
            error=error,
            n=1,
            protocol=protocol,
        )
        for depth, error in errors.items()
    ]


def _by_family(
    source: str, citation: str, family: str, errors: dict[tuple[int, int], tuple[float, float]]
) -> list[Published]:
    """Return errors on CIFAR-10 and CIFAR-100 by depth and width."""
    return [
        Published(
            source=source,
            citation=citation,
            dataset=dataset,
            depth=depth,
            width=width,
            family=family,
            error=error,
            n=5,
            protocol="median of 5 runs",
        )
        for place, dataset in enumerate(("cifar10", "cifar100"))
        for (depth, width), pair in errors.items()
        for error in (pair[place],)
    ]


RESULTS: tuple[Published, ...] = (
    *_paper(),
    *_assignment_by_depth("1", "cifar10", {20: (8.39, 8.22, 8.77), 56: (7.05, 6.9, 7.47), 110: (6.5, 6.36, 6.91)}),
    *_assignment_by_depth(
        "2",
        "cifar100",
        {20: (33.06, 32.53, 33.88), 56: (29.88, 29.28, 30.41), 110: (28.49, 28.31, 29.04)},
    ),
    *_assignment_by_rate(
        "3",
        "cifar10",
        {
            0.01: (10.98, 10.79, 11.17),
            0.02: (9.4, 9.19, 9.74),
            0.05: (8.96, 8.72, 9.26),
            0.2: (8.2, 7.76, 9.26),
            0.5: (9.31, 8.19, 12.23),
            1.0: (17.64, 14.21, 26.93),
        },
    ),
    *_assignment_by_rate(
        "4 (captioned CIFAR-10, but of CIFAR-100)",
        "cifar100",
        {
            0.01: (36.61, 36.16, 36.99),
            0.02: (35.59, 35.34, 36.06),
            0.05: (33.94, 33.59, 34.54),
            0.2: (32.91, 32.18, 35.04),
            0.5: (33.62, 31.27, 37.58),
            1.0: (36.44, 32.6, 44.32),
        },
    ),
    *_assignment_by_epochs(
        {(20, 164): (0.64, 8.45), (20, 328): (0.25, 7.8), (56, 164): (0.09, 7.3), (56, 328): (0.01, 6.1)}
    ),
    *_assignment_by_share(
        {("cifar10", 0.5): 9.0, ("cifar10", 1.0): 7.1, ("cifar100", 0.2): 51.0, ("cifar100", 1.0): 30.0}
    ),
    *_one_run(
        "akamaster",
        _AKAMASTER,
        _BEST_EPOCH,
        {20: 8.27, 32: 7.37, 44: 6.9, 56: 6.61, 110: 6.32, 1202: 6.18},
    ),
    *_one_run("gcr", _GCR, "1 run of 200 epochs", {20: 8.29, 32: 7.63, 44: 7.14, 56: 6.94, 110: 6.73}),
    Published(
        source="tf-models",
        citation=_TF,
        dataset="cifar10",
        depth=56,
        error=6.88,
        low=6.56,
        standard_deviation=0.2,
        n=5,
        protocol="164 epochs, 5 runs",
    ),
    Published(
        source="hysts",
        citation=_HYSTS,
        dataset="cifar10",
        depth=110,
        error=6.52,
        n=3,
        protocol="median of 3 runs, last epoch",
    ),
    *_by_family("preact-paper", _IDENTITY, "preact-bottleneck", {(164, 1): (5.46, 24.33), (1001, 1): (4.92, 22.71)}),
    *_by_family("wide-paper", _WIDE, "wide", {(28, 10): (4.0, 19.25)}),
    *_one_run("a-martyn", _MARTYN, _BEST_EPOCH, {20: 9.5, 32: 9.92, 44: 11.35, 56: 12.76}, family="plain"),
)
"""All results."""
