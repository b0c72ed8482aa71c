"""The console in a real browser. Screenshots are kept in artifacts/."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ARTIFACTS = os.path.join(ROOT, "artifacts")
sys.path.insert(0, os.path.join(ROOT, "test/system"))
from crash import Server  # noqa: E402

with open(os.path.join(HERE, "console.mjs")) as script:
    CHECKS = re.findall(r'^  async "(.*)"\(\) \{', script.read(), re.M)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Runs all checks once, over a server that has got the messages of fixture.hl7."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "chromium is not installed"
    os.makedirs(ARTIFACTS, exist_ok=True)
    folder = tmp_path_factory.mktemp("console")
    with open(os.path.join(HERE, "fixture.hl7")) as source:
        messages = [m.strip().replace("\n", "\r") + "\r" for m in source.read().split("\n\n")]
    server = Server(os.environ["CALLOSUM"], str(folder / "console.db"))
    try:
        for i, message in enumerate(messages):
            path = folder / f"{i}.hl7"
            path.write_text(message)
            subprocess.run([os.environ["CALLOSUM"], "send", "--port", str(server.mllp_port), str(path)], capture_output=True, timeout=60)
        done = subprocess.run(["node", os.path.join(HERE, "console.mjs"), f"http://127.0.0.1:{server.http_port}", ARTIFACTS],
                              env=dict(os.environ, CHROMIUM=chromium), capture_output=True, text=True, timeout=240)
    finally:
        server.stop()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr[-3000:]
    return {line["name"]: line["error"] for line in lines}


@pytest.mark.parametrize("name", CHECKS)
def test_console(results, name):
    assert results.get(name, "the browser stopped before it") is None, results.get(name)
