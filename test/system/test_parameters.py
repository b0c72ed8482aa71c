"""SearchParameter resources make parameters; the index is built in the background, whatever happens meanwhile."""
import re
import signal
import threading
import time

import pytest

import engine
from client import Server, bundle, entry, patient

pytestmark = pytest.mark.both_engines

PATIENTS = 1200


def marital(i):
    return {"coding": [{"system": "urn:marital", "code": "M" if i % 3 else "S"}]}


def parameter(code="marital", **members):
    return {"resourceType": "SearchParameter", "url": f"http://example.org/{code}", "name": code, "status": "active",
            "description": code, "code": code, "base": ["Patient"], "type": "token",
            "expression": "Patient.maritalStatus", **members}


def fill(server, n=PATIENTS):
    for start in range(0, n, 300):
        answer = server.fhir("POST", "", bundle("batch", *[
            entry("PUT", f"Patient/p{i}", patient(f"Family{i % 7}", f"Given{i}", id=f"p{i}", maritalStatus=marital(i)))
            for i in range(start, min(start + 300, n))]))
        assert answer.status == 200, answer.body


def count(server, query, seconds=30):
    """The total, as soon as the parameter can be searched by."""
    end = time.monotonic() + seconds
    while True:
        answer = server.fhir("GET", f"{query}&_summary=count")
        if answer.status == 200:
            return answer.json["total"]
        assert answer.status == 503 and "being built" in answer.issue_text(), answer.body
        assert time.monotonic() < end, answer.body
        time.sleep(0.02)


def make(server, resource):
    answer = server.fhir("POST", "SearchParameter", resource)
    assert answer.status == 201, answer.body
    return answer.json["id"]


def test_parameter_finds_what_was_there_and_what_comes(fresh_server):
    fill(fresh_server, 300)
    assert fresh_server.fhir("GET", "Patient?marital=S").status == 400
    make(fresh_server, parameter())
    fresh_server.create(patient(maritalStatus=marital(0)))
    assert count(fresh_server, "Patient?marital=S") == 101
    assert count(fresh_server, "Patient?marital:not=S") == 200
    statement = fresh_server.fhir("GET", "metadata").json
    claimed = [p for r in statement["rest"][0]["resource"] if r["type"] == "Patient" for p in r["searchParam"]
               if p["name"] == "marital"]
    assert claimed and claimed[0]["definition"] == "http://example.org/marital" and claimed[0]["type"] == "token"


def test_parameter_survives_a_restart_and_goes_with_its_resource(tmp_path):
    server = Server(tmp_path / "callosum.db")
    fill(server, 300)
    number = make(server, parameter())
    assert count(server, "Patient?marital=S") == 100
    assert server.stop() == 0
    server = Server(tmp_path / "callosum.db")
    assert server.fhir("GET", "Patient?marital=S&_summary=count").json["total"] == 100
    changed = parameter(type="string", expression="Patient.name.family")
    assert server.fhir("PUT", f"SearchParameter/{number}", {**changed, "id": number}).status == 200
    assert count(server, "Patient?marital=family3") == 43
    assert server.fhir("PUT", f"SearchParameter/{number}", {**changed, "id": number, "status": "retired"}).status == 200
    assert server.fhir("GET", "Patient?marital=family3").status == 400
    assert server.fhir("DELETE", f"SearchParameter/{number}").status == 204
    assert make(server, parameter()) != number
    assert count(server, "Patient?marital=S") == 100
    assert server.stop() == 0


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.08])
def test_building_goes_on_after_a_kill(tmp_path, seconds):
    server = Server(tmp_path / "callosum.db")
    fill(server)
    make(server, parameter())
    time.sleep(seconds)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server = Server(tmp_path / "callosum.db")
    assert count(server, "Patient?marital=S") == PATIENTS // 3
    assert count(server, "Patient?marital=M") == PATIENTS - PATIENTS // 3
    assert server.stop() == 0


def test_writers_and_the_builder_do_not_lose_each_others_rows(fresh_server):
    """While the index is built, patients change their value, come and go; then search equals a scan."""
    fill(fresh_server)
    stop = threading.Event()
    failures = []

    def change(first):
        i = first
        while not stop.is_set():
            name = f"p{i * 7 % PATIENTS}"
            verb = i % 5
            if verb == 4:
                answer = fresh_server.fhir("DELETE", f"Patient/{name}")
            else:
                answer = fresh_server.fhir("PUT", f"Patient/{name}", patient(id=name, maritalStatus=marital(i // 5)))
            if answer.status not in (200, 201, 204):
                failures.append(answer.body)
            i += 3

    threads = [threading.Thread(target=change, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(3):
            number = make(fresh_server, parameter())
            count(fresh_server, "Patient?marital=S")
            if round_ < 2:
                assert fresh_server.fhir("DELETE", f"SearchParameter/{number}").status == 204
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]
    wanted = {"S": set(), "M": set()}
    answer = fresh_server.fhir("GET", "Patient?_count=1000").json
    while True:
        for found in answer["entry"]:
            wanted[found["resource"]["maritalStatus"]["coding"][0]["code"]].add(found["resource"]["id"])
        more = [link["url"] for link in answer["link"] if link["relation"] == "next"]
        if not more:
            break
        answer = fresh_server.request("GET", more[0].split(str(fresh_server.port), 1)[1]).json
    for code, ids in wanted.items():
        assert count(fresh_server, f"Patient?marital={code}") == len(ids)


@pytest.mark.parametrize("members, reason", [
    ({"expression": "Patient.nosuch("}, "nosuch"),
    ({"expression": "Patient.maritalStatus", "type": "date"}, "can be searched by"),
    ({"code": "gender"}, "can't be replaced"),
    ({"code": "_mine"}, "code must be"),
    ({"code": "a.b"}, "code must be"),
    ({"type": "special"}, "type"),
    ({"base": ["Patient", "Patient"], "expression": ""}, ""),
    ({"type": "composite"}, "two to eight"),
])
def test_what_can_not_be_a_parameter_is_refused_with_the_reason(server, members, reason):
    answer = server.fhir("POST", "SearchParameter", {**parameter("wrong"), **members})
    assert answer.status in (400, 422), answer.body
    assert reason in answer.issue_text()


def test_draft_has_no_effect(server):
    assert server.fhir("POST", "SearchParameter", parameter("draft", status="draft")).status == 201
    assert server.fhir("GET", "Patient?draft=S").status == 400


def test_description_of_a_standard_parameter_is_accepted(server):
    resource = parameter("gender", url="http://hl7.org/fhir/SearchParameter/individual-gender",
                         expression="Patient.gender | Person.gender | Practitioner.gender | RelatedPerson.gender")
    assert server.fhir("POST", "SearchParameter", resource).status == 201
    assert server.fhir("GET", "Patient?gender=male").status == 200
    assert server.fhir("POST", "SearchParameter", {**resource, "expression": "Patient.active"}).status == 422


def test_code_belongs_to_one_resource(server):
    make(server, parameter("taken"))
    answer = server.fhir("POST", "SearchParameter", parameter("taken", expression="Patient.active"))
    assert answer.status == 422 and "already" in answer.issue_text()


def test_two_in_one_transaction_can_not_define_the_same(server):
    answer = server.fhir("POST", "", bundle("transaction", entry("POST", "SearchParameter", parameter("double")),
                                            entry("POST", "SearchParameter", parameter("double", expression="Patient.active"))))
    assert answer.status == 422 and "double" in answer.issue_text()
    answer = server.fhir("POST", "", bundle("transaction", entry("POST", "SearchParameter", parameter("double-a")),
                                            entry("POST", "SearchParameter", parameter("double-b")),
                                            entry("POST", "Patient", patient(maritalStatus=marital(0)))))
    assert answer.status == 200, answer.body
    assert count(server, "Patient?double-a=S") == count(server, "Patient?double-b=S") > 0


def test_many_at_once(fresh_server):
    """Of each code one is made, whoever comes first; the others are told so."""
    fill(fresh_server, 60)
    statuses = []

    def post(k):
        statuses.append((k % 4, fresh_server.fhir("POST", "SearchParameter", parameter(f"code{k % 4}")).status))

    threads = [threading.Thread(target=post, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert sorted(status for code, status in statuses if code == k) == [201, 422, 422], statuses
        assert count(fresh_server, f"Patient?code{k}=S") == 20


def test_references_composites_and_all_types(server):
    server.create({"resourceType": "Organization", "id": "x", "name": "Ward"})
    ward = server.fhir("PUT", "Organization/ward", {"resourceType": "Organization", "id": "ward", "name": "Ward"})
    assert ward.status == 201
    server.create(patient("Link", managingOrganization={"reference": "Organization/ward"}, birthDate="1970-01-02",
                          gender="female"))
    make(server, parameter("ward", type="reference", expression="Patient.managingOrganization",
                           target=["Organization"]))
    make(server, parameter("gender-birth", type="composite", expression="Patient", component=[
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "gender"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-birthdate", "expression": "birthDate"}]))
    make(server, parameter("anytext", base=["DomainResource"], type="token", expression="DomainResource.text.status"))
    assert count(server, "Patient?ward=Organization/ward") == 1
    assert count(server, "Patient?ward.name=Ward") == 1
    assert count(server, "Organization?_has:Patient:ward:family=Link") == 1
    assert count(server, "Patient?gender-birth=female$1970-01-02") == 1
    assert count(server, "Patient?gender-birth=male$1970-01-02") == 0
    server.create(patient("Text", text={"status": "generated",
                                        "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}))
    assert count(server, "Patient?anytext=generated") == 1
    answer = server.fhir("GET", "Patient?ward=Organization/ward&_include=Patient:ward").json
    assert [found["resource"]["resourceType"] for found in answer["entry"]] == ["Patient", "Organization"]


def test_computed_expression_that_fails_does_not_refuse_writes(server):
    make(server, parameter("single", type="string", expression="Patient.name.given.single()"))
    server.create({"resourceType": "Patient", "name": [{"given": ["One", "Two"]}]})
    server.create({"resourceType": "Patient", "name": [{"given": ["Alone"]}]})
    assert count(server, "Patient?single=alone") == 1


def wait_for(server, answer, seconds=30):
    assert answer.status == 202, answer.body
    path = answer.headers["content-location"].split("/fhir/", 1)[1]
    end = time.monotonic() + seconds
    while True:
        answer = server.fhir("GET", path)
        if answer.status == 200:
            return {p["name"]: p.get("valueInteger", p.get("valueCode")) for p in answer.json["parameter"]}
        assert answer.status == 202 and time.monotonic() < end, answer.body
        assert re.fullmatch(r"\d+ of \d+ resources", answer.headers["x-progress"])
        time.sleep(0.02)


def test_reindex_of_everything_a_type_a_parameter_and_one_resource(fresh_server):
    fill(fresh_server, 300)
    fresh_server.create({"resourceType": "Organization", "name": "Ward"})
    post = {"resourceType": "Parameters"}
    assert wait_for(fresh_server, fresh_server.fhir("POST", "$reindex", post)) == {"state": "done", "resources": 301}
    assert wait_for(fresh_server, fresh_server.fhir("POST", "Organization/$reindex", post))["resources"] == 1
    assert wait_for(fresh_server, fresh_server.fhir("POST", "Patient/p7/$reindex", post))["resources"] == 1
    asked = {**post, "parameter": [{"name": "type", "valueCode": "Organization"}]}
    assert wait_for(fresh_server, fresh_server.fhir("POST", "$reindex", asked))["resources"] == 1
    asked = {**post, "parameter": [{"name": "url", "valueUri": "http://hl7.org/fhir/SearchParameter/Patient-link"}]}
    assert wait_for(fresh_server, fresh_server.fhir("POST", "$reindex", asked))["resources"] == 300
    assert fresh_server.fhir("GET", "Patient/p7").json["meta"]["versionId"] == "1"


def test_reindex_refuses_what_it_does_not_know(server):
    post = {"resourceType": "Parameters"}
    for parameter_, status in (({"name": "type", "valueCode": "Nonsense"}, 404), ({"name": "url", "valueUri": "x:y"}, 422),
                               ({"name": "nonsense", "valueString": "x"}, 400)):
        answer = server.fhir("POST", "$reindex", {**post, "parameter": [parameter_]})
        assert answer.status == status, answer.body
    assert server.fhir("POST", "Patient/nobody/$reindex", post).status == 404
    assert server.fhir("GET", "_reindex/99999").status == 404
    assert server.fhir("GET", "_reindex/x").status == 404


def test_reindex_can_be_cancelled(fresh_server):
    fill(fresh_server)
    answer = fresh_server.fhir("POST", "$reindex", {"resourceType": "Parameters"})
    path = answer.headers["content-location"].split("/fhir/", 1)[1]
    assert fresh_server.fhir("DELETE", path).status == 202
    assert fresh_server.fhir("GET", path).status == 404
    assert wait_for(fresh_server, fresh_server.fhir("POST", "Patient/p1/$reindex"))["resources"] == 1


def test_reindex_mends_an_index(tmp_path):
    """Rows that are taken out of the store behind the program's back are there again."""
    server = Server(tmp_path / "callosum.db")
    fill(server, 300)
    assert server.stop() == 0
    tables = ("token", "string", "date", "number", "quantity", "uri", "reference")
    engine.execute(tmp_path / "callosum.db", *(f"DELETE FROM {table}" for table in tables), "UPDATE resource SET keys=NULL")
    server = Server(tmp_path / "callosum.db")
    assert server.fhir("GET", "Patient?family=family3&_summary=count").json["total"] == 0
    wait_for(server, server.fhir("POST", "$reindex"))
    assert count(server, "Patient?family=family3") == 43
    assert server.stop() == 0
