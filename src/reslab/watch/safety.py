"""Who may make requests, and what a browser may do with responses: Host, token, origin, and security headers."""

import ipaddress
import secrets
from collections.abc import Collection, Mapping
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "reslab-watch"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts only from the page's own files, nothing loaded from or sent elsewhere."""

REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A written report has inline scripts, so it gets an opaque origin, which cannot read anything of this server."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses requests with a foreign Host, without a required token, or from another site."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        token: str | None = None,
        *,
        any_address: bool = False,
        prefix: str = "",
    ) -> None:
        """Guard an application; `hosts` are the names it answers to; `any_address` allows any IP address, too.

        Another site can make its own name point here (DNS rebinding), but not an IP address.  `prefix` is the path
        under which a proxy requests it, decoded: "" or as in /user/anna@uni.edu/proxy/8765.
        """
        self._app, self._hosts, self._token, self._any_address = app, frozenset(hosts), token, any_address
        self._prefix = prefix
        self._cookie = f"{COOKIE}-{secrets.token_hex(4)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no WebSockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"].startswith(f"{self._prefix}/"):
            scope = {**scope, "root_path": self._prefix}  # the router strips it from the path
        answer: ASGIApp = self._refused(scope) or self._with_slash(scope) or self._app
        await answer(scope, receive, _with_headers(send))

    def _with_slash(self, scope: Scope) -> Response | None:
        """Redirect a request for the bare prefix to the page, whose relative addresses need the final slash."""
        if not self._prefix or scope["path"] != self._prefix:
            return None
        query = scope["query_string"].decode("latin-1")
        return Response(status_code=307, headers={"location": f"{self._as_asked(scope)}/{'?' if query else ''}{query}"})

    def _as_asked(self, scope: Scope) -> str:
        """Return the prefix as the browser encodes it, perhaps more than it must: cookie paths depend on that."""
        raw = scope.get("raw_path", b"").decode("latin-1")
        asked = "/".join(raw.split("/")[: 1 + self._prefix.count("/")])
        return asked if unquote(asked) == self._prefix else as_address(self._prefix)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._answers_to(hosts[0]):
            return PlainTextResponse("this server does not serve that host name; see --allow-host\n", 421)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("only GET, HEAD and POST\n", 405)
        if headers.get("sec-fetch-site") == "cross-site" and not _is_visit(scope, headers):
            return PlainTextResponse("requests from another site are refused\n", 403)
        if scope["method"] == "POST" and not same_origin(headers):
            return PlainTextResponse("requests from another site are refused\n", 403)
        return self._without_token(scope, headers)

    def _answers_to(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if name in self._hosts:
            return True
        return self._any_address and _is_address(name)

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Return None where the token is right or none is needed, else the response to send."""
        if self._token is None:
            return None
        if _equal(_cookie(headers, self._cookie), self._token):
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = asked.pop("token", [""])
        if not _equal(given[-1], self._token):
            return PlainTextResponse("the address lacks the token that `reslab watch` printed\n", 403)
        if scope["method"] == "POST":
            return None
        answer = Response(status_code=303)  # from now on the token is in a cookie, not in an address that may be shared
        answer.headers["location"] = f"?{urlencode(asked, doseq=True)}"
        path = (self._as_asked(scope) if scope["root_path"] else "") or "/"
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path=path)
        return answer


def as_address(path: str) -> str:
    """Return a decoded path encoded for a URL."""
    return quote(path, safe="/@+")


def host_name(host: str) -> str | None:
    """Return the name in a Host header, without its port, in lower case; None where it is invalid."""
    if any(character in host for character in "/\\@?# \t,"):
        return None
    try:
        split = urlsplit(f"//{host}")
        _ = split.port
    except ValueError:
        return None
    return None if split.hostname is None else split.hostname.rstrip(".")


def same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from a page of this server: its Origin matches its Host."""
    origin = headers.get("origin", "")
    split = urlsplit(origin) if origin.startswith(("http://", "https://")) else None
    return split is not None and split.netloc.lower() == headers.get("host", "").lower()


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Return whether a request follows a link from another site: it may open the page, but not read its data."""
    is_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_page and scope["method"] == "GET"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers, name: str) -> str:
    """Return a cookie, "" where there is none; browsers also send those of other servers on the same host."""
    pairs = (one.strip().partition("=") for line in headers.getlist("cookie") for one in line.split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def _equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {"Content-Security-Policy": PAGE_POLICY, **_HEADERS}.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
