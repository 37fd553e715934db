"""moto's server on a port of loopback, with our groups in the place of its own.

The one thing to know: it replaces classes of moto in this process, so it runs in a process of its
own (`process.py`). Lifecycle actions go to the account's default event bus, as AWS' do; who wants
them makes a rule with a queue as its target.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import moto.autoscaling.models as moto_models
import moto.autoscaling.urls as moto_urls
from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.events.models import events_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from connectors.cloud.loopback.checks import invalid
from connectors.cloud.loopback.groups import LOCK, Account, Group, require

LOOPBACK: Final = "127.0.0.1"
_GUARDED: Final = ("/autoscaling/aws4_request", "/ec2/aws4_request")
"""Calls of these services see and change instances: one at a time, and not while we do."""


class Responses(AutoScalingResponse):
    """Calls that moto has not, or of which it passes on less than was asked."""

    def complete_lifecycle_action(self) -> ActionResult:
        """Let an instance go on, or give it up."""
        result = self._get_param("LifecycleActionResult")
        if result not in {"CONTINUE", "ABANDON"}:
            require(invalid("Lifecycle Action Result must be one of CONTINUE, ABANDON"))
        self._account.complete(*self._action_words(), result)
        return EmptyResult()

    def record_lifecycle_action_heartbeat(self) -> ActionResult:
        """Have an action wait longer."""
        self._account.heartbeat(*self._action_words())
        return EmptyResult()

    def describe_warm_pool(self) -> ActionResult:
        """The rule of a group's warm pool, and who stands by."""
        name = str(self._get_param("AutoScalingGroupName") or "")
        group = self._account.group(name)
        return ActionResult(
            {"WarmPoolConfiguration": group.warm_pool, "Instances": list(group.pool.states)}
        )

    def describe_scaling_activities(self) -> ActionResult:
        """What a group did lately, or all of them."""
        name = self._get_param("AutoScalingGroupName")
        known = self._account.activities
        found = [each for key in known if name in {None, key} for each in known[key]]
        return ActionResult({"Activities": found})

    def delete_auto_scaling_group(self) -> ActionResult:
        """Delete a group; one with instances only by force."""
        self._account.delete_auto_scaling_group(
            self._get_param("AutoScalingGroupName"),
            is_forced=bool(self._get_bool_param("ForceDelete", False)),
        )
        return EmptyResult()

    def _action_words(self) -> tuple[str, str, str, str]:
        names = ("AutoScalingGroupName", "LifecycleHookName", "InstanceId", "LifecycleActionToken")
        group, hook, instance_id, token = (str(self._get_param(each) or "") for each in names)
        return group, hook, instance_id, token

    @property
    def _account(self) -> Account:
        backend = self.autoscaling_backend
        assert isinstance(backend, Account)
        return backend


def _volume_status(self: ElasticBlockStore) -> ActionResult:
    """`DescribeVolumeStatus`, which moto has not: every volume is well."""
    volumes = self.ec2_backend.describe_volumes(volume_ids=self._get_param("VolumeIds", []))
    statuses = [
        {
            "VolumeId": each.id,
            "AvailabilityZone": each.zone.name,
            "VolumeStatus": {
                "Status": "ok",
                "Details": [{"Name": "io-enabled", "Status": "passed"}],
            },
        }
        for each in volumes
    ]
    return ActionResult({"VolumeStatuses": statuses})


def install() -> None:
    """Put our groups in the place of moto's, in this process, for good."""
    vars(moto_models)[FakeAutoScalingGroup.__name__] = Group
    autoscaling_backends.backend = Account
    # A line for each request would hide what is worth to be read.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto_urls.url_paths["{0}/$"] = Responses.dispatch
    missing = ElasticBlockStore.describe_volume_status.__name__
    setattr(ElasticBlockStore, missing, _volume_status)


def account_of(region: str) -> Account:
    """The groups of a region."""
    backend = autoscaling_backends[DEFAULT_ACCOUNT_ID][region]
    assert isinstance(backend, Account)
    if backend.announce is None:
        backend.announce = partial(_announce, region)
    return backend


def _announce(region: str, kind: str, detail: dict[str, str]) -> None:
    """Put an event on the default bus."""
    entry = {"Source": "aws.autoscaling", "DetailType": kind, "Detail": json.dumps(detail)}
    events_backends[DEFAULT_ACCOUNT_ID][region].put_events([entry])


class Guarded:
    """moto's application, with calls that touch instances one at a time."""

    def __init__(self) -> None:
        self._inner = DomainDispatcherApplication(create_backend_app)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes] | Iterator[bytes]:
        """Answer one request."""
        scope = str(environ.get("HTTP_AUTHORIZATION", ""))
        if not any(each in scope for each in _GUARDED):
            answer: Iterable[bytes] = self._inner(environ, start_response)
            return answer
        with LOCK:
            return list(self._inner(environ, start_response))


class Server:
    """The double's server; `begin`, and `close` at last."""

    def __init__(self, port: int) -> None:
        """Binds the port; raises `OSError` where somebody has it. 0: any free one."""
        self._server: BaseWSGIServer = make_server(
            LOOPBACK, port, Guarded(), threaded=True, request_handler=MotoRequestHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where boto3 finds it."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def begin(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
