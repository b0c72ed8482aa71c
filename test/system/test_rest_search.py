"""Searches of the system and in compartments, $everything in all its forms, over HTTP."""
import pytest

from client import bundle, entry, observation, patient

pytestmark = pytest.mark.both_engines

FORM = "application/x-www-form-urlencoded"


def ids(answer):
    assert answer.status == 200, answer.body
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json.get("entry", []))


def put(kind, ident, **members):
    return entry("PUT", f"{kind}/{ident}", {"resourceType": kind, "id": ident, **members})


@pytest.fixture(scope="module")
def hospital(server):
    ann, bob = {"reference": "Patient/ann"}, {"reference": "Patient/bob"}
    made = server.fhir("POST", "", bundle(
        "transaction",
        put("Organization", "org", name="Org"),
        put("Organization", "parent", name="Parent"),
        put("Practitioner", "doc", name=[{"family": "Doc"}]),
        put("Patient", "ann", name=[{"family": "Ann"}], managingOrganization={"reference": "Organization/org"}, birthDate="1950-01-01"),
        put("Patient", "bob", name=[{"family": "Bob"}]),
        put("Encounter", "e1", status="finished", **{"class": {"code": "IMP"}}, subject=ann, period={"start": "2020-01-01", "end": "2020-01-05"},
            participant=[{"individual": {"reference": "Practitioner/doc"}}]),
        put("Encounter", "e2", status="finished", **{"class": {"code": "AMB"}}, subject=ann, period={"start": "2021-06-01"}),
        put("Observation", "o1", status="final", code={"text": "x"}, subject=ann, encounter={"reference": "Encounter/e1"}, effectiveDateTime="2020-01-02"),
        put("Observation", "o2", status="final", code={"text": "x"}, subject=ann, effectiveDateTime="2021-06-02"),
        put("Observation", "o3", status="final", code={"text": "x"}, subject=bob, effectiveDateTime="2020-01-02"),
        put("Condition", "c1", subject=ann, code={"text": "no date"}),
        put("Basic", "b1", code={"text": "of nobody"})))
    assert made.status == 200, made.body
    assert server.fhir("PUT", "Organization/org", {"resourceType": "Organization", "id": "org", "name": "Org", "partOf": {"reference": "Organization/parent"}}).status == 200
    return server


ANN = ["Condition/c1", "Encounter/e1", "Encounter/e2", "Observation/o1", "Observation/o2", "Organization/org", "Organization/parent", "Patient/ann", "Practitioner/doc"]


@pytest.mark.parametrize("path, expected", [
    ("Patient/ann/Observation", ["Observation/o1", "Observation/o2"]),
    ("Patient/ann/Observation?date=2020", ["Observation/o1"]),
    ("Patient/bob/Observation", ["Observation/o3"]),
    ("Encounter/e1/Observation", ["Observation/o1"]),
    ("Patient/ann/*", ["Condition/c1", "Encounter/e1", "Encounter/e2", "Observation/o1", "Observation/o2", "Patient/ann"]),
    ("Patient/ann/*?_type=Encounter,Condition", ["Condition/c1", "Encounter/e1", "Encounter/e2"]),
    ("Practitioner/doc/Encounter", ["Encounter/e1"]),
    ("?_type=Organization,Practitioner", ["Organization/org", "Organization/parent", "Practitioner/doc"]),
    ("?_id=o1,ann&_type=Patient,Observation", ["Observation/o1", "Patient/ann"]),
])
def test_places_to_search_in(hospital, path, expected):
    answer = hospital.fhir("GET", path)
    assert ids(answer) == expected
    own = next(link["url"] for link in answer.json["link"] if link["relation"] == "self")
    assert ids(hospital.request("GET", own[len(hospital.addresses["http"]):])) == expected


@pytest.mark.parametrize("path, body, expected", [
    ("_search", b"_type=Patient&_id=ann", ["Patient/ann"]),
    ("_search?_type=Patient", b"_id=ann", ["Patient/ann"]),
    ("Patient/ann/Observation/_search", b"date=2020", ["Observation/o1"]),
    ("Patient/ann/_search", b"_type=Condition", ["Condition/c1"]),
    ("Patient/_search", b"family=ann&_pretty=true", ["Patient/ann"]),
])
def test_searches_as_forms(hospital, path, body, expected):
    assert ids(hospital.fhir("POST", path, body, content_type=FORM)) == expected


def test_format_stands_in_a_form_too(hospital):
    assert b"\n  " in hospital.fhir("POST", "Patient/_search", b"_pretty=true", content_type=FORM).body
    assert hospital.fhir("POST", "Patient/_search", b"_format=xml", content_type=FORM).body.startswith(b"<")
    assert "_format=xml" in hospital.fhir("GET", "Patient?_format=xml").body.decode()


@pytest.mark.parametrize("path, status, hint", [
    ("Organization/org/Patient", 400, "compartment"), ("Patient/ann/Nonsense", 404, "Nonsense"), ("Patient/ann/Observatoin", 404, "Observation"),
    ("Patient/ann/Basicx", 404, "Basic"), ("?nonsense=1", 400, "nonsense"), ("?_type=Patinet", 400, "Patinet"), ("Patinet", 404, "Patient"),
    ("patient", 404, "Patient"), ("Patient/ann/$everthing", 404, "$everything"), ("metdata", 404, "metadata"), ("Observation/o1/$everything", 404, ""),
])
def test_what_is_refused_names_what_may_be_meant(hospital, path, status, hint):
    answer = hospital.fhir("GET", path)
    assert answer.status == status and hint in answer.issue_text(), answer.body


def test_everything(hospital):
    assert ids(hospital.fhir("GET", "Patient/ann/$everything")) == ANN
    assert ids(hospital.fhir("POST", "Patient/ann/$everything")) == ANN
    assert ids(hospital.fhir("GET", "Encounter/e1/$everything")) == ["Encounter/e1", "Observation/o1", "Organization/org", "Organization/parent", "Patient/ann", "Practitioner/doc"]
    whole = hospital.fhir("GET", "Patient/$everything?_count=10000")
    assert set(ANN) | {"Patient/bob", "Observation/o3"} == set(ids(whole)) and len(whole.json["entry"]) == len(ANN) + 2


@pytest.mark.parametrize("query, expected", [
    ("_type=Observation", ["Observation/o1", "Observation/o2"]),
    ("_type=Observation,Patient", ["Observation/o1", "Observation/o2", "Patient/ann"]),
    ("start=2021-01-01&_type=Observation,Encounter,Condition", ["Condition/c1", "Encounter/e2", "Observation/o2"]),
    ("end=2020-12-31&_type=Observation,Encounter", ["Encounter/e1", "Observation/o1"]),
    ("start=2020-01-03&end=2020-01-04&_type=Observation,Encounter", ["Encounter/e1"]),
    ("start=2020-01-02&end=2020-01-02&_type=Observation", ["Observation/o1"]),
    ("start=1990&end=1991&_type=Observation,Patient", ["Patient/ann"]),
    ("_since=2999-01-01", []),
])
def test_everything_that_is_asked_for(hospital, query, expected):
    assert ids(hospital.fhir("GET", f"Patient/ann/$everything?{query}")) == expected
    parameters = [{"name": name, "valueString": value} for name, value in (pair.split("=") for pair in query.split("&"))]
    assert ids(hospital.fhir("POST", "Patient/ann/$everything", {"resourceType": "Parameters", "parameter": parameters})) == expected


def test_everything_in_pages_by_post(hospital):
    seen, answer = [], hospital.fhir("POST", "Patient/ann/$everything", {
        "resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 2}, {"name": "start", "valueDate": "1990-01-01"}]})
    while True:
        seen += ids(answer)
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), None)
        if not url:
            break
        answer = hospital.request("GET", url[len(hospital.addresses["http"]):])
    assert sorted(seen) == ANN and len(set(seen)) == len(ANN)


@pytest.mark.parametrize("query", ["start=never", "end=", "_since=x", "_type=", "_type=Nonsense", "_count=0", "_count=x", "_cursor=x", "strat=2020", "nonsense=1"])
def test_everything_is_strict(hospital, query):
    answer = hospital.fhir("GET", f"Patient/ann/$everything?{query}")
    assert answer.status == 400 and answer.issues()


def test_everything_of_an_encounter_has_no_dates(hospital):
    assert hospital.fhir("GET", "Encounter/e1/$everything?start=2020").status == 400


def test_everything_takes_parameters_only(hospital):
    assert hospital.fhir("POST", "Patient/ann/$everything", patient()).status == 400
    assert hospital.fhir("POST", "Patient/ann/$everything", {"resourceType": "Parameters", "parameter": [{"name": "start"}]}).status == 400
    assert hospital.fhir("POST", "Patient/ann/$everything", b"x", content_type="text/plain").status == 415


def test_elements_of_everything(hospital):
    cut = hospital.fhir("GET", "Patient/ann/$everything?_elements=birthDate&_type=Patient").json["entry"][0]["resource"]
    assert "birthDate" in cut and "name" not in cut and cut["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_a_batch_may_ask_for_all_of_these(hospital):
    answers = hospital.fhir("POST", "", bundle("batch", *[entry("GET", url) for url in (
        "Patient/ann/Observation", "Patient/ann/$everything", "?_type=Patient", "_history?_count=1", "Patient/_history?_count=1", "Patient/ann/*")])).json
    assert [e["response"]["status"] for e in answers["entry"]] == ["200 OK"] * 6
    assert all(e["resource"]["resourceType"] == "Bundle" for e in answers["entry"])


def test_a_read_is_strict_too(hospital):
    refused = hospital.fhir("GET", "Patient/ann?_elemnts=name")
    assert refused.status == 400 and "_elements" in refused.issue_text()
    assert hospital.fhir("GET", "Patient/ann?_elemnts=name", prefer="handling=lenient").status == 200
    assert hospital.fhir("GET", "Patient/ann?_summary=count").status == 400
    assert hospital.fhir("GET", "Patient/ann?_pretty=maybe").status == 400
    assert observation("x")["status"] == "final"


def numbers(parts):
    return {p["name"]: p["valueDecimal"] for p in parts if "valueDecimal" in p}


@pytest.mark.parametrize("path", ["Observation/$explain?patient=ann&date=ge2020", "Patient/ann/Observation/$explain?date=ge2020", "$explain?_type=Observation,Encounter&patient=ann"])
def test_explain_tells_plan_and_cost(hospital, path):
    answer = hospital.fhir("GET", path)
    assert answer.status == 200, answer.body
    parameters = answer.json["parameter"]
    conditions = [p["part"] for p in parameters if p["name"] == "condition"]
    roles = [part["valueCode"] for c in conditions for part in c if part["name"] == "role"]
    assert "driver" in roles, answer.body
    told = numbers(parameters)
    assert told["matchesOnPage"] >= 2 and told["fetched"] >= told["matchesOnPage"] and told["steps"] > 0
    assert "candidates:" in parameters[0]["valueString"]


def test_explain_as_a_form_and_of_a_wrong_search(hospital):
    form = hospital.fhir("POST", "Observation/$explain", b"status=final", content_type=FORM)
    assert form.status == 200, form.body
    wrong = hospital.fhir("GET", "Observation/$explain?statuss=final")
    assert wrong.status == 400 and b"status" in wrong.body


def test_filter_and_list(hospital):
    assert ids(hospital.fhir("GET", "Patient?_filter=name%20eq%20ann%20or%20(name%20eq%20bob%20and%20birthdate%20pr%20true)")) == ["Patient/ann"]
    assert ids(hospital.fhir("GET", "?_type=Observation,Encounter&_filter=not(date%20lt%202021)")) == ["Encounter/e2", "Observation/o2"]
    refused = hospital.fhir("GET", "Patient?_filter=name%20eq")
    assert refused.status == 400 and b"byte" in refused.body
    assert hospital.fhir("GET", "Patient?_list=$current-problems").status == 400


def test_contained_resources(hospital):
    drug = {"resourceType": "Medication", "id": "x", "code": {"coding": [{"code": "contained-a"}]}}
    request = put("MedicationRequest", "mr1", status="active", intent="order", subject={"reference": "Patient/ann"},
                  medicationReference={"reference": "#x"}, contained=[drug])
    assert hospital.fhir("POST", "", bundle("transaction", request, put("Medication", "m1", code=drug["code"]))).status == 200
    search = "Medication?code=contained-a"
    assert ids(hospital.fhir("GET", search)) == ["Medication/m1"]
    assert ids(hospital.fhir("GET", search + "&_contained=true")) == ["MedicationRequest/mr1"]
    assert ids(hospital.fhir("GET", search + "&_contained=both")) == ["Medication/m1", "MedicationRequest/mr1"]
    only = hospital.fhir("GET", search + "&_contained=true&_containedType=contained").json["entry"]
    assert [entry["resource"] for entry in only] == [drug]
    assert only[0]["fullUrl"].endswith("/MedicationRequest/mr1#x")
    sorted_ = hospital.fhir("GET", search + "&_contained=true&_sort=code")
    assert sorted_.status == 400 and "_sort" in sorted_.json["issue"][0]["diagnostics"]
    assert hospital.fhir("DELETE", search + "&_contained=both").status == 400
