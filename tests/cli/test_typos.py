"""Every verb and flag with a letter missing or two exchanged: exit code 2, and the right spelling offered."""

import pytest

from profiles import DEEP
from reslab.cli import COMMANDS, DATA_COMMANDS, app, main

DATA = app["data"]
VERBS = {**{name: app[name] for name in COMMANDS}, **{f"data {name}": DATA[name] for name in DATA_COMMANDS}}


def _flags(verb: str) -> list[str]:
    arguments = VERBS[verb].assemble_argument_collection(parse_docstring=False)
    names = (name for argument in arguments for name in argument.names if name.startswith("--"))
    return [name for name in names if len(name) > len("--lr")]


def _misspelt(name: str) -> list[str]:
    """Return the name without its last letter but one, and with these two exchanged."""
    return [name[:-2] + name[-1], name[:-2] + name[-1] + name[-2]]


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    heard = capsys.readouterr()
    return " ".join((heard.out + heard.err).split())


@pytest.mark.parametrize("verb", VERBS)
def test_a_flag_with_a_typo_is_named_and_the_right_one_offered(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In both ways; in the quick profile in one of them, by turns."""
    known = set(_flags(verb))
    for place, flag in enumerate(sorted(known)):
        for wrong in set(_misspelt(flag) if DEEP else [_misspelt(flag)[place % 2]]) - known:
            assert main([*verb.split(), f"{wrong}=3"]) == 2
            said = _said(capsys)
            assert wrong in said
            near = {flag, *(other for other in known if f"{other}s" == flag)}
            assert any(f"{one}?" in said for one in near), said  # --run is as near to --rusn as --runs is


def test_a_verb_with_a_typo_is_named_and_the_right_one_offered(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in COMMANDS:
        for wrong in set(_misspelt(verb)) - set(COMMANDS):
            assert main([wrong]) == 2
            said = _said(capsys)
            assert f"no command {wrong!r}" in said
            assert f"did you mean {verb!r}?" in said, said


@pytest.mark.parametrize(
    ("depth", "offered"), [("21", "try 20 or 26"), ("5", "try 8"), ("18", "try 14 or 20"), ("111", "try 110 or 116")]
)
def test_an_impossible_depth_gets_the_nearest(depth: str, offered: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--depth", depth]) == 2
    assert offered in _said(capsys)
