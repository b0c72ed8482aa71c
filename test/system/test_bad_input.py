"""What is wrong, hostile or too much gets a clear answer and costs nothing else."""
import os
import resource
import socket
import subprocess

import pytest

from client import FHIR_JSON, PROGRAM, Server, patient

pytestmark = pytest.mark.both_engines

DEEP = 5000


@pytest.mark.parametrize("body,status", [
    (b"", 400),
    (b"{", 400),
    (b"null", 400),
    (b"[]", 400),
    (b'"text"', 400),
    (b'{"resourceType":"Patient"', 400),
    (b'{"resourceType":"Patient"}x', 400),
    (b'{"resourceType":"Patient","gender":"male","gender":"male"}', 400),
    (b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}', 400),
    (b'\xef\xbb\xbf{"resourceType":"Patient"}', 400),
    (b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', 400),
    (b'{"resourceType":"Patient","gender":1}', 400),
    (b'{"resourceType":"Patient","name":{"family":"not a list"}}', 400),
    (b'{"resourceType":"Patient","name":[]}', 400),
    (b'{"resourceType":"Patient","nonsense":1}', 400),
    (b'{"resourceType":"Patient","multipleBirthInteger":1e400}', 400),
    (b'{"resourceType":"Patient","multipleBirthInteger":99999999999999999999}', 400),
    (b'{"resourceType":"Patient","birthDate":"1980-02-30"}', 400),
    (b'{"resourceType":"Observation","status":"final"}', 400),
    (b'{"resourceType":["Patient"]}', 400),
    (b'{"resourceType":"Patient","extension":' + b'[{"url":"x","extension":' * DEEP + b"[]" + b"}]" * DEEP + b"}", 413),
])
def test_bodies_that_are_not_resources(server, body, status):
    answer = server.fhir("POST", "Patient", body, content_type=FHIR_JSON)
    assert answer.status in (status, 422), answer.body
    assert answer.issues()[0][0] in ("error", "fatal")
    assert server.fhir("GET", "metadata").status == 200


def test_wrong_types_have_their_place(server):
    answer = server.fhir("POST", "Patient", patient(gender="nonsense", birthDate="soon", nonsense=1))
    text = answer.issue_text()
    assert all(place in text for place in ("Patient.gender", "Patient.birthDate", "'nonsense'"))


def test_oversized_bodies(server):
    connection = socket.create_connection(("127.0.0.1", server.port), 20)
    connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
                       b"Content-Length: 99999999999\r\n\r\n")
    answer = connection.recv(65536)
    assert b" 413 " in answer.split(b"\r\n")[0] and b"OperationOutcome" in answer


def test_truncated_bodies_and_vanishing_clients(server):
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", server.port), 20)
        connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"resource")
        connection.close()
        connection = socket.create_connection(("127.0.0.1", server.port), 20)
        body = b'{"resourceType":"Patient"}'
        connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.close()
    assert server.fhir("GET", "metadata").status == 200


def test_garbage_instead_of_http(server):
    for garbage in (b"\x00" * 100, b"\x0bMSH|^~\\&|\x1c\r", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100000):
        connection = socket.create_connection(("127.0.0.1", server.port), 20)
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.5)  # a line without an end may still be waited for
            while connection.recv(65536):
                pass
        except OSError:
            pass
        connection.close()
    assert server.fhir("GET", "metadata").status == 200


@pytest.mark.parametrize("query", ["birthdate=%", "family=%ff", "_count=-1", "_count=x", "family=%00", "birthdate=gt",
                                   "=", "identifier=|||", "_sort=nonsense", "_include=nonsense", "_cursor=nonsense",
                                   "general-practitioner.nonsense=1", "_has:Observation:nonsense:code=1"])
def test_faulty_queries(server, query):
    answer = server.fhir("GET", "Patient?" + query)
    assert answer.status == 400, answer.body[:300]
    assert answer.issues()


@pytest.mark.sqlite_only
def test_a_second_server_on_the_same_store(server):
    done = subprocess.run([PROGRAM, "serve", "--store", server.store, "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and "nother process" in done.stderr


def test_a_taken_port(server, tmp_path):
    done = subprocess.run([PROGRAM, "serve", "--store", str(tmp_path / "x.db"), "--http", f"127.0.0.1:{server.port}"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and "in use" in done.stderr


@pytest.mark.sqlite_only
def test_wrong_usage(tmp_path):
    for options in (["--nonsense"], ["--http", "nonsense"], ["extra"], ["--threads", "0"], ["--store"]):
        done = subprocess.run([PROGRAM, "serve", *options], capture_output=True, text=True, timeout=20, cwd=tmp_path)
        assert done.returncode == 2 and done.stderr and not os.listdir(tmp_path), options


@pytest.mark.sqlite_only
def test_a_full_disk(tmp_path):
    """A limit on file size stands for the full disk: what can't be stored is said, reading goes on."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    import client
    original = client.subprocess.Popen
    client.subprocess.Popen = lambda *a, **k: original(*a, preexec_fn=limit, **k)
    try:
        server = Server(tmp_path / "full.db")
    finally:
        client.subprocess.Popen = original
    try:
        made, refused = None, None
        for n in range(400):
            noise = [{"url": f"http://x.example/{n}", "valueString": os.urandom(12000).hex()}]
            answer = server.fhir("POST", "Patient", patient(extension=noise))
            if answer.status != 201:
                refused = answer
                break
            made = answer.json
        assert refused is not None and refused.status == 507 and refused.issues()[0][1] == "no-store"
        assert server.fhir("GET", f"Patient/{made['id']}").status == 200
    finally:
        server.stop()


def test_stops_gracefully_and_keeps_everything(tmp_path):
    server = Server(tmp_path / "kept.db")
    made = server.create(patient())
    assert server.stop() == 0
    server = Server(tmp_path / "kept.db")
    assert server.fhir("GET", f"Patient/{made['id']}").json == made
    assert server.stop() == 0
