# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that no string reaches a shell, nothing is evaluated, and no module opens a socket."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bench
import workloads

ROOTS = tuple(Path(package.__file__ or "").parent for package in (bench, workloads))
SOURCES = sorted(path for root in ROOTS for path in root.rglob("*.py"))

SHELLS = {
    *("os.system", "os.popen", "os.execl", "os.execlp", "os.spawnl", "os.spawnlp"),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "pty.spawn", "commands.getoutput"),
}
EVALUATES = {"eval", "exec", "compile", "pickle.loads", "pickle.load", "marshal.loads"}
UNSAFE_NAMES = {"tempfile.mktemp", "os.tempnam", "os.tmpnam"}
SENDS = {"http", "ftplib", "smtplib", "xmlrpc", "telnetlib", "requests", "httpx", "socketserver"}
INTERNET = {
    "urllib.request",
    *(f"socket.{name}" for name in ("AF_INET", "AF_INET6", "AF_VSOCK", "AF_PACKET")),
    *("socket.create_connection", "socket.create_server", "socket.fromfd"),
}


def dotted(node: ast.expr) -> str:
    """Return a name such as os.path.join; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def wrong_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in SHELLS | EVALUATES | UNSAFE_NAMES:
            yield f"line {node.lineno}: {name}"
        for keyword in node.keywords:
            given = keyword.value
            if keyword.arg == "shell" and not (isinstance(given, ast.Constant) and not given.value):
                yield f"line {node.lineno}: shell="
        if name.startswith("subprocess.") and node.args:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr | ast.BinOp) or (
                isinstance(first, ast.Constant) and isinstance(first.value, str)
            ):
                yield f"line {node.lineno}: a string as a command"


def wrong_networks(tree: ast.AST) -> Iterator[str]:
    """Yield imports of what talks to others; of sockets only those with a path are harmless."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Attribute | ast.Name):
            names = [dotted(node)] if dotted(node) in INTERNET else []
        for name in names:
            if name.split(".")[0] in SENDS or name in INTERNET:
                yield f"line {getattr(node, 'lineno', 0)}: {name}"


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 100


def offences(wrong: Callable[[ast.AST], Iterator[str]]) -> list[str]:
    return [
        f"{path}: {what}"
        for path in SOURCES
        for what in wrong(ast.parse(path.read_text(encoding="utf-8")))
    ]


@pytest.mark.slow
def test_nothing_is_handed_to_a_shell() -> None:
    assert offences(wrong_calls) == []


@pytest.mark.slow
def test_nothing_but_the_fleet_knows_a_network() -> None:
    assert [each for each in offences(wrong_networks) if "/bench/fleet/" not in each] == []


@pytest.mark.parametrize(
    "text",
    [
        "os.system('ls')",
        "subprocess.run('ls', check=True)",
        "subprocess.run(f'ls {name}')",
        "subprocess.Popen(['ls'], shell=True)",
        "subprocess.Popen(['ls'], shell=wanted)",
        "eval(text)",
        "tempfile.mktemp()",
        "socket.create_connection(there)",
        "import http.server",
        "x = socket.socket(socket.AF_INET)",
        "from urllib.request import urlopen",
    ],
)
def test_these_tests_can_fail(text: str) -> None:
    tree = ast.parse(text)
    assert [*wrong_calls(tree), *wrong_networks(tree)]


@pytest.mark.parametrize(
    "text", ["subprocess.run([name])", "re.compile(x)", "import urllib.parse", "socket.AF_UNIX"]
)
def test_and_let_pass_what_is_harmless(text: str) -> None:
    tree = ast.parse(text)
    assert not [*wrong_calls(tree), *wrong_networks(tree)]


GENERATOR = sorted((Path(__file__).parents[2] / "workloads").glob("*.c"))  # not in the package


def test_the_generator_s_sources_are_there() -> None:
    assert "forkstorm.c" in [path.name for path in GENERATOR]


@pytest.mark.parametrize("path", GENERATOR, ids=lambda path: path.name)
def test_the_generator_knows_neither(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for call in ("system(", "popen(", "execlp(", "execvp(", "socket(", "mktemp("):
        assert f" {call}" not in text
        assert f"\t{call}" not in text
