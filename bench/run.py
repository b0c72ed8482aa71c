#!/usr/bin/python3
"""./dev bench: measures, each figure beside the limit that the same machine showed in the same run.

  bench/run.py --build build            the whole table
  bench/run.py --build build --write    also writes it into docs/performance.md
  bench/run.py --build build PART...    some of it: core start ingest writes search mllp
  bench/run.py --build build crash ...  the long crash run: --store postgresql, --rounds N (test/system/crash.py --help)
  bench/run.py --build build --store    SQLite and PostgreSQL side by side (--write: into docs/performance.md too;
                                        PART...: some of it: ingest search mllp)
"""
import argparse
import glob
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test/system"))
from crash import Server  # noqa: E402  (one way to start a server, for tests and measurements)
from load import DATA, ROOT, Pool, bundles, get_json, output_of, post_bundles, rss_mb, search_kinds, wait_until_idle, wrk, wrk_paths, write_copies  # noqa: E402
import stores  # noqa: E402
from table import Table, machine, write_page  # noqa: E402

PARTS = ["core", "start", "ingest", "writes", "search", "mllp"]
COPIES = 10  # how often the Synthea set is in the large store


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
        self.limits["hello"] = wrk_paths(int(hello.stdout.readline()), ["/"], 32, self.folder)[0]
        hello.communicate("")
        self.table.add("limit: appends of 4 kB with fdatasync", self.limits["fsync"], "fsyncs/s")
        self.table.add("limit: raw SQLite, 1,000 resources with 12 index rows", self.limits["sqlite"], "resources/s")
        self.table.add("limit: libmicrohttpd hello, 32 connections", self.limits["hello"], "requests/s")

    # ---- the pure core ----

    def measure_core(self, lines):
        resources_file = os.path.join(self.folder, "resources.ndjson")
        with open(resources_file, "w") as out:
            for bundle in itertools.islice(lines, 20):
                for entry in json.loads(bundle)["entry"]:
                    out.write(json.dumps(entry["resource"], separators=(",", ":"), ensure_ascii=False) + "\n")
        samples = sorted(glob.glob(f"{DATA}/hl7v2-samples/*.hl7"))
        for work, what, aim in (("parse", "v2 parse, one core", "200,000"), ("convert", "v2 to FHIR with lineage, one core", "")):
            self.table.add(what, float(self.tool("micro", work, *samples)), "messages/s", aim=aim)
        for work, what in (("json", "JSON parse, one core"), ("validate", "JSON parse + validate, one core"), ("extract", "JSON parse + search values, one core"),
                           ("xml-read", "XML parse, one core"), ("xml-write", "JSON parse + XML write, one core")):
            self.table.add(what, float(self.tool("micro", work, resources_file)), "resources/s")
        self.table.add("FHIRPath evaluations, one core", float(self.tool("micro", "fhirpath", resources_file)), "evaluations/s")

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

    def measure_ingest(self, lines):
        store = os.path.join(self.folder, "http.db")
        server = Server(self.program, store)
        try:
            started = time.monotonic()
            post_bundles(server.http_port, lines, 20)
            seconds = time.monotonic() - started
            figures = get_json(server.http_port, "/api/figures")
            most = rss_mb(server.process.pid, "VmHWM")
        finally:
            server.stop()
        resources = figures["resourcesTotal"]
        self.table.add("ingest: Synthea transaction bundles over HTTP, 20 connections", resources / seconds, "resources/s", "raw SQLite", self.limits["sqlite"], "12,000")
        self.table.add("  fsyncs for it", figures["fsyncs"], "fsyncs")
        self.table.add("  on disk, index included", os.path.getsize(store) / resources, "bytes/resource", aim="at most 1,200")
        self.table.add("  resident memory, the most", most, "MB", aim="under 300")
        return store

    def measure_import(self, lines):
        """The set ten times over, into the store that the searches are measured on."""
        store, copies = os.path.join(self.folder, "large.db"), os.path.join(self.folder, "copies.ndjson.zst")
        write_copies(lines, COPIES, copies)
        started = time.monotonic()
        process = subprocess.Popen([self.program, "import", "--store", store, copies], stdout=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            try:
                most = max(most, rss_mb(process.pid, "VmHWM"))
            except (AttributeError, FileNotFoundError):
                pass  # it has just ended
            time.sleep(0.05)
        seconds = time.monotonic() - started
        if process.returncode != 0:
            raise RuntimeError("the import failed")
        os.unlink(copies)
        server = Server(self.program, store)
        resources = get_json(server.http_port, "/api/figures")["resourcesTotal"]
        server.stop()
        self.table.add(f"import: the set {COPIES} times over, {resources:,} resources", resources / seconds, "resources/s", "raw SQLite", self.limits["sqlite"], "30,000")
        self.table.add("  on disk, index included", os.path.getsize(store) / resources, "bytes/resource", aim="at most 1,200")
        self.table.add("  resident memory, the most", most, "MB", aim="under 300")
        return store

    # ---- reads and searches ----

    def measure_reads(self, store):
        server = Server(self.program, store)
        try:
            port = server.http_port
            self.table.add("  then until the words of it are indexed in the background", wait_until_idle(server.process.pid), "s")
            pool = Pool(port)
            reads = [f"/fhir/Patient/{p}" for p in pool.patients]
            self.measure_paths(port, "read by id", reads, 16, "half of hello")
            kinds = search_kinds(pool)
            mix = list(itertools.chain(*kinds.values()))
            random.Random(11).shuffle(mix)
            rate, p50, p99 = wrk_paths(port, mix, 30, self.folder, 10)
            self.table.add("search mix: all kinds below in equal parts, 30 connections", rate, "requests/s", "hello", self.limits["hello"], "6,000")
            self.table.add("  p50", p50, "ms")
            self.table.add("  p99", p99, "ms", aim="under 10")
            for what, paths in kinds.items():
                self.measure_paths(port, f"search {what}", paths, 16)
            everything = [f"/fhir/Patient/{p}/$everything?_count=100" for p in pool.patients]
            self.measure_paths(port, "Patient/[id]/$everything, 100 a page", everything, 16)
            self.table.add("resident memory after all reads, the most", rss_mb(server.process.pid, "VmHWM"), "MB", aim="under 300")
        finally:
            server.stop()

    def measure_paths(self, port, what, paths, connections, aim=""):
        rate = wrk_paths(port, paths, connections, self.folder, 3)[0]
        self.table.add(f"{what}, {connections} connections", rate, "requests/s", "hello", self.limits["hello"], aim)
        p50, p99 = wrk_paths(port, paths, 2, self.folder, 3)[1:]
        self.table.add("  p50 at 2 connections", p50, "ms")
        self.table.add("  p99 at 2 connections", p99, "ms")

    # ---- writes ----

    def measure_writes(self, store):
        server = Server(self.program, store)
        try:
            port = server.http_port
            before = get_json(port, "/api/figures")
            rate, p50, p99 = wrk(port, 64, 10, "crud.lua")
            after = get_json(port, "/api/figures")
            self.table.add("CRUD mix: create, read, update, search, delete, 64 connections", rate, "requests/s", "fsync", self.limits["fsync"], "10,000")
            self.table.add("  p50", p50, "ms")
            self.table.add("  p99", p99, "ms")
            self.table.add("  fsyncs a second for it", (after["fsyncs"] - before["fsyncs"]) / 10, "fsyncs/s")
            ids = [e["resource"]["id"] for e in get_json(port, "/fhir/Patient?_count=200&telecom:missing=false&_elements=id")["entry"]]
            with open(os.path.join(self.folder, "ids.txt"), "w") as out:
                out.write("\n".join(ids) + "\n")
            rate, p50, p99 = wrk(port, 32, 5, "patch.lua", WRK_IDS=os.path.join(self.folder, "ids.txt"))
            self.table.add("JSON Patch, 32 connections on 200 Patients", rate, "requests/s", "fsync", self.limits["fsync"])
            self.table.add("  p99", p99, "ms")
            self.measure_paths(port, "history of a resource, 20 a page", [f"/fhir/Patient/{i}/_history?_count=20" for i in ids], 16)
            self.measure_paths(port, "history of a type, 20 a page", ["/fhir/Patient/_history?_count=20"], 16)
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

    def run(self, parts):
        lines = bundles()
        self.measure_limits()
        if "core" in parts:
            self.measure_core(lines)
        if "start" in parts:
            self.measure_start()
        if "ingest" in parts or "writes" in parts:
            store = self.measure_ingest(lines)
            if "writes" in parts:
                self.measure_writes(store)
        if "search" in parts:
            self.measure_reads(self.measure_import(lines))
        if "mllp" in parts:
            self.measure_mllp()
            self.measure_feed()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART", help="crash and its own options, or of the table: " + ", ".join(PARTS))
    parser.add_argument("--store", action="store_true", help="both engines side by side")
    words = sys.argv[1:]
    at = words.index("crash") if "crash" in words else len(words)
    arguments = parser.parse_args(words[:at])
    os.chdir(ROOT)
    if at < len(words):
        program = os.path.join(arguments.build, "src/main/callosum")
        return subprocess.run([sys.executable, "test/system/crash.py", program, *words[at + 1:]]).returncode
    if arguments.store and set(arguments.parts) <= set(stores.PARTS):
        return stores.run(arguments.build, arguments.parts or stores.PARTS, arguments.write and not arguments.parts)
    unknown = set(arguments.parts) - set(PARTS)
    if unknown or arguments.write and arguments.parts:
        parser.error(f"no such part: {', '.join(unknown)}" if unknown else "--write is for the whole table")
    if not os.path.isdir(DATA):
        print("bench: the public data is not beside this checkout (../shared/data)", file=sys.stderr)
        return 2
    print(machine())
    with tempfile.TemporaryDirectory(dir=os.environ.get("CALLOSUM_BENCH_FOLDER")) as folder:
        bench = Bench(arguments.build, folder)
        bench.run(arguments.parts or PARTS)
    if arguments.write:
        write_page(bench.table, os.path.join(ROOT, "docs/performance.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
