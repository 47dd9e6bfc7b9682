# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide texts as kernels, archives, people and the generator write them: fuzzing's seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from made_up_trials import histogram

from bench.trial.result import TrialResult

TOML: Final = (
    b'rb-order = "reproduced"\npb-scales = "not-applicable"\n',
    b"rb-order = 2026-01-02T03:04:05Z\n",
    b'[rb-order]\nx = [[1, 2.5e3], {a = 0x7f}]\n"""k""" = true\n',
    b"rb-order = " + b"[" * 50 + b"]" * 50,
)
WORDS: Final = (
    b"64KiB", b"8192", b"ringbuf:causal,drops", b"rb-order=reproduced", b"0-3,7",
    b"perfbuf@64KiB(48KiB)/forced#2",
)  # fmt: skip
TRACEPOINTS: Final = (
    (
        b"name: sched_process_exit\nID: 310\nformat:\n"
        b"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        b"\n\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
        b"\tfield:__data_loc char[] comm;\toffset:8;\tsize:4;\tsigned:0;\n"
        b"\tfield:bool group_dead;\toffset:32;\tsize:1;\tsigned:0;\n"
        b'\nprint fmt: "comm=%s", REC->comm\n'
    ),
)
PROC: Final = (
    (
        b"           CPU0       CPU2\n 26:  517  0   PCI-MSIX-0000:00:01.0   0-edge  virtio0\n"
        b"IWI:         12          7   IRQ work interrupts\nERR:          0\n"
    ),
    b"Name:\tpython3\nVmPin:\t     132 kB\nVmRSS:\t    1948 kB\nCapEff:\t000000c000000000\n",
    (
        b"7f12-7f34 r--s 00001000 00:10 1066 anon_inode:bpf-map\nSize:  64 kB\nRss:  4 kB\n"
        b"Node 0, zone    DMA\n      nr_free_pages 3840\n              count:    12\n"
    ),
    b"pos:\t0\nmap_type:\t27\nmemlock:\t78128\nrecursion_misses:\t17\n",
    (
        b"39 31 0:36 / /sys/fs/cgroup/pids rw shared:12 - cgroup cgroup rw,pids\n8:pids:/a/b\n"
        rb"41 31 0:38 /docker/a\040b /sys/fs/uni\040fied rw - cgroup2 cgroup2 rw,nsdelegate"
        b"\n0::/docker/a b/inner\n"
    ),
    b"0-2,5,7-8\n",
    b"6.1.0-18-cloud-amd64",
    b"model name\t: QEMU TCG CPU version 2.5+\nflags\t\t: fpu tsc hypervisor\n",
    b"CONFIG_PREEMPT_RT=y\nCONFIG_PREEMPT=y\nroot=/dev/vda1 preempt=full\n",
    b"4,1234,5678901,-;WARNING: CPU: 1 PID: 512 at kernel/bpf/ringbuf.c:430\n",
)
STORMS: Final = (
    (
        b"made=3\nreaped=3\nstart_ns=5\nend_ns=9\nthreads_made=0\nlowered_from=0\nstopped_by=\n"
        b"status.0=2\nstatus.256=1\nfailed.EAGAIN=4\n"
    ),
    b"trouble=it rained\n",
)
KERNELS_TOML: Final = (
    (
        b'use = ["debian", "ubuntu"]\n[[archive]]\nname = "x"\nuri = "http://x.invalid/x"\n'
        b'suites = ["a"]\ncomponents = ["main"]\nkeyring = "/k.gpg"\n'
    ),
    b"use = []\n",
)
SETTINGS: Final = (
    (
        b'[run]\nprofile = "quick"\nbudget = ["8K", 65536]\nseconds = "1m"\nrate = 5.0\n'
        b'wait = true\nfail-on = ["drops"]\n[size]\nstall = 100\nrecord-size = "1K"\n'
    ),
    b"[kernels.run]\njobs = 2\n",
)
GUESTS: Final = (
    (
        b'{"status":"done","reason":"","release":"6.1.0","trials":3,"journal_bytes":7,'
        b'"journal_sha256":"ab","complaints":["WARNING"],"left_out":[]}'
    ),
)
PACKAGES: Final = (
    (
        b"Package: linux-image-6.1.0-18-cloud-amd64\nVersion: 6.1.76-1\nArchitecture: amd64\n"
        b"Installed-Size: 100000\nSize: 20000000\n\n"
        b"Package: linux-binary-6.12.94+deb13-amd64\nVersion: 6.12.94-1\nArchitecture: amd64\n"
        b"Size: 9000000\nDescription: x\n more\n\n"
        b"Package: linux-modules-6.12.94+deb13-amd64\nVersion: 6.12.94-1\nSize: 90000000\n\n"
    ),
)


def histograms() -> tuple[bytes, ...]:
    """Return histograms of no, of one and of several latencies."""
    return tuple(histogram(*each).encode() for each in ((), (7,), (10_000, 20_000, 3 * 10**9)))


def with_histogram(trial: TrialResult, encoded: str) -> TrialResult:
    """Return ``trial`` with the latency histogram ``encoded``."""
    assert trial.latency
    return replace(trial, latency=replace(trial.latency, histogram=encoded))
