"""URLs, queries and headers that are wrong, hostile or too much: a clear answer, always an OperationOutcome, and the server goes on."""
import random
import socket
import time

import pytest

from client import patient

pytestmark = pytest.mark.both_engines

PLACES = ["Patient", "Patient/1", "_history", "Patient/_history", "Patient/1/_history", "", "Patient/1/Observation", "Patient/1/*", "Patient/1/$everything",
          "Patient/$everything", "metadata", "_async/1-x", "OperationDefinition/Patient-everything", "$graphql"]


@pytest.fixture(scope="module")
def one(server):
    server.fhir("PUT", "Patient/1", {**patient("One"), "id": "1"})
    return server


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("query", ["%", "%zz=1", "a=%", "a=%00", "a=%ff%fe", "%c3=1", "=", "&&&", "=1", "a" * 4000 + "=1", "_count=99999999999999999999999999",
                                   "_count=-1", "_count=1e3", "_count=%E2%91%A0", "_format=%", "_pretty=", "_elements=" + "a," * 2000, "_summary=", "a=1&" * 1001])
def test_queries(one, place, query):
    answer = one.fhir("GET", f"{place}?{query}")
    assert answer.status in (200, 304, 400, 403, 404, 406, 410, 413, 414), answer.body
    if answer.status >= 400 and place != "$graphql":
        assert answer.issues()[0][0] in ("error", "fatal")


@pytest.mark.parametrize("path", ["Patient//1", "Patient/" + "a" * 65, "Patient/%2e%2e", "Patient/..", "../fhir/Patient/1/../..", "Patient/1/_history/0",
                                  "Patient/1/_history/99999999999", "Patient/1/_history/-1", "Patient/%00", "Patient/%ff", "$", "_", "Patient/$", "Patient/1/_history/_history",
                                  "Patient/1/$everything/x", "Patient/1/Observation/_search", "_search", "%50atient/1", "Patient%2f1", "Patient/1;v=1", "a/b/c/d/e/f/g/h"])
def test_paths(one, path):
    for method in ("GET", "PUT", "DELETE", "PATCH", "POST"):
        answer = one.fhir(method, path, patient() if method in ("PUT", "POST", "PATCH") else None)
        assert answer.status < 500, (method, path, answer.body)
        if answer.status >= 400:
            assert answer.issues()
        if answer.status == 405:
            assert answer.headers["allow"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "GETT", "OPTIONS"])
def test_methods(one, method):
    with socket.create_connection(("127.0.0.1", one.port), 20) as connection:
        connection.sendall(f"{method} /fhir/Patient/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert answer[:9] == b"HTTP/1.1 " and answer[9:10] in b"24" and b" 200 " not in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("headers", [
    {"Prefer": "respond-async, respond-async;;;,,, handling=lenient; return=minimal"}, {"Prefer": "return="}, {"Prefer": "=" * 3000}, {"If-None-Match": "W/" * 1000},
    {"If-None-Match": "*"}, {"If-Modified-Since": "Sun, 99 Foo 9999 99:99:99 GMT"}, {"If-Modified-Since": "x" * 29}, {"Accept": ", ,;;;q=,*/*;q=2"}, {"Accept": "a/b;" * 500},
    {"Accept": "application/fhir+json;q=0"}, {"If-Match": 'W/"999999999999999999999"'}, {"Host": "a" * 300}])
def test_headers(one, headers):
    for method, path in (("GET", "Patient/1"), ("GET", "Patient"), ("GET", "_history"), ("PUT", "Patient/1")):
        answer = one.fhir(method, path, {**patient("One"), "id": "1"} if method == "PUT" else None, **headers)
        assert answer.status < 500, answer.body
        if answer.status >= 400:
            assert answer.issues()


def test_a_long_url_is_refused_or_answered(one):
    for n in (1000, 20000, 200000):
        with socket.create_connection(("127.0.0.1", one.port), 20) as connection:
            try:
                connection.sendall(b"GET /fhir/Patient?family=" + b"a" * n + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = connection.recv(65536)
            except ConnectionError:  # refused before it was read whole
                answer = b""
        assert not answer or answer[9:10] in b"24"
    assert one.fhir("GET", "Patient/1").status == 200


def test_random_urls_never_break_it(one):
    """Pieces of real URLs put together at random: no 5xx, and always the same answer for the same URL."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    words = ["Patient", "Observation", "1", "_history", "$everything", "*", "_search", "metadata", "_async", "%2f", "..", "", "$graphql", "_id", "a" * 70]
    names = ["_count", "_since", "_at", "_type", "_id", "family", "subject", "_has:Observation:subject:code", "subject:Patient.name", "_include", "_revinclude:iterate", "_sort",
             "_summary", "_elements", "_filter", "_before", "_cursor", "_total", "_format", "start", "end", "mode", "%zz", "birthdate:missing", "_lastUpdated", "_list", "_tag:not"]
    values = ["1", "-1", "", "2020", "ge2020-01", "x", "Patient:link", "*", "true", "Patient,Observation", "a,b\\,c", "%00", "%F0%9F%98%80", "family eq 'x'", "-_lastUpdated", "AAAA", "|", "||", "$"]
    for _ in range(600):
        path = "/".join(rng.choice(words) for _ in range(rng.randrange(5)))
        query = "&".join(f"{rng.choice(names)}={rng.choice(values)}".replace(" ", "%20") for _ in range(rng.randrange(5)))
        method = rng.choice(["GET", "GET", "GET", "HEAD", "POST", "DELETE"])
        if method == "DELETE" and path.count("/") < 2:
            method = "GET"
        answer = one.fhir(method, path + ("?" + query if query else ""), prefer=rng.choice(["", "handling=lenient", "return=minimal"]))
        assert answer.status < 500, (method, path, query, answer.body)
        if answer.status >= 400 and answer.body and "$graphql" not in path:
            assert answer.issues(), (method, path, query)
    one.fhir("PUT", "Patient/1", {**patient("One"), "id": "1"})  # "Patient/1/" may have been deleted


def test_cors_headers_are_on_every_answer(one):
    for method, path, status in (("GET", "Patient/1", 200), ("GET", "Patient/never", 404), ("GET", "Patient?nonsense=1", 400), ("GET", "Patient", 202)):
        answer = one.fhir(method, path, origin="http://localhost:3000", prefer="respond-async" if status == 202 else "")
        assert answer.status == status and answer.headers["access-control-allow-origin"] == "http://localhost:3000" and "Origin" in answer.headers["vary"]
        exposed = answer.headers["access-control-expose-headers"]
        assert all(name in exposed for name in ("ETag", "Location", "Content-Location", "Last-Modified", "X-Progress", "Retry-After"))


def test_faults_of_parameters_have_their_place(one):
    outcome = one.fhir("GET", "Patient?birthdate=never").json
    assert outcome["issue"][0]["location"] == ["http.birthdate"]
    outcome = one.fhir("GET", "_history?_count=x").json
    assert outcome["issue"][0]["location"] == ["http._count"]


def test_what_is_costly_is_cut_soon(one):
    started = time.monotonic()
    for query in ("_include:iterate=*&_revinclude:iterate=*", "_has:Observation:subject:" * 30 + "code=1", "subject:Patient.link:Patient." * 30 + "name=x",
                  "family=" + ",".join("x" * 5 for _ in range(6000)), "_filter=" + "(" * 5000 + "family%20eq%20x" + ")" * 5000, "_elements=" + ",".join("e%d" % n for n in range(5000))):
        assert one.fhir("GET", "Patient?" + query).status in (200, 400, 403, 413, 414)
    assert time.monotonic() - started < 10
