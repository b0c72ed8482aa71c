"""A standby of PostgreSQL: it can be asked, it refuses to be written to, and it takes over without the loss of anything
that was acknowledged."""
import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

import postgres
from client import PROGRAM, Server, patient

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="PostgreSQL's server is not installed")

BACK_WITHIN_S = 20  # from the promotion on, on a busy machine


class Standby(postgres.Cluster):
    """A streaming copy of another cluster, in a folder of its own."""

    def __init__(self, primary):
        super().__init__(is_durable=True)
        self.primary = primary

    def make(self):
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            os.chmod(self.folder, 0o711)
        subprocess.run([*self.as_user(), os.path.join(self.binaries, "pg_basebackup"), "-h", self.primary.folder, "-U", "postgres", "-D", self.data,
                        "-R", "-X", "stream", "-c", "fast"], check=True, capture_output=True, cwd="/", timeout=60)
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"unix_socket_directories = '{self.folder}'\n")
        self.start()

    def is_ready(self):
        with contextlib.suppress(OSError):
            with open(os.path.join(self.data, "postmaster.pid")) as file:
                lines = file.read().split("\n")
            return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() in ("ready", "standby")
        return False


@contextlib.contextmanager
def pair():
    """A primary with a store in the schema `record`, and its synchronous standby."""
    with postgres.Cluster(is_durable=True) as primary:
        primary.new_schema("record")
        with Standby(primary) as standby:
            primary.sql("ALTER SYSTEM SET synchronous_standby_names='*'")
            primary.sql("SELECT pg_reload_conf()")
            wait_for(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync")
            yield primary, standby


def wait_for(what, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, postgres.PostgresError):
            if what():
                return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def url_of(*clusters, session="any"):
    hosts = ",".join(cluster.folder for cluster in clusters)
    return f"postgresql:///callosum?host={hosts}&user=callosum&target_session_attrs={session}&options=-csearch_path%3Drecord"


class Writer(threading.Thread):
    """A client that writes until it is stopped, and tries again what was refused; each value under its own identifier."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.name, self.is_over = server, name, False
        self.acknowledged = []  # (when, key)
        self.unexpected = []

    def run(self):
        serial = 0
        while not self.is_over:
            serial += 1
            key = f"{self.name}-{serial}"
            resource = patient(identifier=[{"system": "urn:test", "value": key}])
            while not self.is_over:
                try:
                    answer = self.server.fhir("POST", "Patient", resource, if_none_exist=f"identifier=urn:test%7C{key}")
                except OSError as fault:
                    self.unexpected.append(fault)
                    return
                if answer.status in (200, 201):
                    self.acknowledged.append((time.monotonic(), key))
                    break
                if answer.status != 503:
                    self.unexpected.append(answer.body)
                    return
                time.sleep(0.05)


def test_a_standby_is_promoted_while_clients_write():
    with pair() as (primary, standby):
        url = url_of(primary, standby, session="read-write")
        servers = [Server(url), Server(url)]
        try:
            assert all(hasattr(server, "port") for server in servers), [server.log for server in servers]
            threads = [Writer(servers[i % 2], f"w{i}") for i in range(6)]
            for thread in threads:
                thread.start()
            time.sleep(2)
            primary.kill()
            promoted_at = time.monotonic()
            standby.sql("SELECT pg_promote()")
            wait_for(lambda: all(thread.acknowledged and thread.acknowledged[-1][0] > promoted_at + 0.5 for thread in threads), 60)
            back = min(at for thread in threads for at, _ in thread.acknowledged if at > promoted_at + 0.2)
            time.sleep(1)
            for thread in threads:
                thread.is_over = True
            for thread in threads:
                thread.join(60)
            assert not [thread.unexpected for thread in threads if thread.unexpected]
            assert back - promoted_at < BACK_WITHIN_S
            check(servers, threads)
        finally:
            for server in servers:
                server.stop()


def test_what_no_standby_has_is_not_acknowledged():
    """A backend that is ended while its commit waits for the standby has committed; still the client waits for the standby."""
    with pair() as (primary, standby):
        server = Server(url_of(primary))
        receiver = int(standby.sql("SELECT pid FROM pg_stat_wal_receiver"))
        answers = []
        try:
            server.create(patient("Before"))
            os.kill(receiver, signal.SIGSTOP)
            client = threading.Thread(target=lambda: answers.append(server.fhir("POST", "Patient", patient("Waits"))))
            client.start()
            wait_for(lambda: primary.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event='SyncRep'") != "0")
            primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event='SyncRep'")
            time.sleep(2)
            assert not answers
        finally:
            os.kill(receiver, signal.SIGCONT)
        try:
            client.join(40)
            assert answers[0].status == 201, answers[0].body
            assert server.fhir("GET", "Patient?family=waits&_summary=count").json["total"] == 1
        finally:
            server.stop()


def check(servers, threads):
    """Everything acknowledged is there once, through either process; the history has no gap."""
    keys = [key for thread in threads for _, key in thread.acknowledged]
    assert len(keys) > 50
    for i, key in enumerate(keys):
        total = servers[i % 2].fhir("GET", f"Patient?identifier=urn:test%7C{key}&_summary=count").json["total"]
        assert total == 1, f"{key}: {total}"
    assert {server.fhir("GET", "Patient?_summary=count").json["total"] for server in servers} <= {len(keys), *range(len(keys), len(keys) + len(threads) + 1)}


def test_a_standby_can_be_asked_but_not_served_from():
    with pair() as (primary, standby):
        server = Server(url_of(primary))
        try:
            server.create(patient("Copied"))
        finally:
            server.stop()
        wait_for(lambda: standby.sql("SELECT count(*) FROM record.resource", "callosum") == "1")
        done = subprocess.run([PROGRAM, "query", "--store", url_of(standby), "Patient?family=copied"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "Copied" in done.stdout, done
        done = subprocess.run([PROGRAM, "serve", "--store", url_of(standby), "--http", "127.0.0.1:0", "--no-mllp"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 3 and "standby" in done.stderr, done


def test_a_primary_that_becomes_read_only_answers_so():
    """As a failed-over primary that was fenced: reads go on, writes are told why they can't."""
    with postgres.Cluster() as primary:
        primary.new_schema("record")
        server = Server(url_of(primary))
        try:
            made = server.create(patient())
            primary.sql("ALTER ROLE callosum SET default_transaction_read_only=on")
            primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename='callosum'")
            answer = server.fhir("POST", "Patient", patient())
            assert answer.status == 503 and "read-only" in answer.issue_text(), answer.body
            assert server.fhir("GET", f"Patient/{made['id']}").status == 200
            primary.sql("ALTER ROLE callosum RESET default_transaction_read_only")
            wait_for(lambda: server.fhir("POST", "Patient", patient()).status == 201, 40)
        finally:
            server.stop()
