"""What went wrong with a call to AWS, as a kind and words.

The one thing to know: an answer that is no XML, a time-out and a server's fault leave it open
whether the call was done; only a refusal in AWS' own words, or no connection at all, says that it
was not.
"""

from typing import Final, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

CLOUD_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError, OSError)
"""What a call may raise for the other side's fault; an answer that is no XML is no botocore error
of the usual kind."""
THROTTLES: Final = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
DENIALS: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ExpiredToken"}
)
NO_ADDRESSES: Final = frozenset(
    {"InsufficientFreeAddressesInSubnet", "PrivateIpAddressLimitExceeded"}
)
"""The subnet has no address left, or the interface takes no more."""
_ABSENCES: Final = (
    "not found",
    "no managed instance",
    "does not exist",
    "invalid group",
    # It is on its way out, or not in yet: there is nobody to protect.
    "is not in inservice",
    # Of CompleteLifecycleAction: it was completed, or its time is over.
    "no active lifecycle action",
)
_SENT_NOTHING: Final = (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
_SERVER: Final = 500


class Failure(NamedTuple):
    """A call that failed."""

    kind: str
    """throttled, gone, denied, empty, refused, unreachable or unknown."""
    words: str

    @property
    def is_unknown(self) -> bool:
        """Whether it may have been done all the same."""
        return self.kind == "unknown"

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"[:300]


def failure_of(error: Exception) -> Failure:
    """The failure that an exception of boto3 stands for."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        code, text = str(told.get("Code", "")), str(told.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        words = f"{code}: {text}"
        if code in THROTTLES:
            return Failure("throttled", words)
        if code in DENIALS:
            return Failure("denied", words)
        if code in NO_ADDRESSES:
            return Failure("empty", words)
        if status >= _SERVER:
            return Failure("unknown", f"HTTP {status}: {words}")
        if any(each in text.lower() for each in _ABSENCES):
            return Failure("gone", words)
        return Failure("refused", words)
    if isinstance(error, _SENT_NOTHING) and not isinstance(error, ConnectionClosedError):
        return Failure("unreachable", str(error))
    assert isinstance(error, CLOUD_ERRORS)
    return Failure("unknown", f"{type(error).__name__}: {error}")
