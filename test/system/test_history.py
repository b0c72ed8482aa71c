"""History of an instance, of a type, of the system, over HTTP."""
import threading
import urllib.parse

import pytest

from client import bundle, entry, observation, patient

pytestmark = pytest.mark.both_engines


def follow(server, path):
    """All entries of a history, over its next links; and the first page."""
    entries, first, url = [], None, f"{server.base}/{path}"
    while url:
        answer = server.request("GET", url[len(server.addresses["http"]):])
        assert answer.status == 200, answer.body
        page = answer.json
        assert page["resourceType"] == "Bundle" and page["type"] == "history"
        first = first or page
        entries += page.get("entry", [])
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return entries, first


def names(entries):
    """Patient/1 of each, with its version and the method."""
    return [(e["fullUrl"].rsplit("/fhir/", 1)[1], int(e["response"]["etag"][3:-1]), e["request"]["method"]) for e in entries]


@pytest.fixture
def told(fresh_server):
    """A server with a little history: its entries as `names` gives them, oldest first, with their times."""
    server = fresh_server
    ann = server.create(patient("Ann"))["id"]
    server.fhir("PUT", "Patient/bob", {**patient("Bob"), "id": "bob"})
    server.create(observation("Patient/bob", id="x"))
    server.fhir("PUT", "Patient/bob", {**patient("Bobby"), "id": "bob"})
    server.fhir("DELETE", f"Patient/{ann}")
    server.fhir("PUT", f"Patient/{ann}", {**patient("Ann"), "id": ann})
    server.fhir("POST", "", bundle("transaction", entry("POST", "Patient", patient("Cid")), entry("PUT", "Patient/dee", {**patient("Dee"), "id": "dee"})))
    entries, _ = follow(server, "_history")
    entries.reverse()
    server.told = entries
    return server


def test_system_history_tells_everything_in_order(told):
    kinds = names(told.told)
    assert [(version, method) for _, version, method in kinds] == [
        (1, "POST"), (1, "PUT"), (1, "POST"), (2, "PUT"), (2, "DELETE"), (3, "PUT"), (1, "POST"), (1, "PUT")]
    assert [e["response"]["status"][:3] for e in told.told] == ["201", "201", "201", "200", "204", "201", "201", "201"]
    assert [e["request"]["url"] for e in told.told][:2] == ["Patient", "Patient/bob"]
    times = [e["response"]["lastModified"] for e in told.told]
    assert times == sorted(times)
    assert "resource" not in told.told[4]
    for e in told.told:
        if "resource" in e:
            assert e["resource"]["meta"]["lastUpdated"] == e["response"]["lastModified"]
            assert f'W/"{e["resource"]["meta"]["versionId"]}"' == e["response"]["etag"]
    _, page = follow(told, "_history")
    assert page["total"] == 8


def test_history_of_a_type_has_no_other(told):
    entries, page = follow(told, "Patient/_history")
    assert page["total"] == 7 == len(entries)
    assert names(entries) == [n for n in reversed(names(told.told)) if n[0].startswith("Patient/")]
    entries, page = follow(told, "Encounter/_history")
    assert page["total"] == 0 and entries == []


@pytest.mark.parametrize("path", ["_history", "Patient/_history", "Patient/bob/_history"])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_pages_give_each_version_once(told, path, count):
    whole, _ = follow(told, path)
    paged, first = follow(told, f"{path}?_count={count}")
    assert names(paged) == names(whole)
    assert len(first["entry"]) == min(count, len(whole)) and first["total"] == len(whole)


def test_since(told):
    for path, all_of_it in (("_history", told.told), ("Patient/bob/_history", [e for e in told.told if "Patient/bob" in e["fullUrl"]])):
        for n, e in enumerate(all_of_it):
            since = urllib.parse.quote(e["response"]["lastModified"])
            entries, page = follow(told, f"{path}?_since={since}")
            expected = [x for x in all_of_it if x["response"]["lastModified"] >= e["response"]["lastModified"]]
            assert names(entries) == names(reversed(expected)) and page["total"] == len(expected)
    assert follow(told, "_history?_since=2999-01-01")[0] == []
    assert len(follow(told, "_history?_since=2001")[0]) == 8


def state_at(told, instant, prefix=""):
    """What was current at this instant, by replaying the history."""
    current = {}
    for e in told.told:
        if e["response"]["lastModified"] <= instant and e["fullUrl"].rsplit("/fhir/", 1)[1].startswith(prefix):
            current[e["fullUrl"]] = e
    return {name[:2] for name in names(e for e in current.values() if "resource" in e)}


def test_at_is_what_replaying_the_history_gives(told):
    for path, prefix in (("_history", ""), ("Patient/_history", "Patient/"), ("Patient/bob/_history", "Patient/bob")):
        for e in told.told:
            instant = e["response"]["lastModified"]
            entries, _ = follow(told, f"{path}?_at={urllib.parse.quote(instant)}")
            assert {name[:2] for name in names(x for x in entries if "resource" in x)} == state_at(told, instant, prefix)
    everything, _ = follow(told, "_history?_at=" + told.told[0]["response"]["lastModified"][:4])
    assert len(everything) == 8
    assert follow(told, "_history?_at=2001")[0] == []


def test_elements_and_summary(told):
    entries, page = follow(told, "Patient/_history?_elements=birthDate")
    assert all("name" not in e["resource"] for e in entries if "resource" in e)
    assert page["link"][0]["url"].endswith("_elements=birthDate")
    counted = told.fhir("GET", "Patient/_history?_summary=count").json
    assert counted["total"] == 7 and "entry" not in counted
    assert "entry" not in told.fhir("GET", "_history?_count=0").json


def test_pages_stay_while_others_write(fresh_server):
    server = fresh_server
    for n in range(40):
        server.fhir("PUT", f"Patient/p{n % 5}", {**patient(f"N{n}"), "id": f"p{n % 5}"})
    before, _ = follow(server, "_history")
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            server.fhir("PUT", f"Patient/p{n % 5}", {**patient(f"L{n}"), "id": f"p{n % 5}"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for path in ("_history?_count=7", "Patient/_history?_count=7", "Patient/p1/_history?_count=3"):
            seen = names(follow(server, path)[0])
            assert len(seen) == len(set(seen))
            old = [n for n in names(before) if path.startswith("Patient/p1") is False or n[0] == "Patient/p1"]
            assert seen[-len(old):] == old
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("query", [
    "_count=many", "_count=-1", "_since=yesterday", "_since=", "_at=2021-13", "_at=garbage", "_at=ge2021", "_before=0", "_before=x", "_sort=name",
    "_cont=5", "nonsense=1", "_count=1&_count=2", "_since=%zz", "_count=99999999999999999999999", "_summary=perhaps", "_list=42", "_include=Patient:link"])
def test_bad_queries_are_refused_with_the_reason(server, query):
    for path in ("_history", "Patient/_history"):
        answer = server.fhir("GET", f"{path}?{query}")
        assert answer.status == 400 and answer.issues(), answer.body


def test_unknown_parameters_name_the_nearest(server):
    assert "_count" in server.fhir("GET", "_history?_cont=5").issue_text()
    assert server.fhir("GET", "_history?_cont=5", prefer="handling=lenient").status == 200


def test_head_and_form(server):
    head = server.fhir("HEAD", "_history")
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 0
    pretty = server.fhir("GET", "_history?_pretty=true&_count=1")
    assert b"\n  " in pretty.body and "_pretty=true" in pretty.json["link"][0]["url"]
    huge = server.fhir("GET", "Patient/_history?_count=4000000000")
    assert huge.status == 200


def test_huge_count_and_far_cursor(server):
    assert server.fhir("GET", "_history?_before=18446744073709551615").status == 200
    assert "entry" not in server.fhir("GET", "_history?_before=1").json
    server.fhir("PUT", "Patient/far", {**patient("Far"), "id": "far"})
    assert "entry" in server.fhir("GET", "Patient/far/_history?_before=18446744073709551615").json
    assert "entry" not in server.fhir("GET", "Patient/far/_history?_before=1").json
