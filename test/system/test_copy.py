"""callosum copy: a store moves between a file and PostgreSQL, there and back, whatever interrupts it; PostgreSQL's own backups."""
import glob
import json
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


def test_who_is_at_work_shows_it_however_long_its_lease(cluster, source, tmp_path):
    url, configuration = cluster.new_schema("long_lease"), tmp_path / "callosum.d"
    configuration.mkdir()
    (configuration / "callosum.yaml").write_text("leaseSeconds: 3600\n")
    server = Server(url, "--config", str(configuration))
    try:
        cluster.sql("UPDATE long_lease.process SET seen=seen-70000000", database="callosum")
        wait_until(lambda: "at work" in run("copy", url, tmp_path / "no.db").stderr, seconds=25)
    finally:
        assert server.stop() == 0


def test_who_is_at_work_is_told_by_the_servers_clock(cluster, source, tmp_path):
    url = cluster.new_schema("seen")
    assert run("copy", "--quiet", source, url).returncode == 0
    for ago, is_at_work in ((55, True), (-600, True), (65, False)):
        cluster.sql("DELETE FROM seen.process; INSERT INTO seen.process SELECT 1,'x',0,"
                    f"extract(epoch FROM clock_timestamp()-interval '{ago} s')*1000000,''", database="callosum")
        done = run("copy", "--quiet", url, tmp_path / f"{ago}.db")
        assert ("at work" in done.stderr) == is_at_work and done.returncode == (3 if is_at_work else 0), done.stderr


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


def refused(one, other, *texts, **more):
    done = run("copy", one, other, **more)
    assert done.returncode == 3 and all(text in done.stderr for text in texts), done.stderr
    return done


def test_a_store_in_a_file_is_not_copied_onto_itself_under_another_name(source, tmp_path):
    mine = tmp_path / "mine.db"
    shutil.copy(source, mine)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to("mine.db")
    (tmp_path / "again.db").symlink_to(tmp_path / "link.db")
    os.link(mine, tmp_path / "hard.db")
    before = mine.read_bytes()
    for name in ("mine.db", "link.db", "again.db", "hard.db", "folder/../mine.db"):
        refused(mine, tmp_path / name, "the same store")
        refused(tmp_path / name, mine, "the same store")
    assert mine.read_bytes() == before


def test_a_store_in_a_server_is_not_copied_onto_itself_under_another_name(cluster):
    """Even where it has no content that would be in the way."""
    url = cluster.new_schema("itself")
    assert Server(url).stop() == 0
    host, port = cluster.folder, cluster.sql("SHOW port")
    for other in (url, url.replace("postgresql:", "postgres:"), url + "&application_name=other", cluster.url("itself", user="postgres"),
                  f"postgresql:///callosum?port={port}&host={host}&user=callosum&options=-c%20search_path%3Ditself,public"):
        refused(url, other, "the same store")
        refused(other, url, "the same store")
    assert cluster.sql("SELECT count(*) FROM itself.store WHERE name='key'", database="callosum") == "1"
    assert cluster.sql("SELECT count(*) FROM itself.store WHERE name='copy'", database="callosum") == "0"
    other = cluster.new_schema("not_itself")
    assert run("copy", "--quiet", url, other).returncode == 0
    assert_equal_stores(url, other)


def test_a_source_in_a_server_that_is_written_to_meanwhile_makes_no_store(cluster, source):
    """The copy reads one snapshot; at its end it finds that there is more by now, or that somebody may go on."""
    url, to = cluster.new_schema("written"), cluster.new_schema("written_to")
    assert run("copy", "--quiet", source, url).returncode == 0
    for writes, text in ((False, "at work on"), (True, "was written to while it was copied")):
        copy = subprocess.Popen([PROGRAM, "copy", url, to], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_tables WHERE schemaname='written_to' AND tablename='store'",
                                       database="callosum") == "1")
        copy.send_signal(signal.SIGSTOP)
        server = Server(url)
        try:
            if writes:
                server.create(patient())
                assert server.stop() == 0
            copy.send_signal(signal.SIGCONT)
            _, err = copy.communicate(timeout=120)
        finally:
            copy.send_signal(signal.SIGCONT)
            server.stop()
        assert copy.returncode == 3 and text in err, err
        done = run("serve", "--store", to, "--http", "127.0.0.1:0", "--no-mllp", timeout=30)
        assert done.returncode == 3 and "unfinished copy" in done.stderr
        cluster.sql("DELETE FROM written.process", database="callosum")  # as after a minute
        if not writes:  # nothing has changed: the same copy may still come to its end, but begins again here
            to = cluster.new_schema("written_to")


def shrink(limit):
    def small():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return small


def test_a_full_disk_under_the_target_file_is_told_and_gone_on_behind(cluster, source, tmp_path):
    url, to = cluster.new_schema("full_file"), tmp_path / "to.db"
    assert run("copy", "--quiet", source, url).returncode == 0
    size = source.stat().st_size
    for limit in (1, size // 4, size // 2, size - 4096):
        done = subprocess.run([PROGRAM, "copy", url, str(to)], capture_output=True, text=True, timeout=240, preexec_fn=shrink(limit))
        assert done.returncode == 3 and "no space" in done.stderr.lower(), done.stderr
        assert limit < size // 4 or "goes on where this one stopped" in done.stderr, done.stderr
    done = run("copy", url, to)
    assert done.returncode == 0, done.stderr
    assert "was brought to its end" in done.stdout
    assert_equal_stores(source, to)


def test_a_full_disk_of_the_server_is_told_and_gone_on_behind(cluster, source):
    """A table that takes some rows and then none, with the server's own words."""
    url = cluster.new_schema("full_server")
    assert subprocess.run([os.path.join(cluster.binaries, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", url], text=True,
                          input=run("schema", "--postgresql").stdout, capture_output=True, timeout=60).returncode == 0
    for table in ("version", "token", "event"):
        cluster.sql(f"CREATE FUNCTION full_server.full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE='53100',"
                    f" MESSAGE='could not extend file: No space left on device'; END$$;"
                    f"CREATE TRIGGER full_disk AFTER INSERT ON full_server.{table} EXECUTE FUNCTION full_server.full()", database="callosum")
        refused(source, url, "space", "goes on where this one stopped")
        assert cluster.sql("SELECT count(*) FROM full_server.store WHERE name='copy'", database="callosum") == "1"
        cluster.sql("DROP FUNCTION full_server.full CASCADE", database="callosum")
    done = run("copy", source, url)
    assert done.returncode == 0 and "was brought to its end" in done.stdout, done.stderr
    assert_equal_stores(source, url)


def test_stores_of_other_versions_are_left_alone(cluster, source, tmp_path):
    old, newer = tmp_path / "old.db", tmp_path / "newer.db"
    packed = ROOT / "test/fixtures/store-v2.db.zst"
    assert subprocess.run(["zstd", "-dq", str(packed), "-o", str(old)], timeout=60).returncode == 0
    shutil.copy(source, newer)
    file = sqlite3.connect(newer, isolation_level=None)
    file.execute("PRAGMA user_version=99")
    file.close()
    url = cluster.new_schema("newer")
    assert Server(url).stop() == 0
    cluster.sql("UPDATE newer.callosum_identity SET version=99", database="callosum")
    for place, text in ((old, "is of format 2"), (newer, "newer"), (url, "newer")):
        before = b"" if place is url else place.read_bytes()[100:]
        refused(source, place, text)
        refused(place, tmp_path / "never.db", text)
        assert place is url or place.read_bytes()[100:] == before
    assert not (tmp_path / "never.db").exists()


# ---- Distributed ----

# What Citus's function of this name does, by partitions; a row is only taken where its shard is what its number says.
DISTRIBUTE = """
CREATE FUNCTION create_distributed_table(t regclass, distribution_column text, colocate_with text DEFAULT 'default',
                                         shard_count integer DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE name text := t::text; BEGIN
  EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name||'_whole');
  EXECUTE format('CREATE TABLE %I(LIKE %I INCLUDING ALL) PARTITION BY HASH(%I)', name, name||'_whole', distribution_column);
  FOR i IN 0..2 LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 3, REMAINDER %s)', name||'_'||i, name, i);
  END LOOP;
  EXECUTE format('DROP TABLE %I', name||'_whole');
END $f$;
"""


def new_distributed(cluster, name):
    url = cluster.new_schema(name)
    script = run("schema", "--postgresql").stdout + DISTRIBUTE + run("schema", "--citus").stdout
    script += "ALTER TABLE resource ADD CHECK(shard=rid>>44); ALTER TABLE identity ADD CHECK(shard=(key&65535));"
    done = subprocess.run([os.path.join(cluster.binaries, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", url], input=script,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return url


def current_of(store):
    """Every resource, without what the store itself says of it."""
    found = [json.loads(line) for line in run("query", "--store", store, "--all", "").stdout.splitlines()]
    for resource in found:
        del resource["meta"]["versionId"], resource["meta"]["lastUpdated"]
    assert len(found) > 100
    return sorted(found, key=lambda resource: (resource["resourceType"], resource["id"]))


def test_a_store_that_never_was_distributed_is_not_copied_into_one_that_is(cluster, source, tmp_path):
    """Its numbers do not say where its rows belong: all would lie on one machine, and searches would not find them."""
    url = new_distributed(cluster, "distributed_to")
    words = ("is distributed over several machines", "callosum import")
    refused(source, url, *words)
    for table, condition in (("resource", "true"), ("commit_log", "true"), ("store", "name='copy'")):
        assert cluster.sql(f"SELECT count(*) FROM distributed_to.{table} WHERE {condition}", database="callosum") == "0"
    # It is what it was, and takes what is current in the other, as docs/moving.md tells.
    exported = run("query", "--store", source, "--all", "")
    (tmp_path / "current.ndjson").write_text(exported.stdout)
    done = run("import", "--store", url, tmp_path / "current.ndjson")
    assert done.returncode == 0, done.stderr
    assert int(cluster.sql("SELECT count(DISTINCT shard) FROM distributed_to.resource", database="callosum")) > 20
    assert current_of(url) == current_of(source)
    # Nor is one that became distributed when the copy had begun.
    begun = cluster.new_schema("distributed_late")
    kill_after_begin(cluster, "distributed_late", source, begun)
    cluster.sql("DELETE FROM distributed_late.store WHERE name='shards'; INSERT INTO distributed_late.store VALUES('shards','65536')",
                database="callosum")
    refused(source, begun, *words)
    # A file that has the numbers of a distributed store is one, too.
    file = tmp_path / "numbered.db"
    assert Server(file).stop() == 0
    change = sqlite3.connect(file, isolation_level=None)
    change.execute("INSERT INTO store VALUES('shards','65536')")
    change.close()
    refused(source, file, *words)


def test_a_distributed_store_goes_into_a_file_and_back(cluster, tmp_path):
    one, two = new_distributed(cluster, "distributed_1"), new_distributed(cluster, "distributed_2")
    server = Server(one)
    try:
        people = [patient(f"F{i}", id=f"p{i}") for i in range(40)]
        seen = [{"resourceType": "Observation", "id": f"o{i}", "status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/p{i % 40}"}}
                for i in range(80)]
        entries = [entry("PUT", f"{r['resourceType']}/{r['id']}", r) for r in people + seen]
        assert server.fhir("POST", "", bundle("batch", *entries)).status == 200
    finally:
        assert server.stop() == 0
    assert int(cluster.sql("SELECT count(DISTINCT shard) FROM distributed_1.resource", database="callosum")) > 20
    cluster.sql("DELETE FROM distributed_1.process", database="callosum")
    file, plain = tmp_path / "file.db", cluster.new_schema("not_distributed")
    for from_, to in ((one, file), (file, two), (file, plain)):
        done = run("copy", "--quiet", from_, to)
        assert done.returncode == 0, done.stdout + done.stderr
    questions = ["Observation?subject=Patient/p7&_sort=_id", "Patient?_has:Observation:subject:status=final&_count=100&_sort=_id",
                 "Patient/p3/_history", "Observation/o9"]
    expected = answers(one, questions)
    assert all(status == 200 for _, status, _ in expected)
    for other in (file, two, plain):  # each goes on as a distributed store: where it is put again, it must fit
        assert answers(other, questions) == expected
        server = Server(other)
        try:
            server.create(patient())
        finally:
            assert server.stop() == 0
    for schema in ("distributed_2", "not_distributed"):
        assert cluster.sql(f"SELECT count(*) FROM {schema}.resource WHERE shard<>rid>>44", database="callosum") == "0"


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
