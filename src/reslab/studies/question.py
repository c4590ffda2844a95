"""What a question is: what asks it, and what is its own in the chapter that answers it."""

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
"""What is varied where no one setting is."""

Blocks = Sequence[Block | None]
"""Parts of a chapter; those that there is nothing for are None, or texts without words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What is a study's own in its chapter; every function but `pairs` is asked only where a run has finished."""

    words: Words
    """Its headings and sentences."""
    label: Label
    """Names a group among those of its data set."""
    short: Label | None = None
    """Names a group by what is varied alone, among those that it is compared with; None: as `label` does."""
    pairs: Callable[[Groups], Pairs]
    """The comparisons among the groups of one data set, each (what with, what)."""
    across: Callable[[Groups], Pairs] = lambda _: []
    """Comparisons between data sets; corrected with the others, and told in sections of the chapter's own."""
    varied: str = ""
    """What was varied, in a word or two that head a column; empty: as the words have it."""
    axis: Axis | None = None
    """What the key figure has along its horizontal axis; None: a row a variant."""
    readings: Sequence[Reading] = ("test",)
    """What the key figure shows: test errors, or training errors, too."""
    published: Beside = NO_FIGURES
    answers: Callable[[Findings], list[Answer]] = by_base
    expects: Callable[[Compared], Kind | None] = lambda _: None
    """What the second's test error is expected to be beside the first's, as the expectation has it: "lower", "higher",
    "equal"; None where it says nothing of them."""
    exhibits: Callable[[Findings], Blocks] = lambda _: ()
    """Further figures and tables of results."""
    why: Callable[[Findings], Reasons] | None = lambda found: reasons(found.compared, found.listed, found.words)
    """Reasons, under a heading of their own; None where the sections give them."""
    sections: Callable[[Findings], Blocks] = lambda _: ()
    """Questions of its own, each under its heading."""
    paper_told: bool = False
    """Whether the answers already say how these runs stand to the paper's figures."""
    base: Callable[[Group], bool] | None = None
    """Says whose recipe is told in full, where the exhibits tell how the others differ from it; None means of all."""
    along: Along = EPOCHS
    """What the curves are drawn against."""
    together: bool = False
    """Whether training and test curves are also drawn together, in the form of the paper's figure 6."""
    ordered: bool = True
    """Whether what is varied has an order, from less to more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that ResLab brings: what asks it, and the chapter that answers it."""

    name: str
    ask: Callable[[Options], Study]
    chapter: Callable[[Study, Words], Chapter]
