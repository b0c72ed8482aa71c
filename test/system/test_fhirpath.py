"""`callosum fhirpath`: expressions asked of files, from the command line."""
import gzip
import json

import pytest

from test_cli import callosum

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [
    {"use": "official", "family": "Lee", "given": ["Ann", "Bo"]}, {"use": "nickname", "given": ["Annie"]}],
    "gender": "female", "birthDate": "1980-02-17"}


@pytest.fixture
def patient_file(tmp_path):
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(PATIENT))
    return path


def test_each_result_is_a_line(patient_file):
    done = callosum("fhirpath", "name.where(use = 'official').given", patient_file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Ann\nBo\n", "")


def test_json_keeps_types_and_decimals(patient_file):
    done = callosum("fhirpath", "-o", "json", "1 | 1.50 | true | 'x' | @2014 | 4 'mg' | name[1]", patient_file)
    assert done.stdout == '[1,1.50,true,"x","2014",{"value":4,"unit":"mg"},{"use":"nickname","given":["Annie"]}]\n'


def test_paths_tell_where_a_value_stands(patient_file):
    done = callosum("fhirpath", "--output", "paths", "name.given | birthDate | 1", patient_file)
    assert done.stdout.splitlines() == ["Patient.name[0].given[0]\tAnn", "Patient.name[0].given[1]\tBo",
                                        "Patient.name[1].given[0]\tAnnie", "Patient.birthDate\t1980-02-17", "-\t1"]


def test_xml_ndjson_and_standard_input(tmp_path):
    lines = tmp_path / "many.ndjson"
    lines.write_text("".join(json.dumps({**PATIENT, "id": f"p{i}"}) + "\n" for i in range(3)))
    xml = b'<Patient xmlns="http://hl7.org/fhir"><id value="x"/><gender value="male"/></Patient>'
    done = callosum("fhirpath", "id", lines, "-", data=xml)
    assert (done.returncode, done.stdout.split()) == (0, ["p0", "p1", "p2", "x"])


def test_without_a_file_it_is_a_calculator():
    assert callosum("fhirpath", "100 'mg/dL' = 1 'g/L'").stdout == "true\n"
    assert callosum("fhirpath", "70 'kg' / (1.75 'm' * 1.75 'm') > 22 'kg/m2'").stdout == "true\n"
    assert callosum("fhirpath", "@2024-02-29 + 1 year").stdout == "2025-02-28\n"


def test_variables_types_and_trace(tmp_path):
    name = tmp_path / "name.json"
    name.write_text('{"given":["Ann"]}')
    done = callosum("fhirpath", "-v", "sep=-", "--type", "HumanName", "given.trace('seen') & %sep", name)
    assert (done.returncode, done.stdout) == (0, "Ann-\n")
    assert done.stderr == "seen: 1 item\n  Ann\n"


def test_value_sets_of_the_specification_are_known(patient_file):
    url = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert callosum("fhirpath", f"gender.memberOf('{url}')", patient_file).stdout == "true\n"
    assert callosum("fhirpath", "gender.memberOf('http://nowhere')", patient_file).returncode == 1


@pytest.mark.parametrize("expression, column", [
    ("name.foo()", 6), ("1 +", 4), ("'\u00e9' & 'b", 7), ("1 +\n  bar()", 7), ("name.where(", 12)])
def test_a_caret_stands_under_the_fault(expression, column, patient_file):
    done = callosum("fhirpath", expression, patient_file)
    message, line, caret = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert f"column {column}: " in message
    start = expression.rfind("\n", 0, column - 1) + 1
    assert line.strip() == expression.split("\n")[expression[:column - 1].count("\n")].strip()
    assert caret.index("^") == 2 + column - 1 - start


def test_strict_refuses_names_that_the_types_lack(patient_file):
    assert callosum("fhirpath", "name.gven", patient_file).returncode == 0
    done = callosum("fhirpath", "--strict", "name.gven", patient_file)
    assert done.returncode == 1 and "HumanName has no element gven" in done.stderr


def test_a_fault_of_one_resource_does_not_stop_the_others(tmp_path):
    lines = tmp_path / "many.ndjson"
    lines.write_text(json.dumps({"resourceType": "Basic", "id": "b"}) + "\n" + json.dumps(PATIENT) + "\nnonsense\n"
                     + json.dumps({"resourceType": "Basic", "id": "c"}) + "\n")
    done = callosum("fhirpath", "name.given.single() | id", lines)
    assert (done.returncode, done.stdout.split()) == (1, ["b", "c"])
    assert f"{lines}:2: " in done.stderr and f"{lines}:3: " in done.stderr


def test_references_resolve_inside_a_bundle(tmp_path):
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Observation", "subject": {"reference": "Patient/p1"},
                                              "performer": [{"reference": "urn:uuid:2"}]}},
        {"fullUrl": "urn:uuid:2", "resource": PATIENT}]}))
    expression = "entry.resource.ofType(Observation).select(subject | performer).resolve().birthDate"
    assert callosum("fhirpath", expression, path).stdout == "1980-02-17\n" * 2


def test_a_long_stream_is_read_piece_by_piece(tmp_path):
    path = tmp_path / "many.ndjson.gz"
    with gzip.open(path, "wt", compresslevel=1) as out:
        for i in range(30000):
            out.write(json.dumps({**PATIENT, "id": f"p{i}"}) + "\n")
        out.write("{nonsense\n")
    done = callosum("fhirpath", "id", path)
    assert done.stdout.split() == [f"p{i}" for i in range(30000)]
    assert done.returncode == 1 and f"{path}:30001: " in done.stderr
