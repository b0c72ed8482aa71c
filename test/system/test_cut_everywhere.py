"""The connection to PostgreSQL is cut behind each message of a piece of work in turn, in either direction.

The server is there all the time, so every outcome can be found out: whatever was cut, the work is acknowledged, is stored
once, and no number is left out or given twice. In `./dev test` some cuts of each kind, evenly spread from a random
first one (CALLOSUM_TEST_SEED repeats them); with --long at every message, and torn and hung ones too.
"""
import base64
import json
import os
import random
import subprocess
import time

import pytest

import engine
from client import PROGRAM, Server, bundle, entry, patient, statuses
from test_admin import ADMISSION, send
from test_async import ask, only_entry, result
from test_parameters import count, marital, parameter
from wire import ANSWER, CLEAN, HUNG, REQUEST, TORN, Cut, Wire

pytestmark = [pytest.mark.both_engines, pytest.mark.skipif(engine.NAME != "postgresql", reason="a file is not cut off")]

IS_LONG = bool(os.environ.get("CALLOSUM_TEST_LONG"))
CUTS = 10_000 if IS_LONG else 14  # of each kind, at most
SECONDS = 300 if IS_LONG else 4  # of each kind, about
KINDS = [(REQUEST, CLEAN), (ANSWER, CLEAN)] + ([(REQUEST, TORN), (ANSWER, TORN)] if IS_LONG else [])


class Cutting:
    """A server behind a wire, and what is known of its store."""

    def __init__(self, folder):
        path = folder / "callosum.db"
        direct = engine.store(path)
        host = direct.split("host=", 1)[1].split("&", 1)[0]
        socket_name = next(name for name in os.listdir(host) if name.startswith(".s.PGSQL.") and not name.endswith(".lock"))
        self.folder = os.path.join("/tmp", f"callosum-wire-{os.getpid()}-{random.randrange(1 << 30)}")
        os.mkdir(self.folder)
        self.path = path
        self.wire = Wire(os.path.join(self.folder, socket_name), os.path.join(host, socket_name))
        self.server = Server(direct.replace(f"host={host}", f"host={self.folder}"), "--config", str(folder))
        self.n = 0

    def close(self):
        assert self.server.stop(60) == 0, self.server.log[-20:]
        self.wire.close()
        os.rmdir(self.folder)

    def next(self):
        self.n += 1
        return self.n

    def rows(self, sql):
        return engine.rows(self.path, sql)

    def numbers_are_whole(self):
        """No number was left out or given twice."""
        for table, column, last in (("commit_log", "seq", "seq"), ("event", "number", "event"), ("message", "number", "message"),
                                    ("resource", "rid", "rid"), ("audit", "number", "audit")):
            (found,) = self.rows(f"SELECT count(*), coalesce(max({column}), 0), (SELECT {last} FROM sequence) FROM {table}")
            assert found[0] == found[1] == found[2], (table, found)
        (versions,) = self.rows("SELECT (SELECT count(*) FROM version) + (SELECT count(*) FROM resource), (SELECT versions FROM sequence)")
        assert versions[0] == versions[1]
        assert self.rows("SELECT count(*) FROM (SELECT time, lag(time) OVER (ORDER BY seq) AS before FROM commit_log) t"
                         " WHERE time <= before") == [(0,)]


@pytest.fixture
def cutting(tmp_path):
    made = Cutting(tmp_path)
    yield made
    made.close()


def places(n, chance):
    """Behind which of n messages it is cut: all of them, or some, evenly spread."""
    step = max(1, n / CUTS)
    at = chance.random() * step if step > 1 else 0
    while at < n:
        yield int(at)
        at += step


def messages_of(wire, work, direction, writers):
    """How many there are when nothing is cut; a beat of the process may be among them."""
    counted = wire.arm(Cut(direction, writers=writers))
    work()
    wire.disarm()
    return counted.passed


def cut_everywhere(cutting, work, writers=True):
    """`work()` does it once, and asserts that it was done once."""
    seed = int(os.environ.get("CALLOSUM_TEST_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    wire = cutting.wire
    for direction, how in KINDS:
        n = min(messages_of(wire, work, direction, writers) for _ in range(3))
        assert n > 3
        happened, end = 0, time.monotonic() + SECONDS
        for after in places(n, chance):
            cut = wire.arm(Cut(direction, after, how, writers))
            try:
                work()
            except AssertionError as failure:
                raise AssertionError(f"seed {seed}: cut {how} behind {direction} {after} of {n}") from failure
            finally:
                wire.disarm()
            happened += cut.has_happened
            if time.monotonic() > end:
                break
        assert happened > 0
        print(f"{direction} {how}: {n} messages, {happened} cuts")
    cutting.numbers_are_whole()
    assert not [line for line in cutting.server.log if "NOT KNOWN" in line]


# ---- What is cut ----

def test_a_write(cutting):
    server = cutting.server
    version = 0

    def work():
        nonlocal version
        answer = server.fhir("PUT", "Patient/cut", {**patient(f"Family{cutting.next()}"), "id": "cut"})
        version += 1
        assert answer.status == (201 if version == 1 else 200) and answer.json["meta"]["versionId"] == str(version), answer.body
        assert server.fhir("GET", "Patient/cut/_history?_summary=count").json["total"] == version

    cut_everywhere(cutting, work)


def test_a_transaction_that_is_sent_before_it_is_complete(cutting):
    server = cutting.server
    noise = random.Random(1)

    def big(n, i):
        text = base64.b64encode(noise.randbytes(9000)).decode()
        return patient(f"Big{i}", text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'},
                       identifier=[{"system": "urn:cut:big", "value": str(n)}])

    def work():
        n = cutting.next()
        answer = server.fhir("POST", "", bundle("transaction", *[entry("POST", "Patient", big(n, i)) for i in range(48)]))
        assert answer.status == 200 and statuses(answer) == [201] * 48, answer.body
        assert server.fhir("GET", f"Patient?identifier=urn:cut:big|{n}&_summary=count").json["total"] == 48

    cut_everywhere(cutting, work)


def test_a_message(cutting):
    server = cutting.server

    def work():
        control_id = f"cut-{cutting.next()}"
        message = ADMISSION.replace("ctl-1", control_id)
        assert f"MSA|AA|{control_id}" in send(server, message)
        assert f"MSA|AA|{control_id}" in send(server, message)  # as a sender does that saw no answer
        assert len(server.request("GET", f"/api/messages?text={control_id}").json["messages"]) == 1

    cut_everywhere(cutting, work)


def test_a_conditional_create(cutting):
    server = cutting.server

    def work():
        token = f"urn:cut:condition|{cutting.next()}"
        made = patient(identifier=[dict(zip(("system", "value"), token.split("|")))])
        first = server.fhir("POST", "Patient", made, if_none_exist=f"identifier={token}")
        second = server.fhir("POST", "Patient", made, if_none_exist=f"identifier={token}")
        assert (first.status, second.status) == (201, 200), (first.body, second.body)
        assert server.fhir("GET", f"Patient?identifier={token}&_summary=count").json["total"] == 1

    cut_everywhere(cutting, work)


def test_a_job_from_its_claim_to_its_end(cutting):
    server = cutting.server

    def work():
        token = f"urn:cut:job|{cutting.next()}"
        made = patient(identifier=[dict(zip(("system", "value"), token.split("|")))])
        done = only_entry(result(server, ask(server, "POST", "", bundle("batch", entry("POST", "Patient", made)))))
        assert [e["response"]["status"][:3] for e in done["resource"]["entry"]] == ["201"], done
        assert server.fhir("GET", f"Patient?identifier={token}&_summary=count").json["total"] == 1

    cut_everywhere(cutting, work)


def test_a_definition(cutting):
    server = cutting.server
    for i in range(3):
        server.fhir("PUT", f"Patient/married{i}", {**patient(maritalStatus=marital(0)), "id": f"married{i}"})

    def work():
        code = f"cut{cutting.next()}"
        made = server.fhir("POST", "SearchParameter", parameter(code=code))
        assert made.status == 201, made.body
        assert count(server, f"Patient?{code}=S") == 3
        assert server.fhir("DELETE", f"SearchParameter/{made.json['id']}").status == 204
        assert server.fhir("GET", f"Patient?{code}=S").status == 400

    cut_everywhere(cutting, work)


@pytest.mark.skipif(not IS_LONG, reason="--long: each cut is of a process of its own")
def test_an_import_from_its_begin_to_its_end(cutting, tmp_path):
    """Cut while it opens the store, it says so and can be run again; later, it goes on."""
    server, url = cutting.server, cutting.server.store

    def run():
        return subprocess.run([PROGRAM, "import", "--store", url, tmp_path / "import.ndjson"], capture_output=True, text=True, timeout=120)

    def work():
        n = cutting.next()
        lines = [json.dumps({**patient(f"Import{n}"), "id": f"import-{n}-{i}"}) for i in range(300)]
        (tmp_path / "import.ndjson").write_text("\n".join(lines))
        done = run()
        if done.returncode == 3:
            assert "was lost" in done.stderr and server.fhir("GET", f"Patient?family=Import{n}&_summary=count").json["total"] == 0
            done = run()
        assert done.returncode == 0, done.stderr
        assert server.fhir("GET", f"Patient?family=Import{n}&_summary=count").json["total"] == 300
        assert server.fhir("GET", f"Patient/import-{n}-0/_history?_summary=count").json["total"] == 1

    cut_everywhere(cutting, work)


def test_a_search(cutting):
    """What only reads may be refused, but answers no part of the truth."""
    server = cutting.server
    server.fhir("PUT", "Practitioner/cut", {"resourceType": "Practitioner", "id": "cut"})
    for i in range(5):
        server.fhir("PUT", f"Patient/read{i}", {**patient("Readable", generalPractitioner=[{"reference": "Practitioner/cut"}]), "id": f"read{i}"})
    refused = 0

    def work():
        nonlocal refused
        answer = server.fhir("GET", "Patient?family=readable&_include=Patient:general-practitioner&_sort=birthdate&_total=accurate")
        refused += answer.status == 503
        assert answer.status in (200, 503), answer.body
        if answer.status == 200:
            assert answer.json["total"] == 5 and len(answer.json["entry"]) == 6

    cut_everywhere(cutting, work, writers=False)
    again = server.fhir("GET", "Patient?family=readable&_summary=count")
    assert again.status == 200 and again.json["total"] == 5


@pytest.mark.skipif(not IS_LONG, reason="--long: each takes seconds")
def test_a_write_of_which_the_server_hears_no_more(cutting):
    """The server's side stays open: it holds the lock, until it is ended or notices."""
    server = cutting.server
    server.fhir("PUT", "Patient/hung", {**patient("Hung"), "id": "hung"})
    counted = cutting.wire.arm(Cut(REQUEST))
    answer = server.fhir("PUT", "Patient/hung", {**patient(f"Hung{cutting.next()}"), "id": "hung"})
    cutting.wire.disarm()
    version = int(answer.json["meta"]["versionId"])
    for after in range(counted.passed):
        cutting.wire.arm(Cut(REQUEST, after, HUNG))
        answer = server.fhir("PUT", "Patient/hung", {**patient(f"Hung{cutting.next()}"), "id": "hung"})
        cutting.wire.disarm()
        version += 1
        assert answer.status == 200 and answer.json["meta"]["versionId"] == str(version), (after, answer.body)
    cutting.numbers_are_whole()
