"""The scripts of a dev cluster's hosts: look whether a fault was injected, and take it back.

The one thing to know: a fault of a dev agent is a file in its directory
(`connectors/healing/faults`) that the prober honours. Mending removes it, as a real script would
restart what hangs.
"""

import os
import sys
from pathlib import Path

from connectors.healing.faults import broken, mend

BROKEN = 1
USAGE = 64


def main(words: list[str]) -> int:
    """0 where all is well, 1 where something is broken; ``mend`` makes it well."""
    home = Path(os.environ.get("FLUMINA_AGENT_DIR", ""))
    if words not in (["status"], ["mend"], ["fail"]) or not home.is_dir():
        print("usage: status | mend | fail, with FLUMINA_AGENT_DIR", file=sys.stderr)
        return USAGE
    if words == ["fail"]:
        print("it cannot be mended")
        return BROKEN
    faults = broken(home)
    for name, detail in faults.items():
        print(f"{name}: {detail or 'broken'}")
    if words == ["mend"]:
        mend(home)
        print(f"{len(faults)} faults were taken back")
        return 0
    return BROKEN if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
