"""Pickles followed without running them: what they say comes out, and nothing else happens."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from profiles import DEEP
from reslab.errors import ResLabError
from reslab.inert import Name, PickleError, Record, Table, read_pickle

PLAIN: list[Any] = [
    None,
    True,
    -1,
    2**200,
    1.5,
    "text\n\u00e9",
    b"\x00\xff",
    (1, (2, 3, 4, 5), ()),
    [1, [2], []],
    bytearray(b"x"),
]


def read(content: bytes, **options: Any) -> Any:
    return read_pickle(io.BytesIO(content), **options)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_are_what_they_were(protocol: int) -> None:
    for value in PLAIN:
        if isinstance(value, bytes | bytearray) and protocol < 5:
            continue  # older protocols call something that makes them
        assert read(pickle.dumps(value, protocol)) == value
    table = read(pickle.dumps({"a": 1, 2: [3]}, protocol))
    assert isinstance(table, Table)
    assert table.pairs == [("a", 1), (2, [3])]
    assert table.named() == {"a": 1}


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_objects_are_records_of_what_makes_them(protocol: int) -> None:
    ordered = read(pickle.dumps(OrderedDict(a=1), protocol))
    assert isinstance(ordered, Record)
    assert ordered.maker == "collections.OrderedDict"
    path = read(pickle.dumps(Path("folder"), protocol))
    assert path.maker.replace("._local", "") == "pathlib.PosixPath"  # as Python 3.13 calls it
    names: list[str] = []
    read(pickle.dumps([Path, OrderedDict], protocol), check=names.append)
    assert names == ["pathlib.Path", "collections.OrderedDict"]
    assert read(pickle.dumps(Path, protocol)) == Name("pathlib.Path")


def test_nothing_is_called(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "proof"),)

    record = read(pickle.dumps([Hostile()]))[0]
    assert (record.maker, record.arguments) == ("posix.mkdir", (str(tmp_path / "proof"),))
    assert not (tmp_path / "proof").exists()


HOSTILE = {
    "empty": b"",
    "no pickle": b"\xff\xfe",
    "cut off": pickle.dumps(list(range(100)))[:-5],
    "no end": b"\x80\x02]",
    "nothing on the stack": b"\x80\x02.",
    "a mark for a value": b"\x80\x02(.",
    "group without a mark": b"\x80\x02K\x01t.",
    "unknown memo": b"\x80\x02h\x07.",
    "append to a number": b"\x80\x02K\x01K\x02a.",
    "state for a number": b"\x80\x02K\x01K\x02b.",
    "item of a list": b"\x80\x02]K\x01K\x02s.",
    "odd pairs": b"\x80\x02}(K\x01u.",
    "extension": b"\x80\x02\x82\x01.",
    "buffer out of band": b"\x80\x05\x97.",
    "a name that is not text": b"\x80\x04K\x01K\x02\x93.",
    "claims 2 GB": b"\x80\x02B" + struct.pack("<I", 2**31 - 1) + b"x.",
    "claims 2^62 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "endless digits": b"I" + b"9" * 10_000 + b"\n.",
    "negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "pops too much": b"\x80\x02000.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_and_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(PickleError):
        read(HOSTILE[name])


def test_a_far_place_in_the_memo_takes_no_room() -> None:
    assert read(b"\x80\x02K\x01r" + struct.pack("<I", 2**32 - 1) + b".") == 1


def test_what_holds_itself_a_billion_times_is_read_as_it_stands() -> None:
    laughs: list[Any] = []
    for _ in range(60):
        laughs = [laughs] * 10
    assert len(read(pickle.dumps(laughs))) == 10


def test_deep_nesting_is_read_and_let_go() -> None:
    depth = 200_000 if DEEP else 50_000
    value = read(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".")
    assert len(value) == 1
    del value
    calls = read(b"\x80\x02" + b"ccollections\nOrderedDict\n" * depth + b")" + b"R" * 1 + b"\x85R" * (depth - 1) + b".")
    assert calls.maker == "collections.OrderedDict"


def test_too_long_a_program_is_left() -> None:
    with pytest.raises(PickleError, match="more than 1,000 instructions"):
        read(b"\x80\x02" + b"N0" * 1000 + b"N.", max_steps=1000)


def test_what_the_check_raises_is_passed_on() -> None:
    def check(name: str) -> None:
        raise ResLabError(name)

    with pytest.raises(ResLabError, match=r"os\.system|posix\.system"):
        read(pickle.dumps(os.system), check=check)
