"""A proxy that knows PostgreSQL's messages, and breaks a connection behind the n-th of them: the cuts of test_cut_everywhere.py.

Spec: PostgreSQL's protocol 3.0, "Message Formats": behind the first message of a connection, each has one byte of type and
four of length. It listens on a unix socket (where libpq asks for no encryption) and dials another. Each direction of each
connection has a thread of its own; every method may be called from any thread.
"""
import contextlib
import os
import socket
import struct
import threading
import time

REQUEST, ANSWER = "request", "answer"  # the direction of a message: of the program, of the server
CLEAN, TORN, HUNG = "clean", "torn", "hung"
HUNG_S = 1.5

WRITES = b"pg_advisory_xact_lock"  # only a connection that writes prepares a statement with this


class Cut:
    """One cut that is to happen, and what was counted on the way there.

    `writers`: on a connection that has written before; else on one that has not. `after`: so many messages in `direction`
    pass, and the next does not; None: all pass, and are counted. `how`: CLEAN: both sides see the end between two messages;
    TORN: half of the next one passes first; HUNG: the server's side stays open for a while, and is told nothing any more.
    """

    def __init__(self, direction, after=None, how=CLEAN, writers=True):
        self.direction, self.after, self.how, self.writers = direction, after, how, writers
        self.passed = 0
        self.has_happened = False


class Connection:
    def __init__(self, near, far):
        self.near, self.far = near, far
        self.writes = False
        self.is_cut = False

    def end(self, is_hung=False):
        self.is_cut = True
        for end in (self.near,) if is_hung else (self.near, self.far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def messages(buffer, is_first):
    """The lengths of the whole messages at the begin of `buffer`."""
    at, lengths = 0, []
    while True:
        head = 0 if is_first and at == 0 else 1
        if len(buffer) - at < head + 4:
            return lengths
        length = head + struct.unpack_from("!I", buffer, at + head)[0]
        if len(buffer) - at < length:
            return lengths
        lengths.append(length)
        at += length


class Wire:
    """`path`: of the socket that the program is given; `server`: of that on which PostgreSQL listens."""

    def __init__(self, path, server):
        self.path, self.server = path, server
        self.lock = threading.Lock()
        self.cut = None
        self.connections = set()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(path)
        self.listening.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        with self.lock:
            for connection in tuple(self.connections):
                connection.end()
        os.unlink(self.path)

    def arm(self, cut):
        with self.lock:
            self.cut = cut
        return cut

    def disarm(self):
        with self.lock:
            self.cut = None

    # ---- Inside ----

    def accept(self):
        while True:
            try:
                near, _ = self.listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.server)
            except OSError:
                near.close()
                continue
            connection = Connection(near, far)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.carry, args=(connection, near, far, REQUEST), daemon=True).start()
            threading.Thread(target=self.carry, args=(connection, far, near, ANSWER), daemon=True).start()

    def carry(self, connection, source, sink, direction):
        buffer, is_first = bytearray(), direction == REQUEST
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if connection.is_cut:
                    continue  # what comes late is lost
                buffer += data
                lengths = messages(buffer, is_first)
                if not lengths:
                    continue
                is_first = False
                whole = sum(lengths)
                passes, is_cut_here = self.decide(connection, direction, buffer, lengths)
                sink.sendall(buffer[:passes])
                if is_cut_here:
                    self.break_off(connection)
                    return
                del buffer[:whole]
            connection.end()
        self.forget(connection)

    def decide(self, connection, direction, buffer, lengths):
        """How many bytes of these messages pass, and whether the connection then ends."""
        with self.lock:
            cut = self.cut
            if direction == REQUEST and WRITES in buffer:
                connection.writes = True
            if not cut or cut.has_happened or cut.direction != direction or cut.writers != connection.writes:
                return sum(lengths), False
            left = len(lengths) if cut.after is None else cut.after - cut.passed
            if left >= len(lengths):
                cut.passed += len(lengths)
                return sum(lengths), False
            cut.passed += left
            cut.has_happened = True
            torn = lengths[left] // 2 if cut.how == TORN else 0
            return sum(lengths[:left]) + torn, True

    def break_off(self, connection):
        is_hung = self.cut_is_hung()
        connection.end(is_hung)
        if is_hung:
            time.sleep(HUNG_S)
            connection.end()
        self.forget(connection)

    def cut_is_hung(self):
        with self.lock:
            return self.cut is not None and self.cut.how == HUNG

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)
        if connection.is_cut:
            for end in (connection.near, connection.far):
                end.close()
