"""The query process, as `doctor` finds it.

The one thing to know: it is asked, and not only connected to; who answers has read this release's
code. That nobody uses it is no fault.
"""

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from streams.cli.doctor_checks import Finding, failed, ok, warning
from streams.supervise.up_file import UpView

CHECK: Final = "query"
ANSWER_S_MAX: Final = 5.0
STATUS: Final = "api/flumina/query/status"


def query_findings(running: UpView | None) -> list[Finding]:
    """Whether live queries and the console are served; nothing where nothing runs here."""
    if running is None or not running.console:
        return []
    opener = build_opener(ProxyHandler({}))
    address = f"{running.console.rstrip('/')}/{STATUS}"
    try:
        with opener.open(address, timeout=ANSWER_S_MAX) as answer:
            found: Any = json.loads(answer.read())
        readers, refused = int(found["readers"]), int(found["refused"])
    except (URLError, HTTPException, OSError, ValueError, KeyError, TypeError) as error:
        return [
            failed(
                CHECK,
                f"{running.console} does not answer: {error}",
                "`up` starts it again by itself; its log is query.log of the data directory.",
            )
        ]
    text = f"{running.console} serves the console and {readers} live queries"
    if refused:
        remedy = "Close pages that nobody looks at, or start another `flumina query serve`."
        return [warning(CHECK, f"{text}; {refused} found no room", remedy)]
    return [ok(CHECK, text)]
