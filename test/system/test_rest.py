"""The interactions on single resources."""
import email.utils
import gzip
import time

import pytest

from client import FHIR_JSON, observation, patient

pytestmark = pytest.mark.both_engines


def test_create_says_where_and_which_version(server):
    answer = server.fhir("POST", "Patient", patient(id="ignored"))
    assert answer.status == 201
    made = answer.json
    assert made["id"] != "ignored" and made["meta"]["versionId"] == "1"
    assert answer.headers["location"] == f"{server.base}/Patient/{made['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["content-type"].startswith(FHIR_JSON)
    changed = email.utils.parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
    assert abs(changed - time.time()) < 120


def test_read_gives_what_was_written(server):
    sent = patient(birthDate="1980-02-17", extension=[{"url": "http://x.example/d", "valueDecimal": 1.50}])
    text = '{"resourceType":"Patient","extension":[{"url":"http://x.example/d","valueDecimal":1.50}],"gender":"female"}'
    made = server.fhir("POST", "Patient", text).json
    answer = server.fhir("GET", f"Patient/{made['id']}")
    assert answer.status == 200 and b'"valueDecimal":1.50' in answer.body
    assert sent["birthDate"] == "1980-02-17"


def test_head_is_get_without_body(server):
    made = server.create(patient())
    get, head = (server.fhir(method, f"Patient/{made['id']}") for method in ("GET", "HEAD"))
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["etag"] == get.headers["etag"]


def test_update_makes_versions_and_vread_reads_them(server):
    made = server.create(patient())
    url = f"Patient/{made['id']}"
    answer = server.fhir("PUT", url, {**made, "gender": "female"})
    assert answer.status == 200 and answer.headers["etag"] == 'W/"2"'
    assert "gender" not in server.fhir("GET", url + "/_history/1").json
    assert server.fhir("GET", url + "/_history/2").json["gender"] == "female"
    assert server.fhir("GET", url + "/_history/3").status == 404
    assert server.fhir("GET", url + "/_history/x").status == 404


def test_update_without_change_makes_no_version(server):
    made = server.create(patient())
    answer = server.fhir("PUT", f"Patient/{made['id']}", made)
    assert answer.status == 200 and answer.headers["etag"] == 'W/"1"'


def test_update_as_create(server):
    answer = server.fhir("PUT", "Patient/chosen-id.1", patient(id="chosen-id.1"))
    assert answer.status == 201 and answer.headers["location"].endswith("/Patient/chosen-id.1/_history/1")


def test_update_checks_the_id(server):
    assert server.fhir("PUT", "Patient/a", patient(id="b")).status == 400
    assert server.fhir("PUT", "Patient/a", patient()).status == 400
    assert server.fhir("PUT", "Patient/no_underscore", patient(id="no_underscore")).status == 400
    assert server.fhir("PUT", "Patient/" + "x" * 65, patient(id="x" * 65)).status == 400
    assert server.fhir("PUT", "Observation/a", patient(id="a")).status == 400


def test_if_match_lets_only_the_last_version_be_changed(server):
    made = server.create(patient())
    url = f"Patient/{made['id']}"
    assert server.fhir("PUT", url, {**made, "gender": "male"}, if_match='W/"1"').status == 200
    answer = server.fhir("PUT", url, {**made, "gender": "other"}, if_match='W/"1"')
    assert answer.status == 412 and answer.issues()[0][0] == "error"
    assert server.fhir("DELETE", url, if_match='W/"1"').status == 412
    assert server.fhir("DELETE", url, if_match='W/"2"').status == 204


def test_if_none_match_star_only_creates(server):
    assert server.fhir("PUT", "Patient/only-new", patient(id="only-new"), if_none_match="*").status == 201
    assert server.fhir("PUT", "Patient/only-new", patient(id="only-new", gender="male"), if_none_match="*").status == 412


def test_conditional_read(server):
    made = server.create(patient())
    url = f"Patient/{made['id']}"
    first = server.fhir("GET", url)
    assert server.fhir("GET", url, if_none_match=first.headers["etag"]).status == 304
    assert server.fhir("GET", url, if_none_match='W/"9"').status == 200
    assert server.fhir("GET", url, if_modified_since=first.headers["last-modified"]).status == 304
    assert server.fhir("GET", url, if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT").status == 200


def test_delete_is_gone_and_can_come_back(server):
    made = server.create(patient())
    url = f"Patient/{made['id']}"
    assert server.fhir("DELETE", url).status == 204
    assert server.fhir("GET", url).status == 410
    assert server.fhir("GET", url + "/_history/1").status == 200
    assert server.fhir("GET", url + "/_history/2").status == 410
    assert server.fhir("DELETE", url).status == 204
    again = server.fhir("PUT", url, made)
    assert again.status == 201 and again.json["meta"]["versionId"] == "3"
    assert server.fhir("GET", "Patient/never-was").status == 404


def test_history_is_newest_first_and_paged(server):
    made = server.create(patient())
    url = f"Patient/{made['id']}"
    for n in range(4):
        server.fhir("PUT", url, {**made, "birthDate": f"198{n}-01-01"})
    server.fhir("DELETE", url)
    whole = server.fhir("GET", url + "/_history").json
    assert whole["type"] == "history" and whole["total"] == 6
    assert [e["request"]["method"] for e in whole["entry"]] == ["DELETE", "PUT", "PUT", "PUT", "PUT", "POST"]
    assert "resource" not in whole["entry"][0]
    seen, page = [], server.fhir("GET", url + "/_history?_count=4").json
    while True:
        seen += [e["response"]["etag"] for e in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        page = server.request("GET", following[0][len(server.addresses["http"]):]).json
    assert seen == [f'W/"{n}"' for n in (6, 5, 4, 3, 2, 1)]
    assert server.fhir("GET", "Patient/never-was/_history").status == 404


def test_prefer_return(server):
    assert server.fhir("POST", "Patient", patient(), prefer="return=minimal").body == b""
    answer = server.fhir("POST", "Patient", patient(), prefer="return=OperationOutcome")
    assert answer.status == 201 and answer.issues()[0][0] == "information"
    assert server.fhir("POST", "Patient", patient(), prefer="return=representation").json["resourceType"] == "Patient"
    assert server.fhir("POST", "Patient", patient(), prefer="return=nonsense").status == 400


def test_conditional_create(server):
    identified = patient(identifier=[{"system": "urn:x", "value": "cc-1"}])
    first = server.fhir("POST", "Patient", identified, if_none_exist="identifier=urn:x|cc-1")
    second = server.fhir("POST", "Patient", identified, if_none_exist="identifier=urn:x|cc-1")
    assert (first.status, second.status) == (201, 200) and first.json["id"] == second.json["id"]
    server.create(identified)
    assert server.fhir("POST", "Patient", identified, if_none_exist="identifier=urn:x|cc-1").status == 412
    assert server.fhir("POST", "Patient", identified, if_none_exist="nonsense=1").status == 400


def test_conditional_update(server):
    url = "Patient?identifier=urn:x|cu-1"
    identified = patient(identifier=[{"system": "urn:x", "value": "cu-1"}])
    first = server.fhir("PUT", url, identified)
    second = server.fhir("PUT", url, {**identified, "gender": "male"})
    assert (first.status, second.status) == (201, 200) and first.json["id"] == second.json["id"]
    assert server.fhir("PUT", url, {**identified, "id": "another"}).status == 400
    by_name = server.fhir("PUT", "Patient?family=Cu-Name&gender=female", patient("Cu-Name", gender="female"))
    again = server.fhir("PUT", "Patient?family=Cu-Name&gender=female", patient("Cu-Name", gender="female", active=True))
    assert (by_name.status, again.status) == (201, 200)


def test_conditional_delete(server):
    server.create(patient(identifier=[{"system": "urn:x", "value": "cd-1"}]))
    server.create(patient(identifier=[{"system": "urn:x", "value": "cd-2"}]))
    server.create(patient(identifier=[{"system": "urn:x", "value": "cd-2"}]))
    assert server.fhir("DELETE", "Patient?identifier=urn:x|cd-1").status == 204
    assert server.fhir("DELETE", "Patient?identifier=urn:x|cd-1").status == 200
    assert "Deleted 2" in server.fhir("DELETE", "Patient?identifier=urn:x|cd-2").issue_text()
    assert server.fhir("DELETE", "Patient").status in (400, 404, 405)


def test_form_of_the_answer(server):
    made = server.create(patient(birthDate="1980-02-17"))
    url = f"Patient/{made['id']}"
    assert b"\n  " in server.fhir("GET", url + "?_pretty=true").body
    part = server.fhir("GET", url + "?_elements=birthDate").json
    assert "name" not in part and part["birthDate"] == "1980-02-17"
    assert any(tag["code"] == "SUBSETTED" for tag in part["meta"]["tag"])
    for accept in ("application/fhir+json", "application/json", "text/json", "*/*", "text/html, */*;q=0.1",
                   "application/fhir+json; fhirVersion=4.0"):
        assert server.fhir("GET", url, accept=accept).status == 200, accept
    for accept in ("text/turtle", "application/fhir+json; fhirVersion=3.0", "application/json;q=0"):
        assert server.fhir("GET", url, accept=accept).status == 406, accept
    assert server.fhir("GET", url + "?_format=json", accept="text/turtle").status == 200
    assert server.fhir("GET", url + "?_format=application/fhir+json").status == 200
    assert server.fhir("GET", url + "?_format=ttl").status == 406
    assert server.fhir("POST", "Patient", b"<> a <Patient> .", content_type="text/turtle").status == 415


def test_gzip_both_ways(server):
    big = patient(address=[{"line": [f"{n} Main Street"], "city": "Springfield"} for n in range(100)])
    import json
    answer = server.fhir("POST", "Patient", gzip.compress(json.dumps(big).encode()), content_type=FHIR_JSON,
                         content_encoding="gzip", accept_encoding="gzip")
    assert answer.status == 201 and answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.body))["address"]) == 100


@pytest.mark.parametrize("method,path,status", [
    ("GET", "Nonsense", 404), ("GET", "patient", 404), ("GET", "Nonsense/1", 404), ("GET", "Patient/a/b/c/d/e/f/g", 404),
    ("PATCH", "Patient/1/_history/1", 405), ("DELETE", "metadata", 405), ("DELETE", "", 405), ("PUT", "", 405),
    ("GET", "Patient/%zz", 400), ("GET", "DomainResource/1", 404), ("GET", "HumanName/1", 404),
])
def test_what_is_not_there(server, method, path, status):
    answer = server.fhir(method, path)
    assert answer.status == status and answer.issues()
    if status == 405:
        assert answer.headers["allow"]


def test_cross_origin(server):
    preflight = server.request("OPTIONS", "/fhir/Patient", None, {
        "Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"})
    assert preflight.status == 204 and preflight.headers["access-control-allow-origin"] == "http://localhost:3000"
    strange = server.fhir("POST", "Patient", patient(), origin="https://stranger.example")
    assert strange.status == 403 and strange.issues()
    assert "access-control-allow-origin" not in server.fhir("GET", "metadata", origin="https://stranger.example").headers
    assert server.fhir("GET", "metadata", host="rebound.example").status == 421


def test_metadata_is_made_from_what_there_is(server):
    statement = server.fhir("GET", "metadata").json
    assert statement["resourceType"] == "CapabilityStatement" and statement["fhirVersion"] == "4.0.1"
    types = {r["type"]: r for r in statement["rest"][0]["resource"]}
    assert len(types) == 146 and "DomainResource" not in types
    assert {i["code"] for i in types["Patient"]["interaction"]} == {
        "read", "vread", "history-instance", "history-type", "create", "update", "delete", "patch", "search-type"}
    assert {i["code"] for i in statement["rest"][0]["interaction"]} == {"transaction", "batch", "history-system", "search-system"}
    assert {"name", "birthdate", "_id", "_lastUpdated"} <= {p["name"] for p in types["Patient"]["searchParam"]}
    assert {"everything", "meta", "meta-add", "meta-delete", "validate"} <= {o["name"] for o in types["Patient"]["operation"]}


def test_everything_of_a_patient(server):
    made = server.create(patient("Everything"))
    other = server.create(patient("Other"))
    for n in range(5):
        server.create(observation(f"Patient/{made['id']}", value=n))
    server.create(observation(f"Patient/{other['id']}"))
    found = server.fhir("GET", f"Patient/{made['id']}/$everything").json
    kinds = [e["resource"]["resourceType"] for e in found["entry"]]
    assert kinds.count("Patient") == 1 and kinds.count("Observation") == 5
    seen, page = 0, server.fhir("GET", f"Patient/{made['id']}/$everything?_count=2").json
    while True:
        seen += len(page["entry"])
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        page = server.request("GET", following[0][len(server.addresses["http"]):]).json
    assert seen == 6
    assert server.fhir("GET", "Patient/never-was/$everything").status == 404
    assert server.fhir("GET", f"Patient/{made['id']}/$everything?nonsense=1").status == 400


def test_search_by_get_and_post(server):
    made = server.create(patient("Searched", "Zoë", birthDate="1971-03-04"))
    for answer in (server.fhir("GET", "Patient?family=searched&birthdate=1971"),
                   server.fhir("POST", "Patient/_search", b"family=searched&birthdate=1971",
                               content_type="application/x-www-form-urlencoded"),
                   server.fhir("POST", "Patient/_search?family=searched", b"given=zoe",
                               content_type="application/x-www-form-urlencoded")):
        found = answer.json
        assert found["type"] == "searchset" and found["total"] == 1
        assert found["entry"][0]["fullUrl"] == f"{server.base}/Patient/{made['id']}"
        assert found["entry"][0]["search"]["mode"] == "match"
    assert server.fhir("POST", "Patient/_search", b"{}", content_type="application/json").status == 415


def test_search_pages_by_links(server):
    for n in range(7):
        server.create(patient("Paged", f"Number{n}"))
    seen, url = [], f"{server.base}/Patient?family=paged&_count=3&_sort=given"
    while url:
        page = server.request("GET", url[len(server.addresses["http"]):]).json
        seen += [e["resource"]["name"][0]["given"][0] for e in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert seen == [f"Number{n}" for n in range(7)]


def test_search_reports_what_it_does_not_know(server):
    strict = server.fhir("GET", "Patient?nonsense=1")
    assert strict.status == 400 and "nonsense" in strict.issue_text()
    lenient = server.fhir("GET", "Patient?nonsense=1&_count=1", prefer="handling=lenient")
    assert lenient.status == 200
    outcomes = [e["resource"] for e in lenient.json["entry"] if e["search"]["mode"] == "outcome"]
    assert len(outcomes) == 1 and "nonsense" in str(outcomes)
    assert server.fhir("GET", "Patient?birthdate=yesterday").status == 400


def test_the_docs_list_the_interactions_that_there_are(server):
    """docs/fhir.md and the table of operations are one."""
    import os
    import re
    root = os.path.join(os.path.dirname(__file__), "../..")
    with open(os.path.join(root, "src/service/rest_operations.c"), encoding="utf-8") as source:
        table = source.read()
    rows = re.findall(r'\{"([^"]*)",\s*"([^"]*)",\s*"([A-Z]+)",\s*"([^"]*)",\s*\w+,\s*\w+,\s*"([^"]*)"[^{}]*\}', table)
    assert len(rows) > 10
    with open(os.path.join(root, "docs/fhir.md"), encoding="utf-8") as document:
        text = document.read()
    for interaction, operation, method, path, meaning in rows:
        assert f"| {interaction or operation} | `{method} {path}` | {meaning} |" in text
