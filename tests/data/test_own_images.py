"""Images of the user's own are kept once and found again by content."""

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from given_arrays import arrays

from reslab.cli import main
from reslab.data import own_images
from reslab.data.given_images import from_given
from reslab.data.own_images import from_function, keep, load
from reslab.datasets import ARRAYS, SHORT, Size
from reslab.errors import DataError, ResLabError
from reslab.recipe import Recipe


def test_they_are_kept_once_and_found_by_their_fingerprint(tmp_path: Path) -> None:
    dataset = from_given((*arrays(), ["dark", "light"]))
    path = keep(dataset, tmp_path)
    written = path.stat().st_mtime_ns
    assert keep(dataset, tmp_path) == path
    assert path.stat().st_mtime_ns == written
    short = dataset.fingerprint[:SHORT]
    again = load("a.py:load", short, tmp_path)
    assert (again.name, again.fingerprint, again.class_names) == ("a.py:load", dataset.fingerprint, ("dark", "light"))
    assert own_images.count(short, tmp_path) == Size(24, 8, 2)
    assert own_images.sides(short, tmp_path) == (12, 14)
    assert own_images.sides("0" * 16, tmp_path) is None
    with pytest.raises(
        DataError, match=rf"give them again \(--dataset a.py:load\), or copy own/{'0' * 16}.safetensors"
    ):
        load("a.py:load", "0" * 16, tmp_path)
    shutil.copy(path, path.with_name(f"{'0' * 16}.safetensors"))
    with pytest.raises(DataError, match="damaged: it no longer holds the images"):
        load(ARRAYS, "0" * 16, tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    assert own_images.sides(short, tmp_path) is None
    with pytest.raises(DataError, match=r"is damaged.*give the images again"):
        load(ARRAYS, short, tmp_path)
    with pytest.raises(DataError, match=r"is damaged.*give the images again"):
        own_images.count(short, tmp_path)


def test_names_of_classes_can_be_corrected(tmp_path: Path) -> None:
    told: list[str] = []

    def names_after(*names: str) -> tuple[str, ...]:
        dataset = from_given((*arrays(), list(names)) if names else arrays())
        keep(dataset, tmp_path, told.append)
        return load(ARRAYS, dataset.fingerprint[:SHORT], tmp_path).class_names

    assert names_after() == ("0", "1")
    assert names_after("light", "dark") == ("light", "dark")
    assert names_after("dark", "light") == names_after() == names_after("dark", "light") == ("dark", "light")
    assert [words.partition("; ")[0] for words in told] == [
        "2 of the 2 classes of these images have other names from now on, as light, which was 0",
        "2 of the 2 classes of these images have other names from now on, as dark, which was light",
    ]
    assert len(list((tmp_path / "own").iterdir())) == 1


def test_a_function_in_a_file_is_told_of_where_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    for content, words in (
        ("def load(x): ...", r"load \(own.py\) must take \(\), and takes \(x\)"),
        ("def load():\n    return 1 / 0", r"load \(own.py\): it fails, own.py, line 2: ZeroDivisionError"),
        ("import sys\ndef load():\n    sys.exit(0)", r"load \(own.py\): it fails, own.py, line 3: SystemExit: 0"),
        (
            "class Part(list):\n    def __getitem__(self, place):\n        exit()\n"
            "def load():\n    return Part([1]), Part([1])",
            r"load \(own.py\): its images cannot be read, own.py, line 3: SystemExit",
        ),
        ("def load():\n    return 3", r"load \(own.py\): images are .*; not int"),
        ("def other(): ...", "own.py has no function load; it has other"),
    ):
        file.write_text(content)
        with pytest.raises(ResLabError, match=words):
            from_function(f"{file}:load", tmp_path)
    with pytest.raises(DataError, match="there is no file"):
        from_function(f"{tmp_path}/none.py:load", tmp_path)


def test_what_its_function_imports_counts_as_it_is_now(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from parts.light import DARK, arrays\ndef load(): return arrays(DARK)\n")
    light = tmp_path / "parts" / "light.py"
    light.parent.mkdir()
    fingerprints = set()
    for dark in (0, 100, 0):
        light.write_text(
            f"import numpy as np\nDARK = {dark}\ndef arrays(dark):\n    labels = np.arange(8) % 2\n"
            "    pixels = np.where(labels[:, None, None], 255, dark) * np.ones((8, 9, 9), int)\n"
            "    return pixels, labels, pixels, labels\n"
        )
        fingerprints.add(from_function(f"{tmp_path}/own.py:load", tmp_path).dataset.fingerprint)
    assert len(fingerprints) == 2


def test_a_recipe_names_them_by_function_and_content() -> None:
    recipe = Recipe(dataset="some/folder/my images.py:load", images="0123456789abcdef")
    assert recipe == Recipe(dataset="my images.py:load", images="0123456789abcdef")
    assert recipe.id.startswith("my_images.load-resnet20-")
    with pytest.raises(ResLabError, match="dataset must be one of digits"):
        Recipe(dataset="my_images.py")


IDX = """
import gzip, struct
from pathlib import Path
import numpy as np


def idx(name):
    content = gzip.decompress((Path(__file__).parent / name).read_bytes())
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load():
    return (idx("train-images-idx3-ubyte.gz"), idx("train-labels-idx1-ubyte.gz"),
            idx("t10k-images-idx3-ubyte.gz"), idx("t10k-labels-idx1-ubyte.gz"))
"""


def test_the_command_line_trains_on_them_resumes_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = tmp_path / "sets"
    sets.mkdir()
    for name, array in zip(
        ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"), arrays(16, 1), strict=True
    ):
        flat = array[..., 0] if array.ndim == 4 else array
        head = struct.pack(f">BBBB{flat.ndim}I", 0, 0, 8, flat.ndim, *flat.shape)
        (sets / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + flat.astype(np.uint8).tobytes()))
    (sets / "fashion.py").write_text(IDX)
    flags = ["--dataset", "sets/fashion.py:load", "--data-root", "kept", "--depth", "8", "--epochs", "1"]
    assert main(["train", *flags]) == 0
    told = capsys.readouterr().err
    assert "load (fashion.py)" in told
    assert "24 training and 8 test images, 2 classes (0, 1), fingerprint" in told
    (run,) = Path("runs").glob("fashion.load-resnet8-*/seed0")
    assert main(["train", *flags]) == 0
    assert main(["evaluate", str(run), "--data-root", "kept"]) == 0
    (sets / "study.toml").write_text(
        'name = "own"\ndataset = "fashion.py:load"\ndepth = 8\nepochs = 1\nseeds = 1\n[vary]\nmomentum = [0.9, 0.8]\n'
    )
    assert main(["run", "sets/study.toml", "--data-root", "kept", "--jobs", "1"]) == 0
    assert "load (fashion.py)" in Path("report/index.html").read_text()
    shutil.rmtree("kept")
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data-root", "kept"]) == 4
    assert "give them again (--dataset fashion.py:load)" in capsys.readouterr().err
