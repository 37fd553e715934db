"""What the metadata endpoint of one task answers: EC2's paths, version 2 only.

The one thing to know: a session token is good for the endpoint that gave it and for no other, so
one that was stolen from another task opens nothing here. A request that came through a proxy
(`X-Forwarded-For`) gets no token: that is how servers are tricked into asking for their callers.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from connectors.metadata.credentials import RoleCredentials, RoleNotGranted
from connectors.metadata.facts import TaskFacts
from connectors.metadata.identity import KeyRing, NotIdentified

TTL_HEADER: Final = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER: Final = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
FORWARDED: Final = "x-forwarded-for"
TTL_S_MAX: Final = 21_600
"""EC2's own."""
TTL_DIGITS_MAX: Final = len(str(TTL_S_MAX))
VERSIONS: Final = ("latest", "2021-03-23", "2024-04-11")
TOKEN_PATH: Final = "api/token"  # noqa: S105 - a path
CREDENTIALS_PATH: Final = "meta-data/iam/security-credentials"
IDENTITY_PATH: Final = "dynamic/flumina/identity"
KEYS_PATH: Final = "dynamic/flumina/keys"


class Reply(NamedTuple):
    """Status, text and further headers."""

    status: int
    text: str = ""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND: Final = Reply(404, "Not Found")


class TaskAnswers:
    """Answers for one task."""

    def __init__(
        self,
        facts: TaskFacts,
        secret: bytes,
        credentials: RoleCredentials | None,
        keys: KeyRing,
        now_s: Callable[[], float],
    ) -> None:
        """``secret``: what this endpoint's tokens are signed with; known to nobody else."""
        self._facts = facts
        self._secret = secret
        self._credentials = credentials
        self._keys = keys
        self._now_s = now_s

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        """The answer to one request; header names in lower case. May wait for AWS."""
        try:
            address = urlsplit(target)
        except ValueError:  # As //[ is, which would be half an address of IPv6.
            return Reply(400, "Bad Request")
        version, _, path = address.path.strip("/").partition("/")
        if version not in VERSIONS:
            return NOT_FOUND
        if path == TOKEN_PATH:
            return self._token(method, headers)
        if FORWARDED in headers:
            return Reply(403, "Forbidden")
        if method not in {"GET", "HEAD"}:
            return Reply(405, "Method Not Allowed", headers=(("Allow", "GET, HEAD"),))
        if not self._is_known(headers.get(TOKEN_HEADER, "")):
            return Reply(401, "Unauthorized")
        return self._told(path, parse_qs(address.query).get("audience", [""])[0])

    def _told(self, path: str, audience: str) -> Reply:
        """The answer to whoever has shown a token of ours."""
        if path.startswith("meta-data"):
            return self._meta_data(path)
        if path == IDENTITY_PATH:
            return self._identity(audience)
        if path == KEYS_PATH:
            return _json(self._keys.public())
        if path == "dynamic/instance-identity/document":
            return _json(self._document())
        return NOT_FOUND

    def _token(self, method: str, headers: Mapping[str, str]) -> Reply:
        if FORWARDED in headers:
            return Reply(403, "Forbidden")
        if method != "PUT":
            return Reply(405, "Method Not Allowed", headers=(("Allow", "PUT"),))
        text = headers.get(TTL_HEADER, "")
        is_number = text.isascii() and text.isdecimal() and len(text) <= TTL_DIGITS_MAX
        if not (is_number and 0 < int(text) <= TTL_S_MAX):
            return Reply(400, "Bad Request")
        ends_at_s = int(self._now_s()) + int(text)
        return Reply(200, f"{ends_at_s}.{self._mac(ends_at_s)}", headers=((TTL_HEADER, text),))

    def _is_known(self, token: str) -> bool:
        ends, _, mac = token.partition(".")
        if not (ends.isascii() and ends.isdecimal() and len(ends) < 16 and mac.isascii()):
            return False
        ends_at_s = int(ends)
        return hmac.compare_digest(mac, self._mac(ends_at_s)) and self._now_s() < ends_at_s

    def _mac(self, ends_at_s: int) -> str:
        return hmac.new(self._secret, str(ends_at_s).encode(), hashlib.sha256).hexdigest()

    def _meta_data(self, path: str) -> Reply:
        if path == CREDENTIALS_PATH and self._credentials is not None:
            return Reply(200, self._facts.role_name)
        if path.startswith(f"{CREDENTIALS_PATH}/"):
            return self._role(path.removeprefix(f"{CREDENTIALS_PATH}/"))
        values = self._values()
        wanted = path.removeprefix("meta-data").strip("/")
        if wanted in values:
            return Reply(200, values[wanted])
        below = f"{wanted}/" if wanted else ""
        names = {
            rest.partition("/")[0] + ("/" if "/" in rest else "")
            for name in values
            if name.startswith(below) and (rest := name.removeprefix(below))
        }
        return Reply(200, "\n".join(sorted(names))) if names else NOT_FOUND

    def _values(self) -> dict[str, str]:
        facts = self._facts
        found = {
            "instance-id": facts.task_id,
            "hostname": facts.host,
            "local-hostname": facts.host,
            "local-ipv4": facts.address,
            "placement/availability-zone": facts.zone,
            "placement/region": facts.region,
            "tags/instance/flumina.job": facts.job_id,
            "tags/instance/flumina.application": facts.application,
        }
        if self._credentials is not None:
            profile = facts.role_arn.replace(":role/", ":instance-profile/")
            found["iam/info"] = json.dumps({"Code": "Success", "InstanceProfileArn": profile})
            found["iam/security-credentials/" + facts.role_name] = ""
        return {name: value for name, value in found.items() if value or name.startswith("iam/")}

    def _role(self, name: str) -> Reply:
        if self._credentials is None or name != self._facts.role_name:
            return NOT_FOUND  # Another role is not refused: there is none.
        try:
            found, since_s = self._credentials.current()
        except RoleNotGranted as error:
            # As EC2 says it, with status 200: clients look at the code.
            refused = {"Code": "AssumeRoleUnauthorizedAccess", "Message": str(error)}
            return _json(refused | {"LastUpdated": _stamp(self._now_s())})
        return _json(
            {
                "Code": "Success",
                "LastUpdated": _stamp(since_s),
                "Type": "AWS-HMAC",
                "AccessKeyId": found.access_key,
                "SecretAccessKey": found.secret_key,
                "Token": found.token,
                "Expiration": _stamp(found.expires_at_s),
            }
        )

    def _identity(self, audience: str) -> Reply:
        try:
            return Reply(200, self._keys.issued(self._facts, audience, int(self._now_s())))
        except NotIdentified:
            return NOT_FOUND

    def _document(self) -> dict[str, object]:
        facts = self._facts
        return {
            "version": "2017-09-30",
            "instanceId": facts.task_id,
            "availabilityZone": facts.zone,
            "region": facts.region,
            "privateIp": facts.address,
        }


def _json(value: object) -> Reply:
    return Reply(200, json.dumps(value), "application/json")


def _stamp(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
