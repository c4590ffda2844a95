"""What is each deviation between the published recipes worth?  One change at a time from the base."""

import contextlib
from collections.abc import Iterator

from reslab.analysis.groups import Group
from reslab.datasets import is_named
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Block, Column, Heading, Prose, Table
from reslab.exhibits.recipes import differences
from reslab.exhibits.wording import counted, listing, network_name, number, opened, percent, that_do
from reslab.presets import PRESETS
from reslab.recipe import Recipe, Scalar, images_trained_on, vary
from reslab.studies.designs import bases, labelled, study_of, where, with_base
from reslab.studies.findings import Findings
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import untested
from reslab.studies.study import Options, Study
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
    asked = []
    for base in bases(options, DEPTHS):
        for label, whose, recipe in ((BASE, options.preset, base), *_changes(base)):
            asked.append((labelled([label], recipe), recipe, (*where(base), ("change", label), ("as_in", whose))))
    return study_of(QUESTION.name, options, asked, preset=options.preset)


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
    base = {recipe for recipe, factors in about.items() if factors["change"] == BASE}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def label(group: Group) -> str:
        text = str(about[group.recipe]["change"])
        return f"{text}, {network_name(group.recipe)}" if many else text

    return Chapter(
        words=words,
        label=label,
        pairs=lambda groups: with_base(groups, base),
        exhibits=lambda found: [_deviations(found, about)],
        why=None,
        sections=_together,
        base=lambda group: group.recipe in base,
        ordered=False,
    )


QUESTION = Question(name="fidelity", ask=ask, chapter=chapter)


def _together(found: Findings) -> list[Block]:
    """Return how many deviations are shown to matter, and what one change at a time cannot say."""
    known = [one.test for one in found.compared if one.test is not None]
    if not known or untested(found.compared):
        return []
    changed = sum(verdict.resolved for verdict in known)
    equal = sum(verdict.kind == "equal" for verdict in known)
    text = found.words(
        "together.text",
        comparisons=counted(len(known), "comparison"),
        changed=that_do(changed, "shows", "show"),
        equal=that_do(equal, "shows", "show"),
        rest=that_do(len(known) - changed - equal, "is", "are"),
    )
    return [Heading(found.words("together.heading")), Prose(text)]


def _deviations(found: Findings, about: dict[Recipe, dict[str, Scalar]]) -> Table:
    """Return what each change is, in words, and whose recipe does so, a row a change."""
    rows: dict[str, tuple[str | None, ...]] = {}
    for first in found.groups:
        for group in found.groups:
            change = str(about[group.recipe]["change"])
            same = (group.recipe.dataset, group.recipe.depth) == (first.recipe.dataset, first.recipe.depth)
            if about[first.recipe]["change"] == BASE and same and change != BASE:
                apart = differences(group.recipe, first.recipe, epochs_apart=0)
                here, there = (listing(one[place] for one in apart) or None for place in (1, 2))
                rows.setdefault(change, (opened(change), here, there, str(about[group.recipe]["as_in"])))
    columns = ("Change", "Changed", "Base", "As in")
    caption = "  ".join([found.words("deviations.caption"), *_share_of_an_epoch(about, found.words)])
    titles = tuple(Column(name, "left") for name in columns)
    return Table("deviations", found.words("deviations.title"), caption, titles, tuple(rows.values()))


def _share_of_an_epoch(about: dict[Recipe, dict[str, Scalar]], words: Words) -> list[str]:
    """Return how much of these schedules an epoch is, where that is far more than of the published ones."""
    early = [recipe for recipe, factors in about.items() if factors["change"] == EARLY]
    shares = {epoch / recipe.length for recipe in early if (epoch := _one(recipe)) is not None}
    if not shares or max(shares) < MUCH:
        return []
    theirs = percent(1 / PRESETS["assignment"].recipe.length)  # which counts in epochs
    return [words("deviations.epoch", share=percent(max(shares)), theirs=theirs)]
