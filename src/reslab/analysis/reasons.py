"""What test and training errors show together, and what the draw of the images alone could explain (pure)."""

from collections.abc import Sequence
from typing import Literal

from reslab.analysis.comparisons import IMAGES, Compared
from reslab.analysis.differences import by_images_alone
from reslab.analysis.verdicts import Kind


def shows(compared: Sequence[Compared]) -> Literal["nothing", "untested", "changes", "equal", "open"]:
    """Return what the test errors of comparisons show together.

    "nothing": none has finished runs on both sides.  "untested": all lack seeds.  "changes": any shows a direction.
    "equal": all are equal.  "open": anything else.
    """
    kinds = {one.kind for one in compared}
    if kinds <= {None}:
        return "nothing"
    if untested(compared):
        return "untested"
    return "changes" if resolved(compared) else "equal" if kinds == {"equal"} else "open"


def untested(compared: Sequence[Compared]) -> bool:
    """Return whether there are comparisons but none could be tested for lack of seeds."""
    return {one.kind for one in compared} - {None} == {"unknown"}


def resolved(compared: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons that show a direction in the test error."""
    return [one for one in compared if one.kind in ("lower", "higher")]


def by_kinds(compared: Sequence[Compared], *, supposed: bool) -> dict[str, list[Compared]]:
    """Return the comparisons by what they show for the test and the training error, as in "lower, equal".

    Where `supposed`, for lack of seeds to test with, a difference counts if it exceeds what the draw of the images
    explains.
    """
    found = dict[str, list[Compared]]()
    for one in compared:
        if one.test is not None and one.train is not None:
            kinds = (one.test.kind, one.train.kind)
            if supposed:
                kinds = (beyond_chance(one), beyond_chance(one, "train_error"))
            found.setdefault(", ".join(kinds), []).append(one)
    return found


def chance_reach(one: Compared, column: str = "test_error") -> float | None:
    """Return by how many points the two may differ through the draw of the images alone; None where unknown."""
    errors = [group.last_epoch(column).mean for group in (one.first, one.second)]
    images = [group.number(IMAGES[column]) for group in (one.first, one.second)]
    if errors[0] is None or errors[1] is None or not images[0] or not images[1]:
        return None
    return by_images_alone(errors[0], errors[1], min(images[0], images[1]))


def beyond_chance(one: Compared, column: str = "test_error") -> Kind:
    """Return "higher" or "lower" where the second error differs by more than `chance_reach`, else "open"."""
    verdict, reach = one.test if column == "test_error" else one.train, chance_reach(one, column)
    if verdict is None or reach is None or abs(verdict.difference.value) <= reach:
        return "open"
    return "higher" if verdict.difference.value > 0 else "lower"
