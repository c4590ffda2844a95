"""The live page from Python: it answers as soon as it is there, and ends with whoever asked for it."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

import reslab

STARTS_AND_DIES = """
import os, reslab
print(reslab.live_page({runs!r}, tell=lambda words: True).address, flush=True)
os.kill(os.getpid(), 9)
"""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30) as response:
            return bool(response.status == 200)
    except URLError:
        return False


def test_a_page_answers_until_its_block_ends(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(words: str) -> bool:
        told.append(words)
        return True

    with reslab.live_page(tmp_path, tmp_path / "report", tell=tell) as page:
        assert answers(page.address)
        assert page.address in page._repr_html_()
        assert page.is_on
    assert told[0] == f"The live page: {page.address}"
    assert not any("Ctrl-C" in words for words in told)
    assert "ended" in repr(page)
    assert not answers(page.address)
    with pytest.raises(reslab.ResLabError, match="did not start: port must be from 0 to 65535"):
        reslab.live_page(tmp_path, port=99999)


def test_no_page_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    script = STARTS_AND_DIES.format(runs=str(tmp_path))
    address = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout.strip()
    assert address
    end = time.monotonic() + 30
    while answers(address):
        assert time.monotonic() < end
        time.sleep(0.1)
