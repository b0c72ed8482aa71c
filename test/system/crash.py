#!/usr/bin/python3
"""The crash harness: a mixed load over HTTP and MLLP, SIGKILL at a random point, restart, and a look at what is there.

What must hold, whatever the moment of the kill:
  * every write that was answered 2xx is there, whole: that version of that resource reads back as it was sent;
  * a transaction is there with all its entries, or with none;
  * every message that was answered AA is in the message log once, and what it said is in the record;
  * the messages of one connection stand in the log in the order in which they were sent;
  * a write that was not answered has happened once or not at all, and sending it again has no second effect.

Usage: crash.py PROGRAM [--kills N] [--seed N]. The last line is "N kills, N acknowledged, N lost, N doubled".
"""
import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

VT, FS_CR = b"\x0b", b"\x1c\r"


class Server:
    """One `callosum serve` on free ports over a given store."""

    def __init__(self, program, store):
        self.process = subprocess.Popen(
            [program, "serve", "--store", store, "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=open(store + ".log", "ab"), text=True)
        self.http_port = self.mllp_port = 0
        deadline = time.monotonic() + 20
        while not (self.http_port and self.mllp_port):
            line = self.process.stdout.readline()
            if not line or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start; see {store}.log")
            found = re.search(r":(\d+)(/|\s|$)", line)
            if found and "mllp" in line.lower():
                self.mllp_port = int(found.group(1))
            elif found and "http" in line.lower():
                self.http_port = int(found.group(1))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


class Http:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def call(self, method, path, body=None):
        headers = {"content-type": "application/fhir+json"} if body is not None else {}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data else None


class RestWriter(threading.Thread):
    """Updates its own Patient again and again, and posts transactions of three resources."""

    def __init__(self, name, start, port):
        super().__init__(daemon=True)
        self.name, self.port, self.serial = name, port, start
        self.updates = {}       # serial -> version, acknowledged
        self.transactions = {}  # serial -> acknowledged?
        self.unexpected = []

    def patient(self, serial):
        return {"resourceType": "Patient", "id": self.name, "birthDate": "1980-02-17",
                "identifier": [{"system": "urn:crash", "value": f"{self.name}-{serial}"}],
                "name": [{"family": "Crash", "given": [f"n{serial}"] * 20}]}

    def transaction(self, serial):
        tag = f"{self.name}-t{serial}"
        patient = f"urn:uuid:00000000-0000-4000-8000-{serial:012d}"
        entries = [(patient, {"resourceType": "Patient", "id": tag, "identifier": [{"system": "urn:crash:t", "value": tag}]}, f"Patient/{tag}")]
        for i in range(2):
            entries.append((None, {"resourceType": "Observation", "id": f"{tag}-{i}", "status": "final", "code": {"text": tag},
                                   "subject": {"reference": patient}, "valueInteger": i}, f"Observation/{tag}-{i}"))
        return {"resourceType": "Bundle", "type": "transaction",
                "entry": [{**({"fullUrl": url} if url else {}), "resource": r, "request": {"method": "PUT", "url": u}} for url, r, u in entries]}

    def run(self):
        try:
            http_client = Http(self.port)
            while True:
                self.serial += 1
                if self.serial % 3:
                    status, body = http_client.call("PUT", f"/fhir/Patient/{self.name}", self.patient(self.serial))
                    if status in (200, 201):
                        self.updates[self.serial] = int(body["meta"]["versionId"])
                    else:
                        self.unexpected.append((status, body))
                else:
                    self.transactions[self.serial] = False
                    status, body = http_client.call("POST", "/fhir", self.transaction(self.serial))
                    if status == 200:
                        self.transactions[self.serial] = True
                    else:
                        self.unexpected.append((status, body))
        except (OSError, http.client.HTTPException, ValueError):
            return  # the server was killed


class MllpSender(threading.Thread):
    """One sending system: admissions and updates of its own patient, one after the other."""

    def __init__(self, name, start, port):
        super().__init__(daemon=True)
        self.name, self.port, self.serial = name, port, start
        self.acknowledged = []
        self.unanswered = None
        self.unexpected = []

    def message(self, serial):
        return (f"MSH|^~\\&|{self.name}|CRASH|CALLOSUM|X|20260101120000||ADT^A08^ADT_A01|{self.name}-{serial}|P|2.5.1\r"
                f"EVN|A08|20260101120000\rPID|1||{self.name}^^^{self.name}^MR||Crash^N{serial}||19800217|F\r"
                f"PV1|1|I|W^1^1\r").encode()

    def exchange(self, connection, serial):
        connection.sendall(VT + self.message(serial) + FS_CR)
        data = b""
        while not data.endswith(FS_CR):
            part = connection.recv(65536)
            if not part:
                raise ConnectionError
            data += part
        return data

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                while True:
                    self.serial += 1
                    self.unanswered = self.serial
                    reply = self.exchange(connection, self.serial)
                    if f"MSA|AA|{self.name}-{self.serial}".encode() in reply:
                        self.acknowledged.append(self.serial)
                    else:
                        self.unexpected.append(reply)
                    self.unanswered = None
        except OSError:
            return  # the server was killed


class Verdict:
    def __init__(self):
        self.acknowledged = 0
        self.lost, self.doubled, self.other = [], [], []


def check_updates(client, writer, verdict):
    """Every acknowledged version reads back as it was sent; versions beyond it: at most the one that was under way."""
    for serial, version in writer.updates.items():
        verdict.acknowledged += 1
        status, body = client.call("GET", f"/fhir/Patient/{writer.name}/_history/{version}")
        if status != 200 or body["name"] != writer.patient(serial)["name"] or body["identifier"] != writer.patient(serial)["identifier"]:
            verdict.lost.append(f"{writer.name} version {version} (serial {serial}): {status}")
    if writer.updates:
        newest = max(writer.updates.values())
        status, body = client.call("GET", f"/fhir/Patient/{writer.name}")
        if status != 200 or not newest <= int(body["meta"]["versionId"]) <= newest + 1:
            verdict.doubled.append(f"{writer.name}: version {body and body.get('meta')} after {newest}")


def check_transactions(client, writer, verdict):
    for serial, is_acknowledged in writer.transactions.items():
        tag = f"{writer.name}-t{serial}"
        found = [client.call("GET", path)[0] == 200 for path in (f"/fhir/Patient/{tag}", f"/fhir/Observation/{tag}-0", f"/fhir/Observation/{tag}-1")]
        verdict.acknowledged += is_acknowledged
        if is_acknowledged and not all(found):
            verdict.lost.append(f"transaction {tag}: {found}")
        elif not is_acknowledged and any(found) and not all(found):
            verdict.other.append(f"transaction {tag} is there in part: {found}")
        if all(found):
            status, bundle = client.call("GET", f"/fhir/Observation?subject=Patient/{tag}")
            if status != 200 or len(bundle.get("entry", [])) != 2:
                verdict.lost.append(f"transaction {tag}: the index has {len(bundle.get('entry', [])) if bundle else status} of 2")


def rows_of(client, sender, serial):
    status, body = client.call("GET", f"/api/messages?text={sender.name}-{serial}&count=1000")
    if status != 200:
        raise RuntimeError(f"/api/messages answered {status}")
    return [m for m in body["messages"] if m.get("controlId") == f"{sender.name}-{serial}"]


def check_messages(client, sender, verdict):
    before = 0
    for serial in sender.acknowledged:
        verdict.acknowledged += 1
        rows = rows_of(client, sender, serial)
        if not rows:
            verdict.lost.append(f"message {sender.name}-{serial}")
            continue
        if len(rows) > 1:
            verdict.doubled.append(f"message {sender.name}-{serial}: {len(rows)} rows")
        if rows[0]["number"] <= before:
            verdict.other.append(f"message {sender.name}-{serial} stands before the one sent before it")
        before = rows[0]["number"]
    if not sender.acknowledged:
        return
    status, bundle = client.call("GET", f"/fhir/Patient?identifier={sender.name}")
    entries = bundle.get("entry", []) if status == 200 else []
    if len(entries) != 1:
        verdict.doubled.append(f"{sender.name}: {len(entries)} patients with its identifier")
        return
    given = entries[0]["resource"]["name"][0]["given"][0]
    allowed = {f"N{sender.acknowledged[-1]}"} | ({f"N{sender.unanswered}"} if sender.unanswered else set())
    if given not in allowed:
        verdict.lost.append(f"{sender.name}: the record says {given}, not {allowed}")


def send_unanswered_again(server, client, sender, verdict):
    """As a sender would: the message that got no reply is sent again after the restart, and counts once."""
    if not sender.unanswered:
        return
    serial = sender.unanswered
    with socket.create_connection(("127.0.0.1", server.mllp_port), timeout=10) as connection:
        reply = sender.exchange(connection, serial)
    if f"MSA|AA|{sender.name}-{serial}".encode() not in reply:
        verdict.other.append(f"message {sender.name}-{serial} sent again: {reply!r}")
    rows = rows_of(client, sender, serial)
    if len(rows) != 1:
        (verdict.lost if not rows else verdict.doubled).append(f"message {sender.name}-{serial} sent again: {len(rows)} rows")


def end(server, is_kill, threads, verdict):
    """SIGKILL; or SIGTERM, after which the server finishes what it has, refuses the rest with 503, and leaves with 0."""
    if is_kill:
        server.kill()
    else:
        try:
            code = server.stop()
        except subprocess.TimeoutExpired:
            server.kill()
            code = "not within 20 s"
        if code != 0:
            verdict.other.append(f"the server stopped with {code}")
    for thread in threads:
        thread.join(15)
        refused_as_it_stops = [] if is_kill else [answer for answer in thread.unexpected if answer[0] == 503]
        verdict.other += [f"{thread.name}: unexpected answer {answer!r}" for answer in thread.unexpected
                          if answer not in refused_as_it_stops]


def run(program, kills, seed, folder, log=print, is_kill=True):
    """Returns the Verdict of `kills` rounds over one store; not is_kill: of as many orderly stops."""
    chance = random.Random(seed)
    store = os.path.join(folder, "crash.db")
    verdict = Verdict()
    serial = 0
    server = Server(program, store)
    try:
        for round_number in range(kills):
            rest = [RestWriter(f"r{i}", serial, server.http_port) for i in range(4)]
            senders = [MllpSender(f"S{i}X{round_number}", serial, server.mllp_port) for i in range(4)]
            for thread in rest + senders:
                thread.start()
            time.sleep(chance.uniform(0.02, 0.6))
            end(server, is_kill, rest + senders, verdict)
            serial = max(t.serial for t in rest + senders) + 1
            server = Server(program, store)
            client = Http(server.http_port)
            for writer in rest:
                check_updates(client, writer, verdict)
                check_transactions(client, writer, verdict)
            for sender in senders:
                check_messages(client, sender, verdict)
                send_unanswered_again(server, client, sender, verdict)
            if (round_number + 1) % 10 == 0:
                log(f"{round_number + 1} kills, {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled")
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
    return verdict


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        verdict = run(arguments.program, arguments.kills, arguments.seed, folder, log=lambda text: print(text, flush=True))
    for text in verdict.lost + verdict.doubled + verdict.other:
        print(text)
    print(f"{arguments.kills} kills, {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled"
          + (f", {len(verdict.other)} other faults" if verdict.other else ""))
    return 1 if verdict.lost or verdict.doubled or verdict.other else 0


if __name__ == "__main__":
    sys.exit(main())
