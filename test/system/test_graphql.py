"""$graphql: the examples of FHIR's page on GraphQL, the language, and what hostile queries meet."""
import json
import urllib.parse

import pytest

from client import observation, patient

pytestmark = pytest.mark.both_engines

PATIENT = {
    "resourceType": "Patient", "id": "example", "active": True, "gender": "male", "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                                  "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "identifier": [{"system": "urn:oid:1.2.36.146.595.217.0.1", "value": "12345"}],
    "name": [{"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
             {"use": "usual", "given": ["Jim"]},
             {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]}],
    "telecom": [{"use": "home"}, {"system": "phone", "value": "1", "rank": 1, "use": "work"},
                {"system": "phone", "value": "2", "rank": 2, "use": "mobile"},
                {"system": "email", "value": "p@example.org"}],
    "contact": [{"name": {"family": "du March"}, "organization": {"reference": "#org"}}],
    "contained": [{"resourceType": "Organization", "id": "org", "name": "Inside"}],
    "managingOrganization": {"reference": "Organization/1"},
    "generalPractitioner": [{"display": "somebody"}],
}


@pytest.fixture(scope="module")
def data(server):
    made = [{"resourceType": "Organization", "id": "1", "name": "Acme"}, PATIENT]
    made += [{**patient(family=f"Fam{i}"), "id": f"p{i}"} for i in range(7)]
    made += [{**observation("Patient/example", value=170 + i), "id": f"o{i}"} for i in range(3)]
    made += [{**observation("Patient/p1", code="a,b"), "id": "comma"}]
    made += [{**observation("Patient/gone"), "id": "dangling"}]
    for resource in made:
        assert server.fhir("PUT", f"{resource['resourceType']}/{resource['id']}", resource).status == 201
    return server


def ask(server, query, path="$graphql", status=200, **members):
    answer = server.fhir("POST", path, {"query": query, **members}, Content_Type="application/json")
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    if status == 200:
        assert set(answer.json) == {"data"}
        return answer.json["data"]
    assert answer.json["data"] is None and answer.json["errors"]
    for error in answer.json["errors"]:
        assert error["message"] and error["extensions"]["resource"]["resourceType"] == "OperationOutcome"
    return answer.json["errors"]


def on_patient(server, query, **more):
    return ask(server, query, "Patient/example/$graphql", **more)


# ---- The examples of the page -----------------------------------------------------------------


def test_flatten(data):
    assert on_patient(data, "{ identifier @flatten { system value } active name @flatten { text given family } }") == {
        "system": ["urn:oid:1.2.36.146.595.217.0.1"], "value": ["12345"], "active": True,
        "given": ["Peter", "James", "Jim", "Peter", "James"], "family": ["Chalmers", "Windsor"]}


def test_first(data):
    assert on_patient(data, "{ active name @flatten { text given @first family } }") == {
        "active": True, "given": ["Peter", "Jim", "Peter"], "family": ["Chalmers", "Windsor"]}


def test_singleton(data):
    assert on_patient(data, "{ identifier @flatten { system @singleton value @singleton } active"
                            " name @flatten @first { text given family @singleton } }") == {
        "system": "urn:oid:1.2.36.146.595.217.0.1", "value": "12345", "active": True,
        "given": ["Peter", "James"], "family": "Chalmers"}
    errors = on_patient(data, "{ name @flatten { family @singleton } }", status=400)
    assert "@singleton" in errors[0]["message"]


def test_slice(data):
    assert on_patient(data, '{ name @flatten @slice(path: "use") { given family @singleton } }') == {
        "given.official": ["Peter", "James"], "family.official": "Chalmers", "given.usual": ["Jim"],
        "given.maiden": ["Peter", "James"], "family.maiden": "Windsor"}
    assert on_patient(data, '{ name @flatten @slice(path: "$index") { given @first @singleton family } }') == {
        "given.0": "Peter", "family.0": ["Chalmers"], "given.1": "Jim", "given.2": "Peter", "family.2": ["Windsor"]}
    assert on_patient(data, '{ telecom(system: phone) @slice(path: "use") { value } }') == {
        "telecom.work": [{"value": "1"}], "telecom.mobile": [{"value": "2"}]}


def test_flatten_refuses_values_of_different_types(data):
    errors = on_patient(data, "{ gender name @flatten { gender: family } }", status=400)
    assert "different types" in errors[0]["message"]


def test_fields(data):
    assert on_patient(data, "{ resourceType birthDate _birthDate { extension { valueDateTime } } deceasedBoolean"
                            " meta { versionId } contact { name { family } } }") == {
        "resourceType": "Patient", "birthDate": "1974-12-25",
        "_birthDate": {"extension": [{"valueDateTime": "1974-12-25T14:35:45-05:00"}]}, "deceasedBoolean": None,
        "meta": {"versionId": "1"}, "contact": [{"name": {"family": "du March"}}]}
    assert ask(data, "{ valueQuantity { value unit } }", "Observation/o0/$graphql") == {
        "valueQuantity": {"value": 170, "unit": "cm"}}


def test_list_navigation(data):
    assert on_patient(data, "{ name(use: official) { family } }") == {"name": [{"family": "Chalmers"}]}
    assert on_patient(data, '{ name(fhirpath: "family.exists()") { use } }') == {
        "name": [{"use": "official"}, {"use": "maiden"}]}
    assert on_patient(data, '{ telecom(system: "phone", _offset: 1) { value } }') == {"telecom": [{"value": "2"}]}
    assert on_patient(data, '{ telecom(system: "phone", _count: 1) { value } }') == {"telecom": [{"value": "1"}]}
    assert on_patient(data, '{ telecom(rank: 2) { value } name(given: "Jim") { use } }') == {
        "telecom": [{"value": "2"}], "name": [{"use": "usual"}]}
    assert on_patient(data, '{ name(use: [usual, maiden]) { use } }', status=400)
    assert on_patient(data, '{ name(use: nickname) { use } photo { url } }') == {"name": [], "photo": None}
    assert "no argument 'size'" in on_patient(data, '{ birthDate(size: 1) }', status=400)[0]["message"]


def test_references(data):
    whole = ask(data, "{ subject { reference resource { id active } } }", "Observation/o0/$graphql")
    assert whole == {"subject": {"reference": "Patient/example", "resource": {"id": "example", "active": True}}}
    by_fragment = ask(data, "{ subject { resource { ... on Patient { birthDate } ... on Group { name } } } }",
                      "Observation/o0/$graphql")
    by_type = ask(data, "{ subject { resource(type: Patient) { birthDate } resource(type: Group) { name } } }",
                  "Observation/o0/$graphql")
    assert by_fragment == by_type == {"subject": {"resource": {"birthDate": "1974-12-25"}}}
    assert on_patient(data, "{ contact { organization { resource { ... on Organization { name } } } }"
                            " managingOrganization { resource(type: [Organization]) { name __typename } } }") == {
        "contact": [{"organization": {"resource": {"name": "Inside"}}}],
        "managingOrganization": {"resource": {"name": "Acme", "__typename": "Organization"}}}


def test_a_reference_to_nothing_is_an_error_unless_optional(data):
    query = "{ subject { reference resource%s { id } } }"
    errors = ask(data, query % "", "Observation/dangling/$graphql", status=404)
    assert errors[0]["path"] == ["subject", "resource"] and errors[0]["locations"] == [{"line": 1, "column": 23}]
    assert ask(data, query % "(optional: true)", "Observation/dangling/$graphql") == {
        "subject": {"reference": "Patient/gone", "resource": None}}
    assert on_patient(data, "{ generalPractitioner { resource(optional: true) { id } } }") == {
        "generalPractitioner": [{"resource": None}]}


def test_reverse_references(data):
    assert on_patient(data, "{ ObservationList(_reference: patient, _sort: \"-value-quantity\") { id } }") == {
        "ObservationList": [{"id": "o2"}, {"id": "o1"}, {"id": "o0"}]}
    assert ask(data, "{ ObservationList(_reference: encounter) { id } }", "Patient/example/$graphql", status=400)
    assert ask(data, "{ ObservationList { id } }", "Patient/example/$graphql", status=400)
    assert ask(data, "{ PatientList(_id: [example, p1]) { id ObservationList(_reference: subject) { id } } }") == {
        "PatientList": [{"id": "example", "ObservationList": [{"id": "o0"}, {"id": "o1"}, {"id": "o2"}]},
                        {"id": "p1", "ObservationList": [{"id": "comma"}]}]}


# ---- Searches ---------------------------------------------------------------------------------


def test_lists(data):
    assert ask(data, "{ Patient(id: example) { id } PatientList(family: Fam3) { id } }") == {
        "Patient": {"id": "example"}, "PatientList": [{"id": "p3"}]}
    assert ask(data, '{ PatientList(family: ["fam1", "fam2"], _sort: "-family") { id } }') == {
        "PatientList": [{"id": "p2"}, {"id": "p1"}]}
    assert ask(data, '{ ObservationList(code: "a,b") { id } }') == {"ObservationList": [{"id": "comma"}]}
    assert ask(data, '{ ObservationList(value_quantity: "172") { id } }') == {"ObservationList": [{"id": "o2"}]}
    assert ask(data, '{ PatientList(fhirpath: "active") { id } }') == {"PatientList": [{"id": "example"}]}
    assert len(ask(data, "{ PatientList(_count: 2) { id } }")["PatientList"]) == 2
    assert ask(data, "{ PatientList(family: nobody) { id } }") == {"PatientList": []}
    errors = ask(data, "{ PatientList(famly: x) { id } }", status=400)
    assert "the nearest is family" in errors[0]["message"]
    assert "birthdate: " in ask(data, '{ PatientList(birthdate: "yesterday") { id } }', status=400)[0]["message"]
    assert ask(data, "{ Patient(id: nobody) { id } }", status=404)[0]["path"] == ["Patient"]
    assert ask(data, "{ Patient { id } }", status=400)


def test_connections(data):
    query = """query ($token: String) { PatientConnection%s {
                 count offset pagesize first previous next last edges { mode score resource { id } } } }"""
    page = ask(data, query % '(_sort: "family", _count: 3, _cursor: $token)')["PatientConnection"]
    assert (page["count"], page["offset"], page["pagesize"], page["previous"]) == (8, 0, 3, None)
    assert page["edges"][0] == {"mode": "match", "score": None, "resource": {"id": "example"}}
    ids, pages = [], [page]
    while True:
        ids += [edge["resource"]["id"] for edge in page["edges"]]
        if not page["next"]:
            break
        page = ask(data, query % "(_cursor: $token)", variables={"token": page["next"]})["PatientConnection"]
        pages.append(page)
    assert ids == ["example"] + [f"p{i}" for i in range(7)] and [p["offset"] for p in pages] == [0, 3, 6]
    for token, wanted in ((page["previous"], pages[1]), (page["first"], pages[0]), (page["last"], pages[2])):
        got = ask(data, query % "(cursor: $token)", variables={"token": token})["PatientConnection"]
        assert got["edges"] == wanted["edges"] and got["offset"] == wanted["offset"]
    assert ask(data, query % "(_cursor: $token)", variables={"token": "nonsense"}, status=400)
    assert ask(data, query % "(_cursor: $token, family: x)", variables={"token": page["first"]}, status=400)


# ---- The language -----------------------------------------------------------------------------


def test_operations_variables_fragments_and_directives(data):
    query = """
      query One($id: ID!, $names: Boolean = true, $no: Boolean!) {
        it: Patient(id: $id) { ...Basics name @include(if: $names) { ...Name } gender @skip(if: $no) }
      }
      query Two { Patient(id: p1) { id } }
      fragment Basics on Patient { id ... on Patient @skip(if: $no) { active } ...Name2 }
      fragment Name on HumanName { family }
      fragment Name2 on Patient { name @include(if: $names) { use } }"""
    assert ask(data, query, operationName="One", variables={"id": "example", "no": True}) == {
        "it": {"id": "example", "name": [{"use": u, "family": f} for u, f in
                                          (("official", "Chalmers"), ("usual", None), ("maiden", "Windsor"))]}}
    assert ask(data, query, operationName="One", variables={"id": "example", "names": False, "no": False}) == {
        "it": {"id": "example", "active": True, "gender": "male"}}
    assert ask(data, query, operationName="Two") == {"Patient": {"id": "p1"}}
    assert ask(data, query, status=400) and ask(data, query, operationName="Three", status=400)
    assert "needs a value" in ask(data, query, operationName="One", status=400)[0]["message"]
    assert ask(data, query, operationName="One", variables={"id": "x", "no": "true"}, status=400)
    assert ask(data, "query ($f: [String!]) { PatientList(family: $f) { id } }", variables={"f": "fam1"}) == {
        "PatientList": [{"id": "p1"}]}


@pytest.mark.parametrize("query, says", [
    ("{ Patient(id: x) { nam { family } } }", "the nearest is name"),
    ("{ Patient(id: x) { name } }", "say which fields"),
    ("{ Patient(id: x) { gender { code } } }", "without fields"),
    ("{ Patient(id: x) { id @nonsense } }", "no directive @nonsense"),
    ("{ Patient(id: x) { id @skip } }", "needs the argument 'if'"),
    ("{ Patient(id: x) { id @skip(if: true) @skip(if: true) } }", "twice"),
    ("query @skip(if: true) { Patient(id: x) { id } }", "can't stand here"),
    ("{ Patient(id: x) { ...Missing } }", "no fragment 'Missing'"),
    ("{ Patient(id: x) { ...F } } fragment F on Group { name }", "never of type 'Group'"),
    ("{ Patient(id: x) { ...F } } fragment F on Patient { ...G } fragment G on Patient { ...F }", "holds itself"),
    ("{ Patient(id: x) { id } } fragment F on Patient { id }", "not used"),
    ("{ Patient(id: x) { id } } { Patient(id: y) { id } }", "must be the only one"),
    ("query A { Patient(id: x) { id } } query A { Patient(id: y) { id } }", "two operations"),
    ("{ Patient(id: $x) { id } }", "not declared"),
    ("query ($x: ID!) { Patient(id: y) { id } }", "not used"),
    ("query ($x: ID) { Patient(id: $x) { id } }", "may be null"),
    ("query ($x: Nonsense!) { Patient(id: $x) { id } }", "not a type"),
    ("query ($x: Int) { PatientList(_count: $x, fhirpath: \"name.(\") { id } }", ""),
    ("query ($x: String) { PatientList(_count: $x) { id } }", "not of the type"),
    ("{ PatientList(_count: \"x\") { id } }", "of type Int"),
    ("{ Patient(id: null) { id } }", "can't be null"),
    ("{ x: Patient(id: a) { id } x: Patient(id: b) { id } }", "two different things"),
    ("{ Patient(id: a) { x: id x: gender } }", "two different things"),
    ("{ Patient(id: a) { ... on Patient { x: name { family } } ...F } } fragment F on Patient { x: name { given } }"
     .replace("x: name { given }", "x: telecom { value }"), "two different things"),
    ("{ Patient(id: a) { id } ", "the end"),
    ("mutation { PatientDelete(id: a) { information { id } } }", "Only queries"),
    ("subscription { Patient(id: a) { id } }", "Only queries"),
    ("type A { a: Int }", "no definitions of types"),
])
def test_what_is_not_valid_is_said_before_anything_runs(data, query, says):
    answer = data.fhir("POST", "$graphql", {"query": query}, Content_Type="application/json")
    assert 400 <= answer.status < 500, answer.body
    errors = answer.json["errors"]
    assert says in " | ".join(e["message"] for e in errors), errors
    assert answer.json["data"] is None


def test_several_faults_are_reported_at_once_with_their_places(data):
    errors = ask(data, "{\n  Patient(id: x) {\n    nam { f }\n    birthdate\n  }\n  Patent\n}", status=400)
    assert [e["locations"][0] for e in errors] == [{"line": 3, "column": 5}, {"line": 4, "column": 5},
                                                   {"line": 6, "column": 3}]


def test_ways_to_ask(data):
    query = "query Q($f: String) { PatientList(family: $f) { id } }"
    wanted = {"data": {"PatientList": [{"id": "p1"}]}}
    url = "$graphql?" + urllib.parse.urlencode({"query": query, "operationName": "Q", "variables": '{"f": "Fam1"}'})
    assert data.fhir("GET", url).json == wanted
    assert data.fhir("POST", url).json == wanted
    text = query.replace("($f: String)", "").replace("$f", '"Fam1"')
    for headers in ({}, {"Accept": "application/fhir+xml"}, {"Accept": "*/*"}):
        answer = data.fhir("POST", "$graphql", text, Content_Type="application/graphql; charset=utf-8", **headers)
        assert answer.json == wanted and answer.headers["content-type"].startswith("application/json")
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": text}]}
    assert data.fhir("POST", "$graphql", parameters).json == wanted
    assert data.fhir("GET", "Patient/p1/$graphql?query=%7Bid%7D").json == {"data": {"id": "p1"}}
    assert data.fhir("POST", "$graphql", "x", Content_Type="text/plain").status == 415
    assert data.fhir("POST", "$graphql", "[1]", Content_Type="application/json").status == 400
    assert data.fhir("POST", "$graphql", "{", Content_Type="application/json").status == 400
    assert data.fhir("GET", "$graphql").status == 400
    assert data.fhir("GET", "Patient/nobody/$graphql?query=%7Bid%7D").status == 404
    assert data.fhir("GET", "Nonsense/1/$graphql?query=%7Bid%7D").status == 404
    batch = {"resourceType": "Bundle", "type": "batch",
             "entry": [{"request": {"method": "GET", "url": "$graphql?query=%7BPatientList%7Bid%7D%7D"}}]}
    assert data.fhir("POST", "", batch).json["entry"][0]["response"]["status"].startswith("400")


def test_a_decimal_stays_as_written(data):
    made = data.create({**observation("Patient/p1"), "valueQuantity": {"value": 1}})
    body = json.dumps({**made, "valueQuantity": {"value": "X"}}).replace('"X"', "1.50")
    assert data.fhir("PUT", f"Observation/{made['id']}", body).status == 200
    answer = data.fhir("POST", f"Observation/{made['id']}/$graphql", "{ valueQuantity { value } }",
                       Content_Type="application/graphql")
    assert answer.body == b'{"data":{"valueQuantity":{"value":1.50}}}'


def test_an_old_version_can_be_followed(data):
    made = data.create(patient(family="Old"))
    where = f"Patient/{made['id']}"
    assert data.fhir("PUT", where, {**made, "name": [{"family": "New"}]}).status == 200
    seen = data.create(observation(where + "/_history/1"))
    assert ask(data, "{ subject { resource(type: Patient) { name { family } } } }",
               f"Observation/{seen['id']}/$graphql") == {"subject": {"resource": {"name": [{"family": "Old"}]}}}


# ---- Introspection ----------------------------------------------------------------------------

INTROSPECTION = """
query { __schema { queryType { name } mutationType { name } subscriptionType { name } types { ...FullType }
  directives { name description isRepeatable locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description
  args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue }
  interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"""


def named(reference):
    while reference["ofType"]:
        reference = reference["ofType"]
    return reference["name"]


def test_introspection_describes_every_type_that_it_names(data):
    schema = ask(data, INTROSPECTION)["__schema"]
    types = {t["name"]: t for t in schema["types"]}
    assert len(types) == len(schema["types"])
    for t in schema["types"]:
        assert (t["kind"] in ("OBJECT", "INTERFACE")) == bool(t["fields"]), t["name"]
        names = [f["name"] for f in t["fields"] or []]
        assert len(names) == len(set(names)), t["name"]
        for field in t["fields"] or []:
            assert named(field["type"]) in types, (t["name"], field["name"])
            assert all(named(a["type"]) in types for a in field["args"])
    fields = {f["name"]: f for f in types["Patient"]["fields"]}
    assert {"id", "resourceType", "name", "_birthDate", "deceasedDateTime", "ConditionList"} <= set(fields)
    assert types["PatientContact"]["kind"] == "OBJECT" and types["Resource"]["kind"] == "INTERFACE"
    assert {d["name"] for d in schema["directives"]} == {"skip", "include", "flatten", "first", "singleton", "slice"}
    interface = {f["name"] for f in types["Resource"]["fields"]}
    assert all(interface <= {f["name"] for f in types[p["name"]]["fields"]} for p in types["Resource"]["possibleTypes"])


def test_introspection_of_one_type(data):
    assert ask(data, '{ __type(name: "PatientEdge") { kind fields { name type { name } } } no: __type(name: "x") '
                     '{ name } __typename }') == {
        "__type": {"kind": "OBJECT", "fields": [{"name": "mode", "type": {"name": "String"}},
                                                {"name": "score", "type": {"name": "Float"}},
                                                {"name": "resource", "type": {"name": "Patient"}}]},
        "no": None, "__typename": "Query"}
    assert on_patient(data, "{ __schema { queryType { name } } __typename }") == {
        "__schema": {"queryType": {"name": "Patient"}}, "__typename": "Patient"}


# ---- Hostile queries --------------------------------------------------------------------------


def costly(server, query, **more):
    errors = server.fhir("POST", "$graphql", {"query": query, **more}, Content_Type="application/json")
    assert errors.status in (400, 403, 413), errors.body[:200]
    return errors.json["errors"][0]["message"]


def test_a_bomb_of_fragments_is_refused_before_it_runs(data):
    bomb = "{ Patient(id: example) { ...F0 } }" + "".join(
        f"fragment F{i} on Patient {{ a: link {{ other {{ resource(optional: true) {{ ...F{i + 1} }} }} }} ...F{i + 1} }} "
        for i in range(30)) + "fragment F30 on Patient { id }"
    assert "fields" in costly(data, bomb) or "levels" in costly(data, bomb)


def test_a_bomb_of_aliases_is_refused_before_it_runs(data):
    assert "at most 5000 fields" in costly(data, "{ %s }" % " ".join(
        f"a{i}: PatientList {{ id }}" for i in range(4000)))


def test_depth_and_length_are_bounded(data):
    assert "levels" in costly(data, "{ a" * 60 + "}" * 60)
    assert "bytes" in costly(data, "{ Patient(id: x) { id } }" + " " * 300000)
    assert "levels" in costly(data, "{ PatientList(family: %sx%s) { id } }" % ("[" * 100, "]" * 100))


def test_many_searches_are_bounded(data):
    query = "{ %s }" % " ".join(f"a{i}: PatientList {{ ObservationList(_reference: subject) {{ id }} }}" for i in range(200))
    assert "searches" in costly(data, query)


def test_many_spreads_of_one_fragment_under_one_key_cost_little(data):
    query = "{ Patient(id: example) { %s } } fragment F on Patient { id name { family } }" % ("...F " * 1000)
    assert ask(data, query) == {"Patient": {"id": "example", "name": [{"family": "Chalmers"}, {"family": None},
                                                                     {"family": "Windsor"}]}}


def test_faults_are_not_reported_without_end(data):
    answer = data.fhir("POST", "$graphql", {"query": "{ %s }" % " ".join(f"x{i}" for i in range(4000))},
                       Content_Type="application/json")
    assert answer.status == 400 and len(answer.json["errors"]) == 20
