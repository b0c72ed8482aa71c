"""The same requests and messages to a server on SQLite and to one on PostgreSQL: every answer is the same, byte for byte.

What may differ is replaced before: ids that the server makes and the times of today are numbered in the order in which they
appear first (so that which of them are equal is compared), host, port and the cursor in a link, which is made with a secret
of the store.
"""
import datetime
import re
import socket

import pytest

import engine
import same_script
from client import Server

pytestmark = pytest.mark.postgresql_only

VT, FS_CR = b"\x0b", b"\x1c\r"
HEADERS = ("content-type", "etag", "location", "content-location", "allow", "retry-after")
TODAY = datetime.datetime.now(datetime.timezone.utc)
DAYS = "|".join((TODAY + datetime.timedelta(days)).strftime("%Y-%m-%d") for days in (0, 1))
VARIABLE = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    rb"|(?:" + DAYS.encode() + rb")T[0-9:.]+(?:Z|[+-][0-9:]+)"
    rb"|(?<=_cursor=)[^&\"<]+")
NOW_OF_ACK = re.compile(rb"(MSH\|(?:[^|]*\|){5})[0-9.+-]+(\|[^|]*\|ACK[^|]*\|)[^|]*")  # MSH-7 and MSH-10 of a reply


class Player:
    """Asks one server, and keeps what it was asked and what it answered, without what may differ."""

    def __init__(self, server):
        self.server = server
        self.names = {}
        self.log = []

    def neutral(self, data):
        data = data.replace(f"127.0.0.1:{self.server.port}".encode(), b"<host>").replace(f":{self.server.mllp_port}".encode(), b"<mllp>")
        data = NOW_OF_ACK.sub(rb"\1<now>\2<id>", data)
        return VARIABLE.sub(lambda found: self.names.setdefault(found.group(), f"<{len(self.names)}>".encode()), data)

    def request(self, method, path, body=None, headers=None):
        answer = self.server.request(method, path, body, headers)
        told = "".join(f"{name}: {answer.headers[name]}\n" for name in HEADERS if name in answer.headers
                       and (name != "etag" or path != "/fhir/metadata"))  # a hash, also of the host
        self.log.append((f"{method} {path}", self.neutral(f"{answer.status}\n{told}\n".encode() + answer.body)))
        return answer

    def fhir(self, method, path, body=None, **headers):
        return self.request(method, "/fhir" + ("/" + path if path and path[0] != "?" else path), self.bytes_of(body, headers),
                            {name.replace("_", "-"): value for name, value in headers.items()})

    @staticmethod
    def bytes_of(body, headers):
        if isinstance(body, str):
            headers.setdefault("content_type", "application/fhir+json")
            return body.encode()
        return body

    def send(self, message):
        with socket.create_connection(("127.0.0.1", self.server.mllp_port), 30) as connection:
            connection.sendall(VT + message + FS_CR)
            reply = b""
            while not reply.endswith(FS_CR) and (part := connection.recv(65536)):
                reply += part
        self.log.append((f"message {message[:60]}", self.neutral(reply)))


@pytest.fixture(scope="module")
def players(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    servers = [Server(store) for store in (engine.FileStore(folder / "same.db"), folder / "same")]
    yield [Player(server) for server in servers]
    for server in servers:
        assert server.stop(60) == 0


def difference(asked, one, other):
    """Where two answers part, with what stands before and behind it."""
    at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    begin = max(0, at - 200)
    return f"{asked}\n  SQLite:     {one[begin:at + 200]!r}\n  PostgreSQL: {other[begin:at + 200]!r}"


def test_answers_of_both_engines_are_the_same(players):
    for player in players:
        same_script.play(player)
    one, other = (player.log for player in players)
    found = [difference(a[0], a[1], b[1]) for a, b in zip(one, other) if a[1] != b[1]]
    assert len(one) > 500
    assert not found, f"{len(found)} of {len(one)} answers differ:\n" + "\n".join(found[:20])
    assert len(one) == len(other)
