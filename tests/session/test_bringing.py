"""A network and images given to Python's door become a run like any other."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import reslab
from reslab.errors import ResLabError
from reslab.own_running import modules_of
from reslab.session.bringing import network_text
from reslab.session.own_images import look_at
from reslab.session.progress import aside


def build(num_classes: int, seed: int) -> nn.Module:
    """Return a network that this file has."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(num_classes))


def images() -> tuple[Any, ...]:
    labels = np.arange(40) % 2
    pixels = np.random.default_rng(0).integers(0, 90, (40, 10, 10, 3)) + 120 * labels[:, None, None, None]
    return pixels[:30], labels[:30], pixels[30:], labels[30:]


def test_it_trains_once_and_is_found_again(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 10, "mirror": "none", "precision": "fp32"}
    places: dict[str, Any] = {"runs": tmp_path / "runs", "data_root": tmp_path / "data"}
    run = reslab.train(network=build, images=images(), **options, **places)
    assert run.test_error is not None
    assert run.name.startswith("build (test_bringing.py), own arrays")
    again = reslab.train(network=f"{__file__}:build", images=images(), **options, **places)
    assert again == run
    assert len(run.curve) == 2
    assert reslab.evaluate(run).test_error == run.test_error  # on the images that it was trained on
    recipe = reslab.preset("assignment", network=build, images=images(), data_root=tmp_path / "data", **options)
    assert reslab.train(recipe, **places) == run
    network = run.network()
    assert isinstance(network, nn.Sequential)
    wrong = sum(int((network(pixels).argmax(1) != labels).sum()) for pixels, labels in run.test_batches())
    assert 10 * wrong == run.test_error


@pytest.mark.parametrize("own", [True, False])
def test_weights_that_were_trained_on_elsewhere_are_measured_in_the_runs_network(tmp_path: Path, own: bool) -> None:
    network: dict[str, Any] = {"network": build} if own else {"depth": 8}
    places: dict[str, Any] = {"runs": tmp_path / "runs", "data_root": tmp_path / "data"}
    run = reslab.train(images=images(), epochs=2, batch_size=10, mirror="none", precision="fp32", **network, **places)
    before = reslab.evaluate(run)
    tuned = run.network()
    with torch.no_grad():
        *_, last = tuned.parameters()
        last.copy_(torch.tensor([100.0, 0.0]))  # the bias: everything is of the first class
    torch.save(tuned.state_dict(), tmp_path / "tuned.pt")
    found = reslab.evaluate(run, weights=tmp_path / "tuned.pt")
    assert found.confusion == [[5, 0], [5, 0]]
    assert found.facts["weights"] == str(tmp_path / "tuned.pt")
    assert reslab.evaluate(run).confusion == before.confusion == reslab.evaluate(run, weights=run.weights).confusion
    with pytest.raises(ResLabError, match="a run has its own recipe; depth only goes with weights=FILE alone"):
        reslab.evaluate(run, weights=tmp_path / "tuned.pt", depth=20)
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(reslab.CheckpointError, match=r"do not fit this network|not of any of ResLab's networks"):
        reslab.evaluate(run, weights=tmp_path / "other.pt")
    for name in ("gone.pt", "gone.safetensors"):
        with pytest.raises(reslab.CheckpointError, match="there is no such file"):
            reslab.evaluate(run, weights=tmp_path / name)
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(reslab.CheckpointError, match=r"is neither a state_dict|is text"):
        reslab.evaluate(run, weights=tmp_path / "text.pt")


def test_arrays_that_load_data_gives_are_images_of_ones_own(tmp_path: Path) -> None:
    digits = reslab.load_data("digits")
    assert digits.x_train.dtype == np.uint8
    assert digits.x_train.shape == (len(digits.y_train), 3, 32, 32)
    assert digits.class_names == tuple("0123456789")
    recipe = reslab.preset("assignment", depth=8, images=digits, data_root=tmp_path)
    assert (recipe.dataset, len(recipe.images)) == ("arrays", 16)


def test_a_study_compares_it_with_ours_on_the_same_images(tmp_path: Path) -> None:
    study = reslab.study(
        "own",
        vary={"network": ["", build]},
        images=images(),
        depths=8,
        epochs=1,
        seeds=1,
        batch_size=10,
        precision="fp32",
        runs=tmp_path / "runs",
        data_root=tmp_path / "data",
    )
    variants = study.asked.studies[0].variants
    assert [variant.label for variant in variants] == ["ResNet-8", "build (test_bringing.py)"]
    assert len({variant.recipe.images for variant in variants} - {""}) == 1
    with pytest.raises(ResLabError, match="cannot be combined with dataset"):
        reslab.study("own", images=images(), dataset="digits", vary={"momentum": [0.9, 0.8]}, data_root=tmp_path)


def test_names_of_classes_that_are_corrected_count_from_then_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"depth": 8, "epochs": 1, "runs": tmp_path / "runs", "data_root": tmp_path / "data"}
    wrong = reslab.train(images=(*images(), ["light", "dark"]), **options)
    assert "other names" not in capsys.readouterr().err
    right = reslab.train(images=(*images(), ["dark", "light"]), seed=1, **options)
    assert "remark: 2 of the 2 classes of these images have other names from now on" in capsys.readouterr().err
    found = [run.provenance for run in (wrong, right)]
    assert [one and one["data"]["classes"] for one in found] == [["light", "dark"], ["dark", "light"]]


def test_names_that_a_function_in_a_file_corrects_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names in ("a b", "b a"):
        arrays = "np.arange(3072, dtype=np.uint8).reshape(4, 16, 16, 3), np.arange(4) % 2"
        content = f"import numpy as np\ndef load():\n    return {arrays}, {arrays}, {names.split()}"
        (tmp_path / "own.py").write_text(content)
        look_at([f"{tmp_path}/own.py:load"], tmp_path, aside)
    assert capsys.readouterr().err.count("as b, which was a") == 1


FAULTY = {
    "channels": "nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.LazyLinear(num_classes))",
    "outputs": "nn.Sequential(nn.Flatten(), nn.Linear(300, 10))",
    "size": "nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes))",
    "pair": "Pair(num_classes)",
    "infinite": "nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes), nn.Threshold(9e9, float('inf')))",
}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("channels", r"fails on images of 1 x 3 x 10 x 10.*Every network gets 3 channels"),
        ("outputs", "must give 2 x 2 numbers, one for each class; it gives 2 x 10"),
        ("size", r"fails on images of 2 x 3 x 10 x 10"),
        ("pair", "must return one tensor, N x classes, not tuple"),
        ("infinite", "the outputs are not finite numbers before training"),
    ],
)
def test_a_faulty_network_on_the_users_own_images_is_found_once_before_any_run(
    fault: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass Pair(nn.Linear):\n    def __init__(self, num_classes):\n"
        "        super().__init__(300, num_classes)\n"
        "    def forward(self, x):\n        return super().forward(x.flatten(1)), x\n"
        f"def build(num_classes, seed):\n    return {FAULTY[fault]}\n"
    )
    study = reslab.study(
        "own",
        vary={"network": [f"{tmp_path}/net.py:build"], "momentum": [0.9, 0.8]},
        images=images(),
        epochs=1,
        seeds=2,
        runs=tmp_path / "runs",
        data_root=tmp_path / "data",
    )
    with pytest.raises(ResLabError, match=words):
        study.run(jobs=1, diagnose=False)
    assert not (tmp_path / "runs").exists()


def test_a_function_that_returns_images_is_called(tmp_path: Path) -> None:
    options: dict[str, Any] = {"depth": 8, "epochs": 1, "runs": tmp_path / "runs", "data_root": tmp_path / "data"}
    by_call = reslab.study("own", vary={"momentum": [0.9]}, images=images, depths=8, data_root=tmp_path / "data")
    given = reslab.study("own", vary={"momentum": [0.9]}, images=images(), depths=8, data_root=tmp_path / "data")
    assert by_call.asked.runs() == given.asked.runs()
    with pytest.raises(reslab.DataError, match="not NoneType"):
        reslab.train(images=lambda: None, **options)
    with pytest.raises(reslab.ResLabError, match="given as images must take no argument: missing a required argument"):
        reslab.train(images=lambda a: a, **options)
    with pytest.raises(reslab.ResLabError, match="given as images fails: ZeroDivisionError: division by zero"):
        reslab.train(images=lambda: 1 / 0, **options)


def test_a_function_that_a_run_cannot_keep_is_refused_in_words() -> None:
    def inner(num_classes: int, seed: int) -> nn.Module:
        return build(num_classes, seed)

    notebook: dict[str, Any] = {}
    exec("def build(num_classes, seed): ...", notebook)
    for function, words in (
        (lambda num_classes, seed: None, r"<lambda> cannot be found again"),
        (inner, "inner cannot be found again"),
        (notebook["build"], r"the source of build is not known .*put %%writefile my_net.py in its first line"),
        (3, "network must be a function from"),
    ):
        with pytest.raises(ResLabError, match=words):
            network_text(function)


@torch.no_grad()
def drawn(num_classes: int, seed: int) -> nn.Module:
    """Return a network, by a function that is decorated."""
    return build(num_classes, seed)


def test_a_decorated_function_is_found_in_its_own_file() -> None:
    assert network_text(drawn) == f"{Path(__file__).as_posix()}:drawn"


WIDTHS = """
WIDTH = 8
SIZES = {"hidden": [4]}

class Net:
    def __init__(self):
        self.sizes = SIZES["hidden"]

def width():
    return WIDTH

def build(num_classes, seed):
    return width(), Net()
"""


def test_values_that_a_script_has_set_since_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "widths.py").write_text(WIDTHS)
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = importlib.import_module("widths")
    assert network_text(module.build) == f"{tmp_path.as_posix()}/widths.py:build"
    module.WIDTH = 16
    with pytest.raises(ResLabError, match=r"WIDTH is 16 now, but 8 when widths.py is run by itself, as in a run"):
        network_text(module.build)
    module.WIDTH = 8
    module.SIZES["hidden"].append(9)
    with pytest.raises(ResLabError, match=r"SIZES is .* now, but .* when widths.py is run by itself"):
        network_text(module.build)


CLASSED = """
from torch import nn

class Net(nn.Module):
    width = 4
    def __init__(self, num_classes):
        super().__init__()
        self.last = nn.Linear(self.width, num_classes)

def build(num_classes, seed):
    return Net(num_classes)
"""


def test_a_function_that_builds_another_network_than_its_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "classed.py").write_text(CLASSED)
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = importlib.import_module("classed")
    assert network_text(module.build) == f"{tmp_path.as_posix()}/classed.py:build"
    module.Net.width = 16
    with pytest.raises(ResLabError, match=r"build now builds a different network from the one that classed.py builds"):
        network_text(module.build)


def test_images_and_a_data_set_are_not_given_both() -> None:
    with pytest.raises(ResLabError, match="give dataset or images, not both"):
        reslab.train(images=images(), dataset="digits")


def test_images_in_the_place_of_a_data_set_are_told_their_own() -> None:
    with pytest.raises(ResLabError, match=r"dataset must be a name, not tuple; for images of your own use images="):
        reslab.train(dataset=images())  # type: ignore[arg-type]


def test_a_file_that_trains_when_it_is_loaded_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("")
    with modules_of(tmp_path, "net.py"), pytest.raises(ResLabError, match='if __name__ == "__main__"'):
        reslab.train(dataset="digits", depth=8, epochs=1, runs=tmp_path)
