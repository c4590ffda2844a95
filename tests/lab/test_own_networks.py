"""A run of a network of the user's own: kept with its source, resumed from it, and run only where the user said so."""

import importlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from lab_runs import outcome, small, timeless
from safetensors.torch import load_file

from reslab.cli import main
from reslab.errors import DamagedError, ResLabError
from reslab.kernels.build import kernels
from reslab.lab.diagnose import diagnose_run
from reslab.lab.folder import manifest
from reslab.lab.folder.own_networks import (
    is_trusted,
    keep_sources,
    read_sources,
    source_to_run,
    trust,
    with_source,
    words_of_former,
)
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.lab.weights.evaluate import evaluate_run
from reslab.models.own_network import build_own
from reslab.own_code import Source
from reslab.recipe import Recipe, Run, Scalar, vary
from reslab.session.sharing import pull
from reslab.session.training import train_run

NET = """
import torch
from torch import nn
from width import WIDTH

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(WIDTH, num_classes)  # a name that weights from elsewhere have for fc
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3))))

def build(num_classes, seed):
    return Net(num_classes)
"""
FLAT = """
from torch import nn

def build(num_classes, seed):
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, num_classes))
"""


ACT = """
class Act(nn.Module):
    def forward(self, x):
        return act(x)
"""


@pytest.fixture(autouse=True)
def _nothing_trusted(empty_cache: Path) -> None:
    """Trust nothing that another test has used."""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Return a file with a network, and one beside it that it imports."""
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    (folder / "width.py").write_text("WIDTH = 16\n")
    return folder / "net.py"


def recipe_of(net: Path, **changes: Scalar) -> Recipe:
    return small(2, network=f"{net}:build", precision="fp32", batch_size=48, **changes)


def begun(root: Path, net: Path, **changes: Scalar) -> RunFiles:
    recipe = recipe_of(net, **changes)
    sources = read_sources([recipe])
    run = Run(with_source(recipe, sources), 0)
    keep_sources(root, [run], sources)
    return run_files(root, run)


def test_it_trains_to_the_same_bits_however_often_it_is_stopped_though_the_file_is_gone(
    tmp_path: Path, net: Path
) -> None:
    """Dropout draws the same in a resumed training; the source in the folder of the run is all that is needed."""
    whole = begun(tmp_path / "whole", net)
    assert execute(whole) == "finished"
    stopped = begun(tmp_path / "stopped", net)
    shutil.rmtree(net.parent)
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] % 4 == 0

    statuses = [execute(stopped, stop=stop) for _ in range(3)]
    assert statuses[0] == "interrupted"
    while stopped.status() != "finished":
        execute(stopped)
    assert outcome(stopped) == outcome(whole)
    attempts = [files.provenance()["attempts"] for files in (whole, stopped)]  # type: ignore[index]
    if kernels().library is not None:  # the batch norm trains by ours
        assert {one["kernels"] for each in attempts for one in each} == {
            f"{kernels().words}, in 1 layer, one at a time"
        }
    assert len({row["train_loss"] for row in timeless(whole.metrics())}) == 2


SKIPPING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(5))
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(48, num_classes)

    def forward(self, x):
        for conv in self.convs:
            if not self.training or torch.rand(()) < 0.4:
                x = x + conv(x).relu()
        return self.fc(nn.functional.avg_pool2d(x, 8).flatten(1))

def build(num_classes, seed):
    return Net(num_classes)
"""


def test_parts_that_are_skipped_at_random_are_trained_however_often_it_is_stopped(tmp_path: Path, net: Path) -> None:
    """Stochastic depth (Huang et al. 2016): what the trial or the first steps skip has its turn later."""
    net.write_text(SKIPPING)
    whole, stopped = begun(tmp_path / "whole", net), begun(tmp_path / "stopped", net)
    events: list[dict[str, object]] = []
    assert execute(whole, on_event=events.append) == "finished"
    (remark,) = [str(event["words"]) for event in events if event["event"] == "remark"]
    assert "had no gradient in a trial step" in remark
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 1

    assert execute(stopped, Settings(checkpoint_seconds=0.0), stop=stop) == "interrupted"
    assert execute(stopped) == "finished"
    assert outcome(stopped) == outcome(whole)
    run = whole.read_run()
    before = build_own(whole.network, run.recipe.own_network, 10, run.seed, (3, 32, 32)).state_dict()  # type: ignore[arg-type]
    after = load_file(whole.weights)
    assert {name for name in before if torch.equal(before[name], after[name])} == {"unused.weight", "unused.bias"}


def test_what_is_measured_afterwards_is_what_was_trained(tmp_path: Path, net: Path) -> None:
    files = begun(tmp_path, net)
    execute(files)
    result = files.result()
    assert result is not None
    assert result["parameters"] == 3 * 16 * 9 + 32 + 170 + 6
    assert result["multiply_adds"] == 15 * 15 * 27 * 16 + 160
    assert evaluate_run(files).evaluation.error == result["test_error"]
    found = diagnose_run(files, which=["gap", "gradients", "curvature"], budget="quick")["diagnostics"]
    assert [layer["name"] for layer in found["gradients"]["final"]["layers"]] == ["conv", "linear", "unused"]
    listed = {problem.name for problem in manifest.verify(files.path)}
    assert not listed
    (files.network / "width.py").write_text("WIDTH = 17\n")
    assert [problem.name for problem in manifest.verify(files.path)] == ["network/width.py"]
    with pytest.raises(DamagedError, match="is damaged"):
        evaluate_run(files)


@pytest.mark.parametrize("is_package", [True, False])
def test_a_run_is_measured_with_its_own_copy_whatever_was_imported(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch, is_package: bool
) -> None:
    block = net.parent / "nets" / "block.py"
    block.parent.mkdir()
    block.write_text("from torch import relu as act\n")
    net.write_text(FLAT.replace("from torch import nn", "from torch import nn\nfrom nets.block import act"))
    net.write_text(net.read_text().replace("nn.Flatten()", "Act(), nn.Flatten()") + ACT)
    files = begun(tmp_path, net)
    execute(files)
    block.write_text("from torch import zeros_like as act\n")
    if is_package:
        (block.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(net.parent))
    importlib.import_module("nets.block")
    try:
        result = files.result()
        assert result is not None
        assert evaluate_run(files).evaluation.error == result["test_error"]
    finally:
        for name in ("nets", "nets.block"):
            del sys.modules[name]


def test_a_diagnostic_of_what_it_has_not_is_left_out_with_a_word(tmp_path: Path, net: Path) -> None:
    net.write_text(FLAT)
    files = begun(tmp_path, net)
    execute(files)
    events: list[dict[str, object]] = []
    found = diagnose_run(files, budget="quick", on_event=events.append)["diagnostics"]
    assert set(found) == {"gap", "gradients", "noise-scale", "curvature", "surface"}
    assert [event["words"] for event in events if event["event"] == "remark"] == [
        "responses does not apply: the network has no 3x3 convolution followed by batch norm"
    ]
    with pytest.raises(ResLabError, match="no 3x3 convolution"):
        diagnose_run(files, which=["responses"])


def test_what_a_plan_asks_for_and_it_has_not_keeps_nothing_else_from_being_measured(tmp_path: Path, net: Path) -> None:
    net.write_text(FLAT)
    files = begun(tmp_path, net)
    execute(files)
    found = diagnose_run(files, which=["responses", "gap"], budget="quick", leave_out=True)
    assert list(found["diagnostics"]) == ["gap"]
    reason = "the network has no 3x3 convolution followed by batch norm"
    assert found["does_not_apply"] == {"responses": reason}
    assert files.diagnostics() == found


LATE = """
    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 6:
            raise RuntimeError("too \x1b[31mlate")
"""


def test_one_that_fails_in_training_is_told_with_its_line_and_no_traceback(
    tmp_path: Path, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net.write_text(NET.replace("    def forward(self, x):\n", LATE.lstrip("\n")))
    ask = ["--dataset", "digits", "--train-share", "0.1", "--batch-size", "48", "--epochs", "2", "--precision", "fp32"]
    runs = tmp_path / "runs"
    assert main(["train", "--network", f"{net}:build", *ask, "--threads", "1", "--runs", str(runs)]) == 3
    said = capsys.readouterr().err
    why = r"build (net.py): it fails while it is trained, net.py, line 18: RuntimeError: too \x1b[31mlate"
    assert said.endswith(f"reslab: {why}\n")
    (path,) = runs.glob("*/seed0")
    failure = RunFiles(path).failure() or {}
    assert failure["message"] == why
    assert "Traceback" in failure["traceback"]


SHOWN_LATE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.LazyLinear(num_classes)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        return self.fc(x.flatten(1)) * (1 + (self.steps > 5))

def build(num_classes, seed):
    return Net(num_classes)
"""


def test_a_state_that_no_weight_holds_and_that_shows_late_gives_no_result(tmp_path: Path, net: Path) -> None:
    net.write_text(SHOWN_LATE)
    files = begun(tmp_path / "runs", net)
    with pytest.raises(
        ResLabError, match=r"build \(net.py\): the trained network's outputs differ from those of a new"
    ):
        execute(files)
    assert files.result() is None
    assert files.failure() is not None


def test_a_changed_file_is_another_run_and_is_said(tmp_path: Path, net: Path) -> None:
    first = begun(tmp_path, net)
    (net.parent / "width.py").write_text("WIDTH = 32\n")
    recipe = recipe_of(net)
    run = Run(with_source(recipe, read_sources([recipe])), 0)
    assert run != first.read_run()
    assert words_of_former(tmp_path, [run]) == [
        f"the source of build (net.py) has changed since {first.read_run().id}: it is now a different network, and "
        f"{run.id} is a new run"
    ]
    assert words_of_former(tmp_path, [first.read_run(), Run(vary(run.recipe, precision="bf16"), 0)]) == []


def test_where_a_file_lies_does_not_matter(tmp_path: Path, net: Path) -> None:
    copy = shutil.copytree(net.parent, tmp_path / "elsewhere") / "net.py"
    assert begun(tmp_path, net).read_run() == begun(tmp_path, copy).read_run()


def test_code_from_elsewhere_runs_only_where_the_user_says_so(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    net.write_text(f"with open({str(ran)!r}, 'a') as file:\n    file.write('x')\n{NET}")
    files = begun(tmp_path / "runs", net)
    execute(files)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    before = ran.read_text()
    for act in (
        lambda: evaluate_run(files),
        lambda: diagnose_run(files, which=["gap"]),
        lambda: execute(begun_elsewhere(files, tmp_path / "fetched")),
    ):
        with pytest.raises(ResLabError, match=r"no file with that content was used.*--trust-code"):
            act()
    runs = ["--runs", str(tmp_path / "runs")]
    name = files.read_run().id
    assert main(["evaluate", name, *runs]) == main(["diagnose", name, *runs]) == 2
    assert main(["status", *runs]) == main(["report", *runs, "--out", str(tmp_path / "report")]) == 0
    assert ran.read_text() == before
    assert main(["evaluate", name, "--trust-code", *runs]) == 0
    assert execute(begun_elsewhere(files, tmp_path / "trusted"), Settings(trust_code=True)) == "finished"
    assert len(ran.read_text()) > len(before)
    capsys.readouterr()


def begun_elsewhere(files: RunFiles, root: Path) -> RunFiles:
    """Return a run as somebody else prepared it."""
    run = files.read_run()
    other = run_files(root, run)
    shutil.copytree(files.network, other.network)
    other.create(run)
    return other


@pytest.mark.parametrize("name", ["resnet.v2.py", "my net (2).py"])
def test_whatever_its_file_is_called_a_run_goes_over_a_share(tmp_path: Path, net: Path, name: str) -> None:
    share, modules = tmp_path / "share", set(sys.modules)
    net = net.rename(net.with_name(name))
    files = begun(tmp_path / "runs", net)
    stops = iter([False, False, False, True])
    settings = Settings(shares=(str(share),), push=True, trust_code=True)
    share.mkdir()
    assert execute(files, settings, stop=lambda: next(stops, True)) == "interrupted"
    other = RunFiles(tmp_path / "other" / files.read_run().id)
    assert execute(other, settings) == "finished"
    assert (other.provenance() or {})["attempts"][-1]["from_iteration"] > 0
    (pulled,) = pull(str(share), runs=tmp_path / "pulled")
    assert pulled.kind == "fetched"
    assert (tmp_path / "pulled" / pulled.run / "network" / name).read_bytes() == net.read_bytes()
    assert name.removesuffix(".py") not in set(sys.modules) - modules


def test_a_name_that_no_run_can_have_is_refused_before_any_training(
    tmp_path: Path, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = net.rename(net.with_name("my*net.py"))
    runs = tmp_path / "runs"
    assert main(["train", "--dataset", "digits", "--network", f"{net}:build", "--runs", str(runs)]) == 2
    assert "'my*net.py' cannot be kept in a run" in capsys.readouterr().err
    assert not runs.exists()


def test_those_who_trust_at_a_time_are_all_remembered() -> None:
    sources = [Source({"net.py": str(number).encode()}) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(trust, sources))
    assert all(map(is_trusted, sources))


def test_a_file_named_in_a_command_is_trained_though_nothing_can_be_remembered(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.lab.folder.own_networks.trust", lambda source: None)
    asked = Run(recipe_of(net), 0)
    trained = train_run(asked, tmp_path / "runs")
    assert trained.status == "finished"
    with pytest.raises(ResLabError, match="no file with that content was used"):
        train_run(begun_elsewhere(trained.files, tmp_path / "fetched").read_run(), tmp_path / "fetched")


def test_the_users_own_file_of_the_same_content_says_so(tmp_path: Path, net: Path) -> None:
    files = begun(tmp_path / "theirs", net)
    source = read_sources([recipe_of(net)]).popitem()[1]
    assert is_trusted(source)
    shutil.rmtree(tmp_path / "cache")
    assert not is_trusted(source)
    mine = begun(tmp_path / "mine", net)
    assert is_trusted(source)
    assert mine.read_run() == files.read_run()


def test_a_run_is_not_made_without_its_source_and_gets_it_back(tmp_path: Path, net: Path) -> None:
    files = begun(tmp_path, net)
    run = files.read_run()
    with pytest.raises(DamagedError, match=r"lacks net.py"):
        run_files(tmp_path / "empty", run).create(run)
    (files.network / "width.py").unlink()
    with pytest.raises(DamagedError, match="was changed"):
        execute(files)
    assert execute(begun(tmp_path, net)) == "finished"


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("self.linear(self.drop(", "build (net.py): its network fails on images of 2 x 3 x 32 x 32, net.py, line "),
        ("def build(num_classes, seed):", "net.py has no function build"),
    ],
)
def test_a_study_of_a_faulty_network_is_refused_before_any_run(
    tmp_path: Path, net: Path, slip: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    net.write_text(NET.replace(slip, slip.replace("linear", "unused").replace("build", "other")))
    (net.parent / "study.toml").write_text(
        'name = "own"\ndataset = "digits"\ndepth = 8\nepochs = 1\nseeds = 2\n[vary]\nnetwork = ["", "net.py:build"]\n'
    )
    runs = tmp_path / "runs"
    assert main(["run", str(net.parent / "study.toml"), "--runs", str(runs), "--no-report"]) == 2
    assert words in capsys.readouterr().err
    assert not list(runs.glob("*/seed*")), "ResNet-8 waits for the network to be mended, too"


@pytest.mark.deep
def test_the_command_line_trains_and_compares_it_with_ours(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study in a file beside the network, asked from elsewhere; the report calls it by its function."""
    (net.parent / "study.toml").write_text(
        'name = "own"\ndataset = "digits"\ndepth = 8\nepochs = 1\nseeds = 1\n'
        '[recipe]\ntrain_share = 0.1\n[vary]\nnetwork = ["", "net.py:build"]\n'
    )
    monkeypatch.chdir(tmp_path)
    assert main(["run", "nets/study.toml", "--jobs", "1"]) == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "ResNet-8" in page
    assert "build (net.py)" in page
    assert main(["run", "nets/study.toml", "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["train", "--dataset", "digits", "--network", "nets/net.py:build", "--depth", "8"]) == 2
    assert "--network replaces --depth" in capsys.readouterr().err
    assert main(["train", "--dataset", "digits", "--network", "nets/net.py:nothing", "--epochs", "1"]) == 2
    assert "net.py has no function nothing; it has build" in capsys.readouterr().err
    assert len(list(Path("runs").glob("digits-net.*/*/run.json"))) == 1, "a slip in the command leaves no folder"


def test_what_its_code_prints_is_not_in_the_json(tmp_path: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = 'print("chatter", end="")'
    net.write_text(
        NET.replace("def forward(self, x):\n", f"def forward(self, x):\n        {said}\n").replace(
            "    return Net", f"    {said}\n    return Net"
        )
    )
    ask = ["--dataset", "digits", "--train-share", "0.1", "--batch-size", "48", "--epochs", "1", "--precision", "fp32"]
    runs = ["--runs", str(tmp_path / "runs"), "--json"]
    assert main(["train", "--network", f"{net}:build", *ask, *runs]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["status"] == "finished"
    assert "chatter" in captured.err


def test_what_its_code_prints_is_not_among_the_events_of_a_worker(tmp_path: Path, net: Path) -> None:
    net.write_text(NET.replace("    return Net", '    print("chatter", end="")\n    return Net'))
    files = begun(tmp_path / "runs", net)
    command = [sys.executable, "-m", "reslab.lab.execute", str(files.path), "--trust-code", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[-1], "chatter" in done.stderr) == ("settled", True)


def test_code_is_trusted_by_its_whole_sum_and_not_by_the_part_in_its_id(
    tmp_path: Path, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Source, "digest", "0123456789abcdef")  # as if it had been sought for long
    files = begun(tmp_path / "theirs", net)
    assert source_to_run(files, files.read_run()) == files.network
    (files.network / "net.py").write_text(f"# other code\n{NET}")
    with pytest.raises(ResLabError, match="no file with that content was used"):
        source_to_run(files, files.read_run())
    with pytest.raises(ResLabError, match="other code that happens to have the same fingerprint"):
        begun(tmp_path / "theirs", net)


def test_a_seed_of_another_size_is_refused(tmp_path: Path) -> None:
    """Its code is the same: it reads a file beside it that changed."""
    width, net = tmp_path / "width.txt", tmp_path / "net.py"
    reads = f"from pathlib import Path\nwidth = int(Path({str(width)!r}).read_text())\n"
    layers = "nn.Linear(48, width), nn.Linear(width, num_classes)"
    net.write_text(reads + FLAT.replace("nn.Linear(48, num_classes)", layers))
    width.write_text("8")
    first = begun(tmp_path / "runs", net)
    assert execute(first, Settings(threads=1)) == "finished"
    second = RunFiles(first.path.with_name("seed1"))
    shutil.copytree(first.network, second.network)
    second.create(Run(first.read_run().recipe, 1))
    width.write_text("16")
    with pytest.raises(ResLabError, match=r"has 954 parameters now, and 482 in seed0 of the same recipe: it reads"):
        execute(second, Settings(threads=1))
