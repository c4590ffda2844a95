"""Is CIFAR-100 harder for its classes, or for its few images of each?  A table of both, and what each of them costs."""

from reslab.analysis.classes import COARSE, HUNDRED, TEN, costs
from reslab.analysis.groups import Group
from reslab.analysis.reasons import resolved, untested
from reslab.exhibits.blocks import Heading, Prose, Table, table_of
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import network_name, over_seeds, spread, whole, with_n
from reslab.studies.findings import Groups
from reslab.studies.question import Blocks
from reslab.studies.words import Words

DESIGN = (TEN, COARSE, HUNDRED)


def images_or_classes(done: Groups, words: Words) -> Blocks:
    """Return what separates CIFAR-10 from CIFAR-100: classes by images of each, and what each of the two costs."""
    heading, datasets = Heading(words("hard.heading")), {group.recipe.dataset for group in done}
    if HUNDRED not in datasets or len(datasets) == 1:
        return [heading, Prose(words("hard.unfinished"))]
    of_all = [group for group in done if (group.recipe.dataset, group.recipe.train_share) == (HUNDRED, 1)]
    effects = [Prose(_effects(group, done, words)) for group in of_all]
    return [heading, *effects, _design_table("design", done, words), Prose(words("hard.caution"))]


def _design_table(key: str, groups: Groups, words: Words) -> Table | None:
    """Return the test errors of each number of classes by images of each class; None in a cell that was not run."""
    cells = {(group.recipe.dataset, network_name(group.recipe), group.images_of_each): group for group in groups}
    amounts = sorted({amount for *_, amount in cells if amount}, reverse=True)
    places = sorted({place[:2] for place in cells}, key=lambda place: (DESIGN.index(place[0]), place[1]))
    even, many = len({group.num_finished for group in groups}) == 1, len({name for _, name in places}) > 1
    rows: list[dict[str, str | None]] = []
    for dataset, network in places:
        row = {f"{amount:,} of each": cells.get((dataset, network, amount)) for amount in amounts}
        errors = {
            head: (spread if even else with_n)(one.last_epoch("test_error")) if one else None
            for head, one in row.items()
        }
        rows.append({"Classes": words(f"design.{dataset}"), "Network": network if many else None, **errors})
    n = f" (n = {groups[0].num_finished})" if even and groups[0].num_finished > 1 else ""
    titled = words("design.title"), words("design.caption", seeds=f"{over_seeds(groups)}{n}")
    return table_of(key, titled, rows, left=("Network",))


def _effects(hundred: Group, done: Groups, words: Words) -> str:
    """Return in a sentence what more classes, and fewer images of each, do to the error; "" without either pair."""
    compared = costs(hundred, done)
    both = [compared[name] for name in ("classes", "images") if name in compared]
    tested = {name: one.test for name, one in compared.items() if one.test is not None}
    by = {name: verdict.difference.value for name, verdict in tested.items()}
    text = words(
        "hard.effects",
        network=network_name(hundred.recipe),
        verdicts={name: verdict_words(verdict) for name, verdict in tested.items()},
        images=whole(hundred.images_of_each),
        all=whole(compared["images"].first.images_of_each) if "images" in compared else "",
        known="untested" if untested(both) else "open" if len(resolved(both)) < 2 else "shown",
        by_classes=by.get("classes"),
        by_images=by.get("images"),
    )
    return text if compared else ""
