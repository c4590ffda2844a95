"""What is each deviation between the published recipes worth?  One change at a time from the base."""

import contextlib
from collections.abc import Collection, Iterator

from reslab.datasets import is_named
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Block, Heading, Prose, table_of
from reslab.exhibits.recipes import differences
from reslab.exhibits.wording import listing, number, opened, percent
from reslab.presets import PRESETS
from reslab.recipe import Recipe, Scalar, images_trained_on, vary
from reslab.studies.designs import bases, labelled, of_factor, study_of, where, with_base, with_network
from reslab.studies.findings import Findings
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import untested
from reslab.studies.study import PRESET, Options, Study
from reslab.studies.words import Words

DEPTHS = (20,)
BASE = "base"
EARLY = "drops an epoch earlier"
MUCH = 0.02
"""Share of a schedule from which on an epoch is more than the published recipes differ by."""
VARIED = ("normalisation", "shortcut", "padding", "initialisation", "nesterov", "weight_decay")
"""The fields in which the published recipes differ beside the schedule, each varied to the value of every other."""

UNSTATED = "left open by the paper"


def ask(options: Options) -> Study:
    """Return the study of the deviations as the options have it."""
    asked, preset = [], options.preset or PRESET
    for base in bases(options, DEPTHS):
        for label, whose, recipe in ((BASE, preset, base), *_changes(base)):
            asked.append((labelled([label], recipe), recipe, (*where(base), ("change", label), ("as_in", whose))))
    return study_of(QUESTION.name, options, asked, preset=preset)


def _changes(base: Recipe) -> Iterator[tuple[str, str, Recipe]]:
    """Yield label, whose recipe does so, and recipe, for each deviation that there is from the base."""
    published = {
        name: preset.recipe for name, preset in PRESETS.items() if preset.published and is_named(preset.recipe.dataset)
    }
    for field in VARIED:
        whose: dict[Scalar, list[str]] = {}
        for name, recipe in published.items():
            whose.setdefault(getattr(recipe, field), []).append(name)
        for value, names in whose.items():
            if value != getattr(base, field):
                with contextlib.suppress(ResLabError):  # images of the user's own are not measured to normalise them
                    yield _words(field, value), listing(names), vary(base, **{field: value})
    if base.decay_scope == "all":
        yield "decay on weights only", UNSTATED, vary(base, decay_scope="weights")
    if (epoch := _one(base)) is not None:
        with contextlib.suppress(ResLabError):  # a schedule of an epoch or two has no room for it
            early = vary(base, first_drop=base.first_drop - epoch, second_drop=base.second_drop - epoch)
            yield EARLY, "fb-resnet-torch", early
    if base.depth >= 110 and base.warmup == "none":
        yield "warm-up until the error is below 80%", "paper", vary(base, warmup="until-error")
    if base.warmup != "none":
        yield "no warm-up", "assignment", vary(base, warmup="none")


def _one(recipe: Recipe) -> float | None:
    """Return an epoch in the unit of the schedule; None for iterations on images whose number no name tells."""
    if recipe.schedule_unit == "epochs":
        return 1.0
    images = images_trained_on(recipe)
    return None if images is None else float(-(-images // recipe.batch_size))


def _words(field: str, value: Scalar) -> str:
    """Return a change in a few words, short enough to stand beside a chart."""
    name = {"normalisation": "input", "initialisation": "start", "weight_decay": "decay"}.get(field, field)
    if isinstance(value, bool):
        return ("" if value else "no ") + "Nesterov momentum"
    return f"{name} {number(value) if isinstance(value, int | float) else _NAMED.get(value, value)}"


_NAMED = {"imagenet": "ImageNet", "he-fan-in": "He fan-in", "he-fan-out": "He fan-out"}


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is the deviations' own in their chapter."""
    about = {variant.recipe: dict(variant.factors) for variant in study.variants}
    base = of_factor(study, "change", BASE)
    return Chapter(
        words=words,
        label=with_network(study, lambda group: str(about[group.recipe]["change"])),
        pairs=lambda groups: with_base(groups, base),
        exhibits=lambda found: _deviations(found, about, base),
        why=None,
        sections=_together,
        base=lambda group: group.recipe in base,
        ordered=False,
    )


QUESTION = Question(name="fidelity", ask=ask, chapter=chapter)


def _together(found: Findings) -> list[Block]:
    """Return how many deviations are shown to matter, and what one change at a time cannot say."""
    kinds = [one.test.kind for one in found.compared if one.test is not None]
    if not kinds or untested(found.compared):
        return []
    changed, equal = sum(kind in ("lower", "higher") for kind in kinds), kinds.count("equal")
    text = found.words("together.text", compared=len(kinds), changed=changed, equal=equal)
    return [Heading(found.words("together.heading")), Prose(text)]


def _deviations(found: Findings, about: dict[Recipe, dict[str, Scalar]], base: Collection[Recipe]) -> list[Block]:
    """Return what each change is, in words, and whose recipe does so, a row a change."""
    rows: dict[str, dict[str, str | None]] = {}
    for first, second in with_base(found.groups, base):
        change, apart = str(about[second.recipe]["change"]), differences(second.recipe, first.recipe, epochs_apart=0)
        row = {
            "Change": opened(change),
            "Changed": listing(here for _, here, _ in apart) or None,
            "Base": listing(there for *_, there in apart) or None,
            "As in": str(about[second.recipe]["as_in"]),
        }
        rows.setdefault(change, row)
    early = [recipe for recipe, factors in about.items() if factors["change"] == EARLY]
    shares = [epoch / recipe.length for recipe in early if (epoch := _one(recipe)) is not None]
    caption = found.words(
        "deviations.caption",
        share=percent(max(shares)) if shares and max(shares) >= MUCH else "",
        theirs=percent(1 / PRESETS["assignment"].recipe.length),  # which counts in epochs
    )
    words = found.words("deviations.title"), caption
    table = table_of("deviations", words, list(rows.values()), left=("Changed", "Base", "As in"))
    return [table] if table is not None else []
