"""Fit a plan into a time, with fewer seeds, another recipe or shorter training, chosen by the measured speed."""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reslab import host
from reslab.amounts import counted, duration
from reslab.errors import ResLabError
from reslab.files import read_json, write_json, writing
from reslab.lab.folder.locks import changing
from reslab.studies.study import Plan

FEWEST = 2
"""Seeds that are kept as long as anything fits with them: a single seed has no spread, and no verdict of its own."""

SHORT_RECIPE = "fast"
"""The preset designed for few epochs: shortening the schedule of another recipe gives a higher error."""

MEMORY = "fits.json"

MOST_DAYS = 10_000
"""The longest time that a plan can be fitted into."""

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Size:
    """The size requested of a plan: None means what the plan, or its files, say."""

    preset: str | None = None
    epochs: float | None = None
    seeds: int | None = None

    @property
    def words(self) -> str:
        """The size in words."""
        recipe = "the recipe as asked" if self.preset is None else f"the recipe {self.preset}"
        length = (
            "at its own length"
            if self.epochs is None
            else f"for {self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"
        )
        seeds = "" if self.seeds is None else f", {counted(self.seeds, 'seed')}"
        return f"{recipe} {length}{seeds}"

    @property
    def flags(self) -> str:
        """The flags of `reslab run` that select it."""
        given = (("preset", self.preset), ("epochs", self.epochs), ("seeds", self.seeds))
        return " ".join(
            f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}"
            for name, value in given
            if value is not None
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """What was chosen, how long it takes, and what was left out because it takes longer."""

    limit: float
    size: Size
    seconds: float
    left_out: tuple[tuple[Size, float], ...]
    remembered: bool = False
    """Whether it was chosen by an earlier command over the same folder of runs."""

    @property
    def words(self) -> str:
        """The choice in sentences."""
        again = f"remove {MEMORY} in the folder of runs to choose again"
        if self.remembered and self.seconds > self.limit:
            return (
                f"Chosen before for {duration(self.limit)}: {self.size.words}.  It now takes longer, about "
                f"{duration(self.seconds)} in all; {again}"
            )
        chosen = f"Fits {duration(self.limit)}: {self.size.words}"
        if self.remembered:
            return f"{chosen}, as chosen before ({again})"
        out = "; ".join(f"{size.words} ({duration(seconds)})" for size, seconds in self.left_out)
        left = f"  Left out, in this order: {out}" if out else "  Nothing is left out"
        return f"{chosen}, about {duration(self.seconds)} in all.{left}"

    def facts(self) -> dict[str, Any]:
        """Return this as values for JSON."""
        return {
            "limit_seconds": self.limit,
            "seconds": self.seconds,
            **asdict(self.size),
            "left_out": [{**asdict(size), "seconds": seconds} for size, seconds in self.left_out],
        }


def fit(
    limit: float,
    given: Size,
    ask: Callable[[Size], Plan],
    cost: Callable[[Plan], float],
    *,
    memory: Path | None = None,
    question: Mapping[str, Any] | None = None,
) -> Fit:
    """Return the first size that takes at most `limit` seconds by `cost`, in this order:

    the plan as requested; with two seeds; with the recipe `fast`, of 16 epochs, and three seeds, then two; for 12, 8,
    4, 2 and 1 epochs with two seeds; finally with one seed, from its own length down again.  What is `given` does not
    change.  Where nothing fits, `ResLabError` says how long the shortest takes.

    An earlier choice for the `question` is taken from the file `memory` (see `remember`), so that the same command
    resumes what it started, even if part of it is done or the machine has become faster.
    """
    size = _size_of(_known(memory).get(_key(limit, given, question or {}))) if memory is not None else None
    if size is not None:
        return Fit(limit, size, cost(ask(size)), (), remembered=True)
    left_out: list[tuple[Size, float]] = []
    for size in _sizes(given, ask):
        seconds = cost(ask(size))
        if seconds <= limit:
            return Fit(limit, size, seconds, tuple(left_out))
        left_out.append((size, seconds))
    least, seconds = min(left_out, key=lambda one: one[1])
    busy = ", measured while the machine has other work" if host.is_busy() else ""
    raise ResLabError(
        f"nothing fits {duration(limit)}: the shortest, {least.words}, takes {duration(seconds)}{busy}; choose fewer "
        "depths or data sets, one study, or no diagnostics (--no-diagnose)"
    )


def remember(found: Fit, given: Size, memory: Path, question: Mapping[str, Any]) -> None:
    """Keep a choice for the next time that the same question is asked over the same folder of runs."""
    key = _key(found.limit, given, question)
    with writing(memory.parent):
        memory.parent.mkdir(parents=True, exist_ok=True)
        with changing(memory.parent, memory.name):
            write_json(memory, {**_known(memory), key: asdict(found.size)})


def digest_of(plan: Plan) -> str:
    """Return a digest of a plan's runs, which changes when a file that defines them is edited."""
    return hashlib.sha256("\n".join(run.id for run in plan.runs()).encode()).hexdigest()[:16]


def _key(limit: float, given: Size, question: Mapping[str, Any]) -> str:
    """Return the key under which a choice is kept."""
    return repr(sorted({"limit": limit, **asdict(given), **question}.items(), key=lambda pair: pair[0]))


def _known(memory: Path) -> dict[str, Any]:
    """Return the choices that are kept in a file, by question; none where it is missing or unusable."""
    try:
        return read_json(memory) or {}
    except ResLabError:
        return {}


def _size_of(kept: object) -> Size | None:
    """Return the size that was kept; None if it is invalid, as an older version or an editor may have left it."""
    if not isinstance(kept, dict) or kept.keys() != {"preset", "epochs", "seeds"}:
        return None
    preset, epochs, seeds = kept["preset"], kept["epochs"], kept["seeds"]
    are_kinds = (
        isinstance(preset, str | None),
        epochs is None or (type(epochs) in (int, float) and 0 < epochs < math.inf),
        seeds is None or (type(seeds) is int and seeds > 0),
    )
    return Size(preset, epochs, seeds) if all(are_kinds) else None


def seconds_of(text: str) -> float:
    """Return a time like 12h, 90min, 1.5d or 30m in seconds; raise `ResLabError` where it is not a time."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", text)
    if match is None or not (seconds := float(match[1]) * _UNITS[match[2]]):
        raise ResLabError(f"--fit takes a time with its unit, as in 12h, 90min or 2d; not {text!r}")
    if seconds > MOST_DAYS * _UNITS["d"]:
        raise ResLabError(f"--fit takes at most {MOST_DAYS}d")
    return seconds


def _sizes(given: Size, ask: Callable[[Size], Plan]) -> Iterator[Size]:
    """Yield the sizes to try, in order, without those this plan cannot have (a TOML study has its own recipe)."""
    seen: set[tuple[object, ...]] = set()
    most: int | None = None
    for size in _ladder(given):
        try:
            plan = ask(size)
        except ResLabError:
            if size == given:  # a mistake of the user's
                raise
            continue
        key = plan.runs()
        num_seeds = len({run.seed for run in key})
        most = num_seeds if most is None else most  # of the plan as requested: fewer may be chosen, not more
        if key not in seen and num_seeds <= most:
            seen.add(key)
            yield size


def _ladder(given: Size) -> Iterator[Size]:
    several = (given.seeds,) if given.seeds is not None else (None, FEWEST)
    yield from (Size(given.preset, given.epochs, seeds) for seeds in several)
    short = given.preset if given.preset is not None or given.epochs is not None else SHORT_RECIPE
    if short != given.preset:
        yield from (Size(short, None, seeds) for seeds in several)
    lengths: tuple[float | None, ...] = (
        (given.epochs,) if given.epochs is not None else (None, 12.0, 8.0, 4.0, 2.0, 1.0)
    )
    few = given.seeds or FEWEST
    presets = dict.fromkeys((short, given.preset))
    for preset in presets:
        yield from (Size(preset, length, few) for length in lengths[1:])
    if given.seeds is None:
        for preset in presets:
            yield from (Size(preset, length, 1) for length in lengths)
