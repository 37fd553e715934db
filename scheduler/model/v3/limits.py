"""The outer limits of a job descriptor: what the format can say at all.

The one thing to know: these are wide on purpose. A cell's own limits (largest batch, most cpu a
task) are in its `Policy`, in the log, where the fold decides by them. Sources are named; a limit
without one is ours, and only keeps a single record far below the log's 512 KiB.
"""

from typing import Final

CPU_MILLI_MIN: Final = 10
"""Mesos' allocator does not offer less than 0.01 cpus."""
CPU_MILLI_MAX: Final = 1_024_000
MEMORY_MIB_MIN: Final = 16
"""What starts a task is counted in the task's own limit; with less, it dies before it begins."""
MEMORY_MIB_MAX: Final = 16 * 1024 * 1024
DISK_MIB_MAX: Final = 1024 * 1024 * 1024
NETWORK_MBPS_MAX: Final = 400_000
"""Titus (S22)."""
PORTS_MAX: Final = 1_000
GPUS_MAX: Final = 16
"""Titus."""
GPU_MODELS_MAX: Final = 16
SCALARS_MAX: Final = 16
SCALAR_MILLI_MAX: Final = 10**12
"""A thousand million, and exact to the thousandth in any reader of JSON, doubles included."""
SCALAR_NAME_BYTES_MAX: Final = 64

BATCH_SIZE_MAX: Final = 100_000
SERVICE_SIZE_MAX: Final = 100_000
RETRIES_MAX: Final = 1_000_000
RETRY_DELAY_MS_MAX: Final = 24 * 3600 * 1000
RUNTIME_LIMIT_SECONDS_MIN: Final = 5
RUNTIME_LIMIT_SECONDS_DEFAULT: Final = 432_000
RUNTIME_LIMIT_SECONDS_MAX: Final = 864_000
"""Titus: at least 5 s, five days if nothing is said, ten at most."""

NAME_BYTES_MAX: Final = 255
EMAIL_BYTES_MAX: Final = 320
GROUP_BYTES_MAX: Final = 64
"""Stack, detail and sequence: they become one name."""

WORDS_MAX: Final = 1_000
ENTRY_POINT_BYTES_MAX: Final = 16 * 1024
"""Titus."""
COMMAND_BYTES_MAX: Final = 64 * 1024
"""A script may stand here; Linux itself takes 128 KiB for one argument."""
ENVIRONMENT_BYTES_MAX: Final = 32 * 1024
ENVIRONMENT_ENTRY_OVERHEAD: Final = 2
"""Titus: 32 KB in all, and two bytes more for each entry (``=`` and NUL)."""
ENVIRONMENT_ENTRIES_MAX: Final = 2_000
CONSTRAINTS_MAX: Final = 32
CONSTRAINT_VALUES_MAX: Final = 32
ATTRIBUTES_MAX: Final = 100
ATTRIBUTE_NAME_BYTES_MAX: Final = 256
ATTRIBUTE_VALUE_BYTES_MAX: Final = 4 * 1024
ATTRIBUTES_BYTES_MAX: Final = 16 * 1024

IMAGE_NAME_BYTES_MAX: Final = 255
IMAGE_TAG_BYTES_MAX: Final = 128
IMAGE_DIGEST_BYTES_MAX: Final = 160
SECURITY_GROUPS_MAX: Final = 6
"""Titus: one to six."""
SECURITY_GROUP_BYTES_MAX: Final = 64
ROLE_BYTES_MAX: Final = 2_048

KILL_GRACE_SECONDS_DEFAULT: Final = 10
KILL_GRACE_SECONDS_MAX: Final = 3_600

DESCRIPTOR_BYTES_MAX: Final = 500 * 1024
"""A record of the cell log takes 512 KiB, the copy's envelope included."""
