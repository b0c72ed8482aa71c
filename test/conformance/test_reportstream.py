"""The public v2-to-FHIR pairs: all convert, and enough of their elements agree.

`compare_reportstream.py --diff` tells what does not; docs/conformance/v2-to-fhir.md tells why.
"""

import os

import pytest

import compare_reportstream as compare

DATA = os.path.join(compare.ROOT, "..", "shared", "data", "reportstream")
CALLOSUM = os.environ.get("CALLOSUM", os.path.join(compare.ROOT, "build", "src", "main", "callosum"))
PERCENT = 89
PAIRS = list(compare.find_pairs(DATA, []))

pytestmark = pytest.mark.skipif(not PAIRS, reason="150 reportstream pairs are not on this machine")


def test_enough_elements_agree(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["compare", "--callosum", CALLOSUM, "--threshold", str(PERCENT)])
    assert compare.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize("message", [message for _, message, _ in PAIRS],
                         ids=[os.path.basename(message) for _, message, _ in PAIRS])
def test_message_of_pair_converts(message):
    bundle, why = compare.convert(CALLOSUM, message)
    assert bundle is not None, why
