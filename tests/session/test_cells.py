"""Functions and classes typed in a notebook: captured whole, or refused by the name that could not be."""

import __future__

import ast
import json
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from reslab.errors import ResLabError
from reslab.own_code import parse, read_source
from reslab.own_running import load_function, modules_of
from reslab.session.bringing import network_text

NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, WIDTHS["first"], 3, stride=4), nn.Flatten(), LazyLinear(num_classes))
    def forward(self, x):
        return self.body(scaled(x))
"""
BUILD = """
def build(num_classes, seed):
    x = Net(num_classes)
    return x
"""


class Cells:
    """A notebook: cells run in one namespace, their source where IPython keeps it."""

    def __init__(self, *, by_statement: bool) -> None:
        self.by_statement, self.flags = by_statement, 0
        self.module = ModuleType("__main__")
        self.names: dict[str, Any] = vars(self.module)
        self._files: list[str] = []

    def run(self, source: str) -> None:
        file = f"<cell {len(self._files)} of {id(self)}>"
        self._files.append(file)
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        if self.by_statement:  # as IPython does
            for statement in ast.parse(source).body:
                if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                    self.flags = __future__.annotations.compiler_flag
                exec(compile(ast.Module([statement], []), file, "exec", self.flags), self.names)
        else:
            exec(compile(source, file, "exec"), self.names)

    def forget(self) -> None:
        for file in self._files:
            linecache.cache.pop(file, None)


@pytest.fixture(params=[True, False], ids=["notebook", "shell"])
def cells(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    found = Cells(by_statement=request.param)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", found.module)
    found.run(
        "import torch\nfrom torch import nn, Tensor\nfrom torch.nn import LazyLinear\nimport torch.nn.functional as F\n"
    )
    yield found
    found.forget()


@pytest.fixture
def typed(cells: Cells) -> Cells:
    """Return a notebook with a network in it, and with the usual litter."""
    cells.run("WIDTHS = {'first': 8, 'rest': (1, 2.5, None)}\nx = torch.zeros(3)\nlogits = [1]\n")
    cells.run("def scaled(x):\n    return F.relu(x) * 2\n")
    cells.run(NET)
    cells.run(BUILD)
    return cells


def captured(text: str) -> str:
    reference = parse(text)
    assert reference is not None
    return reference.path.read_text()


def outputs(text: str) -> Any:
    import torch

    reference = parse(text)
    assert reference is not None
    with modules_of(reference.path.parent, reference.file), torch.random.fork_rng():
        torch.manual_seed(0)
        network = load_function(reference.path.parent, reference, "num_classes", "seed")(4, 0)
        return network(torch.ones(2, 3, 16, 16))


def test_a_network_is_captured_with_all_that_it_refers_to_and_nothing_else(typed: Cells) -> None:
    import torch

    text = network_text(typed.names["build"])
    assert text.endswith("/notebook.py:build")
    written = captured(text)
    assert written.startswith("from torch.nn.modules.linear import LazyLinear\nimport torch.nn as nn\n")
    assert "WIDTHS = {'first': 8, 'rest': (1, 2.5, None)}" in written
    assert not [word for word in ("x = torch", "logits", "Tensor", "import torch\n") if word in written]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = typed.names["build"](4, 0)(torch.ones(2, 3, 16, 16))
    assert torch.equal(outputs(text), expected)


def test_what_is_referred_to_is_part_of_the_identity_and_nothing_else_is(typed: Cells) -> None:
    def digest() -> str:
        reference = parse(network_text(typed.names["build"]))
        assert reference is not None
        return read_source(reference.path).digest

    first = digest()
    typed.run("y = 5\nx = torch.ones(2)")
    typed.run(BUILD)  # the same cell, run again
    assert digest() == first
    typed.run("def scaled(x):\n    return F.relu(x) * 3\n")
    second = digest()
    assert second != first
    typed.run("WIDTHS['first'] = 16")
    assert digest() not in (first, second)


def test_files_beside_the_notebook_come_along(cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "my_blocks.py").write_text("from my_width import WIDTH\nclass Block: width = WIDTH\n")
    (tmp_path / "my_width.py").write_text("WIDTH = 3\n")
    cells.run("from my_blocks import Block\ndef build(num_classes, seed):\n    return Block.width\n")
    reference = parse(network_text(cells.names["build"]))
    assert reference is not None
    assert set(read_source(reference.path).files) == {"notebook.py", "my_blocks.py", "my_width.py"}


def test_what_comes_from_files_beside_the_notebook_is_no_change(cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    for name in ("nets/block.py", "my_block.py"):
        (tmp_path / name).write_text("class Sizes:\n    def all(self): return []\ndef act(x): return x\n")
    for number, name in enumerate(("nets.block", "my_block")):
        cells.run(
            f"from {name} import Sizes, act\nclass Net{number}(nn.Linear):\n    kind, sizes, op = Sizes, Sizes(), act\n"
            f"    def forward(self, x, sizes=Sizes()): return self.op(x)\n"
            f"def build{number}(num_classes, seed): return Net{number}(3, num_classes)\n"
        )
        assert f"from {name} import Sizes" in captured(network_text(cells.names[f"build{number}"]))


def test_a_class_decorators_aliases_and_future_annotations(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        linecache.cache, "<string>", (1, None, ["pass\n"], "<string>")
    )  # as `python -c` does from 3.13 on
    cells.run("from __future__ import annotations\nimport dataclasses, functools, math\n")
    cells.run(
        "from __future__ import annotations\n"
        "@dataclasses.dataclass(frozen=True)\nclass Sizes:\n    width: int = 8\n    share: float = math.inf\n"
    )
    cells.run(
        "from __future__ import annotations\n"
        "class Base(nn.Module):\n    def forward(self, x: Nowhere) -> Tensor:\n        return self.net(x)\n"
    )
    cells.run("Parent = Base\n@functools.lru_cache\ndef width(): return Sizes().width\n")
    cells.run(
        "from __future__ import annotations\n"
        "class Net(Parent):\n    first = width()\n"
        "    def __init__(self, num_classes, seed):\n        super().__init__()\n"
        "        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes, bias=DEPTH > 1))\nDEPTH = 3\n"
    )
    written = captured(network_text(cells.names["Net"]))
    assert written.index("class Base") < written.index("Parent = Base") < written.index("class Net(Parent)")
    assert written.index("class Sizes") < written.index("class Net(Parent)")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            "w = torch.ones(3)\ndef build(num_classes, seed): return w",
            "build uses w, a value of type Tensor that was made",
        ),
        ("net = nn.Flatten()\ndef build(num_classes, seed): return net", "build uses net, a value of type Flatten"),
        (
            "w = torch.ones(3)\ndef part(): return w\ndef build(num_classes, seed): return part()",
            r"part uses w, a value of type Tensor .* \(part belongs to build\).*%%writefile",
        ),
        ("def build(num_classes, seed): return eval('3')", r"build calls eval\(\)"),
        ("build = lambda num_classes, seed: 3", "is not defined at the top of a cell: a lambda"),
        (
            "def outer():\n    def build(num_classes, seed): return 3\n    return build\nbuild = outer()",
            "outer.<locals>.build is not defined at the top",
        ),
        ("a = [1]\nb = a\ndef build(num_classes, seed): return a, b", "uses b, which is the same list as in a"),
        ("a = [1]\na.append(a)\ndef build(num_classes, seed): return a", "build uses a, a list that contains itself"),
        ("d = {}\nd[1] = (2, d)\ndef build(num_classes, seed): return d", "build uses d, a dict that contains itself"),
        (
            "import types\nm = types.ModuleType('m')\ndef build(num_classes, seed): return m",
            "module m, which cannot be imp",
        ),
        (
            "if True:\n    def build(num_classes, seed): return 3",
            "the source of build is inside another statement, such as if, try or for: define it at the top of a cell",
        ),
        (
            "exec(compile('def build(num_classes, seed): return 3', '<timed exec>', 'exec'))",
            "remove that line and run",
        ),
        ("import functools\nbuild = functools.partial(max, 3)", "network is a partial, which has no name to find it"),
        ("def build(num_classes): return 3", r"must take \(num_classes, seed\)"),
    ],
)
def test_what_cannot_be_captured_is_named(cells: Cells, cell: str, words: str) -> None:
    cells.run(cell)
    with pytest.raises(ResLabError, match=words):
        network_text(cells.names["build"])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("Net.forward = lambda self, x: x", "Net.forward"),
        ("Net.WIDTH = 3", "Net.WIDTH"),
        ("del Net.forward", "Net.forward"),
        ("scaled.__defaults__ = (2,)", "scaled"),
        ("scaled.__code__ = build.__code__", "the source of scaled"),
    ],
)
def test_what_was_changed_after_its_cell_was_run_is_named(typed: Cells, change: str, part: str) -> None:
    typed.run(change)
    with pytest.raises(ResLabError, match=part):
        network_text(typed.names["build"])


def test_a_name_in_any_script_is_a_name(typed: Cells) -> None:
    typed.run(BUILD.replace("build", "π"))
    reference = parse(network_text(typed.names["π"]))
    assert reference is not None
    assert (reference.function, reference.slug) == ("π", "notebook._")


def test_source_that_is_known_no_more_is_refused(typed: Cells) -> None:
    typed.forget()
    with pytest.raises(ResLabError, match="the source of build is not known"):
        network_text(typed.names["build"])


NOTEBOOK = [
    "import numpy as np\nimport reslab\nfrom torch import nn\nWIDTH = 8",
    "class Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n"
    "        self.conv = nn.Conv2d(3, WIDTH, 3, stride=4)\n        self.fc = nn.Linear(WIDTH, num_classes)\n"
    "    def forward(self, x):\n        return self.fc(self.conv(x).relu().mean((2, 3)))",
    "def build(num_classes, seed):\n    return Net(num_classes)",
    "def images():\n    labels = np.arange(60) % 2\n"
    "    pixels = np.random.default_rng(0).integers(0, 90, (60, 10, 10, 3)) + 120 * labels[:, None, None, None]\n"
    "    return pixels[:40], labels[:40], pixels[40:], labels[40:]",
    "options = dict(images=images, epochs=1, batch_size=10, precision='fp32', data_root='data')\n"
    "study = reslab.study('own', vary={'network': [build], 'momentum': [0.9, 0.8]}, seeds=1, **options)\n"
    "runs = study.run(jobs=1, diagnose=False)  # in a process of its own\n"
    "run = reslab.train(network=build, seed=1, **options)\nagain = reslab.train(network=build, seed=1, **options)\n"
    "import json\nprint(json.dumps([run.id, again == run, len(runs), run.status]))",
    "scale = nn.Flatten()\ndef build(num_classes, seed):\n    return scale\n"
    "try:\n    reslab.train(network=build, **options)\nexcept reslab.ResLabError as error:\n    print(error)",
]


@pytest.mark.deep
def test_in_a_real_kernel(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in NOTEBOOK])  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    told = ["".join(one.text for one in cell.outputs if one.get("name") == "stdout") for cell in notebook.cells]
    name, is_same, number, status = json.loads(told[4])
    assert (is_same, number, status) == (True, 2, "finished")
    kept = (tmp_path / "runs" / name / "network" / "notebook.py").read_text()
    assert (
        kept.startswith("from torch import nn\n\nWIDTH = 8\n\n\nclass Net(nn.Module):")
        or "import torch.nn as nn" in kept
    )
    assert "build uses scale, a value of type Flatten" in told[5]
    assert len(list((tmp_path / "runs").glob("*/seed*/result.json"))) == 3
