"""The browsers' live sockets: who may connect, what ends a connection, and the one task that writes to them.

A browser only listens. Whatever it sends is ignored, and a browser that sends much is cut off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from flask import Flask, request, session
from flask_socketio import ConnectionRefusedError, SocketIO, join_room

from fedlung.errors import FedLungError
from fedlung.settings import Settings
from fedlung.stores.users import User
from fedlung.web.live.hub import Hub
from fedlung.web.live.limited_websocket import LimitedWebSocket
from fedlung.web.live.presence import Presence
from fedlung.web.live.streams import Admins, stream_of
from fedlung.web.sessions import load_user

logger = logging.getLogger(__name__)

EXTENSION = "fedlung_sockets"  # key of app.extensions
LARGEST_MESSAGE = 10_000  # bytes; what browsers send is a few dozen
MESSAGES_PER_SECOND = 20  # of one browser
DRAIN_SECONDS = 0.02
CHECK_SECONDS = 60.0  # how often open sockets' sessions are looked at again


class LiveSockets:
    """The sockets of one application; see `live_sockets`."""

    def __init__(self, app: Flask, settings: Settings, hub: Hub) -> None:
        self.presence = Presence()
        self._app = app
        self._hub = hub
        self._ended: deque[str] = deque()  # ids of persons whose sessions have ended
        self._closed = threading.Event()
        self._checked = time.monotonic()
        self.socketio = SocketIO(
            app,
            async_mode=settings.async_mode,  # never guessed: an installed eventlet would be chosen
            async_handlers=False,
            cors_allowed_origins=origin_check(settings.allowed_origins or ()),
            max_http_buffer_size=LARGEST_MESSAGE,
        )
        self.socketio.on_event("connect", self._connect)
        self.socketio.on_event("disconnect", self._disconnect)
        limit_messages(self.socketio.server.eio)
        if settings.async_mode == "threading":
            eio = self.socketio.server.eio
            eio._async = {**eio._async, "websocket": LimitedWebSocket}
        app.extensions[EXTENSION] = self

    def start(self) -> None:
        self.socketio.start_background_task(self._run)

    def end_sessions_of(self, user_id: str) -> None:
        """Drop a person's sockets; the browser is told that it was the server's will. From any thread."""
        self._ended.append(user_id)

    def count(self) -> int:
        """Open connections, whether or not somebody is behind them."""
        return sum(not socket.closed for socket in list(self.socketio.server.eio.sockets.values()))

    def close(self) -> None:
        """Let every browser go; it comes back by itself when there is a server again."""
        self._closed.set()
        for socket in list(self.socketio.server.eio.sockets.values()):
            socket.close(wait=False)

    def tick(self) -> None:
        """Emit what waits, and drop who may not listen any more."""
        self._hub.drain(self._emit)
        while self._ended:
            self._drop(self._ended.popleft())
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            self._check_sessions()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.tick()
            except Exception:
                logger.exception("live events could not be sent")
            self.socketio.sleep(DRAIN_SECONDS)

    def _emit(self, name: str, event: dict[str, Any], room: str) -> None:
        self.socketio.emit(name, event, to=room)

    def _connect(self, auth: object = None) -> None:
        user = listener_of(session)
        if user is None:
            raise ConnectionRefusedError("not_signed_in")
        sid = request.sid  # type: ignore[attr-defined] # set by Flask-SocketIO
        self.presence.add(sid, user, session)
        # Once more, now that `_drop` would find this socket: the session may have ended in between.
        if listener_of(session) is None:
            self.presence.remove(sid)
            raise ConnectionRefusedError("not_signed_in")
        stream = stream_of(user.role, user.hospital_id)
        self._hub.seq(stream)  # events are numbered and sent from the first viewer on, also without a snapshot before
        join_room(str(stream))
        self._tell_who_is_online()

    def _disconnect(self, reason: object = None) -> None:
        if self.presence.remove(request.sid):  # type: ignore[attr-defined]
            self._tell_who_is_online()

    def _tell_who_is_online(self) -> None:
        self._hub.publish("online_users", {"online": self.presence.online()}, Admins())

    def _drop(self, user_id: str) -> None:
        for sid in [sid for sid, tab in self.presence.tabs().items() if tab.user.id == user_id]:
            connection = self._connection_of(sid)
            self.socketio.server.disconnect(sid)
            if connection is not None:
                connection.close(wait=False)

    def _check_sessions(self) -> None:
        """Close the connections whose session does not hold any more, as it was when they were opened.

        A browser that was used meanwhile has a fresher cookie: it connects again by itself and is let in.
        """
        with self._app.app_context():
            old = [sid for sid, tab in self.presence.tabs().items() if listener_of(tab.session) is None]
        for connection in map(self._connection_of, old):
            if connection is not None:
                connection.close(wait=False)

    def _connection_of(self, sid: str) -> Any:
        server = self.socketio.server
        return server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))


def live_sockets(app: Flask) -> LiveSockets:
    """The sockets of this application."""
    return cast(LiveSockets, app.extensions[EXTENSION])


def listener_of(session: Mapping[str, Any]) -> User | None:
    """The person who may listen with this session; needs an application context."""
    try:
        user = load_user(session)
    except FedLungError as error:
        logger.error("a live socket is refused: %s", error)
        return None
    return None if user is None or user.must_change_password else user


def origin_check(more: tuple[str, ...]) -> Callable[[str, dict[str, Any]], bool]:
    """Whether a page of this origin may open our socket: our own pages, and those of the origins in ``more``.

    A function, because a list would mean "these only", and an empty list "everybody".
    """

    def is_allowed(origin: str, environ: dict[str, Any]) -> bool:
        own = urlsplit(f"{environ.get('wsgi.url_scheme')}://{environ.get('HTTP_HOST')}")
        return origin in more or origin == own.geturl()

    return is_allowed


def limit_messages(eio: Any) -> None:
    """Cut off a connection that sends more than it has to; count in windows of one second."""
    handle = eio.handlers["message"]
    windows: WeakKeyDictionary[Any, tuple[int, int]] = WeakKeyDictionary()  # connection -> (second, messages in it)

    def counted(sid: str, message: Any) -> Any:
        connection = eio.sockets.get(sid)
        if connection is None:
            return None
        now = int(time.monotonic())
        second, count = windows.get(connection, (now, 0))
        windows[connection] = (now, count + 1) if second == now else (now, 1)
        if windows[connection][1] <= MESSAGES_PER_SECOND:
            return handle(sid, message)
        logger.warning("a live socket was cut off: more than %d messages in a second", MESSAGES_PER_SECOND)
        return connection.close(wait=False)

    eio.on("message", counted)
