"""Behind TLS: a record may hold more than libpq reads at once, and the rest of it makes no socket readable."""
import base64
import os
import socket
import ssl
import subprocess
import threading

import pytest

import engine
from client import Server, bundle, entry, patient, statuses

pytestmark = [pytest.mark.both_engines, pytest.mark.skipif(engine.NAME != "postgresql", reason="a file has no TLS")]

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
RECORD = 16384  # the most that a record holds; servers from 17 on fill them, older ones send 8 kB


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                           "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"openssl makes no certificate: {made.stderr[-200:]}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class Link:
    """One connection: TLS on the near side, none on the far one; one object of ssl belongs to one thread at a time."""

    def __init__(self, near, far, context):
        assert near.recv(8, socket.MSG_WAITALL) == SSL_REQUEST
        near.sendall(b"S")
        self.near, self.far = near, far
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.lock = threading.Lock()
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                near.sendall(self.outgoing.read())
                self.incoming.write(near.recv(RECORD))
        near.sendall(self.outgoing.read())
        self.pass_on(b"")  # what came with the end of the handshake
        threading.Thread(target=self.run, args=(self.requests,), daemon=True).start()
        threading.Thread(target=self.run, args=(self.answers,), daemon=True).start()

    def run(self, direction):
        try:
            while direction():
                pass
        except (OSError, ssl.SSLError):
            pass
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def requests(self):
        data = self.near.recv(1 << 16)
        self.pass_on(data)
        return data

    def pass_on(self, data):
        plain = b""
        with self.lock:
            self.incoming.write(data)
            try:
                while piece := self.tls.read(1 << 16):
                    plain += piece
            except ssl.SSLWantReadError:
                pass
        self.far.sendall(plain)

    def answers(self):
        """As few records as possible: what comes within a moment goes together."""
        data = self.far.recv(RECORD)
        self.far.settimeout(0.002)
        try:
            while data and len(data) % RECORD and (more := self.far.recv(RECORD - len(data) % RECORD)):
                data += more
        except TimeoutError:
            pass
        self.far.settimeout(None)
        with self.lock:
            for at in range(0, len(data), RECORD):
                self.tls.write(data[at:at + RECORD])
            records = self.outgoing.read()
        self.near.sendall(records)
        return data


@pytest.fixture
def tls_url(tmp_path, context):
    direct = engine.store(tmp_path / "callosum.db")
    host = direct.split("host=", 1)[1].split("&", 1)[0]
    name = next(name for name in os.listdir(host) if name.startswith(".s.PGSQL.") and not name.endswith(".lock"))
    listening = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(os.path.join(host, name))
            Link(near, far, context)

    threading.Thread(target=accept, daemon=True).start()
    yield direct.replace(f"host={host}", f"host=127.0.0.1&port={listening.getsockname()[1]}&sslmode=require")
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_no_answer_stays_in_a_record(tls_url):
    """Rows a little smaller than what libpq begins to read with, so that the end of an answer falls anywhere in a record."""
    server = Server(tls_url)
    assert hasattr(server, "port"), server.log
    try:
        texts = [base64.b64encode(os.urandom(8000 + 170 * i)).decode() for i in range(30)]
        made = [entry("PUT", f"Patient/t{i}", {**patient(f"Tls{i}"), "id": f"t{i}", "address": [{"text": text}]}) for i, text in enumerate(texts)]
        assert statuses(server.fhir("POST", "", bundle("transaction", *made))) == [201] * len(texts)
        for n in range(1, len(texts) + 1):
            ids = ",".join(f"t{i}" for i in range(n))
            found = server.fhir("GET", f"Patient?_id={ids}&_count=100").json
            assert {e["resource"]["id"]: e["resource"]["address"][0]["text"] for e in found["entry"]} == {f"t{i}": texts[i] for i in range(n)}
    finally:
        server.stop()
