"""Machines whose clocks differ, on one store: the database's clock decides, and a clock that is set back stops nothing."""
import datetime
import os
import subprocess
import time

import pytest

import engine
from client import PROGRAM, Server, patient
from test_async import ask, only_entry, result
from test_processes import background_holder, name_of, processes, until

pytestmark = [pytest.mark.both_engines,
              pytest.mark.skipif(engine.NAME != "postgresql", reason="a file has one process, and so one clock"),
              pytest.mark.skipif("CALLOSUM_TEST_SANITIZE" in os.environ, reason="a sanitizer wants to be loaded first")]

LEASE_S = 3
DAY_S = 86400

# The wall clock that the program is shown; the kernel, which wakes who waits, goes by the true one. So to the program its
# clock is set back by CLOCK_AHEAD_S as soon as it begins to wait.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real)
    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
  int code = real(id, at);
  const char *ahead = getenv("CLOCK_AHEAD_S");
  if (code == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    at->tv_sec += atoll(ahead);
  return code;
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    (folder / "clock.c").write_text(SHIM)
    made = subprocess.run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no compiler: {made.stderr[:200]}")
    return str(folder / "clock.so")


@pytest.fixture
def start(tmp_path, shim, monkeypatch):
    """A server on the store of this test, whose clock is that much ahead."""
    folder = tmp_path / "callosum.d"
    folder.mkdir()
    (folder / "callosum.yaml").write_text(f"leaseSeconds: {LEASE_S}\n")
    started = []

    def start(ahead_s):
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", shim)
            patch.setenv("CLOCK_AHEAD_S", str(ahead_s))
            started.append(Server(tmp_path / "callosum.db", "--config", str(folder)))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_times_rise_whoever_writes(start):
    servers = [start(-2 * DAY_S), start(0), start(2 * DAY_S)]
    last = 0
    for n in range(60):
        at = time_of(servers[n % 3].create(patient(f"Clock{n}"))["meta"]["lastUpdated"])
        assert at > last and abs(at - time.time()) < 30
        last = at


def test_a_lease_is_not_taken_by_who_believes_that_it_is_late(start, tmp_path):
    servers = [start(0), start(40 * DAY_S), start(-40 * DAY_S)]
    until(lambda: background_holder(tmp_path) is not None)
    holder = background_holder(tmp_path)
    end = time.monotonic() + 3 * LEASE_S
    while time.monotonic() < end:
        time.sleep(0.2)
        assert background_holder(tmp_path) == holder
        for server in servers:
            listed = processes(server)
            assert len(listed) == 3 and max(p["seenSecondsAgo"] for p in listed) <= LEASE_S
    assert holder in {name_of(server) for server in servers}


def test_a_result_is_kept_for_its_time_by_the_databases_clock(start):
    late, ahead = start(-3 * DAY_S), start(3 * DAY_S)
    late.create(patient("Kept"))
    for asked, other in ((late, ahead), (ahead, late)):
        path = ask(asked, "GET", "Patient?family=kept")
        assert only_entry(result(asked, path))["resource"]["total"] == 1
        result(other, ask(other, "GET", "Patient?family=kept"))  # takes away what has expired
        assert only_entry(result(other, path))["resource"]["total"] == 1
        assert only_entry(result(asked, path))["resource"]["total"] == 1


def test_nobody_takes_out_the_number_of_a_writer_that_lives(start, tmp_path):
    """It is how a writer learns what became of a commit whose answer was lost."""
    def writers():
        return {row[0] for row in engine.rows(tmp_path / "callosum.db", "SELECT id FROM db_writer")}

    first = start(0)
    for n in range(5):
        first.create(patient("First"))
        before = writers()
        other = start(40 * DAY_S)
        other.create(patient("Other"))
        assert before <= writers()
        assert other.stop() == 0


def test_a_store_at_work_is_not_copied_by_a_machine_whose_clock_is_ahead(start, shim, tmp_path):
    server = start(0)
    environment = dict(os.environ, LD_PRELOAD=shim, CLOCK_AHEAD_S=str(DAY_S))
    done = subprocess.run([PROGRAM, "copy", server.store, str(tmp_path / "no.db")], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 3 and "at work" in done.stderr, done.stderr
