"""The FHIR API as others see it: npm's fhir-kit-client drives it, then plain curl."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as xml

import pytest

from client import observation, patient

pytestmark = pytest.mark.both_engines

HERE = os.path.dirname(os.path.abspath(__file__))
FHIR = "{http://hl7.org/fhir}"

with open(os.path.join(HERE, "client_checks.mjs"), encoding="utf-8") as script:
    CHECKS = re.findall(r'^  async "(.*)"\(\) \{', script.read(), re.M)


@pytest.fixture(scope="module")
def results(server):
    """Runs all checks once."""
    done = subprocess.run(["node", os.path.join(HERE, "client_checks.mjs"), server.base], capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr[-3000:]
    return {line["name"]: line["error"] for line in lines}


@pytest.mark.parametrize("name", CHECKS)
def test_fhir_kit_client(results, name):
    assert results.get(name, "the client stopped before it") is None, results.get(name)


# ---- curl -------------------------------------------------------------------------------------


def curl(server, path, *options):
    """(status, headers, body) of one request by curl; `path` below /fhir."""
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "30", *options, f"{server.base}{path}"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, body


def value_of(root, path):
    return root.find("/".join(FHIR + step for step in path.split("/"))).get("value")


def test_xml_in_and_out(server):
    body = ('<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>Zo&#235;'
            '</p></div></text><name><family value="Xml"/><given value="Zo&#235;"><extension url="http://x.org/e"><valueString value="a&amp;b"/>'
            '</extension></given></name></Patient>')
    for media in ("application/fhir+xml", "application/xml", "text/xml"):
        status, headers, answer = curl(server, "/Patient", "-H", f"Content-Type: {media}", "-H", f"Accept: {media}", "--data-binary", body)
        assert status == 201 and headers["content-type"].startswith(media), answer
        root = xml.fromstring(answer)
        assert root.tag == FHIR + "Patient" and value_of(root, "name/given") == "Zoë"
    where = "/Patient/" + value_of(root, "id")
    status, _, as_json = curl(server, where)
    resource = json.loads(as_json)
    assert resource["name"][0]["_given"][0]["extension"][0]["valueString"] == "a&b"
    assert "".join(xml.fromstring(resource["text"]["div"]).itertext()) == "Zoë"
    status, headers, again = curl(server, where, "-H", "Accept: application/fhir+xml")
    assert status == 200 and value_of(xml.fromstring(again), "name/given/extension/valueString") == "a&b"


def test_xml_is_hostile_too(server):
    doctype = '<!DOCTYPE Patient [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><name><text value="&e;"/></name></Patient>'
    for body in (doctype, "<Patient", "<Patient/>", "<Nonsense xmlns='http://hl7.org/fhir'/>"):
        status, headers, answer = curl(server, "/Patient", "-H", "Content-Type: application/fhir+xml", "--data-binary", body)
        assert 400 <= status < 500 and b"OperationOutcome" in answer, answer
        assert b"root:" not in answer


@pytest.mark.parametrize("wanted, media", [
    ("json", "application/fhir+json"), ("application/json", "application/json"), ("application/fhir%2Bjson", "application/fhir+json"),
    ("xml", "application/fhir+xml"), ("text/xml", "text/xml"), ("application/fhir%2Bxml", "application/fhir+xml"),
])
def test_format_overrides_accept(server, wanted, media):
    made = server.create(patient())
    for path in (f"/Patient/{made['id']}", "/Patient", f"/Patient/{made['id']}/_history", "/metadata"):
        status, headers, body = curl(server, f"{path}?_format={wanted}", "-H", "Accept: text/html")
        assert status == 200 and headers["content-type"].startswith(media), (path, headers, body[:200])
        xml.fromstring(body) if "xml" in media else json.loads(body)


def test_what_cannot_be_given_is_said(server):
    assert curl(server, "/Patient?_format=text/turtle")[0] == 406
    assert curl(server, "/Patient", "-H", "Accept: image/png")[0] == 406
    assert curl(server, "/Patient", "-H", "Content-Type: text/plain", "-d", "x")[0] == 415
    assert curl(server, "/Patient/1", "-X", "TRACE")[0] == 405


def test_pretty_and_head(server):
    made = server.create(patient())
    where = f"/Patient/{made['id']}"
    plain, pretty = curl(server, where)[2], curl(server, where + "?_pretty=true")[2]
    assert plain.count(b"\n") == 0 and pretty.count(b"\n") > 5 and json.loads(plain) == json.loads(pretty)
    status, headers, body = curl(server, where, "--head")
    assert status == 200 and body == b"" and headers["etag"] == 'W/"1"' and int(headers["content-length"]) == len(plain)


def test_curl_compresses_both_ways(server, tmp_path):
    packed = tmp_path / "patient.json.gz"
    packed.write_bytes(subprocess.run(["gzip", "-c"], input=json.dumps(patient("Gzip" * 1000)).encode(), stdout=subprocess.PIPE, check=True).stdout)
    status, _, body = curl(server, "/Patient", "-H", "Content-Type: application/fhir+json", "-H", "Content-Encoding: gzip",
                           "--data-binary", f"@{packed}", "--compressed")
    assert status == 201 and json.loads(body)["name"][0]["family"] == "Gzip" * 1000


def test_patches_by_curl(server):
    made = server.create(patient())
    where = f"/Patient/{made['id']}"
    status, _, body = curl(server, where, "-X", "PATCH", "-H", "Content-Type: application/xml-patch+xml", "-d",
                           '<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:name/f:family/@value">Xpatched</replace></diff>')
    assert status == 200 and json.loads(body)["name"][0]["family"] == "Xpatched", body
    operation = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "active"}, {"name": "value", "valueBoolean": True}]}]}
    status, _, body = curl(server, where, "-X", "PATCH", "-H", "Content-Type: application/fhir+json", "-d", json.dumps(operation))
    assert status == 200 and json.loads(body)["active"] is True, body


def test_binary_is_served_as_bytes(server):
    content = bytes(range(256))
    status, headers, _ = curl(server, "/Binary", "-H", "Content-Type: image/png", "--data-binary", "@-", "-H", "Accept: application/fhir+json")
    assert status in (201, 400), "an empty body"
    made = subprocess.run(["curl", "-sS", "-i", "-H", "Content-Type: image/png", "--data-binary", "@-", f"{server.base}/Binary"],
                          input=content, capture_output=True, timeout=60).stdout
    assert made.startswith(b"HTTP/1.1 201"), made[:500]
    where = re.search(rb"(?i)location: [^\r]*/fhir(/Binary/[^/\r]+)", made).group(1).decode()
    status, headers, body = curl(server, where, "-H", "Accept: image/png")
    assert (status, headers["content-type"], body) == (200, "image/png", content)
    status, headers, body = curl(server, where, "-H", "Accept: application/fhir+json")
    assert json.loads(body)["contentType"] == "image/png"


def test_asynchronous_by_curl(server):
    server.create(observation("Patient/none"))
    status, headers, body = curl(server, "/Observation?status=final", "-H", "Prefer: respond-async")
    assert status == 202 and headers["content-location"].startswith(server.base), (headers, body)
    path = headers["content-location"][len(server.base):]
    for _ in range(200):
        status, headers, body = curl(server, path)
        if status != 202:
            break
    assert status == 200 and json.loads(body)["resourceType"] == "Bundle"
