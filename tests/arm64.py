# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot a guest of arm64 with bufbench: Debian's packages, wheels, and bufbench built for it.

All lies in its initial RAM disk, so that no module is needed; what it says leaves by a serial port.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.guests import systems
from bench.guests.machines import MACHINES
from bench.guests.sources import Options

HERE: Final = Path(__file__).parent
SUITE: Final = "bookworm"  # whose Python has wheels, and bcc needs no newer
PACKAGES: Final = ("python3", "libpython3-dev", "python3-bpfcc", "busybox-static", "coreutils")
WHEELS: Final = (
    "numpy",
    "psutil",
    "pydantic",
    "msgspec",
    "pytest",
    "pytest-benchmark",
    "hypothesis",
)
MORE_WHEELS: Final = ("msgspec", "typer<0.25", "click<8.5", "rich", "platformdirs", "filelock")
PLATFORMS: Final = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
PYTHON: Final = "3.11"
NEEDED: Final = (MACHINES["arm64"].compiler, "busybox", "apt-get", "dpkg-deb")
NOT_NEEDED: Final = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/include",
    "usr/lib/gcc",
)
MEMORY_MIB: Final = 3072

INIT: Final = """#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/site HOME=/root LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1
busybox mkdir -p /proc /sys /dev /tmp /run
for each in proc:/proc sysfs:/sys devtmpfs:/dev tmpfs:/tmp tmpfs:/run \\
	debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing cgroup2:/sys/fs/cgroup; do
	busybox mount -t "${each%:*}" none "${each#*:}"
done
busybox mkdir -p /dev/shm && busybox mount -t tmpfs none /dev/shm
exec >/dev/ttyS0 2>&1
cd / && busybox sh /job
echo "ended: $?"
busybox poweroff -f
"""


def lacking() -> str:
    """Return what this machine lacks for it; "" if nothing."""
    needed = (*NEEDED, MACHINES["arm64"].program)
    return ", ".join(name for name in needed if shutil.which(name) is None)


def ram_disk(folder: Path, job: str) -> Path:
    """Return the RAM disk of a guest that runs the shell script ``job`` and powers off."""
    root, site = folder / "root", folder / "root/site"
    place = folder / "apt"
    for package in systems.packages(PACKAGES, SUITE, "arm64", Options(say=print), place):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    wheels = [word for each in PLATFORMS for word in ("--platform", each)]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", site, *wheels]
    pip += ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    subprocess.run([*pip, *WHEELS, *MORE_WHEELS], check=True)
    systems.build(MACHINES["arm64"], root, root)
    shutil.copytree(HERE, root / "tests", ignore=shutil.ignore_patterns("golden", "__pycache__"))
    shutil.copy(HERE.parent / "pyproject.toml", root)
    for name in NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "job").write_text(job)
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    (root / "bin/sh").unlink(missing_ok=True)
    (root / "bin/sh").symlink_to("busybox")
    disk = folder / "disk"
    names = subprocess.run(["find", ".", "-mindepth", "1"], cwd=root, stdout=-1, check=True).stdout
    with disk.open("wb") as file:
        cpio = ["busybox", "cpio", "-o", "-H", "newc"]
        subprocess.run(cpio, cwd=root, input=names, stdout=file, stderr=-3, check=True)
    return disk


def said_by(kernel: Path, disk: Path, folder: Path, *, timeout_s: float) -> str:
    """Return what a guest says that runs its job on two CPUs."""
    machine, report = MACHINES["arm64"], folder / "said"
    command = [
        *(machine.program, *machine.usual_model, "-smp", "2"),
        *("-m", str(MEMORY_MIB), "-nodefaults", "-no-reboot", "-display", "none"),
        *("-serial", f"file:{folder / 'console'}"),
        *("-chardev", f"file,id=report,path={report}", *machine.port),
        *("-kernel", kernel, "-initrd", disk, "-append", "console=ttyAMA0 panic=-1 loglevel=5"),
    ]
    subprocess.run(command, timeout=timeout_s, check=True)
    return report.read_text(errors="replace").replace("\r\n", "\n")
