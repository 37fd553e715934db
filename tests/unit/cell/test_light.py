"""What a cell process does not load: libraries that only other roles use."""

import subprocess
import sys

import pytest

HEAVY = (
    *("duckdb", "pyarrow", "boto3", "botocore", "hyperscan", "re2", "drain3", "river", "sklearn"),
    *("scipy", "pandas", "cryptography", "jwt", "opentelemetry", "starlette", "uvicorn", "httpx"),
    *("moto", "jgo", "requests", "grpc"),
)
LOOK = """
import sys
import streams.cli.command_cell, streams.cell.leader
print(",".join(sorted({each.partition(".")[0] for each in sys.modules})))
"""


@pytest.mark.integration  # It starts processes.
def test_a_cell_process_starts_without_the_libraries_of_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    assert sorted(set(done.stdout.strip().split(",")) & set(HEAVY)) == []
