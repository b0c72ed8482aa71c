"""PATCH in its three forms: alone, conditional, in bundles, many at once."""
import base64
import json
import threading

import pytest

from client import FHIR_JSON, Server, bundle, entry, observation, patient, statuses

pytestmark = pytest.mark.both_engines

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"


def patch(server, url, operations, **headers):
    headers.setdefault("content_type", JSON_PATCH)
    return server.fhir("PATCH", url, operations, **headers)


def operation(kind, path, **parts):
    made = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name == "name":
            made.append({"name": name, "valueString": value})
        elif name in ("index", "source", "destination"):
            made.append({"name": name, "valueInteger": value})
        else:
            made.append({"name": "value", **value})
    return {"name": "operation", "part": made}


def parameters(*operations):
    return {"resourceType": "Parameters", "parameter": list(operations)}


def binary(operations, content_type=JSON_PATCH):
    text = operations if isinstance(operations, str) else json.dumps(operations)
    return {"resourceType": "Binary", "contentType": content_type, "data": base64.b64encode(text.encode()).decode()}


def test_json_patch_makes_a_new_version(server):
    made = server.create(patient("Jensen", gender="male"))
    answer = patch(server, f"Patient/{made['id']}", [{"op": "test", "path": "/gender", "value": "male"},
                                                     {"op": "replace", "path": "/gender", "value": "female"},
                                                     {"op": "add", "path": "/name/0/given/-", "value": "Bo"}])
    assert answer.status == 200 and answer.json["gender"] == "female" and answer.json["name"][0]["given"] == ["Ann", "Bo"]
    assert answer.headers["etag"] == 'W/"2"' and answer.json["meta"]["versionId"] == "2"
    assert server.fhir("GET", f"Patient/{made['id']}").json == answer.json
    assert server.fhir("GET", "Patient?given=bo&family=jensen").json["entry"][0]["resource"]["id"] == made["id"]
    assert server.fhir("GET", f"Patient/{made['id']}/_history").json["total"] == 2


def test_fhirpath_patch(server):
    made = server.create(patient("Fhirpath", telecom=[{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}]))
    answer = patch(server, f"Patient/{made['id']}", parameters(
        operation("add", "Patient", name="birthDate", value={"valueDate": "1990-01-01"}),
        operation("replace", "Patient.telecom.where(system = 'phone').value", value={"valueString": "3"}),
        operation("insert", "Patient.telecom", index=0, value={"valueContactPoint": {"system": "sms", "value": "0"}}),
        operation("move", "Patient.telecom", source=2, destination=1),
        operation("delete", "Patient.name[0].given[0]")), content_type=FHIR_JSON)
    assert answer.status == 200, answer.body
    assert answer.json["birthDate"] == "1990-01-01" and "given" not in answer.json["name"][0]
    assert [t["value"] for t in answer.json["telecom"]] == ["0", "2", "3"]


def test_xml_patch(server):
    made = server.create(patient("Xml", gender="male"))
    url = f"Patient/{made['id']}"
    answer = patch(server, url, """<diff xmlns="http://hl7.org/fhir">
        <replace sel="Patient/gender/@value">female</replace>
        <add sel="Patient/gender" pos="after"><birthDate value="1990-01-01"/></add>
        <add sel="Patient/name/given[1]" pos="before"><given value="Bo"/></add></diff>""", content_type=XML_PATCH)
    assert answer.status == 200, answer.body
    assert (answer.json["gender"], answer.json["birthDate"], answer.json["name"][0]["given"]) == ("female", "1990-01-01", ["Bo", "Ann"])
    for body, status, place in (("<diff>", 400, "line"), ("<diff/>", 422, "no operations"), ("<!DOCTYPE d><d/>", 400, "line"),
                                ('<diff xmlns="http://hl7.org/fhir"><remove sel="Patient/none"/></diff>', 422, "operation[0].sel"),
                                ('<diff xmlns="http://hl7.org/fhir"><remove sel="Patient//x"/></diff>', 400, "operation[0].sel"),
                                ('<diff xmlns="http://hl7.org/fhir"><replace sel="Patient/id/@value">y</replace></diff>', 422, "id"),
                                ('<diff xmlns="http://hl7.org/fhir"><add sel="Patient"><gender value="male"/></add></diff>', 422, "Patient")):
        answer = patch(server, url, body, content_type=XML_PATCH)
        assert answer.status == status, (body, answer.body)
        assert place in answer.issue_text(), (place, answer.issue_text())
    answer = server.fhir("POST", "", bundle("transaction", entry("PATCH", url, binary(
        '<diff xmlns="http://hl7.org/fhir"><remove sel="Patient/birthDate"/></diff>', XML_PATCH))))
    assert answer.status == 200 and "birthDate" not in server.fhir("GET", url).json


def test_fhirpath_patch_in_xml(server):
    made = server.create(patient("InXml", gender="male"))
    answer = patch(server, f"Patient/{made['id']}", """<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>
        <part><name value="type"/><valueCode value="replace"/></part><part><name value="path"/><valueString value="Patient.gender"/></part>
        <part><name value="value"/><valueCode value="female"/></part></parameter></Parameters>""",
                   content_type="application/fhir+xml", accept=FHIR_JSON)
    assert answer.status == 200 and answer.json["gender"] == "female", answer.body


def test_how_many_operations_a_patch_may_have_is_a_setting(tmp_path):
    (tmp_path / "limits.yaml").write_text("limits:\n  patchOperations: 2\n")
    server = Server(tmp_path / "c.db", "--config", str(tmp_path))
    try:
        url = f"Patient/{server.create(patient('Few', gender='male'))['id']}"
        xml = '<diff xmlns="http://hl7.org/fhir">' + '<replace sel="Patient/gender/@value">male</replace>' * 3 + "</diff>"
        path = operation("delete", "Patient.birthDate")
        for body, kind in (([{"op": "test", "path": "/gender", "value": "male"}] * 3, JSON_PATCH), (parameters(path, path, path), FHIR_JSON), (xml, XML_PATCH)):
            assert patch(server, url, body, content_type=kind).status == 413
        assert patch(server, url, parameters(path, path), content_type=FHIR_JSON).status == 200
    finally:
        server.stop()


def test_a_patch_that_changes_nothing_makes_no_version(server):
    made = server.create(patient("Same", gender="male", text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Same</div>'}))
    url = f"Patient/{made['id']}"
    for body, kind in (([], JSON_PATCH), ([{"op": "replace", "path": "/gender", "value": "male"}], JSON_PATCH),
                       ([{"op": "test", "path": "/meta/versionId", "value": "1"}], JSON_PATCH),
                       (parameters(), FHIR_JSON), (parameters(operation("delete", "Patient.birthDate")), FHIR_JSON)):
        answer = patch(server, url, body, content_type=kind)
        assert answer.status == 200 and answer.headers["etag"] == 'W/"1"', answer.body
    assert server.fhir("GET", url).json["text"] == made["text"]


def test_a_generated_narrative_does_not_outlive_what_it_tells(server):
    div = '<div xmlns="http://www.w3.org/1999/xhtml">male</div>'
    for status, stays in (("generated", False), ("extensions", False), ("additional", True)):
        made = server.create(patient("Told", gender="male", text={"status": status, "div": div}))
        url = f"Patient/{made['id']}"
        tagged = patch(server, url, [{"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]}])
        assert tagged.status == 200 and "text" in tagged.json
        assert ("text" in patch(server, url, [{"op": "replace", "path": "/gender", "value": "female"}]).json) == stays
    made = server.create(patient("Told", gender="male", text={"status": "generated", "div": div}))
    both = patch(server, f"Patient/{made['id']}", [{"op": "replace", "path": "/gender", "value": "female"},
                                                   {"op": "replace", "path": "/text/div", "value": div.replace("male", "female")}])
    assert "female" in both.json["text"]["div"]


def test_if_match_and_prefer(server):
    made = server.create(patient("Match"))
    url = f"Patient/{made['id']}"
    change = [{"op": "add", "path": "/active", "value": True}]
    assert patch(server, url, change, if_match='W/"7"').status == 412
    assert patch(server, url, change, if_match="nonsense").status == 412
    assert patch(server, url, change, if_match='W/"1"', prefer="return=minimal").body == b""
    answer = patch(server, url, [{"op": "remove", "path": "/active"}], prefer="return=OperationOutcome")
    assert answer.status == 200 and answer.issues()[0][0] == "information" and answer.headers["etag"] == 'W/"3"'


@pytest.mark.parametrize("operations,status,place", [
    ({}, 400, ""), ("{not json", 400, ""), ([{"op": "nonsense", "path": "/a"}], 400, "operation[0].op"),
    ([{"op": "remove", "path": "/birthDate"}], 422, "operation[0].path"),
    ([{"op": "test", "path": "/gender", "value": "male"}, {"op": "test", "path": "/gender", "value": "other"}], 422, "operation[1].value"),
    ([{"op": "replace", "path": "/gender", "value": "nonsense"}], 422, "Patient.gender"),
    ([{"op": "add", "path": "/unknown", "value": 1}], 422, "unknown"),
    ([{"op": "replace", "path": "/birthDate", "value": "x"}], 422, "operation[0].path"),
    ([{"op": "add", "path": "/birthDate", "value": "x"}], 422, "Patient.birthDate"),
    ([{"op": "replace", "path": "/id", "value": "other"}], 422, "id"), ([{"op": "remove", "path": "/id"}], 422, "id"),
    ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 422, "type"),
    ([{"op": "replace", "path": "", "value": 3}], 422, "type"),
    ([{"op": "add", "path": "/contact", "value": []}] + [{"op": "copy", "from": "", "path": "/contact/-"}] * 40, 413, "operation["),
    ([{"op": "test", "path": "", "value": 1}] * 10001, 413, "operations"),
])
def test_what_can_not_be_applied_is_refused_with_its_place(server, operations, status, place):
    made = server.create(patient("Refused", gender="male"))
    answer = patch(server, f"Patient/{made['id']}", operations)
    assert answer.status == status, answer.body
    assert place in answer.issue_text()
    assert server.fhir("GET", f"Patient/{made['id']}").headers["etag"] == 'W/"1"'


def test_what_is_not_there_can_not_be_patched(server):
    made = server.create(patient("Gone"))
    server.fhir("DELETE", f"Patient/{made['id']}")
    assert patch(server, f"Patient/{made['id']}", []).status == 410
    assert patch(server, "Patient/never-there", []).status == 404
    assert patch(server, "Nonsense/1", []).status == 404
    live = server.create(patient("Typed"))
    for kind in ("text/plain", "application/merge-patch+json", "application/octet-stream"):
        answer = patch(server, f"Patient/{live['id']}", b"[]", content_type=kind)
        assert answer.status == 415, kind
        assert "application/json-patch+json" in answer.issue_text(), "the error names what is taken"
        assert JSON_PATCH in answer.headers["accept-patch"] and XML_PATCH in answer.headers["accept-patch"]
    assert patch(server, f"Patient/{live['id']}", patient(), content_type=FHIR_JSON).status == 415


def test_conditional_patch(server):
    for number in (1, 2, 2):
        server.create(patient("Cond", identifier=[{"system": "urn:cp", "value": f"cp-{number}"}]))
    change = [{"op": "add", "path": "/active", "value": True}]
    answer = patch(server, "Patient?identifier=urn:cp|cp-1", change)
    assert answer.status == 200 and answer.json["active"] is True
    assert patch(server, "Patient?identifier=urn:cp|cp-1", change).headers["etag"] == 'W/"2"'
    assert patch(server, "Patient?identifier=urn:cp|cp-2", change).status == 412
    assert patch(server, "Patient?identifier=urn:cp|cp-3", change).status == 404
    assert patch(server, "Patient", change).status == 400
    assert patch(server, "Patient?_count=1", change).status == 400
    assert patch(server, "Patient?nonsense=1", change).status == 400


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_patch_in_a_bundle(server, kind):
    one, two, three = (server.create(patient("InBundle", gender="male")) for _ in range(3))
    answer = server.fhir("POST", "", bundle(
        kind,
        entry("GET", f"Patient/{one['id']}"),
        entry("PATCH", f"Patient/{one['id']}", binary([{"op": "replace", "path": "/gender", "value": "female"}])),
        entry("PATCH", f"Patient/{two['id']}", parameters(operation("replace", "Patient.gender", value={"valueCode": "other"})), ifMatch='W/"1"'),
        entry("POST", "Patient", patient("InBundle"), "urn:uuid:55555555-5555-4555-8555-555555555555"),
        entry("PATCH", f"Patient/{three['id']}", parameters(operation("delete", "Patient.gender")))))
    assert answer.status == 200, answer.body
    assert statuses(answer) == [200, 200, 200, 201, 200]
    assert answer.json["entry"][0]["resource"]["gender"] == "female"  # reads come last
    assert answer.json["entry"][1]["response"]["etag"] == 'W/"2"'
    assert server.fhir("GET", f"Patient/{two['id']}").json["gender"] == "other"
    assert "gender" not in server.fhir("GET", f"Patient/{three['id']}").json


def test_a_patch_in_a_transaction_can_link_to_what_it_creates(server):
    seen = server.create(observation("Patient/unknown"))
    answer = server.fhir("POST", "", bundle(
        "transaction",
        entry("PATCH", f"Observation/{seen['id']}", binary([{"op": "replace", "path": "/subject/reference", "value": "urn:uuid:66666666-6666-4666-8666-666666666666"}])),
        entry("POST", "Patient", patient("Linked"), "urn:uuid:66666666-6666-4666-8666-666666666666")))
    assert answer.status == 200, answer.body
    made = answer.json["entry"][1]["response"]["location"].split("/_history")[0]
    assert server.fhir("GET", f"Observation/{seen['id']}").json["subject"]["reference"] == made


def test_a_transaction_with_a_patch_that_fails_does_nothing(server):
    made = server.create(patient("Whole"))
    other = entry("POST", "Patient", patient("WholeOther"))
    for url, body, status in ((f"Patient/{made['id']}", binary([{"op": "remove", "path": "/birthDate"}]), 422),
                              (f"Patient/{made['id']}", binary("<diff/>", "text/xml"), 415),
                              (f"Patient/{made['id']}", patient(), 422), (f"Patient/{made['id']}", None, 422),
                              (f"Patient/{made['id']}", {**binary([]), "data": "!"}, 400),
                              ("Patient/never-there", binary([]), 404), ("Patient?family=WholeNobody", binary([]), 404)):
        answer = server.fhir("POST", "", bundle("transaction", other, entry("PATCH", url, body)))
        assert answer.status == status, answer.body
        assert "Bundle.entry[1]" in answer.issue_text()
    answer = server.fhir("POST", "", bundle("transaction", entry("PATCH", f"Patient/{made['id']}", binary([])),
                                            entry("DELETE", f"Patient/{made['id']}")))
    assert answer.status == 400 and "same resource" in answer.issue_text()
    assert server.fhir("GET", "Patient?family=WholeOther&_summary=count").json["total"] == 0


def test_sixteen_clients_patch_one_resource_and_nothing_is_lost(server):
    made = server.create(patient("Shared", telecom=[{"system": "phone", "value": "0"} for _ in range(16)]))
    url = f"Patient/{made['id']}"
    faults = []

    def client(number):
        for value in range(20):
            answer = patch(server, url, [{"op": "test", "path": f"/telecom/{number}/value", "value": str(value)},
                                         {"op": "replace", "path": f"/telecom/{number}/value", "value": str(value + 1)}])
            if answer.status != 200:
                faults.append((number, value, answer.status, answer.body))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    after = server.fhir("GET", url).json
    assert [t["value"] for t in after["telecom"]] == ["20"] * 16
    assert after["meta"]["versionId"] == str(1 + 16 * 20)


def test_transactions_race_with_patches(server):
    """Quick patches of the same resource do not throw a larger transaction back until it gives up."""
    made = server.create(patient("Race", telecom=[{"system": "phone", "value": "0"} for _ in range(4)]))
    url = f"Patient/{made['id']}"
    faults = []

    def change(index, value):
        return [{"op": "test", "path": f"/telecom/{index}/value", "value": str(value)},
                {"op": "replace", "path": f"/telecom/{index}/value", "value": str(value + 1)}]

    def patches(index):
        for value in range(60):
            answer = patch(server, url, change(index, value))
            if answer.status != 200:
                faults.append(answer.body)

    def transactions():
        for value in range(30):
            answer = server.fhir("POST", "", bundle("transaction", entry("PATCH", url, binary(change(3, value))),
                                                    *[entry("POST", "Patient", patient("RaceOther")) for _ in range(20)]))
            if answer.status != 200:
                faults.append(answer.body)

    threads = [*[threading.Thread(target=patches, args=(i,)) for i in range(3)], threading.Thread(target=transactions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert [t["value"] for t in server.fhir("GET", url).json["telecom"]] == ["60", "60", "60", "30"]
    assert server.fhir("GET", "Patient?family=RaceOther&_summary=count").json["total"] == 600
