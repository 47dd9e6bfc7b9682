# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what a caller leaves to the process that it starts: real processes, each with one thing."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tracing import BUFBENCH, PATIENCE_S

from bench.journal.reader import read_journal
from bench.linux import cpus

SETTLED = "from bench.host.inherited import settle; settle(); "
ALL = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
RUN = ("run", "--workload", "storm", "--count", "300", "--blocks", "1", "--quiet", "--wait")


def after_settling(
    script: str, *, before: Callable[[], object] | None = None, words: tuple[str, ...] = ()
) -> str:
    """Return what ``script`` prints in a process; ``before`` ran between fork and exec."""
    done = subprocess.run(
        [*words, sys.executable, "-c", SETTLED + script],
        preexec_fn=before,
        restore_signals=False,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


def ignore_all() -> None:
    for number in ALL:
        signal.signal(number, signal.SIG_IGN)


def test_signals_that_were_ignored_have_their_default_actions() -> None:
    left = after_settling(
        "import signal as s; "
        "print(*sorted(int(n) for n in s.valid_signals() if s.getsignal(n) is s.SIG_IGN))",
        before=ignore_all,
    )
    # Python ignores PIPE and XFSZ itself; the others are ignored by nohup and shells on purpose.
    kept = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ}
    assert {int(each) for each in left.split()} == {int(each) for each in kept}


def test_no_signal_stays_blocked() -> None:
    left = after_settling(
        "import signal as s; print(len(s.pthread_sigmask(s.SIG_BLOCK, ())))",
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ALL),
    )
    assert left == "0"


def test_children_can_be_waited_for() -> None:
    left = after_settling(
        "import subprocess; print(subprocess.run(['false']).returncode)", before=ignore_all
    )
    assert left == "1"


@pytest.mark.parametrize(("umask", "mode"), [(0o777, "0600"), (0o077, "0600"), (0o022, "0644")])
def test_a_umask_takes_nothing_from_the_owner(tmp_path: Path, umask: int, mode: str) -> None:
    made = tmp_path / "made"
    after_settling(f"open({str(made)!r}, 'w')", before=lambda: os.umask(umask))
    assert f"{made.stat().st_mode & 0o777:04o}" == mode


def test_a_profiler_s_timer_does_not_kill() -> None:
    left = after_settling(
        "import time\nend = time.process_time() + 0.2\n"
        "while time.process_time() < end: pass\nprint('alive')",
        before=lambda: signal.setitimer(signal.ITIMER_PROF, 0.1),
    )
    assert left == "alive"


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_closed_streams_are_not_given_to_other_files(closed: tuple[int, ...]) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    script = f"import os; os.write({write_end}, str(os.open('/dev/zero', 0)).encode())"
    with subprocess.Popen(
        [sys.executable, "-c", SETTLED + script],
        pass_fds=(write_end,),
        preexec_fn=lambda: [os.close(each) for each in closed],  # noqa: PLW1509
    ) as process:
        os.close(write_end)
        with os.fdopen(read_end, "rb") as counted:
            assert int(counted.read()) > 2
    assert process.returncode == 0


def test_a_soft_limit_on_open_files_is_raised() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = after_settling(
        "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0])",
        before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, hard)),
    )
    assert int(left) == min(hard, 65_536)


@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_soft_limit_on_memory_is_raised(limit: int) -> None:
    """Raise it: where it cannot allocate, OpenBLAS tries for ever."""
    hard = 4 << 30
    left = after_settling(
        f"import resource as r; print(*r.getrlimit({int(limit)}))",
        before=lambda: resource.setrlimit(limit, (140_000 << 10, hard)),
    )
    assert left == f"{hard} {hard}"


def test_threads_have_a_stack_of_their_own_size() -> None:
    """Ignore RLIMIT_STACK: bcc's compiler, in a thread of 64 KiB, ended by SIGSEGV."""
    left = after_settling(
        "import threading; threading.Thread(target=lambda: print(threading.stack_size())).start()"
    )
    assert int(left) == 8 << 20


@pytest.mark.skipif(shutil.which("setarch") is None, reason="no setarch")
def test_uname_reports_the_kernel_that_runs() -> None:
    script = "import os; print(os.uname().release, os.uname().machine)"
    real = f"{os.uname().release} {os.uname().machine}"
    assert after_settling(script, words=("setarch", "linux32", "--uname-2.6")) == real


def test_what_changes_the_compiler_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_LINUX_VERSION_CODE", "1")
    monkeypatch.setenv("LIBBPF_STRICT", "1")
    script = "import os; print([n for n in os.environ if n.startswith(('BCC_', 'LIBBPF_'))])"
    assert after_settling(script) == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "named"),
    [
        ("signal.setitimer(signal.ITIMER_REAL, 5)", "an alarm"),
        ("resource.setrlimit(resource.RLIMIT_CPU, (2, 9))", "ulimit -t"),
        ("resource.setrlimit(resource.RLIMIT_CPU, (3, 3))", "ulimit -t"),
    ],
)
def test_a_time_limit_of_the_caller_ends_in_order(limit: str, named: str) -> None:
    script = (
        "import resource, signal\n"
        "from bench.host.signals import Ending\nfrom bench.host.inherited import settle\n"
        f"{limit}  # only now: no machine is too slow to import all this before\n"
        "ending = Ending()\n"
        "try:\n settle()\n ending.install()\n"
        " while True: pass\n"
        "except KeyboardInterrupt as asked:\n ending.leave(asked)"
    )
    words = [sys.executable, "-c", script]
    # Seconds of CPU time take as long as other processes let them.
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 143
    (line,) = done.stderr.splitlines()
    assert line.startswith("bufbench: terminated (")
    assert named in line


def test_sigint_that_was_ignored_stays_ignored_but_sigterm_ends() -> None:
    script = (
        "import time\nfrom bench.host.signals import Ending\n"
        "from bench.host.inherited import settle\n"
        "ending = Ending()\n"
        "try:\n settle()\n ending.install()\n print('ready', flush=True)\n time.sleep(30)\n"
        "except KeyboardInterrupt as asked:\n ending.leave(asked)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        preexec_fn=ignore_all,  # noqa: PLW1509
        restore_signals=False,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


@pytest.mark.parametrize(
    ("policy", "priority", "nice", "words"),
    [
        (0, 0, 0, "other"),
        (0x40000000, 0, 0, "other"),
        (3, 0, 10, "batch, nice 10"),
        (1, 50, 0, "fifo, priority 50"),
        (99, 0, -5, "policy 99, nice -5"),
    ],
)
def test_scheduling_in_words(policy: int, priority: int, nice: int, words: str) -> None:
    assert cpus.describe_scheduling(policy, priority, nice) == words


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    "before",
    [
        ("env", "--ignore-signal"),
        ("env", "--block-signal"),
        ("sh", "-c", 'umask 0777; exec "$@"', "sh"),
        ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"),
        ("sh", "-c", 'ulimit -S -n 20; exec "$@"', "sh"),
        ("setarch", "linux32", "--uname-2.6"),
        ("env", "BCC_LINUX_VERSION_CODE=x", "BCC_KERNEL_SOURCE=/nowhere", "BCC_SYMFS=/nowhere"),
    ],
    ids=["ignored", "blocked", "umask", "closed", "files", "personality", "bcc"],
)
def test_a_run_is_not_changed_by_its_caller(tmp_path: Path, before: tuple[str, ...]) -> None:
    journal = tmp_path / "run.jsonl"
    done = subprocess.run(
        [*before, *BUFBENCH, *RUN, "--output", str(journal)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = read_journal(journal, strict=True).trials
    assert [each.storm.reaped for each in trials] == [302, 302]
    assert all(each.ledger and each.ledger.own_exits == 302 for each in trials)


@pytest.mark.slow
@pytest.mark.live
def test_how_the_run_was_scheduled_is_recorded(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    before = ("nice", "-n", "5", "chrt", "--batch", "0")
    words = [*before, *BUFBENCH, *RUN, "--output", str(journal)]
    assert subprocess.run(words, capture_output=True, timeout=120, check=False).returncode == 0
    (run,) = read_journal(journal, strict=True).runs
    assert run.header.machine.scheduling == "batch, nice 5"
