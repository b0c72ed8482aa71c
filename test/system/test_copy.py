"""callosum copy: a store moves between a file and PostgreSQL, there and back, whatever interrupts it; PostgreSQL's own backups."""
import glob
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import postgres
from client import PROGRAM, Server, bundle, entry, patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYNTHEA = ROOT / "../shared/data/synthea/synthea-r4-bundles.ndjson.zst"
SAMPLES = ROOT / "../shared/data/hl7v2-samples"

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="no PostgreSQL server is installed")

# What both stores must answer alike, later pages and explanations included.
QUESTIONS = [
    "Patient?_count=5&_sort=birthdate", "Patient?_count=3&_total=accurate", "Observation?_count=7&_sort=-date", "_history?_count=20",
    "Patient/_history?_count=9", "Patient?marital=M&_count=50&_sort=_id", "Patient?_content=town&_sort=_id", "Encounter?_count=5",
    "Patient/kept", "Patient/kept/_history", "Patient/gone/_history", "Patient?identifier=urn:kept|7&_include=*&_revinclude=*",
    "Patient/kept/$explain", "SearchParameter?_count=5",
]


def run(*arguments, timeout=240):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def report_of(done):
    """table -> (rows, checksum, equal) of a printed report."""
    found = re.findall(r"^(\w+) +(\d+)  ([0-9a-f]{32})  (yes|NO.*)$", done.stdout, re.M)
    return {table: (int(rows), checksum, equal == "yes") for table, rows, checksum, equal in found}


def assert_equal_stores(one, other):
    done = run("copy", "--verify-only", one, other)
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(done)
    assert report and all(equal for _, _, equal in report.values())
    return report


@pytest.fixture(scope="module")
def cluster():
    with postgres.Cluster() as started:
        yield started


def wait_until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def send_samples(server, folder):
    """Messages of v2: made ones, and the public samples where they are."""
    assert run("simulate", "--out", folder / "messages", "--count", 150, "--seed", 7).returncode == 0
    paths = glob.glob(f"{folder}/messages/*.hl7") + (sorted(glob.glob(f"{SAMPLES}/*.hl7")) if SAMPLES.is_dir() else [])
    done = run("send", "--port", server.mllp_port, "--quiet", *paths)
    assert done.returncode in (0, 1), done.stderr


def write_history(server):
    """Versions, deletions, a search parameter of the site, words."""
    marital = {"resourceType": "SearchParameter", "url": "http://example.org/marital", "name": "marital", "status": "active",
               "description": "x", "code": "marital", "base": ["Patient"], "type": "token", "expression": "Patient.maritalStatus"}
    assert server.fhir("POST", "SearchParameter", marital).status == 201
    people = [patient(f"Family{i % 7}", id=f"p{i}", birthDate=f"19{i % 90 + 10}-01-01", address=[{"city": f"Town {i}"}],
                      maritalStatus={"coding": [{"code": "M" if i % 3 else "S"}]}) for i in range(120)]
    assert server.fhir("POST", "", bundle("batch", *[entry("PUT", f"Patient/{p['id']}", p) for p in people])).status == 200
    for version in range(3):
        kept = patient("Kept", id="kept", identifier=[{"system": "urn:kept", "value": "7"}], birthDate=f"197{version}-02-03")
        assert server.fhir("PUT", "Patient/kept", kept).status in (200, 201)
    assert server.fhir("PUT", "Patient/gone", patient("Gone", id="gone")).status == 201
    assert server.fhir("DELETE", "Patient/gone").status == 204
    for number in range(40, 60):
        assert server.fhir("DELETE", f"Patient/p{number}").status == 204
    wait_until(lambda: server.fhir("GET", "Patient?marital=M").status == 200)
    wait_until(lambda: server.fhir("GET", "Patient?_content=town&_summary=count").json.get("total", 0) > 50)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A store in a file with something in every kind of table."""
    folder = tmp_path_factory.mktemp("source")
    path = folder / "callosum.db"
    if SYNTHEA.is_file():
        lines = subprocess.run(f"zstd -dc '{SYNTHEA}' | head -12", shell=True, capture_output=True, timeout=60).stdout
        (folder / "synthea.ndjson").write_bytes(lines)
        assert run("import", "--store", path, folder / "synthea.ndjson").returncode == 0
    server = Server(path)
    try:
        send_samples(server, folder)
        write_history(server)
        time.sleep(4)  # the index of words has caught up
    finally:
        code = server.stop()
    assert code == 0
    return path


def answers(store, questions=QUESTIONS):
    """What a server over the store says to each question and, where there are more, on the pages behind it."""
    server = Server(store)
    try:
        assert "http" in server.addresses, server.log
        found = []
        for question in questions:
            for _ in range(4):
                answer = server.fhir("GET", question)
                text = answer.body.decode().replace(f":{server.port}/", ":0/")
                # A bundle has an id of its own, and says when it was made.
                text = re.sub(r'^{"resourceType":"Bundle","id":"[^"]*"(,"meta":{"lastUpdated":"[^"]*"})?', "", text)
                found.append((question, answer.status, text))
                links = answer.json.get("link", []) if answer.status == 200 else []
                following = [link["url"] for link in links if link.get("relation") == "next"]
                if not following:
                    break
                question = following[0].split("/fhir/", 1)[-1].removeprefix("/")
        return found
    finally:
        assert server.stop() == 0


def test_there_and_back_is_equal_and_answers_alike(cluster, source, tmp_path):
    url = cluster.new_schema("there")
    back = tmp_path / "back.db"
    done = run("copy", source, url)
    assert done.returncode == 0, done.stdout + done.stderr
    there = report_of(done)
    for table in ("resource", "version", "token", "string", "date", "quantity", "reference", "message", "message_seen", "message_word",
                  "lineage", "audit", "event", "text", "param", "dictionary", "sequence", "store", "vocabulary"):
        assert there[table][0] > 0, table
    done = run("copy", url, back)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report_of(done) == there == assert_equal_stores(source, back)
    expected = answers(back)
    assert any(status == 200 and '"next"' in text for _, status, text in expected)
    for one, other in zip(expected, answers(url), strict=True):
        if "$explain" not in one[0]:  # which tells plans of the engine
            assert one == other


def test_what_was_copied_goes_on(cluster, source):
    """The next numbers follow those of the source, and both still differ by just that."""
    url = cluster.new_schema("goes_on")
    assert run("copy", "--quiet", source, url).returncode == 0
    server = Server(url)
    try:
        updated = server.fhir("PUT", "Patient/kept", patient("Later", id="kept"))
        assert updated.status == 200 and updated.json["meta"]["versionId"] == "4"
        message = next(pathlib.Path(source).parent.glob("messages/*.hl7"))
        sent = run("send", "--port", server.mllp_port, message)
        assert sent.returncode == 0 and sent.stdout.startswith("AA")  # seen before: no second effect
    finally:
        assert server.stop() == 0
    done = run("copy", "--verify-only", source, url)
    assert done.returncode == 1
    report = report_of(done)
    assert report["message"][2] and report["lineage"][2] and not report["resource"][2] and not report["version"][2]


@pytest.mark.parametrize("to_server", [True, False])
def test_copy_survives_being_killed_at_any_point(cluster, source, tmp_path, to_server):
    schema = f"killed_{int(to_server)}"
    url, seed = cluster.new_schema(schema), random.randrange(1 << 30)
    source_of, target = (source, url) if to_server else (url, tmp_path / "target.db")
    if not to_server:
        assert run("copy", "--quiet", source, url).returncode == 0
    print("seed", seed)
    chance, killed, delay = random.Random(seed), 0, 0.05
    for _ in range(60):
        process = subprocess.Popen([PROGRAM, "copy", str(source_of), str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            _, err = process.communicate(timeout=chance.uniform(0, delay))
            if process.returncode == 0 or "content of its own" in err:
                break  # it is complete, be it by one that was killed at its very end
            assert "Another process" in err or "unfinished" in err, err
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
            delay *= 1.1
    else:
        pytest.fail("it does not come to its end")
    assert killed >= 3
    assert_equal_stores(source, target)


@pytest.mark.parametrize("to_server", [True, False])
def test_copy_survives_lost_connections(cluster, source, tmp_path, to_server):
    """A target's connection is made again; without the source's snapshot the copy ends, and goes on when it is called again."""
    url = cluster.new_schema(f"lost_{int(to_server)}")
    one, other = (source, url) if to_server else (url, tmp_path / "target.db")
    if not to_server:
        assert run("copy", "--quiet", source, url).returncode == 0
    broken, tries = 0, 0
    while tries < 30:
        tries += 1
        process = subprocess.Popen([PROGRAM, "copy", "--quiet", str(one), str(other)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while broken < 12 and process.poll() is None:
            time.sleep(0.15)
            broken += int(cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename='callosum'"))
        _, err = process.communicate(timeout=120)
        if process.returncode == 0 or "content of its own" in err:
            break
        assert process.returncode == 3 and "content" not in err, err
    assert broken > 0
    assert_equal_stores(source, other)


def kill_after_begin(cluster, schema, *arguments):
    """Starts a copy into an empty schema, and kills it when it has begun."""
    process = subprocess.Popen([PROGRAM, "copy", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for what in (f"pg_tables WHERE schemaname='{schema}' AND tablename='store'", f"{schema}.store WHERE name='copy'"):
            wait_until(lambda: cluster.sql(f"SELECT count(*) FROM {what}", database="callosum") == "1")
    finally:
        process.kill()
        process.wait()


def test_nobody_serves_from_a_copy_that_is_not_finished(cluster, source):
    url = cluster.new_schema("unfinished")
    kill_after_begin(cluster, "unfinished", source, url)
    done = run("serve", "--store", url, "--http", "127.0.0.1:0", "--no-mllp", timeout=30)
    assert done.returncode == 3 and "unfinished copy" in done.stderr
    done = run("copy", url, "postgresql:///absent?host=/nowhere")
    assert done.returncode == 3 and "unfinished copy" in done.stderr
    assert run("copy", "--quiet", source, url).returncode == 0
    assert_equal_stores(source, url)


def test_a_store_that_is_served_is_not_moved(cluster, source, tmp_path):
    url = cluster.new_schema("served")
    assert run("copy", "--quiet", source, url).returncode == 0
    server = Server(url)
    try:
        done = run("copy", url, tmp_path / "no.db")
        assert done.returncode == 3 and "at work" in done.stderr, done.stderr
        assert not (tmp_path / "no.db").exists()
    finally:
        assert server.stop() == 0
    done = run("copy", "--quiet", url, tmp_path / "yes.db")
    assert done.returncode == 0, done.stderr
    assert_equal_stores(source, tmp_path / "yes.db")


def test_a_source_that_changes_makes_no_store(cluster, source, tmp_path):
    mine, url = tmp_path / "mine.db", cluster.new_schema("changes")
    shutil.copy(source, mine)
    kill_after_begin(cluster, "changes", mine, url)
    server = Server(mine)
    server.create(patient())
    assert server.stop() == 0
    done = run("copy", mine, url)
    assert done.returncode == 3 and "has changed since" in done.stderr


def test_tables_made_by_hand_and_a_role_that_only_writes_rows(cluster, source):
    url = cluster.new_schema("by_hand")
    script = run("schema", "--postgresql").stdout
    done = subprocess.run([os.path.join(cluster.binaries, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", url], input=script,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    cluster.sql("CREATE ROLE writer LOGIN")
    cluster.sql("GRANT USAGE ON SCHEMA by_hand TO writer;"
                " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA by_hand TO writer", database="callosum")
    lesser = cluster.url("by_hand", user="writer")
    done = run("copy", "--quiet", source, lesser)
    assert done.returncode == 0, done.stderr
    server = Server(lesser)
    try:
        server.create(patient())
    finally:
        assert server.stop() == 0


def test_statements_for_sqlite_make_the_same_store(source, tmp_path):
    script = run("schema", "--sqlite").stdout
    file = sqlite3.connect(tmp_path / "made.db", isolation_level=None)
    file.executescript(script)
    file.close()
    assert run("copy", "--quiet", source, tmp_path / "made.db").returncode == 0
    assert run("schema", "--sqlite", "--citus").returncode == 2


@pytest.mark.parametrize("arguments, code, text", [
    ([], 2, "name two stores"), (["a.db"], 2, "name two stores"), (["--fast", "a", "b"], 2, "not known"),
    (["absent.db", "b.db"], 3, "There is no store absent.db"), (["a", "postgresql://%zz"], 3, ""),
    (["postgresql:///callosum?host=/nowhere", "b.db"], 3, "/nowhere"),
])
def test_what_is_wrong_is_told(tmp_path, arguments, code, text):
    done = subprocess.run([PROGRAM, "copy", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == code and text in done.stderr, done.stderr
    assert not (tmp_path / "b.db").exists()


# ---- PostgreSQL's own tools, as docs/moving.md tells ----

def as_server(cluster, name, *arguments):
    return subprocess.run([*cluster.as_user(), os.path.join(cluster.binaries, name), *arguments], capture_output=True, text=True,
                          cwd="/", timeout=120)


@pytest.fixture(scope="module")
def kept(cluster, source):
    """The store in the schema `public` of a database of its own."""
    cluster.sql("CREATE DATABASE kept OWNER callosum")
    url = cluster.url(database="kept")
    assert run("copy", "--quiet", source, url).returncode == 0
    return url


def test_pg_dump_and_pg_restore(cluster, kept):
    dump = os.path.join(cluster.folder, "callosum.dump")
    server = Server(kept)  # it is taken while the store is served
    try:
        done = as_server(cluster, "pg_dump", "--format=custom", f"--file={dump}", kept)
    finally:
        assert server.stop() == 0
    assert done.returncode == 0, done.stderr
    cluster.sql("CREATE DATABASE restored OWNER callosum")
    restored = cluster.url(database="restored")
    done = as_server(cluster, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored}", dump)
    assert done.returncode == 0, done.stderr
    assert_equal_stores(kept, restored)
    server = Server(restored)
    try:
        assert server.fhir("GET", "Patient/kept").json["meta"]["versionId"] == "3"
        server.create(patient())
    finally:
        assert server.stop() == 0


@pytest.fixture
def base(cluster):
    """A folder for a second cluster."""
    folder = cluster.folder + "-base"
    os.makedirs(f"{folder}/archive")
    for path in (folder, f"{folder}/archive"):
        if cluster.user:
            os.chown(path, cluster.user.pw_uid, cluster.user.pw_gid)
        os.chmod(path, 0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def back_up_base(cluster, folder):
    done = as_server(cluster, "pg_basebackup", "-h", cluster.folder, "-U", "postgres", "-D", f"{folder}/data", "--checkpoint=fast")
    assert done.returncode == 0, done.stderr
    assert as_server(cluster, "pg_verifybackup", f"{folder}/data").returncode == 0


class Restored:
    """A running cluster over a base backup."""

    def __init__(self, folder, *settings):
        with open(f"{folder}/data/postgresql.conf", "a") as conf:
            conf.write("\n".join([f"unix_socket_directories = '{folder}'", *settings, ""]))
        self.cluster = postgres.Cluster(folder)

    def __enter__(self):
        self.cluster.start()
        return self.cluster

    def __exit__(self, *_):
        self.cluster.stop("immediate")


def test_pg_basebackup(cluster, kept, base):
    back_up_base(cluster, base)
    with Restored(base) as other:
        restored = other.url(database="kept")
        assert_equal_stores(kept, restored)
        server = Server(restored)
        try:
            assert server.fhir("GET", "Patient/kept").status == 200
            server.create(patient())
        finally:
            assert server.stop() == 0


def test_back_to_a_point_in_time(cluster, kept, base):
    """From the base backup and the archive: what was written before the point is there, what came after is not."""
    archive = f"{base}/archive"
    cluster.sql("ALTER SYSTEM SET archive_mode = on")
    cluster.sql(f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")
    cluster.restart()
    back_up_base(cluster, base)
    server = Server(kept)
    try:
        before = server.create(patient("Before"))["id"]
        cluster.sql("SELECT pg_create_restore_point('before_the_mistake')")
        after = server.create(patient("After"))["id"]
    finally:
        assert server.stop() == 0
    segment = cluster.sql("SELECT pg_walfile_name(pg_switch_wal())")
    wait_until(lambda: os.path.exists(f"{archive}/{segment}"))
    cluster.sql("ALTER SYSTEM RESET ALL")
    subprocess.run([*cluster.as_user(), "touch", f"{base}/data/recovery.signal"], check=True)
    with open(f"{base}/data/postgresql.auto.conf", "w"):
        pass  # the archive belongs to the first one
    with Restored(base, f"restore_command = 'cp {archive}/%f %p'", "recovery_target_name = 'before_the_mistake'",
                  "recovery_target_action = 'promote'") as other:
        wait_until(lambda: other.sql("SELECT pg_is_in_recovery()") == "f")
        server = Server(other.url(database="kept"))
        try:
            assert server.fhir("GET", f"Patient/{before}").status == 200
            assert server.fhir("GET", f"Patient/{after}").status == 404
            server.create(patient())
        finally:
            assert server.stop() == 0
