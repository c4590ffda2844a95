"""Tables of how runs are read and compared: three readings of every run, and comparisons with their verdicts."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.readings import readings
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.wording import (
    counted,
    dataset_name,
    interval,
    listing,
    number,
    of_asked,
    over_seeds,
    signed,
    spread,
)

Label = Callable[[Group], str]


def readings_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the three readings of every group's finished runs side by side; None without a finished run."""
    read = [(group, readings(group)) for group in groups if group.has_result]
    if not read:
        return None
    held = any(found.chosen.n for _, found in read)
    columns = [Column("Runs", "left"), Column("Seeds"), Column("Last epoch (%)")]
    columns += [Column("Best on the hold-out (%)")] if held else []
    columns += [Column("Best on the test set (%)"), Column("Best epoch"), Column("Optimism (points)")]
    rows = []
    for group, found in read:
        row = [label(group), of_asked(group), spread(found.last)]
        row += [spread(found.chosen)] if held else []
        row += [spread(found.best), _epoch(found.best_epoch), spread(found.optimism)]
        rows.append(tuple(row))
    names = listing(dataset_name(dataset) for dataset in datasets_of(groups))
    several = any(group.num_finished > 1 for group, _ in read)
    averaged = "  The best epoch is the mean over the seeds." if several else ""
    hold_out = "; the epoch with the lowest hold-out error;" if held else ""
    without = "" if held else "  There was no hold-out to choose an epoch with."
    caption = (
        f"Test error on {names}, read in {'three' if held else 'two'} ways, {over_seeds(groups)}: the last epoch, "
        f"which is the headline{hold_out} and the best epoch, chosen with the test set, which flatters.  The optimism "
        f"is what that choice gains: last minus best of the same run.{averaged}{without}"
    )
    return Table(key, f"{'Three' if held else 'Two'} readings of every run", caption, tuple(columns), tuple(rows))


def comparison_table(key: str, compared: Sequence[Compared], name: Callable[[Compared], str]) -> Table | None:
    """Return every comparison with its interval and verdict, a row each; None where none has two finished sides."""
    listed = [one for one in compared if one.test is not None or _diverged(one)]
    if not any(one.test for one in listed):
        return None
    tested = [one.test for one in listed if one.test is not None and one.test.p is not None]
    if not tested:
        return _differences_table(key, listed, name)
    rows = tuple((name(one), verdict_words(one), *_figures(one.test)) for one in listed)
    columns = (
        Column("Compared", "left"),
        Column("Verdict", "left"),  # so far to the left that a narrow page shows it
        *map(Column, ("Seeds", "Difference (points)", "95% interval", "p", "Corrected p")),
    )
    return Table(key, "Comparisons and verdicts", _how_compared(tested), columns, rows)


def _differences_table(key: str, listed: Sequence[Compared], name: Callable[[Compared], str]) -> Table:
    """Return the comparisons of which none can be tested: differences, and what diverged, without verdicts."""
    rows = [(name(one), *_figures(one.test)[:2], _lost(one) or None) for one in listed]
    columns = (Column("Compared", "left"), Column("Seeds"), Column("Difference (points)"), Column("Remark", "left"))
    caption = (
        "Differences of the last-epoch test error.  None of them can be tested, which takes two seeds or more of each: "
        "they are what these runs gave, and say nothing of others."
    )
    if all(row[-1] is None for row in rows):
        return Table(key, "Comparisons", caption, columns[:-1], tuple(row[:-1] for row in rows))
    return Table(key, "Comparisons", caption, columns, tuple(rows))


def _how_compared(tested: Sequence[Verdict]) -> str:
    """Return a caption that says how differences were tested."""
    paired = [verdict for verdict in tested if verdict.difference.paired]
    test = "Student's test" if len(paired) == len(tested) else "Welch's test"
    how = (
        "by pairs of equal seeds, which share first weights and order of images"
        if len(paired) == len(tested)
        else "as independent groups" + (", or by pairs of equal seeds where marked †" if paired else "")
    )
    return (
        f"Differences of the last-epoch test error, compared by {test} {how}.  The p-values are corrected for the "
        f"{counted(len(tested), 'comparison')} of this study by Holm's method; a direction is shown where the "
        f"corrected one is below 0.05.  Equal means shown to differ by less than {number(MARGIN)} points (two tests of "
        "5% each, one for each side, which is that the 90% interval lies within them).  Where neither is shown the "
        "verdict is open, with how many seeds of each would show a difference of this size, if it has it, four times "
        "in five."
    )


def verdict_words(one: Compared) -> str:
    """Return a verdict in the words of a table's cell, and which side had runs that diverged."""
    lost = _lost(one)
    return "; ".join([*([_kind(one.test)] if one.test is not None else []), *([lost] if lost else [])])


def _lost(one: Compared) -> str:
    """Return how many runs of each side diverged, the first side being what the second is compared with."""
    sides = [(one.second, ""), (one.first, " of the other")]
    return ", ".join(
        f"{group.num_diverged} of {len(group.seeds)} seeds{whose} diverged"
        for group, whose in sides
        if group.num_diverged
    )


def _kind(verdict: Verdict) -> str:
    match verdict.kind:
        case "lower" | "higher":
            return f"{verdict.kind}, by less than {number(verdict.margin)} points" if verdict.within else verdict.kind
        case "equal":
            return f"equal within {number(verdict.margin)} points"
        case "unknown":
            return "not testable"
        case "open":
            return f"open ({f'about {verdict.seeds:,}' if verdict.seeds else 'over 1,000'} seeds)"


def _figures(verdict: Verdict | None) -> tuple[str | None, ...]:
    if verdict is None:
        return (None,) * 5
    found = verdict.difference
    seeds = str(found.n_first) if found.n_first == found.n_second else f"{found.n_first}, {found.n_second}"
    return (
        seeds + ("†" if found.paired else ""),
        signed(found.value),
        interval(found),
        _p(verdict.p),
        _p(verdict.adjusted),
    )


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _epoch(value: float | None) -> str | None:
    return None if value is None else number(round(value))


def _diverged(one: Compared) -> bool:
    return bool(one.first.num_diverged or one.second.num_diverged)
