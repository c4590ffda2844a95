"""Images of the user's own become one data set, kept once and found again by content, or are refused."""

import gzip
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from reslab.cli import main
from reslab.data import own_images
from reslab.data.decoding import decode
from reslab.data.given_images import from_given
from reslab.data.own_images import from_function, keep, load
from reslab.datasets import ARRAYS, SHORT, Size
from reslab.errors import DataError, ResLabError
from reslab.recipe import Recipe

Pixels = NDArray[Any]


def arrays(side: int = 12, channels: int = 3, seed: int = 0) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """Return 24 and 8 images, N x H x W x C, of 2 classes that differ in brightness."""
    generator = np.random.default_rng(seed)
    parts: list[Pixels] = []
    for count in (24, 8):
        labels = np.arange(count) % 2
        noise = generator.integers(0, 100, (count, side, side + 2, channels))
        parts += [(noise + 120 * labels[:, None, None, None]).astype(np.uint8), labels]
    return parts[0], parts[1], parts[2], parts[3]


class Pairs:
    """What torch's loaders take for a dataset."""

    def __init__(
        self, pixels: Pixels, labels: Pixels, random: bool = False, classes: Sequence[str] | None = ("dark", "light")
    ) -> None:
        self.pixels, self.labels, self.random, self.classes = pixels, labels, random, classes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.pixels[place]).permute(2, 0, 1) / 255
        return image.flip(2) if self.random and torch.rand(()) < 0.5 else image, int(self.labels[place])


def test_whatever_form_and_order_they_come_in_the_content_is_the_same() -> None:
    x, y, u, v = arrays()
    first = from_given((x, y, u, v))
    assert (first.name, first.train.image_shape, first.class_names) == (ARRAYS, (3, 12, 14), ("0", "1"))
    order = np.random.default_rng(1).permutation(len(x))
    forms: list[Any] = [
        [x.transpose(0, 3, 1, 2), y[:, None], u, v],
        (torch.from_numpy(x[order].astype(np.int64)), y[order].astype(float), u, v.astype(np.uint8)),
        (x / 255, y, u / np.float32(255), v.tolist(), ["dark", "light"]),
        (Pairs(x, y), Pairs(u, v)),
        (Pairs(x, y), Pairs(u, v, classes=None)),
        (Pairs(x, y), Pairs(u, v, classes=["dark", "light"])),
    ]
    for form in forms:
        assert from_given(form).fingerprint == first.fingerprint
    assert from_given(forms[2]).class_names == from_given(forms[3]).class_names == ("dark", "light")
    assert from_given((x, 1 - y, u, v)).fingerprint != first.fingerprint
    grey = from_given((x[..., 0], y, u[..., :1], v)).train.images
    assert (grey == grey[:, :1]).all()
    assert grey.shape == (24, 3, 12, 14)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y, u, v: (x, y, u), r"images are \(x_train, y_train, x_test, y_test\).*; not tuple of 3"),
        (lambda x, y, u, v: None, "not NoneType"),
        (lambda x, y, u, v: (x[..., :2], y, u, v), r"x_train must be N x H x W x C.*not uint8 of 24 x 12 x 14 x 2"),
        (
            lambda x, y, u, v: (x.astype(float) - 128, y, u, v),
            "not normalised .the recipe does that.; these are float64",
        ),
        (lambda x, y, u, v: (x, y, u * 300.0, v), "x_test must have whole pixels of 0 to 255"),
        (lambda x, y, u, v: (x, y + 0.5, u, v), "y_train must be one whole number for each image"),
        (
            lambda x, y, u, v: (x, y + 1, u, v),
            "labels must be 0 to 2 with training images of each; there are none of 0",
        ),
        (
            lambda x, y, u, v: (x, np.where(y == 1, 10**12, y), u, v),
            "labels must be 0 to 1000000000000 .* none of 1, 2, 3,",
        ),
        (lambda x, y, u, v: (x, np.array(["cat", "dog"])[y], u, v), "y_train must be one whole number for each image"),
        (lambda x, y, u, v: (x, y, u, v + 1), "test label 2 is not in 0 to 1"),
        (lambda x, y, u, v: (x, 0 * y, u, 0 * v), "at least two classes, but all labels are 0"),
        (lambda x, y, u, v: (x[:5], y, u, v), "x_train and y_train: 5 images cannot have 24 labels"),
        (lambda x, y, u, v: (x, y, u[:0], v[:0]), "x_test and y_test: there must be at least one image"),
        (lambda x, y, u, v: (x[:, :4], y, u[:, :4], v), "x_train has images of 4 x 14; 8 x 8 is the least"),
        (lambda x, y, u, v: (x, y, u[:, :10], v), "training images are 3 x 12 x 14, but test images 3 x 10 x 14"),
        (
            lambda x, y, u, v: (x, y, u, v, 5),
            "the class names must be a list of 2, in the order of the labels, not int",
        ),
        (
            lambda x, y, u, v: (x, y, u, v, "ab"),
            "the class names must be a list of 2, in the order of the labels, not str",
        ),
        (lambda x, y, u, v: ([x[0], x[1, :9]], y[:2], u, v), "x_train must be one array, all its images"),
        (lambda x, y, u, v: (x, y, u, [[0], [0, 1]]), "y_test must be one array"),
        (lambda x, y, u, v: (x, y, u, v, ["one"]), "the 2 classes need 2 different names; given: one"),
        (lambda x, y, u, v: (x, y, u, v, ["a", "caf\udce9"]), r"encoded in UTF-8, not 'caf\\udce9'"),
        (lambda x, y, u, v: (x, y, u, v, ["a", "a"]), "the 2 classes need 2 different names; given: a, a"),
        (lambda x, y, u, v: (x, y, u * np.float32("nan"), v), "x_test holds NaN"),
        (lambda x, y, u, v: (Pairs(x, y, random=True), Pairs(u, v)), "leave out random transforms"),
        (lambda x, y, u, v: ([x, x], Pairs(u, v)), r"train\[0\] must be .image, label."),
        (lambda x, y, u, v: (Pairs(x[:0], y[:0]), Pairs(u, v)), "train has no images"),
        (
            lambda x, y, u, v: (Pairs(x, y, classes=["ant", "bee", "cat"]), Pairs(u, v, classes=["ant", "cat"])),
            "train and test must have the same classes; 1 of them is in one only, bee",
        ),
        (
            lambda x, y, u, v: (Pairs(x, y), Pairs(u, v, classes=["light", "dark"])),
            "must have the same classes; they come in a different order, with dark here where light is there",
        ),
    ],
)
def test_what_is_no_images_is_refused_in_words(change: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_given(change(*arrays()))


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


@pytest.mark.parametrize("mode", ["P", "L", "LA", "1", "I;16", "RGBA", "CMYK"])
def test_images_of_pillow_s_are_those_that_a_folder_of_them_has(tmp_path: Path, mode: str) -> None:
    x, y, u, v = arrays()
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")

    def image(pixels: Pixels) -> Image.Image:
        if mode == "I;16":
            return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        return Image.fromarray(pixels).convert("L" if mode == "1" else "RGB").convert(mode)

    def decoded(pixels: Pixels) -> Pixels:
        image(pixels).save(path)
        return np.asarray(decode(path))

    wanted = from_given((np.stack([*map(decoded, x)]), y, np.stack([*map(decoded, u)]), v))
    pairs = [[(image(pixels), int(label)) for pixels, label in zip(*part, strict=True)] for part in ((x, y), (u, v))]
    assert from_given(pairs).fingerprint == wanted.fingerprint
    listed = ([image(pixels) for pixels in x], y, [image(pixels) for pixels in u], v)
    assert from_given(listed).fingerprint == wanted.fingerprint


@pytest.mark.parametrize(("mode", "kind"), [("F", "floating-point numbers"), ("I", "whole numbers of 32 bits")])
def test_images_of_pillow_s_without_a_range_are_refused(mode: str, kind: str) -> None:
    part = [(Image.new(mode, (12, 12)), label) for label in range(2)]
    with pytest.raises(DataError, match=f"of mode {mode} holds {kind}"):
        from_given((part, part))


def test_tensors_of_any_kind_are_taken_or_refused_in_words() -> None:
    x, y, u, v = arrays()
    tensors = [torch.from_numpy(part).float() / 255 for part in (x, u)]
    wanted = from_given((tensors[0], y, tensors[1], v)).fingerprint
    first, second = (part.clone().requires_grad_() for part in tensors)
    assert from_given((first, y, list(second), v)).fingerprint == wanted
    assert from_given(([*zip(first, y, strict=True)], [*zip(second, v, strict=True)])).fingerprint == wanted
    short = [part.bfloat16() for part in tensors]
    rounded = [part.float() for part in short]
    assert from_given((short[0], y, short[1], v)).fingerprint == from_given((rounded[0], y, rounded[1], v)).fingerprint
    with pytest.raises(DataError, match="x_train cannot be converted to an array"):
        from_given((tensors[0].to_sparse(), y, u, v))


def test_a_dataset_that_fails_is_told_of_by_its_item() -> None:
    class Failing(Pairs):
        def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
            if place == 3:
                raise KeyError("label")
            return super().__getitem__(place)

    x, y, u, v = arrays()
    with pytest.raises(DataError, match=r"test\[3\] cannot be read: KeyError: 'label'"):
        from_given((Pairs(x, y), Failing(u, v)))


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
