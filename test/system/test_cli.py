"""The command line as its users meet it: help, exit codes, completion, and the main job of each command.

Exit codes: 0 ok, 1 the answer is no, 2 wrong usage, 3 a file, socket or store can't be used.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess

import pytest

from client import PROGRAM, Server, bundle, entry, patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "../shared/data/hl7v2-samples"
COMMANDS = ["serve", "convert", "send", "simulate", "query", "trace", "import", "check", "completion", "fhirpath", "validate",
            "version", "copy", "backup", "restore", "schema"]
PV1 = "|".join({1: "1", 2: "I", 3: "W1^101^1", 19: "V1^^^HIS^VN", 44: "20260217083000"}.get(n, "") for n in range(1, 45)).encode()
ADMISSION = (b"MSH|^~\\&|HIS|MAIN|CALLOSUM|MAIN|20260217083000||ADT^A01^ADT_A01|CLI1|P|2.5.1\r"
             b"EVN|A01|20260217083000\rPID|1||4711^^^HIS^MR||Lee^Ann||19800217|F\rPV1|" + PV1 + b"\r")


def callosum(*arguments, data=b"", folder=None, seconds=60, **environment):
    """The finished process, its output as text."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=data, capture_output=True, cwd=folder, timeout=seconds,
                          env={**os.environ, **environment}, check=False)
    done.stdout, done.stderr = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
    return done


def options_of(help_text):
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text)))


@pytest.fixture
def message(tmp_path):
    path = tmp_path / "admission.hl7"
    path.write_bytes(ADMISSION)
    return path


# ---- Help and usage ------------------------------------------------------------------------------


def test_help_lists_every_command():
    done = callosum("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert [line.split()[0] for line in re.findall(r"^  .+", done.stdout, re.M)] == COMMANDS
    assert callosum("help").stdout == done.stdout


def test_without_a_command_the_help_is_an_error():
    done = callosum()
    assert done.returncode == 2 and done.stdout == "" and "Usage: callosum" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command):
    done = callosum(command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: callosum {command}")
    assert callosum("help", command).stdout == done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    if command != "version":
        assert re.search(r"^Exit codes?: 0", done.stdout, re.M) and "Example" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_the_help_is_known(command):
    help_text = callosum(command, "--help").stdout
    for option in options_of(help_text):
        takes_value = re.search(option + r" [A-Z+]", help_text)
        done = callosum(command, option + ("=x" if takes_value else ""), "--no-such-option")
        assert done.returncode == 2, (option, done.stderr)
        assert not re.search(f"(unrecognized|invalid) option '?{option}'", done.stderr)
        assert f"'{option}' is not known" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_options_are_wrong_usage(command, tmp_path):
    done = callosum(command, "--no-such-option", folder=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert f"callosum {command} --help" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_commands_are_wrong_usage():
    for arguments in (["swerve"], ["help", "swerve"]):
        done = callosum(*arguments)
        assert done.returncode == 2 and "'swerve'" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments", [
    ["convert"], ["validate"], ["fhirpath"], ["fhirpath", "--output", "xml", "id"], ["fhirpath", "--type", "Wizard", "id"], ["import"], ["send"], ["query"], ["trace"], ["completion"], ["completion", "tcsh"],
    ["query", "Patient", "Observation"], ["query", "Wizard?name=x"], ["trace", "a", "b", "c"], ["check", "a", "b"],
    ["version", "1"], ["serve", "now"], ["simulate", "now"],
    ["serve", "--http", "localhost:http"], ["serve", "--http", "127.0.0.1:65536"], ["serve", "--time-zone", "CET"],
    ["serve", "--threads", "0"], ["convert", "--bundle-type", "history", "-"], ["convert", "--zone", "1", "-"],
    ["query", "--format", "xml", "Patient"], ["query", "--url", "http://127.0.0.1:1", "--store", "x.db", "Patient"],
    ["send", "--port", "0", "-"], ["send", "--connections", "x", "-"], ["simulate", "--count", "many"], ["trace", "Patient"],
], ids=" ".join)
def test_wrong_arguments_are_wrong_usage(arguments, tmp_path):
    done = callosum(*arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "--help" in done.stderr and done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_version():
    done = callosum("version")
    assert done.returncode == 0 and re.fullmatch(r"callosum \d+\.\d+\.\d+\n", done.stdout)
    assert callosum("--version").stdout == done.stdout


# ---- Completion ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_accepted_and_offer_each_command(shell, tmp_path):
    done = callosum("completion", shell)
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout)
    for option in options_of(callosum("serve", "--help").stdout):
        assert (f"-l {option[2:]}" if shell == "fish" else option) in done.stdout
    if not shutil.which(shell):
        return
    path = tmp_path / "completion"
    path.write_text(done.stdout)
    checked = subprocess.run([shell, "-n", str(path)], capture_output=True, check=False)
    assert checked.returncode == 0 and checked.stderr == b""


@pytest.mark.parametrize("words, offered", [
    (["callosum", ""], set(COMMANDS)),
    (["callosum", "s"], {"serve", "send", "simulate", "schema"}),
    (["callosum", "convert", "--p"], {"--pretty"}),
    (["callosum", "completion", ""], {"bash", "zsh", "fish"}),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bash_completes(words, offered):
    script = callosum("completion", "bash").stdout
    quoted = " ".join(f"'{word}'" for word in words)
    script += f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _callosum; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


# ---- What can't be used --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ["convert", "missing.hl7"], ["validate", "missing.json"], ["import", "missing.ndjson"], ["send", "missing.hl7"],
    ["check", "missing"], ["check"], ["serve", "--config", "missing"], ["serve", "--store", "missing/callosum.db"],
    ["query", "--store", "missing.db", "Patient"], ["simulate", "--out", "missing/folder"],
], ids=" ".join)
def test_missing_files(arguments, tmp_path):
    done = callosum(*arguments, folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "missing" in done.stderr or arguments == ["check"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("arguments", [
    ["send", "--port", "{port}", "admission.hl7"], ["query", "--url", "http://127.0.0.1:{port}/fhir", "Patient"],
    ["trace", "--url", "http://127.0.0.1:{port}", "1"], ["simulate", "--mllp", "127.0.0.1:{port}", "--count", "3"],
    ["simulate", "--mllp", "127.0.0.1:{port}", "--fhir", "http://127.0.0.1:{port}/fhir", "--count", "3"],
], ids=lambda arguments: arguments[0])
def test_nobody_listens(arguments, message):
    port = free_port()
    done = callosum(*[argument.format(port=port) for argument in arguments], folder=message.parent)
    assert done.returncode == 3 and "onnect" in done.stderr


@pytest.mark.parametrize("option", ["--http", "--mllp"])
def test_a_port_that_is_taken(option, tmp_path):
    other = "--mllp" if option == "--http" else "--http"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = callosum("serve", option, f"127.0.0.1:{port}", other, "127.0.0.1:0", folder=tmp_path)
    assert done.returncode == 3 and str(port) in done.stderr and "in use" in done.stderr


def test_a_store_that_is_open_elsewhere(fresh_server):
    for arguments in (["serve", "--http", ":0", "--no-mllp"], ["import", "-"]):
        done = callosum(*arguments, "--store", fresh_server.store, data=b"{}")
        assert done.returncode == 3 and "open" in done.stderr


# ---- Files in, files out -------------------------------------------------------------------------


def test_convert_writes_one_bundle_for_each_message(message):
    second = message.parent / "two.hl7"
    second.write_bytes(ADMISSION + ADMISSION.replace(b"CLI1", b"CLI2").replace(b"4711", b"4712"))
    done = callosum("convert", message, second)
    bundles = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [made["type"] for made in bundles] == ["message"] * 3
    people = [e["resource"] for made in bundles for e in made["entry"] if e["resource"]["resourceType"] == "Patient"]
    assert [person["identifier"][0]["value"] for person in people] == ["4711", "4711", "4712"]
    assert people[0]["birthDate"] == "1980-02-17" and people[0]["gender"] == "female"


def test_convert_reads_standard_input_and_indents(message):
    done = callosum("convert", "--pretty", "--quiet", "--bundle-type", "transaction", "-", data=ADMISSION)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith('{\n  "resourceType": "Bundle"')
    assert json.loads(done.stdout)["type"] == "transaction"


def test_convert_tells_where_each_element_came_from(message):
    done = callosum("convert", "--lineage", message)
    assert re.search(r"^Patient\.birthDate\tPID-7(\.\d)*\tsegments/PID\.map line \d+$", done.stderr, re.M)


XML = '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="x1"/><active value="true"/></Patient>'


def test_convert_turns_fhir_xml_into_json_and_back():
    done = callosum("convert", "-", data=XML.encode())
    assert done.returncode == 0 and json.loads(done.stdout) == {"resourceType": "Patient", "id": "x1", "active": True}
    back = callosum("convert", "-", data=done.stdout.encode())
    assert back.returncode == 0 and back.stdout == XML + "\n"
    bad = callosum("convert", "-", data=XML.replace("active", "foo").encode())
    assert bad.returncode == 1 and "Patient.foo" in bad.stderr


def test_validate_and_import_read_xml(tmp_path):
    file = tmp_path / "patient.xml"
    file.write_text(XML.replace("<id", "\n<id"))
    assert callosum("validate", file).returncode == 0
    wrong = callosum("validate", "-", data=XML.replace('"true"', '"maybe"').encode())
    assert wrong.returncode == 1 and "Patient.active" in wrong.stdout
    done = callosum("import", "--store", tmp_path / "x.db", file)
    assert done.returncode == 0, done.stderr
    assert "1 created" in done.stdout + done.stderr


def test_convert_says_which_message_it_could_not(message):
    bad = message.parent / "bad.hl7"
    bad.write_bytes(b"this is not a message")
    done = callosum("convert", bad, message)
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
    assert "bad.hl7" in done.stderr and "1 of 2 messages" in done.stderr


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/data is not there")
def test_what_convert_writes_is_valid():
    files = sorted(SAMPLES.glob("ADT-A0*.hl7"))[:10]
    converted = callosum("convert", "--quiet", *files)
    done = callosum("validate", "-", data=converted.stdout.encode())
    assert converted.returncode == 0 and done.returncode == 0, done.stderr
    assert done.stderr == f"{len(files)} resources, 0 invalid\n"


def test_validate_tells_each_fault_with_its_place(tmp_path):
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(patient(gender="f", birthDate="1980-02-30", colour="red")))
    done = callosum("validate", path)
    assert done.returncode == 1 and done.stderr == "1 resource, 1 invalid\n"
    for place in ("Patient.gender: ", "Patient.birthDate: ", "'colour'"):
        assert place in done.stdout
    assert callosum("validate", "--quiet", path).stdout == ""


def test_import_then_query_without_a_server(tmp_path):
    path = tmp_path / "people.ndjson"
    path.write_text("".join(json.dumps(patient(f"Name{n:02}", id=f"p{n}", birthDate=f"19{60 + n}-01-01")) + "\n" for n in range(30)))
    store = tmp_path / "callosum.db"
    done = callosum("import", "--store", store, path)
    assert done.returncode == 0 and "30 created" in done.stdout, done.stderr
    done = callosum("query", "--store", store, "Patient?name=name07")
    assert done.returncode == 0 and json.loads(done.stdout)["id"] == "p7"
    page = callosum("query", "--store", store, "Patient?_count=10&_sort=family")
    assert len(page.stdout.splitlines()) == 10 and "--all" in page.stderr
    everyone = callosum("query", "--store", store, "--all", "Patient?_count=10&_sort=family")
    assert [json.loads(line)["id"] for line in everyone.stdout.splitlines()] == [f"p{n}" for n in range(30)]


def test_import_tells_what_it_refused(tmp_path):
    done = callosum("import", "--store", tmp_path / "callosum.db", "-",
                    data=json.dumps(patient(id="good")).encode() + b"\n" + json.dumps(patient(id="bad", gender="f")).encode() + b"\n")
    assert done.returncode == 1 and "1 created" in done.stdout and "1 refused" in done.stdout
    assert "-:2: Patient.gender: " in done.stderr


# ---- Against a server ----------------------------------------------------------------------------


def test_send_prints_the_acknowledgements(fresh_server, message):
    done = callosum("send", "--port", fresh_server.mllp_port, "--verbose", message)
    assert done.returncode == 0 and done.stdout.startswith(f"AA\t{message}\n")
    assert "MSA|AA|CLI1" in done.stdout and "1 sent, 1 accepted, 0 refused" in done.stdout
    refused = message.parent / "refused.hl7"
    refused.write_bytes(ADMISSION.replace(b"ADT^A01^ADT_A01", b"XYZ^Z99").replace(b"CLI1", b"CLI2"))
    done = callosum("send", "--port", fresh_server.mllp_port, message, refused)
    assert done.returncode == 1 and "1 accepted, 1 refused" in done.stdout and "AR\t" in done.stdout


def test_query_formats(fresh_server, message):
    assert callosum("send", "--port", fresh_server.mllp_port, "-q", message).returncode == 0
    url = ["--url", fresh_server.base]
    line = callosum("query", *url, "Patient?identifier=4711")
    found = json.loads(line.stdout)
    assert line.returncode == 0 and found["name"][0]["family"] == "Lee"
    made = json.loads(callosum("query", *url, "--format", "bundle", "Patient").stdout)
    assert made["resourceType"] == "Bundle" and made["entry"][0]["resource"]["id"] == found["id"]
    table = callosum("query", *url, "--columns", "id,name.family,birthDate", "Patient").stdout.splitlines()
    assert table[0].split() == ["id", "name.family", "birthDate"]
    assert table[1].split() == [found["id"], "Lee", "1980-02-17"]
    nothing = callosum("query", *url, "Patient?name=nobody")
    assert nothing.returncode == 0 and nothing.stdout == ""
    wrong = callosum("query", *url, "Patient?colour=red")
    assert wrong.returncode == 1 and "colour" in wrong.stderr and wrong.stdout == ""


def test_trace_leads_back_and_forth(fresh_server, message):
    assert callosum("send", "--port", fresh_server.mllp_port, "-q", message).returncode == 0
    found = json.loads(callosum("query", "--url", fresh_server.base, "Patient").stdout)
    url = ["--url", fresh_server.addresses["http"]]
    back = callosum("trace", *url, f"Patient/{found['id']}", "birthDate")
    assert back.returncode == 0
    assert re.fullmatch(r"birthDate +PID-7\S* +message 1 +HIS\|MAIN +segments/PID\.map:\d+\n", back.stdout)
    forth = callosum("trace", *url, "1")
    assert forth.returncode == 0 and forth.stdout.startswith("message 1: ADT^A01 from HIS|MAIN, accepted\n")
    assert f"Patient/{found['id']} version 1" in forth.stdout and "birthDate" in forth.stdout
    for nowhere in (["99"], ["Patient/nobody"], [f"Patient/{found['id']}", "photo"]):
        done = callosum("trace", *url, *nowhere)
        assert done.returncode == 1 and done.stderr != "" and done.stdout == ""


def test_simulate_feeds_a_server_over_both_ways(fresh_server):
    done = callosum("simulate", "--mllp", f"127.0.0.1:{fresh_server.mllp_port}", "--fhir", fresh_server.base,
                    "--count", "300", "--seed", "5", seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 sent, 300 accepted, 0 refused" in done.stdout
    for system in ("HIS", "LABCORE", "RADIS", "SCHED", "PHARM", "CLINICA", "PORTAL"):
        assert system in done.stdout
    assert fresh_server.fhir("GET", "Patient?_summary=count").json["total"] > 5


def test_simulate_repeats_itself(tmp_path):
    runs = [callosum("simulate", "--out", "-", "--count", "200", "--seed", seed, "--quiet") for seed in (3, 3, 4)]
    assert all(done.returncode == 0 for done in runs)
    assert runs[0].stdout == runs[1].stdout != runs[2].stdout
    done = callosum("simulate", "--out", tmp_path / "messages", "--count", "20", "--quiet")
    assert done.returncode == 0 and len(list((tmp_path / "messages").iterdir())) == 20


# ---- Configuration -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A configuration folder; its fixture has no expected result yet."""
    made = tmp_path / "callosum.d"
    (made / "fixtures").mkdir(parents=True)
    (made / "maps").mkdir()
    (made / "callosum.yaml").write_text(
        "store: data.db\nmaps: maps\ntimeZone: \"+01:00\"\nhttp:\n  port: 0\n"
        "mllp:\n  - name: his\n    port: 0\n  - name: lab\n    port: 0\n    maxBytes: 4096\n")
    (made / "fixtures" / "admission.hl7").write_bytes(ADMISSION)
    return made


def test_check_writes_and_compares_fixtures(folder):
    expected = folder / "fixtures" / "admission.fhir.json"
    done = callosum("check", folder)
    assert done.returncode == 1 and "FAILED  admission.hl7" in done.stdout
    done = callosum("check", "--update", folder)
    assert done.returncode == 0 and json.loads(expected.read_text())["resourceType"] == "Bundle"
    assert "+01:00" in expected.read_text()
    done = callosum("check", "callosum.d", folder=folder.parent)
    assert done.returncode == 0 and "2 MLLP listeners" in done.stdout and "1 passed, 0 failed" in done.stdout
    assert callosum("check", folder=folder.parent).stdout == done.stdout
    expected.write_text(expected.read_text().replace("1980-02-17", "1980-02-18"))
    done = callosum("check", folder)
    assert done.returncode == 1 and re.search(r"FAILED  admission\.hl7: entry\[\d+\]\.resource\.birthDate", done.stdout)


@pytest.mark.parametrize("text, line, hint", [
    ("store: a.db\nstor: b.db\n", 2, "did you mean 'store'"),
    ("store: a.db\nstore: b.db\n", 2, "set twice"),
    ("http:\n  port: 99999\n", 2, "from 0 to 65535"),
    ("http:\n  port: 1\n  port: 2\n", 3, "set twice"),
    ("http:\n  frameTimeoutSeconds: 3\n", 2, "MLLP"),
    ("mllp:\n  - name: a\n    prot: 1\n", 3, "did you mean 'port'"),
    ("mllp:\n  port: 1\n", 2, "list"),
    ("timeZone: CET\n", 1, "+01:00"),
    ("- store\n", 1, "mapping"),
    ("http:\n  port: {\n", 3, "YAML"),
    ("limits:\n  searchPgae: 5\n", 2, "did you mean 'searchPage'"),
    ("limits:\n  searchPage: 0\n", 2, "from 1 to 10000"),
    ("limits:\n  searchPage: 1\n  searchPage: 2\n", 3, "set twice"),
    ("limits: 5\n", 1, "mapping"),
], ids=lambda value: repr(value) if isinstance(value, str) and "\n" in value else "")
@pytest.mark.parametrize("command", [["check"], ["serve", "--config"]], ids=["check", "serve"])
def test_a_wrong_configuration_is_told_with_its_line(command, text, line, hint, folder):
    (folder / "callosum.yaml").write_text(text)
    done = callosum(*command, folder, folder=folder.parent)
    assert done.returncode == (1 if command == ["check"] else 3)
    assert f"callosum.yaml line {line}: " in done.stderr and hint in done.stderr


def test_every_limit_is_documented():
    printed = dict(re.findall(r"^limits\.(\w+) +number +(.*) \(\d+\)$", callosum("check", "--settings").stdout, re.M))
    rows = dict(re.findall(r"^\| `(\w+)` \| \d+ to \d+ \| \d+ \| (.*) \|$", (ROOT / "docs/configuration.md").read_text(), re.M))
    assert len(printed) > 20 and printed == rows


def test_a_wrong_map_is_told_with_its_line(folder):
    (folder / "maps" / "segments").mkdir()
    built_in = (ROOT / "maps/segments/PID.map").read_text()
    row = next(number for number, text in enumerate(built_in.splitlines(), 1) if re.search("-> birthDate$", text))
    (folder / "maps/segments/PID.map").write_text(re.sub("-> birthDate$", "-> birthDay", built_in, count=1, flags=re.M))
    for arguments, code in ((["check", folder], 1), (["convert", "--maps", folder / "maps", "-"], 1), (["serve", "--config", folder], 3)):
        done = callosum(*arguments, data=ADMISSION)
        assert done.returncode == code and f"segments/PID.map line {row}: " in done.stderr and "birthDay" in done.stderr


def test_check_lists_the_settings_that_the_docs_list():
    names = {line.split()[0].split(".")[-1] for line in callosum("check", "--settings").stdout.splitlines()}
    text = (ROOT / "docs/configuration.md").read_text()
    documented = set(re.findall(r"`([A-Za-z]+)`", "\n".join(line for line in text.splitlines() if line.startswith("|"))))
    assert names == documented - {"http", "mllp"}


class Configured(Server):
    """A server that listens where its configuration says, which names several MLLP listeners."""

    def __init__(self, folder, *options):
        self.process = subprocess.Popen([PROGRAM, "serve", "--config", str(folder), *options], cwd=folder.parent,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.split())
            if line.startswith("store"):
                break
        self.port = int(self.lines[0][1].rsplit(":", 1)[1])
        self.mllp_ports = [int(address.rsplit(":", 1)[1]) for name, address in self.lines if name == "mllp"]


def test_serve_listens_as_its_configuration_says(folder, message):
    server = Configured(folder)
    try:
        assert len(server.mllp_ports) == 2 and ["store", f"{folder}/data.db"] in server.lines
        big = message.parent / "big.hl7"
        big.write_bytes(ADMISSION.replace(b"CLI1", b"CLI2") + b"NTE|1||" + b"x" * 5000 + b"\r")
        assert callosum("send", "--port", server.mllp_ports[0], message, big).returncode == 0
        refused = callosum("send", "--port", server.mllp_ports[1], "--timeout", "10", big)
        assert refused.returncode == 1 and "AA" not in refused.stdout
        log = server.request("GET", "/api/messages").json["messages"]
        assert {entry["channel"] for entry in log} == {"his", "lab"}
    finally:
        assert server.stop() == 0
    with sqlite3.connect(folder / "data.db") as db:
        assert db.execute("SELECT count(*) FROM message").fetchone()[0] == 3
        audits = db.execute("SELECT action, what, outcome FROM audit ORDER BY number").fetchall()
        assert audits == [("message", "ADT^A01", "0")] * 2 + [("message", "ADT^A01", "4")]


def test_an_empty_file_of_the_configuration_says_nothing(folder):
    (folder / "callosum.yaml").write_text("")
    done = callosum("check", folder, folder=folder.parent)
    assert "are valid: 1 MLLP listener" in done.stdout and done.stderr == ""


def test_options_win_over_the_configuration(folder):
    port = free_port()
    server = Configured(folder, "--store", str(folder / "other.db"), "--http", f"127.0.0.1:{port}", "--no-mllp")
    try:
        assert server.lines == [["http", f"http://127.0.0.1:{port}"], ["store", f"{folder}/other.db"]]
        assert not (folder / "data.db").exists()
    finally:
        assert server.stop() == 0


def test_the_time_zone_of_the_configuration_is_used(folder, message):
    server = Configured(folder)
    try:
        assert callosum("send", "--port", server.mllp_ports[0], "-q", message).returncode == 0
        found = server.request("GET", "/fhir/Encounter").json["entry"][0]["resource"]
        assert found["period"]["start"] == "2026-02-17T08:30:00+01:00"
    finally:
        assert server.stop() == 0


def test_the_default_store_is_here_or_where_state_is_kept(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "empty.d").mkdir()
    for options in ([], ["--config", "empty.d"]):
        process = subprocess.Popen([PROGRAM, "serve", "--http", "127.0.0.1:0", "--no-mllp", *options], cwd=tmp_path,
                                   stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "XDG_STATE_HOME": str(state)})
        lines = [process.stdout.readline().split() for _ in range(2)]
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
        assert lines[1] == ["store", f"{state}/callosum/callosum.db"]


def test_a_transaction_bundle_can_be_imported_and_shown(tmp_path):
    """The commands fit together: what one writes, the next one reads."""
    full_url = "urn:uuid:00000000-0000-4000-8000-000000000001"
    whole = bundle("transaction", entry("POST", "Patient", patient(), full_url=full_url),
                   entry("POST", "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                                                 "subject": {"reference": full_url}}))
    assert callosum("validate", "-", data=json.dumps(whole).encode()).returncode == 0
    store = tmp_path / "callosum.db"
    assert callosum("import", "--store", store, "-", data=json.dumps(whole).encode()).returncode == 0
    observation = json.loads(callosum("query", "--store", store, "Observation").stdout)
    person = json.loads(callosum("query", "--store", store, "Patient").stdout)
    assert observation["subject"]["reference"] == f"Patient/{person['id']}"
