"""What fewer images do, in words: how many, how often seen, and whether classes or images make CIFAR-100 hard."""

from collections.abc import Mapping, Sequence

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Column, Heading, Prose, Table
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import network_name, over_seeds, spread, whole, with_n
from reslab.recipe import Recipe
from reslab.studies.designs import HUNDRED, TEN
from reslab.studies.findings import Findings, Groups
from reslab.studies.reasons import reasons, untested
from reslab.studies.sentences import by_dataset, higher, shown
from reslab.studies.words import Words

COARSE = "cifar100-coarse"
DESIGN = (TEN, COARSE, HUNDRED)
"""Data sets of 10, 20 and 100 classes with 50,000 images each."""

STEPS, EPOCHS = "same steps", "same epochs"
"""What the schedule of a part of the images keeps."""

EARLIER = {"same samples": STEPS, "same passes": EPOCHS}
"""What studies asked by earlier versions call them."""


def shares_of_all(compared: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons of a part of the images with all of them."""
    return [
        one
        for one in compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == 1 > one.second.recipe.train_share
    ]


def reasons_for_fewer(found: Findings) -> list[Block]:
    """Return what the two errors say about having fewer images."""
    return reasons(
        shares_of_all(found.compared),
        lambda some: by_dataset([one.second for one in some], found.label, found.done),
        found.words,
    )


def samples_or_passes(found: Findings, kept: Mapping[Recipe, str]) -> list[Block]:
    """Return whether seeing few images more often helps: as many passes against as many samples."""
    own = [
        one
        for one in found.compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == one.second.recipe.train_share
        and kept[one.second.recipe] == EPOCHS
    ]
    tested, words = [one for one in own if one.test is not None], found.words
    steps = [one for one in own if higher(one.test)]
    if not tested:
        text = words("steps.unfinished")
    elif steps:
        text = words("steps.shown", listed=by_dataset([one.second for one in steps], found.label, found.done))
    elif untested(own):
        more = sum(one.test is not None and one.test.difference.value > 0 for one in tested)
        text = words("steps.untested", more=more, tested=len(tested))
    else:
        text = words("steps.open")
    return [Heading(words("steps.heading")), Prose(text)]


def images_or_classes(found: Findings, kept: Mapping[Recipe, str]) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100: classes by images of each, and what each of the two costs."""
    words = found.words
    done = [group for group in found.done if group.recipe.dataset in DESIGN and kept[group.recipe] == STEPS]
    hundred = [group for group in done if group.recipe.dataset == HUNDRED]
    if not hundred or len(hundred) == len(done):
        return [Heading(words("hard.heading")), Prose(words("hard.unfinished"))]
    told = [text for all_of_it in hundred if all_of_it.recipe.train_share == 1 for text in _effects(all_of_it, found)]
    return [
        Heading(words("hard.heading")),
        *map(Prose, told),
        design_table("design", done, words),
        Prose(words("hard.caution")),
    ]


def design_table(key: str, groups: Groups, words: Words) -> Table:
    """Return the test errors of each number of classes by images of each class; None in a cell that was not run."""
    cells = {(group.recipe.dataset, network_name(group.recipe), _of_each(group)): group for group in groups}
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


def _effects(hundred: Group, found: Findings) -> list[str]:
    """Return in a sentence what more classes, and fewer images of each, do to the error; nothing without either pair.

    The pairs are corrected among themselves: this is a question beside that of the shares.
    """
    done, words = [group for group in found.done if group.recipe.depth == hundred.recipe.depth], found.words
    ten = next((one for one in done if (one.recipe.dataset, one.recipe.train_share) == (TEN, 1)), None)
    few = next((one for one in done if one.recipe.dataset == TEN and _of_each(one) == _of_each(hundred)), None)
    coarse = next((one for one in done if one.recipe.dataset == COARSE), None)
    pairs = {"classes": (few, hundred), "images": (ten, few), "superclasses": (hundred, coarse)}
    made = {
        name: (first, second) for name, (first, second) in pairs.items() if first is not None and second is not None
    }
    compared = dict(zip(made, compare(made.values()), strict=True))
    listed = [
        words(
            f"hard.{name}",
            images=whole(_of_each(few or hundred)),
            all=whole(_of_each(one.first)),
            verdict=verdict_words(one.test, one.first.last_epoch("test_error").mean),
        )
        for name, one in compared.items()
        if one.test is not None
    ]
    parts = [compared[name] for name in ("classes", "images") if name in compared]
    if not listed:
        return []
    text = words("hard.effects", network=network_name(hundred.recipe), listed="; ".join(listed))
    weight = _weight(parts) if len(parts) == 2 else ""
    return ["  ".join([text, *([words(f"weight.{weight}")] if weight else [])])]


def _weight(parts: Sequence[Compared]) -> str:
    """Return which of the parts, classes and images, is at least twice the other; "" where one lowers the error."""
    if untested(parts):
        return "untested"
    if len(shown(parts)) < 2:
        return "open"
    by_classes, by_images = (one.test.difference.value for one in parts if one.test is not None)
    if min(by_images, by_classes) <= 0:
        return ""
    return "classes" if by_classes >= 2 * by_images else "images" if by_images >= 2 * by_classes else "both"


def _of_each(group: Group) -> int:
    """Return how many training images each class has; 0 where that is not known."""
    images, classes = group.number("num_train"), group.number("num_classes")
    return images // classes if images and classes else 0
