"""A study written down is read back whole, or refused with what to do."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reslab.analysis.tidy import read_tables
from reslab.files import read_json, signed, write_json
from reslab.recipe import Run
from reslab.studies.asked import asked_earlier, record, recorded, replaced
from reslab.studies.catalogue import others
from reslab.studies.study import Plan, Study, Variant
from synthetic import Truth, small, write_run

STUDY = Study(
    "mine",
    "A title",
    "Why?",
    "Because.",
    (Variant("a", small(8), (("depth", 8), ("nesterov", False))), Variant("b", small(14), seeds=(4,))),
    (0, 1),
    "custom",
    ("gap", "responses"),
    ("responses",),
)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    path = record(tmp_path, STUDY)
    assert path == tmp_path / "studies" / "mine.json"
    assert recorded(tmp_path) == ([STUDY], ())
    assert [file.name for file in path.parent.iterdir()] == ["mine.json"]


def test_a_record_from_before_diagnostics_were_recorded_wants_none(tmp_path: Path) -> None:
    path = record(tmp_path, STUDY)
    content = json.loads(path.read_text())
    del content["diagnostics"], content["diagnostics_during"], content["digest"]
    content["format"] = 1
    path.write_text(json.dumps(content))
    assert recorded(tmp_path) == ([replace(STUDY, diagnostics=(), diagnostics_during=())], ())


def test_the_last_question_of_a_name_stays(tmp_path: Path) -> None:
    record(tmp_path, STUDY)
    later = Study("mine", "Another", "", "", (Variant("c", small(20)),), (0,), "custom")
    record(tmp_path, later)
    assert recorded(tmp_path) == ([later], ())


def test_runs_that_a_study_no_longer_asks_for_are_told_and_kept_in_mind(tmp_path: Path) -> None:
    record(tmp_path, STUDY)
    fewer = replace(STUDY, variants=STUDY.variants[:1], seeds=(0,))
    plan = Plan("mine", "", (fewer,))
    assert list(replaced(tmp_path, plan)) == []  # none of them is there
    for run in STUDY.runs():
        write_run(tmp_path, run, Truth(3.0, 1.0))
    (words,) = replaced(tmp_path, plan)
    assert "the study mine asked for three runs before (ResNet-8, digits, paper, 12 epochs" in words
    assert "; seeds 0, 1 and 4); now it asks for one, and leaves out two that " in words
    assert "The report shows them under Other runs." in words
    other = replace(STUDY, name="other", variants=STUDY.variants[1:])
    record(tmp_path, other)
    assert "The report shows one of them under" in next(replaced(tmp_path, plan))
    record(tmp_path, fewer)
    record(tmp_path, replace(fewer, seeds=(1,)))
    assert asked_earlier(tmp_path) == dict.fromkeys((run.id for run in STUDY.runs()), "mine")
    assert list(replaced(tmp_path, Plan("mine", "", (STUDY,)))) == []  # asked as before
    assert recorded(tmp_path)[0] == [replace(fewer, seeds=(1,)), other]


def test_other_runs_say_why_they_are_there(tmp_path: Path) -> None:
    for run in (*STUDY.runs(), Run(small(20), 7)):
        write_run(tmp_path, run, Truth(3.0, 1.0))
    record(tmp_path, STUDY)
    fewer = replace(STUDY, variants=STUDY.variants[:1])
    record(tmp_path, fewer)
    found = others(read_tables(tmp_path), [fewer], asked_earlier(tmp_path))
    assert found is not None
    assert found.question == (
        "The study mine asked for one of these two runs earlier, but not when it was asked last.  "
        "No study in this folder asks for the other: it comes from reslab train or reslab pull, "
        "or from a study whose record is gone."
    )
    assert [variant.label for variant in found.variants] == ["ResNet-14", "ResNet-20"]
    (tmp_path / "studies" / "earlier" / "mine.json").write_text("{")
    assert asked_earlier(tmp_path) == {}


def test_nothing_recorded_is_an_empty_list(tmp_path: Path) -> None:
    assert recorded(tmp_path / "nowhere") == ([], ())


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', "[]"])
def test_a_damaged_record_is_named_and_hides_no_other(tmp_path: Path, damage: str) -> None:
    path = record(tmp_path, STUDY)
    other = replace(STUDY, name="other")
    record(tmp_path, other)
    path.write_text(damage)
    found, (problem,) = recorded(tmp_path)
    assert found == [other]
    assert problem.path == path
    assert problem.message.startswith("studies/mine.json is damaged")
    assert problem.message.endswith("remove it and run the study again")


def test_a_record_of_a_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    path = record(tmp_path, STUDY)
    write_json(path, signed({**(read_json(path) or {}), "format": 99}))
    (problem,) = recorded(tmp_path)[1]
    assert "newer ResLab; update this one" in problem.message


def test_a_flipped_bit_changes_no_question_unseen(tmp_path: Path) -> None:
    path, chance = record(tmp_path, STUDY), random.Random(0)
    before = path.read_bytes()
    for _ in range(300):
        content = bytearray(before)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        found, problems = recorded(tmp_path)
        assert found == [STUDY] or len(problems) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"diagnostics": ["nope"]},
        {"diagnostics_during": 5},
        {"title": 5},
        {"question": ["x"]},
        {"answers": "yes"},
        {"seeds": ["a"]},
        {"seeds": 5},
        {"variants": [{"label": 7}]},
        {"variants": [{"factors": [["dataset"]]}]},
        {"variants": [{"factors": [["depth", [1]]]}]},
        {"variants": [{"seeds": [-1]}]},
        {"variants": [{"recipe": 3}]},
    ],
    ids=str,
)
def test_a_record_of_other_kinds_of_values_is_a_problem(tmp_path: Path, change: dict[str, Any]) -> None:
    path = record(tmp_path, STUDY)
    content = json.loads(path.read_text())
    del content["digest"]
    if isinstance(change.get("variants"), list):
        change = {"variants": [{**content["variants"][0], **change["variants"][0]}]}
    path.write_text(json.dumps(signed({**content, **change})))
    studies, (problem,) = recorded(tmp_path)
    assert studies == []
    assert "studies/mine.json is damaged: " in problem.message
    assert "Error" not in problem.message


def test_a_copy_of_a_record_is_a_problem_and_no_second_study(tmp_path: Path) -> None:
    path = record(tmp_path, STUDY)
    copy = path.with_name("mine (copy).json")
    copy.write_bytes(path.read_bytes())
    studies, (problem,) = recorded(tmp_path)
    assert studies == [STUDY]
    assert problem.path == copy
    assert "it records the study mine; remove this copy, or rename it to mine.json" in problem.message
