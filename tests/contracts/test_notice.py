"""NOTICE names the licence of every package that is installed to run the product, as the package's own metadata gives it."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from tests.contracts.pages import ROOT

SHORT = {
    "Apache License, Version 2.0": "Apache-2.0", "Apache Software License": "Apache-2.0", "Apache 2.0": "Apache-2.0",
    "Apache 2": "Apache-2.0", "BSD License": "BSD", "BSD-derived (Repoze)": "Repoze Public License", "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "ISC License": "ISC", "GNU General Public License v2 (GPLv2)": "GPL-2.0",
}  # fmt: skip
"""What packages write in words of their own."""
UNSAID = {"espeakng-loader"}
"""Packages whose metadata say nothing."""
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-CMU", "PSF-2.0",
    "Repoze Public License", "Unlicense", "Zlib",
}  # fmt: skip


def locked() -> list[str]:
    lines = (ROOT / "requirements" / "run.lock").read_text(encoding="utf-8").splitlines()
    names = [match[1] for line in lines if (match := re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*])?==", line))]
    assert len(names) > 80, "the packages of the lock file are not found any more"
    return names


def installed() -> dict[str, Distribution]:
    """The packages of the lock file; some are for other systems than this."""
    found: dict[str, Distribution] = {}
    for name in locked():
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
    return found


def licences(package: Distribution) -> set[str]:
    """As SPDX writes them: the expression; else the field, where it is no whole text; else the classifiers."""
    told = package.metadata
    said = (told.get_all("License-Expression") or told.get_all("License") or [""])[0]
    if not said or "\n" in said:
        said = " AND ".join(one.split(" :: ")[-1] for one in told.get_all("Classifier") or [] if one.startswith("License ::"))
    return {SHORT.get(one, one) for one in re.split(r" AND | OR ", said) if one}


def section(number: int) -> str:
    text = (ROOT / "NOTICE").read_text(encoding="utf-8")
    return re.split(r"^\d\. ", text, flags=re.MULTILINE)[number]


def told() -> dict[str, set[str]]:
    """Section 5: a licence, or several, and the packages under it."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^(\S.*?): ((?:.+\n(?: {4}.*\n)*))", section(5), re.MULTILINE):
        for name in re.split(r",\s+", " ".join(line[1].split()).rstrip(".")):
            found[name] = set(re.split(r" and | or ", line[0]))
    return found


def test_the_licence_of_every_package_is_named() -> None:
    wanted = {name: licences(package) for name, package in installed().items() if name not in UNSAID}
    assert {name: found for name, found in wanted.items() if not found} == {}
    named = told()
    assert {name: found for name, found in wanted.items() if named.get(name) != found} == {}
    assert named.keys() <= set(locked()), "packages are named that are not installed any more"


def test_what_is_not_permissive_is_told_by_itself() -> None:
    for name, package in installed().items():
        if not licences(package) <= PERMISSIVE:
            assert re.search(rf"\b{name}\b", section(3)), f"{name}: {licences(package)}"


def test_a_package_that_says_nothing_is_told_of() -> None:
    for name in UNSAID:
        assert not licences(distribution(name)), f"{name} says something now"
        assert name in section(2)
