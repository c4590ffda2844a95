"""Studies as values: a question and the runs that answer it; and plans of several studies."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from reslab.analysis.groups import Group, gather, on_same_images
from reslab.analysis.tables import Tables
from reslab.errors import ResLabError
from reslab.recipe import Recipe, Run, Scalar

OTHERS, OTHER_RUNS = "others", "other-runs"
"""Kind and name of the collection of runs that belong to no study; its variants may be on different images."""

PRESET, SEEDS = "assignment", 3
"""Defaults: the recipe that studies start from, and their number of seeds."""

TAKEN = (
    "appendix",
    "assignment",
    "chapter",
    "charts",
    "charts-hint",
    "contents",
    "opening",
    "pool",
    "the-results",
    "references",
    "start",
)
"""Reserved names: of a plan, of a file of words, and of other places in the report."""

JOINED = "+"
"""Joins the names of studies run by one command; no name contains it."""

MOST_LETTERS = 64
"""Most characters in the name of a study or plan."""

MOST_SEEDS = 10_000
"""Guards against a typo that requests more runs than fit in memory."""


@dataclass(frozen=True, slots=True)
class Options:
    """A user's overrides for a study or a plan; None leaves its own value."""

    preset: str | None = None
    datasets: tuple[str, ...] | None = None
    depths: tuple[int, ...] | None = None
    """For a plan, they replace its depths, in order."""
    epochs: float | None = None
    seeds: int | None = None
    precision: str | None = None
    """The default depends on the device: see `reslab.host.default_precision`."""
    recipe: tuple[tuple[str, Scalar], ...] = ()
    """Fields of the base recipe that differ from the preset's."""
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the things compared: a recipe, and what distinguishes it as (name, value) pairs.

    `seeds` are set where they differ from the study's.
    """

    label: str
    recipe: Recipe
    factors: tuple[tuple[str, Scalar], ...] = ()
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A question, the answer expected beforehand, and the variants and seeds that answer it.

    `kind` names the code that answers (see `reslab.studies.catalogue`); `diagnostics` are those of `reslab diagnose`
    that the answer uses, and `diagnostics_during` those of them also measured at the epochs whose weights were kept.
    Variants must have different labels and, except for `OTHERS`, different recipes; else `ResLabError` is raised.
    """

    name: str
    title: str
    question: str
    expectation: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    kind: str
    diagnostics: tuple[str, ...] = ()
    diagnostics_during: tuple[str, ...] = ()
    answers: bool = True
    """Whether the report gives answers, or leaves them to its reader, as a handout does."""

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not self.variants:
            raise ResLabError(f"the study {self.name} has no variants")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ResLabError(f"the study {self.name} needs one or more different seeds, not {list(self.seeds)}")
        for what, values in (
            ("label", [variant.label for variant in self.variants]),
            ("recipe", [variant.recipe.id for variant in self.variants if self.kind != OTHERS]),
        ):
            for value, times in Counter(values).items():
                if times > 1:
                    raise ResLabError(f"two variants of the study {self.name} have the same {what}: {value}")

    def runs(self) -> tuple[Run, ...]:
        """Return each run once, the first seed of every variant before the second seed of any."""
        return _seed_by_seed([self])

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """Return a variant's seeds: its own or the study's."""
        return self.seeds if variant.seeds is None else variant.seeds

    def first_runs(self) -> list[Run]:
        """Return the first seed of each variant, which is the one that is diagnosed."""
        return [Run(variant.recipe, self.seeds_of(variant)[0]) for variant in self.variants]

    def groups(self, tables: Tables) -> list[Group]:
        """Return a group for each variant, in order; where they are compared, all on the same images."""
        found = [gather(tables, variant.label, variant.recipe, self.seeds_of(variant)) for variant in self.variants]
        return found if self.kind == OTHERS else on_same_images(found)


@dataclass(frozen=True, slots=True)
class Plan:
    """One study, or several to be read together; runs that they share are trained once."""

    name: str
    title: str
    studies: tuple[Study, ...]

    def runs(self) -> tuple[Run, ...]:
        """Return each run once, the first seed of every variant before the second seed of any."""
        return _seed_by_seed(self.studies)

    def with_recipes(self, changed: Callable[[Recipe], Recipe]) -> Self:
        """Return the plan with each variant's recipe changed."""
        studies = [
            replace(study, variants=tuple(replace(one, recipe=changed(one.recipe)) for one in study.variants))
            for study in self.studies
        ]
        return replace(self, studies=tuple(studies))

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Return the plan with these seeds for every variant; raises `ResLabError` for invalid seeds."""
        if wrong := [seed for seed in seeds if type(seed) is not int or not 0 <= seed < 2**32]:
            raise ResLabError(f"seeds must be whole numbers from 0 to 4,294,967,295, not {wrong[0]!r}")
        studies = [
            replace(study, seeds=seeds, variants=tuple(replace(one, seeds=None) for one in study.variants))
            for study in self.studies
        ]
        return replace(self, studies=tuple(studies))

    @property
    def num_shared(self) -> int:
        """How many runs are saved by sharing them between studies."""
        return sum(len(study.runs()) for study in self.studies) - len(self.runs())


def checked_name(name: object) -> str:
    """Return a valid name for a study or plan, its file and its place in the report; else raise `ResLabError`."""
    if isinstance(name, str) and len(name) > MOST_LETTERS:
        raise ResLabError(f"name: at most {MOST_LETTERS} letters a to z, digits and hyphens, not {len(name)}")
    if isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    if name in (None, ""):
        raise ResLabError('name: missing; use letters a to z, digits and hyphens, as in "wide-batches"')
    raise ResLabError(f"name: letters a to z, digits and hyphens only, as in wide-batches; not {name!r}")


def _seed_by_seed(studies: Sequence[Study]) -> tuple[Run, ...]:
    asked = [(variant.recipe, study.seeds_of(variant)) for study in studies for variant in study.variants]
    rounds = max(len(seeds) for _, seeds in asked)
    runs = [Run(recipe, seeds[place]) for place in range(rounds) for recipe, seeds in asked if place < len(seeds)]
    return tuple(dict.fromkeys(runs))
