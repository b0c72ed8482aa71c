"""FHIR XML in and out, for everything that has a body."""
import xml.etree.ElementTree as ElementTree

import pytest

from client import FHIR_JSON, patient

pytestmark = pytest.mark.both_engines

FHIR_XML = "application/fhir+xml"
FHIR = "{http://hl7.org/fhir}"


def root_of(answer, media_type=FHIR_XML):
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    return ElementTree.fromstring(answer.body)


def value(element, path):
    """The value attribute of "name/family"."""
    return element.find("/".join(FHIR + name for name in path.split("/"))).get("value")


def xml_patient(family="Lee", more=""):
    return f'<Patient xmlns="http://hl7.org/fhir">{more}<name><family value="{family}"/></name></Patient>'.encode()


def test_what_is_written_in_one_form_is_read_in_the_other(server):
    answer = server.fhir("POST", "Patient", xml_patient("Möller", '<extension url="http://x.example/d"><valueDecimal value="1.50"/></extension>'),
                         content_type=FHIR_XML, accept=FHIR_JSON)
    assert answer.status == 201
    made = answer.json
    assert made["name"] == [{"family": "Möller"}]
    assert b'"valueDecimal":1.50' in server.fhir("GET", f"Patient/{made['id']}").body
    root = root_of(server.fhir("GET", f"Patient/{made['id']}", accept=FHIR_XML))
    assert root.tag == FHIR + "Patient" and value(root, "id") == made["id"]
    assert value(root, "meta/versionId") == "1" and value(root, "extension/valueDecimal") == "1.50"
    again = server.fhir("PUT", f"Patient/{made['id']}", server.fhir("GET", f"Patient/{made['id']}?_format=xml").body, content_type=FHIR_XML)
    assert again.status == 200 and again.headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("sent, given", [
    ({"accept": FHIR_XML}, FHIR_XML), ({"accept": "application/xml"}, "application/xml"), ({"accept": "text/xml"}, "text/xml"),
    ({"accept": "application/fhir+json;q=0.2, application/fhir+xml;q=0.8"}, FHIR_XML),
    ({"accept": "application/fhir+xml; fhirVersion=4.0"}, FHIR_XML)])
def test_the_client_chooses_the_media_type(server, sent, given):
    made = server.create(patient())
    assert value(root_of(server.fhir("GET", f"Patient/{made['id']}", **sent), given), "id") == made["id"]


@pytest.mark.parametrize("name", ["xml", "text/xml", "application/xml", "application/fhir%2Bxml", "application/fhir+xml"])
def test_format_overrides_accept(server, name):
    made = server.create(patient())
    answer = server.fhir("GET", f"Patient/{made['id']}?_format={name}", accept="application/fhir+json")
    assert value(ElementTree.fromstring(answer.body), "id") == made["id"]


def test_everything_that_has_a_body_has_it_in_xml(server):
    made = server.create(patient(family="Xmlsearch"))
    url = f"Patient/{made['id']}"
    for path in (url + "/_history/1", url + "/_history", "Patient?family=xmlsearch", url + "/$everything", "metadata"):
        answer = server.fhir("GET", path, accept=FHIR_XML)
        assert answer.status == 200, path
        root = root_of(answer)
        assert root.tag in (FHIR + "Patient", FHIR + "Bundle", FHIR + "CapabilityStatement")
    root = root_of(server.fhir("GET", "Patient?family=xmlsearch&_format=xml"))
    assert value(root, "total") == "1" and value(root, "entry/resource/Patient/name/family") == "Xmlsearch"
    root = root_of(server.fhir("POST", "Patient/_search?_format=xml", b"family=xmlsearch", content_type="application/x-www-form-urlencoded"))
    assert value(root, "total") == "1"


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "Patient/none", None, 404), ("GET", "Nonsense/1", None, 404), ("GET", "Patient?nonsense=1", None, 400),
    ("POST", "Patient", b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/><foo value="1"/></Patient>', 400),
    ("POST", "Patient", b"<Patient", 400), ("PATCH", "metadata", None, 405),
    ("POST", "Patient", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>', 400),
    ("POST", "Observation", b'<Observation xmlns="http://hl7.org/fhir"><status value="final"/></Observation>', 422)])
def test_errors_are_xml_too(server, method, path, body, status):
    answer = server.fhir(method, path, body, accept=FHIR_XML, content_type=FHIR_XML)
    assert answer.status == status
    root = root_of(answer)
    assert root.tag == FHIR + "OperationOutcome" and value(root, "issue/severity") == "error"


def test_a_fault_has_its_place_and_line(server):
    answer = server.fhir("POST", "Patient", b'<Patient xmlns="http://hl7.org/fhir">\n <name><foo value="1"/></name></Patient>', content_type=FHIR_XML, accept=FHIR_JSON)
    assert answer.status == 400
    assert "Patient.name[0].foo" in answer.issue_text() and "line 2 column 8" in answer.issue_text()


def test_a_transaction_in_xml_is_answered_in_xml(server):
    bundle = b"""<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/>
      <entry><fullUrl value="urn:uuid:6a0e0bd5-7b1c-4d29-8f0e-4d4b0f2f0001"/>
        <resource><Patient><name><family value="Txml"/></name></Patient></resource>
        <request><method value="POST"/><url value="Patient"/></request></entry>
      <entry><resource><Observation><status value="final"/><code><text value="a"/></code>
          <subject><reference value="urn:uuid:6a0e0bd5-7b1c-4d29-8f0e-4d4b0f2f0001"/></subject></Observation></resource>
        <request><method value="POST"/><url value="Observation"/></request></entry></Bundle>"""
    answer = server.fhir("POST", "", bundle, content_type=FHIR_XML)
    assert answer.status == 200
    root = root_of(answer)
    assert [e.get("value")[:3] for e in root.iter(FHIR + "status")] == ["201"] * 2
    found = server.fhir("GET", "Observation?subject:Patient.family=txml").json
    assert found["total"] == 1


def test_pretty_is_indented(server):
    made = server.create(patient())
    plain = server.fhir("GET", f"Patient/{made['id']}?_format=xml").body
    pretty = server.fhir("GET", f"Patient/{made['id']}?_format=xml&_pretty=true").body
    assert b"\n" not in plain and b'\n  <id value="' in pretty


def test_narratives_go_through_unchanged(server):
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p class=\'a\'>x &lt; y&#160;<br/></p>\n <!-- c --></div>'
    body = xml_patient("N", f'<text><status value="generated"/>{div}</text>')
    made = server.fhir("POST", "Patient", body, content_type=FHIR_XML, accept=FHIR_JSON).json
    assert made["text"]["div"] == div
    assert div.encode() in server.fhir("GET", f"Patient/{made['id']}?_format=xml").body


def test_bodies_in_other_forms_are_refused(server):
    for media_type in ("text/plain", "text/turtle", "application/fhir+xml; fhirVersion=3.0", "application/fhir+xml; charset=iso-8859-1"):
        assert server.fhir("POST", "Patient", xml_patient(), content_type=media_type).status == 415, media_type
    assert server.fhir("POST", "Patient", b'{"resourceType":"Patient"}', content_type=FHIR_XML).status == 400
