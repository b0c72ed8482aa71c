"""callosum backup and restore: a copy of a store that is being written to, and that nothing damaged is ever brought back."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from client import PROGRAM, Server, bundle, entry, patient


def run(*arguments, timeout=120, **more):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **more)


def files(folder):
    """Names in a folder, without the empty files that say who owns a store."""
    return sorted(p.name for p in pathlib.Path(folder).iterdir() if not p.name.endswith("-owner"))


def counts_of(done):
    """resources, versions, messages, commit."""
    return tuple(map(int, re.search(r": (\d+) resources, (\d+) earlier versions, (\d+) messages, up to commit (\d+);", done.stdout).groups()))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "callosum.db"
    server = Server(path)
    people = [patient(f"Family{i}", id=f"p{i}", text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{i * 7919}</div>'})
              for i in range(400)]
    assert server.fhir("POST", "", bundle("batch", *[entry("PUT", f"Patient/{p['id']}", p) for p in people])).status == 200
    assert server.fhir("PUT", "Patient/p7", patient("Other", id="p7")).status == 200
    assert server.fhir("DELETE", "Patient/p9").status == 204
    assert server.stop() == 0
    return path


@pytest.fixture(scope="module", params=["copy.db", "copy.db.zst"])
def backup(request, store, tmp_path_factory):
    path = tmp_path_factory.mktemp("backup") / request.param
    done = run("backup", store, path)
    assert done.returncode == 0, done.stderr
    return path


def test_backup_and_restore_give_the_same_store(store, backup, tmp_path):
    assert files(backup.parent) == [backup.name]
    assert backup.stat().st_mode & 0o777 == 0o600
    done = run("backup", "--verify", backup)
    assert done.returncode == 0 and counts_of(done)[:3] == (400, 2, 0), done.stderr
    restored = tmp_path / "restored.db"
    assert run("restore", backup, restored).returncode == 0
    assert files(tmp_path) == ["restored.db"]
    assert restored.read_bytes()[18:20] == b"\2\2"  # in the mode in which nobody who reads holds up a server that starts
    done = run("copy", "--verify-only", store, restored)
    assert done.returncode == 0, done.stdout
    server = Server(restored)
    try:
        assert server.fhir("GET", "Patient/p7").json["meta"]["versionId"] == "2"
        assert server.fhir("GET", "Patient/p9").status == 410
        server.create(patient())
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("backup", ["copy.db.zst"], indirect=True)
def test_any_zstd_unpacks_a_packed_one(backup, tmp_path):
    assert backup.stat().st_size < 200_000
    with open(tmp_path / "plain.db", "wb") as out:
        assert subprocess.run(["zstd", "-dc", str(backup)], stdout=out, timeout=60).returncode == 0
    assert run("backup", "--verify", tmp_path / "plain.db").returncode == 0


def test_nobody_serves_from_a_backup(backup, tmp_path):
    mine = tmp_path / "mine.db"
    shutil.copy(backup, mine)
    if backup.suffix != ".zst":
        for command in (["serve", "--http", "127.0.0.1:0", "--no-mllp", "--store", mine], ["copy", mine, tmp_path / "to.db"],
                        ["backup", mine, tmp_path / "to.db"]):
            done = run(*command, timeout=30)
            assert done.returncode in (1, 3) and "a backup, not a store" in done.stderr, done.stderr
        assert not (tmp_path / "to.db").exists()


def test_backup_while_it_is_written_to(tmp_path):
    """Each backup is one moment: what was answered before it began is in it, and of each transaction all or nothing."""
    server = Server(tmp_path / "callosum.db")
    written, stop, faults = [0], threading.Event(), []

    def write():
        while not stop.is_set():
            number = written[0]
            answer = server.fhir("POST", "", bundle("transaction", *[
                entry("PUT", f"Patient/t{number}-{i}", patient(str(number), id=f"t{number}-{i}")) for i in range(5)]))
            if answer.status != 200:
                faults.append(answer.body)
                return
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            before = written[0]
            made = tmp_path / f"backup{number}.db"
            done = run("backup", server.store, made)
            assert done.returncode == 0, done.stderr
            resources, versions, _, seq = counts_of(done)
            assert resources == seq * 5 and versions == 0 and before <= seq
            assert run("backup", "--verify", made).returncode == 0
    finally:
        stop.set()
        writer.join()
        assert server.stop() == 0
    assert not faults and written[0] > 4
    assert run("restore", made, tmp_path / "restored.db").returncode == 0
    server = Server(tmp_path / "restored.db")
    assert server.fhir("GET", "Patient?_summary=count").json["total"] == resources
    assert server.stop() == 0


def test_nothing_is_overwritten(store, backup, tmp_path):
    before = backup.read_bytes()
    done = run("backup", store, backup)
    assert done.returncode == 3 and "not overwritten" in done.stderr
    assert backup.read_bytes() == before and files(backup.parent) == [backup.name]
    other = tmp_path / "other.db"
    server = Server(other)
    server.create(patient())
    done = run("restore", "--force", backup, other)
    assert done.returncode == 3 and "Another process" in done.stderr
    assert server.stop() == 0
    was = other.read_bytes()
    done = run("restore", backup, other)
    assert done.returncode == 3 and "--force" in done.stderr and other.read_bytes() == was
    done = run("restore", "--force", backup, other)
    assert done.returncode == 0, done.stderr
    aside = pathlib.Path(done.stdout.split("is now ")[1].strip())
    assert aside.read_bytes() == was and sorted(files(tmp_path)) == sorted([other.name, aside.name])
    assert run("copy", "--quiet", "--verify-only", store, other).returncode == 0
    server = Server(aside)  # it still is a store
    assert server.fhir("GET", "Patient?_summary=count").json["total"] == 1
    assert server.stop() == 0


def test_a_log_that_was_left_behind_is_not_played_into_the_restored_store(store, backup, tmp_path):
    other = tmp_path / "other.db"
    server = Server(other)
    server.create(patient("Unwanted"))
    server.process.kill()
    server.process.wait()
    assert (tmp_path / "other.db-wal").stat().st_size > 0
    other.unlink()  # someone removed the file, and forgot the log
    assert run("restore", backup, other).returncode == 0
    assert run("copy", "--quiet", "--verify-only", store, other).returncode == 0


def test_a_restore_that_fails_leaves_the_old_store(store, backup, tmp_path):
    other, broken = tmp_path / "other.db", tmp_path / f"broken{backup.suffix}"
    shutil.copy(store, other)
    content = backup.read_bytes()
    broken.write_bytes(content[:len(content) // 2])
    done = run("restore", "--force", broken, other)
    assert done.returncode == 1 and "damaged" in done.stderr
    assert files(tmp_path) == sorted([other.name, broken.name])
    assert run("copy", "--quiet", "--verify-only", store, other).returncode == 0


# ---- Damage ----

def verify(path, code, text):
    done = run("backup", "--verify", path)
    assert done.returncode == code and text in done.stderr, done.stderr
    to = path.parent / "restored.db"
    done = run("restore", path, to)
    assert done.returncode == code and text in done.stderr, done.stderr
    assert not to.exists()
    assert files(path.parent) == [path.name]


def test_what_is_cut_off_is_found_everywhere(backup, tmp_path):
    content = backup.read_bytes()
    broken = tmp_path / backup.name
    for n in sorted({0, 1, 50, 99, 100, 4095, 4096, len(content) // 3, len(content) - 4096, len(content) - 1}):
        broken.write_bytes(content[:n])
        done = run("backup", "--verify", broken)
        assert done.returncode == 1 and re.search("damaged|is empty|is not a backup", done.stderr), (n, done.stderr)
    assert files(tmp_path) == [backup.name]
    verify(broken, 1, "damaged")


def unpacked(path):
    return subprocess.run(["zstd", "-dc", str(path)], capture_output=True, timeout=60).stdout


def test_each_changed_byte_that_matters_is_found(backup, tmp_path):
    content = bytearray(backup.read_bytes())
    broken = tmp_path / backup.name
    unnoticed = 0
    for at in range(1000, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[at] ^= 0x10
        broken.write_bytes(changed)
        done = run("backup", "--verify", broken)
        assert done.returncode in (0, 1), (at, done.stderr)
        unnoticed += done.returncode == 0 and (backup.suffix != ".zst" or unpacked(broken) != unpacked(backup))
    # A plain file has room between its rows that means nothing; a packed one has a checksum over all that is packed.
    assert unnoticed == 0 if backup.suffix == ".zst" else unnoticed < 40


@pytest.mark.parametrize("statement, text", [
    ("DELETE FROM token WHERE rid=5", "token has"),
    ("UPDATE resource SET updated=updated+1 WHERE rid=5", "rows of resource have another checksum"),
    ("UPDATE store SET value='{}' WHERE name='backup'", "manifest can't be read"),
    ("UPDATE store SET value='{' WHERE name='backup'", "manifest can't be read"),
    ("UPDATE store SET value=replace(value,'\"schema\":','\"schema\":1') WHERE name='backup'", "another version"),
    ("UPDATE store SET value=replace(value,'\"audit\"','\"odd\"') WHERE name='backup'", "manifest was changed"),
    ("UPDATE store SET value=replace(value,'\"rows\":1','\"rows\":2') WHERE name='backup'", "manifest was changed"),
    ("DELETE FROM store WHERE name='backup'", "a store, not a backup"),
    ("PRAGMA user_version=99", "newer Callosum"),
    ("PRAGMA user_version=2", "another version"),
    ("CREATE INDEX more ON audit(seq)", "tables are not those"),
    ("PRAGMA application_id=7", "another program"),
    ("DROP TABLE event", "rows can't be read"),
])
def test_content_that_was_changed_is_found(store, tmp_path, statement, text):
    path = tmp_path / "changed.db"
    assert run("backup", store, path).returncode == 0
    file = sqlite3.connect(path, isolation_level=None)
    file.execute(statement)
    file.close()
    verify(path, 1, text)


def test_an_index_that_lacks_a_row_is_found(store, tmp_path):
    """By the backup itself: a store that is damaged makes none."""
    mine = tmp_path / "mine.db"
    shutil.copy(store, mine)
    file = sqlite3.connect(mine, isolation_level=None)
    file.execute("PRAGMA writable_schema=ON")
    file.execute("UPDATE sqlite_master SET sql=replace(sql,'WHERE state=1','WHERE state=2') WHERE name='resource_live'")
    file.close()
    done = run("backup", mine, tmp_path / "copy.db")
    assert done.returncode == 1 and "is damaged" in done.stderr, done.stderr
    assert files(tmp_path) == ["mine.db"]


@pytest.mark.parametrize("content, text", [
    (b"", "is empty"), (b"hello", "not a backup"), (b"\x28\xb5\x2f\xfd", "damaged"), (b"\x28\xb5\x2f\xfd" + b"x" * 99, "damaged"),
    (b"SQLite format 3\0" + b"\0" * 200, "another program"), (os.urandom(5000), "not a backup"),
])
def test_what_is_no_backup_is_refused(tmp_path, content, text):
    path = tmp_path / "file"
    path.write_bytes(content)
    verify(path, 1, text)


@pytest.mark.parametrize("arguments, code, text", [
    (["backup"], 2, "name a store"), (["backup", "a.db"], 2, "name a store"), (["backup", "--verify"], 2, "name the backup"),
    (["backup", "--fast", "a", "b"], 2, "not known"), (["restore", "a"], 2, "name a backup"),
    (["backup", "absent.db", "b"], 3, "absent.db"), (["restore", "absent", "b.db"], 3, "absent"),
    (["backup", "--verify", "absent"], 3, "absent"), (["backup", ".", "b"], 1, "not a file"),
    (["backup", "postgresql:///callosum", "b"], 2, "pg_basebackup"), (["restore", "b", "postgresql:///callosum"], 2, "pg_restore"),
    (["backup", "store.db", "no/such/folder/b"], 3, "no/such/folder"),
])
def test_wrong_use_is_told(store, tmp_path, arguments, code, text):
    shutil.copy(store, tmp_path / "store.db")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code and text in done.stderr, done.stderr
    assert files(tmp_path) == ["store.db"]


@pytest.mark.parametrize("name", ["b.db", "b.db.zst"])
def test_a_backup_that_is_broken_off_leaves_nothing(store, tmp_path, name):
    broken = 0
    for delay in (0.01, 0.03, 0.06, 0.1, 0.15):
        process = subprocess.Popen([PROGRAM, "backup", str(store), str(tmp_path / name)], stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        broken += process.returncode == 3 and "Broken off" in err
        assert files(tmp_path) == ([name] if process.returncode == 0 else []), (process.returncode, err)
        (tmp_path / name).unlink(missing_ok=True)
    print(broken, "broken off")


@pytest.mark.parametrize("name", ["b.db", "b.db.zst"])
def test_a_full_disk_leaves_nothing(store, tmp_path, name):
    """Wherever it is full: at the first pages, in the middle, when the manifest is written, when it is packed."""
    size = store.stat().st_size
    for limit in (1, 100_000, size // 2, size - 1, size):
        def small():
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = run("backup", store, tmp_path / name, preexec_fn=small)
        if limit < size:
            assert done.returncode == 3, (limit, done.stderr)
        assert files(tmp_path) == ([name] if done.returncode == 0 else []), (limit, done.stderr)
        (tmp_path / name).unlink(missing_ok=True)


def test_a_full_disk_leaves_the_old_store_where_it_is(store, backup, tmp_path):
    other = tmp_path / "other.db"
    shutil.copy(store, other)

    def small():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    done = run("restore", "--force", backup, other, preexec_fn=small)
    assert done.returncode == 3, done.stderr
    assert files(tmp_path) == ["other.db"]
    assert run("copy", "--quiet", "--verify-only", store, other).returncode == 0


def test_links_lead_to_the_same_store(store, backup, tmp_path):
    """What a process has open is not restored over by another name; a link stays one, to the new store."""
    real, link = tmp_path / "real.db", tmp_path / "link.db"
    link.symlink_to("real.db")
    server = Server(real)
    server.create(patient())
    for command in (["restore", "--force", backup, link], ["serve", "--http", "127.0.0.1:0", "--no-mllp", "--store", link]):
        done = run(*command, timeout=30)
        assert done.returncode == 3 and "Another process" in done.stderr, done.stderr
    assert server.stop() == 0
    done = run("restore", "--force", backup, link)
    assert done.returncode == 0 and "real.db.before-" in done.stdout, done.stderr
    assert link.is_symlink() and run("copy", "--quiet", "--verify-only", store, real).returncode == 0


def test_the_lock_of_a_store_is_kept_while_it_is_restored(backup, tmp_path):
    owner = tmp_path / "callosum.db-owner"
    with open(owner, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("restore", backup, tmp_path / "callosum.db")
        assert done.returncode == 3 and "Another process" in done.stderr
    assert files(tmp_path) == []
    assert run("restore", backup, tmp_path / "callosum.db").returncode == 0
