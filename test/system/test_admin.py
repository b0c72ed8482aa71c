"""The administration API and the console's files (docs/admin-api.md)."""
import gzip
import socket
import urllib.parse

import pytest

import engine
from client import observation, patient

pytestmark = pytest.mark.both_engines

ADMISSION = ("MSH|^~\\&|HIS|MAIN|X|Y|20240102030405||ADT^A01^ADT_A01|ctl-1|P|2.5.1\r"
             "EVN|A01|20240102030405\r"
             "PID|1||4711^^^HIS^MR||Lee^Ann^B||19800217|F|||1 Main St^^Springfield^^12345||555-1234\r"
             "PV1|1|I|W1^R2^B3|||||||MED||||||||V1^^^HIS^VN|||||||||||||||||||||||||20240102030405\r")


def send(server, message):
    connection = socket.create_connection(("127.0.0.1", server.mllp_port), 20)
    connection.sendall(b"\x0b" + message.encode() + b"\x1c\r")
    answer = b""
    while not answer.endswith(b"\x1c\r"):
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    connection.close()
    return answer.decode()


@pytest.fixture(scope="module")
def admitted(server):
    assert "MSA|AA|ctl-1" in send(server, ADMISSION)
    return server


def test_figures_and_health(admitted):
    figures = admitted.request("GET", "/api/figures").json
    assert figures["resources"]["Patient"] >= 1 and figures["messages"] >= 1 and figures["rssBytes"] > 0
    assert figures["processes"] == 1
    store = admitted.request("GET", "/api/store").json
    assert store["engine"] == engine.NAME and [p["isThis"] for p in store["processes"]] == [True]
    assert admitted.request("GET", "/healthz").json == {"status": "ok"}


def test_the_message_log(admitted):
    row = admitted.request("GET", "/api/messages?text=ctl-1").json["messages"][0]
    assert (row["sender"], row["type"], row["event"], row["status"]) == ("HIS|MAIN", "ADT", "A01", "accepted")
    assert admitted.request("GET", "/api/messages?status=rejected&text=ctl-1").json["messages"] == []
    assert admitted.request("GET", "/api/messages?status=nonsense").status == 400
    assert admitted.request("GET", "/api/messages/999999").status == 404
    assert admitted.request("GET", "/api/messages/nonsense").status == 404


def test_a_message_with_what_was_made_of_it(admitted):
    number = admitted.request("GET", "/api/messages?text=ctl-1").json["messages"][0]["number"]
    message = admitted.request("GET", f"/api/messages/{number}").json
    assert message["raw"].startswith("MSH|") and message["reply"].startswith("MSH|")
    segments = message["segments"]
    pid = next(s for s in segments if s["name"] == "PID")
    field = next(f for f in pid["fields"] if f["number"] == 3)
    assert pid["title"] == "Patient Identification" and field["text"] == "4711^^^HIS^MR" and field["dataType"] == "CX"
    made = next(r for r in message["resources"] if r["type"] == "Patient")
    assert made["title"] and made["resource"]["id"] == made["id"]
    birth = next(e for e in made["lineage"] if e["element"] == "birthDate")
    assert segments[birth["segment"]]["name"] == "PID" and birth["field"] == 7 and birth["file"].endswith(".map")


@pytest.mark.parametrize("text", ["Lee", "ann lee", "4711", "1980-02-17 lee", "Lee, Ann", "1980"])
def test_finding_a_person(admitted, text):
    found = admitted.request("GET", "/api/persons?text=" + text.replace(" ", "%20")).json["persons"]
    assert any(p["identifiers"] and p["identifiers"][0]["value"] == "4711" for p in found), found


@pytest.mark.parametrize("text", ["Lee,", "Lee, -", "- Lee", "Lee '", "lee ... ann", "  Lee  "])
def test_punctuation_of_a_name_that_is_being_typed_is_no_error(admitted, text):
    answer = admitted.request("GET", "/api/persons?text=" + urllib.parse.quote(text))
    assert answer.status == 200 and any("Lee" in p["name"] for p in answer.json["persons"]), answer.body


@pytest.mark.parametrize("text", ["-", "%", "...", "'", "_ *"])
def test_punctuation_alone_finds_nobody(admitted, text):
    answer = admitted.request("GET", "/api/persons?text=" + urllib.parse.quote(text))
    assert answer.status == 200 and answer.json == {"persons": [], "more": False}


def test_persons_that_do_not_match(admitted):
    assert admitted.request("GET", "/api/persons?text=lee%20nobodyhere").json["persons"] == []
    assert admitted.request("GET", "/api/persons?count=x").status == 400
    assert len(admitted.request("GET", "/api/persons?count=1").json["persons"]) == 1


def test_the_page_of_a_person(admitted):
    found = admitted.request("GET", "/api/persons?text=4711").json["persons"][0]
    admitted.create(observation(f"Patient/{found['id']}", value=171.5, effectiveDateTime="2024-05-06",
                                interpretation=[{"coding": [{"code": "H"}]}],
                                referenceRange=[{"low": {"value": 150}, "high": {"value": 170}}]))
    page = admitted.request("GET", f"/api/persons/{found['id']}").json
    assert page["name"] == "Ann B Lee" and page["birthDate"] == "1980-02-17"
    assert page["identifiers"][0]["sources"] == ["HIS|MAIN"]
    result = next(e for e in page["timeline"] if e["kind"] == "result")
    assert (result["value"], result["unit"], result["range"], result["flag"]) == ("171.5", "cm", "150-170", "H")
    stay = next(e for e in page["timeline"] if e["kind"] == "encounter")
    assert stay["source"] == "HIS|MAIN" and stay["message"] >= 1
    dates = [e["date"] for e in page["timeline"] if "date" in e]
    assert dates[0] == "2024-05-06"
    assert admitted.request("GET", "/api/persons/never-was").status == 404


def test_where_an_element_came_from(admitted):
    found = admitted.request("GET", "/api/persons?text=4711").json["persons"][0]
    explained = admitted.request("GET", f"/api/resources/Patient/{found['id']}/explain").json
    birth = next(e for e in explained["elements"] if e["element"] == "birthDate")
    assert (birth["segmentName"], birth["field"], birth["sender"]) == ("PID", 7, "HIS|MAIN")
    assert explained["versions"][0]["version"] == 1
    assert admitted.request("GET", "/api/resources/Nonsense/1/explain").status == 404


def test_unreadable_messages_are_shown(server):
    assert "MSA|" in send(server, "this is no message")
    row = server.request("GET", "/api/messages?count=1").json["messages"][0]
    assert row["status"] in ("rejected", "error") and row["reason"]
    page = server.request("GET", f"/api/messages/{row['number']}").json
    assert page["raw"] == "this is no message" and page["resources"] == []


def test_only_reading(server):
    answer = server.request("POST", "/api/figures", b"{}")
    assert answer.status == 405 and answer.json["error"]["code"] == "not-supported"
    assert server.request("GET", "/api/nonsense").status == 404


def test_the_console_is_served_strictly(server):
    page = server.request("GET", "/")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert server.request("GET", "/", None, {"If-None-Match": page.headers["etag"]}).status == 304
    script = server.request("GET", "/app.js", None, {"Accept-Encoding": "gzip"})
    assert script.headers["content-encoding"] == "gzip" and len(gzip.decompress(script.body)) > 1000
    assert server.request("GET", "/nonsense").status == 404
    assert server.request("POST", "/", b"").status == 405
    assert server.request("GET", "/../etc/passwd").status == 404
