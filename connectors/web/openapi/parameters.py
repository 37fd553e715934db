"""What each parameter of a query or path takes, by its name: the same everywhere.

The one thing to know: a route names its parameters, and this says what they are. A test finds each
name of the routes here, and none that no route has.
"""

from typing import Any, Final

from projections.v3_query import JOB_STATES, PAGE_SIZE_MAX, TASK_STATES, TASKS_PAGE_SIZE_MAX

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
TOKEN: Final[Json] = {
    "type": "string",
    "pattern": "^(jobs|commands|cell):[0-9]{1,9}:[0-9]{1,19}$",
}
EVENT_ID: Final[Json] = {
    "type": "string",
    "pattern": r"^[a-z0-9][a-z0-9-]*/[0-9a-f]{8}:[0-9]{1,19}(\[[0-9]{1,9}\])?$",
}
VERSION: Final[Json] = {"type": "string", "pattern": r'^(\*|"[0-9]{1,15}")$'}
KEY: Final[Json] = {"type": "string", "pattern": "^[!-~]{1,255}$"}
ACTOR_NAME: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 255}
TRUTH: Final[Json] = {"type": "string", "enum": ["true", "false"]}
WHOLE: Final[Json] = {"type": "integer", "minimum": 0}
WHY: Final[Json] = {"type": "string", "maxLength": 1_000}


def _words(*choices: str) -> Json:
    items: Json = {"type": "string", "enum": list(choices)} if choices else TEXT
    return {"type": "array", "items": items}


PARAMETERS: Final[dict[str, tuple[Json, str]]] = {
    "address": (TEXT, "the address of an event, `cell/generation:offset[index]`"),
    "applicationName": (TEXT, "the application's name, letter by letter"),
    "at": (TEXT, "an instant; see time-travel.md"),
    "atLeast": (TOKEN, "answer only when the fold has passed this place, such as `jobs:0:123`"),
    "attributes": (_words(), "`name` or `name:value`; one of the values of a name is enough"),
    "attributes.op": ({"type": "string", "enum": ["and", "or"]}, "all of the names, or one"),
    "by": ({"type": "string", "enum": ["owner", "app", "group", "job"]}, "what each row is of"),
    "capacityGroup": (TEXT, "the capacity group's name"),
    "cursor": (TEXT, "the cursor of the page before"),
    "direction": ({"type": "string", "enum": ["causes", "effects"]}, "where to go from there"),
    "dryRun": (TRUTH, "say what would be; write nothing"),
    "extended": (TRUTH, "add what is held now"),
    "fields": (_words(), "the parts to show, by dotted paths"),
    "file": (TEXT, "stdout, stderr, or a path below the task's log folder"),
    "from": (TEXT, "an instant"),
    "ifVersion": (WHOLE, "only if this is the version"),
    "imageName": (TEXT, "the image's name, letter by letter"),
    "imageTag": (TEXT, "the image's tag, letter by letter"),
    "jobGroupDetail": (TEXT, "`jobGroupInfo.detail`"),
    "jobGroupSequence": (TEXT, "`jobGroupInfo.sequence`"),
    "jobGroupStack": (TEXT, "`jobGroupInfo.stack`"),
    "jobId": (TEXT, "the job's id"),
    "jobIds": (_words(), "these jobs only"),
    "jobState": (_words(*JOB_STATES, "Any"), "jobs in these states"),
    "jobType": (TEXT, "the kind of job: batch, service, or another of the descriptor's"),
    "keys": (_words(), "the attributes to remove"),
    "length": (WHOLE, "bytes"),
    "limit": (WHOLE, "how many at most"),
    "loadBalancerId": (TEXT, "as its provider names it: with ELB the ARN of a target group"),
    "match": (TEXT, "`image:NAME[:TAG]`, `base:NAME`, or `age:30d`"),
    "name": (TEXT, "the campaign's name"),
    "needsMigration": (TRUTH, "tasks that have to leave their host, or those that need not"),
    "offset": (WHOLE, "the first byte"),
    "owner": (TEXT, "the owner's address"),
    "pageSize": (
        {"type": "integer", "minimum": 1, "maximum": max(PAGE_SIZE_MAX, TASKS_PAGE_SIZE_MAX)},
        "items of a page",
    ),
    "preventMinSizeUpdate": (TRUTH, "do not shrink below the service's least size"),
    "reason": (WHY, "the reason, for people; kept in the log"),
    "round": (TEXT, "the address of a round"),
    "section": (TEXT, "one section of the incident, page by page"),
    "services": (TRUTH, "of all services, and not only of jobs with load balancers"),
    "shrink": (TRUTH, "make the service one smaller"),
    "since": (WHOLE, "milliseconds since 1970"),
    "skip": (WHOLE, "how many to leave out"),
    "skipSystemFailures": (TRUTH, "leave out tasks that a failure of the system ended"),
    "tail": (TRUTH, "the last bytes"),
    "task": (_words(), "tasks whose chains are told as well"),
    "taskIds": (_words(), "these tasks only"),
    "taskStateReasons": (_words(), "tasks whose state has one of these reasons"),
    "taskStates": (_words(*TASK_STATES, "Any"), "tasks in these states"),
    "tasks": (TRUTH, "with the tasks' histories"),
    "to": (TEXT, "an instant"),
    "why": (WHY, "the reason, for people; kept in the log"),
}
"""By name: schema, and what it says."""
PATH_NAMES: Final[Json] = {"type": "string", "minLength": 1}
