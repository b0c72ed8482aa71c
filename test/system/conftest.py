"""Servers for the black-box tests: one shared by a module, or a fresh one."""
import pytest

from client import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("store") / "callosum.db")
    yield started
    assert started.stop() == 0


@pytest.fixture
def fresh_server(tmp_path):
    started = Server(tmp_path / "callosum.db")
    yield started
    started.stop()
