"""./dev bench --store: the same work on both engines, with one process and on PostgreSQL with three, in one table.

A private PostgreSQL cluster (test/postgres.py) with fsync on, its files beside those of SQLite, and what PostgreSQL and
SQLite take in at best, measured in the same run. Everything is bounded: each step by itself, and no step begins when the
time for all is over; what was left out for that is told.
"""
import contextlib
import glob
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from load import DATA, ROOT, Pool, as_ports, bundles, get_json, output_of, post_bundles, rss_mb, search_kinds, wait_until_idle, wrk, wrk_paths, write_copies
from table import machine, number, replace_block

sys.path.insert(0, os.path.join(ROOT, "test"))
from postgres import Cluster  # noqa: E402

LIMIT_S = 440
COPIES = 1  # how often the Synthea set is in the store that is searched
PROCESSES = 3
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min", "wal_compression": "lz4", "max_connections": 100}
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class OutOfTime(Exception):
    pass


def cpu_s(pid):
    """Processor time of a process and of its children, living and gone."""
    def ticks(one, fields):
        try:
            with open(f"/proc/{one}/stat") as stat:
                return sum(int(n) for n in stat.read().rsplit(")", 1)[1].split()[fields])
        except FileNotFoundError:
            return 0
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return (ticks(pid, slice(11, 15)) + sum(ticks(child, slice(11, 13)) for child in children.read().split())) / CLOCK_TICKS


# ---- Engines ----

class Sqlite:
    name, processes, is_server = "SQLite", 1, False

    def __init__(self, folder):
        self.folder = folder

    def fresh(self, what):
        return os.path.join(self.folder, what + ".db")

    def size(self, store):
        return sum(os.path.getsize(path) for path in (store, store + "-wal") if os.path.exists(path))

    def cpu_s(self):
        return 0

    def wal_bytes(self):
        return 0


class Postgres:
    is_server = True

    def __init__(self, cluster, processes):
        self.cluster, self.processes = cluster, processes
        self.name = "PostgreSQL" + (f", {processes} processes" if processes > 1 else "")

    def schema(self, what):
        return f"bench_{what}_{self.processes}"

    def fresh(self, what):
        return self.cluster.new_schema(self.schema(what))

    def size(self, store):
        schema = re.search(r"search_path(?:=|%3D)(\w+)", store).group(1)
        return int(self.cluster.sql("SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace "
                                    f"WHERE n.nspname='{schema}' AND c.relkind='r'", "callosum"))

    def cpu_s(self):
        return cpu_s(self.cluster.process.pid)

    def wal_bytes(self):
        return int(self.cluster.sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))


class Site:
    """As many `callosum serve` over one store as the engine is measured with."""

    def __init__(self, program, engine, store, folder):
        self.servers = []
        with open(os.path.join(folder, "serve.log"), "w+") as log:
            try:
                for _ in range(engine.processes):
                    self.servers.append(self.start(program, store, log))
            except BaseException:
                self.stop()
                raise

    @staticmethod
    def start(program, store, log):
        process = subprocess.Popen([program, "serve", "--store", store, "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        process.ports = {}
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "store":
                return process
            process.ports[name] = int(value.rsplit(":", 1)[1])
        process.wait(10)
        log.seek(0)
        raise RuntimeError(f"the server did not start; the end of its log:\n{log.read()[-2000:]}")

    def ports(self, protocol="http"):
        return [server.ports[protocol] for server in self.servers]

    def cpu_s(self):
        return sum(cpu_s(server.pid) for server in self.servers)

    def rss_mb(self):
        return max(rss_mb(server.pid, "VmHWM") for server in self.servers)

    def stop(self):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# ---- The table ----

class Sheet:
    """A row of figures for each thing that is measured, a column for each engine."""

    def __init__(self):
        self.engines, self.rows, self.notes = [], {}, []
        self.load = os.getloadavg()[0]  # of others, before we begin

    def add(self, engine, what, figure, unit, aim=""):
        """`aim` is for the ratio of PostgreSQL to SQLite, where the row has one. `figure` None: there is none for this engine."""
        row = self.rows.setdefault(what, {"unit": unit, "aim": aim, "figures": {}})
        if engine in row["figures"]:
            raise ValueError(f"two figures of {engine} have one name: {what}")
        if engine not in self.engines:
            self.engines.append(engine)
        if figure is None:
            return
        row["figures"][engine] = figure
        print(f"{engine:<26} {what:<68} {number(figure):>10} {unit}", flush=True)

    def figure(self, engine, what):
        return self.rows.get(what, {"figures": {}})["figures"].get(engine)

    def markdown(self):
        lines = ["| what | unit | " + " | ".join(self.engines) + " | PostgreSQL to SQLite | aim |", "|---|---|" + "---:|" * len(self.engines) + "---:|---|"]
        for what, row in self.rows.items():
            figures = [row["figures"].get(engine) for engine in self.engines]
            both = [row["figures"].get(engine) for engine in ("PostgreSQL", "SQLite")]
            ratio = f"{both[0] / both[1]:.2f}" if all(both) and not what.startswith("ratio") else ""
            shown = [number(figure) if figure is not None else "" for figure in figures]
            name = what.replace("|", "\\|")
            lines.append(f"| {name} | {row['unit']} | {' | '.join(shown)} | {ratio} | {row['aim']} |")
        return "\n".join(lines)


# ---- The measurements ----

class StoreBench:
    def __init__(self, build, folder, cluster, sheet):
        self.build, self.folder, self.cluster, self.sheet = build, folder, cluster, sheet
        self.program = os.path.join(build, "src/main/callosum")
        self.started = time.monotonic()
        self.lines = bundles()

    def left_s(self):
        return LIMIT_S - (time.monotonic() - self.started)

    def add(self, engine, *row, **options):
        self.sheet.add(engine.name, *row, **options)

    def add_server(self, engine, what, figure, unit):
        self.add(engine, what, figure if engine.is_server else None, unit)

    def limits(self):
        tool = os.path.join(self.build, "bench/limits")
        fsyncs = float(output_of(tool, "fsync", self.folder, timeout=60))
        for engine in ("SQLite", "PostgreSQL"):
            self.sheet.add(engine, "limit: appends of 4 kB with fdatasync", fsyncs, "fsyncs/s")
        self.sheet.add("SQLite", "limit: raw insert, groups of 1,000", float(output_of(tool, "sqlite", self.folder, timeout=60)), "resources/s")
        for group in (1000, 100, 1):
            rate = output_of(os.path.join(self.build, "bench/limits_postgres"), self.cluster.url(), str(group), timeout=60)
            self.sheet.add("PostgreSQL", f"limit: raw insert, groups of {group:,}", float(rate), "resources/s")

    def site(self, engine, store):
        return Site(self.program, engine, store, self.folder)

    # Ingest

    def ingest(self, engine):
        """Transaction bundles over HTTP. Returns the store, which the CRUD mix then works on."""
        store = engine.fresh("ingest")
        with self.site(engine, store) as site:
            before = (engine.cpu_s(), site.cpu_s(), engine.wal_bytes())
            started = time.monotonic()
            post_bundles(site.ports(), self.lines, 20)
            seconds = time.monotonic() - started
            after = (engine.cpu_s(), site.cpu_s(), engine.wal_bytes())
            resources = get_json(site.ports()[0], "/api/figures")["resourcesTotal"]
            most = site.rss_mb()
        rate = resources / seconds
        self.add(engine, "ingest: transaction bundles over HTTP, 20 connections", rate, "resources/s")
        raw = self.sheet.figure("PostgreSQL" if engine.is_server else "SQLite", "limit: raw insert, groups of 1,000")
        if raw:
            self.add(engine, "ratio of it to the raw insert of the same engine", rate / raw, "", aim="at least 0.5")
        self.add(engine, "  CPU of callosum", (after[1] - before[1]) / resources * 1e6, "µs/resource")
        self.add_server(engine, "  CPU of PostgreSQL", (after[0] - before[0]) / resources * 1e6, "µs/resource")
        self.add_server(engine, "  log written (WAL)", (after[2] - before[2]) / resources, "bytes/resource")
        self.add(engine, "  on disk, index included", engine.size(store) / resources, "bytes/resource")
        self.add(engine, "  resident memory of a process, the most", most, "MB")
        return store

    def crud(self, engine, store):
        with self.site(engine, store) as site:
            rate, p50, p99 = wrk(site.ports(), 63, 6, "crud.lua")
        self.add(engine, "CRUD mix: create, read, update, search, delete, 63 connections", rate, "requests/s")
        self.add(engine, "  p50 of the CRUD mix", p50, "ms")
        self.add(engine, "  p99 of the CRUD mix", p99, "ms")

    def import_file(self, engine):
        store, copies = engine.fresh("import"), os.path.join(self.folder, "copies.ndjson.zst")
        if not os.path.exists(copies):
            write_copies(self.lines, COPIES, copies)
        started = time.monotonic()
        done = subprocess.run([self.program, "import", "--store", store, copies], capture_output=True, text=True, timeout=180)
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise RuntimeError(f"the import failed: {done.stderr[-1000:]}")
        with self.site(engine, store) as site:
            resources = get_json(site.ports()[0], "/api/figures")["resourcesTotal"]
            wait_until_idle(site.servers[0].pid, 60)
        self.add(engine, "import: the same bundles from a file", resources / seconds, "resources/s")
        return store

    # Reads and searches

    def reads(self, engine, store):
        with self.site(engine, store) as site:
            ports = site.ports()
            wait_until_idle(site.servers[0].pid, 20)
            pool = Pool(ports[0])
            rate, p50, p99 = wrk_paths(ports, [f"/fhir/Patient/{p}" for p in pool.patients], 18, self.folder, 4)
            self.add(engine, "read by id, 18 connections", rate, "requests/s")
            self.add(engine, "  p99 of reads by id", p99, "ms")
            kinds = search_kinds(pool)
            mix = list(itertools.chain(*kinds.values()))
            random.Random(11).shuffle(mix)
            for connections in (30, 3):
                rate, p50, p99 = wrk_paths(ports, mix, connections, self.folder, 5)
                self.add(engine, f"search mix, {connections} connections", rate, "requests/s")
                self.add(engine, f"  p50 of it, {connections} connections", p50, "ms")
                self.add(engine, f"  p99 of it, {connections} connections", p99, "ms", aim="at most 2")
            if engine.processes == 1:
                for what, paths in kinds.items():
                    self.add(engine, f"  p50 of {what}, 2 connections", wrk_paths(ports, paths, 2, self.folder, 1)[1], "ms")

    # MLLP

    def send(self, engine, what, make_command):
        """As many senders as processes, each to its own; the rate of all."""
        with self.site(engine, engine.fresh(re.sub(r"\W", "", what)[:16].lower())) as site:
            before = (engine.cpu_s(), site.cpu_s())
            started = time.monotonic()
            senders = [subprocess.Popen(make_command(i, port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                       for i, port in enumerate(site.ports("mllp"))]
            accepted = 0
            try:
                for sender in senders:
                    text = sender.communicate(timeout=max(1, started + 60 - time.monotonic()))[0]
                    accepted += int(re.search(r"(\d+) accepted", text).group(1))
            finally:
                for sender in senders:
                    if sender.poll() is None:
                        sender.kill()
                        sender.wait()
            seconds = time.monotonic() - started
            after = (engine.cpu_s(), site.cpu_s())
        self.add(engine, f"MLLP to durable ACK, mapped, {what}", accepted / seconds, "messages/s")
        self.add(engine, f"  CPU of callosum, {what}", (after[1] - before[1]) / accepted * 1e6, "µs/message")
        self.add_server(engine, f"  CPU of PostgreSQL, {what}", (after[0] - before[0]) / accepted * 1e6, "µs/message")

    def samples(self, engine):
        files = sorted(glob.glob(f"{DATA}/hl7v2-samples/*.hl7"))
        n = engine.processes
        self.send(engine, "samples, 63 connections", lambda i, port: [
            self.program, "send", "--port", str(port), "--connections", str(63 // n), "--repeat", str(3 // n), "--fresh-ids", "--quiet", *files])

    def hospital(self, engine):
        n = engine.processes
        self.send(engine, "simulated hospital, 60 connections", lambda i, port: [
            self.program, "simulate", "--mllp", f"127.0.0.1:{port}", "--connections", str(60 // n), "--duration", "10",
            "--patients", str(1200 // n), "--seed", str(i + 1), "--quiet"])

    # All of it

    def step(self, engine, work, *arguments):
        """A step that fails or has no time left is told in the table's foot, and the others go on."""
        name = f"{work.__name__.replace('_', ' ')} on {engine.name}"
        if self.left_s() < 20:
            self.sheet.notes.append(f"{name}: left out, no time was left")
            return None
        try:
            return work(engine, *arguments)
        except (RuntimeError, OSError, AttributeError, subprocess.SubprocessError) as fault:
            self.sheet.notes.append(f"{name}: failed")
            print(f"{name} failed: {fault}", file=sys.stderr, flush=True)
            return None

    def run(self, parts):
        self.limits()
        imported = {}
        for engine in (Sqlite(self.folder), Postgres(self.cluster, 1), Postgres(self.cluster, PROCESSES)):
            if "ingest" in parts:
                store = self.step(engine, self.ingest)
                if store:
                    self.step(engine, self.crud, store)
            if "search" in parts:
                kind = type(engine)
                if kind not in imported:
                    imported[kind] = self.step(engine, self.import_file)
                if imported[kind]:
                    self.step(engine, self.reads, imported[kind])
            if "mllp" in parts:
                self.step(engine, self.samples)
                self.step(engine, self.hospital)


PARTS = ["ingest", "search", "mllp"]


def foot(cluster, sheet):
    version = cluster.sql("SHOW server_version").split()[0]
    settings = ", ".join(f"`{name}={value}`" for name, value in SETTINGS.items())
    lines = [f"PostgreSQL {version} on the same machine and disk, over a unix socket, `fsync=on`, `synchronous_commit=on`, {settings}.",
             f"The machine's load average was {sheet.load:.1f} when it began."]
    return "\n".join(lines + [f"{note}." for note in sheet.notes])


def run(build, parts, is_written):
    started = time.monotonic()
    print(machine())
    sheet = Sheet()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("CALLOSUM_BENCH_FOLDER")))
        os.chmod(folder, 0o711)  # the cluster belongs to another user when this is root
        cluster = stack.enter_context(Cluster(os.path.join(folder, "pg"), is_durable=True, settings=SETTINGS))
        StoreBench(build, folder, cluster, sheet).run(parts)
        text = f"{sheet.markdown()}\n\n{foot(cluster, sheet)}"
    print(f"\n{text}\n\n{time.monotonic() - started:.0f} s in all")
    if is_written:
        replace_block(os.path.join(ROOT, "docs/performance.md"), "stores", f"Machine: {machine()}. Made by `./dev bench --store --write`.\n\n{text}")
    return 1 if sheet.notes else 0
