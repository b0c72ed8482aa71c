#!/usr/bin/python3
"""The crash harness: a mixed load over HTTP and MLLP, faults at random moments, and a look at what is there.

What must hold, whatever happened and when:
  * every write that was answered 2xx is there, whole and once: it reads back as it was sent, and is found by what it says;
  * a write that was refused with 503 is not there; one whose answer is not known is there once, or not at all;
  * a transaction is there with all its entries, or with none; versions rise by one; conditions hold across all processes;
  * every message that was answered AA is in the log once, in the order of its connection, and what it said is in the record;
  * commits, events, audit and messages are numbered without a gap, and a reader of the events never sees one appear behind it.

On SQLite one process is killed, stopped for a while or ended in order. On PostgreSQL several `serve` on one private cluster
(fsync on) stand behind one address (forward.py), and also the connections to either side and PostgreSQL itself are broken.

Usage: crash.py PROGRAM [--store sqlite|postgresql] [--processes N] [--rounds N] [--seed N]. The last line is
"N rounds, N acknowledged, N lost, N doubled".
"""
import argparse
import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import engine  # noqa: E402
from crash_clients import ACKNOWLEDGED, REFUSED, UNKNOWN, Contender, Counter, Creator, Http, Sender, Transactor, Verdict  # noqa: E402
from forward import Forwarder  # noqa: E402
from postgres import Cluster, PostgresError, run_sql  # noqa: E402

RECOVERY_S = 60  # after the last fault, everything works again within this


class Server:
    """One `callosum serve` on free ports over a given store: the path of a file, or a URL."""

    def __init__(self, program, store, log_path=None):
        log_path = log_path or store + ".log"
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen([program, "serve", "--store", store, "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.http_port = self.mllp_port = 0
        while not (self.http_port and self.mllp_port):
            line = self.process.stdout.readline()
            if not line:
                self.kill()
                raise RuntimeError(f"the server did not start; see {log_path}")
            found = re.search(r":(\d+)(/|\s|$)", line)
            if found and "mllp" in line.lower():
                self.mllp_port = int(found.group(1))
            elif found and "http" in line.lower():
                self.http_port = int(found.group(1))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


# ---- What is broken ----

class Deployment:
    """Processes on one store, behind one address. A fault is a generator: it breaks something, yields, and mends it."""

    def __init__(self, program, folder, processes, seed):
        self.program, self.folder = program, folder
        self.chance = random.Random(seed)
        self.servers = [None] * processes
        self.other = []  # what went wrong with the processes themselves
        self.front = {}  # "http", "mllp" -> Forwarder

    def start(self):
        for i in range(len(self.servers)):
            self.start_server(i)
        self.front = {"http": Forwarder([]), "mllp": Forwarder([])}
        self.tell_front()

    @property
    def ports(self):
        return {name: forwarder.port for name, forwarder in self.front.items()}

    def tell_front(self):
        for name, attribute in (("http", "http_port"), ("mllp", "mllp_port")):
            self.front[name].backends[:] = [("127.0.0.1", getattr(server, attribute)) for server in self.servers if server]

    def start_server(self, i):
        """Again and again, for as long as its database may need to come back."""
        deadline = time.monotonic() + RECOVERY_S
        while True:
            try:
                self.servers[i] = Server(self.program, self.store_of(i), os.path.join(self.folder, f"serve{i}.log"))
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"process {i} does not start:\n{self.log_end(i)}") from None
                time.sleep(0.05)

    def log_end(self, i, size=3000):
        with open(os.path.join(self.folder, f"serve{i}.log"), errors="replace") as log:
            return log.read()[-size:]

    def take_out(self, i):
        """The process, if it is there and alive; one that ended by itself is a fault of the program."""
        server, self.servers[i] = self.servers[i], None
        if server and server.process.poll() is not None:
            self.other.append(f"process {i} ended by itself with {server.process.returncode}:\n{self.log_end(i)}")
            return None
        return server

    def mend(self):
        """Starts what is not there, the ones that ended by themselves too."""
        for i, server in enumerate(self.servers):
            if server and server.process.poll() is not None:
                self.take_out(i)
            if not self.servers[i]:
                self.start_server(i)
        self.tell_front()

    def pick(self):
        return self.chance.randrange(len(self.servers))

    def kill_process(self):
        i = self.pick()
        server = self.take_out(i)
        if server:
            server.kill()
        yield
        self.mend()

    def end_process(self):
        """SIGTERM: it finishes what it has, refuses the rest, and leaves with 0."""
        i = self.pick()
        server = self.take_out(i)
        if server:
            server.process.terminate()
        yield
        if server:
            self.expect_end(i, server)
        self.mend()

    def expect_end(self, i, server):
        """A process that is frozen, or whose end PostgreSQL has not noticed, may keep the others from writing for a while."""
        try:
            code = server.process.wait(RECOVERY_S)
        except subprocess.TimeoutExpired:
            server.kill()
            code = f"SIGKILL, as it did not end within {RECOVERY_S} s"
        if code != 0:
            self.other.append(f"process {i} stopped with {code}:\n{self.log_end(i)}")

    def freeze_process(self):
        """While others may wait for what it has locked."""
        server = self.servers[self.pick()]
        if server:
            server.process.send_signal(signal.SIGSTOP)
            thaw = threading.Timer(self.chance.choice([0.2, 1, 3]), server.process.send_signal, [signal.SIGCONT])
            thaw.start()
        yield
        if server:
            thaw.join()

    def cut_clients(self):
        for forwarder in self.front.values():
            forwarder.cut(self.chance.uniform(0.2, 1))
        yield

    def cut_answers_to_clients(self):
        for forwarder in self.front.values():
            forwarder.cut_answers(self.chance.uniform(0.2, 1))
        yield

    def faults(self):
        """(what, generator function, how often)."""
        return [("a process is killed", self.kill_process, 3), ("a process is ended", self.end_process, 1),
                ("a process is frozen", self.freeze_process, 1), ("clients are cut off", self.cut_clients, 1),
                ("answers to clients are cut off", self.cut_answers_to_clients, 1)]

    def close(self):
        for i in range(len(self.servers)):
            server = self.take_out(i)
            if server:
                server.process.terminate()
                self.expect_end(i, server)
        for forwarder in self.front.values():
            forwarder.close()

    def kill(self):
        """Whatever its state."""
        for server in self.servers:
            if server and server.process.poll() is None:
                server.kill()


class SqliteDeployment(Deployment):
    name = "SQLite"

    def __init__(self, program, folder, seed):
        super().__init__(program, folder, 1, seed)
        self.path = os.path.join(folder, "crash.db")

    def store_of(self, _):
        return self.path

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as file:
            return file.execute(sql).fetchall()


class PostgresDeployment(Deployment):
    """Between each process and PostgreSQL stands a forwarder of its own."""

    name = "PostgreSQL"
    SCHEMA = "crash"

    def __init__(self, program, folder, processes, seed):
        super().__init__(program, folder, processes, seed)
        self.cluster = Cluster(is_durable=True)
        self.back = []

    def start(self):
        self.cluster.make()
        self.cluster.new_schema(self.SCHEMA)
        socket_name = ".s.PGSQL.5432"
        for i in range(len(self.servers)):
            folder = os.path.join(self.cluster.folder, f"p{i}")
            os.mkdir(folder)
            self.back.append(Forwarder([os.path.join(self.cluster.folder, socket_name)], os.path.join(folder, socket_name)))
        super().start()

    def store_of(self, i):
        return self.cluster.url(self.SCHEMA, host=os.path.join(self.cluster.folder, f"p{i}"))

    def rows(self, sql):
        url = self.cluster.url(self.SCHEMA, "postgres")
        return [tuple(engine.value_of(column) for column in line.split("|")) for line in run_sql(url, sql).splitlines()]

    def cut_server_links(self):
        self.back[self.pick()].cut(self.chance.choice([0.3, 1]))
        yield

    def cut_answers_of_server(self):
        """A COMMIT arrives, and its answer does not."""
        self.back[self.pick()].cut_answers(self.chance.choice([0.5, 1]))
        yield

    def terminate_backends(self):
        with contextlib.suppress(PostgresError):
            self.cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename='callosum'"
                             f" AND random()<{self.chance.choice([0.4, 1])}")
        yield

    def postgres_goes(self, mode):
        def fault():
            if mode == "kill":
                self.cluster.kill()
            else:
                self.cluster.stop(mode)
            yield
            self.mend_cluster()
        return fault

    def mend_cluster(self):
        if not self.cluster.is_running():
            self.cluster.start()

    def mend(self):
        self.mend_cluster()
        super().mend()

    def faults(self):
        return super().faults() + [
            ("links to PostgreSQL are cut off", self.cut_server_links, 2),
            ("answers of PostgreSQL are cut off", self.cut_answers_of_server, 3),
            ("backends are terminated", self.terminate_backends, 2),
            ("PostgreSQL is restarted", self.postgres_goes("fast"), 1),
            ("PostgreSQL crashes", self.postgres_goes("immediate"), 1),
            ("the postmaster is killed", self.postgres_goes("kill"), 1)]

    def close(self):
        super().close()
        for forwarder in self.back:
            forwarder.close()
        self.cluster.remove()

    def kill(self):
        super().kill()
        self.cluster.remove()


# ---- What must hold of the store as a whole ----

# What each says must be nothing: a statement, and what it finds.
RULES = [
    *((f"SELECT {key} FROM (SELECT {key}, lag({key}, 1, 0) OVER (ORDER BY {key}) AS before FROM {table}) t WHERE {key} <> before + 1 LIMIT 5",
       f"{table}.{key} has a gap before") for table, key in (("commit_log", "seq"), ("event", "number"), ("audit", "number"), ("message", "number"))),
    ("SELECT seq FROM (SELECT seq, time, lag(time, 1, 0) OVER (ORDER BY seq) AS before FROM commit_log) t WHERE time <= before LIMIT 5",
     "the time did not rise at commit"),
    ("SELECT r.rid FROM resource r LEFT JOIN (SELECT rid, count(*) AS n FROM version GROUP BY rid) v ON v.rid=r.rid"
     " WHERE state<>0 AND version - 1 <> coalesce(n, 0) LIMIT 5", "versions are missing or too many of rid"),
    ("SELECT r.rid FROM resource r LEFT JOIN (SELECT rid, count(*) AS n FROM event WHERE kind<>0 GROUP BY rid) e ON e.rid=r.rid"
     " WHERE state<>0 AND version <> coalesce(n, 0) LIMIT 5", "events are missing or too many of rid"),
    ("SELECT rid, version FROM event WHERE kind<>0 GROUP BY rid, version HAVING count(*)<>1 LIMIT 5", "not one event of rid, version"),
    ("SELECT number FROM event WHERE seq NOT IN (SELECT seq FROM commit_log) LIMIT 5", "no commit of event"),
    ("SELECT number FROM event WHERE seq NOT IN (SELECT seq FROM audit) LIMIT 5", "no audit of event"),
    ("SELECT number FROM message WHERE status=1 AND number NOT IN (SELECT message FROM lineage) LIMIT 5", "no lineage of message"),
    ("SELECT number FROM message WHERE status=1 AND number NOT IN (SELECT number FROM message_seen) LIMIT 5", "not seen: message"),
    ("SELECT message, rid, version FROM lineage WHERE (rid, version) NOT IN (SELECT rid, version FROM event) LIMIT 5",
     "lineage of what is not there: message, rid, version"),
    ("SELECT seq, event, audit, message FROM sequence WHERE seq<>(SELECT max(seq) FROM commit_log) OR event<>(SELECT max(number) FROM event)"
     " OR audit<>(SELECT max(number) FROM audit) OR message<>(SELECT max(number) FROM message)", "the last numbers are not"),
]


def check_rules(deployment, verdict):
    for sql, fault in RULES:
        for row in deployment.rows(sql):
            verdict.other.append(f"{fault} {', '.join(map(str, row))}")


class Follower(threading.Thread):
    """Reads the events as automation does, by their numbers: one that appears behind what was read would be skipped."""

    def __init__(self, deployment, stop, verdict):
        super().__init__(daemon=True)
        self.deployment, self.stop, self.verdict = deployment, stop, verdict
        self.last = deployment.rows("SELECT coalesce(max(number), 0) FROM event")[0][0]

    def run(self):
        while not self.stop.wait(0.1):
            try:
                numbers = [n for n, in self.deployment.rows(f"SELECT number FROM event WHERE number>{self.last} ORDER BY number LIMIT 5000")]
            except (PostgresError, sqlite3.Error, subprocess.TimeoutExpired):
                continue  # it is down
            if numbers != list(range(self.last + 1, self.last + 1 + len(numbers))):
                self.verdict.other.append(f"after event {self.last} a reader saw {numbers[:20]}")
            self.last = numbers[-1] if numbers else self.last


# ---- Rounds ----

def break_things(deployment, names, tally):
    """One to three faults, which may overlap; each is mended before this returns."""
    chance = deployment.chance
    choice = [fault for fault in deployment.faults() if not names or fault[0] in names]
    broken = []
    for what, fault, _ in chance.choices(choice, [weight for _, _, weight in choice], k=chance.choice([1, 1, 2, 3])):
        time.sleep(chance.uniform(0.02, 0.4))
        tally[what] = tally.get(what, 0) + 1
        step = fault()
        next(step)
        broken.append(step)
    chance.shuffle(broken)
    for step in broken:
        time.sleep(chance.uniform(0, 0.3))
        next(step, None)
    deployment.mend()


def wait_until_well(deployment, verdict):
    """Each process by itself reads and writes again, and soon."""
    deadline = time.monotonic() + RECOVERY_S
    for i, server in enumerate(deployment.servers):
        while True:
            status = 0
            with contextlib.suppress(OSError, ValueError):
                client = Http(server.http_port)
                status, _ = client.call("PUT", f"/fhir/Basic/well{i}", {"resourceType": "Basic", "id": f"well{i}", "code": {"text": str(time.time())}})
                client.close()
            if status in (200, 201):
                break
            if time.monotonic() > deadline:
                verdict.other.append(f"process {i} does not write again, {RECOVERY_S} s after the last fault ({status}):\n{deployment.log_end(i)}")
                return
            time.sleep(0.05)


def clients_of(round_number, deployment, stop, verdict):
    """A start that nothing disturbs, and those who begin there."""
    def made(kind, n, *more):
        return [kind(f"{kind.__name__[:2]}{i}x{round_number}", deployment.ports, stop, verdict, *more) for i in range(n)]

    identity = f"counted{round_number}"
    counters = made(Counter, 3, identity)
    client = Http(deployment.ports["http"])
    status, answer = client.call("PUT", counters[0].path, counters[0].body(1, "first"))
    client.close()
    if status != 201:
        raise RuntimeError(f"before the round: {status} {answer}")
    return made(Creator, 3), made(Contender, 3), counters, made(Transactor, 2), made(Sender, 3)


def verify(deployment, clients, verdict):
    creators, _, counters, transactors, senders = clients
    client = Http(deployment.ports["http"])
    for one in creators + transactors + senders:
        one.verify(client, verdict)
    Contender.verify_all(client, verdict)
    Counter.verify_together(counters, client, verdict)
    client.close()
    check_rules(deployment, verdict)


def run_round(round_number, deployment, faults, verdict, tally):
    stop = threading.Event()
    clients = clients_of(round_number, deployment, stop, verdict)
    follower = Follower(deployment, stop, verdict)
    threads = [follower, *(client for group in clients for client in group)]
    for thread in threads:
        thread.start()
    try:
        break_things(deployment, faults, tally)
        wait_until_well(deployment, verdict)
        time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(RECOVERY_S + 30)
    verdict.other += [f"{thread.name} hangs" for thread in threads if thread.is_alive()]
    verdict.other += deployment.other
    deployment.other.clear()
    verify(deployment, clients, verdict)


def run(deployment, rounds, faults=(), log=lambda _: None):
    """Returns the Verdict and how often each fault was made. `faults`: their names, none: all of them. Stops at the first
    round that finds something wrong."""
    verdict, tally = Verdict(), {}
    try:
        deployment.start()
        for round_number in range(rounds):
            run_round(round_number, deployment, faults, verdict, tally)
            if verdict.lost or verdict.doubled or verdict.other:
                log(f"round {round_number + 1} found something wrong")
                break
            if (round_number + 1) % 10 == 0:
                log(f"{round_number + 1} rounds, {verdict.acknowledged} acknowledged, nothing lost, nothing doubled")
        deployment.close()
        verdict.other += deployment.other
    finally:
        deployment.kill()
    return verdict, tally


# ---- By hand ----

def print_tables(deployment, verdict, tally):
    print(f"\n{deployment.name}, {len(deployment.servers)} process{'es' if len(deployment.servers) > 1 else ''}")
    for what, n in sorted(tally.items()):
        print(f"  {what:<36} {n:6d} times")
    print(f"\n  {'':<20} {'acknowledged':>12} {'refused':>9} {'unknown':>9} {'happened':>9}")
    for what in sorted({what for what, _ in verdict.counts}):
        columns = [verdict.counts.get((what, outcome), 0) for outcome in (ACKNOWLEDGED, REFUSED, UNKNOWN, "happened")]
        print(f"  {what:<20} {columns[0]:12d} {columns[1]:9d} {columns[2]:9d} {columns[3]:9d}")
    print()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which leaves nothing behind
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--processes", type=int, default=3, help="on PostgreSQL")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--faults", default="", help="only faults whose name contains this")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.store == "sqlite":
            deployment = SqliteDeployment(arguments.program, folder, arguments.seed)
        else:
            deployment = PostgresDeployment(arguments.program, folder, arguments.processes, arguments.seed)
        names = [what for what, _, _ in deployment.faults() if arguments.faults in what]
        started = time.monotonic()
        verdict, tally = run(deployment, arguments.rounds, names, lambda text: print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True))
    print_tables(deployment, verdict, tally)
    for text in (verdict.lost + verdict.doubled + verdict.other)[:40]:
        print(text)
    print(f"{arguments.rounds} rounds, {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled"
          + (f", {len(verdict.other)} other faults" if verdict.other else ""))
    return 1 if verdict.lost or verdict.doubled or verdict.other else 0


if __name__ == "__main__":
    sys.exit(main())
