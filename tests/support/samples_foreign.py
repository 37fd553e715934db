"""A job as a client submits it, with every kind of field: what tests spoil piece by piece."""

from typing import Any, Final

BATCH_JOB: Final[dict[str, Any]] = {
    "owner": {"teamEmail": "team@example.com"},
    "applicationName": "worker",
    "capacityGroup": "DEFAULT",
    "jobGroupInfo": {"stack": "a", "detail": "b", "sequence": "c"},
    "attributes": {"a": "1"},
    "container": {
        "resources": {"cpu": 1, "memoryMB": 64, "diskMB": 10, "networkMbps": 1, "ports": 1},
        "securityProfile": {"securityGroups": ["sg-1"], "iamRole": "role", "attributes": {}},
        "image": {"name": "team/worker", "tag": "latest"},
        "attributes": {"titusParameter.agent.killWaitSeconds": "5"},
        "entryPoint": ["/bin/sh"],
        "command": ["-c", "true"],
        "env": {"A": "b"},
        "softConstraints": {"constraints": {"zoneBalance": "true"}},
        "hardConstraints": {"constraints": {"uniqueHost": "true"}},
    },
    "batch": {
        "size": 1,
        "runtimeLimitSec": 60,
        "retryOnRuntimeLimit": True,
        "retryPolicy": {"exponentialBackOff": {"initialDelayMs": 1, "maxDelayIntervalMs": 2}},
    },
}
