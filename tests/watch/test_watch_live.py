"""The live page from Python: it answers as soon as it is there, and ends with whoever asked for it."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

import reslab
from reslab.cli import main
from reslab.watch.app import application
from reslab.watch.report import Report
from reslab.watch.serve import _prefix

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


@pytest.mark.parametrize("given", ["/user/anna@uni.edu/proxy/8765", "user/anna%40uni.edu/proxy/8765/"])
def test_a_page_answers_below_the_path_of_a_user_of_jupyterhub(tmp_path: Path, given: str) -> None:
    with reslab.live_page(tmp_path, tmp_path / "report", port=0, prefix=given, tell=lambda words: True) as page:
        assert page.address.endswith("/user/anna@uni.edu/proxy/8765/")
        assert answers(page.address)
        assert answers(page.address.replace("@", "%40"))


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/user/~anna/x", "/user/~anna/x"),
        ("/user/a+b%2Ec_d-e/", "/user/a+b.c_d-e"),
        ("/user/zo%C3%AB", "/user/zo\u00eb"),
        *(
            (bad, None)
            for bad in ("/a//b", "/..", "/a/./b", "/a/%2e%2e/b", "/a%2Fb", "/a%252e", "/a b", "/a?b", "/a;b")
        ),
    ],
)
def test_a_prefix_is_a_path_of_plain_names(prefix: str, path: str | None) -> None:
    if path is None:
        with pytest.raises(reslab.ResLabError, match=r"--prefix must be a path as in /user/anna/proxy/8765, not "):
            _prefix(prefix)
    else:
        assert _prefix(prefix) == path


def test_the_report_is_written_as_the_page_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = [sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='|', file=sys.stderr)"]
    monkeypatch.setattr("reslab.watch.report.python", lambda: echo)
    _, watch = application(Report(Path("runs"), Path("out"), "-A title", "A. Student", Path("images")))
    said = asyncio.run(watch.report.write())["remarks"]
    assert said == ("-m|reslab|report|--runs=runs|--out=out|--title=-A title|--author=A. Student|--data-root=images")


def test_the_verb_hands_on_what_the_report_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Report] = []
    monkeypatch.setattr("reslab.watch.serve.serve", lambda report, **_: told.append(report))
    assert main(["watch", "--runs", str(tmp_path), "--title", "T", "--author", "A", "--data-root", "images"]) == 0
    assert told == [Report(tmp_path, Path("report"), "T", "A", Path("images"))]


def test_no_page_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    script = STARTS_AND_DIES.format(runs=str(tmp_path))
    address = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout.strip()
    assert address
    end = time.monotonic() + 30
    while answers(address):
        assert time.monotonic() < end
        time.sleep(0.1)
