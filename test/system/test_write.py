"""The write side of REST: conditions, deletion and what comes after it, Binary, $meta, $validate."""
import base64
import threading

import pytest

from client import FHIR_JSON, Server, bundle, entry, observation, patient, statuses

pytestmark = pytest.mark.both_engines


def parameters(**values):
    return {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in values.items()]}


def identified(value, **members):
    return patient("Write", identifier=[{"system": "urn:w", "value": value}], **members)


# ---- update, delete, undelete -------------------------------------------------------------------

def test_create_gives_its_own_id(server):
    made = server.create(patient("OwnId", id="wanted", meta={"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}))
    assert made["id"] != "wanted" and made["meta"]["versionId"] == "1"
    assert server.fhir("GET", "Patient/wanted").status == 404


def test_update_creates_with_the_id_of_the_client(server):
    assert server.fhir("PUT", "Patient/mine-1", patient(id="mine-1")).status == 201
    assert server.fhir("PUT", "Patient/mine-1", patient(id="mine-1")).status == 200
    assert server.fhir("PUT", "Patient/mine-1", patient(id="mine-2")).status == 400
    assert server.fhir("PUT", "Patient/mine-1", patient()).status == 400
    assert server.fhir("PUT", "Patient/mine-1", patient(id="mine-1"), if_none_match="*").status == 412
    assert server.fhir("PUT", "Patient/mine-3", patient(id="mine-3"), if_none_match="*").status == 201
    assert server.fhir("PUT", "Patient/mine-4", patient(id="mine-4"), if_match='W/"1"').status == 412
    assert server.fhir("PUT", "Patient/not_an_id", patient(id="not_an_id")).status == 400


def test_delete_and_undelete_continue_the_history(server):
    server.fhir("PUT", "Patient/again", patient(id="again"))
    assert server.fhir("DELETE", "Patient/again", if_match='W/"7"').status == 412
    gone = server.fhir("DELETE", "Patient/again", if_match='W/"1"')
    assert gone.status == 204 and gone.body == b""
    assert server.fhir("GET", "Patient/again").status == 410
    assert server.fhir("DELETE", "Patient/again").status == 204  # has no effect, and is no fault
    assert server.fhir("DELETE", "Patient/never-was").status == 204
    back = server.fhir("PUT", "Patient/again", patient("Back", id="again"))
    assert back.status == 201 and back.json["meta"]["versionId"] == "3"
    history = server.fhir("GET", "Patient/again/_history").json
    assert [e["request"]["method"] for e in history["entry"]] == ["PUT", "DELETE", "PUT"]
    assert server.fhir("GET", "Patient/again/_history/2").status == 410
    assert server.fhir("GET", "Patient/again/_history/1").status == 200
    answer = server.fhir("DELETE", "Patient/again", prefer="return=OperationOutcome")
    assert answer.status == 200 and answer.issues()[0][0] == "information"


def test_conditional_delete_of_several(tmp_path):
    server = Server(tmp_path / "c.db")
    try:
        for number in range(30):
            server.create(identified(f"several-{number % 3}", gender="other" if number % 2 else "male"))
        count = server.fhir("DELETE", "Patient?identifier=urn:w|several-0")
        assert count.status == 200 and "Deleted 10" in count.issue_text()
        assert server.fhir("GET", "Patient?identifier=urn:w|several-0&_summary=count").json["total"] == 0
        assert "Deleted 0" in server.fhir("DELETE", "Patient?identifier=urn:w|several-0").issue_text()
        assert server.fhir("DELETE", "Patient?identifier=urn:w|several-1&gender=male", prefer="return=minimal").body == b""
        assert server.fhir("GET", "Patient?_summary=count").json["total"] == 15
        kept = server.create(identified("kept"))
        assert server.fhir("DELETE", "Patient?identifier=urn:w|kept", if_match='W/"7"').status == 412
        assert server.fhir("DELETE", "Patient?identifier=urn:w|kept", if_match=kept["meta"]["versionId"]).status == 204
        for condition in ("", "?_count=5", "?_sort=name&_count=1", "?nonsense=1", "?gender:nonsense=male"):
            assert server.fhir("DELETE", "Patient" + condition).status == 400, condition
        answer = server.fhir("POST", "", bundle("transaction", entry("DELETE", "Patient?identifier=urn:w|several-2"),
                                                entry("POST", "Patient", identified("several-3"))))
        assert answer.status == 200 and statuses(answer) == [200, 201], answer.body
        assert "Deleted 10" in str(answer.json["entry"][0]["response"]["outcome"])
    finally:
        server.stop()


def test_how_many_a_conditional_delete_may_delete_is_a_setting(tmp_path):
    (tmp_path / "limits.yaml").write_text("limits:\n  conditionalDeletes: 2\n")
    server = Server(tmp_path / "c.db", "--config", str(tmp_path))
    try:
        for number in (1, 2, 2, 3, 3, 3):
            server.create(identified(f"max-{number}"))
        assert server.fhir("DELETE", "Patient?identifier=urn:w|max-1").status == 204
        assert "Deleted 2" in server.fhir("DELETE", "Patient?identifier=urn:w|max-2").issue_text()
        refused = server.fhir("DELETE", "Patient?identifier=urn:w|max-3")
        assert refused.status == 412 and refused.issues()[0][1] == "multiple-matches"
        assert server.fhir("GET", "Patient?_summary=count").json["total"] == 3
    finally:
        server.stop()


def test_two_conditional_deletes_at_once_delete_each_once(server):
    for _ in range(40):
        server.create(identified("at-once"))
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(server.fhir("DELETE", "Patient?identifier=urn:w|at-once").issue_text()))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(int(text.split("Deleted ")[1].split()[0]) for text in texts)
    assert numbers == [0, 0, 0, 40]


# ---- bundles ------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_entries_have_conditions_and_preferences(server, kind):
    one = server.create(identified(f"{kind}-1"))
    answer = server.fhir("POST", "", bundle(
        kind,
        entry("HEAD", f"Patient/{one['id']}"),
        entry("GET", f"Patient/{one['id']}", ifNoneMatch='W/"2"'),
        entry("PUT", f"Patient/{one['id']}", {**one, "gender": "male"}, ifMatch='W/"1"'),
        entry("POST", "Patient", identified(f"{kind}-1"), ifNoneExist=f"identifier=urn:w|{kind}-2"),
        entry("PUT", f"Patient?identifier=urn:w|{kind}-3", identified(f"{kind}-3"))), prefer="return=representation")
    assert answer.status == 200, answer.body
    assert statuses(answer) == [200, 304, 200, 201, 201]
    assert answer.json["entry"][2]["resource"]["gender"] == "male" and answer.json["entry"][3]["resource"]["id"]
    stale = server.fhir("POST", "", bundle(kind, entry("PUT", f"Patient/{one['id']}", one, ifMatch='W/"1"')))
    assert stale.status == 412 if kind == "transaction" else statuses(stale) == [412]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_conditional_references(server, kind):
    person = server.create(identified(f"ref-{kind}"))
    answer = server.fhir("POST", "", bundle(
        kind, entry("POST", "Observation", observation(f"Patient?identifier=urn:w|ref-{kind}", code="99-1"))))
    assert statuses(answer) == [201]
    made = answer.json["entry"][0]["response"]["location"].split("/_history")[0]
    assert server.fhir("GET", made).json["subject"]["reference"] == f"Patient/{person['id']}"
    server.create(identified(f"ref-{kind}"))
    for reference, status in ((f"Patient?identifier=urn:w|ref-{kind}", 412), ("Patient?identifier=urn:w|nobody", 412)):
        answer = server.fhir("POST", "", bundle(kind, entry("POST", "Observation", observation(reference))))
        assert (answer.status if kind == "transaction" else statuses(answer)[0]) == status


def test_a_resource_is_changed_by_one_entry_only(server):
    one = server.create(identified("twice"))
    url = f"Patient/{one['id']}"
    for other in (entry("PUT", url, one), entry("DELETE", url), entry("DELETE", "Patient?identifier=urn:w|twice")):
        answer = server.fhir("POST", "", bundle("transaction", entry("PUT", url, {**one, "active": True}), other))
        assert answer.status == 400 and "same resource" in answer.issue_text()


def test_links_are_rewritten_by_their_type(server):
    urn, url = "urn:uuid:77777777-7777-4777-8777-777777777777", "http://source.example/base/Patient/9"
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{urn}">a</a> {urn} <img alt="href=" src=\'{url}/_history/4\'/></div>'
    entries = bundle(
        "transaction",
        entry("POST", "Patient", patient("Linked", identifier=[{"system": "urn:ietf:rfc:3986", "value": urn}]), urn),
        entry("POST", "Patient", patient("Linked"), url + "/_history/3"),
        entry("POST", "Basic", {
            "resourceType": "Basic", "code": {"text": urn}, "text": {"status": "additional", "div": div},
            "subject": {"reference": url}, "author": {"reference": url + "/_history/3"}, "meta": {"profile": [urn]},
            "extension": [{"url": "http://example.org/u", "valueUri": urn}, {"url": "http://example.org/s", "valueString": urn},
                          {"url": "http://example.org/c", "valueCanonical": urn}, {"url": "http://example.org/i", "valueUuid": urn},
                          {"url": "http://example.org/l", "valueUrl": url}, {"url": "http://example.org/a", "valueAttachment": {"url": urn}}]}))
    answer = server.fhir("POST", "", entries)
    assert answer.status == 200, answer.body
    first, second, basic = (e["response"]["location"].split("/_history")[0] for e in answer.json["entry"])
    stored = server.fhir("GET", basic).json
    assert stored["subject"]["reference"] == second and stored["author"]["reference"] == second
    u, s, c, i, l, a = stored["extension"]
    assert i["valueUuid"] == urn  # a place on a server is no uuid
    assert (u["valueUri"], s["valueString"], c["valueCanonical"], l["valueUrl"], a["valueAttachment"]["url"]) == (first, urn, urn, second, first)
    assert stored["code"]["text"] == urn and stored["meta"]["profile"] == [urn]
    assert stored["text"]["div"] == div.replace(f'href="{urn}"', f'href="{first}"').replace(url + "/_history/4", second)
    assert server.fhir("GET", first).json["identifier"][0]["value"] == urn


def test_a_full_url_means_one_resource(server):
    urn = "urn:uuid:88888888-8888-4888-8888-888888888888"
    answer = server.fhir("POST", "", bundle("transaction", entry("POST", "Patient", patient("One"), urn), entry("POST", "Patient", patient("Two"), urn)))
    assert answer.status == 400 and "fullUrl" in answer.issue_text()


@pytest.mark.parametrize("kind", ["message", "document", "collection", "history", "searchset", "batch-response", "", "nonsense"])
def test_other_bundles_are_refused_and_told_where_to_go(server, kind):
    answer = server.fhir("POST", "", {"resourceType": "Bundle", **({"type": kind} if kind else {})})
    assert answer.status in (400, 422) and "batch or transaction" in answer.issue_text()
    if kind in ("document", "collection", "history", "searchset"):
        assert "POST Bundle" in answer.issue_text()


# ---- Binary -------------------------------------------------------------------------------------

def test_binary_comes_and_goes_as_bytes(server):
    content = bytes(range(256)) * 40
    made = server.fhir("POST", "Binary", content, content_type="image/png", x_security_context="Patient/1")
    assert made.status == 201 and made.body == b""
    url = made.headers["location"].split("/fhir/")[1].split("/_history")[0]
    raw = server.fhir("GET", url, accept="image/png")
    assert raw.status == 200 and raw.body == content
    assert raw.headers["content-type"] == "image/png" and raw.headers["etag"] == 'W/"1"'
    assert raw.headers["x-security-context"] == "Patient/1"
    assert raw.headers["x-content-type-options"] == "nosniff" and "sandbox" in raw.headers["content-security-policy"]
    for accept in ("*/*", "image/*", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"):
        assert server.fhir("GET", url, accept=accept).body == content
    for accept in (FHIR_JSON, "application/json", "application/fhir+json, */*;q=0.1", None):
        resource = server.fhir("GET", url, **({"accept": accept} if accept else {})).json
        assert base64.b64decode(resource["data"]) == content and resource["contentType"] == "image/png"
        assert resource["securityContext"] == {"reference": "Patient/1"}
    assert server.fhir("GET", url + "?_format=json", accept="image/png").json["resourceType"] == "Binary"
    head = server.fhir("HEAD", url, accept="image/png")
    assert head.body == b"" and head.headers["content-length"] == str(len(content)) and head.headers["content-type"] == "image/png"
    assert server.fhir("GET", url, accept="image/png", if_none_match='W/"1"').status == 304
    changed = server.fhir("PUT", url, b"plain", content_type="text/plain; charset=utf-8")
    assert changed.status == 200 and changed.headers["etag"] == 'W/"2"'
    assert server.fhir("GET", url, accept="text/plain").body == b"plain"
    assert server.fhir("GET", url, accept="text/plain").headers["content-type"] == "text/plain; charset=utf-8"
    assert server.fhir("GET", url + "/_history/1", accept="image/png").body == content
    assert server.fhir("PUT", "Binary/by-client", b"x", content_type="application/pdf").status == 201
    assert server.fhir("DELETE", url).status == 204
    gone = server.fhir("GET", url, accept="image/png")
    assert gone.status == 410 and gone.json["resourceType"] == "OperationOutcome"


def test_a_binary_may_hold_json_and_xml(server):
    for content, kind in ((b'{"a":1}', "application/json"), (b"<a/>", "application/xml"), (b"not even json", "application/json")):
        made = server.fhir("POST", "Binary", content, content_type=kind, prefer="return=representation", accept=FHIR_JSON)
        assert made.status == 201, made.body
        assert base64.b64decode(made.json["data"]) == content and made.json["contentType"] == kind
    as_resource = {"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="}
    for kind in ("application/json", FHIR_JSON):
        made = server.fhir("POST", "Binary", as_resource, content_type=kind)
        assert made.status == 201 and made.json["data"] == "YQ=="
    assert server.fhir("POST", "Binary", b"{}", content_type=FHIR_JSON).status == 400
    assert server.fhir("POST", "Patient", b"x", content_type="text/plain").status == 415
    empty = server.fhir("POST", "Binary", b"", content_type="text/plain")
    assert empty.status == 201


def test_an_untrue_binary_does_not_break_the_answer(server):
    made = server.create({"resourceType": "Binary", "contentType": "text/plain", "data": "YWJj"})
    assert server.fhir("GET", f"Binary/{made['id']}", accept="*/*").body == b"abc"
    assert server.fhir("GET", "Binary", accept=FHIR_JSON).json["resourceType"] == "Bundle"


# ---- $meta --------------------------------------------------------------------------------------

def labels(*codes):
    return [{"system": "urn:t", "code": code} for code in codes]


def test_meta_is_read_and_changed(server):
    made = server.create(patient("Meta", meta={"tag": labels("a"), "profile": ["http://example.org/p"]}))
    url = f"Patient/{made['id']}"
    read = server.fhir("GET", url + "/$meta").json
    assert read["resourceType"] == "Parameters" and read["parameter"][0]["name"] == "return"
    assert read["parameter"][0]["valueMeta"] == made["meta"]
    added = server.fhir("POST", url + "/$meta-add", parameters(meta={"valueMeta": {
        "tag": labels("a", "b"), "security": labels("s"), "profile": ["http://example.org/q"]}}))
    assert added.status == 200, added.body
    meta = added.json["parameter"][0]["valueMeta"]
    assert meta["versionId"] == "2" and meta["tag"] == labels("a", "b") and meta["security"] == labels("s")
    assert meta["profile"] == ["http://example.org/p", "http://example.org/q"]
    assert server.fhir("GET", url).json["meta"] == meta
    assert server.fhir("GET", "Patient?_tag=urn:t|b").json["entry"][0]["resource"]["id"] == made["id"]
    same = server.fhir("POST", url + "/$meta-add", parameters(meta={"valueMeta": {"tag": labels("b")}}))
    assert same.json["parameter"][0]["valueMeta"]["versionId"] == "2"
    gone = server.fhir("POST", url + "/$meta-delete", parameters(meta={"valueMeta": {
        "tag": labels("a", "zzz"), "security": labels("s"), "profile": ["http://example.org/p"]}}))
    meta = gone.json["parameter"][0]["valueMeta"]
    assert meta["tag"] == labels("b") and "security" not in meta and meta["profile"] == ["http://example.org/q"]
    assert server.fhir("GET", url + "/_history/2/$meta").json["parameter"][0]["valueMeta"]["tag"] == labels("a", "b")
    assert server.fhir("POST", url + "/$meta-add", parameters()).status == 422
    assert server.fhir("POST", url + "/$meta-add", parameters(meta={"valueMeta": {"nonsense": 1, "tag": [{"code": 3}]}})).status == 422
    assert server.fhir("POST", "Patient/never-was/$meta-add", parameters(meta={"valueMeta": {"tag": labels("x")}})).status == 404
    assert server.fhir("POST", url + "/$meta-add", parameters(meta={"valueMeta": {"tag": labels("c")}}), if_match='W/"1"').status == 412


def test_meta_of_all(fresh_server):
    server = fresh_server
    for code in ("a", "b", "b"):
        server.create(patient("All", meta={"tag": labels(code)}))
    server.create(observation("Patient/1", meta={"tag": labels("o"), "profile": ["http://example.org/p"]}))
    server.create(patient("None"))
    of_type = server.fhir("GET", "Patient/$meta").json["parameter"][0]["valueMeta"]
    assert sorted(t["code"] for t in of_type["tag"]) == ["a", "b"] and "versionId" not in of_type
    of_all = server.fhir("GET", "$meta").json["parameter"][0]["valueMeta"]
    assert sorted(t["code"] for t in of_all["tag"]) == ["a", "b", "o"] and of_all["profile"] == ["http://example.org/p"]
    assert server.fhir("GET", "Group/$meta").json["parameter"] == [{"name": "return"}]


# ---- $validate ----------------------------------------------------------------------------------

def test_validate(server):
    good, bad = patient("Valid"), patient("Valid", gender="nonsense")
    for url, body, severity in (("Patient/$validate", good, "information"), ("Patient/$validate", bad, "error"),
                                ("Patient/$validate?mode=create", parameters(resource={"resource": good}), "information"),
                                ("Patient/$validate", parameters(resource={"resource": bad}, mode={"valueCode": "create"}), "error"),
                                ("Group/$validate", good, "error"),
                                ("Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", good, "information")):
        answer = server.fhir("POST", url, body)
        assert answer.status == 200 and answer.issues()[0][0] == severity, (url, answer.body)
    before = server.fhir("GET", "Patient?family=Valid&_summary=count").json["total"]
    assert before == 0
    assert server.fhir("POST", "Patient/$validate", b"{").status == 400
    assert server.fhir("POST", "Patient/$validate").status in (400, 422)
    assert server.fhir("POST", "Patient/$validate?mode=nonsense", good).status == 400
    assert server.fhir("POST", "Patient/$validate?mode=update", good).status == 400
    refused = server.fhir("POST", "Patient/$validate?profile=http://example.org/p", good)
    assert refused.status == 400 and "profile" in refused.issue_text()
    assert server.fhir("POST", "Patient/$validate?nonsense=1", good).status == 400


def test_validate_of_one(server):
    made = server.create(patient("ValidOne"))
    url = f"Patient/{made['id']}/$validate"
    assert server.fhir("GET", url).issues()[0][0] == "information"
    assert server.fhir("POST", url + "?mode=update", made).issues()[0][0] == "information"
    assert server.fhir("POST", url + "?mode=update", patient(id="other")).issues()[0][0] == "error"
    server.fhir("PUT", f"Patient/{made['id']}", {**made, "active": True})
    stale = server.fhir("POST", url + "?mode=update", made).issues()[0]
    assert stale[:2] == ("warning", "conflict")
    assert server.fhir("POST", url + "?mode=delete").issues()[0][0] == "information"
    assert server.fhir("POST", "Patient/never-was/$validate?mode=delete").issues()[0][:2] == ("error", "not-found")
    server.fhir("DELETE", f"Patient/{made['id']}")
    assert server.fhir("POST", url + "?mode=delete").issues()[0][:2] == ("error", "deleted")
    assert server.fhir("GET", url).status == 410
    batch = server.fhir("POST", "", bundle("batch", entry("POST", "Patient/$validate", patient("InBatch"))))
    assert statuses(batch) == [200]
