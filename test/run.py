#!/usr/bin/python3
"""Runs every test of the project and ends with one line: N passed, N failed, N skipped.

Unit tests are cmocka programs (one count per test function), black-box and conformance tests are pytest (one count per
test), fuzz targets count one each (a short run; --long makes it ten minutes in all).

What the store promises is asked of each engine in CALLOSUM_TEST_ENGINES (sqlite,postgresql): for PostgreSQL a private
cluster is started (test/postgres.py) for as long as the tests run.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import postgres

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXIT_SKIPPED = 77  # of a unit test that misses what it needs


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def heading(text):
    print(f"\n== {text}", flush=True)


def run_program(test):
    """One unit test program: what subprocess gives, or None when it does not end; and the seconds that it took."""
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    environment.update(test.get("env") or {})
    started = time.monotonic()
    try:
        done = subprocess.run(test["cmd"], cwd=test.get("workdir") or ROOT, env=environment, capture_output=True, timeout=600)
    except subprocess.TimeoutExpired:
        done = None
    return done, time.monotonic() - started


def tell_program(name, done, seconds, totals):
    """Counts and prints the tests of one program."""
    if done is None:
        print(f"FAILED {name}: no end within 600 s", flush=True)
        totals.add(0, 1)
        return
    output = done.stdout.decode(errors="replace")
    if done.returncode == EXIT_SKIPPED:
        reason = re.search(r"# SKIP (.*)", output)
        print(f"skipped {name}: {reason.group(1) if reason else 'it does not say why'}", flush=True)
        totals.add(0, 0, 1)
        return
    skipped = len(re.findall(r"^(?:not )?ok .*# SKIP", output, re.M))  # before 1.1.6, cmocka wrote "not ok" for these
    passed = len(re.findall(r"^ok (?!.*# SKIP)", output, re.M))
    failed = len(re.findall(r"^not ok (?!.*# SKIP)", output, re.M))
    if done.returncode != 0 and failed == 0:
        failed = 1
    if done.returncode == 0 and passed + skipped == 0:
        passed = 1  # a program that is one test
    totals.add(passed, failed, skipped)
    if failed:
        print(f"FAILED {name} (exit {done.returncode})")
        print(output[-4000:])
        print(done.stderr.decode(errors="replace")[-6000:], flush=True)
    else:
        print(f"ok  {name:<40} {passed:4d} tests {seconds:7.2f} s", flush=True)


def run_unit(build, totals, only):
    """As many programs at once as there are processors."""
    heading("unit tests")
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True).stdout)
    tests = sorted((t for t in tests if only in t["name"]), key=lambda t: t["name"])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for test, (done, seconds) in zip(tests, pool.map(run_program, tests)):
            tell_program(test["name"], done, seconds, totals)


def add_report(path, code, totals):
    """Counts what pytest reported; `code` is its exit code."""
    try:
        suite = ElementTree.parse(path).getroot().find("testsuite")
    except (OSError, ElementTree.ParseError):
        totals.add(0, 1)
        return
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    if code != 0 and failed == 0:
        failed = 1
    totals.add(max(0, int(suite.get("tests")) - failed - skipped), failed, skipped)


def run_pytest(build, totals, only, long_run, engine):
    heading(f"black-box, conformance and browser tests on {engine}")
    with tempfile.TemporaryDirectory(prefix="callosum-test-") as scratch:
        report = os.path.join(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={scratch}/tests",
                   f"--junitxml={report}", "-rfEs", "test"]
        if only:
            command += ["-k", only]
        # Chromium would leave its crash settings in the user's folder.
        environment = dict(os.environ, CALLOSUM_TEST_ENGINE=engine, CALLOSUM=os.path.join(ROOT, build, "src/main/callosum"),
                           PYTHONDONTWRITEBYTECODE="1", XDG_CONFIG_HOME=f"{scratch}/config", XDG_CACHE_HOME=f"{scratch}/cache")
        if long_run:
            environment["CALLOSUM_TEST_LONG"] = "1"
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if code != 5:  # nothing collected
            add_report(report, code, totals)


def run_fuzz(build, totals, only, long_run):
    heading("fuzz targets")
    folder = os.path.join(build, "test/fuzz")
    names = sorted(n for n in os.listdir(folder) if n.startswith("fuzz_") and os.access(os.path.join(folder, n), os.X_OK)
                   and os.path.isfile(os.path.join(folder, n)))
    seconds = 60 if long_run else 5
    for name in names:
        if only and only not in name:
            continue
        corpus = os.path.join(ROOT, "test/fuzz/corpus", name.removeprefix("fuzz_"))
        with tempfile.TemporaryDirectory() as scratch:
            command = [os.path.join(folder, name), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                       "-print_final_stats=0", "-verbosity=0", f"-artifact_prefix={scratch}/", scratch]
            if os.path.isdir(corpus):
                command.append(corpus)
            done = subprocess.run(command, capture_output=True)
        if done.returncode == 0:
            totals.add(1, 0)
            print(f"ok  {name}")
        else:
            totals.add(0, 1)
            print(f"FAILED {name}")
            print(done.stderr.decode(errors="replace")[-6000:])


@contextlib.contextmanager
def engines(totals):
    """PostgreSQL for the tests that want it, named by CALLOSUM_TEST_POSTGRES."""
    wanted = os.environ.setdefault("CALLOSUM_TEST_ENGINES", "sqlite,postgresql").split(",")
    if "postgresql" not in wanted or os.environ.get("CALLOSUM_TEST_POSTGRES"):
        yield
    elif not postgres.is_available():
        print("skipped: PostgreSQL's server is not installed, and what is asked of each engine is asked of SQLite only")
        os.environ["CALLOSUM_TEST_ENGINES"] = "sqlite"
        totals.add(0, 0, 1)
        yield
    else:
        with postgres.Cluster() as cluster:
            os.environ["CALLOSUM_TEST_POSTGRES"] = cluster.url()
            yield


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--fuzz", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    parser.add_argument("--part", choices=["unit", "pytest", "fuzz"], help="only this part")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.sanitize:
        os.environ["CALLOSUM_TEST_SANITIZE"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which leaves nothing behind
    totals = Totals()
    with engines(totals):
        if arguments.part in (None, "unit"):
            run_unit(arguments.build, totals, arguments.only)
        if arguments.part in (None, "pytest"):
            for engine in os.environ["CALLOSUM_TEST_ENGINES"].split(","):
                run_pytest(arguments.build, totals, arguments.only, arguments.long, engine)
    if arguments.part in (None, "fuzz"):
        run_fuzz(arguments.fuzz, totals, arguments.only, arguments.long)
    print()
    skipped = f", {totals.skipped} skipped" if totals.skipped else ""
    print(f"{totals.passed} passed, {totals.failed} failed{skipped}")
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
