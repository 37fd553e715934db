"""What is told of the processes themselves: traces, and the form of their log lines."""

from streams import setting_texts as texts
from streams.setting_rows.row import Setting

OBSERVING = (
    Setting(
        "FLUMINA_TRACES",
        "traces",
        "share of requests that begin a trace, from 0 to 1 such as 0.01; 0 follows only callers'"
        " traces (docs/tracing.md); unset, tracing is off",
        lambda _: None,
        texts.share,
    ),
    Setting(
        "FLUMINA_LOG_FORMAT",
        "log_format",
        "form of log lines: json or console (docs/logs.md); default json",
        lambda _: "json",
        texts.one_of(("json", "console")),
    ),
)
