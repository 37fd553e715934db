"""Who may do what at Kafka: one table of components, topics, groups and operations.

The one thing to know: nobody is trusted with more than it does. Only the cell writes the cell log
and what Mesos said; the api writes requests and nothing else; a host's tail writes host logs;
whoever draws dashboards writes nothing. `flumina acl list` prints this table and `flumina acl
apply` makes a broker's access control lists agree with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from streams.kafka.topics import TOPICS

READ: Final = "Read"
WRITE: Final = "Write"
CREATE: Final = "Create"
DESCRIBE: Final = "Describe"
DESCRIBE_CONFIGS: Final = "DescribeConfigs"
EVERY_TOPIC: Final = tuple(each.name for each in TOPICS)
RECORDS: Final = tuple(each for each in EVERY_TOPIC if each != "leaders")
"""Topics that hold records."""
INBOUND: Final = ("jobs", "commands", "mesos", "hosts", "verdicts")
USER_BEGINS: Final = "flumina-"


class Rule(NamedTuple):
    """One row: a component may do one thing with these topics or groups."""

    component: str
    operation: str
    names: tuple[str, ...]
    resource: str = "topic"
    """Or ``group``: a consumer group."""
    is_prefix: bool = False
    """The names are how names begin."""
    why: str = ""


COMPONENTS: Final[Mapping[str, str]] = {
    "bootstrap": "makes topics and begins their partitions, once for an installation",
    "cell": "the leader and its standbys: the only writer of the cell log",
    "api": "REST, streams of events, console",
    "query": "live queries, saved queries, derived streams, dashboards with them",
    "dashboard": "whoever only looks: Grafana, a notebook",
    "usage": "publishes what tasks and hosts use",
    "health": "judges hosts by their lines and figures",
    "tail": "the agent on a host that ships its log lines",
    "prober": "checks hosts",
    "autoscale": "scaling of services",
    "fleet": "scaling of groups of hosts",
    "webhooks": "tells those outside what became of jobs",
    "history": "archives topics before Kafka drops them",
    "snapshots": "writes, proves and prunes snapshots, on a schedule",
    "federation": "the front of several cells",
    "producer": "a foreign program that submits jobs and hears of them",
    "operator": "people with the command line, who look; orders go through the api",
}

RULES: Final = (
    Rule("bootstrap", CREATE, EVERY_TOPIC),
    Rule("bootstrap", WRITE, INBOUND, why="the first record of each inbound partition"),
    Rule("cell", READ, ("cell", "leaders", *INBOUND)),
    Rule("cell", WRITE, ("cell",), why="the one decider"),
    Rule("cell", WRITE, ("mesos", "job-events")),
    Rule("cell", READ, ("readers",), why="a leader writes nothing that a reader cannot read"),
    Rule("cell", WRITE, ("readers",), why="what it can read"),
    Rule("api", WRITE, ("readers",), why="what it can read"),
    Rule("history", WRITE, ("readers",), why="what it can read"),
    Rule("cell", READ, ("flumina-cell",), resource="group", why="its assignment is the seat"),
    Rule("api", READ, ("cell", "host-logs"), why="it folds by itself; lines for an incident"),
    Rule("api", WRITE, ("jobs", "commands")),
    Rule("query", READ, RECORDS),
    Rule("query", READ, ("derived-",), is_prefix=True),
    Rule("query", WRITE, ("queries",)),
    Rule("query", WRITE, ("derived-",), is_prefix=True),
    Rule("query", CREATE, ("derived-",), is_prefix=True),
    Rule("query", READ, ("flumina-stream",), resource="group", is_prefix=True),
    Rule("dashboard", READ, RECORDS),
    Rule("dashboard", READ, ("derived-",), is_prefix=True),
    Rule("usage", WRITE, ("metrics", "commands"), why="noise is told as a command"),
    Rule("health", READ, ("host-logs", "metrics")),
    Rule("health", WRITE, ("verdicts", "dead-letters")),
    Rule("tail", WRITE, ("host-logs",)),
    Rule("prober", WRITE, ("verdicts",)),
    Rule("autoscale", READ, ("metrics",)),
    Rule("autoscale", WRITE, ("commands",)),
    Rule("fleet", WRITE, ("hosts",)),
    Rule("webhooks", READ, ("job-events",)),
    Rule("webhooks", WRITE, ("commands",), why="how a delivery went"),
    Rule("webhooks", READ, ("flumina-webhooks-",), resource="group", is_prefix=True),
    Rule("history", READ, RECORDS),
    Rule("snapshots", READ, ("cell",)),
    Rule("federation", READ, ("federated-jobs", "federation")),
    Rule("federation", WRITE, ("federation", "jobs", "dead-letters")),
    Rule("federation", READ, ("flumina-federation",), resource="group", is_prefix=True),
    Rule("producer", READ, ("job-events",)),
    Rule("producer", WRITE, ("jobs", "federated-jobs")),
    Rule("producer", READ, ("producer-",), resource="group", is_prefix=True),
    Rule("operator", READ, (*RECORDS, "leaders")),
)
SEEN: Final = tuple(
    Rule(component, operation, EVERY_TOPIC, why="every process compares topics when it begins")
    for component in COMPONENTS
    for operation in (DESCRIBE, DESCRIBE_CONFIGS)
)


class Binding(NamedTuple):
    """One entry of a broker's access control list: allowed, from anywhere."""

    principal: str
    operation: str
    resource: str
    name: str
    is_prefix: bool


def user_of(component: str, users: Mapping[str, str]) -> str:
    """The user that a component is at Kafka: as named, or else ``flumina-COMPONENT``."""
    return users.get(component, USER_BEGINS + component)


def bindings(
    topic_prefix: str, users: Mapping[str, str], rules: Sequence[Rule] = (*RULES, *SEEN)
) -> list[Binding]:
    """Every entry that the table makes, sorted; names with their prefix."""
    found = {
        Binding(
            f"User:{user_of(rule.component, users)}",
            rule.operation,
            rule.resource,
            topic_prefix + name,
            rule.is_prefix,
        )
        for rule in rules
        for name in rule.names
    }
    return sorted(found)


def commands(wanted: Sequence[Binding]) -> Iterator[str]:
    """The same as lines for Kafka's own tool, one for each entry."""
    for each in wanted:
        kind = " --resource-pattern-type prefixed" if each.is_prefix else ""
        yield (
            f"kafka-acls.sh --bootstrap-server $KAFKA_BROKERS --command-config admin.properties"
            f" --add --allow-principal '{each.principal}' --operation {each.operation}"
            f" --{each.resource} '{each.name}'{kind}"
        )
