"""The packages for training: their list keeps its rules, and what is unpacked stands under a permissive licence as a whole."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from wayfind.train.exclude import read_excluded

TRAINING = Path(__file__).parents[1] / "training"


@pytest.fixture(scope="module")
def packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packages", TRAINING / "packages.py")
    assert spec and spec.loader
    module = sys.modules["packages"] = importlib.util.module_from_spec(spec)  # its records look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def listed() -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((TRAINING / "packages.yaml").read_text(encoding="utf-8"), loader)["repositories"]


def test_every_entry_is_of_the_base_part_by_the_hash_of_its_name_and_named_once(listed):
    names = [one["name"].lower() for one in listed]
    assert names == sorted(set(names))
    for one in listed:
        assert set(one) == {"name", "language", "licence", "part", "packages"}, one
        assert one["part"] == "base" and int(hashlib.sha256(f"wayfind split 1:{one['name'].lower()}".encode()).hexdigest(), 16) % 100 < 70, one
        assert all(set(package) == {"package", "version"} for package in one["packages"]), one


def test_no_package_is_of_a_project_kept_for_evaluation_or_of_a_repository_that_is_listed(listed):
    excluded = read_excluded(TRAINING / "exclude.txt")
    repositories = yaml.safe_load((TRAINING / "repositories.yaml").read_text(encoding="utf-8"))["repositories"]
    taken = {one["name"].lower().rpartition("/")[2] for one in repositories}
    prefixes = ("python3-", "ruby-", "php-", "node-", "lua-")
    for one in listed:
        spoken = {one["name"], *(package["package"] for package in one["packages"])}
        spoken |= {name.removeprefix(prefix) for name in spoken for prefix in prefixes}
        assert not [name for name in spoken if excluded.holds_origin(name) or name.lower().rpartition("/")[2] in taken], one


def test_every_licence_is_permissive(listed, packages):
    known = set(packages.PERMISSIVE.values())
    for one in listed:
        words = one["licence"].replace("(", " ").replace(")", " ").split()
        assert words and not set(words) - known - {"AND", "OR"}, one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Files: *\nLicense: Expat\n\nFiles: debian/*\nLicense: GPL-2+\n", "MIT"),
        ("Files: *\nLicense: Expat or GPL-2+\n", "MIT"),
        ("Files: *\nLicense: Apache-2.0\n\nFiles: lib/sort.c\nLicense: ISC\n", "Apache-2.0 AND ISC"),
        ("Files: *\nLicense: Expat\n\nFiles: lib/copied.py\nLicense: GPL-3+\n", ""),
        ("Files: *\nLicense: Expat and LGPL-2.1\n", ""),
        ("Files: *\nLicense: MPL-2.0\n", ""),
        ("Files: lib/*\nLicense: Expat\n", ""),
        ("This package was debianized by hand. It is free.\n", ""),
        ("Files: *\nLicense: BSD\n Redistribution and use in source and binary forms\n .\n Neither the name of the author\n", "BSD-3-Clause"),
        ("Files: *\nLicense: BSD\n Redistribution and use in source and binary forms\n All advertising materials\n", ""),
    ],
)
def test_a_package_has_a_licence_only_where_all_of_its_code_is_under_a_permissive_one(packages, text, expected):
    assert packages.licence(packages.stanzas("Format: 1.0\n\n" + text)) == expected


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_code_is_taken_from_where_a_language_has_it_and_nothing_else(packages, tmp_path):
    made = tmp_path / "made"
    for path, text in {
        "DEBIAN/control": "Package: golang-till-dev\nVersion: 1-1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a till\n",
        "usr/share/gocode/src/github.com/acme/till/till.go": "package till\n",
        "usr/share/gocode/src/github.com/acme/till/README.md": "# Till\n",
        "usr/share/gocode/src/github.com/acme/till/logo.svg": "<svg/>",
        "usr/share/doc/golang-till-dev/copyright": "Files: *\nLicense: ISC\n",
        "usr/bin/till.py": "print()\n",
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(made), str(tmp_path / "till.deb")], check=True, capture_output=True)
    said, files = packages.files_of(tmp_path / "till.deb")
    assert packages.licence(packages.stanzas(said)) == "ISC"
    assert sorted(files) == ["README.md", "till.go"]
