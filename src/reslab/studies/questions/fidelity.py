"""How much does each deviation between the published recipes matter?  One change at a time from the base."""

import contextlib
from collections.abc import Iterator, Mapping

from reslab.analysis.reasons import resolved, untested
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Heading, Prose, Table, table_of
from reslab.exhibits.recipes import differences
from reslab.exhibits.wording import listing, opened, percent
from reslab.presets import PRESETS, published_values
from reslab.recipe import Recipe, Scalar, an_epoch_of, vary
from reslab.studies.designs import bases, of_factor, study_of, with_base, with_network
from reslab.studies.findings import Findings
from reslab.studies.question import Blocks, Chapter, Question
from reslab.studies.study import PRESET, Options, Study
from reslab.studies.words import Words, words_of

DEPTHS = (20,)
BASE = "base"
EARLY = "drops an epoch earlier"
MUCH = 0.02
"""Share of a schedule at which one epoch is more than the published recipes differ by."""


def ask(options: Options) -> Study:
    """Return the study of the deviations under these options."""
    preset = options.preset or PRESET
    asked = [
        (label, recipe, {"change": label, "as_in": whose})
        for base in bases(options, DEPTHS)
        for label, whose, recipe in ((BASE, preset, base), *_changes(base))
    ]
    return study_of(QUESTION.name, options, asked, preset=preset)


def _changes(base: Recipe) -> Iterator[tuple[str, str, Recipe]]:
    """Yield the label, the sources that use it, and the recipe of each deviation from the base.

    The words have a table [change] of the fields, besides the schedule, in which published recipes differ: each is
    changed to every other published value.
    """
    words = words_of(QUESTION.name)
    for field in words.under("change"):
        for value, names in published_values(field).items():
            if value != getattr(base, field):
                with contextlib.suppress(ResLabError):  # the user's own images have no statistics for normalisation
                    yield words(f"change.{field}", value=value), listing(names), vary(base, **{field: value})
    if base.decay_scope == "all":
        yield "decay on weights only", "left open by the paper", vary(base, decay_scope="weights")
    if (epoch := an_epoch_of(base)) is not None:
        with contextlib.suppress(ResLabError):  # a schedule of an epoch or two is too short for it
            early = vary(base, first_drop=base.first_drop - epoch, second_drop=base.second_drop - epoch)
            yield EARLY, "fb-resnet-torch", early
    if base.depth >= 110 and base.warmup == "none":
        yield "warm-up until the error is below 80%", "paper", vary(base, warmup="until-error")
    if base.warmup != "none":
        yield "no warm-up", "assignment", vary(base, warmup="none")


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on the deviations."""
    about = {variant.recipe: dict(variant.factors) for variant in study.variants}
    base = of_factor(study, "change", BASE)
    return Chapter(
        words=words,
        label=with_network(study, lambda group: str(about[group.recipe]["change"])),
        pairs=with_base(study, "change", BASE),
        exhibits=lambda found: [_deviations(found, about)],
        why=None,
        sections=_together,
        base=lambda group: group.recipe in base,
        ordered=False,
    )


QUESTION = Question(name="fidelity", ask=ask, chapter=chapter)


def _together(found: Findings) -> Blocks:
    """Return how many deviations are shown to matter, and what one change at a time cannot say."""
    kinds = [one.kind for one in found.compared if one.kind]
    if not kinds or untested(found.compared):
        return []
    counts = {"changed": len(resolved(found.compared)), "equal": kinds.count("equal"), "compared": len(kinds)}
    return [Heading(found.words("together.heading")), Prose(found.words("together.text", **counts))]


def _deviations(found: Findings, about: Mapping[Recipe, Mapping[str, Scalar]]) -> Table | None:
    """Return a table of the changes, a row each, with the recipes that use them."""
    rows: dict[str, dict[str, str | None]] = {}
    for one in found.compared:
        factors = about[one.second.recipe]
        apart = differences(one.second.recipe, one.first.recipe, epochs_apart=0)
        row = {
            "Change": opened(str(factors["change"])),
            "Changed": listing(here for _, here, _ in apart) or None,
            "Base": listing(there for *_, there in apart) or None,
            "As in": str(factors["as_in"]),
        }
        rows.setdefault(row["Change"] or "", row)
    early = [recipe for recipe, factors in about.items() if factors["change"] == EARLY]
    shares = [epoch / recipe.length for recipe in early if (epoch := an_epoch_of(recipe)) is not None]
    caption = found.words(
        "deviations.caption",
        share=percent(max(shares)) if shares and max(shares) >= MUCH else "",
        theirs=percent(1 / PRESETS["assignment"].recipe.length),  # its length is in epochs
    )
    titled = found.words("deviations.title"), caption
    return table_of("deviations", titled, list(rows.values()), left=("Changed", "Base", "As in"))
