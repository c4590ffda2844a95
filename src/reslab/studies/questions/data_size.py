"""What does the number of images do?  The assignment's section 6; and what makes CIFAR-100 hard: images or classes."""

from collections.abc import Iterator, Sequence
from itertools import product

from reslab.analysis.classes import COARSE, COSTS, HUNDRED, TEN, coarse_pair, costs
from reslab.analysis.classes import design as design_pairs
from reslab.analysis.comparable import Beside, figures_varying
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.reasons import resolved, untested
from reslab.analysis.verdicts import MARGIN
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Heading, Prose, Table, table_of
from reslab.exhibits.curves import IMAGES_SEEN
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import (
    dataset_name,
    listing,
    network_name,
    number,
    over_seeds,
    points,
    settings,
    spread,
    whole,
    with_n,
)
from reslab.recipe import Recipe, on_share
from reslab.studies.answers import by_base
from reslab.studies.designs import Asked, base_recipe, bases, study_of, with_network
from reslab.studies.findings import Answer, Clause, Findings, Groups, Pairs
from reslab.studies.question import Blocks, Chapter, Question
from reslab.studies.reasons import reasons
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

STEPS, EPOCHS = "same steps", "same epochs"
"""What a schedule on part of the images keeps."""

EARLIER = {"same samples": STEPS, "same passes": EPOCHS}
"""Names of these in studies recorded by earlier versions."""

DESIGN = (TEN, COARSE, HUNDRED)
"""The data sets that separate the number of classes from the images of each."""

DEPTHS = (56,)
SHARES = {1.0: "all", 0.5: "1/2", 0.2: "1/5", 0.1: "1/10"}
"""Shares of the images; a tenth of CIFAR-10 has 500 images per class, like CIFAR-100."""


def ask(options: Options) -> Study:
    """Return the study of the number of images under these options; raise `ResLabError` if they set a share."""
    if any(name == "train_share" for name, _ in options.recipe):
        raise ResLabError(f"train_share has no effect on {QUESTION.name}, which sets it itself; leave it out")
    asked = [one for base in bases(options, DEPTHS) for one in _of(options, base)]
    hundred = any(recipe.dataset == HUNDRED for _, recipe, _ in asked)
    return study_of(QUESTION.name, options, asked, diagnostics=("gap",), hundred=hundred)


def _of(options: Options, base: Recipe) -> Iterator[Asked]:
    yield "all images", base, {"share": 1.0}
    parts = [(share, kept) for share in (0.5, 0.2) for kept in (STEPS, EPOCHS)]
    for share, kept in [*parts, *([(0.1, STEPS)] if base.dataset == TEN else [])]:
        yield (
            f"{SHARES[share]} of the images ({kept})",
            on_share(base, share, same_steps=kept == STEPS),
            {"share": share, "kept": kept},
        )
    if base.dataset == HUNDRED:
        yield "all images", base_recipe(options, COARSE, base.depth or DEPTHS[0]), {"share": 1.0}


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on the number of images."""
    known = {variant.recipe: str(dict(variant.factors).get("kept", STEPS)) for variant in study.variants}

    def kept(group: Group) -> str:
        return EARLIER.get(known[group.recipe], known[group.recipe])

    def name(group: Group) -> str:
        return "all images" if group.recipe.train_share == 1 else f"{_share(group)} ({kept(group)})"

    def series(group: Group) -> str:
        return "20 superclasses" if group.recipe.dataset == COARSE else kept(group)

    def pairs(groups: Groups) -> Pairs:
        """Return pairs of all images with each part, and of the two schedules of each part."""
        return [
            (first, second)
            for first, second in product(groups, groups)
            if first.recipe.depth == second.recipe.depth
            if first.recipe.train_share == 1 > second.recipe.train_share
            or (_share(first) == _share(second) and (kept(first), kept(second)) == (STEPS, EPOCHS))
        ]

    def of_all(found: Findings) -> list[Compared]:
        return [one for one in found.compared if one.first.recipe.train_share == 1]

    def design(groups: Groups) -> list[Group]:
        return [group for group in groups if group.recipe.dataset in DESIGN and kept(group) == STEPS]

    def across(groups: Groups) -> Pairs:
        """Return the pairs that separate more classes, and coarser ones, from fewer images of each."""
        known = design([group for group in groups if group.has_result])
        wanted = [design_pairs(hundred, known) for hundred in _on_all_of_hundred(known)]
        return [pair for pairs in wanted for pair in pairs.values() if pair[0].recipe.dataset != pair[1].recipe.dataset]

    def sections(found: Findings) -> Blocks:
        both_ways = [one for one in found.compared if one.first.recipe.train_share < 1]
        posed = any(recipe.dataset == HUNDRED for recipe in known)
        images = _images_or_classes(design(found.done), found) if posed else []
        return [*_fewer_steps(both_ways, of_all(found), found), *images]

    return Chapter(
        words=words,
        label=with_network(study, name),
        pairs=pairs,
        across=across,
        axis=Axis(words("axis"), _share, with_network(study, series)),
        readings=("test", "train"),
        published=Beside(
            lambda groups: figures_varying(groups, "train_share"),
            lambda one: SHARES.get(one.train_share or 1.0, ""),
            lambda group, one: (
                (one.dataset, one.train_share) == (group.recipe.dataset, group.recipe.train_share)
                and kept(group) == STEPS
            ),
        ),
        answers=lambda found: [*by_base(found, of_all(found)), *_hard(design(found.done), found)],
        expects=lambda one: "higher" if one.first.recipe.train_share == 1 else None,
        exhibits=lambda found: [_amounts(found.groups, words)],
        why=lambda found: reasons(of_all(found), found.listed, words),
        sections=sections,
        along=IMAGES_SEEN,
    )


QUESTION = Question(name="data-size", ask=ask, chapter=chapter)


def _share(group: Group) -> str:
    """Return a group's share of the training images as a fraction."""
    return SHARES[group.recipe.train_share]


def _fewer_steps(compared: Sequence[Compared], of_all: Sequence[Compared], found: Findings) -> Blocks:
    """Return whether seeing few images more often helps: the same epochs against the same steps.

    `of_all` are the comparisons with all images, which show how much of a rise is due to the images themselves.
    """
    tested = [one.test for one in compared if one.test is not None]
    worse = [one for one in compared if one.kind == "higher"]
    case = "unfinished" if not tested else "shown" if worse else "untested" if untested(compared) else "open"
    more = sum(verdict.difference.value > 0 for verdict in tested)
    values = {"listed": found.listed(worse), "more": more, "tested": len(tested), "parts": _parts(worse, of_all, found)}
    text = found.words(f"steps.{case}", **values)
    return [Heading(found.words("steps.heading")), Prose(text)]


def _parts(worse: Sequence[Compared], of_all: Sequence[Compared], found: Findings) -> str:
    """Return how much of the rise at the same epochs is due to fewer steps, where both are shown."""
    rises = {one.second.label: one.test.difference.value for one in of_all if one.test and one.kind == "higher"}
    networks, several = {group.recipe.depth for group in found.done}, len(datasets_of(found.done)) > 1
    parts: dict[str, list[str]] = {}
    for one in worse:
        rise = rises.get(one.second.label, 0.0)
        if one.test is not None and one.first.label in rises and one.test.difference.value <= rise:
            share = f"{100 * one.test.difference.value / rise:.0f}% with {_share(one.second)}"
            share += f" ({network_name(one.second.recipe)})" if len(networks) > 1 else ""
            parts.setdefault(dataset_name(one.second.recipe.dataset), []).append(share)
    listed = (f"{listing(shares)}{f' of {dataset}' if several else ''}" for dataset, shares in parts.items())
    return ", ".join(listed) if len(parts) > 1 else "".join(listed)


def _amounts(groups: Groups, words: Words) -> Table | None:
    """Return the number of images, in total and per class, by data set and share."""
    known: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for group in groups:
        place = dataset_name(group.recipe.dataset), _share(group)
        if None in known.get(place, (None,)):
            known[place] = group.number("num_train"), group.number("num_classes")
    each = settings([round(images / classes, 1) if images and classes else None for images, classes in known.values()])
    several = len(datasets_of(groups)) > 1
    rows = [
        {
            **({"Data set": dataset} if several else {}),
            "Share": share,
            "Images": whole(images),
            "Classes": whole(classes),
            "Images per class": own,
        }
        for ((dataset, share), (images, classes)), own in zip(known.items(), each, strict=True)
    ]
    return table_of("amounts", (words("amounts.title"), words("amounts.caption")), rows)


def _hard(done: Groups, found: Findings) -> list[Answer]:
    """Return, for each network on all of CIFAR-100, whether more classes cost, and whether fewer images of each do."""
    answers, words = [], found.words
    for group in _on_all_of_hundred(done):
        clauses = []
        for name, one in _costs(group, done, found).items():
            if name != "superclasses" and one.test is not None:
                first, second = (_count(name, side) for side in (one.first, one.second))
                what = words(f"hard.{name}", first=first, second=second)
                text = words(f"hard.answer.{one.kind}", what=what, margin=number(MARGIN))
                clauses.append(Clause(text, (one.test,)))
        if clauses:
            answers.append(Answer(words("hard.where", network=network_name(group.recipe)), tuple(clauses)))
    return answers


def _costs(hundred: Group, done: Groups, found: Findings) -> dict[str, Compared]:
    return costs(hundred, done, [*found.compared, *found.across])


def _count(name: str, group: Group) -> str | None:
    return whole(group.number("num_classes") if name == "classes" else group.images_of_each)


def _on_all_of_hundred(done: Groups) -> list[Group]:
    return [group for group in done if (group.recipe.dataset, group.recipe.train_share) == (HUNDRED, 1)]


def _images_or_classes(done: Groups, found: Findings) -> Blocks:
    """Return what separates CIFAR-10 from CIFAR-100: the number of classes and the images of each, and their costs."""
    words = found.words
    heading, datasets = Heading(words("hard.heading")), {group.recipe.dataset for group in done}
    if HUNDRED not in datasets or len(datasets) == 1:
        return [heading, Prose(words("hard.unfinished"))]
    effects = [Prose(_effects(group, done, found)) for group in _on_all_of_hundred(done)]
    coarse = [Prose(_coarse(group, done, found)) for group in _on_all_of_hundred(done)]
    return [heading, *effects, *coarse, Prose(words("hard.caution")), _design_table(done, words)]


def _coarse(hundred: Group, done: Groups, found: Findings) -> str:
    """Return what few coarse classes cost, where that is at least half of what many fine ones are shown to cost."""
    by_classes, by_coarse = _costs(hundred, done, found).get("classes"), coarse_pair(hundred, done)
    if by_classes is None or by_coarse is None or by_classes.kind != "higher":
        return ""
    coarse = by_coarse[1]
    gap = coarse.test_error - by_coarse[0].test_error
    more = by_classes.second.test_error - by_classes.first.test_error
    if gap < more / 2:
        return ""
    return found.words(
        "hard.coarse",
        images=whole(coarse.images_of_each),
        coarse=whole(coarse.number("num_classes")),
        gap=points(gap),
        few=whole(hundred.images_of_each),
        hundred=whole(hundred.number("num_classes")),
        more=points(more),
    )


def _design_table(groups: Groups, words: Words) -> Table | None:
    """Return the test errors by number of classes and images of each; a cell is None where nothing was run."""
    cells = {(group.recipe.dataset, network_name(group.recipe), group.images_of_each): group for group in groups}
    amounts = sorted({amount for *_, amount in cells if amount}, reverse=True)
    places = sorted({place[:2] for place in cells}, key=lambda place: (DESIGN.index(place[0]), place[1]))
    even, many = len({group.num_finished for group in groups}) == 1, len({name for _, name in places}) > 1
    error, rows = spread if even else with_n, []
    for dataset, network in places:
        row = {"Classes": words(f"design.{dataset}"), "Network": network if many else None}
        for amount in amounts:
            one = cells.get((dataset, network, amount))
            row[f"{amount:,} per class"] = error(one.last_epoch("test_error")) if one else None
        rows.append(row)
    n = f" (n = {groups[0].num_finished})" if even and groups[0].num_finished > 1 else ""
    titled = words("design.title"), words("design.caption", seeds=f"{over_seeds(groups)}{n}")
    return table_of("design", titled, rows, left=("Network",))


def _effects(hundred: Group, done: Groups, found: Findings) -> str:
    """Return what more classes, and fewer images of each, do to the error; "" without either pair."""
    compared = _costs(hundred, done, found)
    both = [compared[name] for name in ("classes", "images") if name in compared]
    tested = {name: one.test for name, one in compared.items() if one.test is not None}
    by = {name: verdict.difference.value for name, verdict in tested.items()}
    text = found.words(
        "hard.effects",
        network=network_name(hundred.recipe),
        verdicts={name: verdict_words(tested[name]) if name in tested else "" for name in COSTS},
        images=whole(hundred.images_of_each),
        all=whole(compared["images"].first.images_of_each) if "images" in compared else "",
        known="untested" if untested(both) else "open" if len(resolved(both)) < 2 else "shown",
        by_classes=by.get("classes"),
        by_images=by.get("images"),
        whole=points(by["classes"] + by["images"]) if {"classes", "images"} <= by.keys() else "",
    )
    return text if compared else ""
