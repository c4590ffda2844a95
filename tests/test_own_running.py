"""A file of the user's own imports what lies beside it, whatever of the same names was imported before."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from reslab.errors import ResLabError
from reslab.own_code import parse
from reslab.own_running import load_function, modules_of

NAMES = ("net", "nets", "width")
NET = "from nets.block import WIDTH\nimport width\ndef build():\n    return WIDTH, width.WIDTH\n"


def write(folder: Path, number: int, *, is_package: bool = True, net: str = NET) -> Path:
    """Write a file that imports from a package and from a module beside it, whose values are of this number."""
    (folder / "nets").mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(net)
    (folder / "width.py").write_text(f"WIDTH = {number}\n")
    (folder / "nets" / "block.py").write_text(f"WIDTH = {10 * number}\n")
    (folder / "nets" / "__init__.py").unlink(missing_ok=True)
    if is_package:
        (folder / "nets" / "__init__.py").touch()
    return folder


def widths(folder: Path) -> object:
    reference = parse("net.py:build")
    assert reference is not None
    with modules_of(folder, "net.py"):
        return load_function(folder, reference)()


def load(folder: Path, text: str, *arguments: str) -> object:
    reference = parse(text)
    assert reference is not None
    with modules_of(folder, reference.file):
        return load_function(folder, reference, *arguments)


def there() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.split(".")[0] in NAMES}


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a working folder that modules are imported from, as a notebook's."""
    folder = tmp_path / "notebook"
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in there():
        del sys.modules[name]


@pytest.mark.parametrize("is_package", [True, False])
def test_what_a_notebook_has_imported_is_not_taken_and_stays(notebook: Path, tmp_path: Path, is_package: bool) -> None:
    write(notebook, 1, is_package=is_package)
    importlib.import_module("nets.block")
    importlib.import_module("width")
    before = there()
    assert set(before) == {"nets", "nets.block", "width"}
    assert widths(write(tmp_path / "run", 2, is_package=is_package)) == (20, 2)
    assert there() == before


def test_what_was_edited_after_its_import_counts_as_it_is_now(notebook: Path) -> None:
    write(notebook, 1)
    importlib.import_module("nets.block")
    importlib.import_module("width")
    assert widths(write(notebook, 200)) == (2000, 200)
    assert sys.modules["nets.block"].WIDTH == 10


@pytest.mark.parametrize("is_package", [True, False])
def test_one_run_leaves_nothing_for_the_next(tmp_path: Path, is_package: bool) -> None:
    for number in (1, 2, 3):
        assert widths(write(tmp_path / str(number), number, is_package=is_package)) == (10 * number, number)
        assert not there()


def test_a_package_elsewhere_does_not_go_before_a_folder_without_an_init(notebook: Path, tmp_path: Path) -> None:
    """As where the user adds an __init__.py after a run was made."""
    write(notebook, 1)
    assert widths(write(tmp_path / "run", 2, is_package=False)) == (20, 2)


def test_only_what_belongs_to_the_source_is_imported_anew(notebook: Path) -> None:
    write(notebook, 1, net="import width\ndef build():\n    import nets.block\n    return nets.block, width.WIDTH\n")
    block = importlib.import_module("nets.block")
    (notebook / "json").mkdir()
    json = importlib.import_module("json")
    found = widths(notebook)
    assert isinstance(found, tuple)
    assert found[0] is not block
    with modules_of(write(notebook, 1, net="import width, json\ndef build(): ...\n"), "net.py"):
        assert sys.modules["nets.block"] is block
        assert sys.modules["json"] is json


def test_a_module_that_no_run_would_keep_is_refused(notebook: Path) -> None:
    write(notebook, 1)
    (notebook / "nets" / "net.py").write_text("import torch, json\nfrom nets.block import WIDTH\ndef build(): ...\n")
    words = f"net.py imports nets from {notebook}, which no run would keep.*Put a file into {notebook} that imports"
    with pytest.raises(ResLabError, match=words):
        load(notebook / "nets", "net.py:build")
    (notebook / "all.py").write_text("from nets.net import build\n")
    load(notebook, "all.py:build")
    (notebook / "nets" / "net.py").write_text("from .block import WIDTH\ndef build(): ...\n")
    with pytest.raises(ResLabError, match=r"relative import with no known parent package\.  Give a file beside"):
        load(notebook / "nets", "net.py:build")
    load(notebook, "all.py:build")


def test_a_module_on_the_python_path_counts_as_installed(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(notebook, 1)
    (notebook / "nets" / "net.py").write_text("import nets\ndef build(): ...\n")
    monkeypatch.setenv("PYTHONPATH", str(notebook))
    load(notebook / "nets", "net.py:build")


def test_how_the_process_was_started_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "64"])
    (tmp_path / "net.py").write_text("import sys\nARGUMENTS = sys.argv\ndef build(): return ARGUMENTS\n")
    build = load(tmp_path, "net.py:build")
    assert callable(build)
    assert build() == [str(tmp_path / "net.py")]
    assert sys.argv == ["train.py", "64"]


@pytest.mark.parametrize(
    ("definition", "is_taken"),
    [
        ("def build(classes, seed): ...", True),
        ("def build(num_classes, random_seed=0): ...", True),
        ("def build(num_classes, _): ...", True),
        ("def build(*given): ...", True),
        ("def build(num_classes, dropout=0.1): ...", False),
        ("class build:\n    def __init__(self, num_classes, width): ...", False),
    ],
)
def test_the_seed_is_given_as_nothing_else(tmp_path: Path, definition: str, is_taken: bool) -> None:
    (tmp_path / "net.py").write_text(definition)
    if is_taken:
        load(tmp_path, "net.py:build", "num_classes", "seed")
    else:
        with pytest.raises(ResLabError, match=r"build \(net.py\) would get the seed as its (dropout|width): write def"):
            load(tmp_path, "net.py:build", "num_classes", "seed")
