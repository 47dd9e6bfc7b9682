# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernels.toml, and what is taken over from the host's APT."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.guests import apt

MINE = """
use = ["ubuntu"]
[[archive]]
name = "Mine"
uri = "https://packages.example/debian/"
suites = ["kernels"]
keyring = "/etc/mine.gpg"
"""


def read(tmp_path: Path, content: str | bytes) -> tuple[apt.Archive, ...]:
    path = tmp_path / "kernels.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return apt.read(path)


def test_debians_public_archive_is_the_default() -> None:
    assert {archive.name for archive in apt.read(None)} == {"Debian"}


def test_archives_are_chosen_and_added(tmp_path: Path) -> None:
    *ubuntu, mine = read(tmp_path, MINE)
    assert {archive.name for archive in ubuntu} == {"Ubuntu"}
    assert (mine.uri, mine.components) == ("https://packages.example/debian", ("main",))


def test_the_hosts_mirror_is_asked_where_it_carries_an_archive() -> None:
    mirrors = (
        "https://download.example/linux/tools",
        "http://mirror.example/pub/debian/",
        "http://mirror.example/ubuntu",
    )
    debian, security = apt.read(None, mirrors)
    assert debian.uri == "http://mirror.example/pub/debian"
    assert security.uri == "http://security.debian.org/debian-security"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ('use = ["gentoo"]', "use.0"),
        ("use = 3", "use"),
        ("use = []", "no archive is left"),
        ("uses = []", "uses"),
        ("[[archive]]\nname = 'x'", "archive.0.uri"),
        (MINE.replace('"https:', '"gopher:'), "archive.0.uri"),
        (MINE.replace("kernels", "a b"), "archive.0.suites.0"),
        (MINE.replace("/etc", "etc"), "archive.0.keyring"),
        (MINE.replace("packages.example", "x] trusted=yes y"), "archive.0.uri"),
        ("use = [", "at end of document"),
        (b"\xff\xfe", "utf-8"),
        (" " * (1 << 21), "larger than 64 KiB"),
    ],
)
def test_a_bad_file_is_reported_with_file_and_key(
    tmp_path: Path, content: str | bytes, key: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    (line,) = str(caught.value).splitlines()
    assert "kernels.toml" in line
    assert key in line


def test_a_missing_keyring_is_reported_with_its_package() -> None:
    (archive,) = apt.BUILT_IN["ubuntu"]
    missing = archive.without_keys()
    if Path(archive.keyring).exists():
        assert not missing
    else:
        assert missing.endswith("install ubuntu-keyring")


DUMP = """\
Acquire "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Timeout "20";
Acquire::AllowInsecureRepositories "1";
Acquire::AllowWeakRepositories "1";
Acquire::IndexTargets::deb::DEP-11::MetaKey "$(COMPONENT)/dep11";
Acquire::Languages:: "de";
APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";
Acquire::evil "a"; Dir "/";
DPkg::Post-Invoke:: "x";
"""


def test_proxies_are_copied_and_hooks_are_not() -> None:
    assert list(apt.copied(DUMP)) == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http::Timeout "20";',
    ]


def test_signatures_are_always_checked() -> None:
    host = ['Acquire::http::Proxy "http://proxy.example:3128";']
    lines = apt.configuration(
        Path("/private"), host, architecture="arm64", as_root=False
    ).splitlines()
    assert lines[0] == host[0]
    assert 'Acquire::AllowInsecureRepositories "false";' in lines
    assert 'Dir "/private/";' in lines
    assert 'APT::Architecture "arm64";' in lines


SAID = """\
Err:4 http://deb.example/debian nosuch Release
  404  Not Found [IP: 192.0.2.1 80]
Err:5 http://deb.example/debian trixie-backports InRelease
  The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 6
Err:1 http://nosuch.invalid/debian trixie InRelease
  Could not resolve 'nosuch.invalid'
Reading package lists...
E: The repository 'http://deb.example/debian nosuch Release' does not have a Release file.
W: Failed to fetch http://deb.example/debian/dists/sid/InRelease  Connection failed [IP: ::1 80]
W: Skipping acquire of configured file 'x' as repository \
'http://deb.example/debian bookworm InRelease' doesn't have the component 'nocomponent'
"""


@pytest.mark.parametrize(
    ("uri", "suite", "reason"),
    [
        ("http://deb.example/debian", "nosuch", "the archive does not have it"),
        ("http://deb.example/debian", "trixie-backports", "signed with a key"),
        ("http://nosuch.invalid/debian", "trixie", "Could not resolve 'nosuch.invalid'"),
        ("http://deb.example/debian", "sid", "Connection failed"),
        ("http://deb.example/debian", "bookworm", "doesn't have the component"),
    ],
)
def test_why_a_suite_is_missing_is_reported(uri: str, suite: str, reason: str) -> None:
    said = apt.complaint(SAID, uri, suite)
    assert reason in said
    assert "IP:" not in said


@pytest.mark.parametrize("suite", ["trixie", "trixie-security", "such"])
def test_other_suites_troubles_are_their_own(suite: str) -> None:
    assert not apt.complaint(SAID, "http://deb.example/debian", suite)
