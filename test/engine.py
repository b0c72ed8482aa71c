"""The engine that the stores of this test session lie on: NAME is "sqlite" or "postgresql" (CALLOSUM_TEST_ENGINE).

A test names its store by a path, as if it were always a file. On PostgreSQL each path stands for a schema of its own in the
database of CALLOSUM_TEST_POSTGRES. What a test looks up or changes behind the program's back goes through `rows` and
`execute`, in SQL that both engines know.
"""
import contextlib
import hashlib
import os
import sqlite3
import tempfile

import postgres

NAME = os.environ.get("CALLOSUM_TEST_ENGINE", "sqlite")

configurations = []  # a folder, when one was asked for
schemas = {}  # path -> schema, of those that this session has made


def database():
    return os.environ["CALLOSUM_TEST_POSTGRES"]


class FileStore(str):
    """A path that means a file on either engine."""


def store(path):
    """What `--store` is given for the store that a test calls `path`; what is a URL already stays."""
    if NAME == "sqlite" or isinstance(path, FileStore):
        return str(path)
    path = str(path)
    if path.startswith("postgresql:"):
        return path
    if path not in schemas:
        name = "t_" + hashlib.sha1(path.encode()).hexdigest()[:16]
        postgres.run_sql(database(), f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
        schemas[path] = name
    return postgres.url_of_schema(database(), schemas[path])


def options(options):
    """What `serve` is given besides: on PostgreSQL a short lease, so that who takes over need not wait for half a minute."""
    if NAME == "sqlite" or "--config" in options:
        return list(options)
    if not configurations:
        folder = tempfile.TemporaryDirectory(prefix="callosum-config-")
        with open(os.path.join(folder.name, "callosum.yaml"), "w") as file:
            file.write("leaseSeconds: 2\n")
        configurations.append(folder)
    return ["--config", configurations[0].name, *options]


def drop_stores():
    """Of those that nobody will open again."""
    for name in schemas.values():
        # A server that a failed test left behind must not keep the others waiting.
        postgres.run_sql(database(), f"SET lock_timeout='10s'; DROP SCHEMA {name} CASCADE")
    schemas.clear()


def value_of(text):
    """Of a column as psql shows it: bytes are shown in hexadecimal, and the store keeps texts as bytes."""
    if text.startswith("\\x"):
        return bytes.fromhex(text[2:]).decode(errors="replace")
    try:
        return int(text)
    except ValueError:
        return text


def rows(path, sql):
    """What a SELECT gives: a list of tuples of numbers and texts."""
    if NAME == "sqlite":
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
            return file.execute(sql).fetchall()
    return [tuple(value_of(column) for column in line.split("|")) for line in postgres.run_sql(store(path), sql).splitlines()]


def execute(path, *statements):
    """Changes a store that no program has open."""
    if NAME == "sqlite":
        with contextlib.closing(sqlite3.connect(path)) as file, file:
            for statement in statements:
                file.execute(statement)
    else:
        postgres.run_sql(store(path), "; ".join(statements))
