# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Several hosts on one machine: TLS, machines and schedulers that are lost, machines not used."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

import pytest
from fleet_hosts import Fleet, fleet, joined
from tracing import bufbench, eventually

from bench.fleet import certificates
from bench.host import process
from bench.journal.reader import read_journal

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@pytest.fixture
def local(tmp_path: Path, port: int) -> Iterator[Fleet]:
    with fleet(tmp_path, f"127.0.0.1:{port}") as made:
        made.scheduler()
        yield made


def row(place: Path, name: str) -> dict[str, object]:
    machines = json.loads((place / "fleet.json").read_text())["machines"]
    return next(each for each in machines if each["name"] == name)


def test_two_hosts_with_tls_give_a_journal_each(tmp_path: Path) -> None:
    certificates.make(tmp_path / "certificates", days=1)
    with joined("a", "b") as where:
        address, bridge = where.split()
        with fleet(tmp_path, address, tmp_path / "certificates") as made:
            made.scheduler()
            for name in "ab":
                made.worker(name, "ip", "netns", "exec", f"{bridge}-{name}")
            done = made.run("out", "--machines=2", "--set=count=3")
            assert done.returncode == 0, done.stderr
            for name in "ab":
                journal = (tmp_path / f"out/{name}.jsonl").read_bytes()
                assert journal.count(b'"trial"') == 3
                assert row(tmp_path / "out", name)["sha256"] == sha256(journal).hexdigest()
                assert [each.name for each in made.spool(name).iterdir()] == ["measured"]
            certificates.make(tmp_path / "others", days=1)
            refused = bufbench(
                *("fleet", "run", f"--scheduler={address}", "--set=count=1"),
                *(f"--certificates={tmp_path}/others", f"--output={tmp_path}/none"),
            )
            assert refused.returncode == 3
            assert "takes this client" in refused.stderr
            assert refused.stderr.count("\n") == 1


def test_a_link_that_is_cut_for_a_while_costs_nothing(tmp_path: Path) -> None:
    certificates.make(tmp_path / "certificates", days=1)
    with joined("a") as where:
        address, bridge = where.split()
        with fleet(tmp_path, address, tmp_path / "certificates") as made:
            made.scheduler()
            made.worker("a", "ip", "netns", "exec", f"{bridge}-a")
            with made.running("--set=count=30") as running:
                for state in ("down", "up"):
                    process.run(["ip", "link", "set", f"{bridge}v2", state], timeout_s=10)
                    assert state == "up" or eventually(lambda: len(made.measured("a")) == 30)
                _, said = running.communicate(timeout=90)
            assert running.returncode == 0, said
            assert len(made.measured("a")) == 30


@pytest.mark.parametrize("words", [("worker",), ("run", "--profile=quick", "--output=out")])
def test_no_scheduler_there_is_a_line(words: tuple[str, ...], port: int) -> None:
    where = [f"127.0.0.1:{port}"] if words == ("worker",) else [f"--scheduler=127.0.0.1:{port}"]
    done = bufbench("fleet", *words, *where)
    assert done.returncode == 3
    assert f"no scheduler at 127.0.0.1:{port}: Connection refused" in done.stderr
    assert not Path("out").exists()


def test_a_worker_that_is_killed_goes_on_where_it_was(local: Fleet) -> None:
    victim = local.worker("a")
    with local.running("--set=count=40") as running:
        victim.kill()
        victim.wait()
        assert running.stderr is not None
        # Its task fails after a minute, so that there is an end to what is said.
        said = [*takewhile(lambda line: "a: lost" not in line, running.stderr)]
        local.worker("a")
        said.append(running.communicate(timeout=60)[1])
    assert running.returncode == 0, said
    assert len(local.measured("a")) == len(set(local.measured("a"))) == 40


def test_another_machine_of_the_type_takes_over_and_one_of_another_does_not(local: Fleet) -> None:
    victim = local.worker("a")
    local.worker("b")
    local.worker("c", cpu_model="another")
    with local.running("--machines=3", "--set=count=20") as running:
        victim.kill()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert row(local.folder / "out", "a")["machine"] == "b"
    assert (len(local.measured("b")), len(local.measured("c"))) == (40, 20)


def test_a_scheduler_that_is_started_again_costs_nothing(local: Fleet) -> None:
    local.worker("a")
    with local.running("--set=count=40") as running:
        scheduler = local._running[0]
        scheduler.kill()
        scheduler.wait()
        local.scheduler()
        _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(local.measured("a")) == 40


def test_machines_that_are_not_used_are_named_with_why(local: Fleet) -> None:
    local.worker("a")
    local.worker("old", bufbench="9.9")
    local.worker("dask", dask="1.0")
    local.worker("unfit", unfit="BTF: none")
    done = local.run("out", "--machines=4", "--set=count=1")
    assert done.returncode == 3
    for line in (
        "old: not used, has bufbench 9.9",
        "dask: not used, has Dask 1.0",
        "unfit: not used, BTF: none",
    ):
        assert line in done.stdout
        assert line in done.stderr
    assert (local.folder / "out/a.jsonl").exists()
    assert not local.measured("old") + local.measured("dask") + local.measured("unfit")


@pytest.mark.skipif(os.geteuid() != 0, reason="takes privileges away, which takes root")
def test_a_worker_without_privileges_is_a_row_with_its_reason(local: Fleet) -> None:
    local.worker("weak", "setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon", real=True)
    done = local.run("out", "--set=count=1")
    assert done.returncode == 3
    assert "weak: not used, privileges: lacks CAP_BPF and CAP_PERFMON" in done.stdout


def test_what_was_interrupted_is_resumed_and_nothing_is_measured_twice(local: Fleet) -> None:
    local.worker("a")
    with local.running("--set=count=30") as running:
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 143
    assert "add --resume" in local.run("out", "--set=count=30").stderr
    assert "another plan" in local.run("out", "--set=count=31", "--resume").stderr
    done = local.run("out", "--set=count=30", "--resume")
    assert done.returncode == 0, done.stderr
    assert local.run("out", "--set=count=30", "--resume").returncode == 0
    assert len(local.measured("a")) == 30


def test_a_plan_that_fails_has_its_reason(local: Fleet) -> None:
    local.worker("a")
    done = local.run("out", "--set=count=1", "--set=seed=13")
    assert done.returncode == 3
    assert "a: failed, no such luck" in done.stdout


@pytest.mark.live
def test_a_storm_is_measured(local: Fleet) -> None:
    local.worker("a", real=True)
    options = ("workload=storm", "count=500", "blocks=1")
    done = local.run("out", *(f"--set={each}" for each in options))
    assert done.returncode == 0, done.stderr
    assert len(read_journal(local.folder / "out/a.jsonl").trials) >= 2
