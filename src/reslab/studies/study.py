"""A study is a question and the runs that answer it, as values."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from reslab.analysis.groups import Group, gather, on_same_images
from reslab.analysis.tidy import Tables
from reslab.errors import ResLabError
from reslab.recipe import Recipe, Run, Scalar

OTHERS, OTHER_RUNS = "others", "other-runs"
"""Kind and name of what is no question but a gathering: runs of no study, each variant on images of its own."""

PRESET, SEEDS = "assignment", 3
"""The recipe that studies start from, and how many seeds they have, where nothing else is said."""

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
"""Reserved names: a plan's, a file of words', and other places in the report."""

JOINED = "+"
"""Between the names of what one command asks together, which no name has."""

MOST_LETTERS = 64
"""In the name of a study or plan."""

MOST_SEEDS = 10_000
"""A slip of the hand could ask for more runs than there is memory to list."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user says of a study or a plan, in place of what it says itself; None where nothing is said."""

    preset: str | None = None
    datasets: tuple[str, ...] | None = None
    depths: tuple[int, ...] | None = None
    """Of a plan, they stand for its depths, in order."""
    epochs: float | None = None
    seeds: int | None = None
    precision: str | None = None
    """Where none is given or written, it is that of the device: see `reslab.host.default_precision`."""
    recipe: tuple[tuple[str, Scalar], ...] = ()
    """Fields of the base recipe that are other than the preset's."""
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the things compared: a recipe, and what is particular about it as (name, value) pairs.

    `seeds` are its own where they are not the study's.
    """

    label: str
    recipe: Recipe
    factors: tuple[tuple[str, Scalar], ...] = ()
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A question, what was expected before it was asked, and the variants and seeds that answer it.

    `kind` names the code that answers (see `reslab.studies.catalogue`); `diagnostics` are those of
    `reslab diagnose` that the answer rests on, `diagnostics_during` those of them that are measured at the epochs whose
    weights were kept, too.  Variants have different labels and, but for `OTHERS`, different recipes;
    anything else raises `ResLabError`.
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
    """Whether the report answers, or leaves that to its reader, as a handout does."""

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
        """Return each run once, one seed of everything before the second seed of anything."""
        return _seed_by_seed([self])

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """Return the seeds of a variant: its own or the study's."""
        return self.seeds if variant.seeds is None else variant.seeds

    def first_runs(self) -> list[Run]:
        """Return the first seed of each variant, which is the one that is diagnosed."""
        return [Run(variant.recipe, self.seeds_of(variant)[0]) for variant in self.variants]

    def groups(self, tables: Tables) -> list[Group]:
        """Return what there is of each variant, in order; where they are compared, all on the same images."""
        found = [gather(tables, variant.label, variant.recipe, self.seeds_of(variant)) for variant in self.variants]
        return found if self.kind == OTHERS else on_same_images(found)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one command asks: one study, or several that are to be read together; runs that they share train once."""

    name: str
    title: str
    studies: tuple[Study, ...]

    def runs(self) -> tuple[Run, ...]:
        """Return each run once, one seed of everything before the second seed of anything."""
        return _seed_by_seed(self.studies)

    def with_recipes(self, changed: Callable[[Recipe], Recipe]) -> Self:
        """Return the plan with each variant's recipe changed."""
        studies = [
            replace(study, variants=tuple(replace(one, recipe=changed(one.recipe)) for one in study.variants))
            for study in self.studies
        ]
        return replace(self, studies=tuple(studies))

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Return the plan with these seeds of every variant; raises `ResLabError` for what can be none."""
        if wrong := [seed for seed in seeds if type(seed) is not int or not 0 <= seed < 2**32]:
            raise ResLabError(f"seeds must be whole numbers from 0 to 4,294,967,295, not {wrong[0]!r}")
        studies = [
            replace(study, seeds=seeds, variants=tuple(replace(one, seeds=None) for one in study.variants))
            for study in self.studies
        ]
        return replace(self, studies=tuple(studies))

    @property
    def num_shared(self) -> int:
        """How many runs are saved because studies share them."""
        return sum(len(study.runs()) for study in self.studies) - len(self.runs())


def checked_name(name: object) -> str:
    """Return the name of a study or plan, of a file and a place in the report; anything else raises `ResLabError`."""
    if isinstance(name, str) and len(name) > MOST_LETTERS:
        raise ResLabError(f"name: {MOST_LETTERS} letters a to z, digits and hyphens at most, not {len(name)}")
    if isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    if name in (None, ""):
        raise ResLabError(
            'name: missing; give the study one of letters a to z, digits and hyphens, as in "wide-batches"'
        )
    raise ResLabError(f"name: letters a to z, digits and hyphens only, as in wide-batches; not {name!r}")


def _seed_by_seed(studies: Sequence[Study]) -> tuple[Run, ...]:
    asked = [(variant.recipe, study.seeds_of(variant)) for study in studies for variant in study.variants]
    rounds = max(len(seeds) for _, seeds in asked)
    runs = [Run(recipe, seeds[place]) for place in range(rounds) for recipe, seeds in asked if place < len(seeds)]
    return tuple(dict.fromkeys(runs))
