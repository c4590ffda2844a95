"""CIFAR read from each official version, in any order, and everything that must be refused."""

import errno
import gzip
import io
import os
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_fakes import CIFAR10_NAMES, LAYOUT, pack, parts, real_cifar, write_folder

from reslab.data import archives
from reslab.data.archives import read_files
from reslab.data.cifar import LAYOUTS, Layout, read_cifar
from reslab.data.images import make_dataset
from reslab.data.normalisation import channel_statistics
from reslab.data.pickles import read_pickle
from reslab.data.places import keeping_place, places
from reslab.data.sources import find, load
from reslab.errors import DataError, ResLabError

PYTHON = LAYOUT["cifar-10-batches-py"]
BINARY = LAYOUT["cifar-10-batches-bin"]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.folder for layout in LAYOUTS])
def test_every_version_gives_its_images_and_labels(tmp_path: Path, layout: Layout, packed: bool) -> None:
    content = parts(layout)
    folder = write_folder(tmp_path / "made", layout, content)
    root = tmp_path / "root"
    if packed:
        pack(folder, root / layout.archive)
    else:
        root.mkdir()
        folder.rename(root / layout.folder)
    names = {"cifar10": ["cifar10"], "cifar100": ["cifar100-coarse", "cifar100"]}[layout.images]
    for kind, name in enumerate(names):
        dataset = load(name, root)
        assert not dataset.official
        assert dataset.name == name
        again = make_dataset(name, dataset.train, dataset.test, dataset.class_names)
        assert dataset.fingerprint == again.fingerprint
        for part, files in ((dataset.train, layout.train_files), (dataset.test, layout.test_files)):
            written = [
                (pixels.tobytes(), int(label))
                for file in files
                for pixels, label in zip(content[file][0], content[file][1][kind], strict=True)
            ]
            read = [(image.tobytes(), int(label)) for image, label in zip(part.images, part.labels, strict=True)]
            assert sorted(read) == sorted(written)
            assert part.image_shape == (3, 32, 32)


def test_class_names_come_from_the_version(tmp_path: Path) -> None:
    for layout in LAYOUTS:
        write_folder(tmp_path / layout.folder, layout, parts(layout))
        root = tmp_path / layout.folder
        if layout.images == "cifar10":
            assert load("cifar10", root).class_names == tuple(CIFAR10_NAMES)
        else:
            assert load("cifar100", root).class_names[7] == "fine7"
            assert load("cifar100-coarse", root).class_names[7] == "coarse7"


def test_planes_are_red_green_and_blue_by_rows(tmp_path: Path) -> None:
    content = parts(PYTHON)
    for pixels, _ in content.values():
        pixels[:] = np.arange(3072, dtype=np.uint16).astype(np.uint8)
    image = load("cifar10", write_folder(tmp_path, PYTHON, content).parent).train.images[0]
    assert image[0, 0, :3].tolist() == [0, 1, 2]
    assert image[0, 1, 0] == 32
    assert image[1, 0, 5] == (1024 + 5) % 256


@pytest.mark.parametrize("layout", [PYTHON, LAYOUT["cifar-100-python"]], ids=["cifar10", "cifar100"])
def test_the_order_of_files_and_images_has_no_effect(tmp_path: Path, layout: Layout) -> None:
    content = parts(layout)
    shuffle = np.random.default_rng(1).permutation
    mixed = {}
    for file, (pixels, labels) in content.items():
        order = shuffle(len(pixels))
        mixed[file] = pixels[order], [kind[order] for kind in labels]
    if layout is PYTHON:
        mixed["data_batch_1"], mixed["data_batch_4"] = mixed["data_batch_4"], mixed["data_batch_1"]
    for name in ["cifar10"] if layout is PYTHON else ["cifar100", "cifar100-coarse"]:
        roots = [tmp_path / name / order for order in ("as-it-was", "mixed")]
        one, other = (
            load(name, write_folder(root, layout, made).parent)
            for root, made in zip(roots, (content, mixed), strict=True)
        )
        assert one.fingerprint == other.fingerprint
        assert np.array_equal(one.train.images, other.train.images)
        assert np.array_equal(one.train.labels, other.train.labels)
        assert np.array_equal(one.test.images, other.test.images)


def test_fine_and_coarse_classes_have_one_order(tmp_path: Path) -> None:
    layout = LAYOUT["cifar-100-binary"]
    _, datasets = read_cifar(write_folder(tmp_path, layout, parts(layout)))
    fine, coarse = datasets["cifar100"], datasets["cifar100-coarse"]
    assert np.array_equal(fine.train.images, coarse.train.images)
    assert np.array_equal(fine.train.labels // 5, coarse.train.labels)
    assert fine.fingerprint != coarse.fingerprint


def test_python_and_binary_versions_are_the_same_images(tmp_path: Path) -> None:
    content = parts(PYTHON)
    renamed = {f"{file}.bin": made for file, made in content.items()}
    one = load("cifar10", write_folder(tmp_path / "python", PYTHON, content).parent)
    other = load("cifar10", write_folder(tmp_path / "binary", BINARY, renamed).parent)
    assert one.fingerprint == other.fingerprint
    assert np.array_equal(one.train.images, other.train.images)


def test_missing_data_says_where_it_looked_and_what_helps(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("cifar100-coarse", tmp_path)
    message = str(caught.value)
    for part in (
        f"no images of cifar100-coarse in {tmp_path}",
        "`reslab data fetch cifar100`",
        "`reslab data import PATH`",
    ):
        assert part in message


def test_without_a_data_root_the_environment_and_then_the_cache_are_looked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "told"))
    told, cache = places()
    assert told == tmp_path / "told"
    assert cache.is_relative_to(tmp_path)
    assert find("cifar10") is None
    write_folder(cache, PYTHON, parts(PYTHON))
    assert find("cifar10") == cache / PYTHON.folder
    write_folder(told, PYTHON, parts(PYTHON))
    assert find("cifar10") == told / PYTHON.folder
    assert find("cifar10", tmp_path / "given") is None
    monkeypatch.delenv("RESLAB_DATA")
    assert places() == [cache]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.folder for layout in LAYOUTS])
def test_a_data_root_may_be_the_folder_or_the_archive_itself(tmp_path: Path, layout: Layout, packed: bool) -> None:
    itself = write_folder(tmp_path, layout, parts(layout))
    if packed:
        itself = pack(itself, tmp_path / layout.archive)
        shutil.rmtree(tmp_path / layout.folder)
    assert load(layout.images, itself).fingerprint == load(layout.images, tmp_path).fingerprint
    renamed = itself.rename(tmp_path / "renamed")
    assert find(layout.images, renamed) == renamed
    assert len(load(layout.images, renamed).train) > 0


def test_next_to_a_data_set_the_others_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ten = write_folder(tmp_path, PYTHON, parts(PYTHON))
    hundred = LAYOUT["cifar-100-python"]
    other = pack(write_folder(tmp_path / "made", hundred, parts(hundred)), tmp_path / hundred.archive)
    monkeypatch.setenv("RESLAB_DATA", str(ten))
    assert find("cifar100") == other
    assert find("cifar10", other) == ten
    assert find("cifar10", tmp_path / "made" / hundred.folder) is None
    assert keeping_place(ten) == keeping_place(other) == keeping_place() == tmp_path


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("RESLAB_DATA", raising=False)
    monkeypatch.setattr("reslab.data.places.temporary_folder", lambda: tmp_path / "temporary")
    assert keeping_place() == tmp_path / "temporary"
    write_folder(tmp_path / "temporary", PYTHON, parts(PYTHON))
    assert find("cifar10") == tmp_path / "temporary" / PYTHON.folder


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(
        ResLabError, match="no data set 'cifar11'; there are digits, cifar10, cifar100, cifar100-coarse"
    ):
        load("cifar11")


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    archive = pack(write_folder(tmp_path / "made", PYTHON, parts(PYTHON)), tmp_path / PYTHON.archive)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        DataError, match=r"cifar-10-python\.tar\.gz is not a whole \.tar\.gz archive: truncated or damaged"
    ):
        load("cifar10", tmp_path)


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / PYTHON.archive).write_text("<html>try again later</html>")
    with pytest.raises(DataError, match=r"not a whole \.tar\.gz archive"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_file_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = write_folder(tmp_path / "made", PYTHON, parts(PYTHON))
    path = pack(folder, tmp_path / PYTHON.archive) if packed else folder

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(gzip, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=f"{path}.* cannot be read: Permission denied; check its permissions"):
        list(read_files(path, set(PYTHON.files)))


def test_a_changed_byte_is_found_by_the_archives_own_checksum(tmp_path: Path) -> None:
    archive = pack(write_folder(tmp_path / "made", PYTHON, parts(PYTHON)), tmp_path / PYTHON.archive)
    whole = bytearray(archive.read_bytes())
    whole[-8] ^= 1  # gzip's CRC-32
    archive.write_bytes(whole)
    with pytest.raises(DataError, match="CRC"):
        load("cifar10", tmp_path)


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_member("../../evil"), r"'\.\./\.\./evil' that points outside the archive"),
        (_member("cifar-10-batches-py/../../evil"), "points outside the archive"),
        (_member("/etc/passwd"), "'/etc/passwd' that points outside the archive"),
        (_member("data_batch_1", tarfile.SYMTYPE, "/etc/passwd"), "'data_batch_1' that is a link or a device"),
        (_member("data_batch_1", tarfile.LNKTYPE, "other"), "is a link or a device"),
        (_member("data_batch_1", tarfile.CHRTYPE), "is a link or a device"),
        (_member("data_batch_1", tarfile.FIFOTYPE), "is a link or a device"),
    ],
)
def test_a_member_that_no_honest_archive_has_is_refused(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    folder = write_folder(tmp_path / "made", PYTHON, parts(PYTHON))
    with tarfile.open(tmp_path / PYTHON.archive, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
        archive.addfile(member)
    with pytest.raises(DataError, match=message):
        load("cifar10", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [PYTHON.archive, "made"]


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "made", PYTHON, parts(PYTHON))
    with tarfile.open(tmp_path / PYTHON.archive, "w:gz") as archive:
        archive.add(folder, arcname="one")
        archive.add(folder, arcname="two")
    with pytest.raises(DataError, match="twice: refused"):
        load("cifar10", tmp_path)


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("data_batch_1")
    header.size = 10**10
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf()))
    with pytest.raises(DataError, match="10,000,000,000 bytes, more than any file of CIFAR"):
        list(read_files(path, {"data_batch_1"}))


@pytest.mark.parametrize(
    ("name", "kind", "size", "count", "after"),
    [
        ("readme.html", tarfile.REGTYPE, 2**36, 1, 0),
        ("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2**32, 1, 0),
        ("pax", tarfile.XHDTYPE, 2**32, 1, 0),
        ("readme.html", tarfile.REGTYPE, 0, 5000, 0),
        ("readme.html", tarfile.REGTYPE, 0, 1, 80),
    ],
    ids=["long-file", "long-name", "long-header", "many-members", "zeros-after-the-end"],
)
def test_what_unpacks_to_more_than_cifar_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: bytes, size: int, count: int, after: int
) -> None:
    monkeypatch.setattr(archives, "MAX_ALL_BYTES", 2**26)  # a test need not unpack a gibibyte
    header = tarfile.TarInfo(name)
    header.size, header.type = size, kind
    path, zeros = tmp_path / "bomb.tar.gz", gzip.compress(bytes(2**20))
    path.write_bytes(
        gzip.compress(header.tobuf(tarfile.GNU_FORMAT) * count + bytes(1024) * bool(after)) + zeros * after
    )
    with pytest.raises(DataError, match="refused"):
        list(read_files(path, {"data_batch_1"}))


class _RunsACommand:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, PYTHON, parts(PYTHON))
    marker = tmp_path / "was-run"
    (folder / "data_batch_2").write_bytes(pickle.dumps(_RunsACommand(marker), protocol=2))
    with pytest.raises(DataError, match=r"data_batch_2 asks for posix\.system, .*: refused, not run"):
        load("cifar10", tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("pickled", "name"),
    [
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x051 + 1\x85R.", r"builtins\.eval"),
        (b"\x80\x02cbuiltins\ngetattr\n.", r"builtins\.getattr"),
        (b"\x80\x02c__builtin__\neval\n.", r"__builtin__\.eval"),
        (b"(S'ls'\ni__main__\nrun\n.", r"__main__\.run"),
        (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", r"numpy\.load"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93.", r"numpy\.ndarray\.__new__"),
    ],
)
def test_the_unpickler_knows_a_few_names_only(pickled: bytes, name: str) -> None:
    with pytest.raises(DataError, match=f"batch asks for {name}, which no CIFAR batch needs"):
        read_pickle(io.BytesIO(pickled), "batch")


def test_the_stand_ins_cannot_be_changed_by_a_pickle() -> None:
    changes_the_class = b"\x80\x02cnumpy\nndarray\n}U\x05stateK\x01sb."
    with pytest.raises(DataError, match="batch is damaged or truncated"):
        read_pickle(io.BytesIO(changes_the_class), "batch")


@pytest.mark.parametrize("protocol", [3, 4])
def test_todays_pickles_are_read_too(protocol: int) -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    batch = read_pickle(io.BytesIO(pickle.dumps({b"data": pixels, "labels": [1, 2]}, protocol)), "batch")
    assert np.array_equal(batch["data"], pixels)
    assert batch["labels"] == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "batch is damaged or truncated"),
        (b"\x80\x02]q\x00.", "batch holds a list, not the dict of a CIFAR batch"),
        (pickle.dumps({1: 2}, 2), "batch has a key that is not text: 1"),
        (pickle.dumps({"data": np.zeros(3)}, 4), "batch holds an array that cannot be read"),
        (pickle.dumps({"data": np.zeros(3, np.uint8)}, 4)[:-20], "batch is damaged or truncated"),
    ],
)
def test_a_pickle_that_is_no_batch_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pickle(io.BytesIO(content), "batch")


def test_a_batch_of_another_form_is_refused(tmp_path: Path) -> None:
    good = parts(PYTHON)
    pixels, (labels,) = good["data_batch_3"]
    wrong = {
        r"data_batch_3: data must be uint8 of N x 3072, not \(4, 3000\)": (pixels[:, :3000], labels),
        "data_batch_3: 4 images cannot have 3 labels": (pixels, labels[:3]),
        "data_batch_3: a label of labels is 10, not in 0 to 9": (pixels, np.array([0, 1, 10, 2])),
        "data_batch_3: a label of labels is -1, not in 0 to 9": (pixels, np.array([0, 1, -1, 2])),
        "data_batch_3 holds no image": (pixels[:0], labels[:0]),
    }
    for number, (message, (bad_pixels, bad_labels)) in enumerate(wrong.items()):
        root = tmp_path / str(number)
        write_folder(root, PYTHON, {**good, "data_batch_3": (bad_pixels, [bad_labels])})
        with pytest.raises(DataError, match=message):
            load("cifar10", root)


def test_a_binary_file_of_a_wrong_length_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, BINARY, parts(BINARY))
    file = folder / "data_batch_5.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"data_batch_5\.bin has 12,291 bytes, which is not a whole number of records of 3073"
    ):
        load("cifar10", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, PYTHON, parts(PYTHON))
    (folder / "data_batch_3").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(
        DataError, match=r"cifar-10-batches-py lacks data_batch_3, test_batch.*any archive: move it away first"
    ):
        load("cifar10", tmp_path)


def test_a_missing_name_of_a_class_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, BINARY, parts(BINARY))
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=r"batches\.meta\.txt must name 10 classes"):
        load("cifar10", tmp_path)


OFFICIAL = {
    "cifar10": (10, [0.49139968, 0.48215841, 0.44653091], [0.24703223, 0.24348513, 0.26158784]),
    "cifar100": (100, [0.50707516, 0.48654887, 0.44091784], [0.26733429, 0.25643846, 0.27615047]),
    "cifar100-coarse": (20, [0.50707516, 0.48654887, 0.44091784], [0.26733429, 0.25643846, 0.27615047]),
}
"""Classes, channel mean and standard deviation of the training images, measured on all pixels."""


@pytest.mark.cifar
@pytest.mark.parametrize("name", OFFICIAL)
def test_the_real_images_are_recognised(name: str) -> None:
    dataset = real_cifar(name)
    num_classes, mean, deviation = OFFICIAL[name]
    assert dataset.official
    misnamed = ("aeroplane", *dataset.class_names[1:])
    assert not make_dataset(name, dataset.train, dataset.test, misnamed).official
    assert dataset.num_classes == num_classes
    for part, count in ((dataset.train, 50_000), (dataset.test, 10_000)):
        assert len(part) == count
        assert np.bincount(part.labels).tolist() == [count // num_classes] * num_classes
    found = channel_statistics(dataset.train)
    assert np.allclose(found[0], mean, rtol=0, atol=1e-7)
    assert np.allclose(found[1], deviation, rtol=0, atol=1e-7)
