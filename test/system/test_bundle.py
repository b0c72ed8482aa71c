"""Batch and transaction."""
import threading

import pytest

from client import bundle, entry, observation, patient, statuses

pytestmark = pytest.mark.both_engines


def post(server, kind, *entries, **headers):
    return server.fhir("POST", "", bundle(kind, *entries), **headers)


def count(server, query):
    return server.fhir("GET", query + "&_summary=count").json["total"]


def test_transaction_resolves_references_between_entries(server):
    answer = post(server, "transaction",
                  entry("POST", "Observation", observation("urn:uuid:11111111-1111-4111-8111-111111111111")),
                  entry("POST", "Patient", patient("Linked"), "urn:uuid:11111111-1111-4111-8111-111111111111"))
    assert answer.status == 200 and answer.json["type"] == "transaction-response"
    assert statuses(answer) == [201, 201]
    observed, person = (e["response"]["location"].split("/_history")[0] for e in answer.json["entry"])
    assert observed.startswith("Observation/") and person.startswith("Patient/")
    assert server.fhir("GET", observed).json["subject"]["reference"] == person


def test_transaction_names_a_dangling_reference(server):
    answer = post(server, "transaction",
                  entry("POST", "Patient", patient("Dangling"), "urn:uuid:22222222-2222-4222-8222-222222222222"),
                  entry("POST", "Observation", observation("urn:uuid:99999999-9999-4999-8999-999999999999")))
    assert answer.status == 422
    assert "urn:uuid:99999999-9999-4999-8999-999999999999" in answer.issue_text()
    assert "Bundle.entry[1]" in answer.issue_text()
    assert count(server, "Patient?family=dangling") == 0


def test_transaction_is_all_or_nothing(server):
    answer = post(server, "transaction",
                  entry("POST", "Patient", patient("Nothing")),
                  entry("POST", "Patient", {"resourceType": "Patient", "gender": "nonsense"}))
    assert answer.status in (400, 422) and "Bundle.entry[1].resource" in answer.issue_text()
    assert count(server, "Patient?family=nothing") == 0
    answer = post(server, "transaction",
                  entry("POST", "Patient", patient("Nothing")),
                  entry("PUT", "Patient/not-version", patient(id="not-version"), ifMatch='W/"7"'))
    assert answer.status in (404, 412) and count(server, "Patient?family=nothing") == 0


def test_transaction_works_in_the_order_of_the_standard_and_answers_in_that_of_the_request(server):
    made = server.create(patient("Ordered"))
    answer = post(server, "transaction",
                  entry("GET", "Patient?family=ordered"),
                  entry("PUT", "Patient/ordered-put", patient("Ordered", id="ordered-put")),
                  entry("POST", "Patient", patient("Ordered", "Second")),
                  entry("DELETE", f"Patient/{made['id']}"))
    assert statuses(answer) == [200, 201, 201, 204]
    found = answer.json["entry"][0]["resource"]
    assert found["type"] == "searchset" and found["total"] == 2


def test_transaction_conditions(server):
    identified = patient("Conditional", identifier=[{"system": "urn:x", "value": "t-1"}])
    create = entry("POST", "Patient", identified, "urn:uuid:33333333-3333-4333-8333-333333333333",
                   ifNoneExist="identifier=urn:x|t-1")
    first = post(server, "transaction", create, entry("POST", "Observation",
                                                      observation("urn:uuid:33333333-3333-4333-8333-333333333333")))
    second = post(server, "transaction", create, entry("POST", "Observation",
                                                       observation("urn:uuid:33333333-3333-4333-8333-333333333333")))
    assert (statuses(first), statuses(second)) == ([201, 201], [200, 201])
    person = first.json["entry"][0]["response"]["location"].split("/_history")[0]
    observed = second.json["entry"][1]["response"]["location"].split("/_history")[0]
    assert server.fhir("GET", observed).json["subject"]["reference"] == person
    by_condition = post(server, "transaction", entry("POST", "Observation", observation("Patient?identifier=urn:x|t-1")))
    made = by_condition.json["entry"][0]["response"]["location"].split("/_history")[0]
    assert server.fhir("GET", made).json["subject"]["reference"] == person
    nobody = post(server, "transaction", entry("POST", "Observation", observation("Patient?identifier=urn:x|nobody")))
    assert nobody.status == 412 and "urn:x|nobody" in nobody.issue_text()


def test_the_same_condition_twice_means_one_resource(server):
    identified = patient("Twin", identifier=[{"system": "urn:x", "value": "twin"}])
    answer = post(server, "transaction",
                  entry("POST", "Patient", identified, "urn:uuid:44444444-4444-4444-8444-444444444444",
                        ifNoneExist="identifier=urn:x|twin"),
                  entry("POST", "Patient", identified, "urn:uuid:55555555-5555-4555-8555-555555555555",
                        ifNoneExist="identifier=urn:x|twin"),
                  entry("POST", "Observation", observation("urn:uuid:55555555-5555-4555-8555-555555555555")))
    assert answer.status == 200 and count(server, "Patient?identifier=urn:x|twin") == 1


def test_one_resource_may_not_be_changed_twice(server):
    answer = post(server, "transaction",
                  entry("PUT", "Patient/twice", patient(id="twice")), entry("DELETE", "Patient/twice"))
    assert answer.status == 400 and server.fhir("GET", "Patient/twice").status == 404


def test_concurrent_conditional_creates_make_one(server):
    identified = patient("Raced", identifier=[{"system": "urn:x", "value": "raced"}])
    results = []

    def race():
        results.append(statuses(post(server, "transaction", entry("POST", "Patient", identified,
                                                                  ifNoneExist="identifier=urn:x|raced"))))

    threads = [threading.Thread(target=race) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[200]] * 11 + [[201]]
    assert count(server, "Patient?identifier=urn:x|raced") == 1


def test_batch_entries_stand_alone(server):
    made = server.create(patient("Batched"))
    answer = post(server, "batch",
                  entry("GET", f"Patient/{made['id']}"),
                  entry("POST", "Patient", {"resourceType": "Patient", "gender": "nonsense"}),
                  entry("POST", "Patient", patient("Batched")),
                  entry("GET", "Patient/never-was"),
                  entry("DELETE", "Patient?identifier=urn:x|never-was"),
                  entry("GET", "Nonsense?x=1"))
    assert answer.status == 200 and answer.json["type"] == "batch-response"
    found = statuses(answer)
    assert found[0] == 200 and found[1] in (400, 422) and found[2:] == [201, 404, 204, 404]
    entries = answer.json["entry"]
    assert entries[0]["resource"]["id"] == made["id"]
    assert entries[1]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert entries[2]["response"]["etag"] == 'W/"1"' and "resource" not in entries[2]


def test_batch_of_many(server):
    answer = post(server, "batch", *[entry("POST", "Patient", patient("Many", f"N{n}")) for n in range(300)],
                  prefer="return=representation")
    assert statuses(answer) == [201] * 300
    assert [e["resource"]["name"][0]["given"][0] for e in answer.json["entry"]] == [f"N{n}" for n in range(300)]
    assert count(server, "Patient?family=many") == 300


def test_empty_bundles(server):
    for kind in ("batch", "transaction"):
        answer = server.fhir("POST", "", {"resourceType": "Bundle", "type": kind})
        assert answer.status == 200 and "entry" not in answer.json


@pytest.mark.parametrize("body,place", [
    ({"resourceType": "Patient"}, "Bundle"),
    ({"resourceType": "Bundle", "type": "collection"}, "Bundle.type"),
    ({"resourceType": "Bundle", "type": "transaction", "entry": {}}, "Bundle.entry"),
    ({"resourceType": "Bundle", "type": "transaction", "entry": [{}]}, "Bundle.entry[0].request"),
    ({"resourceType": "Bundle", "type": "transaction", "entry": [1]}, "Bundle.entry[0].request"),
    (bundle("transaction", entry("FETCH", "Patient")), "Bundle.entry[0].request.method"),
    (bundle("transaction", entry("POST", "Patient")), "Bundle.entry[0].resource"),
    (bundle("transaction", entry("POST", "Nonsense", {"resourceType": "Nonsense"})), "Bundle.entry[0].request.url"),
    (bundle("transaction", entry("PUT", "Patient/a", patient(id="b"))), "Bundle.entry[0].resource.id"),
    (bundle("transaction", entry("DELETE", "Patient")), "Bundle.entry[0].request.url"),
])
def test_faulty_bundles_name_the_place(server, body, place):
    answer = server.fhir("POST", "", body)
    assert 400 <= answer.status < 500 and place in answer.issue_text()
