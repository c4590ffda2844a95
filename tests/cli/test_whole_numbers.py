"""No flag for a whole number rounds a fraction."""

import pytest
from cyclopts import CoercionError

from reslab.cli import COMMANDS, DATA_COMMANDS, app

DATA = app["data"]
VERBS = {**{name: app[name] for name in COMMANDS}, **{f"data {name}": DATA[name] for name in DATA_COMMANDS}}
PLACED = {"run": ["depth"], "diagnose": ["RUN"]}
"""What these need beside a flag."""


def _flags(verb: str) -> list[str]:
    """Return the flags of a verb that take a whole number."""
    arguments = VERBS[verb].assemble_argument_collection(parse_docstring=False)
    return [one.name for one in arguments if one.hint in (int, int | None)]


FLAGS = [(verb, flag) for verb in VERBS for flag in _flags(verb)]


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
@pytest.mark.parametrize("value", ["8.4", "8.0", "1e3", "nan"])
def test_a_fraction_is_refused_with_the_name_of_the_flag(verb: str, flag: str, value: str) -> None:
    with pytest.raises(CoercionError) as caught:
        app.parse_args(
            [*verb.split(), *PLACED.get(verb, ()), f"{flag}={value}"], exit_on_error=False, print_error=False
        )
    assert caught.value.token is not None
    assert caught.value.token.keyword == flag


def test_the_flags_are_found() -> None:
    assert {("train", "--seed"), ("train", "--depth"), ("train", "--batch-size"), ("run", "--seeds")} <= set(FLAGS)
