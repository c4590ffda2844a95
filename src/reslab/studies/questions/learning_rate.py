"""What does the learning rate do?  The assignment's section 4: ResNet-20 at a tenth to ten times the base rate."""

from reslab.analysis.comparable import varying
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, lowest
from reslab.analysis.verdicts import Kind
from reslab.exhibits.blocks import Prose
from reslab.exhibits.factor_figures import MEASURED, Axis
from reslab.exhibits.wording import listing, network_name, number, points
from reslab.recipe import at_rate
from reslab.studies.against_published import beside_ranges
from reslab.studies.designs import bases, several_depths, study_of, with_base, with_network
from reslab.studies.findings import Findings
from reslab.studies.question import Chapter, Question
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20,)
FACTORS = (1 / 10, 1 / 5, 1 / 2, 1.0, 2.0, 5.0, 10.0)
FAR, NEAR = 8.0, 2.5
"""Rates more than `FAR` times above or below the base's are expected to do worse, within `NEAR` about as well."""


def ask(options: Options) -> Study:
    """Return the study of the learning rate under these options."""
    recipes = [(factor, at_rate(base, factor)) for base in bases(options, DEPTHS) for factor in FACTORS]
    asked = [(f"rate {number(recipe.learning_rate)}", recipe, {"rate_times": factor}) for factor, recipe in recipes]
    measured = ("curvature",)
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=measured)


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on the learning rate."""
    label = with_network(study, lambda group: f"rate {number(group.recipe.learning_rate)}")
    several = several_depths(study)
    theirs = varying("learning_rate", lambda group: group.recipe.learning_rate)
    return Chapter(
        words=words,
        label=label,
        pairs=with_base(study, "rate_times", 1),
        axis=Axis(
            words("axis"),
            lambda group: number(group.recipe.learning_rate),
            lambda group: network_name(group.recipe) if several else MEASURED,
        ),
        published=theirs,
        expects=_expects,
        sections=lambda found: [Prose(_lowest(found)), *beside_ranges(found, theirs, label)],
    )


def _lowest(found: Findings) -> str:
    """Return which rate has the lowest mean error, and whether any run diverged; "" where nothing is compared."""
    best: list[list[Group]] = []
    for base in found.bases:
        around = (base, *(one.second for one in found.compared if one.first is base))
        if own := [group for group in around if group.has_result]:
            best.append(lowest(own))
    if not best:
        return ""
    kinds = {one.second.label: one.kind for one in found.compared}
    elsewhere = [kinds[group.label] for tied in best for group in tied if group.label in kinds]
    return found.words(
        "lowest.text",
        listed="; ".join(f"{points(tied[0].test_error)}% ({listing(map(found.full, tied))})" for tied in best),
        number=sum(map(len, best)),
        open=bool(elsewhere) and set(elsewhere) == {"open"},
        diverged=any(group.num_diverged for group in found.groups),
    )


def _expects(one: Compared) -> Kind | None:
    ratio = one.second.recipe.learning_rate / one.first.recipe.learning_rate
    times = max(ratio, 1 / ratio)
    return "higher" if times > FAR else "equal" if times < NEAR else None


QUESTION = Question(name="learning-rate", ask=ask, chapter=chapter)
