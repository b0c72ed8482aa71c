"""Terminology over HTTP: the operations, and searches that ask for sets of codes, quantities and places."""
import random
import urllib.parse

import pytest

pytestmark = pytest.mark.both_engines

SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

GROUPS = {
    "resourceType": "CodeSystem", "id": "groups", "url": "http://t/groups", "version": "1", "name": "Groups",
    "status": "active", "content": "complete", "concept": [
        {"code": "fruit", "display": "Fruit", "definition": "What grows on trees", "concept": [
            {"code": "apple", "display": "Apple", "property": [{"code": "colour", "valueString": "red"}]},
            {"code": "pear", "display": "Williams pear"}]},
        {"code": "stone", "display": "Stone"}]}
SET = {
    "resourceType": "ValueSet", "id": "fruits", "url": "http://t/vs/fruits", "status": "active", "compose": {"include": [
        {"system": "http://t/groups", "filter": [{"property": "concept", "op": "is-a", "value": "fruit"}]}]}}


def ask(server, path, **parameters):
    return server.fhir("GET", f"{path}?{urllib.parse.urlencode(parameters)}")


def post(server, path, *parameters):
    return server.fhir("POST", path, {"resourceType": "Parameters", "parameter": list(parameters)})


def out(answer, name):
    assert answer.status == 200, answer.body
    values = [p for p in answer.json["parameter"] if p["name"] == name]
    return next((v for k, v in values[0].items() if k.startswith("value")), None) if values else None


def codes(answer):
    assert answer.status == 200, answer.body
    return [c["code"] for c in answer.json["expansion"].get("contains", [])]


def ids(answer):
    assert answer.status == 200, answer.body
    return sorted(e["resource"]["id"] for e in answer.json.get("entry", []))


@pytest.fixture
def terms(server):
    for resource in (GROUPS, SET):
        assert server.fhir("PUT", f"{resource['resourceType']}/{resource['id']}", resource).status in (200, 201)
    return server


def test_expand(terms):
    answer = ask(terms, "ValueSet/$expand", url="http://t/vs/fruits")
    assert codes(answer) == ["fruit", "apple", "pear"]
    assert answer.json["expansion"]["contains"][1] == {"system": "http://t/groups", "code": "apple", "display": "Apple"}
    assert answer.json["expansion"]["total"] == 3
    assert codes(ask(terms, "ValueSet/fruits/$expand")) == ["fruit", "apple", "pear"]
    assert codes(ask(terms, "ValueSet/fruits/$expand", filter="will")) == ["pear"]
    page = ask(terms, "ValueSet/$expand", url="http://t/vs/fruits", offset=1, count=1)
    assert codes(page) == ["apple"] and page.json["expansion"]["total"] == 3
    assert codes(post(terms, "ValueSet/$expand", {"name": "valueSet", "resource": {
        "resourceType": "ValueSet", "status": "active", "compose": {
            "include": [{"valueSet": ["http://t/vs/fruits"]}],
            "exclude": [{"system": "http://t/groups", "concept": [{"code": "fruit"}]}]}}})) == ["apple", "pear"]


def test_expand_what_the_specification_publishes(server):
    answer = ask(server, "ValueSet/$expand", url="http://hl7.org/fhir/ValueSet/observation-status")
    assert codes(answer)[:3] == ["registered", "preliminary", "final"]
    assert answer.json["expansion"]["contains"][2]["display"] == "Final"
    assert "IMP" in codes(ask(server, "ValueSet/$expand", url="http://terminology.hl7.org/ValueSet/v3-ActEncounterCode"))


def test_what_is_not_known_is_an_error_that_names_it(terms):
    answer = ask(terms, "ValueSet/$expand", url="http://hl7.org/fhir/ValueSet/condition-code")
    assert answer.status == 400 and SNOMED in answer.issue_text()
    assert ask(terms, "ValueSet/$expand", url="http://t/nowhere").status == 404
    assert ask(terms, "ValueSet/$expand").status == 422
    assert ask(terms, "ValueSet/$expand", url="http://t/vs/fruits", profile="x").status == 400
    answer = ask(terms, "CodeSystem/$lookup", system=SNOMED, code="1")
    assert answer.status == 400 and SNOMED in answer.issue_text()
    answer = ask(terms, "ValueSet/$validate-code", url="http://hl7.org/fhir/ValueSet/condition-code", system=SNOMED,
                 code="44054006")
    assert answer.status == 400 and SNOMED in answer.issue_text()


def test_validate_code_in_a_value_set(terms):
    def valid(**parameters):
        return out(ask(terms, "ValueSet/$validate-code", url="http://t/vs/fruits", **parameters), "result")

    assert valid(system="http://t/groups", code="apple") is True
    assert valid(system="http://t/groups", code="stone") is False
    assert valid(code="apple") is True
    assert valid(system="http://t/groups", code="apple", display="apple") is True
    assert valid(system="http://t/groups", code="apple", display="Banana") is False
    answer = post(terms, "ValueSet/fruits/$validate-code", {"name": "codeableConcept", "valueCodeableConcept": {
        "coding": [{"system": "http://t/x", "code": "1"}, {"system": "http://t/groups", "code": "pear"}]}})
    assert out(answer, "result") is True and out(answer, "display") == "Williams pear"
    answer = post(terms, "ValueSet/fruits/$validate-code", {"name": "coding", "valueCoding": {"system": "http://t/groups", "code": "x"}})
    assert out(answer, "result") is False and "not in the value set" in out(answer, "message")


def test_code_systems(terms):
    answer = ask(terms, "CodeSystem/$lookup", system="http://t/groups", code="apple")
    assert out(answer, "name") == "Groups" and out(answer, "display") == "Apple" and out(answer, "version") == "1"
    properties = {p["part"][0]["valueCode"]: p["part"][1] for p in answer.json["parameter"] if p["name"] == "property"}
    assert properties["parent"]["valueCode"] == "fruit" and properties["colour"]["valueString"] == "red"
    assert ask(terms, "CodeSystem/$lookup", system="http://t/groups", code="plum").status == 404
    assert out(ask(terms, "CodeSystem/$lookup", system=ACT_CODE, code="IMP"), "display") == "inpatient encounter"

    def relation(a, b):
        return out(ask(terms, "CodeSystem/$subsumes", system="http://t/groups", codeA=a, codeB=b), "outcome")

    assert relation("fruit", "apple") == "subsumes" and relation("apple", "fruit") == "subsumed-by"
    assert relation("apple", "apple") == "equivalent" and relation("apple", "pear") == "not-subsumed"
    assert ask(terms, "CodeSystem/$subsumes", system="http://t/groups", codeA="fruit", codeB="plum").status == 422
    assert out(ask(terms, "CodeSystem/$validate-code", url="http://t/groups", code="pear"), "result") is True
    assert out(ask(terms, "CodeSystem/$validate-code", url="http://t/groups", code="plum"), "result") is False
    assert out(ask(terms, "CodeSystem/$validate-code", url=UCUM, code="mm[Hg]"), "result") is True
    assert out(ask(terms, "CodeSystem/groups/$validate-code", code="pear"), "result") is True


def test_supplements_add_names(terms):
    supplement = {"resourceType": "CodeSystem", "url": "http://t/groups-de", "status": "active", "content": "supplement",
                  "supplements": "http://t/groups", "concept": [
                      {"code": "apple", "designation": [{"language": "de", "value": "Apfel"}]}]}
    assert terms.create(supplement)
    answer = ask(terms, "CodeSystem/$lookup", system="http://t/groups", code="apple")
    assert "Apfel" in str([p for p in answer.json["parameter"] if p["name"] == "designation"])


def test_searches_follow_the_terminology(terms):
    for i, code in enumerate(["apple", "fruit", "stone"]):
        terms.fhir("PUT", f"Observation/o{i}", {"resourceType": "Observation", "id": f"o{i}", "status": "final", "code": {
            "coding": [{"system": "http://t/groups", "code": code}]}})
    assert ids(terms.fhir("GET", "Observation?code:in=http://t/vs/fruits")) == ["o0", "o1"]
    assert ids(terms.fhir("GET", "Observation?code:not-in=ValueSet/fruits")) == ["o2"]
    assert ids(terms.fhir("GET", "Observation?code:below=http://t/groups%7Cfruit")) == ["o0", "o1"]
    assert ids(terms.fhir("GET", "Observation?code:above=http://t/groups%7Capple")) == ["o0", "o1"]
    changed = {**SET, "compose": {"include": [{"system": "http://t/groups", "concept": [{"code": "stone"}]}]}}
    assert terms.fhir("PUT", "ValueSet/fruits", changed).status == 200
    assert ids(terms.fhir("GET", "Observation?code:in=http://t/vs/fruits")) == ["o2"]
    assert terms.fhir("DELETE", "ValueSet/fruits").status in (200, 204)
    assert terms.fhir("GET", "Observation?code:in=http://t/vs/fruits").status == 404
    answer = terms.fhir("GET", f"Observation?code:below={SNOMED}%7C1")
    assert answer.status == 400 and SNOMED in answer.issue_text()


def test_quantities_and_places(server):
    for i, (value, code) in enumerate([("5.4", "mg/dL"), ("54", "mg/L"), ("55", "mg/L")]):
        server.fhir("PUT", f"Observation/q{i}", {"resourceType": "Observation", "id": f"q{i}", "status": "final",
                                               "code": {"text": "x"}, "valueQuantity": {
                                                   "value": float(value), "system": UCUM, "code": code}})
    assert ids(server.fhir("GET", f"Observation?value-quantity=5.40%7C{UCUM}%7Cmg/dL")) == ["q0", "q1"]
    assert ids(server.fhir("GET", f"Observation?value-quantity=gt54%7C{UCUM}%7Cmg/L")) == ["q2"]
    assert ids(server.fhir("GET", "Observation?value-quantity=54")) == ["q1"]
    server.fhir("PUT", "Location/bern", {"resourceType": "Location", "id": "bern", "position": {
        "latitude": 46.948, "longitude": 7.447}})
    assert ids(server.fhir("GET", "Location?near=46.758%7C7.628%7C30%7Ckm")) == ["bern"]
    assert ids(server.fhir("GET", "Location?near=46.758%7C7.628%7C20")) == []
    assert server.fhir("GET", "Location?near=here").status == 400


def random_compose(rng, depth=0):
    """Something like a compose, often wrong."""
    def text():
        return rng.choice(["", "http://t/groups", "fruit", "is-a", "concept", "=", "regex", "(a+)+$", "http://t/vs/fruits",
                           SNOMED, "http://t/vs/fuzz", "http://t/vs/fuzz|1", "\u0000x", "a" * 300])
    def include():
        members = {}
        if rng.random() < 0.7:
            members["system"] = text()
        if rng.random() < 0.4:
            members["concept"] = [{"code": text()} for _ in range(rng.randrange(4))]
        if rng.random() < 0.4:
            members["filter"] = [{"property": text(), "op": text(), "value": text()} for _ in range(rng.randrange(3))]
        if rng.random() < 0.4:
            members["valueSet"] = [text() for _ in range(rng.randrange(3))]
        return members
    return {"include": [include() for _ in range(rng.randrange(4))], "exclude": [include() for _ in range(rng.randrange(3))]}


def test_hostile_value_sets_get_an_answer(terms):
    rng = random.Random(11)
    for _ in range(300):
        resource = {"resourceType": "ValueSet", "url": "http://t/vs/fuzz", "status": "active", "compose": random_compose(rng)}
        answer = post(terms, "ValueSet/$expand", {"name": "valueSet", "resource": resource})
        assert answer.status in (200, 400, 403, 404, 422), answer.body
    deep = {"resourceType": "ValueSet", "url": "http://t/vs/0", "status": "active", "compose": {"include": [{"valueSet": ["http://t/vs/0"]}]}}
    answer = post(terms, "ValueSet/$expand", {"name": "valueSet", "resource": deep})
    assert answer.status in (400, 404), answer.body
    assert terms.fhir("GET", "metadata").status == 200
