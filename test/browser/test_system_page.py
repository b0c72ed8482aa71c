"""The console's page System in a real browser, on a file and on PostgreSQL with two processes, of which one is killed, and
whose server is stopped and started. Screenshots are kept in artifacts/."""
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
import postgres  # noqa: E402
from client import Server  # noqa: E402

with open(os.path.join(HERE, "system.mjs")) as script:
    ON_EITHER, ON_POSTGRES = (re.findall(r'^  async "(.*)"\(\) \{', part, re.M) for part in script.read().split("const onPostgres"))


def fill(server):
    """The messages of fixture.hl7."""
    with open(os.path.join(HERE, "fixture.hl7")) as source:
        messages = [m.strip().replace("\n", "\r") + "\r" for m in source.read().split("\n\n")]
    for message in messages:
        subprocess.run([os.environ["CALLOSUM"], "send", "--port", str(server.mllp_port), "-"], input=message.encode(), capture_output=True, timeout=60)


def run(engine, servers, act):
    """Runs the checks; `act` does what they ask for."""
    os.makedirs(ARTIFACTS, exist_ok=True)
    command = ["node", os.path.join(HERE, "system.mjs"), engine, ARTIFACTS, *(s.addresses["http"].rstrip("/") for s in servers)]
    results = {}
    with subprocess.Popen(command, env=dict(os.environ, CHROMIUM=shutil.which("chromium") or ""), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as browser:
        for line in browser.stdout:
            said = json.loads(line)
            if "ask" in said:
                act(*said["ask"].split())
                browser.stdin.write("done\n")
                browser.stdin.flush()
            else:
                results[said["name"]] = said["error"]
    return results


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("system") / "callosum.db")
    try:
        fill(server)
        return run("sqlite", [server], None)
    finally:
        server.stop()


class Deployment:
    """Two processes with a short lease on a durable PostgreSQL. The last one does the work in the background."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        cluster.new_schema("page")
        url = f"postgresql://callosum:secretword@/callosum?host={cluster.folder}&options=-csearch_path%3Dpage"
        (folder / "callosum.yaml").write_text("leaseSeconds: 2\n")
        self.servers = [Server(url, "--config", str(folder)) for _ in range(2)]
        fill(self.servers[0])
        listed = self.servers[0].request("GET", "/api/system").json["processes"]
        if any(p["isThis"] and p["hasBackground"] for p in listed):
            self.servers.reverse()

    def act(self, what, which=None):
        if what == "kill":
            self.servers[int(which)].process.kill()
            self.servers[int(which)].process.wait()
        elif what == "stop":
            self.cluster.stop()
        elif what == "start":
            self.cluster.start()
        else:
            self.cluster.sql({"weak": "ALTER SYSTEM SET fsync=off", "strong": "ALTER SYSTEM RESET fsync"}[what])
            self.cluster.sql("SELECT pg_reload_conf()")

    def end(self):
        for server in self.servers:
            server.stop()


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory):
    if not postgres.is_available():
        pytest.skip("PostgreSQL's server is not installed")
    with postgres.Cluster(is_durable=True) as cluster:
        deployment = Deployment(cluster, tmp_path_factory.mktemp("system"))
        try:
            return run("postgresql", deployment.servers, deployment.act)
        finally:
            deployment.end()


@pytest.mark.parametrize("name", ON_EITHER)
def test_on_sqlite(on_sqlite, name):
    assert on_sqlite.get(name, "the browser stopped before it") is None, on_sqlite.get(name)


@pytest.mark.parametrize("name", ON_EITHER + ON_POSTGRES)
def test_on_postgresql(on_postgresql, name):
    assert on_postgresql.get(name, "the browser stopped before it") is None, on_postgresql.get(name)
