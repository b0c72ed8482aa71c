"""Nothing that is asked takes memory without bound: large resources, many versions of one, several clients at once. What
the process had at most is what the system says of it (VmHWM)."""
import json
import os
import random
import socket
import threading
import time

import pytest

import engine
from client import Server, bundle, entry

pytestmark = pytest.mark.both_engines

LARGE = 4 << 20   # bytes of one body; half of them is left when it is packed
VERSIONS = 24     # of one resource
RESOURCES = 16    # of such a size
CLIENTS = 3       # that ask for the same at once
MB = 1 << 20


def highest_mb(server):
    if "CALLOSUM_TEST_SANITIZE" in os.environ:
        return 0  # a sanitizer keeps what was freed: its memory tells nothing
    with open(f"/proc/{server.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def forget_highest(server):
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as refs:
        refs.write("5")


def document(name, seed, size=LARGE):
    noise = random.Random(seed).randbytes(size // 2).hex()
    return {"resourceType": "DocumentReference", "id": name, "status": "current", "subject": {"reference": "Patient/p"},
            "content": [{"attachment": {"contentType": "text/plain", "title": f"{name} {seed}", "url": "urn:x:" + noise}}]}


@pytest.fixture(scope="module")
def laden(tmp_path_factory):
    """A store with one resource of many large versions, many large resources, and a patient whom they are about."""
    server = Server(tmp_path_factory.mktemp("bounds") / "callosum.db")
    server.fhir("PUT", "Patient/p", {"resourceType": "Patient", "id": "p"})
    for i in range(VERSIONS):
        answer = server.fhir("PUT", "DocumentReference/many", json.dumps(document("many", i)))
        assert answer.status in (200, 201), answer.body[:300]
    for i in range(RESOURCES):
        assert server.fhir("PUT", f"DocumentReference/large-{i}", json.dumps(document(f"large-{i}", i))).status == 201
    yield server
    assert server.stop() == 0


def pages(server, path):
    """All pages, as (number of entries, bytes, titles of the entries)."""
    told, url = [], f"{server.base}/{path}"
    while url:
        answer = server.request("GET", url[len(server.addresses["http"]):])
        assert answer.status == 200, answer.body[:300]
        page = answer.json
        entries = page.get("entry", [])
        told.append((len(entries), len(answer.body), [f"{e['resource']['id']} {e['resource']['meta']['versionId']}" for e in entries]))
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return told


ASKED = {
    "history of one": ("DocumentReference/many/_history?_count=1000", VERSIONS),
    "history of all": ("_history?_count=1000", VERSIONS + RESOURCES + 1),
    "search": ("DocumentReference?_count=1000", RESOURCES + 1),
    "sorted search": ("DocumentReference?_sort=_id&_count=1000", RESOURCES + 1),
    "everything": ("Patient/p/$everything?_count=1000", RESOURCES + 2),
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_page_ends_by_its_bytes_and_the_next_goes_on(laden, kind):
    path, n = ASKED[kind]
    told = pages(laden, path)
    seen = [title for _, _, titles in told for title in titles]
    assert len(seen) == len(set(seen)) == n
    assert len(told) > 1
    assert all(size < 48 * MB for _, size, _ in told)


@pytest.mark.parametrize("kind", ASKED)
def test_memory_of_pages_is_bounded(laden, kind):
    path, _ = ASKED[kind]
    forget_highest(laden)
    before = highest_mb(laden)
    statuses = []
    clients = [threading.Thread(target=lambda: statuses.append(laden.fhir("GET", path).status)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert statuses == [200] * CLIENTS
    assert highest_mb(laden) - before < 200 * CLIENTS, f"{highest_mb(laden)} MB, {before} MB before"


def test_memory_of_a_batch_of_updates_is_bounded(laden):
    """What is written over is not read into memory as a whole."""
    forget_highest(laden)
    before = highest_mb(laden)
    small = [entry("PUT", f"DocumentReference/large-{i}", {**document(f"large-{i}", 0, 100)}) for i in range(RESOURCES)]
    answer = laden.fhir("POST", "", bundle("transaction", *small))
    assert answer.status == 200, answer.body[:300]
    assert highest_mb(laden) - before < 40, f"{highest_mb(laden)} MB, {before} MB before"
    for i in (0, RESOURCES - 1):
        old = laden.fhir("GET", f"DocumentReference/large-{i}/_history/1")
        assert old.status == 200
        want = document(f"large-{i}", i)
        assert old.json["content"] == want["content"]
        new = laden.fhir("GET", f"DocumentReference/large-{i}")
        assert new.json["meta"]["versionId"] == "2" and len(new.body) < 1000
    again = laden.fhir("POST", "", bundle("transaction", *small))
    assert again.status == 200
    assert {e["response"]["etag"] for e in again.json["entry"]} == {'W/"2"'}


def test_requests_that_do_not_fit_together_are_answered_503(tmp_path):
    """Many large bodies at once: what passes the budget is refused and may come again, small ones go on, and the rest is
    stored."""
    folder = tmp_path / "callosum.d"
    folder.mkdir()
    (folder / "limits.yaml").write_text("limits:\n  memoryBytes: 67108864\n")
    server = Server(tmp_path / "callosum.db", "--config", str(folder))
    try:
        forget_highest(server)
        before = highest_mb(server)
        answers = []

        def put(i):
            body = json.dumps(document(f"d{i}", i, 3 * MB))
            answers.append(server.fhir("PUT", f"DocumentReference/d{i}", body))

        clients = [threading.Thread(target=put, args=(i,)) for i in range(24)]
        for client in clients:
            client.start()
        small = [server.fhir("PUT", f"Patient/p{i}", {"resourceType": "Patient", "id": f"p{i}"}).status for i in range(20)]
        for client in clients:
            client.join()
        told = [answer.status for answer in answers]
        assert set(small) <= {201, 503} and 201 in small
        assert set(told) == {201, 503}, told
        for answer in answers:
            if answer.status == 503:
                assert int(answer.headers["retry-after"]) > 0
                assert "all of them together" in answer.issue_text()
        assert highest_mb(server) - before < 64 + 120, f"{highest_mb(server)} MB, {before} MB before"
        again = document("again", 1, 2 * MB)
        assert server.fhir("PUT", "DocumentReference/again", again).status == 201
        assert server.fhir("GET", "DocumentReference/again").json["content"] == again["content"]
    finally:
        assert server.stop() == 0


SLOW = ["DocumentReference/many/_history?_count=1000", "DocumentReference?_count=1000", "Patient/p/$everything?_count=1000"]


def ask_and_read_nothing(server, path):
    """A client that asks for a long answer and does not take it."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", server.port))
    slow.sendall(f"GET /fhir/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert slow.recv(12).startswith(b"HTTP/1.1 200"), "the answer is on its way"
    return slow


def oldest_snapshot_s(server):
    """How long the longest transaction is open in which nobody asks anything."""
    return int(engine.rows(server.store, "SELECT coalesce(max(extract(epoch FROM clock_timestamp()-xact_start)),0)::bigint FROM"
                           " pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid()"
                           " AND state='idle in transaction'")[0][0])


def test_a_slow_client_holds_no_snapshot(laden):
    """Neither the log of a file nor the old rows of a server are kept for who reads slowly."""
    clients = [ask_and_read_nothing(laden, path) for path in SLOW]
    try:
        time.sleep(1)
        for i in range(40):
            assert laden.fhir("PUT", "DocumentReference/other", json.dumps(document("other", i))).status in (200, 201)
        if engine.NAME == "sqlite":
            assert os.path.getsize(laden.store + "-wal") < 160 * MB, "the log starts over"
        else:
            assert oldest_snapshot_s(laden) < 2
    finally:
        for client in clients:
            client.close()
