"""A Supabase project on this machine, as far as tables go: PostgreSQL, PostgREST 12, a gateway that breaks on demand.

Everything is private: own data folder, free ports, no service of the system is touched. As root the database runs as
``postgres`` or ``nobody``, because it refuses to run as root. The roles and their rights are those of a project made
after October 2026, when Supabase stopped granting new tables to its roles by itself.

    python -m tests.supabase_stack      a project with FedLung's tables: prints the settings for it, runs until Ctrl-C
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from tests.supabase_gateway import Fault, Gateway, signed_token, wait_until
from tests.supabase_programs import postgresql_folder, postgrest_binary

MIGRATIONS = Path(__file__).resolve().parents[1] / "supabase" / "migrations"
READY_SECONDS = 30.0

# As in supabase/postgres, migrations/db/init-scripts/00000000000000-initial-schema.sql; without its default grants.
ROLES = """
create role anon          nologin noinherit;
create role authenticated nologin noinherit;
create role service_role  nologin noinherit bypassrls;
create role authenticator login noinherit password '{password}';
grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;
alter role anon          set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role;
create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as
$$ begin notify pgrst, 'reload schema'; end $$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_ddl_watch();
"""


def migrations() -> str:
    """All of FedLung's migrations, as somebody pastes them into an empty project."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))


class SupabaseStack:
    """A project below ``root``. Parts can be killed, frozen and started again; ``fault`` breaks what the client sees.

    Attributes:
        secret_key, service_key: the two kinds of a server's key: ``sb_secret_...``, and the older signed token.
        publishable_key, anon_key: the same for browsers, which FedLung never uses.
        seen: ``(request, fault)`` of every request that reached the gateway.
    """

    def __init__(self, root: Path, schema: str) -> None:
        self.root, self.schema = root, schema
        self._programs, self._postgrest_file = postgresql_folder(), postgrest_binary()
        root.chmod(0o755)  # for the user whom the database runs as
        self._data, self._sockets = root / "pgdata", root / "sock"
        self._database_port, self._rest_port, self._admin_port, self.port = (free_port() for _ in range(4))
        self._password, self._jwt_secret = secrets.token_urlsafe(18), secrets.token_urlsafe(40)
        self.anon_key, self.service_key = (signed_token(self._jwt_secret, role) for role in ("anon", "service_role"))
        self.publishable_key = "sb_publishable_" + secrets.token_urlsafe(20)
        self.secret_key = "sb_secret_" + secrets.token_urlsafe(20)
        self.fault, self.seen = Fault(), list[tuple[str, str]]()
        self._changes = 0
        self._gateway: Gateway | None = None
        self._rest: subprocess.Popen[bytes] | None = None
        self._log = (root / "postgrest.log").open("ab")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- the whole -------------------------------------------------------------------------------------------

    def up(self) -> SupabaseStack:
        for folder in (self._data, self._sockets):
            folder.mkdir()
            if (user := _database_user()) is not None:
                shutil.chown(folder, user)
        self._data.chmod(0o700)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        rules = "local all postgres trust\nhost all authenticator 127.0.0.1/32 scram-sha-256\n"
        (self._data / "pg_hba.conf").write_text(rules)
        self.start_database()
        self.sql(ROLES.format(password=self._password))
        self.sql(self.schema)
        self.start_rest()
        self.open_gateway()
        return self

    def down(self) -> None:
        self.close_gateway()
        self.kill_rest()
        self.kill_database()
        self._log.close()

    def heal(self) -> None:
        """Start what is not running, and break nothing any more."""
        self.fault.set("ok")
        self.seen.clear()
        if self._run("pg_ctl", "-D", self._data, "status", check=False).returncode != 0:
            self.start_database()
        if self._rest is None or self._rest.poll() is not None:
            self.start_rest()
        self.thaw_rest()
        if self._gateway is None:
            self.open_gateway()
        self.wait_until_ready()

    def __enter__(self) -> SupabaseStack:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # --- PostgreSQL ------------------------------------------------------------------------------------------

    def start_database(self) -> None:
        # No fsync: no test cuts the machine's power. What was committed outlives a killed database all the same.
        options = f"-p {self._database_port} -k {self._sockets} -c listen_addresses=127.0.0.1 -c shared_buffers=32MB"
        options += " -c max_connections=40 -c fsync=off -c full_page_writes=off"
        log = self._data / "server.log"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "-l", log, "-o", options, "start")

    def kill_database(self) -> None:
        """As a crash does: no connection is told, nothing is written out."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", check=False)

    def sql(self, statements: str) -> str:
        """Run statements as the database's owner, as in Supabase's SQL editor; returns rows as ``a|b`` lines."""
        place = ["-h", self._sockets, "-p", self._database_port, "-U", "postgres", "-d", "postgres"]
        done = self._run("psql", *place, "-X", "-At", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", text=statements)
        return done.stdout

    def empty_tables(self) -> None:
        """Remove every row of every table; what the tests before have altered stays altered."""
        names = self.sql("select tablename from pg_tables where schemaname = 'public'").split()
        self.sql("".join(f'truncate public."{name}" cascade;' for name in names))

    def alter(self, statements: str) -> None:
        """As `sql`, for statements that change tables or rights: returns when PostgREST knows of it."""
        self.sql(statements)
        self._changes += 1
        marker = f"change_{self._changes}"
        self.sql(f"create function public.{marker}() returns int language sql as 'select 1'")
        wait_until(lambda: self._knows(marker), READY_SECONDS, "PostgREST knowing of a change")
        self.sql(f"drop function public.{marker}()")

    def _knows(self, function: str) -> bool:
        url = f"http://127.0.0.1:{self._rest_port}/rpc/{function}"
        return answers_ok(urllib.request.Request(url, headers={"Authorization": f"Bearer {self.service_key}"}))

    def reset_schema(self) -> None:
        """Make the tables anew: for a test that dropped or altered one."""
        self.sql("drop schema public cascade; create schema public;")
        self.alter("grant usage on schema public to anon, authenticated, service_role;" + self.schema)

    def _run(
        self, program: str, *arguments: object, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [*_as_database_user(), str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout[-800:]}")
        return done

    # --- PostgREST -------------------------------------------------------------------------------------------

    def start_rest(self) -> None:
        settings = {
            "DB_URI": f"postgres://authenticator:{self._password}@127.0.0.1:{self._database_port}/postgres",
            "DB_SCHEMAS": "public",
            "DB_ANON_ROLE": "anon",
            "DB_EXTRA_SEARCH_PATH": "public,extensions",
            "DB_MAX_ROWS": "1000",  # as at Supabase
            "JWT_SECRET": self._jwt_secret,
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(self._rest_port),
            "ADMIN_SERVER_PORT": str(self._admin_port),
        }
        environment = {"PATH": os.environ["PATH"], **{f"PGRST_{name}": value for name, value in settings.items()}}
        self._rest = subprocess.Popen(
            [self._postgrest_file], env=environment, cwd="/", start_new_session=True, stdout=self._log, stderr=self._log
        )
        self.wait_until_ready()

    def kill_rest(self) -> None:
        if self._rest is not None:
            self._rest.kill()
            self._rest.wait()
            self._rest = None

    def freeze_rest(self) -> None:
        """It accepts connections and says nothing."""
        self._signal_rest(signal.SIGSTOP)

    def thaw_rest(self) -> None:
        self._signal_rest(signal.SIGCONT)

    def _signal_rest(self, number: signal.Signals) -> None:
        if self._rest is not None:
            self._rest.send_signal(number)

    def wait_until_ready(self) -> None:
        wait_until(self._is_ready, READY_SECONDS, f"PostgREST, see {self._log.name}: being ready")

    def _is_ready(self) -> bool:
        return answers_ok(urllib.request.Request(f"http://127.0.0.1:{self._admin_port}/ready"))

    # --- the gateway -----------------------------------------------------------------------------------------

    def open_gateway(self) -> None:
        tokens = {self.publishable_key: self.anon_key, self.secret_key: self.service_key}
        tokens |= {token: token for token in (self.anon_key, self.service_key)}
        self._gateway = Gateway(self.port, self._rest_port, tokens, self.fault, self.seen)

    def close_gateway(self) -> None:
        """Nothing listens at the address any more, and open connections are cut."""
        if self._gateway is not None:
            self._gateway.cut()
            self._gateway = None


def answers_ok(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass
    return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _database_user() -> str | None:
    """Whom the database runs as when this process is root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as_database_user() -> list[str]:
    user = _database_user()
    if user is None:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="fedlung-supabase-") as folder,
        SupabaseStack(Path(folder), migrations()) as stack,
    ):
        sys.stdout.write(f"SUPABASE_URL={stack.url}\nSUPABASE_SECRET_KEY={stack.secret_key}\n")
        sys.stdout.flush()
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *unused: ended.set())
        ended.wait()


if __name__ == "__main__":
    main()
