"""What a share says it has, where it can be listed and where its index must do."""

import json
from pathlib import Path

import pytest

from reslab.errors import ShareError
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.listing import listed, write_index
from reslab.lab.shares.web_place import Web
from share_places import FINISHED, HOSTILE_NAMES, served


def test_a_web_server_without_an_index_cannot_be_listed(tmp_path: Path) -> None:
    with served(tmp_path) as address, pytest.raises(ShareError, match=r"has no index\.json"):
        listed(Web(address))


def test_an_index_that_lies_adds_nothing(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"format": 1, "runs": [*HOSTILE_NAMES, FINISHED], "studies": ["../x", "a/b"]}))
    with served(tmp_path) as address:
        assert listed(Web(address)).runs == [FINISHED]
        for content in (b"[]", b"{", b'{"runs": 3, "studies": []}', b'{"runs": [[]], "studies": []}', b"[" * 100_000):
            index.write_bytes(content)
            with pytest.raises(ShareError, match="is not an index of runs"):
                listed(Web(address))


def test_the_index_has_what_others_push_while_it_is_made(tmp_path: Path) -> None:
    def push(digits: str) -> None:
        Folder(tmp_path).write(f"cifar10-resnet20-{digits}/seed0/manifest.json", b"{}")

    class Meanwhile(Folder):
        def names(self, under: str = "") -> list[str] | None:
            found = super().names(under)
            if not (tmp_path / "cifar10-resnet20-0000000b").exists():
                push("0000000b")
                write_index(Folder(tmp_path))
            return found

    push("0000000a")
    assert write_index(Meanwhile(tmp_path)) == 2
    content = json.loads((tmp_path / "index.json").read_text())
    assert content["runs"] == [f"cifar10-resnet20-0000000{digit}/seed0" for digit in "ab"]
