"""The CapabilityStatement is true: everything that it claims is exercised, and what it doesn't claim is refused."""
import glob
import json
import os
import re
import urllib.parse

import pytest

from client import bundle, entry

pytestmark = pytest.mark.both_engines

EXAMPLES = os.path.join(os.path.dirname(__file__), "../../.cache/definitions/hl7.fhir.r4.examples/package")
MODIFIERS = ["missing", "exact", "contains", "text", "not", "in", "not-in", "above", "below", "of-type", "identifier"]
PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


@pytest.fixture(scope="module")
def statement(server):
    server.fhir("PUT", "Patient/1", {"resourceType": "Patient", "id": "1", "name": [{"family": "Claimed"}], "birthDate": "2020-01-01"})
    server.fhir("PUT", "Observation/1", {"resourceType": "Observation", "id": "1", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
                                         "subject": {"reference": "Patient/1"}, "valueQuantity": {"value": 1}, "effectiveDateTime": "2020-01-01"})
    answer = server.fhir("GET", "metadata")
    assert answer.status == 200
    return answer.json


@pytest.fixture(scope="module")
def rest(statement):
    (only,) = statement["rest"]
    return only


def ask_all(server, urls):
    """Every URL as an entry of a batch; those that did not answer 200, with why."""
    wrong = []
    for n in range(0, len(urls), 400):
        some = urls[n:n + 400]
        answers = server.fhir("POST", "", bundle("batch", *[entry("GET", url) for url in some])).json["entry"]
        wrong += [(url, a["response"]) for url, a in zip(some, answers) if not a["response"]["status"].startswith("200")]
    return wrong


def sample(param, target="Patient"):
    return {"number": "1", "quantity": "1", "date": "2020", "reference": f"{target}/1", "uri": "http://example.org", "string": "x", "token": "x",
            "special": "42.25|-83.69|11|km"}.get(param["type"])


SPOKEN = {"_filter": "_id eq 1", "_list": "1", "_text": "x", "_content": "x"}


def value_of(param, composites):
    if param["name"] in SPOKEN and param["type"] == "special":
        return SPOKEN[param["name"]]
    if param["type"] == "composite":
        return composites.get(param.get("definition"), "x$x")
    return sample(param)


@pytest.fixture(scope="module")
def composites():
    """A value for each composite parameter, from its components as the specification publishes them."""
    kinds, values = {}, {}
    published = []
    for path in glob.glob(os.path.join(EXAMPLES, "SearchParameter-*.json")):
        with open(path, encoding="utf-8") as file:
            one = json.load(file)
        kinds[one["url"]] = one["type"]
        published.append(one)
    if not published:
        pytest.skip("the published definitions are not here")
    for one in published:
        if one["type"] == "composite":
            values[one["url"]] = "$".join(sample({"type": kinds.get(c["definition"], "token")}) or "x" for c in one["component"])
    return values


def test_the_statement_is_a_valid_resource(server, statement):
    made = server.fhir("POST", "CapabilityStatement", statement)
    assert made.status == 201, made.issue_text()
    assert statement["kind"] == "instance" and statement["implementation"]["url"] == server.base


def test_etag_head_and_summary(server, statement):
    first = server.fhir("GET", "metadata")
    assert first.headers["etag"] and first.headers["last-modified"]
    assert server.fhir("GET", "metadata", if_none_match=first.headers["etag"]).status == 304
    assert server.fhir("GET", "metadata", if_none_match='W/"other"').status == 200
    head = server.fhir("HEAD", "metadata")
    assert head.status == 200 and head.body == b"" and head.headers["etag"] == first.headers["etag"]
    assert "rest" in statement and "rest" not in server.fhir("GET", "metadata?_elements=software").json
    assert server.fhir("GET", "metadata?_summary=true").json["fhirVersion"] == "4.0.1"
    assert server.fhir("GET", "metadata?mode=full").status == 200 and server.fhir("GET", "metadata?mode=nonsense").status == 400
    terminology = server.fhir("GET", "metadata?mode=terminology").json
    made = server.fhir("POST", "TerminologyCapabilities", terminology)
    assert made.status == 201, made.issue_text()
    assert {"url", "filter"} <= {p["name"] for p in terminology["expansion"]["parameter"]}
    assert server.fhir("GET", "metadata?nonsense=1").status == 400
    xml = server.fhir("GET", "metadata", accept="application/fhir+xml")
    assert xml.status == 200 and xml.headers["etag"] != first.headers["etag"]


def test_every_claimed_format_is_given(server, statement):
    for name in statement["format"]:
        assert server.fhir("GET", "Patient/1?_format=" + urllib.parse.quote(name)).status == 200
        assert server.fhir("GET", "Patient/1", accept=name if "/" in name else "application/fhir+" + name).status == 200
    for name in ("text/turtle", "application/fhir+turtle", "ttl", "text/csv"):
        assert server.fhir("GET", "Patient/1?_format=" + urllib.parse.quote(name)).status == 406


PATCHES = {
    "application/json-patch+json": b'[{"op":"test","path":"/birthDate","value":"2020-01-01"}]',
    "application/xml-patch+xml": b'<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:birthDate/@value">2020-01-01</replace></diff>',
    "application/fhir+json": json.dumps({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.birthDate"}, {"name": "value", "valueDate": "2020-01-01"}]}]}).encode(),
    "application/fhir+xml": b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/></part>'
                            b'<part><name value="path"/><valueString value="Patient.birthDate"/></part><part><name value="value"/><valueDate value="2020-01-01"/></part>'
                            b'</parameter></Parameters>',
}


def test_every_claimed_patch_format_is_taken(server, statement):
    assert set(statement["patchFormat"]) == set(PATCHES)
    for name in statement["patchFormat"]:
        answer = server.fhir("PATCH", "Patient/1", PATCHES[name], content_type=name)
        assert answer.status == 200, answer.body
    assert server.fhir("PATCH", "Patient/1", b"x", content_type="text/plain").status == 415


def examples():
    """One published example per type, and a few in reserve."""
    found = {}
    for path in sorted(glob.glob(os.path.join(EXAMPLES, "*-*.json")), key=os.path.getsize):
        kind = os.path.basename(path).split("-")[0]
        if len(found.setdefault(kind, [])) < 8:
            found[kind].append(path)
    return found


def create_one(server, kind, paths):
    """A resource of the type: a published example; where all that there are break a rule, without what does; where there is none, a bare one."""
    tries = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            tries.append(json.load(file))
    tries += [{name: value for name, value in one.items() if name not in ("text", "parent", "reasonReference")} for one in tries]
    for one in [*tries, {"resourceType": kind}]:
        made = server.fhir("POST", kind, one, prefer="return=representation")
        if made.status == 201:
            return made
    return None


def test_every_claimed_interaction_of_every_type(server, rest):
    paths = examples()
    if not paths:
        pytest.skip("the published examples are not here")
    without = []
    for resource in rest["resource"]:
        kind = resource["type"]
        codes = {i["code"] for i in resource["interaction"]}
        assert codes == {"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"}
        made = create_one(server, kind, paths.get(kind, []))
        if not made:
            without.append(kind)
            continue
        one, url = made.json, f"{kind}/{made.json['id']}"
        assert server.fhir("GET", url).status == 200 and server.fhir("HEAD", url).status == 200
        assert server.fhir("PUT", url, {**one, "language": "fr"}, if_match=made.headers["etag"]).status == 200
        if kind != "Binary":
            patched = server.fhir("PATCH", url, b'[{"op":"replace","path":"/language","value":"en"}]', content_type="application/json-patch+json")
            assert patched.status == 200, patched.body
            assert server.fhir("GET", url + "/_history/2").json["language"] == "fr"
        assert server.fhir("GET", url + "/_history").json["total"] >= 2
        assert server.fhir("GET", f"{kind}/_history?_count=1").json["entry"][0]["fullUrl"].endswith(url)
        assert server.fhir("GET", f"{kind}?_id={one['id']}").json["total"] == 1
        assert server.fhir("PUT", f"{kind}?_id={one['id']}", one).status == 200
        assert server.fhir("POST", kind, one, if_none_exist=f"_id={one['id']}").status == 200
        assert server.fhir("GET", url, if_none_match=server.fhir("GET", url).headers["etag"]).status == 304
        assert server.fhir("DELETE", f"{kind}?_id={one['id']}").status in (200, 204)
        assert server.fhir("GET", url).status == 410
        assert server.fhir("PUT", f"{kind}/update-creates", {**one, "id": "update-creates"}).status == 201
        assert server.fhir("DELETE", f"{kind}/update-creates").status in (200, 204)
        assert resource["referencePolicy"] == ["literal", "logical"] and resource["versioning"] == "versioned-update"
    assert without == []


def test_every_claimed_interaction_of_the_system(server, rest):
    codes = {i["code"] for i in rest["interaction"]}
    assert codes == {"transaction", "batch", "search-system", "history-system"}
    for kind in ("batch", "transaction"):
        assert server.fhir("POST", "", bundle(kind, entry("GET", "Patient/1"))).json["type"] == kind + "-response"
    assert server.fhir("GET", "?_type=Patient,Observation").status == 200 and server.fhir("GET", "_history").status == 200


def test_every_claimed_compartment(server, rest):
    urls = []
    for url in rest["compartment"]:
        name = url.rsplit("/", 1)[1]
        kind = name[0].upper() + name[1:]
        urls += [f"{kind}/1/*", f"{kind}/1/Observation" if kind not in ("RelatedPerson",) else f"{kind}/1/Observation"]
    assert len(rest["compartment"]) == 5 and not [w for w in ask_all(server, urls) if "not-supported" not in json.dumps(w)]
    assert server.fhir("GET", "Organization/1/Observation").status == 400


def test_every_claimed_parameter_with_every_claimed_modifier_and_prefix(server, rest, composites):
    urls, used = [], {"modifier": set(), "prefix": set()}
    for place in [*rest["resource"], {"type": "", "searchParam": rest["searchParam"]}]:
        names = [p["name"] for p in place["searchParam"]]
        assert len(names) == len(set(names))
        for param in place["searchParam"]:
            value = value_of(param, composites)
            text = param.get("documentation", "")
            claimed = re.findall(r"[\w\-\[\]]+", (re.search(r"Modifiers: ([^.]*)\.", text) or [0, ""])[1])
            prefixes = re.findall(r"\w+", (re.search(r"Prefixes: ([^.]*)\.", text) or [0, ""])[1])
            start = f"{place['type']}?_count=1&" if place["type"] else "?_count=1&_type=Patient,Observation&"
            urls.append(start + param["name"] + "=" + urllib.parse.quote(value))
            for modifier in claimed:
                sent = {"missing": "true", "in": "http://hl7.org/fhir/ValueSet/administrative-gender", "not-in": "http://hl7.org/fhir/ValueSet/administrative-gender",
                        "of-type": "http://example.org|x|1", "identifier": "http://example.org|1"}.get(modifier, value)
                if modifier in ("above", "below") and param["type"] == "token":
                    sent = "http://terminology.hl7.org/CodeSystem/v3-ActCode|AMB"
                if modifier in ("above", "below") and param["type"] == "reference":
                    sent = "1"
                if modifier != "[type]":  # which types: by the definition; exercised below
                    urls.append(f"{start}{param['name']}:{modifier}=" + urllib.parse.quote(sent))
            for prefix in prefixes:
                urls.append(f"{start}{param['name']}={prefix}{urllib.parse.quote(value)}")
            used["modifier"].update(claimed)
            used["prefix"].update(prefixes)
    assert len(urls) > 10000 and used["prefix"] == set(PREFIXES) and {"missing", "exact", "[type]", "in"} <= used["modifier"]
    assert ask_all(server, urls) == []
    assert ask_all(server, ["Observation?subject:Patient=1", "Observation?subject:Patient.family=claimed", "Patient?_has:Observation:subject:code=1-8"]) == []


def test_every_claimed_include(server, rest):
    urls = []
    for resource in rest["resource"]:
        for name, values in (("_include", resource["searchInclude"]), ("_revinclude", resource["searchRevInclude"])):
            for n in range(0, len(values), 30):
                urls.append(f"{resource['type']}?_count=1&" + "&".join(f"{name}={value}" for value in values[n:n + 30]))
    assert len(urls) > 300
    assert ask_all(server, urls) == []


def test_what_is_not_claimed_is_refused(server, rest):
    refused, kinds = [], {}
    for resource in rest["resource"]:
        refused += [f"{resource['type']}?nonsense=1", f"{resource['type']}?_include=Nonsense:x", f"{resource['type']}/$nonsense", f"{resource['type']}/1/$nonsense"]
        for param in resource["searchParam"]:
            kinds.setdefault(param["type"], (resource["type"], param))
            claimed = re.findall(r"[\w\-]+", (re.search(r"Modifiers: ([^.]*)\.", param.get("documentation", "")) or [0, ""])[1])
            if param["type"] in ("special",) or param["name"].startswith("_"):
                continue
            refused += [f"{resource['type']}?{param['name']}:{modifier}=x" for modifier in MODIFIERS if modifier not in claimed]
            refused.append(f"{resource['type']}?{param['name']}:nonsense=x")
    accepted = set(refused) - {url for url, _ in ask_all(server, refused)}
    assert accepted == set()
    for resource in rest["resource"]:
        for kind in ("searchRevInclude", "searchInclude"):
            assert len(set(resource[kind])) == len(resource[kind])
    assert {"string", "token", "date", "quantity", "number", "uri", "reference", "composite"} <= set(kinds)


def test_every_claimed_operation_has_a_definition_and_answers(server, rest):
    claimed = [("", o) for o in rest.get("operation", [])] + [(r["type"], o) for r in rest["resource"] for o in r.get("operation", [])]
    seen = set()
    for kind, operation in claimed:
        url = operation["definition"]
        assert url.startswith(server.base + "/OperationDefinition/")
        if url in seen:
            continue
        seen.add(url)
        answer = server.fhir("GET", url[len(server.base) + 1:])
        definition = answer.json
        assert answer.status == 200 and definition["url"] == url and definition["code"] == operation["name"]
        assert definition["system"] or definition["type"] or definition["instance"]
        valid = server.fhir("POST", "OperationDefinition", definition)
        assert valid.status == 201, valid.issue_text()
        kind = kind or "Patient"
        for level, path in (("system", f"${operation['name']}"), ("type", f"{kind}/${operation['name']}"), ("instance", f"{kind}/1/${operation['name']}")):
            tried = server.fhir("POST", path, {"resourceType": "Parameters"})
            is_there = tried.status not in (404, 405) or "nothing at this URL" not in tried.issue_text()
            if definition[level]:
                assert is_there, (path, tried.body)
            else:
                assert tried.status in (404, 405), (path, tried.body)
    assert any(url.endswith("Patient-everything") for url in seen) and any(url.endswith("Encounter-everything") for url in seen)
    assert server.fhir("GET", "OperationDefinition/Patient-nonsense").status == 404
