"""Several `callosum serve` on one PostgreSQL: any of them takes any request, and the work of one that dies is done by another."""
import json
import random
import signal
import subprocess
import threading
import time

import pytest

import engine
import postgres
from client import PROGRAM, Server, bundle, entry, observation, patient
from test_admin import ADMISSION, send
from test_async import ask, only_entry, result
from test_parameters import count, fill, make, marital, parameter

pytestmark = [pytest.mark.both_engines, pytest.mark.skipif(engine.NAME != "postgresql", reason="a file has one process")]

LEASE_S = 3
SILENCE_S = 15  # how long one may have the turn to write and say nothing (db.h)


@pytest.fixture
def servers(tmp_path):
    """As many as are asked for, on one store, with a short lease."""
    folder = tmp_path / "callosum.d"
    folder.mkdir()
    (folder / "callosum.yaml").write_text(f"leaseSeconds: {LEASE_S}\n")
    started = []

    def start(n=1, *options):
        new = [Server(tmp_path / "callosum.db", "--config", str(folder), *options) for _ in range(n)]
        started.extend(new)
        return new if n > 1 else new[0]

    yield start
    for server in started:
        server.stop()


def kill(server):
    server.process.kill()
    server.process.wait()


def processes(server):
    return server.request("GET", "/api/store").json["processes"]


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def background_holder(tmp_path):
    """The name of the process that has the lease for the work in the background."""
    found = engine.rows(tmp_path / "callosum.db", "SELECT convert_from(p.name,'UTF8') FROM lease l JOIN process p ON p.id=l.holder")
    return found[0][0] if found else None


def name_of(server):
    (this,) = [p for p in processes(server) if p["isThis"]]
    return this["name"]


def test_each_sees_at_once_what_another_has_acknowledged(servers):
    a, b, c = servers(3)
    ring = [a, b, c]
    for n in range(1000):
        writer, reader = ring[n % 3], ring[(n + 1) % 3]
        answer = writer.fhir("PUT", "Patient/one", {**patient(f"Family{n}"), "id": "one"})
        assert answer.json["meta"]["versionId"] == str(n + 1)
        if n % 2:
            found = reader.fhir("GET", f"Patient?family=Family{n}&_elements=id").json
            assert [e["resource"]["id"] for e in found["entry"]] == ["one"]
        else:
            assert reader.fhir("GET", "Patient/one").json["meta"]["versionId"] == str(n + 1)
    assert c.fhir("GET", "Patient/one/_history?_summary=count").json["total"] == 1000


def test_processes_are_told_with_what_differs(servers, tmp_path):
    a, b = servers(2)
    other = servers(1, "--time-zone", "+02:00")
    seen = a.request("GET", "/api/store").json
    assert seen["engine"] == "postgresql" and seen["path"].startswith("postgresql://")
    listed = {p["name"]: p for p in seen["processes"]}
    assert len(listed) == 3 and [p["isThis"] for p in listed.values()].count(True) == 1
    assert listed[name_of(b)]["sameConfiguration"] and not listed[name_of(other)]["sameConfiguration"]
    assert all(p["seenSecondsAgo"] < 10 for p in listed.values())
    other.stop()
    assert len(processes(a)) == 2
    kill(b)
    time.sleep(1.5)
    assert len(processes(a)) == 2 and max(p["seenSecondsAgo"] for p in processes(a)) >= 1


def test_a_search_parameter_of_one_is_in_force_at_the_others(servers):
    a, b, c = servers(3)
    fill(a, 300)
    assert b.fhir("GET", "Patient?marital=S").status == 400
    number = make(a, parameter())
    made = time.monotonic()
    # What is written anywhere from now on has it, and within a second every search knows it.
    c.create(patient(maritalStatus={"coding": [{"system": "urn:marital", "code": "S"}]}))
    until(lambda: all(s.fhir("GET", "Patient?marital=S").status in (200, 503) for s in (b, c)), 5)
    assert time.monotonic() - made < 2
    for server in (a, b, c):
        assert count(server, "Patient?marital=S") == 101
        assert any(p["name"] == "marital" for r in server.fhir("GET", "metadata").json["rest"][0]["resource"] if r["type"] == "Patient"
                   for p in r["searchParam"])
    # It is taken back by another one.
    assert b.fhir("DELETE", f"SearchParameter/{number}").status == 204
    until(lambda: all(s.fhir("GET", "Patient?marital=S").status == 400 for s in (a, c)), 5)
    # And defined anew by a third, with another meaning.
    make(c, parameter(expression="Patient.gender"))
    c.create(patient(gender="female"))
    for server in (a, b, c):
        until(lambda: server.fhir("GET", "Patient?marital=female").status in (200, 503), 5)
        assert count(server, "Patient?marital=female") == 1
        assert count(server, "Patient?marital=S") == 0


def test_two_that_define_the_same_code_at_once_do_not_both(servers):
    pair = servers(2)
    for n in range(5):
        answers = [None, None]

        def define(i):
            answers[i] = pair[i].fhir("POST", "SearchParameter", parameter(code=f"code{n}", url=f"http://example.org/{n}/{i}"))

        threads = [threading.Thread(target=define, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(a.status for a in answers) == [201, 422], [a.body for a in answers]


def test_a_job_is_answered_by_any_process(servers):
    a, b = servers(2)
    a.fhir("PUT", "Patient/a", {**patient("A"), "id": "a"})
    for n in range(20):
        path = ask(a, "GET", "Patient?family=A")
        assert only_entry(result(b, path))["resource"]["total"] == 1
        assert b.fhir("DELETE", path).status == 202
        assert a.fhir("GET", path).status == 404


def test_jobs_of_a_killed_process_are_taken_over(servers, tmp_path):
    a, b = servers(2)
    a.fhir("PUT", "Patient/a", {**patient("A"), "id": "a"})
    for n in range(100):
        a.create(observation("Patient/a", value=n))
    reads = [ask(a, "GET", "Observation?_count=300") for _ in range(20)]
    writes = [ask(a, "POST", "", bundle("batch", *[entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": f"w{n}"}}) for _ in range(50)]))
              for n in range(20)]
    kill(a)
    for path in reads:
        assert only_entry(result(b, path))["resource"]["total"] == 100
    done = 0
    for path in writes:
        answer = result(b, path)
        if answer.status == 200:
            done += 1
        else: # it may have been done, so it is not done again
            assert answer.status == 500 and "stopped while" in answer.issue_text()
    stored = b.fhir("GET", "Basic?_summary=count").json["total"]
    assert done * 50 <= stored <= len(writes) * 50
    assert engine.rows(tmp_path / "callosum.db", "SELECT count(*) FROM job WHERE state<3") == [(0,)]


def test_work_in_the_background_is_taken_over_when_its_process_dies(servers, tmp_path):
    a, b, c = servers(3)
    fill(a, 1200)
    holder = next(s for s in (a, b, c) if name_of(s) == background_holder(tmp_path))
    others = [s for s in (a, b, c) if s is not holder]
    make(others[0], parameter())
    kill(holder)
    until(lambda: others[1].fhir("GET", "Patient?marital=S").status != 400, 2)
    assert count(others[1], "Patient?marital=S") == 400
    assert background_holder(tmp_path) in [name_of(s) for s in others]
    # At a clean end it is free at once.
    holder = next(s for s in others if name_of(s) == background_holder(tmp_path))
    last = next(s for s in others if s is not holder)
    assert holder.stop() == 0
    until(lambda: background_holder(tmp_path) == name_of(last), LEASE_S)
    last.create({**patient("Narrative"), "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>zebra</div>"}})
    assert last.fhir("GET", "Patient?_text=zebra").json["total"] == 1


def test_a_message_is_taken_once_whoever_gets_it(servers):
    pair = servers(2)
    replies = []

    def feed(server):
        for n in range(20):
            replies.append(send(server, ADMISSION.replace("ctl-1", f"ctl-{n}")))

    threads = [threading.Thread(target=feed, args=(server,)) for server in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 40 and all("MSA|AA|" in reply for reply in replies)
    assert pair[0].fhir("GET", "Patient?_summary=count").json["total"] == 1


def test_one_goes_and_another_comes_while_all_work(servers, tmp_path):
    first = servers(3)
    stop = threading.Event()
    acknowledged, faults = [], []

    def work(n):
        i = 0
        while not stop.is_set():
            i += 1
            for server in list(first):
                try:
                    answer = server.fhir("PUT", f"Basic/w{n}-{i}", {"resourceType": "Basic", "id": f"w{n}-{i}", "code": {"text": "x"}})
                except OSError: # this one was stopped or killed: the next one takes it
                    continue
                if answer.status in (200, 201):
                    acknowledged.append(f"w{n}-{i}")
                elif answer.status != 503:
                    faults.append(answer.body)
                break

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for round_number in range(4):
        time.sleep(0.5)
        gone = first.pop(0)
        kill(gone) if round_number % 2 else gone.stop()
        first.append(servers(1))
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults and len(acknowledged) > 50
    for server in first:
        found = server.fhir("GET", "Basic?_summary=count").json["total"]
        assert found >= len(set(acknowledged))
    stored = {row[0] for row in engine.rows(tmp_path / "callosum.db", "SELECT convert_from(id,'UTF8') FROM resource WHERE state=1")}
    assert set(acknowledged) <= stored
    numbers = [row[0] for row in engine.rows(tmp_path / "callosum.db", "SELECT number FROM event ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_server_that_goes_and_comes_back_is_told_once(tmp_path):
    with postgres.Cluster() as cluster:
        server = Server(cluster.url())
        try:
            server.fhir("PUT", "Patient/a", {**patient("A"), "id": "a"})
            cluster.stop()
            until(lambda: any("can't be read" in line for line in server.log), 10)
            time.sleep(3)
            assert server.fhir("GET", "Patient/a").status == 503
            assert server.request("GET", "/healthz").status == 503
            cluster.start()
            until(lambda: any("is there again" in line for line in server.log), 10)
            assert server.fhir("GET", "Patient/a").status == 200
            answer = server.fhir("PUT", "Patient/a", {**patient("B"), "id": "a"})
            assert answer.status == 200, answer.body
            assert sum("can't be read" in line for line in server.log) == 1
            until(lambda: processes(server)[0]["seenSecondsAgo"] < 10, 15)
        finally:
            assert server.stop() == 0


def test_jobs_end_though_the_server_was_away(tmp_path):
    with postgres.Cluster() as cluster:
        server = Server(cluster.url())
        try:
            server.fhir("PUT", "Patient/a", {**patient("A"), "id": "a"})
            paths = [ask(server, "GET", "Patient?family=A") for _ in range(20)]
            paths += [ask(server, "POST", "", bundle("batch", entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}))) for _ in range(20)]
            cluster.restart("immediate")
            until(lambda: server.fhir("GET", "Patient/a").status == 200)
            for path in paths:
                answer = result(server, path)
                assert answer.status in (200, 500), answer.body
            assert server.fhir("GET", "Basic?_summary=count").json["total"] <= 20
        finally:
            assert server.stop() == 0


def test_an_empty_database_is_opened_by_many_at_once(tmp_path):
    started = []

    def start():
        started.append(Server(tmp_path / "callosum.db"))

    engine.store(tmp_path / "callosum.db")
    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert all("http" in server.addresses for server in started), [server.log for server in started]
        assert len(processes(started[0])) == 5
        for n, server in enumerate(started):
            server.fhir("PUT", f"Patient/p{n}", {**patient(f"F{n}"), "id": f"p{n}"})
        assert all(server.fhir("GET", "Patient?_summary=count").json["total"] == 5 for server in started)
        assert not [line for server in started for line in server.log if " error " in line]
    finally:
        for server in started:
            server.stop()


def test_a_process_that_was_stopped_for_long_learns_that_its_work_was_taken(servers, tmp_path):
    a, b = servers(2)
    fill(a, 1200)
    holder = next(s for s in (a, b) if name_of(s) == background_holder(tmp_path))
    other = next(s for s in (a, b) if s is not holder)
    make(other, parameter())
    holder.process.send_signal(signal.SIGSTOP)
    try:
        # It may have been stopped in its turn.
        until(lambda: background_holder(tmp_path) == name_of(other), SILENCE_S + 3 * LEASE_S)
        assert count(other, "Patient?marital=S") == 400
    finally:
        holder.process.send_signal(signal.SIGCONT)
    until(lambda: holder.fhir("GET", "Patient?marital=S").status == 200, 10)
    holder.create({**patient("Back"), "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>okapi</div>"}})
    for server in (a, b):
        assert count(server, "Patient?marital=S") == 400
        assert server.fhir("GET", "Patient?_text=okapi").json["total"] == 1
    until(lambda: len(processes(other)) == 2)
    assert background_holder(tmp_path) == name_of(other)
    assert engine.rows(tmp_path / "callosum.db", "SELECT count(*) FROM job WHERE state<3") == [(0,)]


def has_turn(server, path):
    """Has this process the turn to write, in a transaction whose next piece it has not sent? (It is stopped: so it stays.)"""
    return engine.rows(path, "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE l.locktype='advisory' AND l.granted AND "
                       f"l.classid=1131180897 AND a.application_name LIKE '%:{server.process.pid}' AND a.wait_event='ClientRead' AND "
                       f"a.state='active' AND a.state_change < clock_timestamp() - interval '0.3 s'") == [(1,)]


def stop_in_its_turn(server, path, chance):
    """SIGSTOP between two pieces of a transaction that is being sent."""
    for _ in range(300):
        time.sleep(chance.uniform(0, 0.3))
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.35)
        if has_turn(server, path):
            return
        server.process.send_signal(signal.SIGCONT)
    raise AssertionError("it was never stopped in its turn")


def test_a_process_that_is_stopped_in_its_turn_holds_up_nobody(servers, tmp_path):
    a, b = servers(2)
    text = "x" * 6000  # a group is sent in pieces of some 256 kB
    answers, over = [], threading.Event()

    def load(client):
        n = 0
        while not over.is_set():
            n += 1
            people = [entry("PUT", f"Patient/{client}-{n}-{i}", {**patient(f"Load{client}-{n}"), "id": f"{client}-{n}-{i}",
                                                                 "address": [{"text": text}]}) for i in range(150)]
            answers.append((client, n, a.fhir("POST", "", bundle("transaction", *people)).status))

    threads = [threading.Thread(target=load, args=(client,)) for client in range(3)]
    for thread in threads:
        thread.start()
    try:
        stop_in_its_turn(a, tmp_path / "callosum.db", random.Random(5))
        began = time.monotonic()
        assert b.create(patient("Meanwhile"))
        waited = time.monotonic() - began
    finally:
        a.process.send_signal(signal.SIGCONT)
        over.set()
        for thread in threads:
            thread.join(60)
    assert waited < 30, waited
    assert any("had the turn to write and said nothing" in line and f":{a.process.pid}," in line for line in b.log), b.log
    # What was stopped goes on, and what it acknowledged is there, whole and once.
    assert {status for _, _, status in answers} <= {200, 503}
    assert sum(status == 200 for _, _, status in answers) >= 3
    for client, n, status in answers:
        found = b.fhir("GET", f"Patient?family:exact=Load{client}-{n}&_summary=count").json["total"]
        assert found == (150 if status == 200 else 0), (client, n, status)
    a.create(patient("After"))


def stopped_in_the_middle(server, tmp_path, seconds):
    """Stops the process while it runs a job, and lets it go on later."""
    until(lambda: engine.rows(tmp_path / "callosum.db", "SELECT count(*) FROM job WHERE state=2 AND done>0") == [(1,)])
    server.process.send_signal(signal.SIGSTOP)
    assert engine.rows(tmp_path / "callosum.db", "SELECT count(*) FROM job WHERE state=2") == [(1,)], "it was too quick"
    time.sleep(seconds)
    server.process.send_signal(signal.SIGCONT)


def test_a_process_that_was_stopped_goes_on_with_its_own_job(servers, tmp_path):
    """Its lease has ended, but nobody was there to take the job over: it must not wait for itself."""
    server = servers()
    fill(server, 6000)
    make(server, parameter())
    stopped_in_the_middle(server, tmp_path, LEASE_S + 1)
    assert count(server, "Patient?marital=S") == 2000


def test_what_is_imported_meanwhile_is_indexed_by_what_is_defined_meanwhile(servers, tmp_path):
    """An import holds thousands of resources whose index rows were made before the definition came."""
    server, n = servers(), 12000
    people = ({**patient(f"Imported{i}", maritalStatus=marital(i)), "id": f"i{i}"} for i in range(n))
    (tmp_path / "people.ndjson").write_text("".join(json.dumps(one) + "\n" for one in people))
    loading = subprocess.Popen([PROGRAM, "import", "--store", engine.store(tmp_path / "callosum.db"), tmp_path / "people.ndjson"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: engine.rows(tmp_path / "callosum.db", "SELECT count(*) FROM resource")[0][0] > 0)
    make(server, parameter())
    assert loading.poll() is None, "it was too quick"
    assert loading.wait(120) == 0, loading.stdout.read()
    assert count(server, "Patient?marital=S,M") == n
