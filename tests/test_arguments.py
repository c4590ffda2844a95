"""Arguments of public functions: refused by type and name before anything is done, in the words of their caller."""

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import pytest

import reslab
from reslab.arguments import as_keywords, checked
from reslab.errors import ResLabError

CALL: Any = reslab  # whose arguments a type checker would refuse


class Fields(TypedDict, total=False):
    """Stands for the fields of a recipe."""

    depth: int
    learning_rate: float


@checked
def call(
    *names: str,
    path: str | Path = "runs",
    depths: int | Sequence[int] | None = None,
    epochs: float | None = None,
    kept: Iterable[int] = (),
    vary: Mapping[str, Sequence[Any]] | None = None,
    order: Literal["up", "down"] = "up",
    is_on: bool = False,
    test: Callable[[int], bool] | None = None,
    others: "Sequence[Nowhere]" = (),  # type: ignore[name-defined]  # noqa: F821
    **fields: Unpack[Fields],
) -> tuple[object, ...]:
    """Return what was given."""
    return names, path, depths, epochs, kept, vary, order, is_on, test, others, fields


ASK: Any = call


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": 3}, "path must be text or a path, not 3"),
        (
            {"depths": "8,14"},
            r"depths must be a whole number or a list of whole numbers or None, not '8,14'; .*\[...\]",
        ),
        ({"depths": [8, "14"]}, r"depths\[1\] must be a whole number, not '14'"),
        ({"depths": 8.5}, "depths must be a whole number or a list"),
        ({"depths": True}, "depths must be a whole number or a list"),
        ({"depths": []}, "depths is empty"),
        ({"depths": {8: 14}}, "depths must be"),
        ({"epochs": "1"}, "epochs must be a number or None, not '1'"),
        ({"kept": "12"}, "kept must be a list of whole numbers, not '12'"),
        ({"vary": {"depth": 8}}, r"vary\['depth'\] must be a list, not 8"),
        ({"vary": {"depth": "8,14"}}, r"vary\['depth'\] must be a list, not '8,14'"),
        ({"vary": {8: [1]}}, "a key of vary must be text, not 8"),
        ({"vary": ["depth"]}, "vary must be a dict of lists or None"),
        ({"vary": {}}, "vary is empty"),
        ({"order": "left"}, "order must be one of 'up', 'down', not 'left'"),
        ({"is_on": 1}, "is_on must be True or False, not 1"),
        ({"test": 3}, "test must be a function or None"),
        ({"path": None}, "path must be text or a path, not None"),
        ({"epochs": "x" * 500}, r"not 'x{76}\.\.\.$"),
        ({"depht": 8}, r"call has no field 'depht' \(did you mean 'depth'\?\)"),
        ({"ordr": "up"}, r"call has no field 'ordr' \(did you mean 'order'\?\)"),
        ({"lr": 0.1}, r"no field 'lr' \(did you mean 'learning_rate'\?\)"),
        ({"zzzz": 1}, "no field 'zzzz'; there are path, depths, .*learning_rate"),
    ],
)
def test_what_does_not_fit_is_named_with_what_is_wanted(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ResLabError, match=words):
        ASK(**given)


def test_what_fits_is_handed_on_as_it_came() -> None:
    ones = (number for number in (1, 2))
    given = {"path": Path("x"), "depths": (8, 14), "epochs": 2, "kept": ones, "vary": {"depth": [8]}}
    found = ASK("a", "b", **given, others="anything", depth="left to the recipe", order="down", test=len)
    assert found[:6] == (("a", "b"), *given.values())
    assert list(ones) == [1, 2]  # not used up by looking
    assert found[-1] == {"depth": "left to the recipe"}
    assert ASK(depths=range(3), kept=())[2] == range(3)
    with pytest.raises(ResLabError, match=r"names\[1\] must be text, not 3"):
        ASK("a", 3)


@pytest.mark.parametrize(
    ("flags", "keywords"),
    [
        ("choose another folder with --out, or free it", "choose another folder with out=..., or free it"),
        ("--keep-epochs: there is no epoch 5", "keep_epochs: there is no epoch 5"),
        ("use the same --data-root, or another --runs folder", "use the same data_root, or another runs folder"),
        ("say which, as in --depths 18,34, and", "say which, as in depths=[18, 34], and"),
        ("leave out --epoch to measure it", "leave out epochs=... to measure it"),
        ("`reslab train --seed 1` trains it", "`reslab train --seed 1` trains it"),
        ("keep them: reslab train --keep-epochs 3", "keep them: reslab train --keep-epochs 3"),
        ("a run, or --weights FILE, or both", "a run, or weights=FILE, or both"),
        ("with --entry, e.g. --entry model", 'with entry=..., e.g. entry="model"'),
        ("with --entry, e.g. --entry 'a b'", 'with entry=..., e.g. entry="a b"'),
    ],
)
def test_flags_in_errors_are_keywords_to_python_and_commands_stay(flags: str, keywords: str) -> None:
    assert as_keywords(flags) == keywords


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: CALL.train("digits"), "recipe must be a Recipe or None, not 'digits'"),
        (lambda: CALL.train(device=0), "device must be text, not 0"),
        (lambda: CALL.vary("x", depth=8), "recipe must be a Recipe, not 'x'"),
        (lambda: CALL.vary(reslab.Recipe(), depht=8), r"did you mean 'depth'"),
        (lambda: CALL.stretch(reslab.Recipe(), float("inf")), "epochs must be a number above 0 and finite, not inf"),
        (lambda: CALL.verify("nosuch"), "names must be a list of texts, not 'nosuch'"),
        (lambda: CALL.write_report(figures="gif"), "figures must be a list of texts or None, not 'gif'"),
        (lambda: CALL.write_report("nowhere"), "there is no folder nowhere"),
        (lambda: CALL.compare(None, None), "a side is a run, some runs of one recipe, or an id; not None"),
        (lambda: CALL.compare(["a"], "b"), r"not \['a'\]"),
        (lambda: CALL.list_models(depths=20), "depths must be a list of whole numbers or None, not 20"),
        (CALL.import_data, "import_data: missing a required argument: 'path'"),
        (lambda: CALL.live_page("nowhere"), "there is no folder nowhere"),
        (lambda: CALL.live_page(".", port="x"), "port must be a whole number or None, not 'x'"),
        (lambda: CALL.study("depth").run(jobs="2"), "jobs must be a whole number or None, not '2'"),
        (lambda: CALL.study("depth").run(jobs=0), "jobs must be 1 or more, not 0"),
        (lambda: CALL.study("depth").run(time_limit=float("nan")), "time_limit must be 0 or more, not nan"),
        (lambda: CALL.study("depth").run(push=True), r"^push needs a share to push to: add share=\.\.\.$"),
        (lambda: CALL.study("depth", fit="12"), "^fit takes a time"),
        (lambda: CALL.train(dataset="digits", depth=8, epochs=2, keep_epochs=[5]), "^keep_epochs: there is no epoch 5"),
        (lambda: CALL.train(dataset="digts"), r"not 'digts' \(did you mean 'digits'\?\); .* my_images\.py:load$"),
        (lambda: CALL.Run(3), "folder must be text or a path, not 3"),
        (lambda: CALL.runs(".").filter(depth="14"), "depth must be a whole number, not '14'"),
        (lambda: CALL.runs(".").filter(depth=[8, "14"]), "depth must be a whole number, not '14'"),
        (lambda: CALL.runs(".").filter(status="finishd"), r"not 'finishd' \(did you mean 'finished'\?\)"),
        (lambda: CALL.runs(".").filter(family="plane"), "did you mean 'plain'"),
    ],
)
def test_every_public_function_checks_and_leaves_nothing_behind(
    ask: Callable[[], object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResLabError, match=words):
        ask()
    assert not list(tmp_path.iterdir())


def test_what_is_checked_is_still_itself() -> None:
    assert pickle.loads(pickle.dumps(reslab.train)) is reslab.train
    assert len(reslab.runs(".").filter(depth=[8], family="own", length=1, status="finished", nesterov=True)) == 0
    assert reslab.study("depth", "depth", dataset="digits").name == "depth"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    for value in ("a\0b", Path("a\0b")):
        with pytest.raises(ResLabError, match="path contains a null character"):
            call(path=value)


def test_numbers_of_other_libraries_reach_the_function_as_pythons_own() -> None:
    *_, fields = ASK(epochs=np.float32(0.1), depth=np.int64(8), learning_rate=np.float32(0.1))
    assert [type(value) for value in fields.values()] == [int, float]
    assert type(ASK(epochs=np.float32(1))[3]) is float
    assert CALL.preset("assignment", epochs=np.float32(1)) == reslab.preset("assignment", epochs=1)
