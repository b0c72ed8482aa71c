"""What a day at two hospitals looks like that must not be told apart: the requests and messages of test_same_answers.py.

Each function takes a player and asks it; what is asked later may depend on what was answered before.
"""
import glob
import json
import os
import re

from client import FHIR_JSON, bundle, entry, observation, patient

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EXAMPLES = os.path.join(os.environ.get("CALLOSUM_CACHE", os.path.join(ROOT, ".cache")), "definitions/hl7.fhir.r4.examples/package")
SAMPLES = os.path.join(ROOT, "../shared/data/hl7v2-samples")
FORM = "application/x-www-form-urlencoded"
JSON_PATCH = "application/json-patch+json"

# Of the specification's examples, those of these types are loaded (they name each other), and asked for by each parameter.
TYPES = ["Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Encounter", "Observation", "Condition", "Procedure",
         "Medication", "MedicationRequest", "DiagnosticReport", "ServiceRequest", "Specimen", "AllergyIntolerance", "Immunization", "Appointment",
         "Coverage", "Device", "Group", "List", "CarePlan", "CareTeam", "DocumentReference", "Questionnaire", "QuestionnaireResponse",
         "RelatedPerson", "Person", "Provenance", "Task", "ImagingStudy", "Goal", "RiskAssessment", "MolecularSequence", "Substance"]
SWEPT = ["Patient", "Encounter", "Observation", "Condition", "MedicationRequest", "DiagnosticReport", "RiskAssessment", "MolecularSequence",
         "ImagingStudy", "Appointment", "Location", "Questionnaire"]


def load_examples(player):
    for kind in TYPES:
        entries = []
        for path in sorted(glob.glob(os.path.join(EXAMPLES, f"{kind}-*.json"))):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            identity = json.loads(text).get("id", "none")
            entries.append(f'{{"resource":{text},"request":{{"method":"PUT","url":"{kind}/{identity}"}}}}')
        for start in range(0, len(entries), 40):
            player.fhir("POST", "", f'{{"resourceType":"Bundle","type":"batch","entry":[{",".join(entries[start:start + 40])}]}}')
    for number in range(12):
        player.fhir("PUT", f"Observation/made-{number}", observation(f"Patient/{'pat2' if number % 3 else 'example'}", value=100 + number * 7.5,
                                                                     id=f"made-{number}", effectiveDateTime=f"2020-0{1 + number % 6}-1{number % 10}"))


def write(player):
    ann = player.fhir("POST", "Patient", patient("Lee", "Ann", birthDate="1980-02-17", gender="female",
                                                 identifier=[{"system": "urn:mrn", "value": "1"}])).json["id"]
    bob = player.fhir("POST", "Patient", patient("Müller", "Bob", birthDate="1975", identifier=[{"system": "urn:mrn", "value": "2"}])).json["id"]
    player.fhir("POST", "Patient", patient("Ng", "Cy"), prefer="return=minimal")
    player.fhir("POST", "Patient", patient("Ng", "Cy"), prefer="return=OperationOutcome")
    player.fhir("POST", "Observation", observation(f"Patient/{bob}", value=7))
    url = f"Patient/{ann}"
    player.fhir("PUT", url, {**patient("Lee", "Anna"), "id": ann})
    player.fhir("PUT", url, {**patient("Lee", "Anna"), "id": ann})                              # nothing changes
    player.fhir("PUT", url, {**patient("Lee", "Anne"), "id": ann}, if_match='W/"1"')            # too old
    player.fhir("PUT", url, {**patient("Lee", "Anne"), "id": ann}, if_match='W/"2"')
    player.fhir("PUT", url, {**patient("Lee", "Anne"), "id": ann}, if_none_match="*")
    player.fhir("PUT", "Patient/new", {**patient("Ny"), "id": "new"}, if_none_match="*")
    player.fhir("PUT", "Patient?identifier=urn:mrn|3", patient("Third", identifier=[{"system": "urn:mrn", "value": "3"}]))
    player.fhir("PUT", "Patient?identifier=urn:mrn|3", patient("Third", "Upon", identifier=[{"system": "urn:mrn", "value": "3"}]))
    player.fhir("PUT", "Patient?family=Lee", patient("Lee"))
    player.fhir("POST", "Patient", patient("Fourth"), if_none_exist="identifier=urn:mrn|2")
    player.fhir("POST", "Patient", patient("Fourth"), if_none_exist="identifier=urn:mrn|4")
    player.fhir("POST", "Patient", patient("Fourth"), if_none_exist="name=ng")
    player.fhir("PATCH", url, json.dumps([{"op": "add", "path": "/gender", "value": "other"}]), content_type=JSON_PATCH)
    player.fhir("PATCH", url, json.dumps([{"op": "remove", "path": "/nonsense"}]), content_type=JSON_PATCH)
    player.fhir("PATCH", url, json.dumps([{"op": "replace", "path": "/gender", "value": "nonsense"}]), content_type=JSON_PATCH)
    player.fhir("PATCH", "Patient?identifier=urn:mrn|3", json.dumps([{"op": "add", "path": "/active", "value": True}]), content_type=JSON_PATCH)
    player.fhir("PATCH", url, {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"}, {"name": "name", "valueString": "deceased"},
        {"name": "value", "valueBoolean": False}]}]}, content_type=FHIR_JSON)
    player.fhir("POST", f"{url}/$meta-add", {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {
        "tag": [{"system": "urn:tags", "code": "vip"}], "security": [{"system": "urn:labels", "code": "R"}]}}]})
    player.fhir("GET", f"{url}/$meta")
    player.fhir("GET", "Patient/$meta")
    player.fhir("DELETE", "Observation/made-11")
    player.fhir("DELETE", "Observation/made-11")
    player.fhir("DELETE", "Observation/never")
    player.fhir("DELETE", "Observation?value-quantity=100||cm")
    player.fhir("GET", "Observation/made-11")
    player.fhir("PUT", "Observation/made-11", observation(url, id="made-11"))                   # again
    player.fhir("POST", "Binary", b"\x00\xff\x01" * 100, content_type="application/octet-stream", prefer="return=representation")


def write_bundles(player):
    mother = "urn:uuid:11111111-0000-4000-8000-000000000000"
    player.fhir("POST", "", bundle(
        "transaction",
        entry("POST", "Patient", patient("Mother"), full_url=mother),
        entry("POST", "Observation", observation(mother)),
        entry("PUT", "Encounter/t1", {"resourceType": "Encounter", "id": "t1", "status": "finished", "class": {"code": "IMP"}, "subject": {"reference": mother}}),
        entry("POST", "Condition", {"resourceType": "Condition", "subject": {"reference": mother}, "encounter": {"reference": "Encounter/t1"}}),
        entry("GET", "Patient?family=mother")), prefer="return=representation")
    player.fhir("POST", "", bundle("transaction", entry("PUT", "Patient/half", patient("Half", id="half")), entry("POST", "Observation", {"resourceType": "Observation"})))
    player.fhir("GET", "Patient/half")
    player.fhir("POST", "", bundle("transaction", entry("PUT", "Patient/half", patient(id="half")), entry("POST", "Observation", observation("urn:uuid:nowhere"))))
    player.fhir("POST", "", bundle("transaction", entry("POST", "Observation", observation("Patient?identifier=urn:mrn|2")),
                                   entry("DELETE", "Observation/made-1"), entry("PUT", "Patient/two", patient("Two", id="two"), ifNoneMatch="*")))
    player.fhir("POST", "", bundle("transaction", entry("PUT", "Patient/twice", patient(id="twice")), entry("PUT", "Patient/twice", patient("Again", id="twice"))))
    player.fhir("POST", "", bundle("batch", entry("GET", "Patient/nobody"), entry("POST", "Patient", {"resourceType": "Patient", "gender": "x"}),
                                   entry("POST", "Patient", patient("Batch")), entry("DELETE", "Patient?nonsense=1"), entry("GET", "Patient/$nonsense"),
                                   entry("PATCH", "Patient/two", {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "W10="})))


FAULTS = [
    ("POST", "Patient", b"{"), ("POST", "Patient", b""), ("POST", "Patient", b"[]"), ("POST", "Patient", b'{"resourceType":"Nonsense"}'),
    ("POST", "Patient", b'{"resourceType":"Observation"}'), ("POST", "Patient", b'{"resourceType":"Patient","birthDate":"x","gender":"y","nonsense":1}'),
    ("POST", "Patient", b'{"resourceType":"Patient","active":1,"active":2}'), ("POST", "Patient", b'{"resourceType":"Patient","id":"\xff"}'),
    ("PUT", "Patient/1", b'{"resourceType":"Patient","id":"2"}'), ("PUT", "Patient/a_b", b'{"resourceType":"Patient","id":"a_b"}'),
    ("GET", "Nonsense", None), ("GET", "Patient/x/nonsense", None), ("GET", "Patient/$nonsense", None), ("POST", "Patient/example", b"{}"),
    ("GET", "Patient/example/_history/99", None), ("GET", "Patient/example/_history/x", None), ("GET", "_history?_count=x", None),
    ("GET", "Patient?family=%00", None), ("GET", "Patient?family=%ff", None), ("GET", "Observation?value-quantity=1e999999", None),
    ("GET", "Observation?_cursor=nonsense", None), ("GET", "Patient?_sort=nonsense", None), ("GET", "Patient?_include=nonsense", None),
    ("GET", "Patient?general-practitioner.nonsense=1", None), ("GET", "Patient?birthdate=gt", None), ("GET", "Patient?identifier=|||", None),
    ("GET", "Patient?_filter=name%20eq", None), ("GET", "Patient?_has:Observation:nonsense:code=1", None), ("GET", "Patient?_count=-1", None),
    ("GET", "Patient?birthdate:exact=2020", None), ("GET", "Patient?gender:nonsense=male", None), ("GET", "Patient/example?_elemnts=name", None),
    ("DELETE", "Patient", None), ("DELETE", "Patient?_count=5", None), ("POST", "", b'{"resourceType":"Bundle","type":"history"}'),
    ("PUT", "Patient", b'{"resourceType":"Patient"}'), ("GET", "ValueSet/$expand?url=urn:nonsense", None), ("GET", "CodeSystem/$lookup?code=x", None),
]


def faults(player):
    for method, path, body in FAULTS:
        player.fhir(method, path, body, **({"content_type": FHIR_JSON} if body is not None else {}))


SEARCHES = """
Patient?_summary=count
Patient?_count=0
Patient?_count=3&_total=accurate
Patient?_count=3&_total=none
Patient?_count=3&_total=estimate
Patient?_id=example,pat1,nobody
Patient?_lastUpdated=gt2020
Patient?_lastUpdated=lt2020
Patient?family=chalmers
Patient?family:exact=Chalmers
Patient?family:contains=alm
Patient?name=pet&given=james
Patient?name=m%C3%BCl,lee
Patient?family:missing=true
Patient?birthdate=1974-12-25
Patient?birthdate=ge1970&birthdate=lt1980
Patient?birthdate=ap1975
Patient?birthdate=sa1974&birthdate=eb1990
Patient?birthdate=ne1974-12-25
Patient?gender=male&active=true
Patient?gender:not=male
Patient?gender=female,other,unknown
Patient?identifier=12345
Patient?identifier=urn:oid:1.2.36.146.595.217.0.1|12345
Patient?identifier=|12345
Patient?identifier=urn:mrn|
Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345
Patient?phone=(03)%205555%206473
Patient?telecom=phone|
Patient?address-city=PleasantVille
Patient?address=erewhon
Patient?organization=Organization/1
Patient?organization:Organization.name=gastro
Patient?organization.name=health
Patient?organization:identifier=urn:nonsense|1
Patient?general-practitioner:missing=false
Patient?link=Patient/pat2
Patient?deceased=true
Patient?death-date=gt2000
Patient?_has:Observation:patient:code=8302-2
Patient?_has:Observation:subject:value-quantity=gt150
Patient?_has:Encounter:patient:_has:Condition:encounter:code:missing=false
Patient?_has:Observation:subject:code:missing=true
Patient?_sort=family,-birthdate&_count=5
Patient?_sort=-_lastUpdated&_count=5
Patient?_sort=_id&_count=7
Patient?_sort=-name,gender
Patient?_sort=birthdate&birthdate:missing=false&_count=4
Patient?_revinclude=Observation:subject&_id=example
Patient?_revinclude=Observation:subject&_revinclude=Encounter:patient&_count=4
Patient?_include=*&_count=5
Patient?_include=Patient:organization&_include=Patient:general-practitioner&_count=10
Patient?_elements=name,birthDate&_count=3
Patient?_summary=true&_count=3
Patient?_summary=text&_count=3
Patient?_summary=data&_count=2
Patient?_tag=urn:tags|vip
Patient?_security=urn:labels|R
Patient?_profile:missing=false
Patient?_tag:not=urn:tags|vip&_count=2
Patient?_filter=name%20co%20%22an%22%20and%20(birthdate%20ge%201970%20or%20gender%20eq%20female)
Patient?_filter=not(gender%20eq%20male)&_count=5
Patient?_text=chalmers
Patient?_content=peter%20AND%20chalmers
Patient?_content=chalm*
Patient?_content=NOT%20peter&_count=3
Patient?_list=example
Patient?nonsense=1
Patient?near=1|2
Observation?code=http://loinc.org|8302-2
Observation?code=8302-2&subject=Patient/example
Observation?code:text=glucose
Encounter?class:below=http://terminology.hl7.org/CodeSystem/v3-ActCode|_ActEncounterCode
Observation?code:in=http://hl7.org/fhir/ValueSet/observation-vitalsignresult
Observation?code:not-in=http://hl7.org/fhir/ValueSet/observation-vitalsignresult&_count=4
Observation?combo-code=8480-6
Observation?value-quantity=gt100
Observation?value-quantity=gt100|http://unitsofmeasure.org|cm
Observation?value-quantity=185|http://unitsofmeasure.org|[lb_av]
Observation?value-quantity=lt2|http://unitsofmeasure.org|m
Observation?value-quantity=ap120
Observation?value-quantity=sa6&value-quantity=eb200
Observation?component-value-quantity=60||mm[Hg]
Observation?component-code-value-quantity=http://loinc.org|8480-6$gt100
Observation?code-value-quantity=8302-2$ge150
Observation?combo-code-value-quantity=8480-6$107
Observation?date=2020-03
Observation?date=ge2013-04&date=le2013-05
Observation?date=eq1999-07-02
Observation?date:missing=true
Observation?patient.family=chalmers
Observation?patient.name:contains=e&_sort=-date&_count=6
Observation?subject:Patient.organization.name=health
Observation?subject:Group.identifier:missing=true
Observation?subject=example
Observation?subject=Patient/example,Patient/f001
Observation?subject:missing=true
Observation?encounter.class=IMP
Observation?has-member:missing=false&_include=Observation:has-member
Observation?has-member.code=8480-6
Observation?derived-from.code:missing=false
Observation?_include=Observation:subject&_include:iterate=Patient:organization&_count=6
Observation?_include:iterate=Observation:has-member&_count=20
Observation?status=final&category=vital-signs&_sort=code,date
Observation?status:not=final
Observation?value-string:missing=false
Observation?value-concept=http://snomed.info/sct|
Observation?_sort=value-quantity&_count=9
Observation?_sort=-date,_id&_count=5
Observation?_sort=patient&_count=5
Observation?performer=Practitioner/f005&_include=Observation:performer:Practitioner
Observation?_source:missing=true&_summary=count
Encounter?_include=*&_revinclude=*
Encounter?_include=*&_revinclude=Condition:encounter
Encounter?length=gt50||min
Encounter?date=2013
Encounter?location.address-city=den%20burg
Condition?onset-age=gt40||a
Condition?onset-date=lt2013
Condition?clinical-status:above=http://terminology.hl7.org/CodeSystem/condition-clinical|active
Condition?code=http://snomed.info/sct|39065001
Condition?evidence:missing=false
RiskAssessment?probability=gt0.1
RiskAssessment?probability=0.000168
RiskAssessment?probability:missing=false&_sort=-probability
MolecularSequence?variant-start=lt22125511
MolecularSequence?chromosome-variant-coordinate=1$gt100$lt99999999
Location?near=42.25|-83.69|100|km
Location?near=42|-83&_sort=near
Location?partof.name=burgers
MedicationRequest?medication.code:missing=false&_include=MedicationRequest:medication
MedicationRequest?authoredon=ge2015&_sort=authoredon&_count=7
Medication?_contained=both&_count=8
Medication?ingredient-code:missing=false&_contained=true
Questionnaire?title=cancer
Questionnaire?url=http://hl7.org/fhir/Questionnaire/3141
Questionnaire?url:below=http://hl7.org/fhir
Questionnaire?url:above=http://hl7.org/fhir/Questionnaire/3141/x
CarePlan?activity-code:missing=false
Group?member=Patient/pat1
Group?value=true
Group?characteristic-value=gender$mixed
Provenance?target=Procedure/example
List?item=Condition/example2
Task?_sort=-modified,_id
DiagnosticReport?result.code=718-7
DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:subject&_count=3
?_type=Patient,Practitioner&name=e&_count=10
?_type=Observation,Encounter&_sort=-_lastUpdated&_count=10
?_type=Condition,Procedure&patient=example
?_id=example&_count=50
?_content=heart&_count=5
?_tag:missing=false
Patient/example/Observation
Patient/example/Observation?code=8302-2
Patient/example/*?_count=10
Patient/example/*?_type=Observation,Condition&_count=5
Encounter/example/Procedure
Practitioner/example/Encounter
Device/example/Observation
Patient/example/$everything?_count=10
Patient/example/$everything?_type=Observation&start=2000
Patient/nobody/$everything
Encounter/example/$everything
Patient/example
Patient/example?_elements=name
Patient/example?_summary=text
Patient/example/_history
Observation/made-11/_history
Observation/made-11/_history/1
Observation/made-11/_history/2
Patient/_history?_count=5
_history?_count=7
_history?_since=2020&_count=5
_history?_at=2019
_history?_summary=count
Patient/_history?_elements=name&_count=3
metadata
ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender
ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&system=http://hl7.org/fhir/administrative-gender&code=male
CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=male
CodeSystem/$subsumes?system=http://terminology.hl7.org/CodeSystem/v3-ActCode&codeA=IMP&codeB=ACUTE
$graphql?query=%7BPatientList(name:%22chalmers%22)%7Bid%20name%7Bfamily%7D%20ObservationList(_reference:patient)%7Bid%20status%7D%7D%7D
Patient/example/$graphql?query=%7Bname%7Bgiven%7D%20managingOrganization%7Bresource%7Bid%7D%7D%7D
Patient/example/$validate
""".split()

# In what order these come hangs on ids, which the server makes at random.
BY_ID = re.compile(r"_sort=-?(_id|patient|subject)|,_id")


def search(player, paths):
    for path in paths:
        answer = player.fhir("GET", path)
        for _ in range(4):  # its next pages, by the links that were given
            links = answer.json.get("link", []) if answer.status == 200 and answer.body.startswith(b'{"resourceType":"Bundle"') else []
            following = next((link["url"] for link in links if link["relation"] == "next"), None)
            if not following:
                break
            answer = player.request("GET", "/" + following.split("/", 3)[3])
    for path, form in (("Patient/_search", b"family=chalmers&_count=2"), ("_search", b"_type=Patient,Observation&_count=3"),
                       ("Patient/example/Observation/_search", b"code=8302-2")):
        player.fhir("POST", path, form, content_type=FORM)
    for path in ("Patient?family=chalmers", "Observation/made-11", "metadata", "Patient/nobody"):
        player.fhir("GET", path, accept="application/fhir+xml")
    player.fhir("HEAD", "Patient/example")


def sweep(player):
    """Each parameter of some types: missing or not, and sorted by either way."""
    statement = player.fhir("GET", "metadata").json
    for resource in statement["rest"][0]["resource"]:
        kind = resource["type"]
        if kind not in SWEPT:
            continue
        urls = []
        for parameter in resource["searchParam"]:
            name, is_special = parameter["name"], parameter["type"] in ("special", "composite")
            urls += [f"{kind}?{name}:missing={wanted}&_elements=id&_count=50" for wanted in ("true", "false")]
            urls += [] if is_special else [f"{kind}?_sort={sign}{name}&_elements=id&_count=50" for sign in ("", "-")]
        for start in range(0, len(urls), 60):
            player.fhir("POST", "", bundle("batch", *(entry("GET", url) for url in urls[start:start + 60])))


def samples():
    made = []
    for path in sorted(glob.glob(os.path.join(SAMPLES, "*.hl7"))):
        with open(path, "rb") as file:
            made.append(file.read().replace(b"\r\n", b"\r").replace(b"\n", b"\r").rstrip(b"\r") + b"\r")
    return made


ADMISSION = (b"MSH|^~\\&|HIS|MAIN|X|Y|20240102030405||ADT^A%02d^ADT_A01|same-%d|P|2.5.1\r"
             b"EVN|A01|20240102030405\r"
             b"PID|1||4711^^^HIS^MR||Lee^Ann^%d||19800217|F|||1 Main St^^Springfield^^12345||555-1234\r"
             b"PV1|1|I|W1^R2^B3|||||||MED||||||||V1^^^HIS^VN|||||||||||||||||||||||||20240102030405\r")


def send(player):
    """Messages of many systems, some twice, some wrong; then what the log, the persons and the lineage say."""
    for message in samples():
        player.send(message)
    for event, number in ((1, 1), (8, 2), (8, 2), (8, 3), (3, 4)):
        player.send(ADMISSION % (event, number, number))
    for message in (b"MSH|^~\\&|A|B|C|D|2024||ADT^Z99|wrong-1|P|2.5\rPID|1\r", b"nonsense", b"MSH|^~\\&|A|B|C|D|2024||ADT^A01|wrong-2|P|9.9\r", b""):
        player.send(message)
    for number in range(1, 1 + len(samples()) + 8):
        player.request("GET", f"/api/messages/{number}")
    for query in ("", "?count=5", "?text=his&count=7", "?status=rejected", "?status=error", "?status=accepted&before=20&count=5"):
        player.request("GET", f"/api/messages{query}")
    for query in ("?text=lee", "?text=ann+1980", "?text=4711", "?text=nobody", "?count=100"):
        persons = player.request("GET", f"/api/persons{query}").json["persons"]
        for person in persons[:5]:
            player.request("GET", f"/api/persons/{person['id']}")
            player.request("GET", f"/api/resources/Patient/{person['id']}/explain")
            player.fhir("GET", f"Patient/{person['id']}/$everything?_count=30")
    player.fhir("GET", "_history?_count=100")


def play(player):
    load_examples(player)
    search(player, SEARCHES)
    sweep(player)
    write(player)
    write_bundles(player)
    faults(player)
    send(player)
    search(player, [path for path in SEARCHES if not BY_ID.search(path)])
