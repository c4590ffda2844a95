"""Images fetched and imported from Python; `tests/data` tests what they do in full."""

from pathlib import Path

import pytest

import reslab
from folder_fakes import write_folders
from reslab.errors import DataError


def test_images_are_checked_and_imported(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "images", num_train=2, num_test=1)
    found = reslab.check_data(root)
    assert (found.num_train, found.num_test, found.num_classes, found.path) == (6, 3, 3, root)
    assert (found.passed_over, found.remarks) == ({}, ())
    assert dict(reslab.list_data(root)[-1]) == {
        "name": "imagefolder",
        "num_train": 6,
        "num_test": 3,
        "num_classes": 3,
        "path": str(root),
        "official": None,
        "problem": None,
    }
    assert reslab.list_data(tmp_path)[-1]["path"] is None
    (root / "val" / "sea" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"val/sea/0\.png cannot be decoded"):
        reslab.check_data(root)
    bad = [
        f"{part}/{name}/bad-{number}.png" for part, name in (("train", "sea"), ("val", "sea")) for number in range(4)
    ]
    for name in bad:
        (root / name).write_bytes(b"")
    with pytest.raises(DataError) as error:
        reslab.check_data(root)
    assert sum(f"{root / name} cannot be decoded" in str(error.value) for name in bad) == len(bad)
    assert "and others" not in str(error.value)
    with pytest.raises(DataError, match="there is no"):
        reslab.import_data(tmp_path / "nothing", data_root=tmp_path)
    with pytest.raises(DataError, match="/dev/null is not a regular file but a device"):
        reslab.import_data("/dev/null", data_root=tmp_path)


def test_a_mirror_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("reslab.data.fetch._try_mirror", lambda *given: "404")
    with pytest.raises(DataError, match="no mirror delivered"):
        reslab.fetch_data("cifar10", mirrors=["https://example.org"], data_root=tmp_path, tell=told.append)  # type: ignore[arg-type]
    assert told[0] == "reslab: https://example.org/cifar-10-python.tar.gz: 404; trying the next mirror"
    with pytest.raises(DataError, match="comes with"):
        reslab.fetch_data("digits", data_root=tmp_path)
