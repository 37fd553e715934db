"""drain3, beside which the miner of templates is measured, where somebody has installed it.

The one thing to know: it is published as source only, and what is locked is never built. So it is
in no list of ours: `pip install drain3` beside the environment makes the benchmark show its figure.
"""

import sys
import time
from collections.abc import Sequence

from tests.benchmark.figures import Peer

NAME = "drain3, depth 4, similarity 0.4, masks for IP, hex and numbers"
MASKS = (
    (r"\d+\.\d+\.\d+\.\d+(:\d+)?", "IP"),
    (r"0x[0-9a-fA-F]+", "HEX"),
    (r"(?<![A-Za-z0-9])-?\d+(?![A-Za-z0-9])", "NUM"),
)


def drained(lines: Sequence[str]) -> Peer | None:
    """Its lines a second of one core's time, with its usual masks; None where it is not there."""
    try:
        from drain3 import TemplateMiner  # noqa: PLC0415 - it may be absent
        from drain3.masking import MaskingInstruction  # noqa: PLC0415 - it may be absent
        from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415 - the same
    except ImportError:
        print("drain3 is not installed; templates are shown without their peer", file=sys.stderr)
        return None
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(*each) for each in MASKS]
    miner = TemplateMiner(config=config)
    began = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    return Peer(NAME, len(lines) / (time.process_time() - began))
