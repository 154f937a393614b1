"""What protects every answer, those of the socket and of static files included: headers, host names, request ids."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, MutableMapping
from ipaddress import ip_address
from socket import gethostname
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fedlung.settings import LOOPBACK, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = "fedlung.request_id"  # key of the WSGI environment

# No inline code, nothing from elsewhere; same-origin WebSocket connections count as 'self'.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}


class SecurityHeaders:
    """WSGI wrapper: numbers each request, refuses foreign host names, and puts the headers on every answer."""

    def __init__(self, wrapped: WSGIApplication, settings: Settings) -> None:
        self._wrapped = wrapped
        self._headers = [*HEADERS.items(), *(HSTS.items() if settings.cookie_secure else ())]
        self._is_ours = host_check(settings)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[REQUEST_ID] = request_id = secrets.token_hex(8)
        more = [*self._headers, ("X-Request-Id", request_id)]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            given = {name.lower() for name, _ in headers}
            return start_response(status, [*headers, *(h for h in more if h[0].lower() not in given)], *rest)

        host = environ.get("HTTP_HOST", "")
        if not self._is_ours(host):
            text = f"This server is not known as {host!r:.200}. Its names are set by FEDLUNG_TRUSTED_HOSTS.\n"
            return plain_answer(start, "400 Bad Request", text)
        return self._wrapped(environ, start)


def host_check(settings: Settings) -> Callable[[str], bool]:
    """Whether a Host header names this server.

    A page elsewhere can let its own name point to this machine and then talk to us as if it were ours (DNS rebinding);
    it needs a name for that, so that plain addresses are harmless and allowed unless the names are set.
    """
    own = {gethostname().lower(), settings.host.lower()} if settings.trusted_hosts is None else settings.trusted_hosts
    names = {*LOOPBACK, *own}

    def is_ours(host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return name in names or (settings.trusted_hosts is None and _is_address(name))

    return is_ours


def plain_answer(
    start_response: Callable[..., object], status: str, text: str, headers: MutableMapping[str, str] | None = None
) -> list[bytes]:
    """A WSGI answer of one sentence, for what is refused before there is a page."""
    body = text.encode()
    about = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    start_response(status, list({**about, **(headers or {})}.items()))
    return [body]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
