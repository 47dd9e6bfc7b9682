# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench object: the example built and run, and objects that are refused."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import schemas
from jsonschema import Draft202012Validator
from tracing import BUFBENCH, alive, bpf_ids, bufbench, eventually, within

from bench.host import process
from bench.linux import bpf

EXAMPLE: Final = Path(__file__).parents[2] / "examples/exitsnoop"
HEAD: Final = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
struct event { int pid; char comm[16]; };
"""
RING: Final = """\
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, %s);
} bufbench_rb SEC(".maps");
"""
BOTH: Final = """\
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4);
} pb SEC(".maps");
"""
SENDS: Final = """\
SEC("%s") int handler(void *context)
{
	struct event event = { .pid = bpf_get_current_pid_tgid() >> 32 };
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	%s
	return 0;
}
"""
EXIT: Final = "tp/sched/sched_process_exit"
OUTPUT: Final = "bpf_ringbuf_output(&bufbench_rb, &event, sizeof(event), 0);"
TO_PERF: Final = "bpf_perf_event_output(context, &pb, BPF_F_CURRENT_CPU, &event, sizeof(event));"


def build(folder: Path, source: str) -> Path:
    (folder / "tool.bpf.c").write_text(source)
    done = within("object", "build", f"{folder}/tool.bpf.c", "--output", f"{folder}/tool.json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return folder / "tool.json"


def ring(section: str = EXIT, entries: str = "4096", sends: str = OUTPUT) -> str:
    return HEAD + RING % entries + SENDS % (section, sends)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("object") / "exitsnoop.json"
    source, header = (str(EXAMPLE / f"exitsnoop.{suffix}") for suffix in ("bpf.c", "h"))
    done = bufbench("object", "build", source, header, "--output", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}\n"), done
    return file


class Running:
    """Run a package with --json; what it shows goes to a file."""

    def __init__(self, file: Path, *words: str, **environment: str) -> None:
        self.shown, self.said = (file.with_suffix(suffix) for suffix in (".out", ".err"))
        with self.shown.open("wb") as out, self.said.open("wb") as err:
            self.process = subprocess.Popen(
                [*BUFBENCH, "object", "run", str(file), "--json", *words],
                stdout=out,
                stderr=err,
                env={**os.environ, **environment},
            )

    def events(self) -> list[dict[str, Any]]:
        lines = self.shown.read_text().split("\n")[:-1]
        return [json.loads(line)["event"] for line in lines]

    def await_exit_of(self, *words: str) -> subprocess.Popen[bytes]:
        """Make such processes until one is shown; return it."""
        made: list[subprocess.Popen[bytes]] = []
        shown: list[subprocess.Popen[bytes]] = []

        def seen() -> bool:
            made.append(subprocess.Popen(words))
            made[-1].wait()
            time.sleep(0.05)
            pids = {each["pid"] for each in self.events()}
            shown.extend(each for each in made if each.pid in pids)
            return bool(shown)

        assert eventually(seen), self.said.read_text()
        return shown[0]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=10)


@contextmanager
def running(file: Path, *words: str, **environment: str) -> Iterator[Running]:
    found = Running(file, *words, **environment)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()


@pytest.mark.slow
def test_a_package_describes_its_object(example: Path) -> None:
    file = json.loads(example.read_text())
    elf = zlib.decompress(base64.b64decode(file["bpf_object"]))
    assert elf.startswith(b"\x7fELF")
    assert (file["bpf_object_size"], file["arch"]) == (len(elf), os.uname().machine)
    skeleton, (event,) = file["meta"]["bpf_skel"], file["meta"]["export_types"]
    assert skeleton["progs"] == [{"name": "on_exit", "attach": EXIT, "link": True}]
    assert skeleton["maps"][0]["name"] == "rb"
    members = ["pid", "ppid", "exit_code", "duration_ns", "comm"]
    assert [each["name"] for each in event["members"]] == members
    assert event["members"][4]["type"] == "char[16]"
    assert (event["name"], event["size"]) == ("event", 40)


@pytest.mark.slow
def test_the_same_source_gives_the_same_file(example: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "copy")
    file = tmp_path / "again.json"
    bufbench("object", "build", f"{tmp_path}/copy/exitsnoop.bpf.c", "--output", str(file))
    assert file.read_bytes() == example.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "path", "code", "complaint"),
    [
        ("int x = ;", None, 2, "tool.bpf.c:1:9: expected expression"),
        ('#include "none.h"', None, 2, "'none.h' file not found"),
        (None, None, 2, "cannot be read: No such file"),
        ("int x;", None, 2, "defines no structure that its events could have"),
        ("int x;", "/nonexistent", 3, "clang, which is not installed; apt-get install clang"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_line(
    source: str | None, path: str | None, code: int, complaint: str, tmp_path: Path
) -> None:
    if source is not None:
        (tmp_path / "tool.bpf.c").write_text(source)
    environment = {"PATH": path} if path else {}
    words = ("object", "build", f"{tmp_path}/tool.bpf.c", "--output", f"{tmp_path}/tool.json")
    done = process.run([*BUFBENCH, *words], timeout_s=60, check=False, env=environment)
    assert done.returncode == code, done
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "tool.json").exists()


@pytest.mark.slow
def test_a_source_in_a_folder_of_any_name_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "a \udcff $x"
    shutil.copytree(EXAMPLE, folder)
    file = tmp_path / "tool.json"
    words = ("object", "build", f"{folder}/exitsnoop.bpf.c", "--output", str(file))
    done = process.run([*BUFBENCH, *words], timeout_s=60)
    assert done.returncode == 0
    assert file.exists()


@pytest.mark.parametrize("name", ['a "b.bpf.c', "a\nb.bpf.c"])
def test_a_source_that_no_include_can_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("struct event { int x; };")
    words = ("object", "build", f"{tmp_path}/{name}")
    done = process.run([*BUFBENCH, *words], timeout_s=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no #include can name its path; rename it" in done.stderr


def test_a_source_is_not_replaced_by_its_package(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text("struct event { int x; };")
    words = (
        "object",
        "build",
        str(source),
        "--output",
        f"{tmp_path}/../{tmp_path.name}/tool.bpf.c",
    )
    done = process.run([*BUFBENCH, *words], timeout_s=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "would replace what is read; choose another" in done.stderr
    assert source.read_text() == "struct event { int x; };"


@pytest.mark.slow
@pytest.mark.live
def test_the_example_sees_every_exit_without_a_toolchain(example: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    with running(example, PATH="/nonexistent") as tracer:
        tracer.await_exit_of(bash, "-c", ":")
        held = bpf_ids(tracer.process.pid)
        made = {code: subprocess.Popen([bash, "-c", f"exit {code}"]) for code in range(50)}
        for each in made.values():
            each.wait()
        tracer.await_exit_of(bash, "-c", ":")
        assert tracer.interrupt() == 130
    shown = {each["pid"]: each for each in tracer.events()}
    for code, each in made.items():
        event = shown[each.pid]
        assert (event["ppid"], event["exit_code"]) == (os.getpid(), code)
        assert event["comm"] == "bash"
        assert 0 < event["duration_ns"] < 60e9
    assert tracer.said.read_text() == f"{len(tracer.events()):,} events\n"
    assert {kind for kind, _ in held} >= {"map"}
    assert eventually(lambda: not alive(held)), "left in the kernel"
    schema = Draft202012Validator(schemas.schema("object-line"))
    for line in tracer.shown.read_text().splitlines():
        schema.validate(json.loads(line))


@pytest.mark.slow
@pytest.mark.live
def test_rings_and_perf_buffers_of_one_object_are_read(tmp_path: Path) -> None:
    file = build(tmp_path, HEAD + RING % "1 << 18" + BOTH + SENDS % (EXIT, OUTPUT + TO_PERF))
    with running(file, "--duration", "60") as tracer:
        probe = tracer.await_exit_of("true")
        assert eventually(
            lambda: [each["pid"] for each in tracer.events()].count(probe.pid) == 2
        ), tracer.events()
        assert tracer.interrupt() == 130


@pytest.mark.slow
@pytest.mark.live
def test_a_package_of_eunomia_and_a_plain_object_run(example: Path, tmp_path: Path) -> None:
    own = json.loads(example.read_text())
    elf = zlib.decompress(base64.b64decode(own["bpf_object"]))
    eunomia = {key: own[key] for key in ("bpf_object", "bpf_object_size", "meta")}
    (tmp_path / "package.json").write_text(json.dumps(eunomia | {"eunomia_version": "0.3.3"}))
    (tmp_path / "tool.bpf.o").write_bytes(elf)
    for name in ("package.json", "tool.bpf.o"):
        with running(tmp_path / name) as tracer:
            probe = tracer.await_exit_of("true")
            assert tracer.interrupt() == 130
            assert probe.pid in {each["pid"] for each in tracer.events()}


@pytest.mark.slow
@pytest.mark.live
def test_columns_are_typed(example: Path) -> None:
    done = bufbench("object", "run", str(example), "--duration", "500ms")
    assert done.returncode == 0, done
    words = done.stdout.splitlines()[0].split()
    assert words == ["TIME", "PID", "PPID", "EXIT_CODE", "DURATION_NS", "COMM"]
    events = len(done.stdout.splitlines()) - 1
    assert done.stderr == ("1 event\n" if events == 1 else f"{events:,} events\n")


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize(
    ("source", "code", "complaint"),
    [
        (HEAD + SENDS % (EXIT, ""), 2, "no ring buffer and no perf event array"),
        (HEAD + RING % "4096" + "void *unused = &bufbench_rb;", 2, "has no program"),
        (ring(entries="1 << 30"), 2, "take more than 256 MiB: bufbench_rb has 1 GiB"),
        (ring(section="tp/sched/nothing"), 3, "cannot be attached to tp/sched/nothing"),
        (ring(section="xdp"), 3, "cannot be attached to xdp"),
        (
            ring(sends="*(int *)bpf_ringbuf_reserve(&bufbench_rb, 8, 0) = event.pid;"),
            3,
            "program handler: ",
        ),
    ],
    ids=["no maps", "no program", "1 GiB", "no tracepoint", "xdp", "verifier"],
)
def test_hostile_objects_end_in_a_line(
    source: str, code: int, complaint: str, tmp_path: Path
) -> None:
    file = build(tmp_path, source)
    done = bufbench("object", "run", str(file), "--duration", "1")
    assert (done.returncode, done.stdout) == (code, ""), done
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert eventually(lambda: all(each.name != "bufbench_rb" for each in bpf.maps()))


@pytest.mark.slow
@pytest.mark.live
def test_buffers_that_would_take_the_memory_are_refused(tmp_path: Path) -> None:
    for source in (ring(), HEAD + BOTH + SENDS % (EXIT, TO_PERF)):
        done = bufbench("object", "run", str(build(tmp_path, source)), "--buffer", "512M")
        assert done.returncode == 2, done
        assert "take more than 256 MiB" in done.stderr


@pytest.mark.slow
@pytest.mark.live
def test_a_gibibyte_can_be_made_smaller(tmp_path: Path) -> None:
    file = build(tmp_path, ring(entries="1 << 30"))
    with running(file, "--buffer", "64K") as tracer:
        tracer.await_exit_of("true")
        (found,) = [each for each in bpf.maps() if each.name == "bufbench_rb"]
        assert found.entries == 65_536


@pytest.mark.slow
@pytest.mark.live
def test_endless_output_ends_in_time_and_pins_nothing(tmp_path: Path) -> None:
    pinned = RING.replace("} buf", "\t__uint(pinning, LIBBPF_PIN_BY_NAME);\n} buf") % "1 << 20"
    endless = f"for (int i = 0; i < 200; i++) {OUTPUT}"
    file = build(tmp_path, HEAD + pinned + SENDS % ("raw_tp/sys_enter", endless))
    command = (*BUFBENCH, "object", "run", str(file), "--duration", "1")
    calling = [subprocess.Popen(["sh", "-c", "while :; do kill -0 $$; done"]) for _ in range(2)]
    try:
        done = process.run(["sh", "-c", '"$@" >/dev/null', "", *command], timeout_s=60, check=False)
    finally:
        for each in calling:
            each.kill()
            each.wait()
    assert done.returncode == 0, done
    assert int(done.stderr.split()[0].replace(",", "")) > 1_000
    assert not Path("/sys/fs/bpf/bufbench_rb").exists()
    assert eventually(lambda: all(each.name != "bufbench_rb" for each in bpf.maps()))
