"""What predictions of several networks say, as exhibits: shared errors, errors by class, confusions, McNemar's test."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import product

import altair as alt

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.predictions import (
    Shared,
    confusion,
    error_by_kind,
    kinds_of,
    mcnemar,
    shared,
    shared_by_seeds,
    vote,
    within_kind,
    wrong_by_kind,
)
from reslab.analysis.verdicts import holm
from reslab.exhibits.blocks import Figure, Panel, Row, Table, table_of
from reslab.exhibits.style import colour_of, panel, shape_of, unchecked
from reslab.exhibits.wording import Label, dataset_name, listing, p_words, points, seeds_behind

MOST_CLASSES = 20
"""Classes that a chart has room for: of more, those with the most errors are drawn."""

References = Mapping[str, Group]
"""By data set, the group that the others are looked at beside."""


def agreement_table(
    key: str, groups: Sequence[Group], references: References, label: Label, short: Label
) -> Table | None:
    """Return which errors networks share: seeds of one recipe, and each with the reference; None where none are known.

    `groups` have predictions, those of a data set of the same images; `short` names one among those of its data set.
    """
    beside = [beside_reference(group, references) for group in groups]
    seeds = [shared_by_seeds(group.predictions) for group in groups]
    if all(one is None for one in [*beside, *seeds]):
        return None
    names = list(dict.fromkeys(short(group) for group in references.values()))
    columns: dict[str, list[str | None]] = {
        "Wrong images": [f"{_wrong(group):,.0f}" for group in groups],
        "Error (%)": [points(statistics.fmean(one.error for one in group.predictions)) for group in groups],
        "Error of the seeds' vote (%)": [
            points(vote(group.predictions)) if len(group.predictions) > 1 else None for group in groups
        ],
        "Shared by two seeds (%)": [_share(one) for one in seeds],
        f"Shared with {names[0] if len(names) == 1 else 'the first'} (%)": [_share(one) for one in beside],
    }
    caption = (
        "Errors that two networks have in common, as a share of those of the network with fewer, means over all pairs; "
        "in brackets, what independent errors would share."
    )
    if any(columns["Error of the seeds' vote (%)"]):
        caption += "  In a vote each seed counts as much as it is sure, which stands for an average of their outputs."
    if off := max(_off_record(group) for group in groups):
        caption += (
            f"  Predictions of some runs were made anew by `reslab evaluate`: their errors are up to {off:.2f} points "
            "off those recorded in training."
        )
    return table_of(key, "Shared errors", caption, ("Runs", [label(group) for group in groups]), columns)


def beside_reference(group: Group, references: References) -> Shared | None:
    """Return which errors a group's networks share with those of the reference of its data set; None of its own."""
    first = references[group.recipe.dataset]
    return None if first is group else shared(product(first.predictions, group.predictions))


@unchecked
def classes_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the error of each class, or superclass, a panel a data set; None where there are no errors."""
    labels = list(dict.fromkeys(map(label, groups)))
    panels = [
        made
        for dataset in datasets_of(groups)
        if (made := _classes_panel(f"{key}/{dataset}", on_dataset(groups, dataset), label, labels, ordered=ordered))
    ]
    if not panels:
        return None
    behind = seeds_behind([len(group.predictions) for group in groups])
    caption = f"Test error within each class, means over {behind}; the class with the most errors is at the top."
    if "cifar100" in datasets_of(groups):
        caption += "  CIFAR-100's classes are summed up by superclass."
    if any(len(group.predictions[0].class_names) > MOST_CLASSES for group in groups if _by_class(group)):
        caption += f"  The {MOST_CLASSES} classes with the most errors."
    return Figure(key, "Errors by class", caption, tuple(panels))


def _classes_panel(
    name: str, groups: Sequence[Group], label: Label, labels: list[str], *, ordered: bool
) -> Panel | None:
    dataset = groups[0].recipe.dataset
    kinds = kinds_of(dataset, groups[0].predictions[0].class_names)
    errors = {label(group): error_by_kind(group.predictions, kinds) for group in groups}
    known = [kind for kind in kinds.names if all(kind in own for own in errors.values())]
    totals = {kind: sum(own[kind] for own in errors.values()) for kind in known}
    drawn = sorted(known, key=lambda kind: -totals[kind])[:MOST_CLASSES]
    if not any(totals.values()):
        return None
    rows: list[Row] = [
        {"class": kind, "label": who, "error": round(own[kind], 3)} for who, own in errors.items() for kind in drawn
    ]
    here = list(errors)
    base = alt.Chart(alt.NamedData(name=name)).encode(
        y=alt.Y("class:N", title=None, sort=drawn, axis=alt.Axis(grid=True, labelLimit=190)),
        yOffset=alt.YOffset("label:N", sort=labels),
        x=alt.X("error:Q", title="Test error (%)", scale=alt.Scale(zero=True, nice=True)),
    )
    dots = base.mark_point(filled=True, size=46, opacity=0.9).encode(
        color=colour_of(here, labels, ordered=ordered),
        shape=shape_of(here, labels),
        tooltip=["class:N", alt.Tooltip("label:N", title="runs"), alt.Tooltip("error:Q", format=".2f")],
    )
    return panel(dataset_name(dataset), dots, {name: rows}, max(17, 4 * len(here)) * len(drawn))


@unchecked
def confusion_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return which classes each group's networks take for which, a panel a group; None where there are no errors."""
    drawn = [group for group in groups if any(one.wrong.any() for one in group.predictions)]
    if not drawn:
        return None
    panels = tuple(_confusion_panel(f"{key}/{place}", group, label) for place, group in enumerate(drawn))
    caption = (
        "Share of each class's test images (rows) that were taken for which other class (columns), in percent; blank "
        f"below half an image a network.  Of the networks with the lowest error: {listing(map(label, drawn))}."
    )
    for group in drawn:
        if not _by_class(group):
            kinds = kinds_of(group.recipe.dataset, group.predictions[0].class_names)
            within, evenly = within_kind(group.predictions, kinds)
            caption += (
                "  CIFAR-100's classes are summed up by superclass; on the diagonal is another class of the same one: "
                f"{within:.0f}% of the errors, where errors spread evenly over wrong classes would be {evenly:.0f}%."
            )
    if any(len(group.predictions[0].class_names) > MOST_CLASSES for group in drawn if _by_class(group)):
        caption += f"  The {MOST_CLASSES} classes with the most errors."
    return Figure(key, "What is taken for what", caption, panels)


def _confusion_panel(name: str, group: Group, label: Label) -> Panel:
    predictions = group.predictions
    kinds = kinds_of(group.recipe.dataset, predictions[0].class_names)
    wrong = wrong_by_kind(predictions, kinds)
    places = sorted(sorted(range(len(kinds.names)), key=lambda place: -wrong[place].sum())[:MOST_CLASSES])
    images = kinds.summed(confusion(predictions[0]).sum(axis=1))
    rows: list[Row] = [
        {"class": kinds.names[row], "taken": kinds.names[column], "share": round(float(wrong[row, column]), 2)}
        for row in places
        for column in places
        if wrong[row, column] * images[row] >= 50
    ]
    names = [kinds.names[place] for place in places]
    most = max((row["share"] for row in rows), default=1.0)
    scale = alt.Scale(domain=names)
    base = alt.Chart(alt.NamedData(name=name)).encode(
        x=alt.X("taken:N", title="Taken for", scale=scale, axis=alt.Axis(labelAngle=-60, labelLimit=150)),
        y=alt.Y("class:N", title="True class", scale=scale, axis=alt.Axis(labelLimit=150)),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(domain=[0, most], range=["#f3f0f7", "#440154"]),
            legend=alt.Legend(orient="right", title="%", gradientLength=110),
        ),
        tooltip=["class:N", alt.Tooltip("taken:N", title="taken for"), alt.Tooltip("share:Q", title="%")],
    )
    words = base.mark_text(fontSize=9).encode(
        text=alt.Text("share:Q", format=".0f" if most >= 10 else ".1f"),
        color=alt.condition(f"datum.share > {most / 2}", alt.value("white"), alt.value("#333")),
    )
    chart = alt.layer(cells, words) if len(names) <= 12 else cells
    return panel(label(group), chart, {name: rows}, 18 * len(names) + 20)


def networks_table(key: str, groups: Sequence[Group], references: References, label: Label) -> Table | None:
    """Return McNemar's test of the first seed of each group against that of the reference; None without a pair."""
    pairs = [(references[group.recipe.dataset], group) for group in groups]
    pairs = [(first, group) for first, group in pairs if first is not group]
    if not pairs:
        return None
    found = [mcnemar(first.predictions[0], group.predictions[0]) for first, group in pairs]
    caption = (
        "Test images that two trained networks get wrong, of the first seed each, and McNemar's exact test that both "
        "err equally often, corrected by Holm's method.  It compares these two networks alone; whether other seeds "
        "would differ is what the comparisons in the chapters test."
    )
    columns: dict[str, Sequence[str | None]] = {
        "Against": [label(first) for first, _ in pairs],
        "Both wrong": [
            f"{int((first.predictions[0].wrong & group.predictions[0].wrong).sum()):,}" for first, group in pairs
        ],
        "Only the first wrong": [f"{one.only_second:,}" for one in found],
        "Only the other wrong": [f"{one.only_first:,}" for one in found],
        "Corrected p": [p_words(p) for p in holm([one.p for one in found])],
    }
    names = ("Network", [label(group) for _, group in pairs])
    return table_of(key, "Pairs of networks, image by image", caption, names, columns, left=("Against",))


def _by_class(group: Group) -> bool:
    """Return whether each class stands for itself."""
    names = group.predictions[0].class_names
    return len(kinds_of(group.recipe.dataset, names).names) == len(names)


def _wrong(group: Group) -> float:
    """Return the mean number of wrong images over a group's networks."""
    return statistics.fmean(int(one.wrong.sum()) for one in group.predictions)


def _off_record(group: Group) -> float:
    """Return how far the error of a group's predictions is off what its runs recorded, in points, as far as shown."""
    if len(group.predictions) < group.num_finished:
        return 0.0
    recorded = group.last_epoch("test_error").mean or 0.0
    return round(abs(statistics.fmean(one.error for one in group.predictions) - recorded), 2)


def _share(found: Shared | None) -> str | None:
    return None if found is None else f"{found.share:.0f} ({found.chance:.1f})"
