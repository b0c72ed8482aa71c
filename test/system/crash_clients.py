"""The clients of the crash harness. Each writes down what it sent and what became of it, and afterwards finds out whether
that is so.

An answer is one of three things: *acknowledged* (it must be there, once), *refused* with 503 (it must not be there), or
*unknown* (the connection broke, or the server said that it does not know): it may be there, but once at most.
"""
import http.client
import json
import random
import socket
import threading
import time
import urllib.parse

VT, FS_CR = b"\x0b", b"\x1c\r"
IDENTIFIER = "urn:crash"
TIMEOUT_S = 70  # longer than the program tries to reach its server
ACKNOWLEDGED, REFUSED, UNKNOWN, OUTDATED = "acknowledged", "refused", "unknown", "outdated"


class Verdict:
    """What the clients found. `counts`: (what, outcome) -> how often."""

    def __init__(self):
        self.lost, self.doubled, self.other = [], [], []
        self.counts = {}

    def count(self, what, outcome, n=1):
        self.counts[what, outcome] = self.counts.get((what, outcome), 0) + n

    @property
    def acknowledged(self):
        return sum(n for (_, outcome), n in self.counts.items() if outcome == ACKNOWLEDGED)

    def judge(self, what, name, outcome, found):
        """`found`: how often it is there."""
        if outcome == ACKNOWLEDGED and found == 0:
            self.lost.append(f"{what} {name}")
        elif outcome == REFUSED and found > 0:
            self.other.append(f"{what} {name} was refused with 503, and is there")
        if found > 1:
            self.doubled.append(f"{what} {name}: {found} times")
        if outcome == UNKNOWN and found:
            self.count(what, "happened")


class Http:
    """One connection at a time, made again when it broke."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def call(self, method, path, body=None, **headers):
        """(status, JSON or None); OSError or HTTPException when the connection breaks."""
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["content-type"] = "application/fhir+json"
        try:
            self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = self.connection.getresponse()
            data = response.read()
            return response.status, json.loads(data) if data else None
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def need(self, path):
        """A read that must succeed: when everything works again."""
        status, body = self.call("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body}")
        return body

    def many(self, paths):
        """The bodies of several reads, None where it is not there."""
        found = []
        for start in range(0, len(paths), 100):
            entries = [{"request": {"method": "GET", "url": path}} for path in paths[start:start + 100]]
            status, answer = self.call("POST", "/fhir", {"resourceType": "Bundle", "type": "batch", "entry": entries})
            if status != 200:
                raise RuntimeError(f"a batch of reads: {status} {answer}")
            for path, entry in zip(paths[start:], answer["entry"]):
                status = entry["response"]["status"][:3]
                if status not in ("200", "404"):
                    raise RuntimeError(f"GET {path}: {entry['response']}")
                found.append(entry.get("resource") if status == "200" else None)
        return found

    def found_by(self, parameter, values, system=IDENTIFIER):
        """For each value the Patients that a search finds."""
        paths = [f"Patient?{parameter}={urllib.parse.quote(system + '|' + value)}" for value in values]
        return [[e["resource"] for e in bundle.get("entry", [])] for bundle in self.many(paths)]


class Client(threading.Thread):
    """Works until `stop` is set, whatever breaks meanwhile. `what` names its kind of work."""

    what = ""

    def __init__(self, name, ports, stop, verdict):
        super().__init__(daemon=True)
        self.name, self.ports, self.stop, self.verdict = name, ports, stop, verdict
        self.http = Http(ports["http"])
        self.chance = random.Random(name)
        self.serial = 0

    def run(self):
        try:
            while not self.stop.is_set():
                self.serial += 1
                self.step()
                time.sleep(self.chance.uniform(0, 0.01))
        except Exception as fault:  # the harness itself is wrong, and shall say so
            self.verdict.other.append(f"{self.name}: {fault!r}")
        finally:
            self.http.close()

    def ask(self, method, path, body=None, **headers):
        """(outcome, body). Anything that no fault of the environment explains is written down."""
        try:
            status, answer = self.http.call(method, path, body, **headers)
        except (OSError, http.client.HTTPException, ValueError):
            self.stop.wait(self.chance.uniform(0, 0.05))
            return UNKNOWN, None
        if status in (200, 201):
            return ACKNOWLEDGED, answer
        if status == 503:
            self.stop.wait(self.chance.uniform(0, 0.05))
            return REFUSED, answer
        if status == 412:
            return OUTDATED, answer
        issue = answer["issue"][0] if answer and "issue" in answer else {}
        if status != 500 or issue.get("code") != "incomplete":
            self.verdict.other.append(f"{method} {path}: {status} {answer}")
        return UNKNOWN, answer

    def note(self, outcome):
        self.verdict.count(self.what, outcome)
        return outcome


class Creator(Client):
    """New patients, each with an identifier of its own. What is acknowledged can be read at once, over any process."""

    what = "create"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = {}  # value -> (outcome, id)

    def patient(self, value):
        return {"resourceType": "Patient", "identifier": [{"system": IDENTIFIER, "value": value}], "birthDate": "1980-02-17",
                "name": [{"family": "Crash", "given": [value] * 10}]}

    def step(self):
        value = f"{self.name}-{self.serial}"
        outcome, answer = self.ask("POST", "/fhir/Patient", self.patient(value))
        self.sent[value] = (self.note(outcome), answer["id"] if outcome == ACKNOWLEDGED else None)
        if outcome == ACKNOWLEDGED and self.serial % 4 == 0:
            self.read_elsewhere(value, answer)

    def read_elsewhere(self, value, made):
        other = Http(self.ports["http"])
        try:
            status, body = other.call("GET", f"/fhir/Patient/{made['id']}")
            if status not in (200, 503) or status == 200 and body != made:
                self.verdict.lost.append(f"create {value}: right after it was acknowledged, a read said {status}")
        except (OSError, http.client.HTTPException, ValueError):
            pass
        other.close()

    def verify(self, client, verdict):
        values = list(self.sent)
        read = client.many([f"Patient/{identity}" for _, identity in self.sent.values() if identity])
        bodies = {body["id"]: body for body in read if body}
        for value, found in zip(values, client.found_by("identifier", values)):
            outcome, identity = self.sent[value]
            verdict.judge(self.what, value, outcome, len(found))
            wanted = self.patient(value)
            for body in found + ([bodies.get(identity)] if identity else []):
                if not body or any(body[member] != wanted[member] for member in wanted):
                    verdict.lost.append(f"create {value}: reads as {body}")


class Contender(Client):
    """Several of these create the same patient on condition that it is not there, until each knows that it is."""

    what = "conditional create"
    shared = {"next": 0, "acknowledged": {}}  # number -> ids that were answered

    def step(self):
        number = self.shared["next"]
        value = f"shared-{number}"
        body = {"resourceType": "Patient", "identifier": [{"system": IDENTIFIER, "value": value}], "name": [{"family": self.name}]}
        outcome, answer = self.ask("POST", "/fhir/Patient", body, if_none_exist=f"identifier={IDENTIFIER}|{value}", prefer="return=representation")
        self.note(outcome)
        if outcome == OUTDATED:
            self.verdict.doubled.append(f"{self.what} {value}: {answer}")
        if outcome == ACKNOWLEDGED:
            self.shared["acknowledged"].setdefault(number, set()).add(answer["id"])
        if outcome != UNKNOWN and outcome != REFUSED:
            self.shared["next"] = max(self.shared["next"], number + 1)

    @classmethod
    def verify_all(cls, client, verdict):
        """Of all contenders together, since the last time."""
        acknowledged = cls.shared["acknowledged"]
        for number, found in zip(acknowledged, client.found_by("identifier", [f"shared-{n}" for n in acknowledged])):
            verdict.judge(cls.what, f"shared-{number}", ACKNOWLEDGED, len(found))
            if len(acknowledged[number]) > 1:
                verdict.doubled.append(f"{cls.what} shared-{number}: answered with {acknowledged[number]}")
        cls.shared.update(next=cls.shared["next"] + 1, acknowledged={})


class Counter(Client):
    """Several of these raise one number, each on condition of the version that it has read."""

    what = "versioned update"

    def __init__(self, name, ports, stop, verdict, identity):
        super().__init__(name, ports, stop, verdict)
        self.path = f"/fhir/Patient/{identity}"
        self.sent = {}  # token -> (outcome, version)

    def body(self, number, token):
        return {"resourceType": "Patient", "id": self.path.rsplit("/", 1)[1], "multipleBirthInteger": number,
                "identifier": [{"system": IDENTIFIER, "value": token}]}

    def step(self):
        outcome, now = self.ask("GET", self.path)
        if outcome != ACKNOWLEDGED:
            return
        version = int(now["meta"]["versionId"])
        token = f"{self.name}-{self.serial}"
        outcome, answer = self.ask("PUT", self.path, self.body(version + 1, token), if_match=f'W/"{version}"')
        self.sent[token] = (self.note(outcome), version + 1)
        if outcome == ACKNOWLEDGED and int(answer["meta"]["versionId"]) != version + 1:
            self.verdict.other.append(f"{self.path}: version {answer['meta']['versionId']} was made of version {version}")

    @staticmethod
    def verify_together(counters, client, verdict):
        path = counters[0].path
        history, url = [], f"{path}/_history?_count=500"
        while url:
            page = client.need(url)
            history += [e["resource"] for e in page["entry"]]
            url = next(("/" + link["url"].split("/", 3)[3] for link in page["link"] if link["relation"] == "next"), None)
        versions = {}
        for body in history:
            version = int(body["meta"]["versionId"])
            if version != body["multipleBirthInteger"]:
                verdict.other.append(f"{path}: version {version} counts {body['multipleBirthInteger']}")
            versions.setdefault(body["identifier"][0]["value"], []).append(version)
        if sorted(v for made in versions.values() for v in made) != list(range(1, len(history) + 1)):
            verdict.other.append(f"{path}: versions are not 1 to {len(history)}: {sorted(versions.values())}")
        for counter in counters:
            for token, (outcome, version) in counter.sent.items():
                made = versions.get(token, [])
                verdict.judge(counter.what, token, REFUSED if outcome == OUTDATED else outcome, len(made))
                if outcome == ACKNOWLEDGED and made and made != [version]:
                    verdict.other.append(f"{path}: {token} was acknowledged as version {version}, and is {made}")
        newest = history[0]["identifier"][0]["value"]
        (found,) = client.found_by("identifier", [newest])
        older = client.found_by("identifier", list(versions)[1:40])
        if [body["id"] for body in found] != [history[0]["id"]] or any(older):
            verdict.other.append(f"{path}: the index does not agree with the body")


class Transactor(Client):
    """Transactions of a patient with two observations: all of it, or nothing."""

    what = "transaction"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = {}  # tag -> outcome

    def bundle(self, tag):
        patient = f"urn:uuid:00000000-0000-4000-8000-{self.serial:012d}"
        entries = [{"fullUrl": patient, "request": {"method": "PUT", "url": f"Patient/{tag}"},
                    "resource": {"resourceType": "Patient", "id": tag, "identifier": [{"system": IDENTIFIER, "value": tag}]}}]
        entries += [{"request": {"method": "POST", "url": "Observation"},
                     "resource": {"resourceType": "Observation", "status": "final", "code": {"text": tag},
                                  "subject": {"reference": patient}, "valueInteger": i}} for i in range(2)]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    def step(self):
        tag = f"{self.name}-{self.serial}"
        outcome, _ = self.ask("POST", "/fhir", self.bundle(tag))
        self.sent[tag] = self.note(outcome)

    def verify(self, client, verdict):
        tags = list(self.sent)
        patients = client.many([f"Patient/{tag}" for tag in tags])
        searches = client.many([f"Observation?subject=Patient/{tag}&_count=100" for tag in tags])
        histories = client.many([f"Patient/{tag}/_history?_summary=count" for tag in tags])
        for tag, patient, search, history in zip(tags, patients, searches, histories):
            observations = len(search.get("entry", []))
            verdict.judge(self.what, tag, self.sent[tag], history["total"] if history else 0)
            if observations > 2:
                verdict.doubled.append(f"{self.what} {tag}: {observations} observations")
            elif observations != (2 if patient else 0):
                verdict.other.append(f"{self.what} {tag} is there in part: {observations} observations, patient: {bool(patient)}")


class Sender(Client):
    """A sending system: messages about one patient, several under way on one connection. What is not acknowledged is sent
    again, as it was, until it is."""

    what = "message"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connection = None
        self.buffer = b""
        self.waiting = []        # serials that were sent and not acknowledged
        self.attempts = {}       # serial -> how often it was sent
        self.acknowledged = {}   # serial -> connection on which it was at its first attempt, else 0
        self.connections = 0

    def message(self, serial):
        return (f"MSH|^~\\&|{self.name}|CRASH|CALLOSUM|X|20260101120000||ADT^A08^ADT_A01|{self.name}-{serial}|P|2.5.1\r"
                f"EVN|A08|20260101120000\rPID|1||{self.name}^^^{self.name}^MR||Crash^N{serial}||19800217|F\r"
                f"PV1|1|I|W^1^1\r").encode()

    def step(self):
        if len(self.waiting) < 4:
            self.waiting.append(self.serial)
        self.exchange()

    def run(self):
        super().run()
        deadline = time.monotonic() + TIMEOUT_S
        while self.waiting and time.monotonic() < deadline:
            self.exchange()
        if self.waiting:
            self.verdict.other.append(f"{self.name}: messages {self.waiting} were never acknowledged")
        self.disconnect()

    def exchange(self):
        """Sends all that waits in one go, and takes the replies."""
        try:
            if not self.connection:
                self.connection = socket.create_connection(("127.0.0.1", self.ports["mllp"]), timeout=TIMEOUT_S)
                self.connections += 1
            self.connection.sendall(b"".join(VT + self.message(serial) + FS_CR for serial in self.waiting))
            for serial in self.waiting:
                self.attempts[serial] = self.attempts.get(serial, 0) + 1
            for serial in list(self.waiting):
                self.take(serial, self.reply())
        except OSError:
            self.verdict.count(self.what, UNKNOWN, len(self.waiting))
            self.disconnect()
            time.sleep(self.chance.uniform(0, 0.05))

    def reply(self):
        while FS_CR not in self.buffer:
            part = self.connection.recv(65536)
            if not part:
                raise ConnectionError
            self.buffer += part
        reply, _, self.buffer = self.buffer.partition(FS_CR)
        return reply

    def take(self, serial, reply):
        if f"MSA|AA|{self.name}-{serial}".encode() in reply:
            self.waiting.remove(serial)
            self.acknowledged[serial] = self.connections if self.attempts[serial] == 1 else 0
            self.verdict.count(self.what, ACKNOWLEDGED)
        elif f"MSA|AE|{self.name}-{serial}".encode() in reply:
            self.verdict.count(self.what, REFUSED)
            time.sleep(0.05)
        else:
            self.verdict.other.append(f"{self.name}: message {serial} was answered {reply!r}")

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection, self.buffer = None, b""

    def verify(self, client, verdict):
        rows, before = {}, ""
        while True:
            page = client.need(f"/api/messages?text={self.name}&count=1000{before}")
            for row in page["messages"]:
                rows.setdefault(row["controlId"], []).append(row["number"])
            if not page.get("next"):
                break
            before = f"&before={page['next']}"
        places = {}
        for serial in sorted(self.attempts):
            numbers = rows.get(f"{self.name}-{serial}", [])
            verdict.judge(self.what, f"{self.name}-{serial}", ACKNOWLEDGED if serial in self.acknowledged else UNKNOWN, len(numbers))
            connection = self.acknowledged.get(serial)
            if connection and numbers:
                if numbers[0] <= places.get(connection, 0):
                    verdict.other.append(f"message {self.name}-{serial} stands before the one sent before it")
                places[connection] = numbers[0]
        if self.acknowledged:
            self.verify_record(client, verdict, rows)

    def verify_record(self, client, verdict, rows):
        """What the last message in the log says is what the record says."""
        found = client.need(f"/fhir/Patient?identifier={self.name}").get("entry", [])
        if len(found) != 1:
            verdict.doubled.append(f"{self.name}: {len(found)} patients with its identifier")
            return
        last = max(rows, key=lambda control: rows[control][0]).rsplit("-", 1)[1]
        given = found[0]["resource"]["name"][0]["given"][0]
        if given != f"N{last}":
            verdict.lost.append(f"{self.name}: the record says {given}, the last message N{last}")
