# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Be the first process of a guest: mount what is needed, run one command, and power off.

It replaces virtme-ng's, which waits for udev and systemd-tmpfiles: up to a minute under emulation,
for nothing that is needed here. It runs without site-packages, by its path:

    init.py FOLDER

The guest may write to FOLDER alone; ``order.json`` in it has the command, its environment and the
host name of the guest, and ``exit.json`` gets the exit code.
"""

import ctypes
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

TAG = "results"
_TAG_9P = "virtme.initmount0"  # virtme-ng's name for the first folder that is shared
POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF
RESTART = 0x01234567  # LINUX_REBOOT_CMD_RESTART
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TMPDIR": "/dev/shm",  # noqa: S108  all else may be read-only in a guest
}
_MOUNTS = (
    ("proc", "/proc", "proc", ""),
    ("sys", "/sys", "sysfs", ""),
    ("dev", "/dev", "devtmpfs", ""),
    ("pts", "/dev/pts", "devpts", ""),
    ("shm", "/dev/shm", "tmpfs", "mode=1777"),  # noqa: S108  also where temporary files go
    ("debug", "/sys/kernel/debug", "debugfs", ""),
    ("trace", "/sys/kernel/tracing", "tracefs", ""),
    ("security", "/sys/kernel/security", "securityfs", ""),  # reports lockdown
    ("cgroup", "/sys/fs/cgroup", "cgroup2", ""),
)
_SHARES = (
    (TAG, "virtiofs", ""),
    (_TAG_9P, "9p", "version=9p2000.L,trans=virtio,access=any,msize=524288"),
)

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, options: str) -> bool:
    """Mount; return whether it worked."""
    words = map(os.fsencode, (source, target, kind))
    return bool(_libc.mount(*words, 0, options.encode()) == 0)


def name(host: str) -> None:
    """Set the guest's host name."""
    _libc.sethostname(host.encode(), len(host.encode()))


def run(argv: list[str], environment: dict[str, str]) -> int:
    """Run a command; return its exit code, or 128 + the number of the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.execve(argv[0], argv, environment)  # noqa: S606
        except OSError as error:
            print(f"init: {error}", flush=True)
        os._exit(127)
    while True:
        pid, status = os.wait()  # of orphans too
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def mount_all() -> None:
    """Mount the file systems that a command expects on any machine."""
    for source, target, kind, options in _MOUNTS:
        if target.startswith("/dev/"):
            Path(target).mkdir(exist_ok=True)
        mount(source, target, kind, options)


def end(how: int = POWER_OFF) -> None:
    """End the guest: with RESTART, QEMU that has -no-reboot stops its CPUs at once."""
    os.sync()
    _libc.reboot(how)


def main() -> None:
    """Do everything, in order."""
    folder = sys.argv[1]
    mount_all()
    with suppress(OSError):  # first, and its folder only then: /dev/shm has just been covered
        Path(folder).mkdir(parents=True, exist_ok=True)
    if not any(mount(tag, folder, kind, options) for tag, kind, options in _SHARES):
        print("init: the results' folder cannot be mounted", flush=True)
    else:
        order = json.loads(Path(folder, "order.json").read_text())
        name(order["hostname"])
        os.chdir("/")
        code = run(order["argv"], order["env"])
        Path(folder, "exit.json").write_text(json.dumps({"code": code}))
    end()


if __name__ == "__main__":
    main()
