"""GET /api/system: what the program runs on, who shares it, and what is told while it is away (docs/admin-api.md)."""
import concurrent.futures
import contextlib
import os
import signal
import time

import pytest

import engine
import postgres
from client import Server, patient
from test_postgres_standby import pair
from test_processes import kill, until

LEASE_S = 2


def system(server):
    answer = server.request("GET", "/api/system")
    assert answer.status == 200, answer.body
    return answer.json


def words_are_indexed(server):
    words = system(server)["background"]["words"]
    return words["indexed"] == words["changes"] > 0


@pytest.mark.both_engines
def test_what_it_runs_on_and_what_is_in_it(fresh_server):
    before = system(fresh_server)
    assert "lastCommit" not in before["content"] and before["content"]["resources"] == 0
    fresh_server.create(patient("Lee"))
    until(lambda: words_are_indexed(fresh_server))
    told = system(fresh_server)
    store = told["store"]
    assert store["engine"] == engine.NAME and store["isReachable"] and store["engineVersion"][0].isdigit()
    assert store["dataBytes"] > 0 and store["schemaVersion"] >= 3 and store["isDistributed"] is False
    content = told["content"]
    assert (content["resources"], content["versions"], content["messages"], content["commits"]) == (1, 1, 0, 1)
    assert content["lastCommit"] <= told["now"] and told["started"] <= told["now"]
    assert told["commits"]["measured"] > 0 and 0 < told["commits"]["medianMs"] <= told["commits"]["longestMs"] < 30000
    (this,) = told["processes"]
    assert this["isThis"] and this["isAlive"] and this["hasBackground"]
    if engine.NAME == "sqlite":
        assert store["path"].endswith("callosum.db") and "server" not in store and store["logBytes"] > 0 and store["freeBytes"] > 0 and told["warnings"] == []
    else:
        assert store["server"]["role"] == "primary" and store["roundTripMs"] > 0


@pytest.mark.both_engines
def test_a_job_is_told_without_what_it_is_about(fresh_server):
    for n in range(30):
        fresh_server.create(patient(f"Unmistakable{n}"))
    fresh_server.fhir("GET", "Patient?family=Unmistakable7", prefer="respond-async")
    answer = fresh_server.fhir("POST", "$reindex", {"resourceType": "Parameters", "parameter": []})
    assert answer.status in (200, 202), answer.body
    seen = system(fresh_server)["background"]
    for job in seen["jobs"]:
        assert set(job) <= {"number", "kind", "state", "created", "updated", "done", "total", "process"}
        assert job["kind"] in ("reindex", "async") and job["state"] in ("waiting", "running")
    assert seen["jobsUnfinished"] == len(seen["jobs"])
    until(lambda: system(fresh_server)["background"]["jobsUnfinished"] == 0)
    assert system(fresh_server)["background"]["jobsFailed"] == 0
    assert b"Unmistakable" not in fresh_server.request("GET", "/api/system").body


# ---- On a server of its own ----

@pytest.fixture(scope="module")
def durable():
    if not postgres.is_available():
        pytest.skip("PostgreSQL's server is not installed")
    with postgres.Cluster(is_durable=True) as cluster:
        yield cluster


@contextlib.contextmanager
def processes(cluster, schema, folder, n):
    """`n` processes with a short lease; the URL has a user and a password, for which nobody asks."""
    cluster.new_schema(schema)
    url = f"postgresql://callosum:secretword@/callosum?host={cluster.folder}&options=-csearch_path%3D{schema}"
    (folder / "callosum.yaml").write_text(f"leaseSeconds: {LEASE_S}\n")
    started = []
    try:
        for _ in range(n):
            started.append(Server(url, "--config", str(folder)))
        yield started
    finally:
        for server in started:
            server.stop()


def test_one_that_was_killed_is_gone_and_not_counted(durable, tmp_path):
    with processes(durable, "gone", tmp_path, 2) as (a, b):
        holder = a if next(p for p in system(a)["processes"] if p["hasBackground"])["isThis"] else b
        other = b if holder is a else a
        name = next(p for p in system(holder)["processes"] if p["isThis"])["name"]
        assert other.request("GET", "/api/figures").json["processes"] == 2
        kill(holder)
        until(lambda: other.request("GET", "/api/figures").json["processes"] == 1)
        told = {p["name"]: p for p in system(other)["processes"]}
        assert len(told) == 2 and not told[name]["isAlive"] and told[name]["seenSecondsAgo"] >= LEASE_S
        until(lambda: next(p for p in system(other)["processes"] if p["isThis"])["hasBackground"])
        assert not told[name]["hasBackground"]


def test_while_the_server_is_away_and_when_it_is_back(durable, tmp_path):
    with processes(durable, "away", tmp_path, 1) as (server,):
        server.create(patient())
        assert system(server)["warnings"] == []
        durable.stop()
        until(lambda: "since" in system(server)["store"])
        told = system(server)
        assert told["store"]["isReachable"] is False and told["store"]["reason"] and told["store"]["since"] <= told["now"]
        assert "content" not in told and "processes" not in told and told["version"]
        refused = server.request("GET", "/api/figures")
        assert refused.status == 503 and refused.json["error"]["since"] == told["store"]["since"]
        time.sleep(1.5)
        assert system(server)["store"]["since"] == told["store"]["since"], "an outage begins once"
        durable.start()
        until(lambda: system(server)["store"]["isReachable"], 30)
        assert "since" not in system(server)["store"] and system(server)["content"]["resources"] == 1


def test_nobody_is_told_who_logs_in(durable, tmp_path):
    with processes(durable, "who", tmp_path, 1) as (server,):
        bodies = [server.request("GET", path).body for path in ("/api/system", "/api/store")]
        durable.stop()
        until(lambda: not system(server)["store"]["isReachable"])
        bodies += [server.request("GET", path).body for path in ("/api/system", "/api/store", "/api/figures", "/healthz")]
        durable.start()
        until(lambda: system(server)["store"]["isReachable"], 30)
    for body in bodies:
        assert b"secretword" not in body and b"callosum:" not in body and b"callosum@" not in body, body


def test_a_server_that_may_lose_what_was_acknowledged_is_warned_of(durable, tmp_path):
    durable.sql("ALTER SYSTEM SET fsync=off")
    durable.sql("SELECT pg_reload_conf()")
    try:
        with processes(durable, "weak", tmp_path, 1) as (server,):
            until(lambda: [w["code"] for w in system(server)["warnings"]] == ["fsync"])
            assert system(server)["store"]["server"]["fsync"] == "off"
            durable.sql("ALTER SYSTEM SET synchronous_standby_names='nobody'")
            durable.sql("SELECT pg_reload_conf()")
            until(lambda: "no-standby" in [w["code"] for w in system(server)["warnings"]])
            durable.sql("ALTER SYSTEM RESET ALL")
            durable.sql("SELECT pg_reload_conf()")
            until(lambda: system(server)["warnings"] == [])
    finally:
        durable.sql("ALTER SYSTEM RESET ALL")
        durable.sql("SELECT pg_reload_conf()")


def test_that_nothing_can_be_stored_is_said_while_all_can_be_read(durable, tmp_path):
    with processes(durable, "refuses", tmp_path, 1) as (server,):
        server.create(patient())
        durable.sql("ALTER SYSTEM SET default_transaction_read_only=on")
        durable.sql("SELECT pg_reload_conf()")
        try:
            until(lambda: "refusedSince" in system(server)["commits"], 60)
            told = system(server)
            assert "not-stored" in [w["code"] for w in told["warnings"]] and told["store"]["isReachable"]
            assert server.fhir("GET", "Patient?_summary=count").json["total"] == 1
        finally:
            durable.sql("ALTER SYSTEM RESET default_transaction_read_only")
            durable.sql("SELECT pg_reload_conf()")
        until(lambda: "refusedSince" not in system(server)["commits"], 60)
        assert system(server)["warnings"] == []


def test_who_differs_is_warned_of(durable, tmp_path):
    with processes(durable, "differs", tmp_path, 1) as (server,):
        other = Server(server.store, "--config", str(tmp_path), "--time-zone", "+02:00")
        try:
            (warning,) = system(server)["warnings"]
            name = next(p["name"] for p in system(other)["processes"] if p["isThis"])
            assert warning["code"] == "other-configuration" and warning["text"].startswith(name)
        finally:
            other.stop()
        until(lambda: system(server)["warnings"] == [])


@pytest.mark.skipif(not postgres.is_available(), reason="PostgreSQL's server is not installed")
def test_a_synchronous_standby_is_told(tmp_path):
    with pair() as (primary, standby):
        server = Server(primary.url("record"))
        try:
            told = system(server)
            assert told["warnings"] == []
            assert (told["store"]["server"]["standbys"], told["store"]["server"]["waitsForStandbys"]) == (1, True)
            standby.stop()
            until(lambda: [w["code"] for w in system(server)["warnings"]] == ["no-standby"])
            standby.start()
            until(lambda: system(server)["warnings"] == [])
        finally:
            server.stop()


def test_a_server_that_hangs_is_told_while_all_who_ask_it_wait(durable, tmp_path):
    with processes(durable, "hangs", tmp_path, 1) as (server,), concurrent.futures.ThreadPoolExecutor(20) as clients:
        stopped = [int(pid) for pid in durable.sql("SELECT pid FROM pg_stat_activity WHERE usename='callosum'").split()]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            waiting = [clients.submit(server.request, "GET", "/api/persons?text=lee") for _ in range(20)]
            time.sleep(7)  # the watch gives it five seconds
            began = time.monotonic()
            told, refused = system(server)["store"], server.request("GET", "/api/figures")
            assert time.monotonic() - began < 2
            assert not told["isReachable"] and told["since"] and refused.status == 503 and refused.json["error"]["since"]
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert {future.result(60).status for future in waiting} <= {200, 503}
        until(lambda: system(server)["store"]["isReachable"], 30)
