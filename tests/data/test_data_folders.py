"""Image folders: what is found, in which order, by which fingerprint, and what is said of those that will not do."""

import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folder_fakes import COLOURS, write_folders
from reslab.data import folders
from reslab.data.folders import check_parts, count, find_root, passed_over, read_folders
from reslab.data.sources import check_present, load_any
from reslab.data.split import split
from reslab.datasets import SHORT, Size
from reslab.errors import DataError
from reslab.presets import preset_recipe
from reslab.recipe import vary


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "set")


def test_all_images_are_found_with_the_class_of_their_folder(root: Path) -> None:
    (root / "train" / "apple" / "notes.txt").write_text("no image")
    (root / "train" / "apple" / ".hidden.jpg").write_text("no image")
    (root / "train" / "apple" / "more").mkdir()
    shutil.copy(root / "train" / "apple" / "0.png", root / "train" / "apple" / "more" / "extra.PNG")
    dataset = read_folders(root)
    assert dataset.class_names == tuple(COLOURS)
    assert (len(dataset.train), len(dataset.test), dataset.num_classes) == (19, 6, 3)
    assert count(root) == Size(19, 6, 3)
    assert "apple/more/extra.PNG" in dataset.train.names
    for place, name in enumerate(dataset.train.names):
        assert dataset.class_names[dataset.train.labels[place]] == name.partition("/")[0]
        assert dataset.train.path(place).is_file()
    assert not dataset.official


def test_a_class_that_no_report_can_name_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_subfolders", lambda _: ["apple", os.fsdecode(b"caf\xe9")])  # not on any file system
    for look in (check_parts, count, read_folders):
        with pytest.raises(DataError, match=r"train/caf\\udce9 has a name that is not UTF-8.*rename it") as found:
            look(root)
        str(found.value).encode()


def test_the_order_is_the_names_alone_and_mixes_the_classes(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_file():
            target = elsewhere / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    one, other = read_folders(root), read_folders(elsewhere)
    assert one.train.names == other.train.names
    assert one.fingerprint == other.fingerprint
    assert len(set(one.train.labels[:6].tolist())) > 1


def change_a_byte(root: Path) -> None:
    path = root / "train" / "sea" / "0.png"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)  # as many bytes as before, and as old
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_a_test_image(root: Path) -> None:
    path = root / "val" / "leaf" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")


def add(root: Path) -> None:
    shutil.copy(root / "train" / "sea" / "0.png", root / "train" / "sea" / "more.png")


def remove(root: Path) -> None:
    (root / "train" / "sea" / "0.png").unlink()


def rename(root: Path) -> None:
    (root / "train" / "sea" / "0.png").rename(root / "train" / "sea" / "renamed.png")


def move_to_another_class(root: Path) -> None:
    (root / "train" / "sea" / "0.png").rename(root / "train" / "leaf" / "moved.png")


def move_to_the_other_part(root: Path) -> None:
    (root / "train" / "sea" / "0.png").rename(root / "val" / "sea" / "moved.png")


def swap_the_classes(root: Path) -> None:
    """The same images under the same names of files, each in the other class."""
    for part in ("train", "val"):
        (root / part / "sea").rename(root / part / "was-sea")
        (root / part / "leaf").rename(root / part / "sea")
        (root / part / "was-sea").rename(root / part / "leaf")


def rename_a_class(root: Path) -> None:
    for part in ("train", "val"):
        (root / part / "sea").rename(root / part / "water")


CHANGES: list[Callable[[Path], None]] = [
    change_a_byte,
    change_a_test_image,
    add,
    remove,
    rename,
    move_to_another_class,
    move_to_the_other_part,
    swap_the_classes,
    rename_a_class,
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_is_another_set(root: Path, change: Callable[[Path], None]) -> None:
    before = read_folders(root)
    change(root)
    after = read_folders(root)
    assert before.fingerprint != after.fingerprint
    base = vary(preset_recipe("assignment", dataset="imagefolder"), images=before.fingerprint[:SHORT])
    assert base.id != vary(base, images=after.fingerprint[:SHORT]).id
    assert load_any(base.dataset, root).fingerprint == after.fingerprint


def test_another_place_other_times_and_other_files_beside_are_the_same_set(root: Path, tmp_path: Path) -> None:
    before = read_folders(root).fingerprint
    elsewhere = tmp_path / "deep" / "elsewhere"
    shutil.copytree(root, elsewhere)
    os.utime(elsewhere / "train" / "sea" / "0.png", (1, 1))
    (elsewhere / "train" / "notes.txt").write_text("no image")
    (elsewhere / "val").rename(elsewhere / "test")
    assert read_folders(elsewhere).fingerprint == before


def test_files_beyond_those_that_once_counted_are_in_the_fingerprint(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions read the first files of each part only: their fingerprint is still known, and known apart."""
    monkeypatch.setattr(folders, "FORMERLY_HASHED", 3)
    before = read_folders(root)
    path = before.train.path(10)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    changed = read_folders(root)
    assert changed.former == before.former
    assert len({changed.fingerprint, before.fingerprint, before.former}) == 3


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no image folder in"):
        load_any(preset_recipe("imagenet").dataset, tmp_path)


def test_shares_and_hold_outs_are_stratified(root: Path) -> None:
    parts = split(read_folders(root), train_share=0.5, holdout=6)
    assert parts.holdout is not None
    assert np.bincount(parts.train.labels).tolist() == [2, 2, 2]
    assert np.bincount(parts.holdout.labels).tolist() == [2, 2, 2]
    assert not set(parts.train.names) & set(parts.holdout.names)


def test_a_test_folder_comes_before_val_unless_it_has_no_classes(root: Path) -> None:
    (root / "test").mkdir()
    (root / "test" / "unlabelled.jpg").write_text("")
    assert read_folders(root).test.folder == root / "val"
    write_folders(root / "other", num_test=1, measured="test")
    shutil.copytree(root / "other" / "test", root / "test", dirs_exist_ok=True)
    assert read_folders(root).test.folder == root / "test"
    assert len(read_folders(root).test) == 3


def test_the_root_is_the_folder_itself_or_imagefolder_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_root([tmp_path]) is None
    root = write_folders(tmp_path / "imagefolder")
    assert find_root([tmp_path / "nothing", tmp_path]) == root
    assert find_root([root]) == root
    assert find_root([root / "train"]) == find_root([root / "val"]) == root
    assert find_root([tmp_path / "train"]) is None
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path))
    assert len(load_any("imagefolder").train.labels) == 18
    check_present("imagefolder")


def no_measured(root: Path) -> None:
    shutil.rmtree(root / "val")


def no_classes(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


def empty_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "leaf")
    (root / "train" / "leaf").mkdir()


def other_classes(root: Path) -> None:
    (root / "val" / "leaf").rename(root / "val" / "leaves")


def dangling(root: Path) -> None:
    (root / "train" / "leaf" / "gone.jpg").symlink_to("nothing.jpg")


def dangling_class(root: Path) -> None:
    for part in ("train", "val"):
        (root / part / "gone").symlink_to("nothing")


def circular(root: Path) -> None:
    (root / "train" / "leaf" / "round.jpg").symlink_to("round.jpg")


def pipe(root: Path) -> None:
    os.mkfifo(root / "val" / "leaf" / "pipe.png")


def socket_(root: Path) -> None:
    with contextlib.chdir(root / "val" / "leaf"), socket.socket(socket.AF_UNIX) as one:  # a socket's name is short
        one.bind("one.png")


def one_class(root: Path) -> None:
    for part in ("train", "val"):
        for name in ("leaf", "sea"):
            shutil.rmtree(root / part / name)


def capital(root: Path) -> None:
    (root / "train").rename(root / "Train")


def plain_file(root: Path) -> None:
    (root / "train").rename(root / "elsewhere")
    (root / "train").write_text("")


def validation(root: Path) -> None:
    (root / "val").rename(root / "validation")


def measured_file(root: Path) -> None:
    shutil.rmtree(root / "val")
    (root / "test").write_text("")


def other_form(root: Path) -> None:
    (root / "train" / "leaf").rename(root / "train" / "caf\u00e9")
    (root / "val" / "leaf").rename(root / "val" / "cafe\u0301")


def line_break(root: Path) -> None:
    (root / "val" / "leaf").rename(root / "val" / "a\n\x1b[31m")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_measured, "no test images: it needs a folder test or val"),
        (no_classes, r"train has no folders: it needs one per class"),
        (empty_class, r"train/leaf has no images \(files ending in \.jpg"),
        (other_classes, "must have the same classes; 2 of them are in one only, leaf, leaves"),
        (dangling, r"gone\.jpg is not a regular file but a link to nothing\.jpg, which does not exist; remove it"),
        (dangling_class, r"val/gone is a broken link, perhaps to a disk that is not mounted"),
        (circular, r"round\.jpg is not a regular file but a link that leads back to itself; remove it"),
        (pipe, r"pipe\.png is not a regular file but a FIFO; remove it"),
        (socket_, r"one\.png is not a regular file but a socket; remove it"),
        (one_class, r"train has one class, apple: .* at least two"),
        (validation, "it has a folder validation: name it val"),
        (measured_file, r"no test images: .*test is a file"),
        (other_form, "differs in its Unicode form \\(NFC or NFD\\), rename one: caf\u00e9"),
        (line_break, r"2 of them are in one only, a\\n\\x1b\[31m, leaf"),
    ],
)
def test_what_is_missing_is_said(root: Path, damage: Callable[[Path], None], message: str) -> None:
    check_parts(root)
    damage(root)
    with pytest.raises(DataError, match=message):
        read_folders(root)
    if damage in (no_measured, no_classes, one_class, validation):
        with pytest.raises(DataError, match=message):
            check_present("imagefolder", root)


@pytest.mark.parametrize(
    ("damage", "words"), [(capital, "has a folder Train: name it train"), (plain_file, "train is a file, not a folder")]
)
def test_what_is_nearly_an_image_folder_is_told(root: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(root)
    with pytest.raises(DataError, match=rf"there is no image folder in .* \(.*{words}\): ROOT/train"):
        check_present("imagefolder", root)


def test_what_makes_a_set_doubtful_is_remarked(root: Path) -> None:
    assert read_folders(root).remarks == ()
    shutil.copy(root / "train" / "sea" / "0.png", root / "val" / "sea" / "same.png")
    shutil.copy(root / "train" / "sea" / "0.png", root / "train" / "leaf" / "other.png")
    for part in ("train", "val"):
        for name in ("caf\u00e9", "cafe\u0301"):
            shutil.copytree(root / part / "apple", root / part / name)
    shared, several, alike = read_folders(root).remarks
    assert shared == "1 of 11 test images is a training image, too: the test error is too low"
    assert several == "9 images have more than one label"
    assert alike == "two classes look alike, one name in two forms of Unicode (NFC and NFD): caf\u00e9"


def test_what_is_in_hidden_folders_is_no_part_of_a_set(root: Path) -> None:
    before = read_folders(root)
    shutil.copytree(root / "train" / "sea", root / "train" / "leaf" / ".ipynb_checkpoints")
    assert read_folders(root).fingerprint == before.fingerprint
    assert passed_over(root) == {}


def test_files_that_are_passed_over_are_counted(root: Path) -> None:
    assert passed_over(root) == {}
    for name in (
        "apple/a.gif",
        "apple/b.GIF",
        "apple/more/c.jfif",
        "apple/readme",
        "0.png",
        ".hidden",
        "sea/.DS_Store",
    ):
        path = root / "train" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (root / "val" / "sea" / "linked").symlink_to(root / "train" / "sea")
    assert passed_over(root) == {
        ".gif": 2,
        ".jfif": 1,
        "without an ending": 1,
        ".png directly in train": 1,
        "link to a folder": 1,
    }


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no image folder in .*: ROOT/train/CLASS/\*\.jpg"):
        load_any("imagefolder", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_folder_that_may_not_be_read(root: Path) -> None:
    (root / "train" / "leaf").chmod(0)
    with pytest.raises(DataError, match="cannot read"):
        read_folders(root)
