"""One run of each variant: what may be said of differences that cannot be tested."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparison import by_images_alone
from reslab.analysis.judgement import Compared
from reslab.exhibits.wording import counted, points, that_do

Listed = Callable[[Sequence[Compared]], str]
"""Lists what is compared, as in "rate 0.2 and rate 0.5"."""

CAUTION = "One seed cannot tell any of these differences from chance."
UNTESTED = "With one seed no difference can be tested, so that no reason can be shown for any."

_IMAGES = {"test_error": "num_test", "train_error": "num_train"}

_SUPPOSED = {
    (1, 1): "where both errors are higher ({}), the training images themselves are learnt less well, which is not "
    "overfitting but too little training, or training that goes astray",
    (1, -1): "where the test error is higher and the training error lower ({}), what is learnt carries over less to "
    "new images, which is overfitting",
    (1, 0): "where the test error is higher and the training error about the same ({}), what is learnt carries over "
    "less to new images",
    (-1, -1): "where both errors are lower ({}), more is learnt, and it carries over to new images",
    (-1, 1): "where the test error is lower and the training error higher ({}), less is learnt of the training images "
    "and more of it carries over",
    (-1, 0): "where the test error is lower and the training error about the same ({}), what is learnt carries over "
    "better to new images",
}
"""What a difference of test errors means beside that of the training errors, by the signs of both."""


def untested(compared: Sequence[Compared]) -> bool:
    """Return whether there are comparisons and none of them could be tested, for want of seeds."""
    verdicts = [one.test for one in compared if one.test is not None]
    return bool(verdicts) and all(verdict.kind == "unknown" for verdict in verdicts)


def on_what_scale(compared: Sequence[Compared]) -> str:
    """Return that nothing can be tested, and how many differences the draw of the test images could explain."""
    reach = _reach(compared, "test_error")
    sides = [_side(one, "test_error", reach) for one in compared if reach is not None and one.test is not None]
    if reach is None:
        return CAUTION
    if len(sides) == 1:
        sizes = f"this one is {'larger' if any(sides) else 'not larger'}"
    else:
        larger = sum(side != 0 for side in sides)
        sizes = f"of these {counted(len(sides), 'difference')} {that_do(larger, 'is', 'are')} larger"
    return (
        f"{CAUTION}  As a scale: by the draw of the test images alone, two networks with equal chances of an error may "
        f"come out {points(reach)} points apart (95%); {sizes}."
    )


def reasons_supposed(compared: Sequence[Compared], listed: Listed) -> str:
    """Return that no reason can be shown, and which ones the larger differences would have, if seeds confirmed them."""
    test, train = (_reach(compared, column) for column in _IMAGES)
    cases: dict[tuple[int, int], list[Compared]] = {}
    for one in compared:
        if test is not None and train is not None and one.test is not None and one.train is not None:
            signs = _side(one, "test_error", test), _side(one, "train_error", train)
            cases.setdefault(signs, []).append(one)
    parts = [words.format(listed(cases[signs])) for signs, words in _SUPPOSED.items() if signs in cases]
    if not parts:
        return UNTESTED
    lead = "Should more seeds confirm the differences that are larger than the draw of the images explains, then"
    return f"{UNTESTED}  {lead} {'; '.join(parts)}."


def _reach(compared: Sequence[Compared], column: str) -> float | None:
    """Return the points by which any two that are compared may differ by the draw of the images alone."""
    reaches = []
    for one in compared:
        errors = [group.last_epoch(column).mean for group in (one.first, one.second)]
        images = [group.number(_IMAGES[column]) for group in (one.first, one.second)]
        if errors[0] is not None and errors[1] is not None and images[0] and images[1]:
            reaches.append(by_images_alone(errors[0], errors[1], min(images[0], images[1])))
    return max(reaches, default=None)


def _side(one: Compared, column: str, reach: float) -> int:
    """Return 1 or -1 where the second error is the higher or the lower by more than `reach`, else 0."""
    verdict = one.test if column == "test_error" else one.train
    value = 0.0 if verdict is None else verdict.difference.value
    return 0 if abs(value) <= reach else 1 if value > 0 else -1
