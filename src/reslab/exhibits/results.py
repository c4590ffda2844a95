"""Tables of results: last-epoch errors with their differences, comparisons with their verdicts, sizes of networks."""

from collections.abc import Callable, Iterable, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Column, Table, table_of
from reslab.exhibits.published_tables import Matches, citations, published_words, same_depth
from reslab.exhibits.sizes import NOT_RESOLVED, kind_words
from reslab.exhibits.wording import (
    Label,
    counted,
    dataset_name,
    interval,
    listing,
    number,
    of_asked,
    over_seeds,
    p_words,
    points,
    signed,
    spread,
    whole,
)
from reslab.published import Published

Cells = list[str | None]


def errors_table(
    key: str,
    groups: Sequence[Group],
    compared: Sequence[Compared],
    label: Label,
    *,
    heading: str = "Runs",
    beside: Sequence[Published] = (),
    matches: Matches = same_depth,
) -> Table | None:
    """Return the last-epoch errors of all groups, a row each; None without a finished run.

    Its row has the difference to the first group of its data set that it is compared with, with interval and verdict.
    `beside` are published figures of the test error that these runs may be compared with.
    """
    shown = [group for group in groups if group.has_result or group.num_diverged]
    if not any(group.has_result for group in shown):
        return None
    columns: list[tuple[str, Cells]] = [
        ("Test error (%)", [spread(group.last_epoch("test_error")) for group in shown]),
    ]
    first = {one.second.label: one for one in _one_each(compared)}
    against = [first.get(group.label) for group in shown]
    columns += _difference_columns(against)
    if any(one is not None and one.first.label in first for one in against):  # not all are compared with a base
        columns.insert(2, ("Against", [None if one is None else label(one.first) for one in against]))
    columns.append(("Training error (%)", [spread(group.last_epoch("train_error")) for group in shown]))
    seeds = [of_asked(group) for group in shown]
    columns += [("n", list(seeds))] if len(set(seeds)) > 1 else []
    theirs = [next((one for one in beside if matches(group, one)), None) for group in shown]
    if any(one is not None and one.window for one in theirs):
        columns.append(("After the first drop: mean (range)", [_window(group) for group in shown]))
    if any(theirs):
        trained = [points(one.train_error) if one else None for one in theirs]
        columns.append(("Assignment, test (%)", [published_words(one) for one in theirs]))
        columns += [("Assignment, training (%)", trained)] if any(trained) else []
    names = listing(dataset_name(dataset) for dataset in datasets_of(shown))
    caption = (
        f"Test and training errors on {names}, {over_seeds(shown)}{_count(seeds)}; training errors are of augmented "
        f"images.{_against(against, label)}{_corrected(_tested(compared))}"
    )
    notes = citations(one for one in theirs if one is not None)
    return table_of(
        key,
        "Errors of the last epoch",
        caption,
        (heading, list(map(label, shown))),
        dict(columns),
        left=_LEFT,
        notes=notes,
    )


_LEFT = ("Verdict", "Against")


def further(compared: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons that `errors_table` has no room for."""
    shown = _one_each(compared)
    return [one for one in compared if not any(one is other for other in shown)]


def _one_each(compared: Sequence[Compared]) -> list[Compared]:
    """Return the first comparison of each group with another of its data set."""
    found: dict[str, Compared] = {}
    for one in compared:
        if one.first.recipe.dataset == one.second.recipe.dataset:
            found.setdefault(one.second.label, one)
    return list(found.values())


def comparison_table(key: str, compared: Sequence[Compared], name: Callable[[Compared], str]) -> Table | None:
    """Return every comparison with its interval and verdict, a row each; None where none is tested."""
    listed = [one for one in compared if one.test is not None or one.first.num_diverged or one.second.num_diverged]
    tested = _tested(listed)
    if not tested:
        return None
    columns = _difference_columns(listed)
    caption = "Differences of the last-epoch test error, tested and corrected with those above."
    return table_of(
        key, "Further comparisons", caption, ("Compared", list(map(name, listed))), dict(columns), left=_LEFT
    )


def size_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return parameters and multiply-adds of the networks; None before a finished run."""
    rows = tuple(
        (label(group), whole(group.number("parameters")), f"{adds / 1e6:.2f}")
        for group in groups
        if (adds := group.number("multiply_adds")) is not None
    )
    columns = (Column("Network", "left"), Column("Parameters"), Column("Multiply-adds (millions)"))
    caption = "Trained parameters, and multiply-adds for one image."
    return Table(key, "Sizes of the networks", caption, columns, rows) if rows else None


def _difference_columns(listed: Sequence[Compared | None]) -> list[tuple[str, Cells]]:
    """Return difference, interval and verdict of some comparisons, without the columns that have nothing to say."""
    verdicts = [None if one is None else one.test for one in listed]
    known = [one for one in verdicts if one is not None]
    uneven = len({(one.difference.n_first, one.difference.n_second) for one in known}) > 1
    bounds = [None if one is None else one.first.last_epoch("test_error").mean for one in listed]
    found = [None if verdict is None else verdict.difference for verdict in verdicts]
    intervals = [None if one is None else interval(one, first=bound) for one, bound in zip(found, bounds, strict=True)]
    columns: list[tuple[str, Cells]] = [
        ("Difference (points)", [None if one is None else signed(one.value) for one in found]),
        ("95% interval", intervals),
        ("Verdict", [None if one is None else _verdict(one) for one in listed]),
        ("Corrected p", [None if one is None else p_words(one.adjusted) for one in verdicts]),
    ]
    if uneven:
        pairs = [None if one is None else f"{one.n_second}, {one.n_first}{'†' if one.paired else ''}" for one in found]
        columns.append(("Seeds", pairs))
    if not any(one.p is not None for one in known) and not any(_lost(one) for one in listed if one is not None):
        columns = columns[:1]
    return columns


def _verdict(one: Compared) -> str | None:
    """Return a verdict in a few words, and which side had runs that diverged."""
    return "; ".join([*([kind_words(one.test)] if one.test is not None else []), *filter(None, [_lost(one)])]) or None


def _lost(one: Compared) -> str:
    """Return how many runs of each side diverged, the first side being what the second is compared with."""
    sides = [(one.second, ""), (one.first, " of the other")]
    return ", ".join(
        f"{group.num_diverged} of {len(group.seeds)} seeds{whose} diverged"
        for group, whose in sides
        if group.num_diverged
    )


def _tested(listed: Iterable[Compared]) -> list[Verdict]:
    return [one.test for one in listed if one.test is not None and one.test.p is not None]


def how_compared(compared: Sequence[Compared]) -> str:
    """Return how differences were tested, in words that are the same for every study; nothing where none was."""
    tested = _tested(compared)
    if not tested:
        return ""
    paired = [verdict for verdict in tested if verdict.difference.paired]
    test = "Student's test of pairs of equal seeds" if len(paired) == len(tested) else "Welch's test"
    some = " (of pairs of equal seeds where marked †)" if 0 < len(paired) < len(tested) else ""
    shared = any(verdict.difference.shared for verdict in tested)
    lean = ", with the spread of seeds shared across variants" if shared else ""
    lent = any(verdict.difference.assumed for verdict in tested)
    assumed = "  Where n is 1, a seed is assumed to vary as in the runs of this report with several." if lent else ""
    return (
        f"Differences are tested by {test}{some}{lean}.{assumed}  Equal: shown to differ by less than {number(MARGIN)} "
        f"points.  {NOT_RESOLVED.capitalize()}: neither is shown; in brackets, the seeds each that would detect this "
        "size with 80% power."
    )


def _corrected(tested: Sequence[Verdict]) -> str:
    if len(tested) < 2:
        return ""
    return f"  p is corrected for the {counted(len(tested), 'comparison')} of this study by Holm's method."


def _against(against: Sequence[Compared | None], label: Label) -> str:
    """Return what the differences are to, where no column says it."""
    bases = list(dict.fromkeys(label(one.first) for one in against if one is not None))
    return f"  Differences are from {listing(bases)}." if 0 < len(bases) < 3 else ""


def _count(seeds: Sequence[str]) -> str:
    return f" (n = {seeds[0]})" if len(set(seeds)) == 1 and seeds[0] != "1" else ""


def _window(group: Group) -> str | None:
    found, window = group.in_window("test_error"), group.window
    if found is None or window is None:
        return None
    return f"{points(found.mean)} ({points(found.low)} to {points(found.high)})"
