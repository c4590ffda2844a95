"""Image folders of one's own through every verb that reads images."""

import json
import shutil
from pathlib import Path

from cli_runs import Reslab

from folder_fakes import write_folders
from reslab.lab.folder.store import RunFiles, run_files
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary

pytest_plugins = ["cli_fixtures"]


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
    (root / "train" / "sea" / "one.gif").write_bytes(b"")
    shutil.copy(root / "train" / "sea" / "0.png", root / "val" / "sea" / "same.png")
    code, out, err = reslab("data", "check", "--data-root", str(root))
    assert out.endswith("all can be decoded\n1 file skipped: 1 .gif\n")
    assert err.endswith("remark: 1 of 4 test images is a training image, too: the test error is too low\n")
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


def test_nobody_writes_the_fingerprint_of_images(reslab: Reslab, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\ndataset = "imagefolder"\n[recipe]\nimages = "0123456789abcdef"\n')
    code, _, err = reslab("run", str(own), "--dry-run")
    assert code == 2
    assert "[recipe] images: there is no such field" in err
