"""Environments in answers: shown to who may run the job, masked for who may only look.

The one thing to know: what is sealed is sealed for everybody. This is about values that nobody has
marked: who may not submit such a job reads none of them, in answers and in streams alike.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from connectors.access.principals import reach_of
from connectors.web.api import Api
from connectors.web.problems import JSON
from projections.masking import ENVIRONMENT_KEYS, Masker
from scheduler.model.reading.bad_bytes import BAD_BYTES

Reach = Callable[[str, str], bool]
"""Whether who asks may run jobs of this owner and application."""


class Curtain:
    """Masks JSON for one principal."""

    def __init__(self, has: Reach, masker: Masker) -> None:
        self._has = has
        self._masker = masker

    def json(self, data: bytes) -> bytes:
        """The JSON text with environments masked that he may not see; the same where none is."""
        if not any(b'"%b"' % each.encode() in data for each in ENVIRONMENT_KEYS):
            return data
        try:
            value = msgspec.json.decode(data)
        except BAD_BYTES:
            return self._masker.plain(data)
        return msgspec.json.encode(self._shown(value))

    def events(self, data: bytes) -> bytes:
        """The same of whole lines of server-sent events."""
        return b"\n".join(
            b"data: " + self.json(line[5:].strip()) if line.startswith(b"data:") else line
            for line in data.split(b"\n")
        )

    def _shown(self, value: Any) -> Any:  # noqa: ANN401 - JSON is any value
        if isinstance(value, list):
            return [self._shown(each) for each in value]
        if not isinstance(value, dict):
            return value
        owner = value.get("owner")
        if isinstance(owner, dict):
            email, application = owner.get("teamEmail"), value.get("applicationName")
        else:  # Version 2 has other words for them.
            email, application = value.get("user"), value.get("appName")
        if isinstance(email, str) and isinstance(application, str):
            return value if self._has(email, application) else self._masker.value(value)
        return {name: self._named(name, each) for name, each in value.items()}

    def _named(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is any value
        # Without an owner beside it nobody knows whose it is.
        return (
            self._masker.value({name: value})[name]
            if name in ENVIRONMENT_KEYS
            else (self._shown(value))
        )


def curtain_of(api: Api) -> Curtain | None:
    """What stands before the answers of who asks; None where he may run every job."""
    if api.asking is None:
        return None
    has = reach_of(api.asking, "run", api.door.cell)
    return None if has is None else Curtain(has, api.secrets.masker)


def behind_curtain(api: Api, response: Response) -> Response:
    """The answer as who asks may see it."""
    curtain = curtain_of(api)
    body = getattr(response, "body", b"")
    if curtain is None or response.media_type != JSON or not body:
        return response
    shown = curtain.json(bytes(body))
    if shown is not body:
        response.body = shown
        response.headers["content-length"] = str(len(shown))
    return response
