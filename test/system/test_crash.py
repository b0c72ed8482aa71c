"""A dozen kills of the long crash run (`./dev bench crash`)."""
import os
import random

import crash


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path):
    seed = int(os.environ.get("CALLOSUM_TEST_SEED", random.randrange(1 << 30)))
    kills = 200 if os.environ.get("CALLOSUM_TEST_LONG") else 12
    verdict = crash.run(os.environ["CALLOSUM"], kills, seed, str(tmp_path))
    assert verdict.acknowledged > kills, f"seed {seed}: hardly any write was acknowledged"
    assert (verdict.lost, verdict.doubled, verdict.other) == ([], [], []), f"seed {seed}"


def test_nothing_acknowledged_is_lost_or_doubled_by_sigterm_under_load(tmp_path):
    seed = int(os.environ.get("CALLOSUM_TEST_SEED", random.randrange(1 << 30)))
    verdict = crash.run(os.environ["CALLOSUM"], 3, seed, str(tmp_path), is_kill=False)
    assert verdict.acknowledged > 3, f"seed {seed}: hardly any write was acknowledged"
    assert (verdict.lost, verdict.doubled, verdict.other) == ([], [], []), f"seed {seed}"
