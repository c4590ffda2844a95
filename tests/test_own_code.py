"""Code of the user's own is named, read without being run, and known by its content and that of what it imports."""

from pathlib import Path

import pytest

from reslab.errors import DamagedError, ResLabError
from reslab.own_code import Source, kept_source, parse, read_source, within


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.mark.parametrize(
    ("text", "folder", "file", "function", "digest"),
    [
        ("my_net.py:build", "", "my_net.py", "build", ""),
        ("nets/deep er/my-net.py:Net", "nets/deep er", "my-net.py", "Net", ""),
        ("/nets/n.py:b", "/nets", "n.py", "b", ""),
        ("/n.py:b", "/", "n.py", "b", ""),
        ("n.py:b@0123456789abcdef", "", "n.py", "b", "0123456789abcdef"),
    ],
)
def test_a_function_in_a_file_is_named_by_both(text: str, folder: str, file: str, function: str, digest: str) -> None:
    found = parse(text)
    assert found is not None
    assert (found.folder, found.file, found.function, found.digest) == (folder, file, function, digest)


@pytest.mark.parametrize("text", ["", "build", "my_net.py", "my_net:build", "n.py:1b", "n.py:b@12", "n.txt:b", ".py"])
def test_other_texts_name_none(text: str) -> None:
    assert parse(text) is None


def test_a_file_is_found_from_the_folder_of_the_file_that_names_it() -> None:
    assert within("n.py:b", Path("studies")) == "studies/n.py:b"
    assert within("../n.py:b", Path("studies")) == "studies/../n.py:b"
    assert within("n.py:b", Path()) == "n.py:b"
    for as_it_is in ("/nets/n.py:b", "n.py:b@0123456789abcdef", "cifar10", ""):
        assert within(as_it_is, Path("studies")) == as_it_is


def test_a_source_is_the_file_and_what_it_imports_beside_it_however_it_does(tmp_path: Path) -> None:
    write(
        tmp_path,
        net="import os, torch\nimport one\nfrom pack.two import x\ndef build():\n    from three import y as z\n",
        one="import net\nimport json",
        three="",
        unused="",
        **{
            "pack/__init__": "",
            "pack/two": "from . import four\nfrom .five import a, b",
            "pack/four": "import missing",
            "pack/five": "from .. import nothing",
            "pack/unused": "",
        },
    )
    source = read_source(tmp_path / "net.py")
    assert sorted(source.files) == [
        "net.py",
        "one.py",
        "pack/__init__.py",
        "pack/five.py",
        "pack/four.py",
        "pack/two.py",
        "three.py",
    ]


def test_names_that_runs_can_have_are_those_that_mean_nothing_else() -> None:
    usual = ["net.py", "_net.py", "réseau.py", "resnet.v2.py", "my net (2).py", "a+b-c.py", "pack/__init__.py"]
    Source(dict.fromkeys((*usual, f"{'a/' * 9}b.py"), b"")).check_names()
    odd = [
        ".net.py",
        "../n.py",
        "a/../n.py",
        "/n.py",
        "a//n.py",
        "-n.py",
        "a\\n.py",
        "a\n.py",
        "n.py\n",
        "a*.py",
        "a'b.py",
    ]
    for name in (*odd, "a%2e.py", "a\x00.py", "a\udcff.py", "n.txt", ".py", f"{'a/' * 10}b.py"):
        with pytest.raises(ResLabError, match="cannot be kept in a run; rename it"):
            Source({name: b""}).check_names()


def test_its_digest_is_of_names_and_contents_of_all_files_and_nothing_else(tmp_path: Path) -> None:
    first = read_source(write(tmp_path / "a", net="import one", one="x = 1") / "net.py")
    again = read_source(write(tmp_path / "b", one="x = 1", net="import one", other="") / "net.py")
    assert first.digest == again.digest
    others = [
        read_source(write(tmp_path / "c", net="import one", one="x = 2") / "net.py"),
        read_source(write(tmp_path / "d", net="import one") / "net.py"),
        read_source(write(tmp_path / "e", ned="import one", one="x = 1") / "ned.py"),
        Source({"net.py": b"import onex = 1"}),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 5


def test_a_file_that_cannot_be_read_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"cannot read .*net.py: No such file"):
        read_source(tmp_path / "net.py")
    write(tmp_path, net="import one", one="x = 1\ny = = 2")
    with pytest.raises(ResLabError, match=r"one.py, line 2 is not Python"):
        read_source(tmp_path / "net.py")


def test_a_kept_copy_is_taken_only_as_it_was_written(tmp_path: Path) -> None:
    source = read_source(write(tmp_path / "own", net="import one", one="x = 1") / "net.py")
    reference = parse(f"net.py:build@{source.digest}")
    assert reference is not None
    kept = tmp_path / "run" / "network"
    source.write(kept)
    assert kept_source(kept, reference) == source
    (kept / "one.py").write_text("x = 2")
    with pytest.raises(DamagedError, match=r"was changed.*A changed network is another run"):
        kept_source(kept, reference)
    source.write(kept)
    (kept / "more.py").write_text("")
    with pytest.raises(DamagedError, match="was changed"):
        kept_source(kept, reference)
    with pytest.raises(DamagedError, match=r"lacks net.py"):
        kept_source(tmp_path / "nowhere", reference)
