"""Tables of results: last-epoch errors with their differences, comparisons with their verdicts, sizes of networks."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Table, table_of
from reslab.exhibits.captions import text, titled
from reslab.exhibits.published_tables import Matches, citations, published_words, same_depth
from reslab.exhibits.sizes import kind_words
from reslab.exhibits.wording import (
    Label,
    interval,
    interval_ends,
    of_asked,
    over_seeds,
    p_words,
    points,
    signed,
    spread,
    whole,
)
from reslab.published import Published

_LEFT = ("Verdict", "Against")


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
    first = {one.second.label: one for one in _one_each(compared)}
    against = [first.get(group.label) for group in shown]
    listed = [one for one in against if one is not None]
    several_bases = any(one.first.label in first for one in listed)  # not all are compared with a base
    theirs = [next((one for one in beside if matches(group, one)), None) for group in shown]
    windows = any(one is not None and one.window for one in theirs)
    seeds = [of_asked(group) for group in shown]
    rows = []
    for group, one, published, n in zip(shown, against, theirs, seeds, strict=True):
        size, *verdict = _difference(one, listed).items()
        rows.append(
            {
                heading: label(group),
                "Test error (%)": spread(group.last_epoch("test_error")),
                **dict([size]),
                "Against": label(one.first) if one is not None and several_bases else None,
                **dict(verdict),
                "Training error (%)": spread(group.last_epoch("train_error")),
                "n": n if len(set(seeds)) > 1 else None,
                "After the first drop: mean (range)": _window(group) if windows else None,
                "Assignment, test (%)": published_words(published),
                "Assignment, training (%)": points(published.train_error) if published else None,
            }
        )
    bases = list(dict.fromkeys(label(one.first) for one in listed))
    words = titled(
        "errors",
        datasets=datasets_of(shown),
        over=over_seeds(shown),
        n=seeds[0] if len(set(seeds)) == 1 and seeds[0] != "1" else None,
        bases=bases if len(bases) < 3 else [],
        tested=len(_tested(compared)),
    )
    return table_of(key, words, rows, left=_LEFT, notes=citations(one for one in theirs if one is not None))


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
    rows = [{"Compared": name(one), **_difference(one, listed)} for one in listed]
    return table_of(key, titled("comparisons"), rows, left=_LEFT) if _tested(listed) else None


def size_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return parameters and multiply-adds of the networks; None before a finished run."""
    rows = [
        {
            "Network": label(group),
            "Parameters": whole(group.number("parameters")),
            "Multiply-adds (millions)": f"{adds / 1e6:.2f}",
        }
        for group in groups
        if (adds := group.number("multiply_adds")) is not None
    ]
    return table_of(key, titled("sizes"), rows)


def how_compared(compared: Sequence[Compared]) -> str:
    """Return how differences were tested, in words that are the same for every study; nothing where none was."""
    found = [verdict.difference for verdict in _tested(compared)]
    if not found:
        return ""
    paired = "all" if all(one.paired for one in found) else "some" if any(one.paired for one in found) else "none"
    shared, assumed = any(one.shared for one in found), any(one.assumed for one in found)
    cut = any(_cut(one) for one in compared)
    return text("compared.how", paired=paired, shared=shared, assumed=assumed, margin=MARGIN, cut=cut)


def _cut(one: Compared) -> bool:
    """Return whether an interval would reach beyond errors that there can be."""
    if one.test is None or one.test.p is None:
        return False
    found, level = one.test.difference, one.test.level
    return interval_ends(found, level, one.first.last_epoch("test_error").mean) != interval_ends(found, level)


def _difference(one: Compared | None, listed: Sequence[Compared]) -> dict[str, str | None]:
    """Return the cells of a comparison: those of its verdict only where any that is `listed` has one, or lost runs."""
    test = None if one is None else one.test
    found = None if test is None else test.difference
    told = bool(_tested(listed)) or any(map(_lost, listed))
    known = [other.test.difference for other in listed if other.test is not None]
    uneven = len({(other.n_first, other.n_second) for other in known}) > 1
    bounds = None if one is None else one.first.last_epoch("test_error").mean
    return {
        "Difference (points)": signed(found.value) if found else None,
        "95% interval": _interval(test, bounds) if test and told else None,
        "Verdict": _verdict(one) if one and told else None,
        "Corrected p": p_words(test.adjusted) if test and told else None,
        "Seeds": f"{found.n_second}, {found.n_first}{'†' * found.paired}" if found and told and uneven else None,
    }


def _interval(verdict: Verdict, first: float | None) -> str | None:
    """Return the interval that a verdict rests on; that of equal ones is marked, for its level is another."""
    known = interval(verdict.difference, verdict.level, first)
    return known if known is None or verdict.kind != "equal" else f"{known} (90%)"


def _verdict(one: Compared) -> str | None:
    """Return a verdict in a few words, and which side had runs that diverged."""
    return "; ".join([*([kind_words(one.test)] if one.test is not None else []), *filter(None, [_lost(one)])]) or None


def _lost(one: Compared) -> str:
    """Return how many runs of each side diverged, the first side being what the second is compared with."""
    return ", ".join(
        f"{group.num_diverged} of {len(group.seeds)} seeds{whose} diverged"
        for group, whose in ((one.second, ""), (one.first, " of the other"))
        if group.num_diverged
    )


def _tested(listed: Sequence[Compared]) -> list[Verdict]:
    return [one.test for one in listed if one.test is not None and one.test.p is not None]


def _window(group: Group) -> str | None:
    found = group.in_window("test_error")
    return f"{points(found.mean)} ({points(found.low)} to {points(found.high)})" if found and group.window else None
