"""Whether commands, checks and health checks make sense; Mesos' own sentences.

The one thing to know: a check and a health check differ in little but their words, and where the
command stands.
"""

import base64
from dataclasses import dataclass

from connectors.devcluster.words import Json


@dataclass(frozen=True)
class CheckWords:
    """What differs between a check and a health check."""

    name: str
    message: str
    durations: tuple[str, ...]
    is_command_nested: bool


_DURATIONS = ("delay_seconds", "interval_seconds", "timeout_seconds")
CHECK = CheckWords("check", "CheckInfo", _DURATIONS, is_command_nested=True)
HEALTH_CHECK = CheckWords(
    "health check", "HealthCheck", (*_DURATIONS, "grace_period_seconds"), is_command_nested=False
)


def check_error(check: Json, words: CheckWords) -> str | None:
    """Why a check or health check is refused, or None."""
    kind = check.get("type")
    if kind is None:
        return f"{words.message} must specify 'type'"
    if kind == "UNKNOWN":
        return f"'UNKNOWN' is not a valid {words.name} type"
    if kind.lower() not in check:
        return f"Expecting '{kind.lower()}' to be set for {kind} {words.name}"
    problem = None
    if kind == "COMMAND":
        problem = _check_command_error(check["command"], words)
    elif kind == "HTTP":
        problem = _http_error(check["http"], words)
    if problem is not None:
        return problem
    negative = next((n for n in words.durations if check.get(n, 0.0) < 0.0), None)
    return None if negative is None else f"Expecting '{negative}' to be non-negative"


def _check_command_error(body: Json, words: CheckWords) -> str | None:
    command = body.get("command", {}) if words.is_command_nested else body
    if "value" not in command:
        what = "shell command" if command.get("shell", True) else "executable path"
        return f"Command {words.name} must contain '{what}'"
    return command_error(words.name.capitalize() + "'s", command)


def _http_error(http: Json, words: CheckWords) -> str | None:
    scheme, path = http.get("scheme"), http.get("path")
    if scheme not in (None, "http", "https"):
        return f"Unsupported HTTP {words.name} scheme: '{scheme}'"
    if path is not None and not path.startswith("/"):
        return f"The path '{path}' of HTTP {words.name} must start with '/'"
    return None


def command_error(whose: str, command: Json | None) -> str | None:
    """Why the environment of a command is refused, or None."""
    variables = (command or {}).get("environment", {}).get("variables", [])
    problem = next((p for p in map(_variable_error, variables) if p is not None), None)
    return None if problem is None else f"{whose} `CommandInfo` is invalid: {problem}"


def _variable_error(variable: Json) -> str | None:
    kind = variable.get("type", "VALUE")
    about = f"Environment variable '{variable['name']}'"
    if kind == "UNKNOWN":
        return "Environment variable of type 'UNKNOWN' is not allowed"
    if kind == "VALUE":
        if "value" not in variable:
            return f"{about} of type 'VALUE' must have a value set"
        if "secret" in variable:
            return f"{about} of type 'VALUE' must not have a secret set"
        return None
    if "secret" not in variable:
        return f"{about} of type 'SECRET' must have a secret set"
    if "value" in variable:
        return f"{about} of type 'SECRET' must not have a value set"
    return _secret_error(about, variable["secret"])


def _secret_error(about: str, secret: Json) -> str | None:
    kind = secret.get("type", "UNKNOWN")
    if kind in ("VALUE", "REFERENCE") and kind.lower() not in secret:
        return (
            f"{about} specifies an invalid secret: Secret of type {kind} must have the "
            f"'{kind.lower()}' field set"
        )
    if kind == "VALUE" and b"\0" in base64.b64decode(secret["value"].get("data", "")):
        return (
            f"{about} specifies a secret containing null bytes, which is not allowed in the "
            "environment"
        )
    return None
