"""A small HTTP client and a server to talk to, for the black-box tests."""
import http.client
import json
import os
import signal
import subprocess
import threading

import engine

PROGRAM = os.environ.get("CALLOSUM", os.path.join(os.path.dirname(__file__), "../../build/src/main/callosum"))
FHIR_JSON = "application/fhir+json"


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def issues(self):
        """The issues of an OperationOutcome, as (severity, code, text and place)."""
        assert self.json["resourceType"] == "OperationOutcome", self.body
        return [(issue["severity"], issue["code"], f"{issue.get('diagnostics', '')} {issue.get('expression', '')}")
                for issue in self.json["issue"]]

    def issue_text(self):
        return " | ".join(text for _, _, text in self.issues())


def statuses(answer):
    """Of the entries of a batch's or transaction's answer."""
    return [int(e["response"]["status"].split()[0]) for e in answer.json["entry"]]


class Server:
    """One `callosum serve` over a store of its own, on free ports. Stopped by its process id. `store` is a path; on
    PostgreSQL it stands for a schema (engine.py)."""

    def __init__(self, store, *options):
        self.store = engine.store(store)
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--store", self.store, "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0", *engine.options(options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addresses = {}
        self.log = []
        for line in self.process.stdout:
            name, _, value = line.strip().partition(" ")
            self.addresses[name] = value
            if name == "store":
                break
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        if "http" not in self.addresses:
            self.process.wait(10)
            return
        self.port = int(self.addresses["http"].rsplit(":", 1)[1])
        self.mllp_port = int(self.addresses["mllp"].rsplit(":", 1)[1])
        self.base = self.addresses["http"] + "/fhir"

    def request(self, method, path, body=None, headers=None):
        """`path` below the server's root; a body that is not bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode() if not isinstance(body, str) else body.encode()
            headers.setdefault("Content-Type", FHIR_JSON)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def fhir(self, method, path, body=None, **headers):
        """`path` below /fhir; headers by keyword: if_match="..."."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request(method, "/fhir" + ("/" + path if path else ""), body, names)

    def create(self, resource):
        answer = self.fhir("POST", resource["resourceType"], resource)
        assert answer.status == 201, answer.body
        return answer.json

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def patient(family="Lee", given="Ann", **members):
    return {"resourceType": "Patient", "name": [{"family": family, "given": [given]}], **members}


def observation(subject, code="8302-2", value=170, **members):
    return {"resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": {"reference": subject},
            "valueQuantity": {"value": value, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}, **members}


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
