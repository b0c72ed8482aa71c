"""The asynchronous pattern: Prefer: respond-async, polling, cancelling, what survives a kill -9."""
import json
import time
import urllib.parse

import pytest

from client import Server, bundle, entry, observation, patient

pytestmark = pytest.mark.both_engines


def path_of(server, answer):
    """The path of the status URL that a 202 gave."""
    url = answer.headers["content-location"]
    assert url.startswith(server.base + "/")
    return url[len(server.base) + 1:]


def ask(server, method, path, body=None, **headers):
    answer = server.fhir(method, path, body, prefer="respond-async" + headers.pop("and_prefer", ""), **headers)
    assert answer.status == 202, answer.body
    assert answer.issues()[0][0] == "information"
    return path_of(server, answer)


def result(server, path, seconds=30):
    """Polls as a client should, until there is an answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = server.fhir("GET", path)
        if answer.status != 202:
            return answer
        assert answer.headers["x-progress"] in ("waiting", "running") and int(answer.headers["retry-after"]) >= 1 and answer.body == b""
        time.sleep(0.02)
    raise AssertionError("no answer")


def only_entry(answer):
    assert answer.status == 200 and answer.json["type"] == "batch-response", answer.body
    assert "expires" in answer.headers
    (only,) = answer.json["entry"]
    return only


@pytest.fixture(scope="module")
def filled(server):
    server.fhir("PUT", "Patient/async", {**patient("Async"), "id": "async"})
    for n in range(5):
        server.create(observation("Patient/async", value=n))
    return server


@pytest.mark.parametrize("path", ["Patient?family=async", "Observation?subject=Patient/async&_count=2", "_history", "Patient/_history",
                                  "Patient/async/_history", "Patient/async/$everything", "Patient?family=async&_summary=count"])
def test_the_answer_is_that_of_the_request_itself(filled, path):
    at_once = filled.fhir("GET", path).json
    later = only_entry(result(filled, ask(filled, "GET", path)))
    assert later["response"]["status"] == "200 OK"
    for made in (at_once, later["resource"]):
        del made["id"], made["meta"]
    assert later["resource"] == at_once


def test_post_search_and_batch(filled):
    found = only_entry(result(filled, ask(filled, "POST", "Patient/_search", b"family=async", content_type="application/x-www-form-urlencoded")))
    assert found["resource"]["total"] == 1
    done = only_entry(result(filled, ask(filled, "POST", "", bundle("batch", entry("POST", "Patient", patient("Later")), entry("GET", "Patient/never-was")))))
    inner = done["resource"]
    assert inner["type"] == "batch-response" and [e["response"]["status"][:3] for e in inner["entry"]] == ["201", "404"]
    assert filled.fhir("GET", "Patient?family=later").json["total"] == 1
    done = only_entry(result(filled, ask(filled, "POST", "", bundle("transaction", entry("POST", "Patient", patient("Tx"))))))
    assert done["resource"]["type"] == "transaction-response"


@pytest.mark.parametrize("path, status", [("Patient?nonsense=1", "400"), ("Patient/never-was/$everything", "404"), ("Patient/never-was/_history", "404")])
def test_an_error_is_the_answer(filled, path, status):
    failed = only_entry(result(filled, ask(filled, "GET", path)))
    assert failed["response"]["status"].startswith(status)
    assert failed["response"]["outcome"]["issue"][0]["severity"] == "error" and "resource" not in failed


def test_preferences_go_along(filled):
    path = ask(filled, "GET", "Patient?nonsense=1&family=async", and_prefer=", handling=lenient")
    assert only_entry(result(filled, path))["response"]["status"] == "200 OK"


def test_what_is_quick_is_answered_at_once(filled):
    for method, path, body in (("GET", "Patient/async", None), ("GET", "metadata", None), ("POST", "Patient", patient())):
        assert filled.fhir(method, path, body, prefer="respond-async").status in (200, 201)
    assert filled.fhir("HEAD", "Patient", prefer="respond-async").status == 200
    assert filled.fhir("GET", "Nonsense?a=b", prefer="respond-async").status == 404


def test_cancel_and_forget(filled):
    path = ask(filled, "GET", "Patient")
    result(filled, path)
    assert filled.fhir("DELETE", path).status == 202
    assert filled.fhir("GET", path).status == 404 and filled.fhir("DELETE", path).status == 404
    path = ask(filled, "GET", "Patient")
    assert filled.fhir("DELETE", path).status == 202
    assert filled.fhir("GET", path).status == 404


@pytest.mark.parametrize("path", ["_async/1", "_async/x", "_async/1-", "_async/-", "_async/99999999999999999999-x", "_async/", "_async"])
def test_a_guessed_url_shows_nothing(filled, path):
    known = ask(filled, "GET", "Patient")
    number = known.split("/")[1].split("-")[0]
    assert filled.fhir("GET", path).status == 404
    assert filled.fhir("GET", f"_async/{number}-00000000-0000-4000-8000-000000000000").status == 404
    assert filled.fhir("DELETE", f"_async/{number}-00000000-0000-4000-8000-000000000000").status == 404
    assert result(filled, known).status == 200


def test_head_and_xml_of_a_result(filled):
    path = ask(filled, "GET", "Patient?family=async")
    result(filled, path)
    head = filled.fhir("HEAD", path)
    assert head.status == 200 and head.body == b""
    xml = filled.fhir("GET", path, accept="application/fhir+xml")
    assert xml.status == 200 and xml.body.lstrip().startswith(b"<") and b"batch-response" in xml.body
    assert filled.fhir("GET", path + "?nonsense=1").status == 400


def limited(tmp_path, text):
    folder = tmp_path / "callosum.d"
    folder.mkdir()
    (folder / "callosum.yaml").write_text("limits:\n" + "".join(f"  {line}\n" for line in text.split(", ")))
    return Server(tmp_path / "callosum.db", "--config", str(folder))


def test_number_and_size_are_limited(tmp_path):
    server = limited(tmp_path, "asyncKept: 2, asyncResultBytes: 1000")
    try:
        small = ask(server, "GET", "Patient?_summary=count")
        assert result(server, small).status == 200
        for n in range(3):
            server.create(patient(f"Big{n}"))
        big = result(server, ask(server, "GET", "Patient"))
        assert big.status == 500 and "asyncResultBytes" in big.issue_text()
        refused = server.fhir("GET", "Patient", prefer="respond-async")
        assert refused.status == 503 and "asyncKept" in refused.issue_text()
        assert server.fhir("DELETE", small).status == 202
        assert server.fhir("GET", "Patient", prefer="respond-async").status == 202
    finally:
        server.stop()


def test_a_kill_loses_no_job_and_repeats_no_write(tmp_path):
    server = Server(tmp_path / "callosum.db")
    server.fhir("PUT", "Patient/a", {**patient("A"), "id": "a"})
    for n in range(300):
        server.create(observation("Patient/a", value=n))
    reads = [ask(server, "GET", "Observation?_count=300") for _ in range(20)]
    writes = [ask(server, "POST", "", bundle("batch", *[entry("POST", "Basic", {"resourceType": "Basic", "code": {"text": f"w{n}"}}) for _ in range(50)]))
              for n in range(20)]
    server.process.kill()
    server.process.wait()
    again = Server(tmp_path / "callosum.db")
    try:
        for path in reads:
            found = only_entry(result(again, path))["resource"]
            assert found["total"] == 300
        states = [result(again, path) for path in writes]
        for answer in states:
            assert answer.status == 200 or (answer.status == 500 and "stopped while" in answer.issue_text())
        done = sum(answer.status == 200 for answer in states)
        stored = again.fhir("GET", "Basic?_summary=count").json["total"]
        assert done * 50 <= stored <= len(writes) * 50
        assert urllib.parse.urlparse(again.base).path == "/fhir" and json.dumps(done)
    finally:
        again.stop()
