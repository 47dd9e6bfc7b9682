# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Several hosts on one machine: TLS, machines and schedulers that are lost, machines not used."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

import pytest
from fleet_hosts import Fleet, fleet, joined, row, unused_port
from tracing import BUFBENCH, bufbench, eventually, reaches

from bench.fleet import certificates
from bench.host import lock, process
from bench.journal.reader import read_journal

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    return unused_port()


@pytest.fixture
def local(tmp_path: Path, port: int) -> Iterator[Fleet]:
    with fleet(tmp_path, f"127.0.0.1:{port}") as made:
        made.scheduler()
        yield made


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
                assert made.kept(name) == []
            certificates.make(tmp_path / "others", days=1)
            refused = bufbench(
                *("fleet", "run", f"--scheduler={address}", "--set=count=1"),
                *(f"--certificates={tmp_path}/others", f"--output={tmp_path}/none"),
            )
            assert refused.returncode == 3
            assert "takes this client" in refused.stderr
            assert refused.stderr.count("\n") == 1


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[tuple[Fleet, Callable[[str], object]]]:
    """Yield a fleet of one host behind a link, and the function that sets the link up or down."""
    certificates.make(tmp_path / "certificates", days=1)
    with joined("a") as where:
        address, bridge = where.split()
        with fleet(tmp_path, address, tmp_path / "certificates") as made:
            made.scheduler()
            made.worker("a", "ip", "netns", "exec", f"{bridge}-a")
            link = ["ip", "link", "set", f"{bridge}v2"]
            yield made, lambda state: process.run([*link, state], timeout_s=10)


def test_a_link_that_is_cut_for_a_while_costs_nothing(
    linked: tuple[Fleet, Callable[[str], object]],
) -> None:
    made, set_link = linked
    with made.running("--set=count=30") as running:
        set_link("down")
        assert eventually(lambda: len(made.measured("a")) == 30)
        set_link("up")
        _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(made.measured("a")) == 30


def test_a_link_that_is_cut_for_longer_than_connections_live_costs_nothing(
    linked: tuple[Fleet, Callable[[str], object]],
) -> None:
    """The worker is back while its task still runs, which it then waits for."""
    made, set_link = linked
    with made.running("--set=count=20") as running:
        with made.held("a"):
            set_link("down")
            assert running.stderr is not None
            said = [*takewhile(lambda line: "a: lost" not in line, running.stderr)]
            set_link("up")
            assert reaches(running, lambda: made.said("a").count("works for") == 2)
        said.append(running.communicate(timeout=90)[1])
    assert running.returncode == 0, said
    assert len(made.measured("a")) == 20
    assert made.kept("a") == []
    assert (made.folder / "out/a.jsonl").read_bytes().count(b'"trial"') == 20


@pytest.mark.skipif(shutil.which("iptables") is None, reason="there is no iptables")
def test_a_worker_that_the_scheduler_cannot_connect_to_is_a_line(tmp_path: Path) -> None:
    certificates.make(tmp_path / "certificates", days=1)
    with joined("a") as where, fleet(tmp_path, where.split()[0], tmp_path / "certificates") as made:
        made.scheduler()
        within = ["ip", "netns", "exec", f"{where.split()[1]}-a"]
        firewall = ["iptables", "-A", "INPUT", "-i", "eth0", "-p", "tcp", "--syn", "-j", "DROP"]
        process.run([*within, *firewall], timeout_s=10)
        words = ["fleet", "worker", made.address, "--name=a", f"--spool={tmp_path}/spool"]
        command = [*within, *BUFBENCH, *words, f"--certificates={tmp_path}/certificates"]
        done = process.run(command, timeout_s=60, check=False)
        assert done.returncode == 3
        assert "cannot connect to this machine at tls://10." in done.stderr
        assert done.stderr.count("\n") == 1


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


@pytest.mark.parametrize("moment", ["measured", "ended", "fetched", "acknowledged"])
def test_a_worker_that_is_killed_once_it_has_measured(local: Fleet, moment: str) -> None:
    victim = local.worker("a", dies=moment)
    with local.running("--set=count=10") as running:
        victim.wait()
        local.worker("a")
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    journal = local.folder / "out/a.jsonl"
    assert row(local.folder / "out", "a")["sha256"] == sha256(journal.read_bytes()).hexdigest()
    assert journal.read_bytes().count(b'"trial"') == len(local.measured("a")) == 10
    # What was not forgotten is so once its run is taken up again.
    assert local.run("out", "--set=count=10", "--resume").returncode == 0
    assert local.kept("a") == []
    assert len(local.measured("a")) == 10


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
    """The worker is back while its task still runs, which it then waits for."""
    local.worker("a")
    with local.running("--set=count=20") as running:
        with local.held("a"):
            scheduler = local._running[0]
            scheduler.kill()
            scheduler.wait()
            local.scheduler()
            assert reaches(running, lambda: local.said("a").count("works for") == 2)
        _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(local.measured("a")) == 20


def test_two_clients_with_the_same_plan_have_a_journal_each(local: Fleet) -> None:
    local.worker("a")
    words, known = "--set=count=20", local.folder / "other/fleet.json"
    with local.running(words) as running:
        with local.held("a"):
            into_the_same = local.run("out", words, "--resume")
            assert into_the_same.returncode == 2
            assert "another fleet run writes to" in into_the_same.stderr
            other = subprocess.Popen([*BUFBENCH, *local.words("other", words)])
            assert reaches(other, lambda: known.exists() and '"running"' in known.read_text())
        _, said = running.communicate(timeout=60)
        assert other.wait(60) == 0
    assert running.returncode == 0, said
    for place in ("out", "other"):
        assert (local.folder / place / "a.jsonl").read_bytes().count(b'"trial"') == 20
    assert len(local.measured("a")) == len(set(local.measured("a"))) == 40
    assert local.kept("a") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which takes root")
def test_a_full_disk_where_journals_are_collected(local: Fleet) -> None:
    place = local.folder / "out"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place]
    words = ("--set=count=10", "--set=payload=20000")
    local.worker("a")
    process.run(mounted, timeout_s=10)
    try:
        full = local.run("out", *words)
        assert full.returncode == 2
        assert "a.jsonl cannot be written: No space left on device; the workers keep" in full.stderr
        assert [each.name for each in place.iterdir()] == ["fleet.json"]
        assert local.trials("a") == 10
        process.run(["mount", "-o", "remount,size=4m", place], timeout_s=10)
        done = local.run("out", *words, "--resume")
        assert done.returncode == 0, done.stderr
        assert (place / "a.jsonl").read_bytes().count(b'"trial"') == 10
        assert len(local.measured("a")) == 10
        assert local.kept("a") == []
    finally:
        process.run(["umount", place], timeout_s=10)


@pytest.mark.parametrize(("ahead_s", "words"), [("86400", "24 h ahead"), ("-86400", "24 h behind")])
def test_a_clock_that_is_a_day_off_is_noted(local: Fleet, ahead_s: str, words: str) -> None:
    local.worker("a", ahead_s=ahead_s)
    done = local.run("out", "--set=count=3")
    assert done.returncode == 0, done.stderr
    assert f"its clock is {words}" in done.stderr
    assert row(local.folder / "out", "a")["notes"] == [f"its clock is {words}"]


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


def waits_for_the_lock(folder: Path) -> bool:
    """Whether a command that names the folder waits for another measurement."""
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
        ("--profile=kernels", "--only=host", "--set=time-limit=20"),
    ],
)
def test_a_machine_that_is_busy_measures_once_it_is_free(
    local: Fleet, words: tuple[str, ...]
) -> None:
    local.worker("a", real=True)
    with ExitStack() as busy:
        busy.enter_context(lock.held(wait=True))
        command = [*BUFBENCH, *local.words("out", *words)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            assert reaches(running, lambda: waits_for_the_lock(local.spool("a")))
            busy.close()
            _, said = running.communicate(timeout=90)
    assert running.returncode == 0, said
    assert len(read_journal(local.folder / "out/a.jsonl").trials) >= 2
