"""Scripts run on EC2 instances by AWS' Systems Manager (Run Command).

The one thing to know: the instance's agent runs the script and keeps its outcome, which is asked
for until it is there. The order's id is the command's comment, so that it is found again in AWS.
"""

import asyncio
import shlex
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from connectors.healing.allow_list import AllowList, NotAllowed
from connectors.healing.ports import ScriptRan, ScriptToRun

DOCUMENT: Final = "AWS-RunShellScript"
POLL_S: Final = 1.0
GRACE_S: Final = 20.0
"""Between the script's own time-out and when its outcome is waited for no longer."""
TIMEOUT_S_MIN: Final = 30
"""AWS takes no shorter time for delivery to the instance."""
OUTPUT_MAX: Final = 8_000
_UNDER_WAY: Final = frozenset(("Pending", "InProgress", "Delayed", "Cancelling"))
_NOT_THERE_YET: Final = "InvocationDoesNotExist"


class SsmCommands:
    """Runs scripts on instances of one account and region."""

    def __init__(self, allowed: AllowList) -> None:
        self._allowed = allowed
        self._made: Any = None

    async def run(self, script: ScriptToRun) -> ScriptRan:
        """Have the instance run it, and wait for its outcome."""
        if not script.instance_id:
            return ScriptRan("refused", "no instance is known for the host")
        try:
            command = self._allowed.command(script.script, script.arguments)
        except NotAllowed as error:
            return ScriptRan("refused", str(error))
        try:
            command_id = await asyncio.to_thread(self._send, script, command)
        except ClientError as error:
            return ScriptRan("refused", _words(error))
        except (BotoCoreError, ResponseParserError, OSError) as error:
            return ScriptRan("unknown", str(error))
        return await self._outcome(script, command_id)

    def _send(self, script: ScriptToRun, command: list[str]) -> str:
        seconds = max(1, script.timeout_ms // 1_000)
        sent = self._client().send_command(
            InstanceIds=[script.instance_id],
            DocumentName=DOCUMENT,
            Comment=f"flumina {script.order_id}"[:100],
            TimeoutSeconds=max(TIMEOUT_S_MIN, seconds),
            Parameters={"commands": [shlex.join(command)], "executionTimeout": [str(seconds)]},
        )
        return str(sent["Command"]["CommandId"])

    async def _outcome(self, script: ScriptToRun, command_id: str) -> ScriptRan:
        left_s = script.timeout_ms / 1_000 + TIMEOUT_S_MIN + GRACE_S
        fault = "its outcome did not come"
        while left_s > 0:
            try:
                found = await asyncio.to_thread(self._invocation, script.instance_id, command_id)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != _NOT_THERE_YET:
                    fault = _words(error)
            except (BotoCoreError, ResponseParserError, OSError) as error:
                fault = str(error)
            else:
                if found["Status"] not in _UNDER_WAY:
                    return _ran(found)
            await asyncio.sleep(POLL_S)
            left_s -= POLL_S
        return ScriptRan("unknown", f"command {command_id}: {fault}")

    def _invocation(self, instance_id: str, command_id: str) -> dict[str, Any]:
        asked = self._client().get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        return dict(asked)

    def _client(self) -> Any:  # noqa: ANN401 - boto3 has no types of its own
        if self._made is None:
            config = Config(
                connect_timeout=3.0,
                read_timeout=10.0,
                retries={"mode": "adaptive", "max_attempts": 3},
            )
            self._made = boto3.client("ssm", config=config)
        return self._made

    async def close(self) -> None:
        """Give back every connection."""
        if self._made is not None:
            await asyncio.to_thread(self._made.close)


def _ran(found: dict[str, Any]) -> ScriptRan:
    status = str(found["Status"])
    output = f"{found.get('StandardOutputContent', '')}{found.get('StandardErrorContent', '')}"
    code = found.get("ResponseCode")
    if status in {"Success", "Failed"} and isinstance(code, int) and code >= 0:
        return ScriptRan("sent", status, code, output[-OUTPUT_MAX:])
    is_known = status in {"Undeliverable", "Terminated", "DeliveryTimedOut"}
    return ScriptRan("refused" if is_known else "unknown", status, None, output[-OUTPUT_MAX:])


def _words(error: ClientError) -> str:
    said = error.response.get("Error", {})
    return f"{said.get('Code', 'error')}: {said.get('Message', error)}"[:300]
