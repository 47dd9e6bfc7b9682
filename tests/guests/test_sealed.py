# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test guests whose files all lie in their RAM disk: which files, the disk, and the way out."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from bench.guests import disk, messenger, reproducible, sealed
from bench.guests.sealed import Closure
from bench.questions.kernels.seeds import COMPILER, IMPORTED, write_disk
from bench.tracer import loader

_ROOMS = ("campaign", "host", "journal", "linux", "measure", "plan", "record", "tracer", "trial")
# Who holds a lock, resuming, a bar, judging.
_NOT_IN_A_GUEST = {"pydantic", "pydantic_core", "msgspec", "rich", "hdrh"}


@pytest.fixture(scope="module")
def found() -> Closure:
    return sealed.closure((*IMPORTED, *COMPILER))


def _third_party(source: Path) -> Iterator[str]:
    """Yield the packages that a module imports anywhere, late ones too."""
    for node in ast.walk(ast.parse(source.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("bench", "workloads"):
                yield top


def test_what_a_trial_imports_late_is_there(found: Closure) -> None:
    home = Path(bench.__file__).resolve().parent
    wanted = {
        name: source
        for room in _ROOMS
        for source in (home / room).rglob("*.py")
        for name in _third_party(source)
    }
    assert {"numpy", "bcc"} <= wanted.keys()
    parts = {part for file in found.files for part in file.with_suffix("").parts}
    assert wanted.keys() - parts <= _NOT_IN_A_GUEST, wanted


def test_a_guest_compiles_nothing_itself(found: Closure) -> None:
    """Include two imports that trials make late, and that bring many modules."""
    script = """\
import sys, numpy, bench.questions.kernels.sample
from bench.linux.machine import harness_version
harness_version(), numpy.unique([1])
print(*(getattr(module, "__file__", None) or "" for module in [*sys.modules.values()]))
"""
    done = subprocess.run(found.command(script), capture_output=True, text=True, check=True)
    imported = {each for each in done.stdout.split() if each.endswith(".py")}
    assert imported
    assert imported <= {*map(str, found.compiled)}


def test_only_what_is_needed_is_there(found: Closure) -> None:
    names = {file.name for file in found.files}
    assert {"ld-linux-x86-64.so.2", "libc.so.6", "forkstorm", "METADATA"} <= names
    assert "sitecustomize.py" not in names
    assert not any(file.suffix in (".pyc", ".pth") for file in found.files)
    foreign = {"polars", "altair", "scipy", "playwright"}
    assert not any(foreign & {*file.parts} for file in found.files)
    real = {os.path.realpath(file): file for file in found.files}
    assert sum(Path(path).stat().st_size for path in real) < 500e6


def test_bytecode_does_not_depend_on_when_a_file_was_written(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("value = 1\n")
    first = sealed.compile_to(source, tmp_path).read_bytes()
    os.utime(source, (1, 1))
    assert sealed.compile_to(source, tmp_path).read_bytes() == first


def _written(*entries: disk.Entry) -> bytes:
    to = io.BytesIO()
    disk.write(to, entries)
    return to.getvalue()


def test_the_disk_is_what_cpio_reads(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(range(256)) * 9)
    program.chmod(0o700)
    (tmp_path / "link").symlink_to("program")
    entries = [
        *(disk.copy(tmp_path / name) for name in ("program", "link")),
        disk.file("/a/b/c", b"abc"),
        disk.file("/empty", b"", 0o600),
        disk.Entry(path="/mount"),
    ]
    made = _written(*entries)
    assert made == _written(*reversed(entries))  # folders first, whatever the order
    if shutil.which("busybox") is None:
        pytest.skip("no busybox")
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["busybox", "cpio", "-id"], input=made, cwd=root, check=True)
    copied = root / str(tmp_path).lstrip("/")
    assert (copied / "program").read_bytes() == program.read_bytes()
    assert (copied / "program").stat().st_mode & 0o777 == 0o755  # whatever the umask was
    assert (copied / "link").readlink() == Path("program")
    assert (root / "a/b/c").read_bytes() == b"abc"
    assert (root / "empty").stat().st_size == 0
    assert (root / "mount").is_dir()


def test_what_is_packed_comes_out_whole_or_not_at_all() -> None:
    files = {"journal.jsonl": b'{"a":"\xc3\xb6"}\n' * 999, "empty": b"", "raw": bytes(range(256))}
    sent = messenger.pack(files)
    assert messenger.unpack(sent) == files
    assert len(sent) < 2_000  # a serial port is slow
    flipped = sent[:-5] + bytes([sent[-5] ^ 1]) + sent[-4:]
    for damaged in (b"", b"\n", sent[:-1], sent + b"x", flipped, b"[]\n", b"{}\n", sent[1:]):
        with pytest.raises(ValueError, match="arrived"):
            messenger.unpack(damaged)


def test_sizes_that_lie_are_refused() -> None:
    sent = messenger.pack({"a": b"abc"})
    for size in (b"2", b"4", b"-3", b"1e9"):
        with pytest.raises(ValueError, match="arrived"):
            messenger.unpack(sent.replace(b'{"a": 3}', b'{"a": ' + size + b"}"))


def test_a_terminal_changes_nothing_on_the_way() -> None:
    content = bytes(range(256)) * 40 + b"\n\r\n\x03\x04\x1a"
    master, terminal = os.openpty()
    try:
        sender = threading.Thread(target=messenger.send, args=(Path(os.ttyname(terminal)), content))
        sender.start()
        arrived = b""
        while len(arrived) < len(content):
            arrived += os.read(master, 65_536)
        sender.join()
    finally:
        os.close(master)
        os.close(terminal)
    assert arrived == content


def test_the_first_process_imports_little() -> None:
    """It starts Python once more in every guest, at ten times the price."""
    path = str(Path(bench.__file__).parent.parent)
    script = f"import sys\nsys.path.append({path!r})\nimport bench.guests.messenger\n"
    words = [sys.executable, "-ISc", script + "print(*sys.modules)"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    heavy = {"dataclasses", "importlib.metadata", "psutil", "socket", "subprocess", "tempfile"}
    assert not heavy & {*done.stdout.split()}


def test_arguments_are_one_word_of_the_kernels_command_line() -> None:
    assert messenger.given(3, 1) == "given=3,1"


_LOADS = (
    "from bench.tracer import libbpf\nassert libbpf.find() and loader.objects()"
    if loader.objects()
    else "import bcc\nassert ctypes.CDLL('libbcc.so.0').bpf_module_create_c_from_string"
)


@pytest.mark.slow
def test_the_disk_runs_without_the_rest_of_the_machine(tmp_path: Path, found: Closure) -> None:
    """In a chroot: Python, numpy, what loads tracers, and bufbench."""
    from made_up_archive import vmlinuz

    from bench.guests.sources import Image

    if os.geteuid() != 0 or shutil.which("busybox") is None:
        pytest.skip("needs root and busybox")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "config").write_text("CONFIG_PREEMPT=y\n")
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(vmlinuz("9.9.9"))
    image = Image(label="x", release="9.9.9", vmlinuz=kernel, modules=modules, origin="")
    initrd, root = tmp_path / "initrd", tmp_path / "root"
    write_disk(initrd, image)
    root.mkdir()
    with initrd.open("rb") as file:
        subprocess.run(["busybox", "cpio", "-id"], stdin=file, cwd=root, check=True)
    assert (root / "boot/config-9.9.9").read_text() == "CONFIG_PREEMPT=y\n"
    loads = json.loads((root / "order.json").read_text())["env"]["BUFBENCH_LOADER"]
    assert loads == ("prebuilt" if loader.objects() else "bcc")
    first = (root / "init").read_text().splitlines()[0]
    assert first.startswith(f"#!{found.interpreter} ")
    script = (
        "import ctypes, bench.questions.kernels.sample\n"
        "from bench.linux.machine import harness_version\n"
        f"from bench.tracer import loader\n{_LOADS}\n"
        "print(harness_version())"
    )
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    words = ["chroot", str(root), *found.command(script)]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != "checkout"


_HELD = """
import ctypes, os, sys, threading, time
sys.setswitchinterval(100)  # else Python itself waits by pthread_cond_wait()
libc = ctypes.CDLL(None)
condition, mutex, nothing = (ctypes.create_string_buffer(64) for _ in range(3))
asleep = []

def cpus():
    libc.pthread_mutex_lock(mutex)
    for _ in range(2):
        asleep.append(time.monotonic())
        libc.pthread_cond_wait(condition, mutex)
        time.sleep(0.3)

def look():
    libc.ppoll(None, 0, nothing, None)
    return time.monotonic()

look()  # there are no CPUs yet
threading.Thread(target=cpus, daemon=True).start()
while not asleep:
    time.sleep(0.01)
libc.pthread_mutex_lock(mutex)  # once it waits
look()
libc.pthread_cond_broadcast(condition)
libc.pthread_mutex_unlock(mutex)
seen = look()
print(len(asleep), seen >= asleep[-1] >= asleep[0] + 0.3, flush=True)
os._exit(0)
"""


def test_a_main_loop_is_held_while_cpus_run() -> None:
    library = Path(reproducible.__file__).with_name("steady.so")
    words = [sys.executable, "-c", _HELD]
    env = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=20, check=False)
    assert done.stdout == "2 True\n", done.stderr


@pytest.mark.parametrize(
    ("defined", "shares"),
    [((), "1000000 1000000 20000"), (("-DSHARES",), "2000000 0 20000")],
    ids=["unfair", "shares by itself"],
)
def test_cpus_that_never_halt_have_short_turns_and_the_guests_time_and_hold_no_end(
    tmp_path: Path, defined: tuple[str, ...], shares: str
) -> None:
    program = tmp_path / "turns"
    source = Path(__file__).with_name("turns.c")
    words = ("-rdynamic", *defined, "-o", program, source)
    subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", *words], check=True)
    library = Path(reproducible.__file__).with_name("steady.so")

    def ran(**preloaded: str) -> tuple[str, int]:
        env = {**os.environ, **preloaded}
        done = subprocess.run(
            [program], env=env, capture_output=True, text=True, timeout=20, check=True
        )
        turns, _, time_us = done.stdout.rpartition(" ")
        return turns, int(time_us)

    began_us = time.time() * 1e6
    turns, time_us = ran()
    assert turns == "100000000 0 1000000"
    assert time_us >= began_us
    # The last turn of 20 µs began 20 µs before 2 ms, ten times slower than a real machine's.
    assert ran(LD_PRELOAD=str(library)) == (shares, 19_800)
