"""The web application: one command is a whole federation on one machine.

The story: settings say what is wanted -> stores and services are made from them -> `create_app` puts the blueprints,
the live socket and everything that protects them around the services -> a server answers. Nothing here is a route.

    python app.py [--host H] [--port P] [--data DIR] [--demo]
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect, before torch is loaded by what trains

import errno
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from gunicorn.app.base import Application
from rich.console import Console
from rich.progress import Progress
from werkzeug.middleware.proxy_fix import ProxyFix

from fedlung import __version__
from fedlung.accounts.accounts import Accounts
from fedlung.accounts.first_start import NewAccount, demo_accounts, first_admin
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.command_line import run_command
from fedlung.errors import BadSettings, FedLungError
from fedlung.imaging.phantom import hospital_id, write_hospitals
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.data_lock import PATIENCE_SECONDS, DataLock
from fedlung.stores.fallback.opening import bring_up_to_date, connected, connection, open_users
from fedlung.stores.fallback.sync import UserSync
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.predictions import PredictionStore
from fedlung.stores.run_listing import RunListing
from fedlung.stores.secret_key import secret_key
from fedlung.web import (
    api_hospitals,
    api_models,
    api_runs,
    api_status,
    assets,
    body_sizes,
    commands,
    error_answers,
    i18n,
    limits,
    page_context,
    pages_accounts,
    pages_audit,
    pages_general,
    pages_hospital,
    pages_models,
    pages_runs,
    pages_users,
    sessions,
    store_banners,
)
from fedlung.web.js_texts import JS_TEXTS
from fedlung.web.lifetime import end_at_once, start
from fedlung.web.live.hub import Hub
from fedlung.web.live.session_cap import SessionCap
from fedlung.web.live.sockets import LiveSockets, live_sockets
from fedlung.web.log_lines import log_to_stderr
from fedlung.web.predictions import api_exports, api_predictions
from fedlung.web.predictions.reading import Predictor, Reader
from fedlung.web.predictions.scan_files import FolderScans
from fedlung.web.predictions.service import PredictionService
from fedlung.web.scans import api_annotations, api_scans, api_uploads
from fedlung.web.scans.desk import open_desk
from fedlung.web.security_headers import SecurityHeaders
from fedlung.web.services import SERVICES, SETTINGS, Services
from fedlung.web.slow_clients import BodyTimeout
from fedlung.web.system_load import MeasuredLoad
from fedlung.web.training.hospital_cards import HospitalCards
from fedlung.web.training.launching import Launcher
from fedlung.web.training.local_launcher import Engine, LocalLauncher
from fedlung.web.training.service import RunService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fedlung.stores.supabase.connection import SupabaseConnection
    from fedlung.stores.supabase.mirror import Mirror

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent
LARGEST_REQUEST = 1_000_000  # bytes of a form or JSON body
WORKER_CANNOT_START = 3  # exit code after which gunicorn does not try again
DEMO_HOSPITALS, DEMO_SCANS = 3, 8
BLUEPRINTS = (
    pages_general.blueprint,
    api_status.blueprint,
    pages_accounts.blueprint,
    pages_users.blueprint,
    pages_audit.blueprint,
    pages_runs.blueprint,
    pages_models.blueprint,
    pages_hospital.blueprint,
    api_runs.blueprint,
    api_models.blueprint,
    api_hospitals.blueprint,
    api_predictions.blueprint,
    api_exports.blueprint,
    api_uploads.blueprint,
    api_scans.blueprint,
    api_annotations.blueprint,
)

# --- the application -------------------------------------------------------------------------------------


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The application around ``services``; starts no thread (see `fedlung.web.lifetime.start`) and loads no torch.

    Without them, as ``flask --app app`` calls it, it has commands only.
    """
    if settings is None or services is None:
        return commands.commands_only()
    app = Flask("fedlung", root_path=str(ROOT))
    app.extensions |= {SETTINGS: settings, SERVICES: services}
    app.config.update(
        SECRET_KEY=secret_key(settings.secret_key_file),
        SESSION_COOKIE_NAME="fedlung_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        WTF_CSRF_TIME_LIMIT=None,  # it ends with the session
        TEMPLATES_AUTO_RELOAD=settings.debug,
    )
    i18n.install(app)
    error_answers.install(app)
    assets.install(app, ROOT / "static")
    sessions.install(app)  # before CSRF: a stranger is asked to sign in, not told about tokens
    body_sizes.install(app)  # before CSRF, which may read the body
    CSRFProtect(app)
    limits.install(app)
    page_context.install(app, JS_TEXTS)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    sockets = LiveSockets(app, settings, services.hub)
    services.accounts.on_sessions_ended.append(sockets.end_sessions_of)
    if services.user_sync:
        services.user_sync.on_sessions_ended.append(sockets.end_sessions_of)
        store_banners.tell_pages(services.user_sync, services.hub)
    _wrap(app, settings, sockets)
    return app


def _wrap(app: Flask, settings: Settings, sockets: LiveSockets) -> None:
    """What every request passes before it reaches Flask or the socket; the last one wrapped is the first passed."""
    wrapped: WSGIApplication = SessionCap(app.wsgi_app, app, sockets, settings.session_cap)
    wrapped = SecurityHeaders(BodyTimeout(wrapped), settings)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        wrapped = ProxyFix(wrapped, x_for=count, x_proto=count, x_host=count)
    app.wsgi_app = wrapped  # type: ignore[method-assign] # as Flask's documentation does it


# --- its services ----------------------------------------------------------------------------------------


def make_accounts(
    settings: Settings, supabase: SupabaseConnection | None
) -> tuple[JsonUserStore | FallbackUserStore, AuditLog, Accounts]:
    """The accounts of this data folder, or of a Supabase project, and the rules around them."""
    settings.users_file.parent.mkdir(parents=True, exist_ok=True)
    audit = AuditLog(settings.data / "audit.jsonl")
    users = open_users(settings, audit, supabase)
    return users, audit, Accounts(users, audit, PasswordHasher(), SignInThrottle())


def make_services(
    settings: Settings,
    launcher: Launcher,
    gpu: Callable[[], Mapping[str, Any] | None] = lambda: None,
    reader: Reader | None = None,
) -> Services:
    """Stores of this data folder, and the services over them; starts no thread."""
    supabase = connection(settings)
    users, audit, accounts = make_accounts(settings, supabase)
    hub, runs, hospitals = Hub(), RunListing(settings.data / "runs"), HospitalFolders(settings.data)
    models = ModelRegistry(settings.models, built_in=ROOT / "models" / "pretrained")
    predictions = PredictionStore(hospitals)
    scans = open_desk(settings, hospitals, predictions, hub, audit)
    return Services(
        accounts=accounts,
        users=users,
        audit=audit,
        hospitals=HospitalCards(hospitals, runs),
        runs=RunService(launcher, runs, models, hub, note_use=scans.note_use),
        models=models,
        hub=hub,
        scans=scans,
        predictions=PredictionService(
            predictions, FolderScans(hospitals), models, reader or make_reader(settings), hub
        ),
        system=MeasuredLoad(settings.training_threads, gpu),
        user_sync=UserSync(users) if isinstance(users, FallbackUserStore) else None,
        mirror=make_mirror(settings, supabase, hospitals, models),
    )


def make_mirror(
    settings: Settings, supabase: SupabaseConnection | None, hospitals: HospitalFolders, models: ModelRegistry
) -> Mirror | None:
    """What copies records to the Supabase project, if there is one."""
    if supabase is None:
        return None
    from fedlung.stores.supabase.mirror import open_mirror  # here: the official client takes half a second to import

    return open_mirror(supabase, settings.data, hospitals, models)


def prepare(settings: Settings) -> list[NewAccount]:
    """What the first start makes: hospitals of a demo, the session key, accounts. Returns passwords that are news."""
    secret_key(settings.secret_key_file)
    with connected(settings) as supabase:  # the process that serves makes its own
        users, _, accounts = make_accounts(settings, supabase)
        if isinstance(users, FallbackUserStore):
            bring_up_to_date(users)
        if not settings.demo:
            return first_admin(users, accounts)
        hospitals = [hospital_id(index) for index in range(DEMO_HOSPITALS)]
        make_phantoms(settings.data, [name for name in hospitals if not (settings.data / name).exists()])
        return demo_accounts(users, accounts, hospitals, settings.demo_password)


def make_phantoms(data: Path, wanted: Sequence[str]) -> None:
    """Write those demo hospitals that are missing; a hospital that is there stays as it is."""
    if not wanted:
        return
    with (
        tempfile.TemporaryDirectory(prefix=".demo-", dir=data) as staging,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("phantom scans", total=DEMO_HOSPITALS * DEMO_SCANS)
        write_hospitals(
            Path(staging), DEMO_HOSPITALS, DEMO_SCANS, seed=0, on_scan=lambda hospital, done: progress.advance(task)
        )
        for name in wanted:
            shutil.move(Path(staging) / name, data / name)


# --- training --------------------------------------------------------------------------------------------


def make_launcher(settings: Settings) -> Launcher:
    """What trains, on the hospitals of this data folder."""
    # Here and not above: torch takes seconds to load, and pages can be tested without it.
    from torch import set_num_threads

    import federated_training as training
    from fedlung.stores.checkpoints import save_checkpoint
    from train_simple_model import ARCHITECTURE

    engine = Engine(
        parser=training.run_parser,
        open_client=training.open_client,
        open_coordinator=training.open_coordinator,
        save_model=lambda path, weights, metadata: save_checkpoint(
            path, weights=weights, architecture=ARCHITECTURE, metadata=metadata
        ),
        set_threads=set_num_threads,
    )
    return LocalLauncher(engine, settings.data, settings.training_threads)


def make_reader(settings: Settings) -> Reader:
    """What reads scans; torch is loaded with the first of them."""

    def open_predictor(model: Path) -> Predictor:
        from federated_inference_utils import FederatedLungNodulePredictor  # here for the same reason

        return FederatedLungNodulePredictor(model)

    def set_threads(threads: int) -> None:
        from torch import set_num_threads

        set_num_threads(threads)

    # One more than a training: it takes seconds, and somebody waits for it.
    return Reader(open_predictor, set_threads, min(os.cpu_count() or 1, settings.training_threads + 1))


def gpu_load() -> Mapping[str, Any] | None:
    """The GPU that trains, or None on a machine without one."""
    from torch import cuda  # here for the same reason

    if not cuda.is_available():
        return None
    free, total = cuda.mem_get_info()
    return {"name": cuda.get_device_name(), "memory_used_bytes": total - free, "memory_total_bytes": total}


# --- serving ---------------------------------------------------------------------------------------------


def application() -> Flask:
    """What ``gunicorn`` loads by `gunicorn.conf.py`: settings from the environment only."""
    settings = Settings.from_env([])
    log_to_stderr(settings.log_level)
    try:
        lock = DataLock(settings.data)
        show_accounts(prepare(settings), settings.demo_password)
        app = begin(settings)
    except FedLungError as error:
        logger.critical("%s", error)
        sys.exit(WORKER_CANNOT_START)
    app.extensions["fedlung_lock"] = lock  # held as long as the application
    return app


def begin(settings: Settings) -> Flask:
    """The whole application with its background tasks, in the process that serves it."""
    app = create_app(settings, make_services(settings, make_launcher(settings), gpu_load))
    start(app)
    return app


class EmbeddedGunicorn(Application):  # type: ignore[misc] # gunicorn has no types
    """gunicorn as part of this command: one process that watches, one that serves."""

    def __init__(self, settings: Settings, begin: Callable[[Settings], Flask]) -> None:
        self._settings = settings
        self._begin = begin
        super().__init__()

    def load_config(self) -> None:
        self.load_config_from_file(str(ROOT / "gunicorn.conf.py"))
        self.cfg.set("bind", self._settings.address)
        self.cfg.set("threads", self._settings.threads)
        prepare_signals = self.cfg.when_ready

        def listening(server: Any) -> None:
            prepare_signals(server)
            show_address(self._settings)

        self.cfg.set("when_ready", listening)

    def load(self) -> Flask:
        return self._begin(self._settings)


def serve(settings: Settings) -> None:
    """Answer requests until a signal says to stop."""
    if settings.async_mode == "threading" and not settings.debug:
        EmbeddedGunicorn(settings, begin).run()
        return
    if settings.async_mode == "eventlet":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is deprecated, and therefore the second mode only (ADR 0011)
            import eventlet.wsgi  # noqa: F401 - here, since importing it warns; what serves below finds it loaded
    app = begin(settings)
    end_at_once(app)
    show_address(settings)
    app.debug = settings.debug
    socketio = live_sockets(app).socketio
    more = {"allow_unsafe_werkzeug": True} if settings.async_mode == "threading" else {}
    socketio.run(app, settings.host, settings.port, debug=False, use_reloader=False, **more)


def show_accounts(made: Sequence[NewAccount], known: str | None) -> None:
    """The only time that a random password is shown; one that was given from outside is ``known``, and not shown."""
    if not made:
        return
    rows = [("account", "role", "hospital", "password")]
    for account in made:
        password = "from FEDLUNG_DEMO_PASSWORD" if account.password == known else account.password
        rows.append((account.username, account.role, account.hospital_id or "-", password))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    sys.stdout.write("\n".join([*lines, *([] if known else ["Passwords are shown only this once."]), ""]))
    sys.stdout.flush()


def show_address(settings: Settings) -> None:
    sys.stdout.write(f"FedLung {__version__} is at http://{settings.address} (Ctrl-C ends it)\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until a signal comes.

    Raises:
        BadSettings: a setting is refused, or the address is taken.
        DataInUse: another process works with the data folder.
    """
    settings = Settings.from_env(argv)
    log_to_stderr(settings.log_level)
    check_address(settings)
    with DataLock(settings.data):
        show_accounts(prepare(settings), settings.demo_password)
        serve(settings)


def check_address(settings: Settings) -> None:
    """Whether somebody else listens there: asked now, because the answer is of no use behind a minute of set-up.

    A server that was killed a moment ago takes as long to let go of its address as of its data folder.

    Raises:
        BadSettings: the address cannot be had.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            listen_once(settings.host, settings.port)
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                reason = f"cannot listen on {settings.address}: {error.strerror}; see --host and --port"
                raise BadSettings(reason) from None
        time.sleep(0.05)


def listen_once(host: str, port: int) -> None:
    """Take the address and let it go. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


if __name__ == "__main__":
    sys.exit(run_command(main))
