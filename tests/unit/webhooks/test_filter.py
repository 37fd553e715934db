"""Which events a webhook wants."""

import pytest

from connectors.webhooks.translate import Event
from streams.webhooks.endpoint import fits
from streams.webhooks.told import Filter


def event(kind: str, subject: str = "", state: str = "") -> Event:
    return Event("main/1a2b3c4d:1[0]", kind, "/flumina/cells/main", subject, b"{}", state)


ENDED = event("TaskChanged", "job", "Finished")
PAGE = event("CellPaged")
ANSWER = event("RequestAccepted")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Filter(), {"ended", "page"}),
        (Filter(kinds=frozenset({"TaskChanged", "RequestAccepted"})), {"ended", "answer"}),
        (Filter(kinds=frozenset({"CellPaged"})), {"page"}),
        (Filter(job_ids=frozenset({"job"})), {"ended"}),
        (Filter(job_ids=frozenset({"other"})), set()),
        (Filter(states=frozenset({"Finished"})), {"ended"}),
        (Filter(states=frozenset({"Started"})), set()),
        (Filter(applications=frozenset({"web"})), {"ended"}),  # Its application is asked for.
    ],
)
def test_what_is_wanted(wanted: Filter, told: set[str]) -> None:
    events = {"ended": ENDED, "page": PAGE, "answer": ANSWER}
    assert {name for name, each in events.items() if fits(wanted, each)} == told
