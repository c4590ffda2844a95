"""Who may ask what of the page, and what never leaves it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import plant_scripts, script
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from watch_fakes import ADDRESS, DEEP, SHALLOW, client, plant, served

from reslab.recipe import Run
from reslab.watch.safety import host_name

SECRET = "the key of the house"

UP = [
    "..",
    "%2e%2e",
    "%2E%2e",
    "%252e%252e",
    "..%2f..",
    "..%5c..",
    "..\\..",
    "....//",
    "..;",
    "%c0%ae%c0%ae",
    "\uff0e\uff0e",
    "..%00",
]
TRAVERSALS = [
    *(f"/static/{up}/{up}/secret.txt" for up in UP),
    *(f"/report/{up}/secret.txt" for up in UP),
    *(f"/api/run/{up}/secret.txt" for up in UP),
    *(f"/api/study/{up}%2fsecret" for up in UP),
    "/report//etc/passwd",
    "/report/%2fetc%2fpasswd",
    "/static/%2fetc%2fpasswd",
    "//etc/passwd",
    "/report/file:///etc/passwd",
    "/report/link.txt",
    "/report/figures/link.svg",
    "/report/figures/../../secret.txt",
    "/api/compare?a=../secret.txt&b=/etc/passwd",
    "/api/run/cifar/..%2f..%2f..%2fsecret.txt?against=../../secret.txt",
    "/api/run/a/seed0?against=/etc/passwd",
    "/secret.txt",
    "/runs/secret.txt",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("safety")
    plant(folder / "runs")
    (folder / "secret.txt").write_text(SECRET)
    (folder / "runs" / "secret.txt").write_text(SECRET)
    report = folder / "report"
    (report / "figures").mkdir(parents=True)
    (report / "index.html").write_text("<p>the report</p>")
    (report / "link.txt").symlink_to(folder / "secret.txt")
    (report / "figures" / "link.svg").symlink_to(folder / "secret.txt")
    return folder / "runs"


@pytest.fixture(scope="module")
def asked(root: Path) -> Iterator[TestClient]:
    """Return a client for questions that change nothing."""
    with client(root) as found:
        yield found


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(asked: TestClient, path: str) -> None:
    answer = asked.get(path)
    assert answer.status_code in (404, 405), path
    assert SECRET not in answer.text
    assert "root:" not in answer.text


FOREIGN = [
    "evil.com",
    "evil.com:8765",
    "127.0.0.1.evil.com",
    "localhost.evil.com",
    "evil.com#localhost",
    "localhost@evil.com",
    "127.0.0.1@evil.com:8765",
    "10.0.0.7:8765",
    "[::2]",
    "0.0.0.0",
    "",
    "localhost:x",
    "localhost,evil.com",
    "a" * 3000,
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_hosts_get_nothing(asked: TestClient, host: str, method: str) -> None:
    for path in ("/", "/api/plan", "/static/watch.js", "/events", "/report"):
        answer = asked.request(method, path, headers={"host": host})
        assert answer.status_code == 421
        assert "Does depth help" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]:8765", "localhost."])
def test_this_machines_names_are_answered(root: Path, host: str) -> None:
    with client(root) as asked:
        assert asked.get("/api/plan", headers={"host": host}).status_code == 200


def test_two_hosts_are_none(root: Path) -> None:
    with client(root) as asked:
        answer = asked.get("/api/plan", headers=[("host", "localhost"), ("host", "evil.com")])
    assert answer.status_code == 421


def test_a_hosts_name() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("user@host") is None


def test_websockets_are_refused(root: Path) -> None:
    with client(root) as asked, pytest.raises(WebSocketDisconnect), asked.websocket_connect("/events"):
        pass


def _token(asked: TestClient) -> str:
    found = re.search(r'name="reslab-write" content="([^"]+)"', asked.get("/").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": f"{ADDRESS}.evil.com"},
        {"origin": ADDRESS, "sec-fetch-site": "cross-site"},
        {"referer": ADDRESS},
        {"origin": "http://evil.com", "content-type": "text/plain"},
    ],
)
def test_no_other_site_can_write_the_report(root: Path, headers: dict[str, str]) -> None:
    with client(root) as asked:
        token = _token(asked)
        assert asked.post("/report", headers={**headers, "x-reslab-write": token}).status_code == 403
        assert asked.post("/report", headers=headers, data={"token": token}).status_code == 403


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_the_report_needs_the_pages_token(root: Path, token: str) -> None:
    with client(root) as asked:
        answer = asked.post("/report", headers={b"origin": ADDRESS.encode(), b"x-reslab-write": token.encode()})
    assert answer.status_code == 403


def test_only_the_report_is_written_by_asking(root: Path) -> None:
    with client(root) as asked:
        for path in ("/", "/api/plan", "/api/scores", "/events", "/static/watch.js", "/report/index.html"):
            assert asked.post(path, headers={"origin": ADDRESS, "x-reslab-write": _token(asked)}).status_code == 405
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            assert asked.request(method, "/report", headers={"origin": ADDRESS}).status_code == 405


@pytest.mark.parametrize("mode", ["cors", "no-cors", "websocket", "same-origin"])
def test_another_site_cannot_load_what_the_page_reads(root: Path, mode: str) -> None:
    with client(root) as asked:
        for path in ("/api/plan", "/api/scores", "/events", "/static/watch.js"):
            assert asked.get(path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}).status_code == 403
        visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert asked.get("/", headers=visit).status_code == 200
        assert asked.get("/", headers={**visit, "sec-fetch-dest": "iframe"}).status_code == 403


def test_every_answer_has_a_strict_policy(root: Path) -> None:
    with client(root) as asked:
        for path in ("/", "/api/plan", "/api/nothing", "/static/watch.js", "/nothing"):
            policy = asked.get(path).headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
        answer = asked.get("/", headers={"host": "evil.com"})
        assert answer.headers["x-content-type-options"] == "nosniff"
        report = asked.get("/report/index.html").headers["content-security-policy"]
        assert report.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in report


def test_the_page_has_no_script_within_it(root: Path) -> None:
    with client(root) as asked:
        text = asked.get("/").text
    assert re.findall(r"<script[^>]*>", text) == ['<script type="module" src="static/watch.js">']
    assert not re.search(r"\son\w+=|style=|<style|javascript:|https?://", text)


def test_away_from_this_machine_a_token_is_needed(root: Path) -> None:
    with client(root, hosts={"node7", "127.0.0.1"}, token="right", any_address=True) as asked:
        for path in ("/", "/api/plan", "/events", "/static/watch.js", "/report/index.html"):
            assert asked.get(path).status_code == 403
            assert asked.get(f"{path}?token=wrong").status_code == 403
            assert asked.get(f"{path}?token=").status_code == 403
        answer = asked.get("/?token=right&view=scores")
        assert answer.status_code == 303
        assert answer.headers["location"] == "?view=scores"
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        assert asked.get("/api/plan").status_code == 200
        assert asked.get("/api/plan", headers={"host": "10.0.0.7:8765"}).status_code == 200
        assert asked.get("/api/plan", headers={"host": "evil.com"}).status_code == 421
        asked.cookies.clear()
        assert asked.get("/api/plan").status_code == 403
        assert asked.post("/report?token=right", headers={"origin": ADDRESS}).status_code == 403


@pytest.mark.parametrize("name", ["anna@uni.edu", "anna%40uni.edu", "anna%40uni%2Eedu"])
def test_the_cookie_is_for_the_path_as_the_browser_spells_it(root: Path, name: str) -> None:
    path = f"/user/{name}/p"
    with client(root, token="right", prefix="/user/anna@uni.edu/p") as asked:
        answer = asked.get(f"{path}/?token=right")
        assert f"Path={path};" in answer.headers["set-cookie"]
        cookie = answer.headers["set-cookie"].partition(";")[0]
        assert asked.get(f"{path}/api/plan", headers={"cookie": cookie}).status_code == 200
        assert (
            asked.get(f"{path}?view=scores", headers={"cookie": cookie}).headers["location"] == f"{path}/?view=scores"
        )


def test_no_cookie_is_for_another_path_than_the_prefix(root: Path) -> None:
    with client(root, token="right", prefix="/user/anna/p") as asked:
        answer = asked.get("/user%2Fanna/p/x;Domain=evil.com?token=right")
    assert "Path=/user/anna/p;" in answer.headers["set-cookie"]
    assert "evil" not in answer.headers["set-cookie"]


@pytest.mark.parametrize("other", ["theme=dark", 'a={"b": 1}', "a=hello world", "a=caf\u00e9", "a", "=", 'a="', ";;"])
def test_cookies_of_other_servers_lock_nobody_out(root: Path, other: str) -> None:
    """Ports of one name share their cookies."""
    with client(root, token="right") as asked:
        asked.get("/?token=right")
        ((name, token),) = asked.cookies.items()
        asked.cookies.clear()
        for value, code in ((token, 200), ("wrong", 403), (f"{token}x", 403)):
            for cookies in (f"{other}; {name}={value}", f"{name}={value}; {other}", f"x{name}={token}; {name}={value}"):
                assert asked.get("/api/plan", headers={b"cookie": cookies.encode("latin-1")}).status_code == code


def test_every_answer_is_json_and_says_so(tmp_path: Path) -> None:
    """Script in a run's files is data to the browser; that the page sets it as text alone: see test_watch_scripts."""
    root = tmp_path / "runs"
    plant_scripts(root)
    with client(root) as asked:
        for path in (
            "/api/plan",
            "/api/scores",
            "/api/study/my-depth",
            *(f"/api/run/{Run(recipe, seed).id}" for recipe in (SHALLOW, DEEP) for seed in (0, 1)),
            f"/{script('x')}",
            f"/api/study/{script('x')}",
        ):
            answer = asked.get(path)
            assert answer.headers["content-type"] == "application/json", path
            json.loads(answer.text)
        told = asked.get(f"/api/run/{Run(DEEP, 1).id}").json()["failure"]["message"]
        assert told == script("failure-message")


def test_the_folders_name_is_text_on_the_page(tmp_path: Path) -> None:
    root = tmp_path / "<script>alert(1)<"
    with client(root) as asked:
        assert "<script>alert" not in asked.get("/").text


def test_streams_end_with_the_server(root: Path) -> None:
    asked, watch = served(root)
    with asked, asked.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        assert next(line for line in lines if line.startswith("data:"))
        watch.close()
        rest = list(lines)  # which never comes back where the stream stays open
    assert answer.is_closed, rest
