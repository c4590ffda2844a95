"""Words of chapters: those of a user come before ResLab's, and no text is without use or value."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import test_chapters
from chapter_words import words_of as text_of

import reslab.studies
from reslab.analysis.tidy import read_tables
from reslab.errors import ResLabError
from reslab.exhibits.blocks import Heading
from reslab.report.compose import compose
from reslab.session.work import Session
from reslab.studies import questions, words
from reslab.studies.asked import record
from reslab.studies.catalogue import CHAPTERS, ask, chapter_of, reworded
from reslab.studies.chapter import find
from reslab.studies.chapter import write as write_chapter
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import OTHERS, Options, Plan
from reslab.studies.words import check_users, in_the_users, values_of, words_of
from synthetic import Truth, write_run

HERE = Path(reslab.studies.__file__).parent
OPTIONS = Options(datasets=("digits",), depths=(8,), epochs=4, seeds=2)


def write(root: Path, name: str, text: str) -> Path:
    (root / "words").mkdir(exist_ok=True)
    path = root / "words" / f"{name}.toml"
    path.write_text(text)
    return path


def test_whether_a_users_own_expectation_came_true_is_theirs_to_say(tmp_path: Path) -> None:
    study = ask("epochs", OPTIONS)
    record(tmp_path, study)
    for run in study.runs():
        write_run(tmp_path, run, Truth(40.0 / run.recipe.length, 4.0, 0.1))
    ours, theirs = "The test errors are as expected.", "Expected: nothing at all."
    for text in ('title = "Patience"\n', 'expectation = "nothing at all."\n'):
        write(tmp_path, "epochs", text)
        (section,) = [one for one in compose(tmp_path).sections if one.key == "epochs"]
        told = text_of(section.blocks)
        assert (ours in told, theirs in told) == (("title" in text), ("expectation" in text))


def test_a_users_words_take_the_place_of_ours(tmp_path: Path) -> None:
    study = ask("epochs", OPTIONS)
    record(tmp_path, study)
    for run in study.runs():
        write_run(tmp_path, run, Truth(10.0, 4.0, 0.1))
    write(tmp_path, "chapter", '[headings]\ncurves = "What the curves show"\n')
    write(
        tmp_path,
        "epochs",
        'title = "Task 3: patience"\nquestion = "Is more better?"\n'
        '[headings]\nrun = "How it was done"\n[rise]\nheading = ""\nopen = "Who knows: {good}."\n',
    )
    (section,) = [one for one in compose(tmp_path).sections if one.key == "epochs"]
    headings = [block.text for block in section.blocks if isinstance(block, Heading)]
    assert section.title == "Task 3: patience"
    assert {"What the curves show", "How it was done", "Why?"} <= set(headings)
    text = text_of(section.blocks)
    assert text.startswith("Is more better?")
    assert "Who knows: " in text
    assert "None of the longer trainings is shown to do worse" not in text
    assert "" not in headings  # an empty text is left out


def test_the_words_of_one_study_are_not_those_of_another(tmp_path: Path) -> None:
    write(tmp_path, "epochs", 'varied = "patience"\ntitle = "Patience"\n')
    write(tmp_path, "chapter", '[rise]\nheading = "Up again?"\n')  # a text of one question, for all chapters
    epochs, depth = ask("epochs", OPTIONS), ask("depth", OPTIONS)
    assert chapter_of(epochs, tmp_path).words("varied") == "patience"
    assert chapter_of(epochs, tmp_path).words("rise.heading") == "Up again?"
    assert chapter_of(depth, tmp_path).words("varied") == words_of("depth")("varied")
    assert (reworded(epochs, tmp_path).title, reworded(depth, tmp_path).title) == ("Patience", depth.title)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('varid = "x"', r"epochs\.toml: there is no text 'varid' .did you mean 'varied'"),
        ('[rise]\nshown = "{listd} is worse"', r"rise\.shown: there is no value \{listd\} .*its values are \{listed\}"),
        ('title = "On {dataset}"', r"title: there is no value \{dataset\} .*it has no values"),
        ("varied = 3", "varied: must be text in quotes, not 3"),
        ('title = "{{ 1 / 0 }}"', r"epochs\.toml: title: this text cannot be filled in: division by zero"),
        (
            'title = "{% for one in range(999999) %}x{% endfor %}"',
            r"title: this text cannot be filled in: Range too big",
        ),
        ('title = "{{ [].pop() }}"', r"title: this text cannot be filled in"),
        ("varied = ", r"epochs\.toml is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "epochs", text)
    with pytest.raises(ResLabError, match=said):
        in_the_users(words_of("epochs"), tmp_path, "epochs")


def test_a_text_whose_values_do_not_suit_is_named_with_its_file_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs", '[rise]\nshown = "{{ 1 // (listed | length - 2) }}"\n')
    texts = in_the_users(words_of("epochs"), tmp_path, "epochs")
    assert texts("rise.shown", listed="one") == "1"
    with pytest.raises(ResLabError, match=rf"{path}: rise\.shown: this text cannot be filled in: .*by zero"):
        texts("rise.shown", listed="no")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("epochs", 'varid = "x"', r"epochs\.toml: there is no text 'varid'"),
        ("chapter", '[headings]\nwhi = "Why not?"', r"chapter\.toml: there is no text 'headings\.whi' in any chapter"),
        ("chapter", '[curves]\nuntil = "{epoch}"', r"there is no value \{epoch\}"),
        ("chapter", 'title = "{{ 1 / 0 }}"', r"chapter\.toml: title: this text cannot be filled in"),
        ("depths", "varied = ", r"depths\.toml is not TOML"),
    ],
)
def test_faulty_words_are_told_before_anything_is_trained(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / "runs").mkdir()
    path = write(tmp_path / "runs", name, text)
    asked = Plan("epochs", "", (ask("epochs", OPTIONS),))
    with pytest.raises(ResLabError, match=said):
        Session(asked, tmp_path / "runs")
    path.write_text("")
    heard: list[str] = []

    def hear(line: str) -> bool:
        heard.append(line)
        return True

    Session(asked, tmp_path / "runs", tell=hear)
    assert bool(heard) == (name == "depths")
    assert all("changes nothing: there is no study 'depths' here" in line for line in heard)


def test_words_of_a_question_that_all_chapters_may_have_are_no_fault(tmp_path: Path) -> None:
    write(tmp_path, "chapter", '[rise]\nheading = "Up again?"\n[hard]\nheading = "Hard?"\n')
    write(tmp_path, "other-runs", '[headings]\nrun = "How"\n')
    assert check_users(tmp_path, {"depth": "depth", "other-runs": "others"}) == []


def test_a_value_is_put_in_as_it_is() -> None:
    assert words_of("epochs")("rise.shown", listed="{listed} {0} {x.__class__}").endswith("{listed} {0} {x.__class__}.")


@pytest.mark.parametrize("name", ["chapter", OTHERS, *QUESTIONS])
def test_every_text_is_used_and_well_formed(name: str) -> None:
    """A key that no line of ours asks for would be a word that changes nothing when a teacher replaces it."""
    sources = "".join(path.read_text() for path in HERE.rglob("*.py"))
    asked = set(re.findall(r"""["']([a-z][a-z.-]*)["']""", sources))
    heads = tuple(re.findall(r'f"([a-z]+\.)\{', sources))
    heads += tuple(f"{table}." for table in re.findall(r'words\.under\("([a-z]+)"\)', sources))
    for key, text in words_of(name).texts.items():
        assert key in asked or key.startswith(heads), key
        assert all(re.fullmatch("[a-z_]+", value) for value in values_of(text)), text


def test_the_question_in_the_documents_is_two_files_and_a_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    text = text[text.index("## A question of ResLab's own") :]
    code, told, own_test = re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "momentum.py").write_text(code)
    (tmp_path / "momentum.toml").write_text(told)
    monkeypatch.setattr(questions, "__path__", [str(tmp_path), *questions.__path__])
    monkeypatch.delitem(sys.modules, f"{questions.__name__}.momentum", raising=False)
    monkeypatch.setattr(words, "_QUESTIONS", tmp_path)
    found = questions.discovered()
    assert found.keys() == {*QUESTIONS, "momentum"}
    assert found["momentum"].ask(replace(OPTIONS, preset="hysts")).variants[0].recipe.nesterov is False
    study = found["momentum"].ask(OPTIONS)
    for run in study.runs():
        write_run(tmp_path / "runs", run, Truth(30.0 - 20 * run.recipe.momentum, 1.0, 0.1))
    chapter = found["momentum"].chapter(study, words_of("momentum"))
    blocks = write_chapter(find(study, read_tables(tmp_path / "runs"), chapter), chapter)
    text = text_of(blocks)
    assert text.startswith("How do the errors change with the momentum")
    assert "momentum 0.99 beat 0.9 (1.80 points, 95% interval " in text, text
    monkeypatch.setitem(QUESTIONS, "momentum", found["momentum"])
    monkeypatch.setitem(CHAPTERS, "momentum", found["momentum"].chapter)
    names = dict(vars(test_chapters))
    exec(own_test, names)
    names["test_the_momentum_of_the_lowest_training_error_is_named"](tmp_path / "own")


def test_a_text_may_depend_on_its_values(tmp_path: Path) -> None:
    write(tmp_path, "epochs", '[rise]\nshown = "{% if listed %}Worse: {listed}.\\n{% endif %}So be it."\n')
    own = in_the_users(words_of("epochs"), tmp_path, "epochs")
    assert own("rise.shown", listed="32 epochs") == "Worse: 32 epochs.  So be it."
    assert own("rise.shown", listed="") == "So be it."
    write(tmp_path, "epochs", '[rise]\nshown = "{% if listed %}Worse"\n')
    with pytest.raises(ResLabError, match=r"rise\.shown: this text is not well formed"):
        in_the_users(words_of("epochs"), tmp_path, "epochs")
