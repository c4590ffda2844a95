"""A network for ImageNet on an image folder: trained, stopped and resumed, evaluated, planned, and what goes wrong."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab_runs import make, outcome

from folder_fakes import write_folders
from reslab.data.folders import read_folders
from reslab.data.sources import load, load_any
from reslab.datasets import SHORT
from reslab.errors import CheckpointError, DataError, ResLabError
from reslab.families import IMAGENET_DEPTHS
from reslab.lab.folder.provenance import check_classes, check_trained_on
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute
from reslab.lab.planner import plan, work_per_image
from reslab.lab.settings import Settings
from reslab.models.complexity import multiply_adds, parameters
from reslab.models.networks import skeleton
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, Run, stretch, vary

RECIPE: Recipe = vary(
    stretch(preset_recipe("imagenet", depth=18), 2), image_size=32, batch_size=4, learning_rate=0.02, holdout=3
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("images"))


@pytest.fixture
def quick(images: Path, torch_settings: None) -> Settings:
    return Settings(data_root=images, device="cpu", threads=1)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFiles]:
    import torch

    threads, exact = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    files = make(tmp_path_factory.mktemp("whole"), RECIPE)
    assert execute(files, Settings(data_root=images, device="cpu", threads=1)) == "finished"
    yield files
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(exact)


def test_a_run_says_what_it_trained_and_on_what(whole: RunFiles) -> None:
    result, provenance = whole.result(), whole.provenance()
    assert result is not None
    assert provenance is not None
    network = skeleton("imagenet", 18, "B", 3)
    assert result["parameters"] == parameters(network)
    assert result["multiply_adds"] == multiply_adds(network, (3, 32, 32))
    assert (result["epochs"], result["iterations"]) == (2, 8)
    counts = {key: provenance["data"][key] for key in ("num_train", "num_holdout", "num_test", "num_classes")}
    assert provenance["data"]["classes"] == ["apple", "leaf", "sea"]
    assert counts == {"num_train": 15, "num_holdout": 3, "num_test": 6, "num_classes": 3}
    assert 0 <= result["holdout_error"] <= 100


@pytest.mark.parametrize("after", [2, pytest.param(4, marks=pytest.mark.deep), 5])
def test_a_run_stopped_anywhere_ends_with_the_same_bits(
    whole: RunFiles, quick: Settings, tmp_path: Path, after: int
) -> None:
    files = make(tmp_path, RECIPE)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= after

    assert execute(files, quick, stop=stop) == "interrupted"
    assert execute(files, quick) == "finished"
    assert outcome(files) == outcome(whole)


def test_a_damaged_image_fails_the_run_by_name(quick: Settings, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "images")
    (root / "train" / "sea" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    files = make(tmp_path, RECIPE)
    with pytest.raises(DataError, match=r"train/sea/0\.png cannot be decoded"):
        execute(files, replace(quick, data_root=root))
    failure = files.failure()
    assert failure is not None
    assert failure["kind"] == "error"
    assert failure["traceback"] is None
    assert "0.png cannot be decoded" in failure["message"]


def test_a_damaged_image_to_measure_on_is_named_before_anything_is_trained(quick: Settings, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "images")
    (root / "val" / "sea" / "0.png").write_bytes(b"")
    files = make(tmp_path, RECIPE)
    with pytest.raises(DataError, match=r"val/sea/0\.png cannot be decoded"):
        execute(files, replace(quick, data_root=root))
    assert files.provenance() is None


def test_other_images_are_refused_on_resuming(whole: RunFiles, quick: Settings, tmp_path: Path) -> None:
    files = make(tmp_path, RECIPE)
    files.write("provenance.json", whole.provenance() or {})
    root = write_folders(tmp_path / "images", num_train=5)
    with pytest.raises(DataError, match="the images of imagefolder are not those"):
        execute(files, replace(quick, data_root=root))


def _of(images: Path) -> Recipe:
    """Return the recipe of these images."""
    return vary(RECIPE, images=load_any(RECIPE.dataset, images).fingerprint[:SHORT])


def test_a_run_is_of_the_images_that_its_recipe_holds(quick: Settings, images: Path, tmp_path: Path) -> None:
    """Also before its first attempt: the folder may have been made on another machine, or the images changed."""
    files = make(tmp_path, _of(images))
    other = write_folders(tmp_path / "images", num_train=5)
    with pytest.raises(
        DataError, match=rf"are not those that imagefolder-.* began with: the fingerprint of those in {other} is"
    ):
        execute(files, replace(quick, data_root=other))
    assert files.provenance() is None
    assert make(tmp_path, _of(other)).path != files.path


def test_what_a_run_was_trained_on_is_asked_wherever_its_weights_are_used(
    whole: RunFiles, images: Path, tmp_path: Path
) -> None:
    """Other images, other classes of the same number, and images that cannot be told for want of provenance."""
    check_trained_on(whole, load_any("imagefolder", images))
    fewer = write_folders(tmp_path / "fewer", num_train=5)
    renamed = write_folders(tmp_path / "renamed")
    for part in ("train", "val"):
        (renamed / part / "sea").rename(renamed / part / "water")
    for other in (fewer, renamed):
        with pytest.raises(DataError, match=r"are not those that .* was trained on: the fingerprint of those in .* is"):
            check_trained_on(whole, load_any("imagefolder", other))
    copy = tmp_path / "copies" / whole.path.parent.name / whole.path.name
    shutil.copytree(whole.path, copy)
    (copy / "provenance.json").unlink()
    with pytest.raises(DataError, match="does not say which images it was trained on"):
        check_trained_on(RunFiles(copy), load_any("imagefolder", images))


def test_a_run_of_an_earlier_version_is_known_as_one(whole: RunFiles, images: Path, tmp_path: Path) -> None:
    """The files are the same, and the pixels that they were decoded to may not be: a word, not a number."""
    old = RunFiles(tmp_path / whole.path.parent.name / whole.path.name)
    shutil.copytree(whole.path, old.path)
    dataset, provenance = read_folders(images), whole.provenance() or {}
    provenance["data"]["fingerprint"] = dataset.former
    old.write("provenance.json", provenance)
    with pytest.raises(DataError, match=r"though the files are the same: an earlier .* --weights .*safetensors"):
        check_trained_on(old, dataset)


def test_classes_of_other_names_or_in_another_order_are_told(whole: RunFiles, images: Path, tmp_path: Path) -> None:
    dataset = load_any("imagefolder", images)
    check_classes(whole, dataset)
    for classes, words in (
        (["apple", "leaf", "water"], r"\(the classes differ: sea, water are in one of them only\)"),
        (["leaf", "apple", "sea"], r"\(its classes come in another order\)"),
    ):
        copy = RunFiles(tmp_path / classes[0] / whole.path.parent.name / whole.path.name)
        shutil.copytree(whole.path, copy.path)
        provenance = whole.provenance() or {}
        provenance["data"] |= {"classes": classes, "fingerprint": "f" * 64}
        copy.write("provenance.json", provenance)
        with pytest.raises(CheckpointError, match=words):
            check_classes(copy, dataset)
        with pytest.raises(DataError, match=words):
            check_trained_on(copy, dataset)


def test_more_images_are_refused_before_anything_of_the_run_is_changed(
    whole: RunFiles, quick: Settings, tmp_path: Path
) -> None:
    """With more images, the checkpoint is of fewer epochs: what it counts must not cut the metrics."""
    files = make(tmp_path, RECIPE)
    epochs = 0

    def count(event: dict[str, Any]) -> None:
        nonlocal epochs
        epochs += event["event"] == "epoch"

    assert execute(files, quick, on_event=count, stop=lambda: epochs == 1) == "interrupted"
    root = write_folders(tmp_path / "images", num_train=12)
    with pytest.raises(DataError, match="the images of imagefolder are not those"):
        execute(files, replace(quick, data_root=root))
    assert len(files.metrics()) == 1
    assert execute(files, quick) == "finished"
    assert outcome(files) == outcome(whole)


def test_a_plan_counts_the_folder_or_asks_the_run(whole: RunFiles, images: Path, tmp_path: Path) -> None:
    run = Run(RECIPE)
    (item,) = plan(tmp_path, [run], images)
    assert item.work == pytest.approx(2 * (15 + (6 + 3) / 3) * work_per_image(RECIPE))
    assert item.disk_bytes > 5 * 4 * 11e6
    root = whole.path.parents[1]
    assert [one.status for one in plan(root, [run], tmp_path / "nowhere")] == ["finished"]
    with pytest.raises(DataError, match="there is no image folder in"):
        plan(tmp_path, [run], tmp_path / "nowhere")


@pytest.mark.parametrize("depth", IMAGENET_DEPTHS)
def test_the_planners_costs_are_those_of_the_networks(depth: int) -> None:
    recipe = preset_recipe("imagenet", depth=depth)
    counted = multiply_adds(skeleton("imagenet", depth, "B", 1000), (3, 224, 224))
    layer = 16 * 16 * 9 * 32 * 32  # multiply-adds of an inner layer of a CIFAR network
    assert work_per_image(recipe) * layer == pytest.approx(counted, rel=0.01)
    assert work_per_image(vary(recipe, image_size=112)) == pytest.approx(work_per_image(recipe) / 4)


def test_files_are_not_loaded_into_memory(images: Path) -> None:
    with pytest.raises(ResLabError, match="there is no data set 'imagefolder'; there are digits"):
        load("imagefolder", images)
