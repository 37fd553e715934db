"""One request before the rules of rate: who asks, from where, and the 429 of who asks too often.

The one thing to know: this stands before anything of the request is read but its head, so that what
is turned away costs next to nothing.
"""

import math
from http import HTTPStatus

from starlette.requests import Request

from connectors.web.api import Api
from connectors.web.problems import Problem
from connectors.web.requests import ACTOR, actor_of
from scheduler.model.inbound import Fault


def check_rate(api: Api, request: Request, endpoint: str) -> None:
    """Return where the request may go on; raises a 429 `Problem` that says when it may again."""
    limits = api.rate_limits
    if not limits:
        return
    address = request.client.host if request.client else "nowhere"
    # Whom a principal claims to ask for is his own word: it gives nobody another bucket.
    caller = api.asking.name if api.asking is not None else actor_of(request)
    empty = limits.take(caller, address, endpoint)
    if empty is None:
        return
    api.admission.refused["rate"] += 1
    rule, wait_s = empty.rule, max(1, math.ceil(empty.wait_s))
    whose = {"caller": "your", "address": "your address'", "all": "everybody's"}[rule.per]
    fault = Fault(
        field=ACTOR if rule.per == "caller" else "request",
        text=f"has used up rule {rule.name}: {rule.capacity} requests, and {rule.per_s:g} a second",
        hint=f"ask again in {wait_s} s",
    )
    raise Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Too many requests of {endpoint}: {whose} bucket of rule {rule.name} is empty",
        f"Nothing was done. Ask again in {wait_s} s, or more slowly.",
        faults=[fault],
        headers={"Retry-After": str(wait_s)},
    )
