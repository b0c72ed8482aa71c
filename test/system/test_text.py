"""_text and _content: words in resources, at once after they were written, and after restarts."""
import signal
import threading
import time
import urllib.parse

import pytest

import engine
from client import Server, bundle, entry, observation, patient

pytestmark = pytest.mark.both_engines


def narrative(text):
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text}</p></div>'}


def ids(server, query):
    name, _, value = query.partition("=")
    answer = server.fhir("GET", f"{name}={urllib.parse.quote(value, safe='&=?')}&_count=1000")
    assert answer.status == 200, answer.body
    return sorted(found["resource"]["id"] for found in answer.json.get("entry", []))


def wait_until_indexed(store, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ((done, last),) = engine.rows(store, "SELECT (SELECT value FROM store WHERE name='text_watermark'),"
                                             " (SELECT max(number) FROM event)")
        if int(done or 0) == last:
            return
        time.sleep(0.05)
    raise AssertionError("the index was not built")


@pytest.fixture(scope="module")
def filled(server):
    for name, resource in {
        "a": patient("Müller", "Ann", id="a", text=narrative("Acute <b>myo</b>cardial infarction")),
        "b": patient("Lee", "Bo", id="b", text=narrative("chronic pain &amp; x-ray of the knee")),
        "c": patient("Acute", "Carl", id="c", address=[{"text": "1 Knee Street"}]),
        "d": patient("山田", "花子", id="d"),
    }.items():
        assert server.fhir("PUT", f"Patient/{name}", resource).status == 201
    server.fhir("PUT", "Observation/o", observation("Patient/a", id="o", note=[{"text": "patient was calm"}]))
    return server


CASES = [
    ("_text=acute", ["a"]), ("_content=acute", ["a", "c"]), ("_content=ACUTE", ["a", "c"]), ("_text=myocardial", ["a"]),
    ("_text=myo*", ["a"]), ("_content=muller", ["a"]), ("_content=MÜLLER", ["a"]), ("_content=knee", ["b", "c"]),
    ("_content=knee -street", ["b"]), ("_content=knee AND (street OR pain)", ["b", "c"]), ("_text=x-ray", ["b"]),
    ('_content="knee street"', ["c"]), ('_content="street knee"', []), ("_content=NOT knee", ["a", "d"]),
    ("_content=lee,muller", ["a", "b"]), ("_content=山田", ["d"]), ("_content=田山", []), ("_content=nothing", []),
    ("_text=ann", []), ("_content=ann", ["a"]), ("_content=ann&_text=infarction", ["a"]),
    ("_has:Observation:subject:_content=calm", ["a"]),
]


@pytest.mark.parametrize("query, wanted", CASES)
def test_words_are_found(filled, query, wanted):
    assert ids(filled, "Patient?" + query) == wanted


def test_words_behind_a_link(filled):
    assert ids(filled, "Observation?subject:Patient._text=infarction") == ["o"]
    assert ids(filled, "Observation?subject:Patient._content=lee") == []


def test_all_types_at_once(filled):
    assert ids(filled, "?_content=calm") == ["o"]
    assert ids(filled, "?_content=calm OR lee") == ["b", "o"]


@pytest.mark.parametrize("query", ["_content=", "_content=(", "_content=a OR", '_text="', "_text=!!", "_content:exact=a", "_content:missing=true"])
def test_what_is_wrong_is_said(filled, query):
    assert filled.fhir("GET", "Patient?" + urllib.parse.quote(query, safe="=?:")).status == 400


def test_change_is_seen_at_once_and_after_restarts(tmp_path):
    server = Server(tmp_path / "callosum.db")
    for round_ in range(3):
        assert server.fhir("PUT", "Patient/x", patient(f"Word{round_}", id="x")).status in (200, 201)
        assert ids(server, f"Patient?_content=word{round_}") == ["x"]
        assert ids(server, f"Patient?_content=word{round_ - 1}") == []
        wait_until_indexed(tmp_path / "callosum.db")
        assert ids(server, f"Patient?_content=word{round_}") == ["x"]
        assert ids(server, f"Patient?_content=word{round_ - 1}") == []
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server = Server(tmp_path / "callosum.db")
        assert ids(server, f"Patient?_content=word{round_}") == ["x"]
    assert server.fhir("DELETE", "Patient/x").status == 204
    assert ids(server, "Patient?_content=word2") == []
    assert server.stop() == 0


def test_answers_are_exact_while_the_index_is_built_and_killed(tmp_path):
    server = Server(tmp_path / "callosum.db")
    number = 0
    for round_ in range(4):
        for _ in range(4):
            answer = server.fhir("POST", "", bundle("batch", *[
                entry("PUT", f"Patient/p{number + i}", patient(f"Family{(number + i) % 50}", f"Given{number + i}", id=f"p{number + i}"))
                for i in range(300)]))
            assert answer.status == 200
            number += 300
        for k in (3, 17):
            assert ids(server, f"Patient?_content=family{k}") == sorted(f"p{i}" for i in range(number) if i % 50 == k)
        assert ids(server, f"Patient?_content=given{number - 1}") == [f"p{number - 1}"]
        time.sleep(0.15 * round_)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server = Server(tmp_path / "callosum.db")
    wait_until_indexed(tmp_path / "callosum.db")
    assert ids(server, "Patient?_content=family3") == sorted(f"p{i}" for i in range(number) if i % 50 == 3)
    assert server.stop() == 0


def test_writers_do_not_disturb_readers(fresh_server):
    """While patients get one word and lose another, exactly those that have it are found."""
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            fresh_server.fhir("PUT", f"Patient/m{i % 50}", patient("Moving" if i % 100 < 50 else "Resting", id=f"m{i % 50}"))
            i += 1

    for i in range(100):
        fresh_server.fhir("PUT", f"Patient/s{i}", patient("Steady", id=f"s{i}"))
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(60):
            assert len(ids(fresh_server, "Patient?_content=steady")) == 100
    finally:
        stop.set()
        thread.join()
    wanted = sorted(f["resource"]["id"] for f in fresh_server.fhir("GET", "Patient?family=moving&_count=1000").json.get("entry", []))
    assert ids(fresh_server, "Patient?_content=moving") == wanted
