"""The command line: every verb's help, its exit codes, its JSON, and what it says to mistakes."""

import importlib
import inspect
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from quick_machine import settle, train_here

from folder_fakes import write_folders
from reslab.cli import COMMANDS, DATA_COMMANDS, app, main
from reslab.lab.store import RunFiles, run_files
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary, written_fields
from reslab.session import door
from synthetic import Truth, small, write_run

ROOT = Path(__file__).parents[2]
TINY = ["--dataset", "digits", "--depth", "8", "--epochs", "1", "--precision", "fp32", "--threads", "1"]

SMALL_STUDY = """
name = "small"
question = "?"
dataset = "digits"
depth = 8
seeds = 1
[recipe]
train_share = 0.1
[vary]
learning_rate = [0.1]
"""
"""A study of one run on a tenth of the digits, as a TOML file."""

RUN_TINY = [
    "run",
    "depth",
    "--dataset",
    "digits",
    "--depths",
    "8",
    "--epochs",
    "1",
    "--seeds",
    "1",
    "--precision",
    "fp32",
]
"""One run of one epoch, as a study."""

Reslab = Callable[..., tuple[int, str, str]]


@pytest.fixture
def reslab(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reslab:
    """Return a function that runs a command line in an empty folder and returns code, output and errors."""
    settle(tmp_path, monkeypatch)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs that holds one finished run of `TINY`."""
    root = tmp_path_factory.mktemp("trained")
    assert main(["train", *TINY, "--runs", str(root)]) == 0
    return root


def tiny_run() -> Run:
    recipe = stretch(preset_recipe("assignment", dataset="digits", depth=8), 1)
    return Run(vary(recipe, precision="fp32"))


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), *(["data", name] for name in DATA_COMMANDS)])
def test_every_verb_has_help(reslab: Reslab, command: list[str]) -> None:
    code, out, _ = reslab(*command, "--help")
    assert code == 0
    assert " ".join(["Usage: reslab", *command]) in out


@pytest.mark.parametrize("verb", [*((name,) for name in COMMANDS), *(("data", name) for name in DATA_COMMANDS)])
def test_the_help_of_a_verb_is_its_whole_docstring(reslab: Reslab, verb: tuple[str, ...]) -> None:
    module, function = (DATA_COMMANDS if len(verb) == 2 else COMMANDS)[verb[-1]][0].split(":")
    whole = inspect.getdoc(getattr(importlib.import_module(module), function)) or ""
    body, _, _ = whole.partition("\n\nParameters\n---")
    _, out, _ = reslab(*verb, "--help")
    assert " ".join(body.split()) in " ".join(out.split())


def test_the_help_of_run_shows_its_examples_each_on_a_line(reslab: Reslab) -> None:
    _, out, _ = reslab("run", "--help")
    assert "\n  reslab run depth --dataset cifar10 --depths 20,56 --seeds 3\n" in out
    assert "\n  reslab run my-study.toml --dry-run\n" in out


def test_each_field_of_the_recipe_is_a_flag_with_help(reslab: Reslab) -> None:
    _, out, _ = reslab("train", "--help")
    for name in written_fields():
        assert f"--{name.replace('_', '-')}" in out
    assert "Weighted layers: 6n+2;" in out
    assert "--images" not in out


DOCUMENTS = ["Makefile", "README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_in_the_documents_can_be_parsed(document: str) -> None:
    text = (ROOT / document).read_text()
    lines = re.findall(r"^\s*(?:\$\(BIN\)/)?reslab (.+)$", text, flags=re.MULTILINE)
    for line in lines:
        arguments = shlex.split(line, comments=True)
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert lines or document != "README.md"


def test_help_is_quick() -> None:
    script = "import sys; from reslab.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert time.perf_counter() - begun < 5  # says that nothing hangs; what makes it quick is below
    for slow in ("torch", "polars", "altair", "scipy", "numpy"):
        assert f"'{slow}'" not in done.stderr


def test_train_prints_one_object_and_does_nothing_twice(reslab: Reslab, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    code, out, _ = reslab("train", *TINY, "--runs", str(trained), "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["run"] == tiny_run().id
    assert facts["dir"] == str(trained / tiny_run().id)
    assert facts["status"] == "finished"
    assert facts["epochs"] == 1
    assert 0 <= facts["test_error"] <= 100
    assert facts["images_per_second"] > 0
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == before


def test_weights_are_kept_where_a_command_asks_for_it(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    size = ["--dataset", "digits", "--epochs", "3", "--precision", "fp32"]
    fields = ["--depth", "8", "--train-share", "0.1", "--runs", "train"]
    code, out, err = reslab("train", *size, *fields, "--threads", "1", "--keep-epochs", "2", "--json")
    assert code == 0, err
    assert [path.name for path in (Path(json.loads(out)["dir"]) / "weights").iterdir()] == ["epoch0002.safetensors"]
    (tmp_path / "small.toml").write_text(SMALL_STUDY)
    ask = ["run", "small.toml", *size, "--no-report", "--no-diagnose", "--json"]
    _, out, _ = reslab(*ask, "--dry-run")
    _, none, _ = reslab(*ask, "--dry-run", "--keep-epochs", "none")
    assert json.loads(out)["disk_bytes"] > json.loads(none)["disk_bytes"] + 2 * 4 * 70_000
    code, out, err = reslab(*ask, "--keep-epochs", "1")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert [path.name for path in (tmp_path / "runs" / run / "weights").iterdir()] == ["epoch0001.safetensors"]


def test_evaluate_gives_the_run_s_own_error(reslab: Reslab, trained: Path) -> None:
    result = json.loads((trained / tiny_run().id / "result.json").read_text())
    code, out, _ = reslab("evaluate", tiny_run().id, "--runs", str(trained), "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["test_error"] == result["test_error"]
    assert facts["test_loss"] == pytest.approx(result["test_loss"], rel=1e-6)
    assert facts["num_images"] == sum(map(sum, facts["confusion"])) == 355
    assert len(facts["per_class"]) == 10
    num_wrong = sum(row["error"] * row["num_images"] / 100 for row in facts["per_class"])
    assert num_wrong == pytest.approx(facts["test_error"] * 355 / 100)


def test_evaluate_measures_what_the_run_ended_with_on_its_own_images(
    reslab: Reslab, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    folder = tmp_path / "runs" / tiny_run().id
    files = RunFiles(folder)
    provenance = files.provenance() or {}
    other = {**provenance, "data": {**provenance["data"], "fingerprint": "0" * 64}}
    files.write("provenance.json", other)
    code, _, err = reslab("evaluate", tiny_run().id)
    assert code == 4
    assert "are not those that" in err
    files.write("provenance.json", provenance)
    files.write("result.json", {**(files.result() or {}), "weights_sha256": "0" * 64})
    code, _, err = reslab("evaluate", tiny_run().id)
    assert code == 5
    assert "is not what the run ended with" in err


def test_evaluate_takes_weights_from_elsewhere(reslab: Reslab, trained: Path) -> None:
    weights = trained / tiny_run().id / "weights.safetensors"
    result = json.loads((weights.parent / "result.json").read_text())
    code, out, _ = reslab(
        "evaluate", "--weights", str(weights), "--dataset", "digits", "--depth", "8", "--preset", "assignment", "--json"
    )
    assert code == 0
    assert json.loads(out)["test_error"] == result["test_error"]


def test_evaluate_refuses_weights_of_another_depth(reslab: Reslab, trained: Path) -> None:
    weights = str(trained / tiny_run().id / "weights.safetensors")
    code, _, err = reslab("evaluate", "--weights", weights, "--dataset", "digits", "--depth", "14")
    assert code == 5
    assert "they are of depth 8, it is of depth 14" in err
    assert "layer1.1.conv1.weight" in err


def test_models_prints_the_paper_s_figures(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--json")
    rows = json.loads(out)
    assert code == 0
    keys = ["family", "depth", "width", "shortcut", "num_classes", "parameters", "multiply_adds"]
    assert all(list(row) == keys for row in rows)
    later = {(row["family"], row["depth"], row["width"]): row for row in rows if row["num_classes"] == 10}
    assert later["wide", 28, 10]["parameters"] == 36_479_194
    assert later["wide", 28, 10]["multiply_adds"] == 5_243_328_768
    assert later["preact-bottleneck", 164, 1]["parameters"] == 1_703_258
    assert later["preact-bottleneck", 1001, 1]["parameters"] == 10_327_706
    assert later["preact", 110, 1]["multiply_adds"] == 252_887_680
    ours = [row for row in rows if row["family"] in ("residual", "plain", "imagenet", "imagenet-1x1")]
    found = {(row["depth"], row["shortcut"], row["num_classes"]): row["parameters"] for row in ours}
    assert found[20, "A", 10] == 269_722
    assert found[1202, "B", 10] == 19_424_026
    assert found[110, "A", 100] == 1_727_962 + 5_850
    assert found[50, "B", 1000] == 25_557_032
    families = {row["depth"]: row["multiply_adds"] for row in rows if row["family"] == "imagenet-1x1"}
    assert list(families) == [50, 101, 152]
    assert families[50] == 3_857_973_248


def test_models_lists_the_depths_asked_for(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--depths", "20,56", "--classes", "10", "--json")
    assert code == 0
    assert [(row["depth"], row["shortcut"]) for row in json.loads(out)] == [
        (depth, shortcut) for shortcut in ("A", "B", "C", "none") for depth in (20, 56)
    ]
    _, out, _ = reslab("models", "--depths", "18", "--json")
    assert [(row["family"], row["num_classes"]) for row in json.loads(out)] == [("imagenet", 1000)]
    _, out, _ = reslab("models", "--depths", "28", "--classes", "10", "--json")
    assert [(row["family"], row["depth"], row["width"]) for row in json.loads(out)] == [
        ("wide", 28, width) for width in (1, 2, 4, 8, 10, 12)
    ]
    code, _, err = reslab("models", "--depths", "19")
    assert code == 2
    assert "depth must be 6n+2" in err


def test_models_shows_table_1(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--table-1")
    assert code == 0
    assert re.search(r"and batch norm +1\.82 +3\.67 +4\.11 +7\.83 +11\.56", out)
    assert re.search(r"M parameters +11\.69 +21\.80 +25\.56 +44\.55 +60\.19", out)
    _, out, _ = reslab("models", "--table-1", "--json")
    columns = json.loads(out)
    assert [column["depth"] for column in columns] == [18, 34, 50, 101, 152] * 2
    assert all(list(column["sizes"].values()) == [112, 56, 28, 14, 7, 1] for column in columns)


def test_an_image_folder_from_the_command_line(reslab: Reslab, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "images", num_train=2, num_test=1)
    tiny = ["--depth", "18", "--image-size", "32", "--epochs", "1", "--batch-size", "3", "--precision", "fp32"]
    data = ["--data-root", str(root), "--json"]
    code, out, err = reslab("train", "--preset", "imagenet", "--dataset", "imagefolder", *tiny, "--threads", "1", *data)
    assert code == 0, err
    facts = json.loads(out)
    assert facts["run"].startswith("imagefolder-imagenet-resnet18-")
    code, out, _ = reslab("evaluate", facts["run"], *data)
    assert code == 0
    assert json.loads(out)["test_error"] == facts["test_error"]
    weights = ["--weights", str(tmp_path / facts["dir"] / "weights.safetensors"), "--preset", "imagenet"]
    code, out, _ = reslab("evaluate", *weights, "--depth", "18", *data)
    assert code == 0
    assert json.loads(out)["num_images"] == 3
    code, out, _ = reslab("data", "check", *data)
    assert (code, json.loads(out)["num_train"]) == (0, 6)
    (root / "val" / "sea" / "0.png").write_bytes(b"")
    code, _, err = reslab("data", "check", *data)
    assert code == 4
    assert "val/sea/0.png cannot be decoded" in err
    code, _, err = reslab("train", "--preset", "imagenet", *tiny, "--data-root", str(tmp_path))
    assert code == 4
    assert "there is no image folder in" in err


def test_another_image_folder_has_runs_of_its_own(reslab: Reslab, tmp_path: Path) -> None:
    """Two folders of equal names, numbers and sizes, and different images: each trains, and neither is the other."""
    one, two = (write_folders(tmp_path / name, num_train=1, num_test=1) for name in ("one", "two"))
    for part in ("train", "val"):
        (two / part / "sea" / "0.png").unlink()
        shutil.copy(one / part / "leaf" / "0.png", two / part / "sea" / "0.png")
    tiny = ["--dataset", "imagefolder", "--depth", "8", "--epochs", "1", "--precision", "fp32"]
    train = ["train", *tiny, "--batch-size", "3", "--threads", "1", "--json"]
    facts = []
    for root in (one, two, one):
        code, out, err = reslab(*train, "--data-root", str(root))
        assert code == 0, err
        assert f"image folder {root}: 3 training and 3 test images, 3 classes (apple, leaf, sea)" in err
        facts.append((json.loads(out), " starts" in err))
    assert [trained for _, trained in facts] == [True, True, False]
    ids = [one["run"] for one, _ in facts]
    assert ids[0] == ids[2] != ids[1]
    for verb in ("evaluate", "diagnose"):
        code, _, err = reslab(verb, ids[0], "--data-root", str(two))
        assert code == 4
        assert (
            f"the images of imagefolder are not those that {ids[0]} was trained on: the fingerprint of those in {two}"
            in err
        )
    weights = ["evaluate", "--weights", str(tmp_path / facts[0][0]["dir"] / "weights.safetensors"), "--data-root"]
    code, _, err = reslab(*weights, str(two))  # other images of the same classes: an error, and a word
    assert code == 0
    assert "was trained on: the fingerprint of those in" in err
    for part in ("train", "val"):
        (two / part / "sea").rename(two / part / "water")
    code, _, err = reslab(*weights, str(two))
    assert code == 5
    assert (
        f"the weights of {ids[0]} are not for these images (the classes differ: sea, water are in one of them only)"
        in err
    )


def test_a_study_says_on_which_images_it_is_and_has_other_runs_on_others(reslab: Reslab, tmp_path: Path) -> None:
    one = write_folders(tmp_path / "one", num_train=1, num_test=1)
    two = write_folders(tmp_path / "two", num_train=2, num_test=1)
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\ndataset = "imagefolder"\ndepth = 8\nepochs = 1\nseeds = 1\n')
    ask: list[list[str]] = [["depth", "--dataset", "imagefolder", "--depths", "8", "--seeds", "1"], [str(own)]]
    for study in ask:
        planned = []
        for root in (one, two):
            _, out, _ = reslab("run", *study, "--dry-run", "--json", "--data-root", str(root))
            planned.append(json.loads(out))
        assert [plan["images"][0]["folder"] for plan in planned] == [str(one), str(two)]
        assert [plan["images"][0]["num_train"] for plan in planned] == [3, 6]
        assert planned[0]["runs"][0]["run"] != planned[1]["runs"][0]["run"]
        _, out, _ = reslab("run", *study, "--prepare", "--data-root", str(one))
        prepared = RunFiles(Path(out.strip())).read_run()
        assert prepared.id == planned[0]["runs"][0]["run"]
        assert prepared.recipe.images == planned[0]["images"][0]["fingerprint"]
        _, out, _ = reslab("run", *study, "--dry-run", "--data-root", str(one))
        assert f"Images: image folder {one}: 3 training and 3 test images, 3 classes (apple, leaf, sea)" in out
        code, _, err = reslab("run", *study, "--dry-run", "--data-root", str(tmp_path / "none"))
        assert code == 4
        assert "there is no image folder in" in err


def test_a_run_of_an_earlier_version_stays_and_is_told(reslab: Reslab, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "one", num_train=1, num_test=1)
    recipe = stretch(preset_recipe("assignment", dataset="imagefolder", depth=8), 1)
    old = Run(vary(recipe, precision="fp32"))
    run_files(tmp_path / "runs", old).create(old)
    tiny = ["--dataset", "imagefolder", "--epochs", "1", "--precision", "fp32", "--data-root", str(root)]
    place = ["--runs", str(tmp_path / "runs"), "--dry-run", "--json"]
    _, out, err = reslab("run", "depth", *tiny, "--depths", "8", "--seeds", "2", *place)
    assert err.count("comes from an earlier ResLab") == 1
    assert f"remark: {old.id} comes from an earlier ResLab" in err
    assert json.loads(out)["num_to_train"] == 2
    assert RunFiles(tmp_path / "runs" / old.id).read_run() == old


def test_a_rate_that_leaves_muons_behind_is_remarked_on(reslab: Reslab, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\npreset = "fast"\ndataset = "digits"\ndepth = 8\n[vary]\nlearning_rate = [0.1, 0.2]\n')
    _, _, err = reslab("run", str(own), "--dry-run")
    assert err.count("remark: learning_rate 0.2 is that of SGD alone") == 1
    assert "muon_rate 0.05 would keep their proportion" in err
    ask = ["run", "learning-rate", "--preset", "fast", "--dataset", "digits", "--depths", "8", "--dry-run"]
    assert "is that of SGD alone" not in reslab(*ask)[2]  # which varies both
    tiny = [*TINY, "--train-share", "0.05", "--preset", "fast", "--learning-rate", "0.05"]
    assert "stays at 0.025 (muon_rate 0.0125" in reslab("train", *tiny)[2]
    assert "is that of SGD alone" not in reslab("train", *tiny, "--muon-rate", "0.0125")[2]


def test_nobody_writes_the_fingerprint_of_images(reslab: Reslab, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\ndataset = "imagefolder"\n[recipe]\nimages = "0123456789abcdef"\n')
    code, _, err = reslab("run", str(own), "--dry-run")
    assert code == 2
    assert "[recipe] images: there is no such field" in err


def test_status_report_and_doctor_print_facts(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    code, out, _ = reslab("status", "--runs", str(trained), "--json")
    rows: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [(row["run"], row["status"], row["epochs"]) for row in rows] == [(tiny_run().id, "finished", 1)]
    code, out, _ = reslab("report", "--runs", str(trained), "--out", str(tmp_path / "report"), "--json")
    assert code == 0
    assert Path(json.loads(out)["html"]).read_text().startswith("<!doctype html>")
    code, out, _ = reslab("doctor", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["images"]["digits"] is True
    assert 1 <= facts["threads"] <= facts["cores"]
    assert isinstance(facts["threads_follow_load"], bool)
    code, out, _ = reslab("doctor")
    assert re.search(r"^Threads: \d+, (fewer while other work needs the cores|fixed for the whole run)$", out, re.M)


def test_a_study_trains_what_is_missing_and_nothing_twice(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--precision", "fp32", "--seeds"]
    code, out, _ = reslab(*ask, "2", "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert (plan["num_runs"], plan["num_to_train"]) == (2, 2)
    assert plan["seconds"] > 0
    assert plan["disk_bytes"] > 100_000
    assert not (tmp_path / "runs").exists()
    code, out, _ = reslab(*ask, "1", "--json")
    assert code == 0
    assert list(json.loads(out)["runs"].values()) == ["finished"]
    assert (tmp_path / "report" / "index.html").exists()
    code, out, _ = reslab(*ask, "2", "--dry-run", "--json")
    assert json.loads(out)["num_to_train"] == 1

    (folder,) = (tmp_path / "runs").glob("*/seed0")
    (folder / "checkpoint").mkdir()  # as a kill right after the end leaves it
    (folder / "manifest.json").unlink()  # as an older version does
    train_here(monkeypatch)
    assert reslab(*ask, "1", "--no-report", "--no-diagnose")[0] == 0
    assert not (folder / "checkpoint").exists()
    assert RunFiles(folder).check_files() == []


def test_somebody_else_s_report_is_found_before_anything_trains(reslab: Reslab, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.pdf").write_text("my thesis")
    code, _, err = reslab(*RUN_TINY)
    assert code == 2
    assert "report.pdf is not a ResLab report" in err
    assert not (tmp_path / "runs").exists()


def test_folders_are_prepared_for_a_cluster(reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.lab.speed._side_by_side", None)  # nothing is measured
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8,14", "--epochs", "1", "--precision", "fp32"]
    code, out, err = reslab(*ask, "--seeds", "2", "--prepare")
    assert (code, err) == (0, "")
    folders = out.splitlines()
    names = [(Path(name).parts[1].split("-")[1], Path(name).name) for name in folders]
    assert names == [("resnet14", "seed0"), ("resnet8", "seed0"), ("resnet14", "seed1"), ("resnet8", "seed1")]
    assert [path.name for folder in folders for path in Path(folder).iterdir()] == ["run.json"] * 4
    assert (tmp_path / "runs" / "studies" / "depth.json").exists()
    assert not (tmp_path / "report").exists()
    (tmp_path / folders[1] / "result.json").write_text("{}")  # as if it had finished
    code, out, _ = reslab(*ask, "--seeds", "2", "--prepare", "--json")
    assert json.loads(out) == {"study": "depth", "folders": [folders[0], *folders[2:]]}
    for folder in folders:
        (tmp_path / folder / "result.json").write_text("{}")
    assert reslab(*ask, "--seeds", "2", "--prepare") == (0, "", "")


def test_a_long_plan_is_told_by_study_and_seed_and_run_by_run_only_where_asked(reslab: Reslab) -> None:
    ask = ["run", "depth", "learning-rate", "--dataset", "digits", "--epochs", "2", "--precision", "fp32", "--dry-run"]
    code, out, _ = reslab(*ask)
    assert code == 0
    assert " of it for the why" in out
    assert "--all lists the 30 runs" in out
    header = next(line for line in out.splitlines() if line.startswith("study"))
    assert header.split("  ")[0] == "study"
    assert [word in header for word in ("seed 0", "seed 1", "seed 2", "the why", "in all")] == [True] * 5
    assert "ResNet-20, digits, 2 epochs, rate 0.2, seed 1" not in out
    assert "ResNet-20, digits, 2 epochs, rate 0.2, seed 1" in reslab(*ask, "--all")[1]
    assert "digits-resnet20-" in reslab(*ask, "--all", "--ids")[1]
    facts = json.loads(reslab(*ask, "--jobs", "7", "--json")[1])  # the last runs have fewer beside them
    assert sum(part["seconds"] for part in facts["studies"]) == pytest.approx(facts["seconds"])
    assert [part["study"] for part in facts["studies"]] == ["depth", "learning-rate"]
    assert sum(part["num_to_train"] for part in facts["studies"]) == facts["num_to_train"] == len(facts["runs"]) == 30
    parts = sum(part["seconds"] for part in facts["studies"])
    assert parts == pytest.approx(facts["seconds"], rel=0.1)
    assert 0 < facts["why_seconds"] < facts["seconds"]
    assert json.loads(reslab(*ask, "--no-diagnose", "--json")[1])["why_seconds"] == 0


def test_what_fits_is_chosen_and_asked_again_alike(reslab: Reslab, tmp_path: Path) -> None:
    ask = [
        "run",
        "depth",
        "--dataset",
        "digits",
        "--depths",
        "8",
        "--precision",
        "fp32",
        "--fit",
        "2min",
        "--no-diagnose",
    ]
    code, out, _ = reslab(*ask, "--dry-run")
    assert code == 0
    assert "Fits 2 min 00 s: " in out
    assert "Left out, in this order: the recipe as asked at its own length" in out
    (same,) = (line for line in out.splitlines() if line.startswith("The same as: reslab run depth --"))
    assert not list(tmp_path.rglob("fits.json"))
    reslab(*ask, "--prepare")
    assert list(tmp_path.rglob("fits.json"))
    again = json.loads(reslab(*ask, "--dry-run", "--json")[1])
    flags = same.removeprefix("The same as: reslab ").split()
    direct = json.loads(reslab(*flags, *ask[2:8], "--dry-run", "--json")[1])
    assert [row["run"] for row in again["runs"]] == [row["run"] for row in direct["runs"]]
    assert reslab(*ask[:-3], "--fit", "soon")[0] == 2


def test_status_calls_runs_by_name_and_by_id_where_asked(reslab: Reslab, trained: Path) -> None:
    out = reslab("status", "--runs", str(trained))[1]
    assert "ResNet-8, digits, 1 epoch, seed 0" in out
    assert out.splitlines()[0].split()[-2:] == ["%", "images/s"]  # other columns would be empty
    verified = reslab("status", "--verify", "--runs", str(trained))[1].splitlines()
    assert verified[0].split()[-1] == "files"
    assert verified[-1].split()[-1] == "whole"
    assert tiny_run().id not in out
    assert tiny_run().id in reslab("status", "--ids", "--runs", str(trained))[1]
    (row,) = json.loads(reslab("status", "--runs", str(trained), "--json")[1])
    assert (row["run"], row["name"]) == (tiny_run().id, "ResNet-8, digits, 1 epoch, seed 0")


def test_a_recipes_id_tells_which_seed_is_measured(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs", dirs_exist_ok=True)
    recipe = tiny_run().recipe.id
    for verb in (["evaluate"], ["diagnose", "--which", "gap", "--budget", "quick"]):
        assert "has 2 seeds" not in reslab(*verb, recipe)[2]
    shutil.copytree(tmp_path / "runs" / recipe / "seed0", tmp_path / "runs" / recipe / "seed1")
    said = f"reslab: {recipe} has 2 seeds, of which this is 0; for another, name it, as in {recipe}/seed1"
    for verb in (["evaluate"], ["diagnose", "--which", "gap", "--budget", "quick"]):
        code, _, err = reslab(*verb, recipe)
        assert (code, said in err) == (0, True)
        assert "has 2 seeds" not in reslab(*verb, f"{recipe}/seed0")[2]


def test_a_recipe_that_was_edited_is_damage_to_train_as_to_evaluate(
    reslab: Reslab, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs", dirs_exist_ok=True)
    path = tmp_path / "runs" / tiny_run().id / "run.json"
    path.write_text(path.read_text().replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    answers = [reslab("train", *TINY), reslab("evaluate", tiny_run().id)]
    assert [code for code, _, _ in answers] == [5, 5]
    assert all("run.json is damaged" in err for _, _, err in answers)
    (path.parent / "manifest.json").unlink()
    code, _, err = reslab("train", *TINY)
    assert code == 5
    assert "the recipe was edited" in err


def test_an_estimate_made_on_a_busy_machine_says_so(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.host.is_busy", lambda: True)
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--seeds", "2", "--precision", "fp32", "--dry-run"]
    assert "measured while the machine had other work" in reslab(*ask)[1]
    monkeypatch.setattr("reslab.host.is_busy", lambda: False)
    idle = reslab(*ask)[1]
    assert "other work" not in idle
    monkeypatch.setattr("reslab.host.is_busy", lambda: True)  # what is remembered was measured on a quiet one
    assert "; longer now, because the machine has other work" in reslab(*ask)[1]
    facts = json.loads(reslab(*ask, "--json")[1])
    assert facts["measured_on_busy_machine"] is False
    assert facts["busy"] is True


def test_a_study_of_one_s_own(reslab: Reslab, tmp_path: Path) -> None:
    (tmp_path / "rates.toml").write_text(
        'name = "rates"\nquestion = "?"\ndataset = "digits"\ndepth = 8\nepochs = 2\nseeds = 2\n'
        "[vary]\nlearning_rate = [0.1, 0.05]\n"
    )
    code, out, _ = reslab("run", "rates.toml", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["num_runs"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "dpeth"], 2, "there is no study 'dpeth' (did you mean 'depth'?)"),
        (
            ["run", "depth", "learning-rte"],
            2,
            "there is no study 'learning-rte' (did you mean 'learning-rate'?)",
        ),
        (["data", "fetch", "cifar11"], 2, "there is no data set 'cifar11'"),
        (["run", "shortcuts", "--dataset", "digits", "--shortcut", "C"], 2, "shortcut has no effect on shortcuts"),
        (["run", "depth", "--fit", "12"], 2, "--fit takes a time with its unit, as in 12h"),
        (["train", "--dataset", "cifar-10"], 2, "not 'cifar-10' (did you mean 'cifar10'?)"),
        (["data", "fetch", "cifar-10"], 2, "cifar100-coarse (did you mean 'cifar10'?)"),
        (["train", "--preset", "papr"], 2, "fast (did you mean 'paper'?)"),
        (["train", "--lr", "0"], 2, "learning_rate must be above 0"),
        (["trian"], 2, 'Did you mean "train"?'),
        (["train", "--depth", "21"], 2, "depth must be 6n+2, as in 8, 14, 20"),
        (["train", "--dataset", "mnist"], 2, "dataset must be one of digits, cifar10"),
        (["train", "--preset", "papre"], 2, "there is no preset 'papre'; the presets are paper"),
        (["train", "--dataset", "cifar10"], 4, "`reslab data fetch cifar10` downloads them"),
        (["run", "depth", "--dataset", "cifar100"], 4, "there are no images of cifar100"),
        (["run", "broken.toml"], 2, "broken.toml is not TOML: "),
        (["run", "missing.toml"], 2, "cannot read missing.toml: No such file"),
        (["run", "depth", "--depths", "20,x"], 2, "--depths takes whole numbers separated by commas"),
        (["run", "depth", "--seeds", "0"], 2, "--seeds must be 1 or more"),
        (["run", "depth", "--dataset", "digits", "--jobs", "0"], 2, "--jobs must be 1 or more"),
        (["run", "depth", "--time-limit", "-3", "--dry-run"], 2, "--time-limit must be 0 or more, not -3"),
        (["run", "depth", "--dataset", ""], 2, "--dataset takes names separated by commas, not ''"),
        (["run", "own.toml", "--dataset", " , "], 2, "--dataset takes names separated by commas"),
        (["run", "depth", "--prepare", "--dry-run"], 2, "choose one of them"),
        (["train", "--threads", "-2"], 2, "--threads must be 1 or more, not -2"),
        (["train", *TINY, "--checkpoint-seconds", "nan"], 2, "--checkpoint-seconds must be 0 or more, not nan"),
        (["train", *TINY, "--device", "cpu:"], 2, "device must be auto, cpu, cuda"),
        (["run", "depth", "--keep-epochs", "1;2"], 2, "epochs to keep are whole numbers from 1, separated by commas"),
        (["train", *TINY, "--keep-epochs", "0"], 2, "epochs to keep are whole numbers from 1, separated by commas"),
        (["train", *TINY, "--keep-epochs", "1,5"], 2, "--keep-epochs: there is no epoch 5 in a training of length 1"),
        (["report", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["status", "--runs", "nowhere"], 2, "there is no folder nowhere; give the folder of the runs"),
        (["status", "--runs", "a-file"], 2, "a-file is a file; give the folder of the runs"),
        (["watch", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["watch", "--runs", "a-file"], 2, "a-file is a file"),
        (["verify", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["evaluate", "nothing"], 2, "there is no run 'nothing'"),
        (["compare", "a", "b", "--runs", "nowhere"], 2, "there is no run 'a' here, and no folder nowhere of runs"),
        (["evaluate"], 2, "evaluate takes either a run or --weights FILE"),
        (["evaluate", "--weights", "none.th"], 5, "cannot read weights from none.th: there is no such file"),
        (["train", "--device", "tpu"], 2, "device must be auto, cpu, cuda"),
        (["train", *TINY, "--runs", "a-file"], 2, "choose another folder with --runs"),
        (["data", "import", "nothing.tar.gz"], 4, "nothing.tar.gz"),
        (["frobnicate"], 2, "frobnicate"),
        (["train", "--frobnicate", "1"], 2, "--frobnicate"),
        (["train", "--depth", "many"], 2, "many"),
    ],
)
def test_mistakes_are_answered(reslab: Reslab, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "broken.toml").write_text("question = \n")
    (tmp_path / "own.toml").write_text('name = "own"')
    (tmp_path / "a-file").write_text("")
    got, out, err = reslab(*arguments)
    assert words in " ".join((out + err).split())
    assert got == code
    assert "Traceback" not in out + err


def test_weights_of_a_plain_network_are_measured_as_such_where_told(reslab: Reslab, tmp_path: Path) -> None:
    assert reslab("train", *TINY, "--family", "plain", "--train-share", "0.2")[0] == 0
    (weights,) = (tmp_path / "runs").glob("*/seed0/weights.safetensors")
    error = json.loads((weights.parent / "result.json").read_text())["test_error"]
    ask = ["evaluate", "--weights", str(weights), "--dataset", "digits", "--depth", "8", "--json"]
    assert json.loads(reslab(*ask, "--family", "plain")[1])["test_error"] == error
    untold = json.loads(reslab(*ask)[1])
    assert (untold["test_error"], untold["decided_by"]["family"]) == (error, "run.json next to the weights")
    assert json.loads(reslab(*ask, "--family", "residual", "--shortcut", "A")[1])["test_error"] != error


def test_evaluate_shows_all_that_the_weights_fit(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(trained / tiny_run().id / "weights.safetensors", weights)
    code, out, err = reslab("evaluate", "--weights", str(weights), "--dataset", "digits")
    assert code == 0
    assert "the weights fit 5 networks and normalisations; measuring each on 355 images" in err
    assert re.search(r"network +resnet8, 10 classes +the file", out)
    assert re.search(r"shortcut +B +the file", out)
    assert re.search(r"normalisation +\S+ +best of 5 measured", out)
    assert len(re.findall(r"resnet8 +B +\S+ +[\d.]+ +355 +--normalisation \S+", out)) == 5
    _, out, _ = reslab("evaluate", tiny_run().id, "--runs", str(trained))
    assert re.search(r"normalisation +channel-2023 +run\.json", out)
    assert "Every network that these weights fit" not in out


def test_evaluate_asks_which_of_several_weights_and_prints_strict_json(reslab: Reslab, tmp_path: Path) -> None:
    import torch

    from reslab.models.networks import build

    plain, average = (
        dict(build("residual", 8, "B", 10, initialisation="he-fan-in", seed=seed).state_dict()) for seed in (0, 1)
    )
    average["fc.bias"] = average["fc.bias"] * float("nan")
    torch.save({"state_dict": plain, "ema": average}, tmp_path / "w.pth")
    ask = ["evaluate", "--weights", "w.pth", "--dataset", "digits", "--normalisation", "channel", "--json"]
    code, _, err = reslab(*ask)
    assert code == 2
    assert "2 networks: state_dict, ema.  Choose one with --entry" in err
    code, out, err = reslab(*ask, "--entry", "ema")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    facts = json.loads(out, parse_constant=refuse)
    assert code == 0
    assert (facts["entry"], facts["test_loss"], facts["candidates"][0]["test_loss"]) == ("ema", None, None)
    assert "reslab: 10 weights are not finite numbers (NaN or infinite): fc.bias (10 of 10)" in err
    assert any("fc.bias" in remark for remark in facts["remarks"])
    code, _, err = reslab("evaluate", "some-run", "--shortcut", "A")
    assert (code, "--shortcut only goes with --weights FILE" in err) == (2, True)


def test_a_slip_leaves_no_failed_run(reslab: Reslab, tmp_path: Path) -> None:
    code, _, err = reslab("train", *TINY, "--holdout", "5000")
    assert code in (2, 4)
    assert "holdout" in err
    assert not list((tmp_path / "runs").glob("*/seed0"))


def test_a_damaged_run_does_not_hide_the_others(reslab: Reslab, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (tmp_path / "runs" / "broken" / "seed0").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "seed0" / "run.json").write_text("{")
    unreadable = tmp_path / "runs" / "unreadable" / "seed0"
    (unreadable / "run.json").mkdir(parents=True)
    code, out, _ = reslab("status", "--json")
    assert code == 0
    rows = {row["run"]: row for row in json.loads(out)}
    assert rows["broken/seed0"]["status"] == "unreadable"
    assert "remove the folder" in rows["broken/seed0"]["message"]
    assert f"{unreadable.relative_to(tmp_path)}/run.json cannot be read" in rows["unreadable/seed0"]["message"]
    assert "remove" not in rows["unreadable/seed0"]["message"]
    assert rows[tiny_run().id]["status"] == "finished"
    shown = reslab("status")[1]
    assert "unreadable" in shown
    assert "what went wrong" in shown
    assert reslab("report", "--out", str(tmp_path / "report"))[0] == 0
    assert "cannot be read: Is a directory" in (tmp_path / "report" / "report.md").read_text()


def test_out_of_time_is_not_done(reslab: Reslab) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    code, out, _ = reslab(*ask, "--time-limit", "0")
    assert "1 pending" in out
    assert code == 130


def test_out_of_time_before_the_first_epoch_leaves_the_report_that_is_there(reslab: Reslab, tmp_path: Path) -> None:
    write_run(tmp_path / "others", Run(small(8)), Truth(3.0, 1.0))
    out = tmp_path / "report"
    assert reslab("report", "--runs", str(tmp_path / "others"), "--out", str(out), "--figures", "svg")[0] == 0
    page = (out / "index.html").read_bytes()
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--out", str(out)]
    code, said, err = reslab(*ask, "--time-limit", "0")
    assert (code, "Report:" in said) == (130, False)
    assert "remark: there is nothing to report in " in err
    assert (out / "index.html").read_bytes() == page


def test_a_study_asked_for_less_says_what_it_asked_before(reslab: Reslab) -> None:
    ask = ["run", "depth", "--dataset", "digits", "--epochs", "2", "--seeds", "1", "--prepare"]
    assert "remark: the study" not in reslab(*ask, "--depths", "8,14")[2]
    assert "remark: the study" not in reslab(*ask, "--depths", "8,14,20")[2]
    *prepared, _ = ask
    shown = "Remark: the study depth asked for three runs before (ResNet-8, digits, 2 epochs; "
    for _ in range(2):  # the plan changes nothing
        assert shown in reslab(*prepared, "--depths", "8", "--dry-run")[1]
    assert len(json.loads(reslab(*prepared, "--depths", "8", "--dry-run", "--json")[1])["remarks"]) == 1
    assert "leaves out two that" in repr(door.study("depth", dataset="digits", epochs=2, seeds=1, depths=8).plan())
    code, _, err = reslab(*ask, "--depths", "8")
    assert code == 0
    assert shown.lower() in err.lower()
    assert "now it asks for one, and leaves out two that runs has.  The report shows them under Other runs." in err
    assert "remark: the study" not in reslab(*ask, "--depths", "8")[2]
    assert "Remark" not in reslab(*prepared, "--depths", "8", "--dry-run")[1]


def test_what_another_process_held_and_left_is_not_done(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.session.where.launch", lambda *_, **__: True)
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    code, out, _ = reslab(*ask, "--no-diagnose", "--json")
    assert list(json.loads(out)["runs"].values()) == ["pending"]
    assert code == 8


def test_the_threads_that_runs_share_are_a_default_only(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr("reslab.session.where.launch", lambda *_, arguments, **options: given.extend(arguments))
    ask = ["run", "depth", "--dataset", "digits", "--depths", "8", "--epochs", "1", "--seeds", "1", "--no-report"]
    reslab(*ask, "--no-diagnose")
    assert "--default-threads" in given
    assert "--threads" not in given


@pytest.mark.parametrize("verb", [pytest.param("run", marks=pytest.mark.deep), "train"])
@pytest.mark.usefixtures("empty_cache")
def test_nobody_reads_on_and_nothing_is_lost(tmp_path: Path, verb: str) -> None:
    """As in `reslab run ... 2>&1 | head -2`."""
    study = tmp_path / "small.toml"
    study.write_text(SMALL_STUDY)
    ask = {"run": [str(study), "--no-report"], "train": ["--depth", "8", "--train-share", "0.1"]}[verb]
    script = (
        "import sys; from reslab.cli import main; from reslab.lab import speed\n"
        "speed._side_by_side = lambda device, precision, jobs: 30_000 / jobs\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    size = ["--dataset", "digits", "--epochs", "3000", "--precision", "fp32", "--runs", str(tmp_path / "runs")]
    command = [sys.executable, "-c", script, verb, *ask, *size]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert any("starts" in line for line in process.stdout)
        process.stdout.close()
        assert process.wait(timeout=120) == 130
    (folder,) = tmp_path.glob("runs/*/seed0")
    assert list(folder.glob("checkpoint/*/manifest.json"))
    assert not (folder / "failure.json").exists()


def test_ctrl_c_while_the_why_is_measured_is_answered_at_once(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    script = "import sys; from reslab.cli import main; sys.exit(main(sys.argv[1:]))"
    ask = ["diagnose", tiny_run().id, "--which", "responses,surface", "--budget", "thorough", "--runs", "runs"]
    command = [sys.executable, "-c", script, *ask]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert any("surface, " in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 130
    assert "surface, 50%" not in said  # of 625 points, one of which takes a few hundredths of a second
    assert f"interrupted; finished measurements are kept.  To resume:  reslab {' '.join(ask)}" in said
    assert "Traceback" not in said
    content = json.loads((tmp_path / "runs" / tiny_run().id / "diagnostics.json").read_text())
    assert list(content["diagnostics"]) == ["responses"]


def test_two_trainings_of_one_run(reslab: Reslab, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / tiny_run().id
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        code, _, err = reslab("train", *TINY)
    assert code == 8
    assert "is being trained by another process" in err
    assert not (folder / "failure.json").exists()


def test_a_failed_run_gives_exit_code_3(reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_here(monkeypatch)
    folder = tmp_path / "runs" / tiny_run().id
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text("in the way")
    code, out, _ = reslab(*RUN_TINY, "--checkpoint-seconds", "0")
    assert code == 3
    assert "1 failed" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "A"], "reslab compare needs SECOND; see reslab compare --help"),
        (["data", "import"], "reslab data import needs PATH; see reslab data import --help"),
        (["train", "--epochs"], "parameter --epochs requires an argument"),
        (["watch", "--runs", "nowhere"], "there is no folder nowhere; give the folder of the runs"),
        (["run", "depth", "--on", "slrum"], "--on is here, slurm, ray or ray://ADDRESS, not 'slrum' (did you mean"),
    ],
)
def test_a_slip_is_told_in_the_words_of_the_help(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())


def test_the_help_of_run_shows_that_it_takes_several_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "STUDY [STUDY ...]" in capsys.readouterr().out
