"""What does the number of images do?  The assignment's section 6; and what makes CIFAR-100 hard: images or classes."""

from collections.abc import Iterator, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Column, Heading, Prose, Table
from reslab.exhibits.curve_rows import IMAGES_SEEN
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.finals import marks
from reslab.exhibits.windows import beside_table, window_table
from reslab.exhibits.wording import dataset_name, network_name, opened, points, settings, whole
from reslab.published import Published, published
from reslab.recipe import Recipe, vary
from reslab.studies.against_published import not_comparable
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import in_sentences
from reslab.studies.designs import Factors, base_recipe, bases, labelled, lengthened, seeds, variants, where
from reslab.studies.images_and_classes import PASSES, SAMPLES, across, amount, images_or_classes, samples_or_passes
from reslab.studies.study import Options, Study
from reslab.studies.two_datasets import HUNDRED
from reslab.studies.verdicts import why_not_comparable

NAME = "data-size"
DEPTHS = (56,)
SHARES = {0.5: "1/2", 0.2: "1/5"}
COARSE = "cifar100-coarse"
FEW = 0.1
"""Share of CIFAR-10 that has as many images of a class as CIFAR-100: 500."""


def ask(options: Options) -> Study:
    """Return the study of the number of images as the options have it."""
    asked = [one for base in bases(options, DEPTHS) for one in _of(options, base)]
    question = (
        "How do the errors change with a half and a fifth of the training images, at as many samples seen and at as "
        "many passes?"
    )
    expectation = (
        "fewer images give higher test errors and lower training errors, and the training errors are the lower "
        "the more often each image is seen."
    )
    if any(recipe.dataset == HUNDRED for _, recipe, _ in asked):
        question += "  And is CIFAR-100 harder for its classes, or for its few images of each?"
        expectation += "  The assignment supposes that CIFAR-100 is harder because it has fewer images of each class."
    return Study(
        name=NAME,
        title="What does the number of images do?",
        question=question,
        expectation=expectation,
        variants=variants(asked),
        seeds=seeds(options),
        kind=NAME,
        diagnostics=("gap",),
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's chapter on the number of images."""
    return write(study, tables, _chapter(study))


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set."""
    return in_short(study, tables, _chapter(study))


def _of(options: Options, base: Recipe) -> Iterator[tuple[str, Recipe, Factors]]:
    yield labelled(["all images"], base), base, (*where(base), ("share", 1.0))
    for share, name in SHARES.items():
        for kept in (SAMPLES, PASSES):
            recipe = cut(base, share, kept)
            yield (
                labelled([f"{name} of the images ({kept})"], recipe),
                recipe,
                (*where(base), ("share", share), ("kept", kept)),
            )
    if base.dataset == "cifar10":
        recipe = cut(base, FEW, SAMPLES)
        text = f"1/10 of the images ({SAMPLES})"
        yield labelled([text], recipe), recipe, (*where(base), ("share", FEW), ("kept", SAMPLES))
    if base.dataset == HUNDRED:
        recipe = base_recipe(options, COARSE, base.depth)
        yield labelled(["all images"], recipe), recipe, (*where(recipe), ("share", 1.0))


def cut(base: Recipe, share: float, kept: str) -> Recipe:
    """Return the recipe on a share of the images, its schedule such that samples, or passes, are as many as before."""
    recipe = vary(base, train_share=share)
    in_epochs = base.schedule_unit == "epochs"
    if kept == SAMPLES:
        return lengthened(recipe, 1 / share) if in_epochs else recipe
    return recipe if in_epochs else lengthened(recipe, share)


def _chapter(study: Study) -> Chapter:
    kept_by = {variant.recipe: str(dict(variant.factors).get("kept", SAMPLES)) for variant in study.variants}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def kept(group: Group) -> str:
        return kept_by[group.recipe]

    def label(group: Group) -> str:
        text = "all images" if group.recipe.train_share == 1 else f"{share_name(group)} ({kept(group)})"
        return f"{text}, {network_name(group.recipe)}" if many else text

    def pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
        found = []
        for first in groups:
            for second in groups:
                here, there = first.recipe, second.recipe
                if (here.dataset, here.depth) != (there.dataset, there.depth) or second is first:
                    continue
                part_of_all = here.train_share == 1 > there.train_share
                both_ways = here.train_share == there.train_share and (kept(first), kept(second)) == (SAMPLES, PASSES)
                if part_of_all or both_ways:
                    found.append((first, second))
        return found + across(groups)

    def results(groups: Sequence[Group]) -> list[Block]:
        shared = [group for group in groups if group.recipe.dataset != COARSE]  # superclasses have all images only
        figure = factor_figure(
            "final",
            shared if any(group.has_result for group in shared) else groups,
            Axis("Share of the training images", share_name, lambda group: _series(group, kept(group), many)),
            () if many else marks(_published(groups), lambda one: _NAMES[one.train_share or 1.0]),
            ("test", "train"),
        )
        blocks: list[Block] = [_amounts("amounts", groups), *([figure] if figure is not None else [])]
        for dataset in datasets_of(groups):
            own, theirs = on_dataset(groups, dataset), [one for one in _published(groups) if one.dataset == dataset]
            tables = (
                beside_table(f"final-{dataset}", own, theirs, label, heading="Images", matches=_same),
                window_table(f"window-{dataset}", own, [], label, heading="Images"),
            )
            blocks += [table for table in tables if table is not None]
        return blocks

    def short(done: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
        shares = [
            one
            for one in compared
            if one.second.recipe.train_share < one.first.recipe.train_share == 1
            and one.second.recipe.dataset == one.first.recipe.dataset
        ]
        return in_sentences(done, shares, label)

    def answered(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
        blocks = [*amount(done, compared, label), *samples_or_passes(done, compared, label, kept_by)]
        blocks += images_or_classes(done, compared) if any(recipe.dataset == HUNDRED for recipe in kept_by) else []
        return [*blocks, Heading("How do the results compare with the assignment's?", 4), *_beside(done)]

    return Chapter(label=label, pairs=pairs, results=results, short=short, answers=answered, along=IMAGES_SEEN)


_NAMES = {1.0: "all", **SHARES, FEW: "1/10"}


def share_name(group: Group) -> str:
    """Return a group's share of the training images as a fraction."""
    return _NAMES[group.recipe.train_share]


def _series(group: Group, kept: str, many: bool) -> str:
    return f"{kept}, {network_name(group.recipe)}" if many else kept


def _amounts(key: str, groups: Sequence[Group]) -> Table:
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
    caption = (
        "The training images of each variant: the shares are drawn evenly from each class, the smaller inside the "
        "larger."
    )
    return Table(key, "Training images", caption, columns, tuple(shown))


def _published(groups: Sequence[Group]) -> list[Published]:
    """Return the assignment's figures for the data sets whose training on all images may be compared with."""
    whole_sets = {group.recipe.dataset for group in groups if why_not_comparable(group) is None}
    known = [one for dataset in datasets_of(groups) for one in published(dataset=dataset, varying="train_share")]
    return [one for one in known if one.dataset in whole_sets]


def _same(group: Group, one: Published) -> bool:
    return one.train_share == group.recipe.train_share


def _beside(done: Sequence[Group]) -> list[Block]:
    known = _published(done)
    items = []
    for group in done:
        for one in known:
            mean = group.last_epoch("test_error").mean
            if _same(group, one) and one.dataset == group.recipe.dataset and mean is not None:
                items.append(f"{opened(group.label)}: {points(mean)}, the assignment's {points(one.error)}.")
    if not items:
        return not_comparable([group for group in done if group.recipe.train_share == 1] or done)
    lead = (
        "Last-epoch test error in percent.  The assignment states neither depth nor epoch, nor whether fewer images "
        "were seen more often; its errors on all images are about those of its ResNet-56."
    )
    return [Prose(lead), Bullets(tuple(items))]
