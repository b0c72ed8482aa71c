"""Every public v2 sample converts, and what comes out has no structural fault.

The samples are read where they are (../shared/data/hl7v2-samples beside the project); without them
the tests are skipped. A sample whose sender broke the standard is listed in SENDER_FAULTS with what
is wrong with it; such a sample must still be answered with that fault and nothing else.
"""

import glob
import json
import os
import subprocess

import pytest

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SAMPLES = os.path.join(ROOT, "..", "shared", "data", "hl7v2-samples")
CALLOSUM = os.environ.get("CALLOSUM", os.path.join(ROOT, "build", "src", "main", "callosum"))

# Name -> what the program says of it: the sender's fault, not ours.
SENDER_FAULTS = {}


def sample_names():
    return sorted(os.path.basename(p) for p in glob.glob(os.path.join(SAMPLES, "*.hl7")))


def run(*arguments, stdin=None):
    return subprocess.run([CALLOSUM, *arguments], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)


def elements(value):
    if isinstance(value, dict):
        for child in value.values():
            yield value
            yield from elements(child)
    elif isinstance(value, list):
        for child in value:
            yield from elements(child)


def references_of(bundle):
    for value in elements(bundle["entry"]):
        if isinstance(value.get("reference"), str):
            yield value["reference"]


pytestmark = pytest.mark.skipif(not sample_names(), reason="139 v2 samples are not on this machine")


@pytest.mark.parametrize("name", sample_names())
def test_sample_converts_without_structural_fault(name, tmp_path):
    converted = run("convert", os.path.join(SAMPLES, name))
    if name in SENDER_FAULTS:
        assert converted.returncode != 0
        assert SENDER_FAULTS[name] in converted.stderr.decode()
        return
    assert converted.returncode == 0, converted.stderr.decode()
    bundle = json.loads(converted.stdout)
    assert bundle["resourceType"] == "Bundle"
    path = tmp_path / "bundle.json"
    path.write_bytes(converted.stdout)
    validated = run("validate", str(path))
    assert validated.returncode == 0, validated.stdout.decode() + validated.stderr.decode()


@pytest.mark.parametrize("name", [n for n in sample_names() if n not in SENDER_FAULTS])
def test_references_of_sample_lead_somewhere(name):
    bundle = json.loads(run("convert", os.path.join(SAMPLES, name)).stdout)
    known = {entry["fullUrl"] for entry in bundle["entry"]}
    dangling = {r for r in references_of(bundle) if r.startswith("urn:uuid:")} - known
    assert not dangling


@pytest.mark.parametrize("name", [n for n in sample_names() if n not in SENDER_FAULTS])
def test_sample_makes_no_empty_resource(name):
    bundle = json.loads(run("convert", os.path.join(SAMPLES, name)).stdout)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert set(resource) - {"resourceType", "id"}, entry["fullUrl"]
