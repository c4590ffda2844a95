"""Two recipes, or two runs, compared: the difference, what it supports, and how the recipes differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reslab.analysis.comparisons import Compared
from reslab.analysis.comparisons import compare as compared
from reslab.analysis.groups import Group, gather, on_same_images
from reslab.analysis.tables import Tables
from reslab.errors import ResLabError
from reslab.exhibits.recipes import aspects
from reslab.exhibits.sizes import NOT_SIGNIFICANT, size
from reslab.exhibits.wording import interval, number, seeds_named, signed, spread
from reslab.naming import recipe_name
from reslab.recipe import Recipe, differing_fields
from reslab.recipe import Run as RecipeRun
from reslab.session.display import Bundle, bundle, html_table, text_table
from reslab.session.remarks import remarks
from reslab.session.run import Run, tables_of

_VERDICTS = {"lower": "lower", "higher": "higher", "equal": "equal", "open": NOT_SIGNIFICANT, "unknown": "no verdict"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second against the first: last-epoch test errors in percent, differences in points, second minus first.

    `verdict` is lower or higher (the second's error, significant at the 5% level after correction for the number of
    comparisons), equal (shown to differ by less than 0.5 points), not significant, or no verdict (the spread of seeds
    is unknown).  `interval` is at 95%, or at 90% where the verdict is equal; None where the spread is unknown.
    """

    compared: Compared
    recipes_differ: tuple[tuple[str, str, str], ...]
    """What differs in the recipes: (aspect, first, second)."""
    remarks: tuple[str, ...]
    """What this comparison can and cannot say, in sentences."""

    @property
    def first(self) -> Group:
        """The runs of the baseline."""
        return self.compared.first

    @property
    def second(self) -> Group:
        """The runs compared with the baseline."""
        return self.compared.second

    @property
    def difference(self) -> float:
        """Points by which the mean test error of the second is higher."""
        assert self.compared.test is not None
        return self.compared.test.difference.value

    @property
    def interval(self) -> tuple[float, float] | None:
        """Ends of the difference's interval, in points; the interval agrees with the verdict.

        It is at 95%, corrected as p is, or at 90% where both are shown to be equal (see `analysis.verdicts`).
        """
        assert self.compared.test is not None
        return self.compared.test.ends

    @property
    def verdict(self) -> str:
        """What the difference supports, in a word or two."""
        assert self.compared.test is not None
        return _VERDICTS[self.compared.test.kind]

    @property
    def p(self) -> float | None:
        """Two-sided p, corrected for the number of comparisons; None where the spread is unknown."""
        assert self.compared.test is not None
        return self.compared.test.adjusted

    def to_mapping(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        return {
            "first": _side(self.first),
            "second": _side(self.second),
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "verdict": self.verdict,
            "p": self.p,
            "recipes_differ": [
                {"aspect": aspect, "first": here, "second": there} for aspect, here, there in self.recipes_differ
            ],
            "remarks": list(self.remarks),
        }

    @property
    def words(self) -> str:
        """The difference with its interval, in a clause that follows the verdict."""
        assert self.compared.test is not None
        found = self.compared.test
        small = f", shown to be under {number(found.margin)} points" if found.within else ""
        return f"{size(found)}{small}"

    def rows(self) -> list[list[str | None]]:
        """Return a row for each side and one for the difference: name, seeds, test error, training error."""
        sides = [
            [group.label, str(summary.n), spread(summary), spread(group.last_epoch("train_error"))]
            for group in (self.first, self.second)
            for summary in (group.last_epoch("test_error"),)
        ]
        return [*sides, ["difference", None, signed(self.difference), None]]

    def __repr__(self) -> str:
        differ = text_table("What differs in the recipes", ("", "first", "second"), self.recipes_differ)
        parts = [text_table("Test error, last epoch", _COLUMNS, self.rows()), self._verdict_line()]
        return "\n\n".join([*parts, *([differ] if self.recipes_differ else [_SAME_RECIPE]), *self.remarks])

    def _verdict_line(self) -> str:
        assert self.compared.test is not None
        reach = interval(self.interval)
        level = 90 if self.compared.test.kind == "equal" else 95
        known = f"{level}% interval {reach} points" if reach else "no interval"
        return f"Verdict: {self.verdict} ({known})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        errors = html_table("Test error, last epoch", _COLUMNS, self.rows(), [self._verdict_line(), *self.remarks])
        differ = html_table("What differs in the recipes", ("", "first", "second"), self.recipes_differ)
        return bundle(repr(self), errors + (differ if self.recipes_differ else ""))


_COLUMNS = ("", "seeds", "test error (%)", "training error (%)")
_SAME_RECIPE = "The recipes are the same; only the seeds differ."


def compare_sides(pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]) -> list[Comparison]:
    """Compare pairs of sides, each some runs of one recipe; Holm's correction is over all of these pairs.

    The spread of seeds is estimated from all runs in their folders.  Raises `ResLabError` where a side has no finished
    run or several recipes, or where two sides were trained on different images.
    """
    tables = tables_of({run.path: run for pair in pairs for side in pair for run in side}.values(), whole=True)
    return compare_in(
        tables, [([run.asked for run in first], [run.asked for run in second]) for first, second in pairs]
    )


def compare_in(tables: Tables, pairs: Sequence[tuple[Sequence[RecipeRun], Sequence[RecipeRun]]]) -> list[Comparison]:
    """Compare pairs of sides as `compare_sides` does, using the tables of all runs in a folder."""
    groups = [tuple(_group(tables, side) for side in pair) for pair in pairs]
    checked = [_checked(first, second) for first, second in groups]
    return [_comparison(one) for one in compared(checked)]


def of_compared(found: Sequence[Compared]) -> list[Comparison]:
    """Return the comparisons of a study, without those in which one side has no result."""
    return [_comparison(one) for one in found if one.test is not None]


def _group(tables: Tables, side: Sequence[RecipeRun]) -> Group:
    if not side:
        raise ResLabError("there is no run to compare")
    recipes = {run.recipe.id: run.recipe for run in side}
    if len(recipes) > 1:
        fields = differing_fields(list(recipes.values()))
        raise ResLabError(
            f"one side has runs of {len(recipes)} recipes ({', '.join(recipes)}), which differ in {', '.join(fields)}; "
            f"compare one recipe with another, as in runs.filter({fields[0]}={getattr(side[0].recipe, fields[0])!r})"
        )
    recipe: Recipe = side[0].recipe
    seeds = sorted({run.seed for run in side})
    name = recipe_name(recipe) + (f", seed {seeds[0]}" if len(seeds) == 1 else "")
    group = gather(tables, name, recipe, seeds)
    if not group.has_result:
        known = dict(group.runs.select("run_id", "status").iter_rows())
        states = ", ".join(f"{run.id} is {known.get(run.id, 'pending')}" for run in side)
        raise ResLabError(f"{recipe_name(recipe)} has no test error to compare: {states}")
    return group


def _checked(first: Group, second: Group) -> tuple[Group, Group]:
    if first.recipe.dataset != second.recipe.dataset:
        raise ResLabError(
            f"{first.recipe.id} is trained on {first.recipe.dataset}, {second.recipe.id} on {second.recipe.dataset}: "
            "errors on different images cannot be compared"
        )
    if first.recipe == second.recipe and (both := sorted({*first.seeds} & {*second.seeds})):
        which = f"{seeds_named(both)} of {first.recipe.id}"
        if first.seeds == second.seeds:
            raise ResLabError(f"both sides are the same runs, {which}: there is nothing to compare")
        raise ResLabError(f"both sides have {which}: a run cannot be compared with itself; leave it out of one side")
    first, second = on_same_images([first, second])
    for group in (first, second):
        if not group.has_result:
            raise ResLabError(
                f"the runs of {group.recipe.id} were trained on different images of {group.recipe.dataset} from the "
                "others, as the fingerprints in provenance.json show: their errors cannot be compared"
            )
    return first, second


def _comparison(one: Compared) -> Comparison:
    assert one.test is not None
    first, second = one.first.recipe, one.second.recipe
    here, there = aspects(first), aspects(second)
    described = [(aspect, here[aspect] or "none", there[aspect] or "none") for aspect in here]
    return Comparison(one, tuple(row for row in described if row[1] != row[2]), remarks(one))


def _side(group: Group) -> dict[str, Any]:
    summary = group.last_epoch("test_error")
    return {
        "recipe": group.recipe.id,
        "name": group.label,
        "seeds": list(group.seeds),
        "num_finished": summary.n,
        "test_error": summary.mean,
        "standard_deviation": summary.sd,
    }
