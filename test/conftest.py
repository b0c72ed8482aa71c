"""Sessions on either engine: what is marked `both_engines` runs on SQLite and, in a session of its own, on PostgreSQL.

CALLOSUM_TEST_ENGINE=postgresql selects the second session; CALLOSUM_TEST_POSTGRES names the database for it, else a private
cluster is started.
"""
import os

import pytest

import engine
import postgres


def pytest_configure(config):
    config.addinivalue_line("markers", "both_engines: asks for something that holds on SQLite and on PostgreSQL")
    config.addinivalue_line("markers", "sqlite_only: of a module that is marked both_engines, this one is about the file")
    config.addinivalue_line("markers", "postgresql_only: belongs to the session on PostgreSQL alone")


def belongs_here(item):
    marks = {mark.name for mark in item.iter_markers()}
    if engine.NAME == "sqlite":
        return "postgresql_only" not in marks
    return marks & {"both_engines", "postgresql_only"} and "sqlite_only" not in marks


def pytest_collection_modifyitems(config, items):
    others = [item for item in items if not belongs_here(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if belongs_here(item)]


@pytest.fixture(scope="session", autouse=True)
def cluster():
    """The server of the PostgreSQL session."""
    if engine.NAME == "sqlite" or os.environ.get("CALLOSUM_TEST_POSTGRES"):
        yield
        return
    with postgres.Cluster() as started:
        os.environ["CALLOSUM_TEST_POSTGRES"] = started.url()
        yield


@pytest.fixture(scope="module", autouse=True)
def stores(cluster):
    yield
    engine.drop_stores()
