"""Calls to S3 with a limit for everything: attempts, seconds, calls that hang.

The one thing to know: a time-out of a socket does not end a call to a server that sends a byte a
second. So each call runs in a thread of its own and is left behind when its time is over; it ends
by itself when the server closes, and there is a limit for such calls as well.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimeIsOver
from typing import Any, Final, TypeVar

import botocore.exceptions as boto_errors
import msgspec
from botocore.parsers import ResponseParserError

from connectors.objects.keys import failed
from connectors.ports import StoreFailed

HANGING_MAX: Final = 8
WORDS_MAX: Final = 300
"""Characters of a server's own words: two lines of a log."""
_Answer = TypeVar("_Answer")

# Codes that another attempt may answer otherwise. S3's list of errors, and what gateways before it
# send; 409 means that another write of the key is under way.
CONFLICT_CODES: Final = frozenset(("ConditionalRequestConflict", "OperationAborted"))
PASSING_CODES: Final = CONFLICT_CODES | frozenset(
    (
        *("408", "425", "429", "500", "502", "503", "504"),
        *("InternalError", "ServiceUnavailable", "SlowDown", "RequestLimitExceeded"),
        *("Throttling", "ThrottlingException", "TooManyRequestsException"),
        *("RequestTimeout", "RequestTimeoutException", "BadDigest", "IncompleteBody"),
    )
)


class Limits(msgspec.Struct, frozen=True):
    """What a call may take. Each number is set here and nowhere else."""

    attempts: int = 5
    pause_s: float = 0.2
    """Before the second attempt, at most; doubled for each one more, and drawn from 0 to that."""
    pause_s_max: float = 10.0
    connect_s: float = 5.0
    silent_s: float = 20.0
    """Without a single byte from the server."""
    call_s: float = 30.0
    bytes_per_s_least: int = 256 * 1024
    """A call that carries data has more time, by this rate."""


class Calls:
    """Runs calls to one store within their limits, and names what went wrong."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self._limits = limits
        self._hanging = threading.BoundedSemaphore(HANGING_MAX)

    def call(self, doing: str, act: Callable[[], _Answer], bytes_total: int = 0) -> _Answer:
        """What ``act`` answers, at one of several attempts.

        Raises botocore's `ClientError` for what another attempt would not change, or where
        another write of the key does not end; and `StoreFailed` for all else.
        """
        limits = self._limits
        seconds = limits.call_s + bytes_total / limits.bytes_per_s_least
        last: Exception | None = None
        for attempt in range(limits.attempts):
            if attempt:
                most_s = min(limits.pause_s * 2 ** (attempt - 1), limits.pause_s_max)
                # Those that failed together must not come again together.
                time.sleep(random.uniform(0, most_s))  # noqa: S311 - a pause is no secret
            try:
                return self._within(seconds, doing, act)
            except boto_errors.ClientError as error:
                if not is_passing(error):
                    raise
                last = error
            except _FINAL as error:
                raise self.failed(doing, error) from error
            except (boto_errors.BotoCoreError, ResponseParserError) as error:
                last = error
        assert last is not None
        if code_of(last) in CONFLICT_CODES:
            raise last  # Whoever writes knows best what that means.
        raise self.failed(doing, last) from last

    def _within(self, seconds: float, doing: str, act: Callable[[], _Answer]) -> _Answer:
        if not self._hanging.acquire(blocking=False):
            raise failed(
                f"{doing} in {self._url} was not tried",
                f"{HANGING_MAX} earlier calls still wait for that server",
                "Look whether it is overloaded, or choose another store",
            )
        future: Future[_Answer] = Future()

        def run() -> None:
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                future.set_exception(error)
            finally:
                self._hanging.release()

        threading.Thread(target=run, name="s3-call", daemon=True).start()
        try:
            return future.result(timeout=seconds)
        except TimeIsOver as error:
            raise failed(
                f"{doing} in {self._url} was not done in {seconds:.0f} s",
                "The server answers too slowly, or the network loses packets",
                "Look at the network and the server; the same will be tried again later",
            ) from error

    def failed(self, doing: str, error: Exception) -> StoreFailed:
        """The failure that an error of botocore is, with its likely cause and what to do."""
        what = f"{doing} in {self._url} failed: {_words(error)}"
        if isinstance(error, boto_errors.ClientError):
            return failed(what, *_advice(code_of(error)))
        for kind, cause, remedy in _KINDS:
            if isinstance(error, kind):
                return failed(what, cause, remedy)
        return failed(
            what,
            "The request could not be made or its answer not be understood",
            "Look at the settings of AWS of this environment (region, endpoint, proxy)",
        )


def code_of(error: Exception) -> str:
    """S3's word for what went wrong, or the number of the HTTP status; empty for other errors."""
    if not isinstance(error, boto_errors.ClientError):
        return ""
    answer: dict[str, Any] = error.response
    return str(answer.get("Error", {}).get("Code", "")) or str(status_of(error))


def status_of(error: Exception) -> int:
    """The HTTP status of the refusal; 0 where there is none."""
    if not isinstance(error, boto_errors.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_passing(error: Exception) -> bool:
    """Whether another attempt may be answered otherwise."""
    return code_of(error) in PASSING_CODES or str(status_of(error)) in PASSING_CODES


# What no second attempt changes: the settings of this environment are wrong.
_FINAL: Final = (
    boto_errors.NoCredentialsError,
    boto_errors.PartialCredentialsError,
    boto_errors.ParamValidationError,
    boto_errors.ProfileNotFound,
)

_KINDS: Final = (
    (
        (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError),
        "This environment has no credentials for AWS",
        "Give the process a role, or set AWS_PROFILE or the other variables of AWS",
    ),
    (
        ResponseParserError,
        "Something that is not S3 answered, such as a proxy's page of errors",
        "Look at AWS_ENDPOINT_URL and at proxies between here and S3",
    ),
    (
        (boto_errors.ConnectTimeoutError, boto_errors.EndpointConnectionError),
        "No server answers at that address",
        "Look at AWS_ENDPOINT_URL, the region and the network; it will be tried again",
    ),
    (
        (boto_errors.ReadTimeoutError, boto_errors.ConnectionClosedError),
        "The server or the network is too slow, or broke off",
        "It will be tried again; look at the server when it goes on",
    ),
)


def _words(error: Exception) -> str:
    """The error's own words in one line, without the page that a proxy may have sent."""
    text = " ".join(str(error).split())
    return text if len(text) <= WORDS_MAX else text[:WORDS_MAX] + "…"


def _advice(code: str) -> tuple[str, str]:
    match code:
        case "AccessDenied" | "403" | "AllAccessDisabled" | "AccountProblem":
            return (
                "The role of this process may not do that in the bucket",
                "Let it list, get and put objects below the prefix (and delete, for retention)",
            )
        case "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken":
            return (
                "The credentials are wrong or have expired",
                "Renew them, and look at the computer's clock",
            )
        case "NoSuchBucket":
            return "There is no bucket of that name", "Make it, or correct FLUMINA_STORE"
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "301":
            return "The bucket is in another region", "Set AWS_REGION to the bucket's region"
        case _ if code in PASSING_CODES:
            return (
                "The store is overloaded or has a fault of its own",
                "It will be tried again; look at the provider's page of health when it goes on",
            )
        case _:
            return "The store refused", "See its own words above"
