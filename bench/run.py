#!/usr/bin/python3
"""./dev bench: measures, each figure beside the limit that the same machine showed in the same run.

  bench/run.py --build build            the whole table
  bench/run.py --build build --write    also writes it into docs/performance.md
  bench/run.py --build build crash      the long crash run
"""
import argparse
import glob
import http.client
import itertools
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "../shared/data")
sys.path.insert(0, os.path.join(ROOT, "test/system"))
from crash import Server  # noqa: E402  (one way to start a server, for tests and measurements)

WRK_SECONDS = 5


class Table:
    """Rows of: what, figure, unit, the limit it is compared with, the aim."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, unit, limit_name="", limit=None, aim=""):
        self.rows.append((what, figure, unit, limit_name, limit, aim))
        ratio = f"  {figure / limit:6.2f} of {limit_name} ({number(limit)})" if limit else ""
        print(f"{what:<58} {number(figure):>12} {unit:<14}{ratio}  {aim}", flush=True)

    def markdown(self):
        lines = ["| what | figure | unit | limit in the same run | ratio | aim |", "|---|---:|---|---|---:|---|"]
        for what, figure, unit, limit_name, limit, aim in self.rows:
            against = f"{limit_name}: {number(limit)}" if limit else ""
            ratio = f"{figure / limit:.2f}" if limit else ""
            lines.append(f"| {what} | {number(figure)} | {unit} | {against} | {ratio} | {aim} |")
        return "\n".join(lines)


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def output_of(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def get_json(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"GET {path}: {response.status} {body[:300]!r}")
    return json.loads(body)


def wrk(port, paths, connections, folder):
    """(requests/s, p50 ms, p99 ms, errors) over the given paths."""
    urls = os.path.join(folder, "urls.txt")
    with open(urls, "w") as out:
        out.write("\n".join(paths) + "\n")
    text = output_of("wrk", "-t1", f"-c{connections}", f"-d{WRK_SECONDS}s", "-s", os.path.join(ROOT, "bench/urls.lua"),
                     f"http://127.0.0.1:{port}/", env=dict(os.environ, WRK_URLS=urls))
    rate, p50, p99, errors = re.search(r"RESULT ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", text).groups()
    if int(errors):
        raise RuntimeError(f"{errors} requests failed, for example {paths[0]}")
    return float(rate), float(p50), float(p99)


class Bench:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.program = os.path.join(build, "src/main/callosum")
        self.table = Table()
        self.limits = {}

    def tool(self, name, *arguments):
        return output_of(os.path.join(self.build, "bench", name), *arguments).strip()

    # ---- limits ----

    def measure_limits(self):
        self.limits["fsync"] = float(self.tool("limits", "fsync", self.folder))
        self.limits["sqlite"] = float(self.tool("limits", "sqlite", self.folder))
        hello = subprocess.Popen([os.path.join(self.build, "bench/limits"), "http"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.limits["hello"] = wrk(int(hello.stdout.readline()), ["/"], 32, self.folder)[0]
        hello.communicate("")
        self.table.add("limit: appends of 4 kB with fdatasync", self.limits["fsync"], "fsyncs/s")
        self.table.add("limit: raw SQLite, 1,000 resources with 12 index rows", self.limits["sqlite"], "resources/s")
        self.table.add("limit: libmicrohttpd hello, 32 connections", self.limits["hello"], "requests/s")

    # ---- the pure core ----

    def measure_core(self, resources_file):
        samples = sorted(glob.glob(f"{DATA}/hl7v2-samples/*.hl7"))
        for work, what, aim in (("parse", "v2 parse, one core", "200,000"), ("convert", "v2 to FHIR with lineage, one core", "")):
            self.table.add(what, float(self.tool("micro", work, *samples)), "messages/s", aim=aim)
        for work, what in (("json", "JSON parse, one core"), ("validate", "JSON parse + validate, one core"), ("extract", "JSON parse + search values, one core")):
            self.table.add(what, float(self.tool("micro", work, resources_file)), "resources/s")

    # ---- start ----

    def measure_start(self):
        store = os.path.join(self.folder, "start.db")
        Server(self.program, store).stop()
        times = []
        for _ in range(5):
            started = time.monotonic()
            server = Server(self.program, store)
            times.append((time.monotonic() - started) * 1000)
            time.sleep(0.5)
            idle = rss_mb(server.process.pid)
            server.stop()
        self.table.add("start until it listens (median of 5)", sorted(times)[2], "ms", aim="under 200")
        self.table.add("resident memory, idle", idle, "MB", aim="under 60")

    # ---- ingest ----

    def bundles(self):
        data = subprocess.run(["zstd", "-dc", f"{DATA}/synthea/synthea-r4-bundles.ndjson.zst"], check=True, capture_output=True).stdout
        return data.splitlines()

    def ingest(self, server, bundles, connections=4):
        queue, lock, failures = iter(bundles), threading.Lock(), []

        def post():
            connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=120)
            while True:
                with lock:
                    bundle = next(queue, None)
                if bundle is None:
                    return
                connection.request("POST", "/fhir", bundle, {"content-type": "application/fhir+json", "prefer": "return=minimal"})
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    failures.append((response.status, body[:500]))

        threads = [threading.Thread(target=post) for _ in range(connections)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise RuntimeError(f"{len(failures)} bundles were refused, the first with {failures[0]}")
        return time.monotonic() - started

    def measure_ingest(self, bundles):
        store = os.path.join(self.folder, "http.db")
        server = Server(self.program, store)
        try:
            seconds = self.ingest(server, bundles)
            figures = get_json(server.http_port, "/api/figures")
            loaded = rss_mb(server.process.pid)
        finally:
            server.stop()
        resources = figures["resourcesTotal"]
        self.table.add("ingest: Synthea transaction bundles over HTTP, 4 connections", resources / seconds, "resources/s", "raw SQLite", self.limits["sqlite"], "10,000")
        if "fsyncs" in figures:
            self.table.add("  fsyncs for it", figures["fsyncs"], "fsyncs")
        self.table.add("  on disk, index included", os.path.getsize(store) / resources, "bytes/resource", aim="at most 1,500")
        self.table.add("  resident memory after it", loaded, "MB")
        return store

    def measure_import(self):
        store = os.path.join(self.folder, "import.db")
        started = time.monotonic()
        output_of(self.program, "import", "--store", store, f"{DATA}/synthea/synthea-r4-bundles.ndjson.zst")
        seconds = time.monotonic() - started
        server = Server(self.program, store)
        resources = get_json(server.http_port, "/api/figures")["resourcesTotal"]
        server.stop()
        self.table.add("import: the same from the file", resources / seconds, "resources/s", "raw SQLite", self.limits["sqlite"], "20,000")
        self.table.add("  on disk, index included", os.path.getsize(store) / resources, "bytes/resource", aim="at most 1,500")

    # ---- reads and searches ----

    def search_paths(self, port):
        """Paths with values that are in the store, many different ones per kind."""
        def sample(path, pick):
            values = []
            for entry in get_json(port, path).get("entry", []):
                values += [v for v in pick(entry["resource"]) if v]
            return sorted(set(values)) or [""]
        patients = sample("/fhir/Patient?_count=500", lambda r: [r["id"]])
        families = sample("/fhir/Patient?_count=500", lambda r: [n.get("family") for n in r.get("name", [])])
        births = sample("/fhir/Patient?_count=500", lambda r: [r.get("birthDate")])
        codes = sample("/fhir/Observation?_count=1000", lambda r: [c["system"] + "|" + c["code"] for c in r["code"].get("coding", [])])
        conditions = sample("/fhir/Condition?_count=1000", lambda r: [c["code"] for c in r["code"].get("coding", [])])
        identifiers = sample("/fhir/Patient?_count=500", lambda r: [i.get("system", "") + "|" + i["value"] for i in r.get("identifier", []) if "value" in i])
        chance = random.Random(7)
        def some(make, *pools):
            return [make(*(chance.choice(pool) for pool in pools)) for _ in range(500)]
        from urllib.parse import quote
        q = lambda text: quote(text, safe="")  # noqa: E731
        return {
            "read by id": some(lambda p: f"/fhir/Patient/{p}", patients),
            "search token: Patient?identifier=system|value": some(lambda v: f"/fhir/Patient?identifier={q(v)}", identifiers),
            "search token and reference: Observation?patient&code": some(lambda p, c: f"/fhir/Observation?patient={p}&code={q(c)}", patients, codes),
            "search date: Patient?birthdate=ge..&birthdate=le..": some(lambda b: f"/fhir/Patient?birthdate=ge{b}&birthdate=le{int(b[:4]) + 1}{b[4:]}&_count=20", [b for b in births if not b.endswith("02-29")]),
            "search reference: Encounter?patient": some(lambda p: f"/fhir/Encounter?patient={p}&_count=20", patients),
            "search string: Patient?family": some(lambda f: f"/fhir/Patient?family={q(f)}", families),
            "search chained: Observation?patient.family&_count=20": some(lambda f: f"/fhir/Observation?patient.family={q(f)}&_count=20", families),
            "search _has: Patient?_has:Condition:patient:code": some(lambda c: f"/fhir/Patient?_has:Condition:patient:code={q(c)}&_count=20", conditions),
            "search sorted: Observation?patient&_sort=-date&_count=20": some(lambda p: f"/fhir/Observation?patient={p}&_sort=-date&_count=20", patients),
            "search with include: Encounter?patient&_include": some(lambda p: f"/fhir/Encounter?patient={p}&_include=Encounter:patient&_count=20", patients),
        }

    def measure_reads(self, store):
        server = Server(self.program, store)
        try:
            for what, paths in self.search_paths(server.http_port).items():
                rate, p50, p99 = wrk(server.http_port, paths, 16, self.folder)
                is_read = what == "read by id"
                self.table.add(f"{what}, 16 connections", rate, "requests/s", "hello", self.limits["hello"], "half of hello" if is_read else "")
                p50, p99 = wrk(server.http_port, paths, 2, self.folder)[1:]
                self.table.add("  p50 at 2 connections", p50, "ms")
                self.table.add("  p99 at 2 connections", p99, "ms", aim="" if is_read else "under 5")
            self.table.add("resident memory after all reads", rss_mb(server.process.pid), "MB")
        finally:
            server.stop()

    # ---- MLLP ----

    def measure_mllp(self):
        samples = sorted(glob.glob(f"{DATA}/hl7v2-samples/*.hl7"))
        for connections, repeat in ((1, 5), (64, 50)):
            store = os.path.join(self.folder, f"mllp{connections}.db")
            server = Server(self.program, store)
            try:
                before = get_json(server.http_port, "/api/figures")
                text = subprocess.run([self.program, "send", "--port", str(server.mllp_port), "--connections", str(connections), "--repeat", str(repeat),
                                       "--fresh-ids", "--quiet", *samples], capture_output=True, text=True)
                summary = text.stdout.strip().splitlines()[-1]
                rate = float(re.search(r"([\d.]+) messages/s", summary).group(1))
                after = get_json(server.http_port, "/api/figures")
                seconds = (after["messages"] - before["messages"]) / rate
                self.table.add(f"MLLP to durable ACK, mapped, {connections} connection{'s' if connections > 1 else ''}", rate, "messages/s",
                               "fsync", self.limits["fsync"], "2,000" if connections > 1 else "")
                self.table.add("  resource versions made by it", (after["versions"] - before["versions"]) / seconds, "versions/s")
                print(f"  {summary}")
            finally:
                server.stop()

    def measure_feed(self):
        """The simulated hospital: messages of the usual size, of many patients."""
        server = Server(self.program, os.path.join(self.folder, "feed.db"))
        try:
            text = output_of(self.program, "simulate", "--mllp", f"127.0.0.1:{server.mllp_port}", "--connections", "60", "--count", "12000",
                             "--patients", "1200", "--quiet")
            summary = text.strip().splitlines()[-1]
            figures = get_json(server.http_port, "/api/figures")
            rate = float(re.search(r"([\d.]+) messages/s", summary).group(1))
            self.table.add("MLLP to durable ACK, mapped, simulated hospital of 1,200, 60 conns", rate, "messages/s", "fsync", self.limits["fsync"])
            self.table.add("  resource versions made by it", figures["versions"] / figures["messages"] * rate, "versions/s")
            print(f"  {summary}")
        finally:
            server.stop()

    def run(self):
        bundles = self.bundles()
        resources_file = os.path.join(self.folder, "resources.ndjson")
        with open(resources_file, "w") as out:
            for bundle in itertools.islice(bundles, 20):
                for entry in json.loads(bundle)["entry"]:
                    out.write(json.dumps(entry["resource"], separators=(",", ":"), ensure_ascii=False) + "\n")
        self.measure_limits()
        self.measure_core(resources_file)
        self.measure_start()
        store = self.measure_ingest(bundles)
        self.measure_import()
        self.measure_reads(store)
        self.measure_mllp()
        self.measure_feed()


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()}), {memory:.0f} GiB of memory, Linux {platform.release().split('-')[0]}"


def write_page(table):
    """Puts the table between the markers of docs/performance.md."""
    path = os.path.join(ROOT, "docs/performance.md")
    with open(path) as page:
        text = page.read()
    block = f"<!-- table -->\nMachine: {machine()}. Made by `./dev bench --write`.\n\n{table.markdown()}\n<!-- end of table -->"
    text, n = re.subn(r"<!-- table -->.*?<!-- end of table -->", lambda _: block, text, flags=re.S)
    if n != 1:
        raise RuntimeError("docs/performance.md has no place for the table")
    with open(path, "w") as page:
        page.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("what", nargs="?", default="table", choices=["table", "crash"])
    parser.add_argument("--kills", type=int, default=200)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.what == "crash":
        return subprocess.run([sys.executable, "test/system/crash.py", os.path.join(arguments.build, "src/main/callosum"), "--kills", str(arguments.kills)]).returncode
    if not os.path.isdir(DATA):
        print("bench: the public data is not beside this checkout (../shared/data)", file=sys.stderr)
        return 2
    print(machine())
    with tempfile.TemporaryDirectory(dir=os.environ.get("CALLOSUM_BENCH_FOLDER")) as folder:
        bench = Bench(arguments.build, folder)
        bench.run()
    if arguments.write:
        write_page(bench.table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
