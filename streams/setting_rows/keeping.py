"""What is kept, where, and for how long."""

import os
from collections.abc import Mapping
from pathlib import Path

from streams import setting_texts as texts
from streams.setting_rows.row import Setting

TASK_LOG_FILE_MIB = 64
TASK_LOG_FILE_MIB_LEAST = 11
"""Of parts of a mebibyte: `connectors.tasklogs.limits`."""
TASK_LOG_FILE_MIB_MAX = 1_048_576
TASK_LOG_DAYS = 14
TASK_LOG_DAYS_MAX = 36_500
TASK_LOG_JOB_MIB = 1_024
TASK_LOG_JOB_MIB_MAX = 1_073_741_824
ARCHIVE_AGE_S = 60
"""Of what is lost with Kafka at most, while the store answers."""


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where downloads are kept between runs, shared by all checkouts of a user."""
    if named := environment.get("FLUMINA_CACHE"):
        return Path(named)
    if base := environment.get("XDG_CACHE_HOME"):
        return Path(base) / "flumina"
    return Path.home() / ".cache" / "flumina"


KEEPING = (
    Setting(
        "FLUMINA_DATA",
        "data_dir",
        "directory of the embedded Kafka's data and of other state; default ./.flumina",
        lambda _: Path(".flumina"),
        Path,
    ),
    Setting(
        "FLUMINA_CACHE",
        "cache_dir",
        "directory of downloads; default $XDG_CACHE_HOME/flumina or ~/.cache/flumina",
        default_cache_dir,
        Path,
    ),
    Setting(
        "FLUMINA_STORE",
        "store_url",
        "where snapshots, history and task logs are: a directory, file:///DIR, s3://BUCKET/PREFIX"
        " or rocksdict:///DIR; unset, the folder `store` of the data directory",
        lambda _: None,
        texts.store_url,
    ),
    Setting(
        "FLUMINA_TASK_LOG_FILE_MIB",
        "task_log_file_mib",
        "how much of one file that a task writes is kept, its beginning and its end; default 64",
        lambda _: TASK_LOG_FILE_MIB,
        texts.whole_number(TASK_LOG_FILE_MIB_LEAST, TASK_LOG_FILE_MIB_MAX),
    ),
    Setting(
        "FLUMINA_TASK_LOG_JOB_MIB",
        "task_log_job_mib",
        "how much of all tasks of a job is kept in the store, as stored; default 1024",
        lambda _: TASK_LOG_JOB_MIB,
        texts.whole_number(1, TASK_LOG_JOB_MIB_MAX),
    ),
    Setting(
        "FLUMINA_TASK_LOG_DAYS",
        "task_log_days",
        "days for which a task's output stays in the store after it ended; default 14",
        lambda _: TASK_LOG_DAYS,
        texts.whole_number(1, TASK_LOG_DAYS_MAX),
    ),
    Setting(
        "FLUMINA_ARCHIVE_AGE_S",
        "archive_age_s",
        "seconds after which what was written to Kafka is archived at the latest; default 60",
        lambda _: ARCHIVE_AGE_S,
        texts.whole_number(1, 3_600),
    ),
)
