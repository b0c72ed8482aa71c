"""What the measurements send: the Synthea bundles, copies of them under other ids, and paths with values that are in the store."""
import http.client
import json
import os
import random
import re
import subprocess
import threading
import time
from urllib.parse import quote

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "../shared/data")
SYNTHEA = f"{DATA}/synthea/synthea-r4-bundles.ndjson.zst"


def output_of(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def rss_mb(pid, field="VmRSS"):
    """VmRSS: now. VmHWM: the most that it ever was."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(field + r":\s+(\d+)", status.read()).group(1)) / 1024


def wait_until_idle(pid, limit_s=180):
    """Until the process has used next to no processor time for two seconds; how long that took."""
    started, quiet, before = time.monotonic(), 0, None
    while quiet < 2 and time.monotonic() - started < limit_s:
        with open(f"/proc/{pid}/stat") as stat:
            ticks = sum(int(n) for n in stat.read().rsplit(")", 1)[1].split()[11:13])
        quiet = quiet + 1 if before is not None and ticks - before < 4 else 0
        before = ticks
        time.sleep(1)
    return time.monotonic() - started


def get_json(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"GET {path}: {response.status} {body[:300]!r}")
    return json.loads(body)


def as_ports(ports):
    return [ports] if isinstance(ports, int) else list(ports)


def wrk(ports, connections, seconds, script, **environment):
    """(requests/s, p50 ms, p99 ms) of a script beside this file. `ports`: one, or those of several servers, which share the connections."""
    ports = as_ports(ports)
    environment.update(WRK_PORTS=" ".join(map(str, ports)), WRK_BENCH=os.path.join(ROOT, "bench"))
    text = output_of("wrk", f"-t{len(ports)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", os.path.join(ROOT, "bench", script),
                     f"http://127.0.0.1:{ports[0]}/", env=dict(os.environ, **environment), timeout=seconds + 60)
    rate, p50, p99, errors = re.search(r"RESULT ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", text).groups()
    if int(errors):
        raise RuntimeError(f"{errors} requests of {script} failed: {text}")
    return float(rate), float(p50), float(p99)


def wrk_paths(ports, paths, connections, folder, seconds=5):
    urls = os.path.join(folder, "urls.txt")
    with open(urls, "w") as out:
        out.write("\n".join(paths) + "\n")
    return wrk(ports, connections, seconds, "urls.lua", WRK_URLS=urls)


def bundles():
    return subprocess.run(["zstd", "-dc", SYNTHEA], check=True, capture_output=True).stdout.splitlines()


UUID = re.compile(rb"[0-9a-f]{2}([0-9a-f]{6}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})")


def write_copies(lines, copies, path):
    """The bundles several times over, as one zstd file: each copy has ids of its own."""
    with open(path, "wb") as out:
        packer = subprocess.Popen(["zstd", "-q", "-1", "-c"], stdin=subprocess.PIPE, stdout=out)
        for copy in range(copies):
            for line in lines:
                packer.stdin.write(UUID.sub(b"%02x\\1" % copy, line) + b"\n")
        packer.stdin.close()
        if packer.wait() != 0:
            raise RuntimeError("zstd failed")


def post_bundles(ports, lines, connections):
    """Posts every bundle once, over so many connections at a time, to one server or to several in turn."""
    queue, lock, failures, ports = iter(lines), threading.Lock(), [], as_ports(ports)

    def post(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while not failures:
            with lock:
                bundle = next(queue, None)
            if bundle is None:
                return
            connection.request("POST", "/fhir", bundle, {"content-type": "application/fhir+json", "prefer": "return=minimal"})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                failures.append((response.status, body[:500]))

    threads = [threading.Thread(target=post, args=(ports[i % len(ports)],)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} bundles were refused, the first with {failures[0]}")


class Pool:
    """Values that are in the store, to make paths of."""

    def __init__(self, port):
        def sample(path, pick):
            values = []
            for entry in get_json(port, path).get("entry", []):
                values += [v for v in pick(entry["resource"]) if v]
            return sorted(set(values))
        patients, observations = "/fhir/Patient?_count=500", "/fhir/Observation?_count=1000"
        self.patients = sample(patients, lambda r: [r["id"]])
        self.families = sample(patients, lambda r: [n.get("family") for n in r.get("name", [])])
        self.births = [b for b in sample(patients, lambda r: [r.get("birthDate")]) if not b.endswith("02-29")]
        self.identifiers = sample(patients, lambda r: [i.get("system", "") + "|" + i["value"] for i in r.get("identifier", []) if "value" in i])
        self.codes = sample(observations, lambda r: [c["system"] + "|" + c["code"] for c in r["code"].get("coding", [])])
        self.values = sample(observations, lambda r: [(r["code"]["coding"][0]["code"], round(r["valueQuantity"]["value"]), r["valueQuantity"].get("code", ""))
                                                      for _ in [0] if "valueQuantity" in r])
        self.months = sorted({d[:7] for d in sample(observations, lambda r: [r.get("effectiveDateTime")])})
        self.conditions = sample("/fhir/Condition?_count=1000", lambda r: [c["code"] for c in r["code"].get("coding", [])])
        self.chance = random.Random(7)

    def some(self, make, *pools, n=500):
        return [make(*(self.chance.choice(pool) for pool in pools)) for _ in range(n)]


def q(text):
    return quote(str(text), safe="")


def search_kinds(pool):
    """Paths for each kind of search that the search mix is made of."""
    page = "&_count=20"
    return {
        "token: Patient?identifier=system|value": pool.some(lambda v: f"/fhir/Patient?identifier={q(v)}", pool.identifiers),
        "token and reference: Observation?patient&code": pool.some(lambda p, c: f"/fhir/Observation?patient={p}&code={q(c)}{page}", pool.patients, pool.codes),
        "date: Patient?birthdate=ge..&birthdate=le..": pool.some(lambda b: f"/fhir/Patient?birthdate=ge{b}&birthdate=le{int(b[:4]) + 1}{b[4:]}{page}", pool.births),
        "code and date: Observation?code&date": pool.some(lambda c, m: f"/fhir/Observation?code={q(c)}&date={m}{page}", pool.codes, pool.months),
        "quantity: Observation?patient&value-quantity=gt..": pool.some(
            lambda p, v: f"/fhir/Observation?patient={p}&value-quantity=gt{v[1]}||{q(v[2])}{page}".replace("|", "%7C"), pool.patients, pool.values),
        "composite: Observation?code-value-quantity=code$gt..": pool.some(
            lambda v: f"/fhir/Observation?code-value-quantity={q(v[0])}$gt{v[1]}{page}", pool.values),
        "reference: Encounter?patient": pool.some(lambda p: f"/fhir/Encounter?patient={p}{page}", pool.patients),
        "string: Patient?family": pool.some(lambda f: f"/fhir/Patient?family={q(f)}{page}", pool.families),
        "chain: Observation?patient.family": pool.some(lambda f: f"/fhir/Observation?patient.family={q(f)}{page}", pool.families),
        "_has: Patient?_has:Condition:patient:code": pool.some(lambda c: f"/fhir/Patient?_has:Condition:patient:code={q(c)}{page}", pool.conditions),
        "_include: Encounter?patient&_include": pool.some(lambda p: f"/fhir/Encounter?patient={p}&_include=Encounter:patient{page}", pool.patients),
        "sort: Observation?patient&_sort=-date": pool.some(lambda p: f"/fhir/Observation?patient={p}&_sort=-date{page}", pool.patients),
        "count: Observation?patient&_summary=count": pool.some(lambda p: f"/fhir/Observation?patient={p}&_summary=count", pool.patients),
    }
