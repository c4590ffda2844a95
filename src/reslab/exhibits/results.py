"""Tables of results: last-epoch errors with their differences, comparisons with their verdicts, published figures."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparisons import Compared, one_each, tested
from reslab.analysis.groups import Group, Label, datasets_of
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Column, Table, table_of
from reslab.exhibits.captions import source_name, text, titled
from reslab.exhibits.sizes import kind_words
from reslab.exhibits.wording import (
    dataset_name,
    interval,
    listing,
    of_asked,
    of_seeds,
    p_words,
    points,
    signed,
    spread,
    with_n,
)
from reslab.published import Published

_LEFT = ("Verdict", "Against")


def errors_table(
    key: str,
    groups: Sequence[Group],
    compared: Sequence[Compared],
    label: Label,
    heading: str,
    beside: Sequence[Published] = (),
    matches: Callable[[Group, Published], bool] = lambda *_: False,
    corrected: int | None = None,
) -> Table | None:
    """Return the last-epoch errors of all groups, a row each; None without a finished run.

    `heading` is the title of the first column, which names the groups.  A row has the difference from the first group
    that its own is compared with, with interval and verdict.  `beside` are the student report's figures, each for the
    row of the group that it `matches`.  `corrected` is the number of comparisons corrected together; None: these.
    """
    shown = [group for group in groups if group.has_result or group.num_diverged]
    if not any(group.has_result for group in shown):
        return None
    first = {one.second.label: one for one in one_each(compared)}
    listed = [first[group.label] for group in shown if group.label in first]
    several_bases = any(one.first.label in first for one in listed)  # a base is itself compared with another
    theirs = [next((one for one in beside if matches(group, one)), None) for group in shown]
    windows = any(one.window for one in theirs if one is not None)
    seeds = [of_asked(group) for group in shown]
    paired = any(verdict.difference.paired for verdict in tested(listed))
    rows = []
    for group, published, n in zip(shown, theirs, seeds, strict=True):
        one = first.get(group.label)
        rows.append(
            {
                heading: label(group),
                "Test error (%)": spread(group.last_epoch("test_error")),
                **_difference(one, listed, label(one.first) if one is not None and several_bases else None),
                "Training error (%)": spread(group.last_epoch("train_error")),
                **({"Seeds": None} if len(set(seeds)) > 1 and not paired else {}),  # the column n has them
                "n": n if len(set(seeds)) > 1 else None,
                "After the first drop: mean (range)": _window(group) if windows else None,
                "Student report, test (%)": _published_words(published),
                "Student report, training (%)": points(published.train_error) if published else None,
            }
        )
    bases = list(dict.fromkeys(label(one.first) for one in listed))
    alike = {label(one.first).removesuffix(f", {dataset_name(one.first.recipe.dataset)}") for one in listed}
    bases = list(alike) if len(alike) == 1 else bases
    words = titled(
        "errors",
        datasets=datasets_of(shown),
        groups=shown,
        n=seeds[0] if len(set(seeds)) == 1 and seeds[0] != "1" else None,
        bases=bases if len(bases) < 3 else [],
        tested=len(tested(compared)) if corrected is None else corrected,
    )
    notes = dict.fromkeys(f"Student report: {one.citation}; {one.protocol}." for one in theirs if one is not None)
    return table_of(key, words, rows, left=_LEFT, notes=tuple(notes))


def comparison_table(key: str, compared: Sequence[Compared], name: Callable[[Compared], str]) -> Table | None:
    """Return the comparisons that `errors_table` leaves out, a row each; None where none of them is tested."""
    shown = [id(one) for one in one_each(compared)]
    others = [one for one in compared if id(one) not in shown]
    listed = [one for one in others if one.test is not None or one.first.num_diverged or one.second.num_diverged]
    rows = [{"Compared": name(one), **_difference(one, listed)} for one in listed]
    return table_of(key, titled("comparisons"), rows, left=_LEFT) if tested(listed) else None


def how_compared(compared: Sequence[Compared]) -> str:
    """Return how differences were tested, in words common to all studies; "" where none was."""
    found = [verdict.difference for verdict in tested(compared)]
    if not found:
        return ""
    return text(
        "compared.how",
        all_paired=all(one.paired for one in found),
        paired=any(one.paired for one in found),
        shared=any(one.shared for one in found),
        assumed=any(one.assumed for one in found),
        margin=MARGIN,
        equal=any(one.kind == "equal" for one in compared),
        open=any(one.kind == "open" for one in compared),
        cut=any(True in one.difference.cut(one.level) for one in tested(compared)),
    )


def published_table(
    key: str, groups: Sequence[Group], beside: Sequence[Published], label: Label, measured: str = "last epoch"
) -> Table | None:
    """Return the last-epoch test errors of one data set's groups above published ones; None where there are none.

    A column is a network by its `label`, a row a source with what it measured; `measured` says this for the groups.
    """
    if not beside:
        return None
    rows = [("This study", measured, *(with_n(group.last_epoch("test_error")) for group in groups))]
    notes = []
    for source in dict.fromkeys(one.source for one in beside):
        own, name = [one for one in beside if one.source == source], source_name(source)
        by_network = {(one.depth, one.width): one for one in own}
        shortest, *others = sorted({one.protocol: None for one in own}, key=len)
        networks = [(group.recipe.depth, group.recipe.width) for group in groups]
        rows.append((name, shortest, *(_published_words(by_network.get(network)) for network in networks)))
        notes.append("; ".join([f"{name}: {listing({one.citation: None for one in own})}", *others]))
    plain = all(group.recipe.family == "plain" for group in groups)
    picked = any("best epoch" in one.protocol for one in beside)
    words = titled("published", plain=plain, dataset=groups[0].recipe.dataset, groups=groups, picked=picked)
    columns = [Column("Source", "left"), Column("What was measured", "left")]
    columns += [Column(label(group)) for group in groups]
    return Table(key, *words, tuple(columns), tuple(rows), (f"{'.  '.join(notes)}.",))


def _difference(one: Compared | None, listed: Sequence[Compared], against: str | None = None) -> dict[str, str | None]:
    """Return the cells of a comparison; those of the verdict only if any one in `listed` is tested or lost runs."""
    test = None if one is None else one.test
    found = None if test is None else test.difference
    told = bool(tested(listed)) or any(map(_lost, listed))
    known = [other.test.difference for other in listed if other.test is not None]
    uneven = len({(other.n_first, other.n_second) for other in known}) > 1
    return {
        "Difference (points)": signed(found.value) if found else None,
        "Against": against,
        "95% interval": _interval(test) if test and told else None,
        "Verdict": _verdict(one) if one and told else None,
        "Corrected p": p_words(test.adjusted) if test and told else None,
        "Seeds": f"{found.n_second}, {found.n_first}{'†' * found.paired}" if found and told and uneven else None,
    }


def _interval(verdict: Verdict) -> str | None:
    """Return the interval of a verdict; that of an equal one is marked, because its level differs."""
    known = interval(verdict.ends)
    return known if known is None or verdict.kind != "equal" else f"{known} (90%)"


def _verdict(one: Compared) -> str | None:
    """Return a verdict in a few words, and how many runs of either side diverged."""
    return "; ".join(filter(None, [kind_words(one.test) if one.test is not None else None, _lost(one)])) or None


def _lost(one: Compared) -> str:
    """Return how many runs of each side diverged; the base is "the other"."""
    return ", ".join(
        f"{of_seeds(group.num_diverged, group)}{whose} diverged"
        for group, whose in ((one.second, ""), (one.first, " of the other"))
        if group.num_diverged
    )


def _window(group: Group) -> str | None:
    found = group.in_window("test_error")
    return f"{points(found.mean)} ({points(found.low)} to {points(found.high)})" if found and group.window else None


def _published_words(one: Published | None) -> str | None:
    """Return a published figure with its spread or range, all to two decimals."""
    if one is None:
        return None
    if one.standard_deviation is not None:
        n = f" (n = {one.n})" if one.n else ""
        return f"{one.error:.2f} ± {one.standard_deviation:.2f}{n}"
    low, high = one.ends
    return f"{one.error:.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")
