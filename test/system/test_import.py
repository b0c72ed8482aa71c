"""callosum import: shapes of input, faults, conditional references, running it again."""

import gzip
import json
import os
import pathlib
import subprocess

import pytest

import engine

pytestmark = pytest.mark.both_engines

ROOT = pathlib.Path(__file__).resolve().parents[2]
CALLOSUM = os.environ.get("CALLOSUM", str(ROOT / "build" / "src" / "main" / "callosum"))


def run(folder, *arguments, data=None):
    done = subprocess.run(
        [CALLOSUM, "import", "--store", engine.store(folder / "data.db"), *map(str, arguments)],
        input=data, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def patient(number, **more):
    return {"resourceType": "Patient", "id": f"p{number}", "gender": "female", **more}


def lines(resources):
    return "".join(json.dumps(r) + "\n" for r in resources).encode()


def counts(folder):
    return dict(engine.rows(folder / "data.db", "SELECT t.name, count(*) FROM resource r JOIN type t ON t.number=r.type"
                                                " WHERE r.state=1 GROUP BY 1"))


def observation(reference, **more):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": reference}, **more}


def bundle(kind, resources, with_request):
    entries = []
    for number, resource in enumerate(resources):
        entry = {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012}", "resource": resource}
        if with_request:
            entry["request"] = {"method": "POST", "url": resource["resourceType"]}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


@pytest.mark.parametrize("packed", [False, True])
def test_import_takes_lines_and_does_nothing_the_second_time(tmp_path, packed):
    data = lines(patient(n) for n in range(500))
    path = tmp_path / "patients.ndjson"
    path.write_bytes(gzip.compress(data) if packed else data)
    code, out, _ = run(tmp_path, path)
    assert code == 0 and "500 created" in out and "0 refused" in out
    code, out, _ = run(tmp_path, "-", data=data)
    assert code == 0 and "0 created" in out and "500 unchanged" in out
    assert counts(tmp_path) == {"Patient": 500}


def test_import_takes_one_resource_over_many_lines(tmp_path):
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(patient(1), indent=2))
    code, out, _ = run(tmp_path, path)
    assert code == 0 and "1 created" in out


def test_import_keeps_the_last_of_the_same_resource(tmp_path):
    data = lines(patient(1, active=n % 2 == 0) for n in range(400)) + lines([patient(1, active=True)])
    code, out, _ = run(tmp_path, "-", data=data)
    assert code == 0 and "1 created" in out
    code, out, _ = run(tmp_path, "-", data=lines([patient(1, active=True)]))
    assert "1 unchanged" in out


def test_import_tells_faults_with_file_and_line_and_goes_on(tmp_path):
    path = tmp_path / "some.ndjson"
    path.write_bytes(lines([patient(1), patient(2, gender="unheard"), patient(3, nonsense=1)])
                     + b"{this is no JSON}\n" + lines([patient(5)]))
    code, out, err = run(tmp_path, path)
    assert code == 1 and "2 created" in out and "3 refused" in out
    assert f"{path}:2: Patient.gender" in err
    assert f"{path}:3: Patient" in err
    assert f"{path}:4: " in err
    code, _, err = run(tmp_path, "--strict", path)
    assert code == 1


def test_import_stores_a_transaction_whole_or_not_at_all(tmp_path):
    first = "urn:uuid:00000000-0000-4000-8000-000000000000"
    good = bundle("transaction", [patient(1), observation(first)], True)
    bad = bundle("transaction", [patient(7), observation(first, status="wrong")], True)
    code, out, err = run(tmp_path, "-", data=lines([good, bad]))
    assert code == 1 and "2 created" in out and "2 refused" in out
    assert "-:2: Bundle.entry[1].resource.status" in err
    assert counts(tmp_path) == {"Patient": 1, "Observation": 1}
    code, out, _ = run(tmp_path, "-", data=lines([good]))
    assert code == 0 and "2 unchanged" in out


def test_import_stores_what_is_sound_of_a_collection(tmp_path):
    first = "urn:uuid:00000000-0000-4000-8000-000000000000"
    data = bundle("collection", [patient(1), observation(first, status="wrong"),
                                 observation(first)], False)
    code, out, err = run(tmp_path, "-", data=lines([data]))
    assert code == 1 and "2 created" in out and "1 refused" in out
    assert "Bundle.entry[1].resource.status" in err
    assert counts(tmp_path) == {"Patient": 1, "Observation": 1}


def test_import_finds_by_condition_what_comes_later(tmp_path):
    wanted = patient(1, identifier=[{"system": "urn:a", "value": "4711"}])
    early = bundle("transaction", [observation("Patient?identifier=urn:a|4711")], True)
    nowhere = bundle("transaction", [observation("Patient?identifier=urn:a|0")], True)
    code, out, err = run(tmp_path, "-", data=lines([early, nowhere, wanted]))
    assert code == 1 and "2 created" in out and "1 refused" in out
    assert "-:2: " in err


def test_import_refuses_a_file_that_ends_too_soon(tmp_path):
    path = tmp_path / "cut.ndjson.gz"
    path.write_bytes(gzip.compress(lines(patient(n) for n in range(500)))[:-20])
    code, _, err = run(tmp_path, path)
    assert code == 3 and "cut.ndjson.gz" in err
