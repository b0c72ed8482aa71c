"""`callosum serve` as a rough day meets it: floods, idlers, slow readers, a full disk. The others are served meanwhile."""
import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import FHIR_JSON, PROGRAM, Server, patient

VT, FS_CR = b"\x0b", b"\x1c\r"
MIB = 1 << 20
IS_SANITIZED = bool(os.environ.get("CALLOSUM_TEST_SANITIZE"))


def admission(control_id, text="Crowd"):
    return (f"MSH|^~\\&|HIS|MAIN|CALLOSUM|HUB|20260301080000||ADT^A01^ADT_A01|{control_id}|P|2.5.1\r"
            f"EVN|A01|20260301080000\rPID|1||{control_id}^^^HIS^MR||{text}^Ann||19800217|F\rPV1|1|I|W2^12^1\r").encode()


class Sender:
    """One MLLP connection."""

    def __init__(self, server, **options):
        self.socket = socket.socket()
        for name, value in options.items():
            self.socket.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.mllp_port))

    def exchange(self, message):
        self.socket.sendall(VT + message + FS_CR)
        return self.reply()

    def reply(self):
        data = b""
        while not data.endswith(FS_CR):
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError(data)
            data += part
        return data


def acknowledgement(reply):
    """MSA-1 and MSA-2."""
    fields = reply.split(b"\rMSA|")[1].split(b"\r")[0].split(b"|")
    return fields[0].decode(), fields[1].decode()


def peak_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@contextlib.contextmanager
def others_are_served(server, seconds=5):
    """Meanwhile, another client of each kind gets its answers, none of them late."""
    faults, slowest, served, is_over = [], [0.0], [0], threading.Event()

    def ask(call):
        try:
            while not is_over.wait(0.02):
                started = time.monotonic()
                if not call():
                    faults.append("a wrong answer")
                slowest[0] = max(slowest[0], time.monotonic() - started)
                served[0] += 1
        except OSError as error:
            faults.append(repr(error))

    sender = Sender(server)
    threads = [threading.Thread(target=ask, args=(call,), daemon=True) for call in (
        lambda: server.fhir("GET", "metadata").status == 200,
        lambda: acknowledgement(sender.exchange(admission("OTHER")))[0] == "AA")]
    for thread in threads:
        thread.start()
    yield
    time.sleep(0.1)
    is_over.set()
    for thread in threads:
        thread.join(60)
    assert not faults and served[0] >= 2 and slowest[0] < seconds * (4 if IS_SANITIZED else 1), (faults, served, slowest)


# ---- Too much at once -------------------------------------------------------------------------------------------


def test_a_frame_of_100_mb(fresh_server):
    before = peak_bytes(fresh_server)
    sender = Sender(fresh_server)
    with others_are_served(fresh_server):
        sender.socket.sendall(VT + admission("HUGE") + b"OBX|1|TX|x||")
        for _ in range(100):
            sender.socket.sendall(b"x" * MIB)
        sender.socket.sendall(FS_CR)
        assert acknowledgement(sender.reply()) in (("AE", "HUGE"), ("AR", "HUGE"))
    assert acknowledgement(sender.exchange(admission("NEXT"))) == ("AA", "NEXT")
    assert IS_SANITIZED or peak_bytes(fresh_server) - before < 64 * MIB


@pytest.fixture
def narrow_server(tmp_path):
    """Takes bodies of 8 MiB and idles for two seconds."""
    folder = tmp_path / "callosum.d"
    folder.mkdir()
    (folder / "callosum.yaml").write_text(f"http:\n  maxBytes: {8 * MIB}\n  idleTimeoutSeconds: 2\n")
    started = Server(tmp_path / "narrow.db", "--config", str(folder))
    yield started
    started.stop()


def post_100_mb(server, header, wrap):
    """The answer, if any could be read before the connection was closed."""
    connection = socket.create_connection(("127.0.0.1", server.port), 60)
    answer = b""
    try:
        connection.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n" + header + b"\r\n\r\n")
        for _ in range(100):
            connection.sendall(wrap(b" " * MIB))
    except OSError:
        pass
    try:
        while part := connection.recv(65536):
            answer += part
    except OSError:
        pass
    connection.close()
    return answer


@pytest.mark.parametrize("header,wrap", [
    (b"Content-Length: %d" % (100 * MIB), lambda piece: piece),
    (b"Transfer-Encoding: chunked", lambda piece: b"%x\r\n%s\r\n" % (len(piece), piece)),
], ids=["announced", "chunked"])
def test_a_body_of_100_mb(narrow_server, header, wrap):
    before = peak_bytes(narrow_server)
    with others_are_served(narrow_server):
        answer = post_100_mb(narrow_server, header, wrap)
    assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0]
    assert IS_SANITIZED or peak_bytes(narrow_server) - before < 64 * MIB


def test_a_body_just_over_the_limit_is_told_so(narrow_server):
    answer = narrow_server.fhir("POST", "Patient", b" " * (8 * MIB + 1), content_type=FHIR_JSON)
    assert answer.status == 413 and answer.issues()[0][1] == "too-long"


# ---- Connections ------------------------------------------------------------------------------------------------


def connect_many(port, count):
    made = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            made.append(socket.create_connection(("127.0.0.1", port), 10))
    return made


def test_thousands_of_idle_connections(narrow_server):
    """More than the server takes: those that were there are served on; room is there again when the idlers go."""
    sender = Sender(narrow_server)
    assert acknowledgement(sender.exchange(admission("FIRST"))) == ("AA", "FIRST")
    idlers = connect_many(narrow_server.mllp_port, 2500) + connect_many(narrow_server.port, 2500)
    for number in range(20):
        assert acknowledgement(sender.exchange(admission(f"I{number}"))) == ("AA", f"I{number}")
    for idler in idlers:
        idler.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert acknowledgement(Sender(narrow_server).exchange(admission("AFTER")))[0] == "AA"
            assert narrow_server.fhir("GET", "metadata").status == 200
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def found_when_served(server, query, seconds=20):
    """The total, as soon as the server takes connections again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return server.fhir("GET", query).json["total"]
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_few_file_descriptors(tmp_path):
    """Out of descriptors, it refuses connections and serves those that it has; stored is stored."""
    server = Server(tmp_path / "few.db")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    sender = Sender(server)
    assert acknowledgement(sender.exchange(admission("FIRST"))) == ("AA", "FIRST")
    idlers = connect_many(server.mllp_port, 100) + connect_many(server.port, 100)
    assert acknowledgement(sender.exchange(admission("SECOND"))) == ("AA", "SECOND")
    for idler in idlers:
        idler.close()
    assert found_when_served(server, "Patient?family=Crowd") == 2
    assert server.stop() == 0


def test_readers_that_do_not_read(narrow_server):
    """Answers pile up in the sockets of those who don't read them, not in the server."""
    for number in range(40):
        narrow_server.create(patient("Slow", text={"status": "generated", "div": f"<div>{number} {'text ' * 4000}</div>"}))
    before = peak_bytes(narrow_server)
    slow = [Sender(narrow_server, SO_RCVBUF=4096) for _ in range(4)]
    readers = []
    with others_are_served(narrow_server):
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", narrow_server.port), 10)
            connection.sendall(b"GET /fhir/Patient?family=Slow&_count=100 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            readers.append(connection)
        for sender in slow:
            sender.socket.settimeout(0.5)
            with contextlib.suppress(OSError):
                for number in range(2000):
                    sender.socket.sendall(VT + admission(f"SLOW{number % 50}") + FS_CR)
    assert IS_SANITIZED or peak_bytes(narrow_server) - before < 256 * MIB


def test_senders_that_vanish(narrow_server):
    for number in range(50):
        whole, cut = Sender(narrow_server), Sender(narrow_server)
        whole.socket.sendall(VT + admission(f"GONE{number}") + FS_CR)
        cut.socket.sendall(VT + admission(f"CUT{number}")[:60])
        whole.socket.close()
        cut.socket.close()
    assert acknowledgement(Sender(narrow_server).exchange(admission("STILL"))) == ("AA", "STILL")


# ---- Disks ------------------------------------------------------------------------------------------------------


class LimitedFiles:
    """A limit on the size of files stands for the full disk where nobody may mount one."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, server):
        largest = max(entry.stat().st_size for entry in os.scandir(self.folder))
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest + 4096, resource.RLIM_INFINITY))

    def free(self, server):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self):
        pass


class SmallDisk:
    """A file system of 24 MiB in memory."""

    def __init__(self, folder):
        self.folder = folder
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("may not mount a file system here")

    def fill(self, _):
        with open(self.folder / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)

    def free(self, _):
        os.remove(self.folder / "filler")

    def close(self):
        subprocess.run(["umount", self.folder], check=True)


@pytest.mark.parametrize("kind", [LimitedFiles, SmallDisk])
def test_a_disk_that_fills_up_and_is_freed(tmp_path, kind):
    """What can't be stored is refused and said, over both ways in; reading goes on; with room again, so does writing."""
    disk = kind(tmp_path)
    server = Server(tmp_path / "full.db")
    try:
        sender = Sender(server)
        kept = server.create(patient())
        assert acknowledgement(sender.exchange(admission("BEFORE"))) == ("AA", "BEFORE")
        disk.fill(server)
        accepted, refusal = [kept], None
        for number in range(200):
            answer = server.fhir("POST", "Patient", patient(f"Noise{number}", text={
                "status": "generated", "div": f"<div>{os.urandom(20000).hex()}</div>"}))
            if answer.status != 201:
                refusal = answer
                break
            accepted.append(answer.json)
        assert refusal is not None and refusal.status == 507 and refusal.issues()[0][1] == "no-store"
        code, _ = acknowledgement(sender.exchange(admission("DURING", os.urandom(200000).hex())))
        assert code in ("AE", "CE")
        assert server.fhir("GET", f"Patient/{kept['id']}").json == kept
        disk.free(server)
        assert acknowledgement(sender.exchange(admission("DURING"))) == ("AA", "DURING")
        accepted.append(server.create(patient("Later")))
        assert server.stop() == 0
        server = Server(tmp_path / "full.db")
        for one in accepted:
            assert server.fhir("GET", f"Patient/{one['id']}").json == one
        assert server.fhir("GET", "Patient?identifier=DURING").json["total"] == 1
    finally:
        server.stop()
        disk.close()


def test_a_store_that_can_only_be_read(tmp_path):
    """A disk that is mounted for reading only, as after a fault: refused at the start, and the file is as it was."""
    disk = SmallDisk(tmp_path)
    try:
        server = Server(tmp_path / "kept.db")
        server.create(patient())
        assert server.stop() == 0
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        done = subprocess.run([PROGRAM, "serve", "--store", str(tmp_path / "kept.db"), "--http", "127.0.0.1:0", "--no-mllp"],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 3 and "Read-only" in done.stderr, done.stderr
    finally:
        disk.close()


def test_a_taken_mllp_port(fresh_server, tmp_path):
    done = subprocess.run([PROGRAM, "serve", "--store", str(tmp_path / "x.db"), "--http", "127.0.0.1:0", "--mllp",
                           f"127.0.0.1:{fresh_server.mllp_port}"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and "in use" in done.stderr


def test_a_second_signal_stops_at_once(fresh_server):
    """Even where the first waits for a client that doesn't take its answer."""
    sender = Sender(fresh_server)
    sender.socket.sendall(VT + admission("HALF")[:40])
    fresh_server.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        fresh_server.process.wait(0.2)
    fresh_server.process.send_signal(signal.SIGTERM)
    assert fresh_server.process.wait(5) in (0, -signal.SIGTERM)
