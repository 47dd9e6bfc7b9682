# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test plans, addresses, certificates and folders, without Dask."""

from __future__ import annotations

import json
import pickletools
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tracing import bufbench

from bench.cli import app
from bench.errors import BufbenchError, JournalError, UsageError
from bench.fleet import address, certificates, task
from bench.fleet.folder import Folder
from bench.fleet.plan import Plan, options_of, parse
from bench.fleet.roster import Row, State
from bench.fleet.spool import Ended, Spool
from bench.host import ownership, process

QUICK = Plan(id="", profile="quick")
PLAN = Plan(id="0123456789abcdef", profile="quick", options={"seed": "2"}).task("host-1")


def test_a_plan_is_what_was_sent() -> None:
    assert parse(PLAN.text()) == PLAN
    words = ["--no-config", "run", "--quiet", "--wait", "--profile=quick", "--seed=2"]
    assert PLAN.words(Path("j"), resume=True) == [*words, "--output=j", "--resume"]


def test_a_plan_of_kernels_writes_a_folder_that_becomes_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(id=PLAN.id, profile="kernels", only=("6.12", "ci-kernels:6.1"))
    assert parse(plan.text()) == plan
    of_one = replace(plan, id="0123456789abcdef").task("a+ci-kernels_6.1+b", "ci-kernels:6.1")
    assert parse(of_one.text()).only == ("ci-kernels:6.1",)
    words = ["--no-config", "kernels", "run", "--wait", "6.12", "ci-kernels:6.1", "--output=f"]
    assert plan.words(Path("f"), resume=False) == words
    called: list[list[str]] = []

    def calls(words: list[str]) -> Ended:
        called.append(words)
        for name in ("6.1", "6.12"):
            (spool.folder(plan.id) / name).mkdir(parents=True, exist_ok=True)
            (spool.folder(plan.id) / name / "journal.jsonl").write_text(f"{name}\n")
        return Ended(exit_code=3 if len(called) == 1 else 0, said="")

    monkeypatch.setattr(task, "_called", calls)
    spool = Spool(tmp_path)
    assert task.run(plan, spool).exit_code == 3
    for _ in ("run", "known"):
        assert task.run(plan, spool).journal == b"6.1\n6.12\n"
    assert [words[-1] == "--resume" for words in called] == [False, True]
    spool.forget(plan.id)
    assert [*tmp_path.iterdir()] == []


def test_kernels_of_which_none_could_be_run_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(id=PLAN.id, profile="kernels", only=("99.1",))
    monkeypatch.setattr(task, "_called", lambda _: Ended(exit_code=3, said="no kernel 99.1"))
    assert task.run(plan, Spool(tmp_path)).said == "no kernel 99.1"
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc/passwd"},
        {"id": "0123456789abcdef"},
        {"schema": 2},
        {"profile": "/etc/passwd"},
        {"options": {"output": "/etc/passwd"}},
        {"options": {"storm-user": "root"}},
        {"options": {"seed": 1}},
        {"only": "rb-order"},
        {"profile": "kernels"},
        {"profile": "kernels", "only": ["./bzImage"]},
    ],
)
def test_what_is_no_plan_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        parse(json.dumps({**json.loads(PLAN.text()), **change}))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "import os", '{"id": 1}', "\0"])
def test_what_is_no_json_of_a_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a plan"):
        parse(text)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("scheduler", "--bind=0.0.0.0"), "not loopback"),
        (("worker", "192.0.2.1"), "not loopback"),
        (("run", "--profile=quick", "--scheduler=192.0.2.1", "--output=out"), "not loopback"),
        (("run", "--local", "--profile=quick", "--only=x", "--output=out"), "--only"),
        (("run", "--local", "--profile=claims", "--only=x", "--output=out"), "no claim 'x'"),
        (("run", "--local", "--profile=kernels", "--output=out"), "no kernel to run"),
        (("run", "--local", "--profile=kernels", "--only=a/b", "--output=out"), "no kernel 'a/b'"),
        (("run", "--profile=quick", "--output=out"), "either --scheduler ADDRESS or --local"),
        (("run", "--local", "--scheduler=h", "--profile=quick", "--output=out"), "either"),
        (("run", "--local", "--output=out"), "nothing to run"),
        (("run", "--local", "--machine=a", "--profile=quick", "--output=out"), "--machine"),
        (("run", "--scheduler=h:", "--profile=quick", "--output=out"), "'h:' is not an address"),
        (("run", "--local", "--set=count", "--output=out"), "--set 'count' has no value"),
        (("run", "--local", "--set=count=1", "--set=count=2", "--output=out"), "gives count twice"),
        (("run", "--local", "--profile=quick", "--output=/dev/null"), "Not a directory"),
        (("run", "--local", "--profile=quick", "--output=out", "--resume"), "no fleet's run"),
        (("worker", "127.0.0.1", "--name=../a"), "cannot be called"),
        (("worker", "127.0.0.1", "--certificates=/dev/null"), "cannot be used"),
        (("worker", "127.0.0.1", "--spool=/dev/null/spool"), "choose another with --spool"),
        (("certificates", "/dev/null/certificates"), "choose another with FOLDER"),
        (("scheduler", "--bind=*"), "is not an address"),
    ],
)
def test_wrong_usage_is_an_error_of_a_line(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        app.run(["fleet", *words])


@pytest.mark.parametrize("written", [["seed"], ["seed=1", "seed=2"], ["output=x"]])
def test_an_option_that_no_plan_has_is_refused(written: list[str]) -> None:
    with pytest.raises(UsageError):
        options_of(written)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("10.0.0.1", "tls://10.0.0.1:8786"),
        ("tcp://host:1", "tls://host:1"),
        ("[::1]:99", "tls://[::1]:99"),
    ],
)
def test_addresses(text: str, uri: str) -> None:
    assert address.parse(text).uri(tls=True) == uri


@pytest.mark.parametrize("text", ["", "*", "*:1", "[*]", "a b:c", "h:99999", "::1", "http://h"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        address.parse(text).without_tls()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("127.0.0.1", "127.0.0.1:8786"), ("127.1:9", "127.0.0.1:9"), ("[::1]:1", "[::1]:1")),
        *(("localhost", "127.0.0.1:8786"), ("tls://127.0.0.2", "127.0.0.2:8786")),
        *((each, None) for each in ("0.0.0.0", "0", "[::]:1", "10.0.0.1", "[fe80::1]")),
        *((each, None) for each in ("[::ffff:10.0.0.1]", "[::ffff:0.0.0.0]", "1", "0x0a000001")),
    ],
)
def test_loopback(text: str, found: str | None) -> None:
    inside = address.parse(text).on_loopback()
    assert (inside and str(inside)) == found


def test_a_name_off_loopback_by_any_of_its_addresses_or_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meant = ["127.0.0.1"]
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in meant]
    )
    name = address.parse("fleet.example")
    assert name.without_tls().uri(tls=False) == "tcp://127.0.0.1:8786"  # whatever it means later
    meant.append("192.0.2.1")
    with pytest.raises(UsageError, match="not loopback"):
        name.without_tls()


def test_dask_s_own_configuration_does_not_count(tmp_path: Path) -> None:
    names = ("scheduler.preload", "comm.tls.ciphers", "scheduler.contact-address")
    code = f"""
from bench.fleet import engine
engine.require()
import dask
print([dask.config.get(f"distributed.{{name}}") for name in {names}])
"""
    there = tmp_path / ".config/dask/mine.yaml"
    there.parent.mkdir(parents=True)
    there.write_text("distributed: {scheduler: {preload: [mine]}}")
    own = {
        "HOME": str(tmp_path),
        "DASK_DISTRIBUTED__COMM__TLS__CIPHERS": "NULL",
        "DASK_DISTRIBUTED__SCHEDULER__CONTACT_ADDRESS": "tcp://192.0.2.1:1",
    }
    done = process.run([sys.executable, "-P", "-c", code], timeout_s=60, check=False, env=own)
    assert done.stdout == "[[], None, None]\n", done.stderr
    there.write_text("[")
    done = bufbench("fleet", "scheduler", **own)
    assert done.returncode == 3
    assert f"Dask cannot read its configuration: A dask config file at '{there}'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_names_of_functions_are_sent() -> None:
    from distributed.protocol import pickle

    for each in (task.run_plan, task.forget):
        sent = pickle.dumps(each)
        words = {given for _, given, _ in pickletools.genops(sent) if isinstance(given, str)}
        assert words == {"bench.fleet.task", each.__name__}


def test_certificates_replace_none_and_keys_are_the_owners(tmp_path: Path) -> None:
    for each in certificates.make(tmp_path / "c", days=1):
        assert stat.S_IMODE(each.stat().st_mode) == (0o600 if "key" in each.name else 0o644)
    with pytest.raises(UsageError, match="there already"):
        certificates.make(tmp_path / "c", days=1)
    certificates.security(tmp_path / "c", certificates.Role.WORKER)
    (tmp_path / "c/worker-key.pem").chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        certificates.security(tmp_path / "c", certificates.Role.WORKER)


@pytest.mark.parametrize("name", ["client.pem", "client-key.pem", "ca.pem"])
@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_certificates_that_cannot_be_used(tmp_path: Path, name: str, content: bytes | None) -> None:
    certificates.make(tmp_path, days=1)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(BufbenchError, match=r"cannot be used"):
        certificates.security(tmp_path, certificates.Role.CLIENT)


def test_a_certificate_that_is_over_names_the_clock(tmp_path: Path) -> None:
    certificates.make(tmp_path, days=-1)
    with pytest.raises(UsageError, match="by this machine; set the clock"):
        certificates.security(tmp_path, certificates.Role.CLIENT)


def test_a_full_disk_leaves_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Folder.opened(tmp_path / "out", QUICK, resume=False) as (folder, _):
        row = Row(name="a", machine="a")
        folder.keep(row, b"whole")
        folder.save([row])
        full = Path("/dev/full")
        monkeypatch.setattr(ownership, "write", lambda _, content: full.write_bytes(content))
        with pytest.raises(JournalError, match="the workers keep what they measured"):
            folder.keep(Row(name="b", machine="b"), b"more")
    assert row.state is State.DONE
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"a.jsonl", "fleet.json"}
    assert folder.journal("a").read_bytes() == b"whole"


def test_a_folder_is_of_one_run_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "made/out"
    with Folder.opened(place, QUICK, resume=False):
        with (
            pytest.raises(UsageError, match="another fleet run writes to"),
            Folder.opened(place, QUICK, resume=False),
        ):
            pass
        assert place.exists()
    assert not place.exists()  # nothing was written
    with Folder.opened(place, QUICK, resume=False) as (folder, _):
        folder.save([])
    with Folder.opened(place, QUICK, resume=True) as (again, done):
        assert (again.plan, done) == (folder.plan, ())


def test_a_folder_that_cannot_be_used_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "journals").mkdir()
    (tmp_path / "journals/a.jsonl").write_text("mine")
    for name, why in (("file", "Not a directory"), ("journals", "a.jsonl is there already")):
        with (
            pytest.raises(UsageError, match=why),
            Folder.opened(tmp_path / name, QUICK, resume=False),
        ):
            pass
    for each in (tmp_path / "file", tmp_path / "journals/a.jsonl"):
        assert each.read_text() == "mine"


def test_progress_reads_what_was_added(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    stage = {"experiment": "e", "arms": ["x", "y"], "first_block": 0, "blocks": 3}
    with spool.held("t") as journal, journal.open("w") as file:
        for line in (
            {"schema": 3, "kind": "machine", "plan": {"stages": [stage]}},
            {"schema": 3, "kind": "trial"},
            {"schema": 3, "kind": "trial"},
            {"schema": 3, "kind": "plan", "stages": [stage]},
        ):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
        file.write('{"schema":3,"kind":"trial"')
        file.flush()
        seen = spool.progress()
        assert seen is not None
        assert (seen.trials, seen.planned) == (2, 12)
    assert spool.progress() is None
