"""_contained and _containedType over HTTP: what is found inside other resources, and how it comes."""
import pytest

from client import bundle, entry

pytestmark = pytest.mark.both_engines

ORDER = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}


def medication(ident, code):
    return {"resourceType": "Medication", "id": ident, "code": {"coding": [{"system": "urn:rx", "code": code}]}}


@pytest.fixture(scope="module")
def orders(server):
    made = server.fhir("POST", "", bundle(
        "transaction",
        entry("PUT", "Patient/con-p", {"resourceType": "Patient", "id": "con-p"}),
        entry("PUT", "Organization/con-o", {"resourceType": "Organization", "id": "con-o", "name": "Maker"}),
        entry("PUT", "Medication/con-m", medication("con-m", "con-a")),
        *(entry("PUT", f"MedicationRequest/con-{i}", {
            **ORDER, "id": f"con-{i}", "subject": {"reference": "Patient/con-p"}, "medicationReference": {"reference": "#x"},
            "contained": [{**medication("x", "con-a"), "manufacturer": {"reference": "Organization/con-o"}}, medication("y", "con-b")],
            "supportingInformation": [{"reference": "#y"}]}) for i in range(3))))
    assert made.status == 200, made.body
    return server


def paths(answer):
    """What comes, as paths and fragments, with its mode."""
    assert answer.status == 200, answer.body
    return [(e["fullUrl"].split("/fhir/")[1], e["resource"]["resourceType"], e["search"]["mode"]) for e in answer.json.get("entry", [])]


def test_the_container_comes(orders):
    found = paths(orders.fhir("GET", "Medication?code=con-a&_contained=true"))
    assert found == [(f"MedicationRequest/con-{i}", "MedicationRequest", "match") for i in range(3)]
    assert paths(orders.fhir("GET", "Medication?code=con-a")) == [("Medication/con-m", "Medication", "match")]


def test_the_contained_resource_comes(orders):
    answer = orders.fhir("GET", "Medication?code=con-b&_contained=true&_containedType=contained")
    assert paths(answer) == [(f"MedicationRequest/con-{i}#y", "Medication", "match") for i in range(3)]
    assert answer.json["total"] == 3
    assert answer.json["entry"][0]["resource"] == medication("y", "con-b")
    assert b"MedicationRequest/con-0#y" in orders.fhir("GET", "Medication?code=con-b&_contained=true&_containedType=contained&_format=xml").body


def test_a_chain_leads_inside(orders):
    assert len(paths(orders.fhir("GET", "MedicationRequest?medication.code=con-a&subject=Patient/con-p"))) == 3
    assert paths(orders.fhir("GET", "MedicationRequest?medication.code=con-b")) == []


def test_pages_lead_from_both_to_what_is_inside(orders):
    seen, answer = [], orders.fhir("GET", "Medication?code=con-a&_contained=both&_containedType=contained&_count=1")
    for _ in range(10):
        seen += [path for path, _, _ in paths(answer)]
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), None)
        if not url:
            break
        answer = orders.request("GET", url[len(orders.addresses["http"]):])
    assert seen == ["Medication/con-m"] + [f"MedicationRequest/con-{i}#x" for i in range(3)]


def test_includes_and_subsets(orders):
    found = paths(orders.fhir("GET", "Medication?manufacturer.name=maker&_contained=true&_containedType=contained&_include=Medication:manufacturer"))
    assert [mode for _, _, mode in found] == ["match"] * 3 + ["include"] and found[3][0] == "Organization/con-o"
    answer = orders.fhir("GET", "Medication?code=con-a&_contained=true&_containedType=contained&_elements=code")
    resource = answer.json["entry"][0]["resource"]
    assert "manufacturer" not in resource and resource["id"] == "x" and resource["code"] and resource["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert orders.fhir("GET", "Medication?code=con-a&_contained=both&_summary=count").json["total"] == 4


@pytest.mark.parametrize("query, hint", [
    ("_contained=maybe", "true, false or both"), ("_contained=true&_containedType=all", "container or contained"),
    ("_contained=true&_sort=code", "_sort"), ("_contained=both&_has:MedicationRequest:medication:status=active", "_has"),
    ("_contained=true&_text=x", "_text"),
])
def test_what_is_refused(orders, query, hint):
    answer = orders.fhir("GET", f"Medication?{query}")
    assert answer.status == 400 and hint in answer.issue_text(), answer.body


def test_the_plan_is_told(orders):
    assert orders.fhir("GET", "Medication/$explain?code=con-a&_contained=both").status == 200
