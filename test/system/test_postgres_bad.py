"""PostgreSQL as it should not be: wrong URLs, other programs' databases, missing rights, servers that go away.

Each has one message that a person can act on, and where it passes by, work goes on without a restart.
"""
import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import postgres
from client import PROGRAM, Server, bundle, entry, observation, patient
from test_admin import ADMISSION, send

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="PostgreSQL's server is not installed")

PASSWORD = "correct-horse-battery"
START_S = 60  # the longest that a start may take before it gives up


@pytest.fixture(scope="module")
def pg():
    with postgres.Cluster() as cluster:
        hba = os.path.join(cluster.data, "pg_hba.conf")
        with open(hba) as file:
            rules = file.read()
        with open(hba, "w") as file:
            file.write("local all locked scram-sha-256\n" + rules)
        cluster.sql(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
        cluster.sql("SELECT pg_reload_conf()")
        yield cluster


@pytest.fixture
def schema(pg, request):
    """An empty schema of this test's own: its name."""
    name = "t_" + re.sub(r"\W", "_", request.node.name.removeprefix("test_"))[:40].lower()
    pg.new_schema(name)
    yield name
    pg.sql(f'SET lock_timeout=\'10s\'; DROP SCHEMA IF EXISTS "{name}" CASCADE', "callosum")


@contextlib.contextmanager
def serving(url, *options):
    server = Server(url, *options)
    assert hasattr(server, "port"), server.log
    try:
        yield server
    finally:
        server.stop()


def refused(url, *words, command=("serve", "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"), code=3):
    """The program ends by itself, in time, with a message that has all these words."""
    done = subprocess.run([PROGRAM, command[0], "--store", url, *command[1:]], capture_output=True, text=True, timeout=START_S)
    assert done.returncode == code, done
    text = done.stderr
    for word in words:
        assert word.lower() in text.lower(), text
    assert "\n\n" not in text.strip() and len(text) < 1000, "one message, not a dump"
    assert PASSWORD not in text and "wrong-password" not in text
    return text


def tables(pg, schema):
    return pg.sql(f"SELECT relname FROM pg_class WHERE relnamespace='{schema}'::regnamespace ORDER BY 1", "callosum").split()


def backends(pg):
    """Of this role: those of the servers under test."""
    return [int(pid) for pid in pg.sql("SELECT pid FROM pg_stat_activity WHERE usename='callosum' AND backend_type='client backend'").split()]


# ---- URLs ----

@pytest.mark.parametrize("url,words", [
    ("postgresql://localhost:port/callosum", ["port"]),
    ("postgresql://localhost:99999/callosum", ["port"]),
    ("postgresql://%zz/callosum", ["%zz"]),
    ("postgresql:///callosum?nonsense=1", ["nonsense"]),
    ("postgresql://[::1/callosum", ["valid URL"]),
    (f"mysql://callosum:{PASSWORD}@localhost/callosum", ["mysql://callosum@localhost", "neither", "postgresql://"]),
    ("postgresql:/callosum", ["neither"]),
], ids=["port", "large-port", "escape", "parameter", "bracket", "mysql", "slash"])
def test_a_url_that_is_not_one(url, words):
    started = time.monotonic()
    refused(url, *words)
    assert time.monotonic() - started < 5, "there is nothing to wait for"


@contextlib.contextmanager
def listener(answer=None):
    """A port where somebody listens: says nothing, or this to whoever asks."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(50)

        def run():
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(answer)
                    connection.settimeout(2)
                    connection.recv(10000)
        if answer:
            threading.Thread(target=run, daemon=True).start()
        yield sock.getsockname()[1]
        sock.shutdown(socket.SHUT_RDWR)


def test_servers_that_cannot_be_reached(tmp_path):
    """All at once, because each is tried for a while: the server may be starting."""
    config = tmp_path / "callosum.yaml"
    config.write_text("store: postgresql://callosum:wrong-password@callosum.invalid/callosum\n")
    with socket.socket() as reserved, listener() as silent, listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        reserved.bind(("127.0.0.1", 0))  # and nobody listens
        cases = [
            (["--store", "postgresql://callosum.invalid/callosum"], ["callosum.invalid"]),
            (["--store", f"postgresql://127.0.0.1:{reserved.getsockname()[1]}/callosum"], ["127.0.0.1", "refused"]),
            (["--store", f"postgresql://127.0.0.1:{silent}/callosum?connect_timeout=2"], ["127.0.0.1", "time"]),
            (["--store", f"postgresql://127.0.0.1:{web}/callosum?connect_timeout=2&sslmode=disable"], ["127.0.0.1"]),
            (["--store", f"postgresql:///callosum?host={tmp_path}"], [str(tmp_path)]),
            (["--config", str(tmp_path)], ["callosum.invalid"]),
        ]
        started = [subprocess.Popen([PROGRAM, "serve", *options, "--http", "127.0.0.1:0", "--no-mllp"], stderr=subprocess.PIPE, text=True)
                   for options, _ in cases]
        for process, (_, words) in zip(started, cases):
            text = process.communicate(timeout=START_S)[1]
            assert process.returncode == 3 and "wrong-password" not in text, text
            assert all(word in text for word in [*words, "can't be reached"]), text
            assert text.count("waits up to 10 s for the store: ") == 1, text  # before, not when it has given up


def test_what_waiting_does_not_mend(pg, tmp_path):
    """TLS that the server does not have, a certificate that is not there, a setting that is not one: no wait."""
    with listener(b"N") as plain, listener(b"S") as secure:
        tcp = f"postgresql://127.0.0.1:{plain}/callosum"
        for url, words in [
            (f"{tcp}?sslmode=require", ["can't be secured", "SSL was required"]),
            (f"postgresql://127.0.0.1:{secure}/callosum?sslmode=verify-full&sslrootcert={tmp_path}/no.pem", ["can't be secured", "no.pem"]),
            (f"{tcp}?sslmode=nonsense", ["nonsense"]),
            (pg.url() + "&options=-cnonsense%3D1", ["nonsense", "can't be"]),
            (pg.url() + "&options=-cwork_mem%3Dnonsense", ["work_mem", "can't be"]),
            (pg.url() + "&target_session_attrs=nonsense", ["nonsense"]),
        ]:
            started = time.monotonic()
            text = refused(url, *words)
            assert time.monotonic() - started < 5 and "waits up to" not in text, text


def test_a_wrong_password(pg):
    base = f"postgresql:///callosum?host={pg.folder}&user=locked"
    refused(f"{base}&password=wrong-password", "password")
    refused(base, "password")


def test_a_password_is_never_shown(pg):
    pg.sql("CREATE SCHEMA locked AUTHORIZATION locked", "callosum")
    url = f"postgresql://locked:{PASSWORD}@/callosum?host={pg.folder}&options=-csearch_path%3Dlocked"
    with serving(url) as server:
        assert PASSWORD not in server.addresses["store"] and "locked" in server.addresses["store"]
        server.create(patient())
        assert PASSWORD not in server.request("GET", "/api/figures").body.decode()
    assert PASSWORD not in "".join(server.log)
    command_line = subprocess.run([PROGRAM, "query", "--store", url, "Patient"], capture_output=True, text=True)
    assert command_line.returncode == 0 and PASSWORD not in command_line.stderr


def test_a_database_or_a_role_that_is_not_there(pg):
    refused(f"postgresql:///nosuch?host={pg.folder}&user=callosum", "nosuch", "does not exist")
    refused(f"postgresql:///callosum?host={pg.folder}&user=nobody_such", "nobody_such")


def test_a_schema_that_is_not_there(pg):
    refused(pg.url("nosuch"), "schema")


# ---- What is in the database ----

def test_tables_of_another_program_are_left_alone(pg, schema):
    pg.sql(f"SET ROLE callosum; CREATE TABLE {schema}.appointments(id int); INSERT INTO {schema}.appointments VALUES(1)", "callosum")
    refused(pg.url(schema), schema, "another")
    assert tables(pg, schema) == ["appointments"]
    assert pg.sql(f"SELECT count(*) FROM {schema}.appointments", "callosum") == "1"


def test_a_newer_schema_is_left_alone(pg, schema):
    with serving(pg.url(schema)) as server:
        server.create(patient())
    pg.sql(f"UPDATE {schema}.callosum_identity SET version=99; UPDATE {schema}.sequence SET schema=99", "callosum")
    refused(pg.url(schema), "newer")
    refused(pg.url(schema), "newer", command=("query", "Patient"))
    assert pg.sql(f"SELECT version FROM {schema}.callosum_identity", "callosum") == "99"


def test_an_upgrade_by_a_newer_program_stops_the_writes_of_this_one(pg, schema):
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        pg.sql(f"UPDATE {schema}.sequence SET schema=99; UPDATE {schema}.callosum_identity SET version=99", "callosum")
        answer = server.fhir("POST", "Patient", patient())
        assert answer.status >= 500 and "the log of the server says why" in answer.issue_text(), answer.body
        wait_for(lambda: any("newer" in line for line in server.log))
        assert pg.sql(f"SELECT count(*) FROM {schema}.resource", "callosum") == "1"
        assert server.fhir("GET", f"Patient/{made['id']}").status in (200, 500, 503)


def test_a_process_that_is_too_old_gives_up_what_it_holds(pg, schema, tmp_path):
    """It can't write, not even that it is alive: so the newer program takes over its work, and its log says why, and `/healthz` that it is so."""
    (tmp_path / "callosum.yaml").write_text("leaseSeconds: 2\n")
    with serving(pg.url(schema), "--config", str(tmp_path)) as server:
        end = time.monotonic() + 30
        while pg.sql(f"SELECT count(*) FROM {schema}.lease", "callosum") == "0":
            assert time.monotonic() < end
            time.sleep(0.1)
        pg.sql(f"UPDATE {schema}.sequence SET schema=99; UPDATE {schema}.callosum_identity SET version=99", "callosum")
        time.sleep(1)
        before = pg.sql(f"SELECT seen,(SELECT max(until) FROM {schema}.lease) FROM {schema}.process", "callosum")
        time.sleep(3)
        assert pg.sql(f"SELECT seen,(SELECT max(until) FROM {schema}.lease) FROM {schema}.process", "callosum") == before
        assert int(before.split("|")[1]) < time.time() * 1e6
        answer = server.request("GET", "/healthz")
        assert answer.status == 503, answer.body  # why, is in the log
        assert any("A newer Callosum has upgraded the store" in line for line in server.log), server.log


def test_an_identity_of_another_application(pg, schema):
    pg.sql(f"SET ROLE callosum; CREATE TABLE {schema}.callosum_identity(application bigint, version bigint);"
           f"INSERT INTO {schema}.callosum_identity VALUES(1,1)", "callosum")
    refused(pg.url(schema), "another")


# ---- Rights ----

def test_no_right_to_create_tables(pg, schema):
    pg.sql("DROP ROLE IF EXISTS visitor; CREATE ROLE visitor LOGIN")
    pg.sql(f"GRANT USAGE ON SCHEMA {schema} TO visitor", "callosum")
    refused(pg.url(schema, user="visitor"), "permission", schema)
    assert tables(pg, schema) == []


def test_a_role_that_may_only_read(pg, schema):
    """It can't serve, and says so; it can be asked."""
    with serving(pg.url(schema)) as server:
        server.create(patient("Readable"))
    pg.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    pg.sql(f"GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader", "callosum")
    url = pg.url(schema, user="reader")
    refused(url, "permission")
    done = subprocess.run([PROGRAM, "query", "--store", url, "Patient?family=readable"], capture_output=True, text=True, timeout=START_S)
    assert done.returncode == 0 and "Readable" in done.stdout, done
    pg.sql(f"DROP OWNED BY reader", "callosum")


def test_a_right_that_is_taken_away_while_it_runs(pg, schema):
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        pg.sql(f"REVOKE INSERT ON {schema}.token FROM callosum", "callosum")
        answer = server.fhir("POST", "Patient", patient("Refused"))
        assert answer.status == 500 and "the log of the server says why" in answer.issue_text(), answer.body
        wait_for(lambda: any("permission" in line for line in server.log))
        assert server.fhir("GET", f"Patient/{made['id']}").status == 200
        pg.sql(f"GRANT INSERT ON {schema}.token TO callosum", "callosum")
        server.create(patient("Accepted"))
        assert server.fhir("GET", "Patient?_summary=count").json["total"] == 2


# ---- The server's condition ----

def message(kind, body):
    """Of the protocol of PostgreSQL, version 3."""
    return kind + struct.pack("!I", len(body) + 4) + body


def test_a_server_that_is_too_old():
    parameters = {"server_version": "13.4", "client_encoding": "UTF8", "in_hot_standby": "off", "default_transaction_read_only": "off"}
    greeting = message(b"R", struct.pack("!I", 0))
    greeting += b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items())
    with listener(greeting + message(b"Z", b"I")) as port:
        refused(f"postgresql://127.0.0.1:{port}/callosum?sslmode=disable&gssencmode=disable", "13", "15")


def test_too_many_connections_at_the_start(pg, schema):
    pg.sql("ALTER ROLE callosum CONNECTION LIMIT 2")
    try:
        refused(pg.url(schema), "no connection left")
    finally:
        pg.sql("ALTER ROLE callosum CONNECTION LIMIT -1")
    with serving(pg.url(schema)) as server:
        server.create(patient())


def test_too_many_connections_when_a_lost_one_is_to_be_made_again(pg, schema):
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        pg.sql("ALTER ROLE callosum CONNECTION LIMIT 0")
        try:
            terminate(pg, backends(pg))
            answer = server.fhir("GET", f"Patient/{made['id']}")
            assert answer.status == 503 and "connection" in answer.issue_text(), answer.body
        finally:
            pg.sql("ALTER ROLE callosum CONNECTION LIMIT -1")
        wait_for(lambda: server.fhir("GET", f"Patient/{made['id']}").status == 200)
        server.create(patient())


def small_disk(folder, size):
    """A file system of its own, or None where that may not be mounted."""
    os.makedirs(folder)
    if os.geteuid() != 0 or not shutil.which("mount"):
        return None
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    return folder if done.returncode == 0 else None


def test_a_full_disk(pg, schema):
    folder = os.path.join(pg.folder, "small")
    if not small_disk(folder, "40m"):
        pytest.skip("a small file system can't be mounted here")
    try:
        shutil.chown(folder, pg.user.pw_uid, pg.user.pw_gid)
        pg.sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
        pg.sql("GRANT CREATE ON TABLESPACE small TO callosum")
        with serving(pg.url(schema) + "%20-cdefault_tablespace%3Dsmall") as server:
            made = server.create(patient())
            ballast = os.path.join(folder, "ballast")
            with open(ballast, "wb") as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            answer = fill(server)
            assert answer.status == 507 and "space" in answer.issue_text().lower(), answer.body
            assert server.fhir("GET", f"Patient/{made['id']}").status == 200
            os.unlink(ballast)
            assert wait_for(lambda: server.fhir("POST", "Patient", patient("After")).status == 201)
            assert server.fhir("GET", "Patient?family=after&_summary=count").json["total"] == 1
        pg.sql(f"DROP SCHEMA {schema} CASCADE", "callosum")
        pg.sql("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)


def fill(server):
    """Writes until one is refused: its answer."""
    for i in range(200):
        answer = server.fhir("POST", "", bundle("transaction", *[
            entry("POST", "Observation", observation("Patient/1", value=k, note=[{"text": os.urandom(900).hex()}])) for k in range(100)]))
        if answer.status != 200:
            return answer
    raise AssertionError("the disk does not become full")


# ---- A server that goes away ----

def terminate(pg, pids):
    if pids:
        pg.sql("SELECT " + ",".join(f"pg_terminate_backend({pid})" for pid in pids))


def wait_for(what, seconds=40):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if what():
                return True
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s")


class Writer(threading.Thread):
    """Creates Patients one after the other, each with its own identifier; keeps what became of each."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.name, self.is_over = server, name, False
        self.created, self.refused, self.unknown = [], [], []

    def run(self):
        serial = 0
        while not self.is_over:
            serial += 1
            key = f"{self.name}-{serial}"
            try:
                answer = self.server.fhir("POST", "Patient", patient(identifier=[{"system": "urn:test", "value": key}]))
                (self.created if answer.status == 201 else self.refused if answer.status == 503 else self.unknown).append((key, answer))
            except OSError as fault:
                self.unknown.append((key, fault))


@contextlib.contextmanager
def writers(server, n=4):
    threads = [Writer(server, f"w{i}") for i in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.is_over = True
        for thread in threads:
            thread.join(90)
            assert not thread.is_alive()


def count(server, key):
    return server.fhir("GET", f"Patient?identifier=urn:test%7C{key}&_summary=count").json["total"]


def check(server, threads):
    """What was answered 201 is there once; what was answered 503 is not there; nothing is there twice."""
    assert sum(len(thread.created) for thread in threads) > 0
    for thread in threads:
        assert not [answer for _, answer in thread.unknown], thread.unknown[:2]
        assert all(count(server, key) == 1 for key, _ in thread.created)
        assert all(count(server, key) == 0 for key, _ in thread.refused)


def test_connections_that_break_under_load(pg, schema):
    with serving(pg.url(schema)) as server:
        with writers(server) as threads:
            for _ in range(15):
                time.sleep(0.2)
                terminate(pg, backends(pg))
        check(server, threads)


def test_a_backend_that_crashes_takes_the_others_along(pg, schema):
    """PostgreSQL ends all connections and recovers; the program waits for it."""
    with serving(pg.url(schema)) as server:
        with writers(server) as threads:
            time.sleep(0.5)
            os.kill(backends(pg)[0], signal.SIGKILL)
            time.sleep(3)
            before = sum(len(thread.created) for thread in threads)
            time.sleep(2)
            assert sum(len(thread.created) for thread in threads) > before, "it goes on"
        check(server, threads)


def test_a_server_that_restarts_under_load(pg, schema):
    with serving(pg.url(schema)) as server:
        with writers(server) as threads:
            for mode in ("fast", "immediate", "kill"):
                time.sleep(0.5)
                pg.restart(mode)
            time.sleep(2)
        check(server, threads)


def test_a_server_that_stays_away(pg, schema):
    """Writes are refused in bounded time and nothing of them is written; it comes back, and no restart is needed."""
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        pg.stop("fast")
        try:
            started = time.monotonic()
            answer = server.fhir("GET", f"Patient/{made['id']}")
            assert answer.status == 503 and answer.issues()[0][1] == "transient", answer.body
            answer = server.fhir("POST", "Patient", patient("Lost"))
            assert answer.status == 503, answer.body
            assert time.monotonic() - started < 60
            with concurrent.futures.ThreadPoolExecutor(20) as clients:  # not one after another, each with its own wait
                started = time.monotonic()
                answers = list(clients.map(lambda n: server.fhir("GET", f"Patient?family={n}"), range(60)))
                assert all(answer.status == 503 and answer.headers["retry-after"] for answer in answers)
                assert server.fhir("GET", "metadata").status == 200
                assert time.monotonic() - started < 20, "they waited in a line"
        finally:
            pg.start()
        wait_for(lambda: server.fhir("GET", f"Patient/{made['id']}").status == 200)
        server.create(patient("Kept"))
        assert server.fhir("GET", "Patient?_summary=count").json["total"] == 2


def test_a_client_is_not_told_where_the_store_is(pg, schema):
    """Neither server, login nor database: what to do. The log tells the reason, not for each request."""
    url = pg.url(schema)
    words = [pg.folder, "postgresql://", "callosum@", "user=", "socket", schema, "PGSQL"]
    with serving(url) as server:
        server.create(patient())
        pg.stop("fast")
        try:
            answers = [server.fhir("GET", "Patient/1"), server.fhir("GET", "Patient?family=A"), server.fhir("GET", "$graphql?query={PatientList{id}}"),
                       server.fhir("POST", "", bundle("batch", entry("GET", "Patient/1"))),
                       server.request("GET", "/api/store"), server.request("GET", "/api/messages")]
            answers += [server.fhir("GET", f"Patient?family={n}") for n in range(20)]
            wait_for(lambda: server.request("GET", "/healthz").status == 503, 5)
            answers.append(server.request("GET", "/healthz"))
            for answer in answers:
                text = answer.body.decode()
                assert "can't be reached at the moment; ask again in" in text, text
                assert not [word for word in words if word in text], text
            for answer in answers[0], answers[1], answers[4], answers[-1]:
                assert answer.status == 503
                assert f"ask again in {answer.headers['retry-after']} seconds" in answer.body.decode()
            reply = send(server, ADMISSION)
            assert "MSA|AE" in reply and "can't be reached at the moment" in reply and not [word for word in words if word in reply], reply
        finally:
            pg.start()
        wait_for(lambda: server.request("GET", "/healthz").status == 200)
    reasons = [line for line in server.log if pg.folder in line]
    assert 1 <= len(reasons) <= 4, reasons
    assert any("can't be reached: " in line for line in reasons), reasons


def test_what_needs_no_store_waits_for_none(pg, schema):
    """The server hangs (it is stopped, not gone): searches and reads hold every thread that asks it."""
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        stopped = backends(pg)
        with concurrent.futures.ThreadPoolExecutor(60) as clients:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                waiting = [clients.submit(server.fhir, "GET", path) for n in range(15)
                           for path in (f"Patient/{made['id']}", f"Patient?family={n}", f"Patient/{made['id']}/_history")]
                waiting += [clients.submit(server.fhir, "POST", "Patient", patient(f"Waits{n}")) for n in range(5)]
                time.sleep(1)
                assert sum(future.done() for future in waiting) < len(waiting), "they wait"
                slowest = 0
                for _ in range(40):
                    started = time.monotonic()
                    assert server.fhir("GET", "metadata").status == 200
                    health = server.request("GET", "/healthz").status
                    assert health in (200, 503)
                    slowest = max(slowest, time.monotonic() - started)
                    time.sleep(0.2)
                assert slowest < 3, slowest
                assert health == 503
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            assert {future.result(60).status for future in waiting} <= {200, 201, 503, 403}
        wait_for(lambda: server.request("GET", "/healthz").status == 200)


def test_it_ends_soon_though_the_server_is_away(pg, schema):
    with serving(pg.url(schema)) as server:
        server.create(patient())
        pg.stop("fast")
        try:
            started = time.monotonic()
            assert server.stop(60) == 0
            assert time.monotonic() - started < 25
        finally:
            pg.start()


def test_a_server_that_comes_after_the_program(pg, schema):
    """Both are started by the same boot of a machine, in any order."""
    pg.stop("fast")
    try:
        process = subprocess.Popen([PROGRAM, "serve", "--store", pg.url(schema), "--http", "127.0.0.1:0", "--no-mllp"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
    finally:
        pg.start()
    try:
        assert process.poll() is None, process.stderr.read()
        assert "http" in process.stdout.readline()
    finally:
        process.terminate()
        process.wait(20)


def test_a_server_that_stands_still(pg, schema):
    """Stopped by SIGSTOP in the middle of its work: what was asked waits, and goes on with it."""
    with serving(pg.url(schema)) as server:
        server.create(patient())
        with writers(server, 2) as threads:
            time.sleep(0.3)
            stopped = backends(pg)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(2)
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            time.sleep(1)
        check(server, threads)


def test_connections_that_break_between_pages(pg, schema):
    """The next page needs nothing of the connection that gave the first."""
    with serving(pg.url(schema)) as server:
        server.fhir("POST", "", bundle("batch", *[entry("POST", "Patient", patient(f"Page{i:02}")) for i in range(30)]))
        seen, path = [], "Patient?_count=7&_sort=family"
        while path:
            answer = server.fhir("GET", path)
            assert answer.status == 200, answer.body
            seen += [e["resource"]["name"][0]["family"] for e in answer.json["entry"]]
            path = next((link["url"].split("/fhir/")[1] for link in answer.json["link"] if link["relation"] == "next"), None)
            terminate(pg, backends(pg))
        assert seen == [f"Page{i:02}" for i in range(30)]


def test_connections_that_break_during_searches(pg, schema):
    """A search that is cut off is answered 503, or is asked again; none is answered with a part."""
    with serving(pg.url(schema)) as server:
        server.fhir("POST", "", bundle("batch", *[entry("POST", "Patient", patient(f"Part{i:02}")) for i in range(50)]))
        answers, is_over = [], threading.Event()

        def search():
            while not is_over.is_set():
                answers.append(server.fhir("GET", "Patient?_count=100&name=part"))
        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            time.sleep(0.1)
            terminate(pg, backends(pg))
        is_over.set()
        for thread in threads:
            thread.join(30)
        assert {answer.status for answer in answers} <= {200, 503}, {answer.status for answer in answers}
        assert {len(answer.json["entry"]) for answer in answers if answer.status == 200} == {50}
        assert server.fhir("GET", "Patient?name=part&_summary=count").json["total"] == 50


def test_a_statement_timeout_of_the_role(pg, schema):
    """A site's limit that is shorter than a statement takes is told as such."""
    with serving(pg.url(schema)) as server:
        made = server.create(patient())
        pg.sql(f"ALTER ROLE callosum SET statement_timeout='300ms'")
        try:
            terminate(pg, backends(pg))  # the next connections have it
            lock = subprocess.Popen([os.path.join(pg.binaries, "psql"), "-XAtq", "-d", pg.url(schema, user="postgres"), "-c",
                                     f"BEGIN; LOCK TABLE {schema}.resource, {schema}.identity; SELECT pg_sleep(3)"])
            time.sleep(0.5)
            answer = server.fhir("GET", f"Patient/{made['id']}")
            assert answer.status == 503 and "statement_timeout" in answer.issue_text().replace(" ", "_"), answer.body
            lock.wait(20)
        finally:
            pg.sql("ALTER ROLE callosum RESET statement_timeout")
        terminate(pg, backends(pg))
        wait_for(lambda: server.fhir("GET", f"Patient/{made['id']}").status == 200)
