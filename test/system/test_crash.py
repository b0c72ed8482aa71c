"""A dozen rounds of the long crash run (`./dev bench crash [--store postgresql]`)."""
import os
import random

import pytest

import crash
import engine

pytestmark = pytest.mark.both_engines

PROCESSES = 3


def run(folder, rounds, faults=()):
    seed = int(os.environ.get("CALLOSUM_TEST_SEED", random.randrange(1 << 30)))
    if engine.NAME == "sqlite":
        deployment = crash.SqliteDeployment(os.environ["CALLOSUM"], str(folder), seed)
    else:
        deployment = crash.PostgresDeployment(os.environ["CALLOSUM"], str(folder), PROCESSES, seed)
    verdict, tally = crash.run(deployment, rounds, faults)
    assert (verdict.lost, verdict.doubled, verdict.other) == ([], [], []), f"seed {seed}, {tally}"
    assert verdict.acknowledged > 50 * rounds, f"seed {seed}: hardly any write was acknowledged"


def test_nothing_acknowledged_is_lost_or_doubled_whatever_breaks(tmp_path):
    run(tmp_path, 100 if os.environ.get("CALLOSUM_TEST_LONG") else 12)


@pytest.mark.sqlite_only  # on PostgreSQL it is one of many things that break, above
def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path):
    run(tmp_path, 4, ["a process is killed"])


@pytest.mark.sqlite_only
def test_nothing_acknowledged_is_lost_or_doubled_by_sigterm_under_load(tmp_path):
    run(tmp_path, 3, ["a process is ended"])
