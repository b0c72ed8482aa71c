"""Every resource that the specification publishes: it loads, comes back as it was, in JSON and in XML, and is found.

The resources are those of npm hl7.fhir.r4.examples (what `./dev` puts into .cache/definitions); what each must be found by
is extracted from them by npm fhirpath (extract_search_values.mjs). By default a part of them is taken, with --long all.
"""
import http.client
import json
import os
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
PACKAGE = os.path.join(os.environ.get("CALLOSUM_CACHE", os.path.join(ROOT, ".cache")), "definitions/hl7.fhir.r4.examples/package")
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from client import Server  # noqa: E402

IS_LONG = bool(os.environ.get("CALLOSUM_TEST_LONG"))
EVERY = 1 if IS_LONG else 12
VALUES = 20 if IS_LONG else 3
BATCH_BYTES = 4 << 20
BATCH_QUERIES = 2000

pytestmark = [
    pytest.mark.both_engines,
    pytest.mark.skipif(not os.path.isdir(PACKAGE) or not os.path.isdir(os.path.join(HERE, "../node_modules/fhirpath")),
                       reason="the package of examples or npm fhirpath is not there"),
]

# What is refused, by file: the fault is the example's own.
BLANK = "the narrative is white space (txt-2)"
NO_BASE = "a SearchParameter without base"
LOGICAL = "a logical model without baseDefinition that isn't abstract (sdf-4)"
REFUSED = {
    "Bundle-dataelements.json": "entries share a fullUrl (bdl-7)",
    "ActivityDefinition-blood-tubes-supply.json": BLANK,
    "ActivityDefinition-heart-valve-replacement.json": BLANK,
    "EventDefinition-example.json": BLANK,
    "Questionnaire-zika-virus-exposure-assessment.json": BLANK,
    "DeviceMetric-example.json": "parent leads to a DeviceDefinition; only Device is allowed",
    "DeviceUseStatement-example.json": "reasonReference leads to a Procedure, which isn't allowed",
    "ImplementationGuide-fhir.json": "no name, no status, a reference that is none",
    "MedicationRequest-medrx0301.json": "dispenseRequest.performer leads to a Practitioner; only Organization is allowed",
    "Observation-clinical-gender.json": "performer leads to an Encounter, which isn't allowed",
    "Questionnaire-qs1.json": "items without linkId",
    "SearchParameter-codesystem-extensions-CodeSystem-author.json": NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-effective.json": NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-end.json": NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-keyword.json": NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-workflow.json": NO_BASE,
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "an id of 67 characters",
    "SearchParameter-valueset-extensions-ValueSet-author.json": NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-effective.json": NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-end.json": NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-keyword.json": NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-workflow.json": NO_BASE,
    "StructureDefinition-Definition.json": LOGICAL,
    "StructureDefinition-Event.json": LOGICAL,
    "StructureDefinition-FiveWs.json": LOGICAL,
    "StructureDefinition-Request.json": LOGICAL,
}

# What is not found and need not be, by type and parameter: a client's query that means something else.
CANONICAL = "`as uri` takes no canonical (HL7's testFHIRPathAsFunction11); npm fhirpath does. `source` and `target` find it"
NOT_FOUND = {
    ("ConceptMap", "source-uri"): CANONICAL,
    ("ConceptMap", "target-uri"): CANONICAL,
    ("CarePlan", "activity-date"): "scheduledString: a string is no date, even if it reads like one",
    ("Library", "predecessor"): "a canonical that is neither absolute nor TYPE/ID; a bare word in a query is an id",
}


def chosen_files():
    """All, or every twelfth and one of each type."""
    files = sorted(name for name in os.listdir(PACKAGE) if name.endswith(".json") and name[0].isupper())
    seen, chosen = set(), []
    for number, name in enumerate(files):
        kind = name.split("-")[0]
        if (number % EVERY == 0 or kind not in seen) and (IS_LONG or os.path.getsize(os.path.join(PACKAGE, name)) < 1 << 20):
            chosen.append(name)
            seen.add(kind)
    return chosen


class Connection:
    """One HTTP connection that stays open."""

    def __init__(self, server):
        self.http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)

    def request(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(method, "/fhir/" + path, body, headers)
        response = self.http.getresponse()
        return response.status, response.read()

    def batch(self, entries):
        """`entries`: already JSON texts."""
        body = '{"resourceType":"Bundle","type":"batch","entry":[' + ",".join(entries) + "]}"
        status, answer = self.request("POST", "", body.encode(), Content_Type="application/fhir+json", Prefer="return=minimal")
        assert status == 200, answer[:1000]
        return json.loads(answer)["entry"]


def exact(text):
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_float=lambda t: ("number", t), parse_int=lambda t: ("number", t))


def without_version(resource):
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    return {**{k: v for k, v in resource.items() if k != "meta"}, **({"meta": meta} if meta else {})}


def groups(items, size_of, limit):
    group, size = [], 0
    for item in items:
        if group and size + size_of(item) > limit:
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A server with the examples, what it said to each (status, issues), and their texts."""
    server = Server(tmp_path_factory.mktemp("examples") / "callosum.db")
    connection = Connection(server)
    texts, answers = {}, {}
    for name in chosen_files():
        with open(os.path.join(PACKAGE, name), encoding="utf-8") as file:
            texts[name] = file.read()
    for group in groups(texts, lambda name: len(texts[name]), BATCH_BYTES):
        entries = []
        for name in group:
            kind, _, rest = name.partition("-")
            url = f"{kind}/{json.loads(texts[name]).get('id', rest.removesuffix('.json'))}"
            entries.append(f'{{"resource":{texts[name]},"request":{{"method":"PUT","url":{json.dumps(url)}}}}}')
        for name, entry in zip(group, connection.batch(entries)):
            answers[name] = (int(entry["response"]["status"][:3]), entry["response"].get("outcome"))
    yield server, connection, texts, answers
    assert server.stop(60) == 0


def test_each_example_loads_but_for_those_with_a_fault_of_their_own(loaded):
    _, _, texts, answers = loaded
    refused = {name: outcome for name, (status, outcome) in answers.items() if status >= 300}
    wrongly = {name: outcome for name, outcome in refused.items() if name not in REFUSED}
    assert not wrongly, json.dumps(wrongly)[:4000]
    assert not [name for name in REFUSED if name in texts and name not in refused]


def test_each_example_comes_back_as_it_was(loaded):
    _, connection, texts, answers = loaded
    wrong = []
    for name, text in texts.items():
        if answers[name][0] >= 300:
            continue
        sent = exact(text)
        status, body = connection.request("GET", f"{sent['resourceType']}/{sent['id']}")
        if status != 200 or without_version(exact(body)) != without_version(sent):
            wrong.append(name)
    assert not wrong


def test_each_example_can_be_read_in_xml(loaded):
    _, connection, texts, answers = loaded
    wrong = []
    for name, text in texts.items():
        if answers[name][0] >= 300:
            continue
        sent = json.loads(text)
        status, body = connection.request("GET", f"{sent['resourceType']}/{sent['id']}", Accept="application/fhir+xml")
        if status != 200 or ElementTree.fromstring(body).tag != "{http://hl7.org/fhir}" + sent["resourceType"]:
            wrong.append(name)
    assert not wrong


def queries_of(texts, answers):
    """(file, type, param, url) of all that must be found."""
    names = [name for name in texts if answers[name][0] < 300]
    parts = [names[i::2] for i in range(2)]
    running = []
    for part in parts:
        process = subprocess.Popen(["node", "--preserve-symlinks", os.path.join(HERE, "extract_search_values.mjs"), PACKAGE, str(VALUES)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write("\n".join(part))
        process.stdin.close()
        running.append(process)
    faults = Counter()
    for process in running:
        for line in process.stdout:
            found = json.loads(line)
            faults.update(found["faults"])
            for param, kind, *queries in found["queries"]:
                for query in queries:
                    modifier, _, value = query.partition("=")
                    url = f"{found['type']}?{param}{modifier}={urllib.parse.quote(value, safe='')}&_id={found['id']}&_summary=count"
                    yield found["file"], found["type"], param, kind, url
        assert process.wait() == 0
    assert not faults, faults.most_common(20)


def test_each_example_is_found_by_every_search_parameter_that_it_has_a_value_for(loaded):
    _, connection, texts, answers = loaded
    missed, n, met = [], 0, set()
    for group in groups(queries_of(texts, answers), lambda _: 1, BATCH_QUERIES):
        entries = connection.batch([f'{{"request":{{"method":"GET","url":{json.dumps(url)}}}}}' for *_, url in group])
        n += len(group)
        for (name, kind, param, search_type, url), entry in zip(group, entries):
            if entry.get("resource", {}).get("total") == 1:
                continue
            met.add((kind, param))
            if (kind, param) not in NOT_FOUND:
                outcome = entry.get("response", {}).get("outcome")
                missed.append((search_type, kind, param, url, outcome["issue"][0].get("diagnostics") if outcome else None))
    if os.environ.get("CALLOSUM_TEST_MISSED"):
        with open(os.environ["CALLOSUM_TEST_MISSED"], "w", encoding="utf-8") as file:
            for row in missed:
                file.write("\t".join(map(str, row)) + "\n")
    print(f"{n} searches, {len(missed)} missed")
    assert n > (100000 if IS_LONG else 8000)
    assert not missed, "\n".join(map(str, missed[:40]))
    if IS_LONG:
        assert not set(NOT_FOUND) - met, "listed, but found"
