# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test several hosts on one machine: TLS, lost machines and schedulers, machines not used."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from urllib.request import urlopen

import pytest
from fleet_hosts import Fleet, Network, fleet, network, row, unused_port
from tracing import BUFBENCH, PATIENCE_S, bufbench, eventually, reaches

from bench.fleet import certificates
from bench.host import lock, process
from bench.journal.reader import read_journal

pytestmark = pytest.mark.slow


@pytest.fixture
def joined() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture
def hosts(tmp_path: Path, joined: Network) -> Iterator[Fleet]:
    """Yield a fleet with TLS: each worker on a host with its own network, mounts and processes."""
    with fleet(tmp_path, joined) as made:
        made.scheduler()
        yield made


def test_two_hosts_give_a_journal_each(hosts: Fleet) -> None:
    for name in "ab":
        hosts.worker(name)
    done = hosts.run("out", "--machines=2", "--set=count=3")
    assert done.returncode == 0, done.stderr
    link = re.search(r"Dask's dashboard: (http://127.0.0.1:\d+/status) after: ssh -L", done.stderr)
    assert link is not None
    assert b"<title>" in urlopen(link[1], timeout=10).read()
    for name in "ab":
        journal = (hosts.folder / f"out/{name}.jsonl").read_bytes()
        assert journal.count(b'"trial"') == 3
        assert row(hosts.folder / "out", name)["sha256"] == sha256(journal).hexdigest()
        assert hosts.kept(name) == []


def test_certificates_of_another_fleet_are_refused(hosts: Fleet) -> None:
    others = hosts.folder / "others"
    certificates.make(others, days=1)
    run = ("run", f"--scheduler={hosts.address}", "--set=count=1", f"--output={hosts.folder}/none")
    worker = ("worker", hosts.address, f"--spool={hosts.folder}/spool")
    for words, role in ((run, "client"), (worker, "worker")):
        refused = bufbench("fleet", *words, f"--certificates={others}")
        assert refused.returncode == 3
        assert f"accepts this {role}" in refused.stderr
        assert refused.stderr.count("\n") == 1


def listening(of: str, *before: str) -> set[tuple[str, int]]:
    """Return address and port of what listens, on lines of ss with ``of``."""
    lines = process.run([*before, "ss", "-ltnpH"], timeout_s=10).stdout.splitlines()
    places = [line.split()[3].rpartition(":") for line in lines if of in line]
    return {(host.strip("[]"), int(port)) for host, _, port in places}


def test_nothing_listens_off_loopback_but_with_tls_of_both_sides(
    hosts: Fleet, joined: Network
) -> None:
    hosts.worker("a")
    on_worker = listening("", "nsenter", f"--net={joined.space('a')}")
    places = on_worker | listening(f"pid={hosts._running[0].pid},")
    off_loopback = {each for each in places if each[0] != "127.0.0.1"}
    assert {host for host, _ in off_loopback} == {f"{joined.net}.1", f"{joined.net}.2"}
    assert len(off_loopback) == 2
    without = ssl.create_default_context(cafile=hosts.folder / "certificates/ca.pem")
    without.check_hostname = False  # as Dask does
    for place in off_loopback:
        with (
            socket.create_connection(place, timeout=10) as plain,
            pytest.raises(ssl.SSLError, match="certificate required"),
            without.wrap_socket(plain) as secure,
        ):
            secure.recv(1000)


@pytest.mark.parametrize("loopback", ["localhost", "[::1]"])
def test_on_loopback_no_certificates_are_needed(tmp_path: Path, loopback: str) -> None:
    with fleet(tmp_path, loopback=loopback) as made:
        made.scheduler()
        made.worker("a")
        done = made.run("out", "--set=count=1")
    assert done.returncode == 0, done.stderr
    assert "loopback only, without TLS" in made.said("scheduler")


def test_a_link_that_is_cut_for_a_while_costs_nothing(hosts: Fleet, joined: Network) -> None:
    hosts.worker("a")
    with hosts.running("--set=count=30") as running:
        joined.set_link("a", "down")
        assert eventually(lambda: len(hosts.measured("a")) == 30)
        joined.set_link("a", "up")
        _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(hosts.measured("a")) == 30


def test_a_link_that_is_cut_for_longer_than_connections_live_costs_nothing(
    hosts: Fleet, joined: Network
) -> None:
    """Let the worker come back while its task still runs, which it then waits for."""
    hosts.worker("a")
    with hosts.running("--set=count=20") as running:
        with hosts.held("a"):
            joined.set_link("a", "down")
            assert running.stderr is not None
            said = [*takewhile(lambda line: "a: lost" not in line, running.stderr)]
            joined.set_link("a", "up")
            assert reaches(running, lambda: hosts.said("a").count("works for") == 2)
        said.append(running.communicate(timeout=90)[1])
    assert running.returncode == 0, said
    assert len(hosts.measured("a")) == 20
    assert hosts.kept("a") == []
    assert (hosts.folder / "out/a.jsonl").read_bytes().count(b'"trial"') == 20


@pytest.mark.skipif(shutil.which("tc") is None, reason="there is no tc")
def test_a_slow_link_only_takes_longer(hosts: Fleet, joined: Network) -> None:
    """Send a journal for longer than connections live without an answer."""
    hosts.worker("a")
    slow = "qdisc add dev eth0 root tbf rate 200kbit burst 4kb latency 400ms"
    process.run(["nsenter", f"--net={joined.space('a')}", "tc", *slow.split()], timeout_s=10)
    done = hosts.run("out", "--set=count=10", "--set=payload=100000")
    assert done.returncode == 0, done.stderr
    assert "lost" not in done.stderr
    journal = hosts.folder / "out/a.jsonl"
    assert journal.stat().st_mtime - (hosts.spool("a") / "measured").stat().st_mtime > 35
    assert len(hosts.measured("a")) == journal.read_bytes().count(b'"trial"') == 10
    assert hosts.kept("a") == []


@pytest.mark.skipif(shutil.which("iptables") is None, reason="there is no iptables")
def test_a_worker_that_the_scheduler_cannot_connect_to_is_a_line(
    hosts: Fleet, joined: Network
) -> None:
    firewall = "iptables -A INPUT -i eth0 -p tcp --syn -j DROP"
    on = joined.on("a")
    process.run(["nsenter", f"--net={joined.space('a')}", *firewall.split()], timeout_s=10)
    done = process.run([*on, *BUFBENCH, *hosts.joining("a")], timeout_s=60, check=False)
    assert done.returncode == 3
    assert "cannot connect to this machine at tls://10." in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("worker",), ("run", "--profile=quick", "--output=out")])
def test_no_scheduler_there_is_a_line(words: tuple[str, ...]) -> None:
    port = unused_port()
    where = [f"127.0.0.1:{port}"] if words == ("worker",) else [f"--scheduler=127.0.0.1:{port}"]
    done = bufbench("fleet", *words, *where)
    assert done.returncode == 3
    assert f"no scheduler at 127.0.0.1:{port}: Connection refused" in done.stderr
    assert not Path("out").exists()


def test_a_worker_that_is_killed_goes_on_where_it_was(hosts: Fleet) -> None:
    victim = hosts.worker("a")
    with hosts.running("--set=count=40") as running:
        victim.kill()
        victim.wait()
        assert running.stderr is not None
        # Its task fails after a minute, so that there is an end to what is said.
        said = [*takewhile(lambda line: "a: lost" not in line, running.stderr)]
        hosts.worker("a")
        said.append(running.communicate(timeout=60)[1])
    assert running.returncode == 0, said
    assert len(hosts.measured("a")) == len(set(hosts.measured("a"))) == 40


@pytest.mark.parametrize("moment", ["measured", "ended", "fetched", "acknowledged"])
def test_a_worker_that_is_killed_once_it_has_measured(hosts: Fleet, moment: str) -> None:
    victim = hosts.worker("a", dies=moment)
    with hosts.running("--set=count=10") as running:
        victim.wait()
        hosts.worker("a")
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    journal = hosts.folder / "out/a.jsonl"
    assert row(hosts.folder / "out", "a")["sha256"] == sha256(journal.read_bytes()).hexdigest()
    assert journal.read_bytes().count(b'"trial"') == len(hosts.measured("a")) == 10
    # What was not forgotten is so once its run is taken up again.
    assert hosts.run("out", "--set=count=10", "--resume").returncode == 0
    assert hosts.kept("a") == []
    assert len(hosts.measured("a")) == 10


def test_another_machine_of_the_type_takes_over_and_one_of_another_does_not(hosts: Fleet) -> None:
    victim = hosts.worker("a")
    hosts.worker("b")
    hosts.worker("c", cpu_model="another")
    with hosts.running("--machines=3", "--set=count=20") as running:
        victim.kill()
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    out = hosts.folder / "out"
    assert row(out, "a")["state"] == "replaced"
    assert row(out, "a+b")["machine"] == "b"
    assert hosts.trials("a") >= len(hosts.measured("a")) > 5  # what it had measured stays there
    assert (len(hosts.measured("b")), len(hosts.measured("c"))) == (40, 20)
    hosts.worker("a")
    done = hosts.run("out", "--set=count=20", "--resume")
    assert done.returncode == 0, done.stderr
    assert len(hosts.measured("a")) == (out / "a.jsonl").read_bytes().count(b'"trial"') == 20
    assert [hosts.kept(name) for name in "abc"] == [[], [], []]
    assert (len(hosts.measured("b")), len(hosts.measured("c"))) == (40, 20)


def test_a_scheduler_that_is_started_again_costs_nothing(hosts: Fleet) -> None:
    """Let the worker come back while its task still runs, which it then waits for."""
    hosts.worker("a")
    with hosts.running("--set=count=20") as running:
        with hosts.held("a"):
            scheduler = hosts._running[0]
            scheduler.kill()
            scheduler.wait()
            hosts.scheduler()
            assert reaches(running, lambda: hosts.said("a").count("works for") == 2)
        _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(hosts.measured("a")) == 20


def test_two_clients_with_the_same_plan_have_a_journal_each(hosts: Fleet) -> None:
    hosts.worker("a")
    words, known = "--set=count=20", hosts.folder / "other/fleet.json"
    with hosts.running(words) as running:
        with hosts.held("a"):
            into_the_same = hosts.run("out", words, "--resume")
            assert into_the_same.returncode == 2
            assert "another fleet run writes to" in into_the_same.stderr
            other = subprocess.Popen([*BUFBENCH, *hosts.words("other", words)])
            assert reaches(other, lambda: known.exists() and '"running"' in known.read_text())
        _, said = running.communicate(timeout=60)
        assert other.wait(60) == 0
    assert running.returncode == 0, said
    for place in ("out", "other"):
        assert (hosts.folder / place / "a.jsonl").read_bytes().count(b'"trial"') == 20
    assert len(hosts.measured("a")) == len(set(hosts.measured("a"))) == 40
    assert hosts.kept("a") == []


def test_a_full_disk_where_journals_are_collected(hosts: Fleet) -> None:
    place = hosts.folder / "out"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place]
    words = ("--set=count=10", "--set=payload=20000")
    hosts.worker("a")
    process.run(mounted, timeout_s=10)
    try:
        full = hosts.run("out", *words)
        assert full.returncode == 2
        assert "a.jsonl cannot be written: No space left on device; the workers keep" in full.stderr
        assert [each.name for each in place.iterdir()] == ["fleet.json"]
        assert hosts.trials("a") == 10
        process.run(["mount", "-o", "remount,size=4m", place], timeout_s=10)
        done = hosts.run("out", *words, "--resume")
        assert done.returncode == 0, done.stderr
        assert (place / "a.jsonl").read_bytes().count(b'"trial"') == 10
        assert len(hosts.measured("a")) == 10
        assert hosts.kept("a") == []
    finally:
        process.run(["umount", place], timeout_s=10)


@pytest.mark.parametrize(("ahead_s", "words"), [("86400", "24 h ahead"), ("-86400", "24 h behind")])
def test_a_clock_that_is_a_day_off_is_noted(hosts: Fleet, ahead_s: str, words: str) -> None:
    hosts.worker("a", ahead_s=ahead_s)
    done = hosts.run("out", "--set=count=3")
    assert done.returncode == 0, done.stderr
    assert f"its clock is {words}" in done.stderr
    assert row(hosts.folder / "out", "a")["notes"] == [f"its clock is {words}"]


def test_machines_that_are_not_used_are_named_with_why(hosts: Fleet) -> None:
    hosts.worker("a")
    hosts.worker("old", bufbench="9.9")
    hosts.worker("dask", dask="1.0")
    hosts.worker("unfit", unfit="BTF: none")
    done = hosts.run("out", "--machines=4", "--set=count=1")
    assert done.returncode == 3
    for line in (
        "old: not used, has bufbench 9.9",
        "dask: not used, has Dask 1.0",
        "unfit: not used, BTF: none",
    ):
        assert line in done.stdout
        assert line in done.stderr
    assert (hosts.folder / "out/a.jsonl").exists()
    assert not hosts.measured("old") + hosts.measured("dask") + hosts.measured("unfit")


def test_a_worker_without_privileges_is_a_row_with_its_reason(hosts: Fleet) -> None:
    hosts.worker("weak", "setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon", real=True)
    done = hosts.run("out", "--set=count=1")
    assert done.returncode == 3
    assert "weak: not used, privileges: lacks CAP_BPF and CAP_PERFMON" in done.stdout


def test_what_was_interrupted_is_resumed_and_nothing_is_measured_twice(hosts: Fleet) -> None:
    hosts.worker("a")
    with hosts.running("--set=count=30") as running:
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 143
    assert "add --resume" in hosts.run("out", "--set=count=30").stderr
    assert "another plan" in hosts.run("out", "--set=count=31", "--resume").stderr
    done = hosts.run("out", "--set=count=30", "--resume")
    assert done.returncode == 0, done.stderr
    assert hosts.run("out", "--set=count=30", "--resume").returncode == 0
    assert len(hosts.measured("a")) == 30


def test_a_plan_that_fails_has_its_reason(hosts: Fleet) -> None:
    hosts.worker("a")
    done = hosts.run("out", "--set=count=1", "--set=seed=13")
    assert done.returncode == 3
    assert "a: failed, no such luck" in done.stdout


def waits_for_the_lock(folder: Path) -> bool:
    """Return whether a command that names the folder waits for another measurement."""
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "->", "FLOCK", _, "WRITE", pid, *_]:
                with suppress(OSError):
                    if os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes():
                        return True
    return False


@pytest.mark.live
@pytest.mark.parametrize(
    "words",
    [
        ("--set=workload=storm", "--set=count=500", "--set=blocks=1"),
        ("--profile=kernels", "--only=host", "--set=time-limit=40"),
    ],
)
def test_a_machine_that_is_busy_measures_once_it_is_free(
    hosts: Fleet, words: tuple[str, ...]
) -> None:
    hosts.worker("a", real=True)
    with ExitStack() as busy:
        busy.enter_context(lock.held(wait=True))
        command = [*BUFBENCH, *hosts.words("out", *words)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            assert reaches(running, lambda: waits_for_the_lock(hosts.spool("a")))
            busy.close()
            _, said = running.communicate(timeout=150)
    assert running.returncode == 0, said
    (journal,) = (hosts.folder / "out").glob("*.jsonl")
    assert len(read_journal(journal).trials) >= 2
