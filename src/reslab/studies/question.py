"""Questions: how each becomes a study, and what is specific to its chapter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reslab.analysis.comparable import NO_FIGURES, Beside
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import Kind
from reslab.exhibits.blocks import Block
from reslab.exhibits.curves import EPOCHS, Along
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import Label, Reading
from reslab.studies.answers import by_base
from reslab.studies.findings import Answer, Findings, Groups, Pairs
from reslab.studies.reasons import Reasons, reasons
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

VARIANT = "variant"
"""What is varied where it is not a single setting."""

Blocks = Sequence[Block | None]
"""Parts of a chapter; an absent part is None, or a text without words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What is specific to a study's chapter; `answers`, `exhibits`, `why` and `sections` require a finished run."""

    words: Words
    """Its headings and sentences."""
    label: Label
    """Names a group among those of its data set."""
    short: Label | None = None
    """Names a group only by what is varied, among those that it is compared with; None: as `label` does."""
    pairs: Callable[[Groups], Pairs]
    """The comparisons among the groups on one data set, as (base, what is compared with it)."""
    across: Callable[[Groups], Pairs] = lambda _: []
    """Comparisons between data sets; corrected with the others, and described in `sections`."""
    varied: str = ""
    """What was varied, in a word or two, as the title of a column; empty: taken from the words."""
    axis: Axis | None = None
    """The horizontal axis of the key figure; None: a row per variant."""
    readings: Sequence[Reading] = ("test",)
    """What the key figure shows: test errors, or also training errors."""
    published: Beside = NO_FIGURES
    answers: Callable[[Findings], list[Answer]] = by_base
    expects: Callable[[Compared], Kind | None] = lambda _: None
    """How the second's test error is expected to compare with the first's: "lower", "higher" or "equal"; None where
    the expectation does not say."""
    exhibits: Callable[[Findings], Blocks] = lambda _: ()
    """Further figures and tables of results."""
    why: Callable[[Findings], Reasons] | None = lambda found: reasons(found.compared, found.listed, found.words)
    """Reasons, under their own heading; None where the sections give them."""
    sections: Callable[[Findings], Blocks] = lambda _: ()
    """The chapter's own further questions, each under its heading."""
    paper_told: bool = False
    """Whether the answers already say how these runs compare with the paper's figures."""
    base: Callable[[Group], bool] | None = None
    """Selects the groups whose recipe is given in full, where the exhibits show how others differ; None: all."""
    along: Along = EPOCHS
    """The horizontal axis of the curves."""
    together: bool = False
    """Whether training and test curves are also drawn together, in the form of the paper's figure 6."""
    ordered: bool = True
    """Whether what is varied is ordered, from less to more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One of ResLab's own questions: the function that makes its study, and the chapter that answers it."""

    name: str
    ask: Callable[[Options], Study]
    chapter: Callable[[Study, Words], Chapter]
