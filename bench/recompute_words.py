"""Intervals, p, verdicts and seeds in the tables, sentences and answers of a chapter; called by recompute_chapters.py.

recompute_tests.py computes them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recompute_records import Recipe, Row, Tally, rows_of
from recompute_tests import Errors, against_single, compare, corrected, of_size, sizes


@dataclass
class Asked:
    """What a study compares: where the report shows it, its row there, and both sides; and all recipes' errors."""

    study: str
    report: list[Errors]
    rows: list[tuple[tuple[str, str], Row, Recipe, Recipe]] = field(default_factory=list)


def tested(asked: Asked, known: dict[str, Recipe], chapter: str, answers: Sequence[str], tally: Tally) -> None:
    """Check intervals, p, verdicts and seeds: in the rows of comparisons, then in sentences and answers."""
    pairs = [(second.errors, first.errors) for _, _, second, first in asked.rows]
    found = compare([*pairs, *(_between_sets(known) if "rather than" in chapter else [])], asked.report)
    for (place, row, *_), (one, p) in zip(asked.rows, corrected(found), strict=False):
        if not row.get("95% interval"):
            continue
        shown = row["95% interval"].removesuffix(" (90%)")
        tally.check((*place, "95% interval"), shown, *one.interval(one.level(p)))
        if row["Corrected p"].startswith("<"):
            tally.check((*place, "Corrected p"), row["Corrected p"] if p < 0.001 else f"no: {p}", 0.001)
        else:
            tally.check((*place, "Corrected p"), row["Corrected p"], p)
        verdict = re.fullmatch(r"([a-z ]+?)(?:,? by .*| within .*| \((.*) seeds\))?", row["Verdict"])
        kind, seeds = verdict.groups() if verdict else (row["Verdict"], None)
        if kind != one.verdict(p):
            tally.wrong.append(f"{' / '.join(place)}: {row['Verdict']} shown, recomputed {one.verdict(p)}")
        elif seeds:
            tally.check((*place, "Seeds"), seeds.replace("over 1,000", "1001"), *one.seeds_range(len(found)))
    beside = _published(known, "\n".join([chapter, *answers]))
    groups = [recipe.errors for recipe, _ in beside]
    published = [
        against_single(own, groups, figure, asked.report) for own, (_, figure) in zip(groups, beside, strict=True)
    ]
    controls = compare(_warmed_up(known), asked.report)
    expected = [of_size(one, p, len(own)) for own in (found, published, controls) for one, p in corrected(own)]
    for told in sizes(chapter):
        _in_text(asked.study, told, expected, tally)
    if answers and not sum(_in_answer(asked.study, text, expected, tally) for text in answers):
        tally.wrong.append(f"{asked.study}: no size is found in its answers")


def _in_text(study: str, shown: dict[str, str], expected: Sequence[dict[str, float]], tally: Tally) -> None:
    """Check a size in a sentence against the nearest difference."""
    nearest = min(
        expected, key=lambda one: sum(abs(one[name] - float(shown[name])) for name in ("value", "low", "high"))
    )
    for name, text in shown.items():
        tally.check((f"{study} in words", shown["value"], name), text.replace("over 1,000", "1001"), nearest[name])


CLAUSE = re.compile(
    r"(?P<value>[-+]?\d+\.\d\d)(?: points, 9[05]% interval)? ?"
    r"\(?(?P<low>[-+]?\d+\.\d\d) to (?P<high>[-+]?\d+\.\d\d)[);]"
    r"|estimates (?P<least>[-+]?\d+\.\d\d) to (?P<most>[-+]?\d+\.\d\d)"
)
"""A size with its interval, in a clause of an answer, or the range of several sizes: in a sentence, in a cell."""


def _in_answer(study: str, text: str, expected: Sequence[dict[str, float]], tally: Tally) -> int:
    """Check sizes and intervals of an answer; sizes without a sign may have either.  Return how many there are.

    The interval of a size must be that difference's; the ends of a range must be differences.
    """
    found = [match.groupdict() for match in CLAUSE.finditer(text.replace("\N{MINUS SIGN}", "-"))]
    for one in found:
        signs = any(end and end[0] in "+-" for end in one.values())
        known = expected if signs else [_unsigned(difference) for difference in expected]
        parts = {name: float(end) for name, end in one.items() if end}
        if "most" in parts:
            values = [
                min((other["value"] for other in known), key=lambda value: abs(value - end)) for end in parts.values()
            ]
        else:  # of all three parts, for the same pair may be corrected among others, too
            nearest = min(known, key=lambda other: sum(abs(other[name] - part) for name, part in parts.items()))
            values = [nearest[name] for name in parts]
        tally.check((study, "answer", text), " and ".join(end for end in one.values() if end), *values)
    return len(found)


def _unsigned(one: dict[str, float]) -> dict[str, float]:
    low, high = sorted(map(abs, (one["low"], one["high"])))
    return {"value": abs(one["value"]), "low": low, "high": high}


def _published(known: dict[str, Recipe], chapter: str) -> list[tuple[Recipe, float]]:
    """Return the runs that a chapter compares with the paper's, and the paper's figures, of CIFAR-10, from its text."""
    found = re.findall(r"(ResNet-\d+): [^\n]*? the paper.s ([\d.]+)%", chapter)
    ours = (recipe for recipe in known.values() if recipe.fields["dataset"] == "cifar10")
    by_depth = {f"ResNet-{recipe.fields['depth']}": recipe for recipe in ours}
    return [(by_depth[name], float(figure)) for name, figure in dict.fromkeys(found)]


def _warmed_up(known: dict[str, Recipe]) -> list[tuple[Errors, Errors]]:
    """Return the networks trained with the paper's warm-up, each with the same one without."""

    def without(recipe: Recipe) -> dict[str, object]:
        return {name: value for name, value in recipe.fields.items() if not name.startswith("warmup")}

    plain = [recipe for recipe in known.values() if recipe.fields["warmup"] == "none"]
    warmed = [recipe for recipe in known.values() if recipe.fields["warmup"] == "until-error"]
    return [(one.errors, other.errors) for one in warmed for other in plain if without(one) == without(other)]


def _between_sets(known: dict[str, Recipe]) -> list[tuple[Errors, Errors]]:
    """Return pairs that separate classes from images per class: 100 classes and 10 with as few each, 20 and 100."""
    by_place = {(one.fields["dataset"], one.fields["train_share"]): one.errors for one in known.values()}
    hundred, coarse, few = (
        by_place[place] for place in (("cifar100", 1.0), ("cifar100-coarse", 1.0), ("cifar10", 0.1))
    )
    return [(hundred, few), (coarse, hundred)]


def chapter_words(report: Path, title: str) -> tuple[str, list[str]]:
    """Return the text of a chapter without its tables and answers, and the sizes in the answers and the opening."""
    parts = re.split(
        r"^## (.*)$",
        (report / "report.md").read_text(encoding="utf-8").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        flags=re.MULTILINE,
    )
    text = dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    found = [line for line in lines if re.match(r"- .* (?:points, 9[05]% interval [^;]*\)[.;]|\(estimates )", line)]
    told = [line.lower() for line in found]
    for row in rows_of(report, "opening-answers"):
        start = f"- {row['Where']}: {row['Answer'].split('; ')[0].removesuffix('.')} (".lower()
        found += [row["Points (95% interval)"]] if any(line.startswith(start) for line in told) else []
    return "\n".join(line for line in lines if line not in found), found
