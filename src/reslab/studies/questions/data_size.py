"""What does the number of images do?  The assignment's section 6; and what makes CIFAR-100 hard: images or classes."""

from collections.abc import Iterator

from reslab.analysis.groups import Group, datasets_of
from reslab.exhibits.blocks import Block, Column, Table
from reslab.exhibits.curve_rows import IMAGES_SEEN
from reslab.exhibits.factor_rows import Axis
from reslab.exhibits.wording import dataset_name, network_name, settings, whole
from reslab.published import Published, published
from reslab.recipe import Recipe, vary
from reslab.studies.answers import Answer, by_base
from reslab.studies.comparable import why_not_comparable
from reslab.studies.designs import HUNDRED, Factors, base_recipe, bases, labelled, lengthened, study_of, where
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.images_and_classes import (
    COARSE,
    EARLIER,
    EPOCHS,
    STEPS,
    images_or_classes,
    reasons_for_fewer,
    samples_or_passes,
    shares_of_all,
)
from reslab.studies.question import Chapter, Question
from reslab.studies.study import Options, Study
from reslab.studies.words import Words, words_of

DEPTHS = (56,)
SHARES = {0.5: "1/2", 0.2: "1/5"}
FEW = 0.1
"""Share of CIFAR-10 that has as many images of a class as CIFAR-100: 500."""
_NAMES = {1.0: "all", **SHARES, FEW: "1/10"}


def ask(options: Options) -> Study:
    """Return the study of the number of images as the options have it."""
    asked = [one for base in bases(options, DEPTHS) for one in _of(options, base)]
    words, hundred = words_of(QUESTION.name), any(recipe.dataset == HUNDRED for _, recipe, _ in asked)
    return study_of(
        QUESTION.name,
        options,
        asked,
        diagnostics=("gap",),
        also_asked=words("also-asked") if hundred else "",
        also_expected=words("also-expected") if hundred else "",
    )


def _of(options: Options, base: Recipe) -> Iterator[tuple[str, Recipe, Factors]]:
    yield labelled(["all images"], base), base, (*where(base), ("share", 1.0))
    for share, name in SHARES.items():
        for kept in (STEPS, EPOCHS):
            recipe = cut(base, share, kept)
            label = labelled([f"{name} of the images ({kept})"], recipe)
            yield label, recipe, (*where(base), ("share", share), ("kept", kept))
    if base.dataset == "cifar10":
        recipe = cut(base, FEW, STEPS)
        text = f"1/10 of the images ({STEPS})"
        yield labelled([text], recipe), recipe, (*where(base), ("share", FEW), ("kept", STEPS))
    if base.dataset == HUNDRED:
        recipe = base_recipe(options, COARSE, base.depth)
        yield labelled(["all images"], recipe), recipe, (*where(recipe), ("share", 1.0))


def cut(base: Recipe, share: float, kept: str) -> Recipe:
    """Return the recipe on a share of the images, its schedule such that samples, or passes, are as many as before."""
    recipe = vary(base, train_share=share)
    in_epochs = base.schedule_unit == "epochs"
    if kept == STEPS:
        return lengthened(recipe, 1 / share) if in_epochs else recipe
    return recipe if in_epochs else lengthened(recipe, share)


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is the number of images' own in its chapter."""
    known = {variant.recipe: str(dict(variant.factors).get("kept", STEPS)) for variant in study.variants}
    kept_by = {recipe: EARLIER.get(kept, kept) for recipe, kept in known.items()}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def kept(group: Group) -> str:
        return kept_by[group.recipe]

    def label(group: Group) -> str:
        text = "all images" if group.recipe.train_share == 1 else f"{share_name(group)} ({kept(group)})"
        return f"{text}, {network_name(group.recipe)}" if many else text

    def pairs(groups: Groups) -> Pairs:
        found = []
        for first in groups:
            for second in groups:
                here, there = first.recipe, second.recipe
                if (here.dataset, here.depth) != (there.dataset, there.depth) or second is first:
                    continue
                part_of_all = here.train_share == 1 > there.train_share
                both_ways = here.train_share == there.train_share and (kept(first), kept(second)) == (STEPS, EPOCHS)
                if part_of_all or both_ways:
                    found.append((first, second))
        return found

    def series(group: Group) -> str:
        text = "20 superclasses" if group.recipe.dataset == COARSE else kept(group)
        return f"{text}, {network_name(group.recipe)}" if many else text

    def answers(found: Findings) -> list[Answer]:
        return by_base(found, shares_of_all(found.compared))

    def sections(found: Findings) -> list[Block]:
        blocks = samples_or_passes(found, kept_by)
        return blocks + (
            images_or_classes(found, kept_by) if any(recipe.dataset == HUNDRED for recipe in kept_by) else []
        )

    return Chapter(
        words=words,
        label=label,
        pairs=pairs,
        axis=Axis(words("axis"), share_name, series),
        readings=("test", "train"),
        published=_published,
        place=lambda one: _NAMES.get(one.train_share or 1.0, ""),
        matches=lambda group, one: (
            (one.dataset, one.train_share) == (group.recipe.dataset, group.recipe.train_share) and kept(group) == STEPS
        ),
        answers=answers,
        exhibits=lambda found: [_amounts("amounts", found.groups)],
        why=reasons_for_fewer,
        sections=sections,
        along=IMAGES_SEEN,
    )


QUESTION = Question(name="data-size", ask=ask, chapter=chapter)


def share_name(group: Group) -> str:
    """Return a group's share of the training images as a fraction."""
    return _NAMES[group.recipe.train_share]


def _amounts(key: str, groups: Groups) -> Table:
    """Return how many images there are, in all and of each class, by data set and share."""
    known: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for group in groups:
        place = (dataset_name(group.recipe.dataset), share_name(group))
        if None in known.get(place, (None,)):
            known[place] = group.number("num_train"), group.number("num_classes")
    of_each = settings(
        [round(images / classes, 1) if images and classes else None for images, classes in known.values()]
    )
    rows = [
        (*place, whole(images), whole(classes), each)
        for (place, (images, classes)), each in zip(known.items(), of_each, strict=True)
    ]
    columns = (Column("Data set", "left"), *map(Column, ("Share", "Images", "Classes", "Images of a class")))
    several = len(datasets_of(groups)) > 1
    columns, shown = (columns, rows) if several else (columns[1:], [row[1:] for row in rows])
    caption = "Training images of each share, drawn evenly from each class; each share contains the smaller ones."
    return Table(key, "Training images", caption, columns, tuple(shown))


def _published(groups: Groups) -> list[Published]:
    """Return the assignment's figures for the data sets whose training on all images may be compared with."""
    whole_sets = {group.recipe.dataset for group in groups if why_not_comparable(group) is None}
    known = [one for dataset in datasets_of(groups) for one in published(dataset=dataset, varying="train_share")]
    return [one for one in known if one.dataset in whole_sets]
