"""What are shortcuts with parameters worth?  Options A, B and C of the paper, on small images."""

from collections.abc import Sequence
from itertools import combinations

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.reasons import shows
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.why_tables import size_table
from reslab.exhibits.wording import dataset_name, listing, network_name, number
from reslab.recipe import vary
from reslab.studies.answers import by_base
from reslab.studies.designs import bases, study_of
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import Reasons, reasons
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 56)


def ask(options: Options) -> Study:
    """Return the study of shortcuts under these options."""
    asked = [
        (f"shortcut {shortcut}", vary(base, shortcut=shortcut), {"shortcut": shortcut})
        for base in bases(options, DEPTHS)
        for shortcut in ("A", "B", "C")
    ]
    return study_of(QUESTION.name, options, asked)


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on shortcuts."""
    return Chapter(
        words=words,
        label=_label,
        short=_shortcut,
        pairs=_pairs,
        axis=Axis(words("axis"), lambda group: str(group.recipe.depth), _shortcut),
        readings=("test", "train"),
        answers=lambda found: by_base(found, [one for one in found.compared if one.first.recipe.shortcut == "A"]),
        exhibits=lambda found: [size_table("sizes", found.done, found.full)],
        why=_why,
        ordered=False,
    )


QUESTION = Question(name="shortcuts", ask=ask, chapter=chapter)


def _pairs(own: Groups) -> Pairs:
    return [pair for pair in combinations(own, 2) if pair[0].recipe.depth == pair[1].recipe.depth]


def _why(found: Findings) -> Reasons:
    """Return what the comparisons of shortcuts say about projections."""
    several = len(datasets_of(found.done)) > 1

    def listed(compared: Sequence[Compared]) -> str:
        return listing(
            f"{_label(one.second)} against {_shortcut(one.first)}"
            + (f" on {dataset_name(one.second.recipe.dataset)}" if several else "")
            for one in compared
        )

    if shows(found.compared) in ("nothing", "untested"):
        return reasons(found.compared, listed, found.words)
    kinds = [one.kind for one in found.compared if one.kind]
    text = found.words(
        "why.projections",
        better=listed([one for one in found.compared if one.kind == "lower"]),
        worse=listed([one for one in found.compared if one.kind == "higher"]),
        equal=kinds.count("equal"),
        known=len(kinds),
        margin=number(MARGIN),
    )
    return Reasons([Prose(text)])


def _shortcut(group: Group) -> str:
    return f"shortcut {group.recipe.shortcut}"


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {_shortcut(group)}"
