"""`python -m tests.fuzz`: a campaign over all parsers, each in a process with bounded memory.

The one thing to know: one JSON line for each parser on standard output; exit code 1 where any
failed. Inputs that failed are written to ``--keep`` (a folder), to be looked at and then moved to
``tests/fuzz/corpus``.
"""

import argparse
import faulthandler
import resource
import subprocess
import sys
from hashlib import sha256
from logging import CRITICAL
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tests.fuzz.campaign import Account, campaign
from tests.fuzz.catalogue import PARSERS
from tests.fuzz.parser import Failure, Kind

MEMORY_MIB_MAX: Final = 2_048
"""Of address space beyond what the process has after its imports. The largest planted input is
10 MB, and its bomb 100 MB; what needs more than twenty times that holds without bound."""
PARSER_S_MAX: Final = 7_200
WEIGHTS: Final[dict[Kind, int]] = {"json": 20, "text": 20, "binary": 20, "yaml": 1}
"""Shares of the inputs: reading YAML takes milliseconds where JSON takes microseconds."""


def main() -> int:
    """Run the campaign; 1 where a parser failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all parsers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names of parsers, with commas between")
    parser.add_argument("--keep", type=Path, default=None, help="folder for inputs that failed")
    parser.add_argument("--here", action="store_true", help="in this process, not one for each")
    asked = parser.parse_args()
    only = {each for each in asked.only.split(",") if each}
    unknown = only - {each.name for each in PARSERS}
    if unknown:
        parser.error(f"there is no parser {', '.join(sorted(unknown))}")
    chosen = [each.name for each in PARSERS if not only or each.name in only]
    if asked.here:
        return _here(chosen, asked.inputs, asked.seed, asked.keep)
    shares = _shares(chosen, asked.inputs)
    return max(_in_child(name, shares[name], asked.seed, asked.keep) for name in chosen)


def _shares(names: list[str], inputs: int) -> dict[str, int]:
    """How many inputs each parser is given, together as many as were asked for."""
    weights = {each.name: WEIGHTS[each.kind] for each in PARSERS if each.name in names}
    total = sum(weights.values())
    return {name: -(-inputs * weight // total) for name, weight in weights.items()}


def _here(names: list[str], inputs: int, seed: int, keep: Path | None) -> int:
    # What parsers log of inputs would stand among the lines of JSON, and takes longer than they.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    faulthandler.dump_traceback_later(PARSER_S_MAX, exit=True)
    used = _address_space_bytes() + MEMORY_MIB_MAX * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    found = 0
    for parser in PARSERS:
        if parser.name not in names:
            continue
        account, failures = campaign(parser, inputs, seed)
        print(msgspec.json.encode(account._asdict()).decode(), flush=True)
        found = max(found, 1 if failures else 0)
        if keep is not None:
            _kept(failures, keep)
    return found


def _in_child(name: str, inputs: int, seed: int, keep: Path | None) -> int:
    words = ["--here", "--only", name, "--inputs", str(inputs), "--seed", str(seed)]
    words += [] if keep is None else ["--keep", str(keep)]
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", *words], check=False)
    if done.returncode not in {0, 1}:
        text = f"its process ended with {done.returncode}"
        account = Account(name, seed, 0, 0, 0.0, 0, 0.0, (text,))
        print(msgspec.json.encode(account._asdict()).decode(), flush=True)
    return min(1, abs(done.returncode))


def _kept(failures: list[Failure], keep: Path) -> None:
    for failure in failures:
        folder = keep / failure.parser
        folder.mkdir(parents=True, exist_ok=True)
        name = sha256(failure.data).hexdigest()[:12]
        (folder / name).write_bytes(failure.data)
        (folder / f"{name}.why").write_text(f"{failure.why}\n")


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
