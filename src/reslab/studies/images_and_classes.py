"""Is CIFAR-100 harder for its classes, or for its few images of each?  A table of both, and what each of them costs."""

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Column, Heading, Prose, Table
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import network_name, over_seeds, spread, whole, with_n
from reslab.studies.designs import HUNDRED, TEN
from reslab.studies.findings import Groups
from reslab.studies.reasons import untested
from reslab.studies.sentences import shown
from reslab.studies.words import Words

COARSE = "cifar100-coarse"
DESIGN = (TEN, COARSE, HUNDRED)
"""Data sets of 10, 20 and 100 classes with 50,000 images each."""


def images_or_classes(done: Groups, words: Words) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100: classes by images of each, and what each of the two costs."""
    heading, datasets = Heading(words("hard.heading")), {group.recipe.dataset for group in done}
    if HUNDRED not in datasets or len(datasets) == 1:
        return [heading, Prose(words("hard.unfinished"))]
    of_all = [group for group in done if group.recipe.dataset == HUNDRED and group.recipe.train_share == 1]
    told = [Prose(text) for group in of_all if (text := _effects(group, done, words))]
    return [heading, *told, design_table("design", done, words), Prose(words("hard.caution"))]


def design_table(key: str, groups: Groups, words: Words) -> Table:
    """Return the test errors of each number of classes by images of each class; None in a cell that was not run."""
    cells = {(group.recipe.dataset, network_name(group.recipe), of_each(group)): group for group in groups}
    amounts = sorted({amount for *_, amount in cells if amount}, reverse=True)
    places = sorted({place[:2] for place in cells}, key=lambda place: (DESIGN.index(place[0]), place[1]))
    even, many = len({group.num_finished for group in groups}) == 1, len({name for _, name in places}) > 1
    rows: list[tuple[str | None, ...]] = []
    for dataset, network in places:
        row = [cells.get((dataset, network, amount)) for amount in amounts]
        errors = [(spread if even else with_n)(one.last_epoch("test_error")) if one else None for one in row]
        rows.append((words(f"design.{dataset}"), *([network] if many else []), *errors))
    columns = [Column("Classes", "left"), *([Column("Network", "left")] if many else [])]
    n = f" (n = {groups[0].num_finished})" if even and groups[0].num_finished > 1 else ""
    return Table(
        key,
        words("design.title"),
        words("design.caption", seeds=f"{over_seeds(groups)}{n}"),
        (*columns, *(Column(f"{amount:,} of each") for amount in amounts)),
        tuple(rows),
    )


def _effects(hundred: Group, done: Groups, words: Words) -> str:
    """Return in a sentence what more classes, and fewer images of each, do to the error; "" without either pair.

    The pairs are corrected among themselves: this is a question beside that of the shares.
    """
    done = [group for group in done if group.recipe.depth == hundred.recipe.depth]
    ten = next((one for one in done if (one.recipe.dataset, one.recipe.train_share) == (TEN, 1)), None)
    few = next((one for one in done if one.recipe.dataset == TEN and of_each(one) == of_each(hundred)), None)
    coarse = next((one for one in done if one.recipe.dataset == COARSE), None)
    pairs = {"classes": (few, hundred), "images": (ten, few), "superclasses": (hundred, coarse)}
    made = {name: (first, second) for name, (first, second) in pairs.items() if first and second}
    compared = dict(zip(made, compare(made.values()), strict=True))
    if not compared:
        return ""
    verdicts = {
        name: verdict_words(one.test, one.first.last_epoch("test_error").mean)
        for name, one in compared.items()
        if one.test is not None
    }
    both = [compared[name] for name in ("classes", "images") if name in compared]
    by_classes, by_images = [one.test.difference.value for one in both if one.test] if len(both) == 2 else (0.0, 0.0)
    return words(
        "hard.effects",
        network=network_name(hundred.recipe),
        verdicts=verdicts,
        images=whole(of_each(hundred)),
        all=whole(of_each(ten)) if ten else "",
        known="untested" if untested(both) else "open" if len(shown(both)) < 2 else "shown",
        by_classes=by_classes,
        by_images=by_images,
    )


def of_each(group: Group) -> int:
    """Return how many training images each class has; 0 where that is not known."""
    images, classes = group.number("num_train"), group.number("num_classes")
    return images // classes if images and classes else 0
