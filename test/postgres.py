#!/usr/bin/python3
"""A private PostgreSQL cluster in a folder of its own: a unix socket only, no system service touched.

As a module: `with Cluster() as cluster: ... cluster.url() ...`. As a command:

  postgres.py run [--durable] -- COMMAND...   starts one, runs COMMAND with CALLOSUM_TEST_POSTGRES=<its URL>, removes it;
                                              --variable NAME: the URL is in this one of the environment
  postgres.py start [--durable] DIR           starts one that stays, and prints its URL
  postgres.py stop DIR                        stops it and removes DIR

The newest server of Debian's packages is taken, else that of pg_config. PostgreSQL does not run as root: there, its files
and processes belong to `postgres`, or where that user is missing to `nobody`. The database `callosum` belongs to the role
`callosum`, which is no superuser; `postgres` is one. Nobody is asked for a password: who can reach the socket may enter.

A cluster ends with the process that made it, however that ends: by stop() and atexit, and by the kernel's signal to
children of a parent that was killed. Start and restart it from the main thread: that signal is sent when the thread ends.
"""
import argparse
import atexit
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

DATABASE = "callosum"
SETTINGS = {
    "listen_addresses": "''", "max_connections": 200, "shared_buffers": "64MB", "max_wal_size": "2GB", "timezone": "'UTC'",
    "log_timezone": "'UTC'", "log_checkpoints": "off", "logging_collector": "off", "lc_messages": "'C'",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}


class PostgresError(Exception):
    """Says what went wrong, with the end of the server's log."""


def version_of(folder):
    return [int(part) for part in re.findall(r"\d+", folder)]


def find_binaries():
    """The folder of initdb and postgres, or None where PostgreSQL's server is not installed."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=version_of, reverse=True)
    if shutil.which("pg_config"):
        folders.append(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    for folder in folders:
        if all(os.access(os.path.join(folder, name), os.X_OK) for name in ("initdb", "postgres", "psql")):
            return folder
    return None


def is_available():
    return find_binaries() is not None and shutil.which("setpriv") is not None


def unprivileged_user():
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise PostgresError("neither the user postgres nor nobody exists, and PostgreSQL does not run as root")


def url_of_schema(url, schema):
    """The URL of one schema in the database of `url`."""
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


def run_sql(url, statement, timeout=60):
    """As psql does it; the rows as text, one a line, columns parted by |."""
    done = subprocess.run([os.path.join(find_binaries(), "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
                          capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise PostgresError(f"{statement}: {done.stderr.strip()}")
    return done.stdout.strip()


class Cluster:
    """`is_durable` False (fsync off) is for tests that ask what the program does, not what a crash leaves behind.

    `settings` go on top of SETTINGS. Without a `folder` a new one is made under /tmp, where the path of a socket is short
    enough, and removed by `remove`. Every wait is bounded by `timeout` seconds.
    """

    def __init__(self, folder=None, is_durable=False, settings=None, timeout=60):
        self.binaries = find_binaries()
        if not self.binaries:
            raise PostgresError("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
        self.user = unprivileged_user() if os.geteuid() == 0 else None
        self.folder = folder or tempfile.mkdtemp(prefix="callosum-pg-", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "log")
        self.settings = {**SETTINGS, **({} if is_durable else NOT_DURABLE), **(settings or {})}
        self.timeout = timeout
        self.process = None
        self.is_ours_to_end = True

    # ---- Life ----

    def __enter__(self):
        self.make()
        return self

    def __exit__(self, *_):
        self.remove()

    def make(self):
        """A new cluster with its database, running."""
        atexit.register(self.remove)
        os.makedirs(self.folder, exist_ok=True)
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            os.chmod(self.folder, 0o711)
        made = subprocess.run(
            [*self.as_user(), os.path.join(self.binaries, "initdb"), "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions"], capture_output=True, text=True, cwd="/")
        if made.returncode != 0:
            self.remove()
            raise PostgresError(f"initdb: {made.stderr or made.stdout}")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"unix_socket_directories = '{self.folder}'\n")
            conf.writelines(f"{name} = {value}\n" for name, value in self.settings.items())
        self.start()
        self.sql(f"CREATE ROLE {DATABASE} LOGIN")
        self.sql(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")

    def start(self):
        """Waits until it takes connections; after a crash that is until it has recovered."""
        deadline = time.monotonic() + self.timeout
        while not self.start_once(deadline):
            # Backends of a postmaster that was killed may still hold its shared memory.
            if time.monotonic() > deadline:
                self.kill()
                raise PostgresError(f"PostgreSQL did not start in {self.timeout} s:\n{self.log_end()}")
            time.sleep(0.1)

    def start_once(self, deadline):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.as_user(), os.path.join(self.binaries, "postgres"), "-D", self.data], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", start_new_session=True)
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.is_ready():
                return True
            time.sleep(0.01)
        return False

    def is_ready(self):
        """As pg_ctl finds out: the server writes its number and its state into a file."""
        try:
            with open(os.path.join(self.data, "postmaster.pid")) as file:
                lines = file.read().split("\n")
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, mode="fast"):
        """smart: waits for clients; fast: breaks their transactions off; immediate: as a crash of all processes."""
        if self.is_running():
            self.process.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
            try:
                self.process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def kill(self):
        """SIGKILL to the postmaster alone; its children notice and end by themselves, and `start` waits for that."""
        if self.is_running():
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self, mode="fast"):
        """mode as `stop` has it, or "kill"."""
        if mode == "kill":
            self.kill()
        else:
            self.stop(mode)
        self.start()

    def remove(self):
        """Ends it at once and removes every file. May be called twice."""
        atexit.unregister(self.remove)
        if self.is_ours_to_end:
            self.stop("immediate")
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Talking to it ----

    def url(self, schema=None, user=DATABASE, host=None, database=DATABASE):
        """The URL of the database, or of one schema in it. `host`: another folder with a socket, as that of a proxy."""
        url = f"postgresql:///{database}?host={host or self.folder}&user={user}"
        return url_of_schema(url, schema) if schema else url

    def sql(self, statement, database="postgres", schema=None):
        """As superuser."""
        return run_sql(self.url(schema, "postgres", database=database), statement, self.timeout)

    def new_schema(self, name):
        """An empty schema of this name; the URL of it."""
        run_sql(self.url(), f'DROP SCHEMA IF EXISTS "{name}" CASCADE; CREATE SCHEMA "{name}"')
        return self.url(name)

    def log_end(self, size=4000):
        try:
            with open(self.log_path, errors="replace") as log:
                return log.read()[-size:]
        except OSError:
            return "(no log)"

    def as_user(self, death_signal="QUIT"):
        """Words before a command, so that it runs unprivileged and ends with us. It keeps the process id."""
        words = ["setpriv"]
        if self.is_ours_to_end:
            words += ["--pdeathsig", death_signal]
        if self.user:
            words += [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups", "--no-new-privs"]
        return [*words, "--"]


# ---- By hand ----

def stop_by_folder(folder):
    """Of a cluster that another process started and left."""
    pid_path = os.path.join(folder, "data/postmaster.pid")
    if not os.path.isfile(os.path.join(folder, "data/PG_VERSION")):
        raise PostgresError(f"{folder} holds no cluster")
    if os.path.isfile(pid_path):
        with open(pid_path) as file:
            pid = int(file.readline())
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 60
        while os.path.isfile(pid_path):
            if time.monotonic() > deadline:
                raise PostgresError(f"process {pid} did not end within 60 s")
            time.sleep(0.05)
    shutil.rmtree(folder)


def command_run(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which removes the cluster
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the command; we end when it has ended
    with Cluster(is_durable=arguments.durable) as cluster:
        environment = dict(os.environ, **{arguments.variable: cluster.url()})
        return subprocess.run(arguments.command, env=environment).returncode


def command_start(arguments):
    cluster = Cluster(os.path.abspath(arguments.folder), is_durable=arguments.durable)
    if os.path.exists(cluster.data):
        raise PostgresError(f"{cluster.data} is there already")
    if len(cluster.folder) > 80:
        raise PostgresError(f"the path is too long for a socket: {cluster.folder}")
    cluster.is_ours_to_end = False
    cluster.make()
    print(cluster.url())
    return 0


def command_stop(arguments):
    stop_by_folder(os.path.abspath(arguments.folder))
    return 0


def main():
    parser = argparse.ArgumentParser(description="A private PostgreSQL cluster.")
    commands = parser.add_subparsers(required=True)
    for name, function, word in (("run", command_run, "command"), ("start", command_start, "folder"), ("stop", command_stop, "folder")):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        if name != "stop":
            command.add_argument("--durable", action="store_true", help="fsync on: for crash tests and measurements")
        if name == "run":
            command.add_argument("--variable", default="CALLOSUM_TEST_POSTGRES", help="of the environment: gets the URL")
        command.add_argument(word, nargs="+" if name == "run" else None)
    arguments = parser.parse_args()
    try:
        return arguments.function(arguments)
    except PostgresError as fault:
        print(f"postgres.py: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
