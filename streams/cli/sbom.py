"""What is shipped, as a CycloneDX 1.6 document: from the locks, and from nothing else.

The one thing to know: it says the same for the same locks, byte for byte: no time and no random
serial number. ``hashes`` of a Python package are those of all its files that the lock admits, one
for each platform; of a jar, its one file's.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

SPEC_VERSION: Final = "1.6"
ROOT_REF: Final = "flumina"
_PIN: Final = re.compile(r"([A-Za-z0-9._-]+)==([^\s\\;]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"#(?: via)? +([A-Za-z0-9._-]+)(?: \((\S+)\))?")
_JAR: Final = re.compile(r"(\S+):(\S+):(\S+) [0-9]+ sha256:([0-9a-f]{64})")
_OWN: Final = "flumina"


class Package(NamedTuple):
    """A package of a lock."""

    ref: str
    """Its package URL (purl)."""
    name: str
    version: str
    group: str
    hashes: tuple[str, ...]
    """SHA-256, each of one file."""
    wanted_by: tuple[str, ...]
    """Names of packages, and ``flumina`` where we name it for running."""


def locked_packages(lock: str) -> list[Package]:
    """The packages of ``requirements.lock``; raises ValueError where a pin has no hash."""
    found: list[Package] = []
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    for entry in entries:
        pin = _PIN.match(entry)
        if pin is None:
            continue
        name, version = pin[1].lower(), pin[2]
        hashes = tuple(_HASH.findall(entry))
        if not hashes:
            raise ValueError(f"{name} {version} is pinned without a hash")
        wanted = tuple(by.lower() for by, group in _VIA.findall(entry) if _is_running(by, group))
        found.append(Package(f"pkg:pypi/{name}@{version}", name, version, "", hashes, wanted))
    return found


def _is_running(by: str, group: str) -> bool:
    return by != _OWN or group == "pyproject.toml"


def locked_jars(lock: str) -> list[Package]:
    """The jars of the embedded Kafka, from ``jars.lock``."""
    return [
        Package(f"pkg:maven/{group}/{name}@{version}", name, version, group, (digest,), (_OWN,))
        for group, name, version, digest in _JAR.findall(lock)
    ]


def running(packages: Iterable[Package]) -> set[str]:
    """The names of those that are needed to run, by us or by one that is."""
    wanted_by = {each.name: each.wanted_by for each in packages}
    found = {_OWN}
    while True:
        more = {name for name, by in wanted_by.items() if name not in found and found & set(by)}
        if not more:
            return found - {_OWN}
        found |= more


def sbom(version: str, packages: list[Package], jars: list[Package]) -> dict[str, Any]:
    """The document, as JSON."""
    needed = running(packages)
    refs = {each.name: each.ref for each in packages}
    depends: dict[str, set[str]] = {each.ref: set() for each in (*packages, *jars)}
    depends[ROOT_REF] = {each.ref for each in jars}
    for each in packages:
        for by in each.wanted_by:
            depends[ROOT_REF if by == _OWN else refs.get(by, ROOT_REF)].add(each.ref)
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ROOT_REF,
                "name": _OWN,
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [
            *(_component(each, is_needed=each.name in needed) for each in packages),
            *(_component(each, is_needed=True) for each in jars),
        ],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(those)} for ref, those in sorted(depends.items())
        ],
    }


def _component(package: Package, *, is_needed: bool) -> Mapping[str, Any]:
    group = {"group": package.group} if package.group else {}
    return {
        "type": "library",
        "bom-ref": package.ref,
        **group,
        "name": package.name,
        "version": package.version,
        # What only tests and builds need is in no image.
        "scope": "required" if is_needed else "excluded",
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(set(package.hashes))],
        "purl": package.ref,
    }


def read_locks(root: Path) -> tuple[list[Package], list[Package]]:
    """Packages and jars of the checkout at ``root``; raises OSError and ValueError."""
    lock = (root / "requirements.lock").read_text("utf-8")
    jars = (root / "streams" / "kafka" / "jars.lock").read_text("utf-8")
    return locked_packages(lock), locked_jars(jars)
