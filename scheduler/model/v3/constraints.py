"""The maps ``hardConstraints`` and ``softConstraints`` of a descriptor, read and written.

The one thing to know: names are compared without case, as Titus does. What stands after the first
dot is the host attribute that the rule is about, letter by letter; so one kind may stand there as
often as there are attributes. Several values of one rule are separated by ``|``.
"""

from collections.abc import Callable, Iterable
from typing import Final

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.reading.checks import Check, job_id_check, name_check
from scheduler.model.reading.faults import nearest_name, shown
from scheduler.model.reading.fields import Fields
from scheduler.model.v3 import limits, names

SEPARATOR: Final = "|"
WEIGHT_MAX: Final = 100

_ATTRIBUTE: Final = name_check(limits.ATTRIBUTE_NAME_BYTES_MAX)
_VALUE: Final = name_check(limits.ATTRIBUTE_VALUE_BYTES_MAX)
_ONE_EACH: Final = ("nearJob", "awayFromJob", "nearVolume")
"""Several values of these are several rules: near this job and near that."""
_IS_SET: Final = ("hostAttributeIn", "hostAttributeUnlike", "toleration")
"""Several values of these are one rule: any of them."""

Rules = tuple[Constraint, ...]


def read_constraints(container: Fields) -> tuple[Rules, Rules]:
    """Hard and soft constraints of a container, each sorted; faults go to ``container``."""
    hard = _read(container, "hardConstraints", is_soft=False)
    soft = _read(container, "softConstraints", is_soft=True)
    there = {written_name(each) for each in hard}
    for name in sorted({written_name(each) for each in soft} & there):
        text = f"names {name}, which hardConstraints name too"
        container.fault("softConstraints", text, "keep it in one of them")
    return hard, soft


def written_constraints(constraints: Iterable[Constraint]) -> dict[str, dict[str, str]]:
    """The object that `read_constraints` would read as these."""
    values: dict[str, list[str]] = {}
    weights: dict[str, str] = {}
    for each in constraints:
        values.setdefault(written_name(each), []).extend(each.values or ("true",))
        if each.weight != 1:
            weights[written_name(each)] = str(each.weight)
    written = {"constraints": {name: SEPARATOR.join(given) for name, given in values.items()}}
    return {**written, "weights": weights} if weights else written


def written_name(constraint: Constraint) -> str:
    """The name under which a descriptor gives this constraint."""
    kind = constraint.kind
    return f"{kind}.{constraint.attribute}" if constraint.attribute else kind


def _read(container: Fields, field: str, *, is_soft: bool) -> Rules:
    if isinstance(container.raw(field), list):
        return _read_list(container, field)
    fields = container.inner_if_given(field)
    if fields is None:
        return ()
    inside = fields.inner_if_given("constraints")
    weighted = fields.inner_if_given("weights") if is_soft else None
    fields.close()
    if inside is None:
        return ()
    weights = _weights(weighted)
    found: dict[str, Rules] = {}
    for name, value in inside.items(limits.CONSTRAINTS_MAX):
        read = _one(inside, name, value, weights)
        if is_soft and read and read[0].kind == "toleration":
            text = "has no effect as a soft constraint"
            inside.fault(name, text, "hosts refuse by taints: put it under hardConstraints")
        elif read and written_name(read[0]) in found:
            inside.fault(name, "is given twice, in other letters", "keep one of them")
        elif read:
            found[written_name(read[0])] = read
    if weighted is not None:
        _refuse_idle_weights(weighted, weights, found)
    return tuple(sorted(each for read in found.values() for each in read))


def _read_list(container: Fields, field: str) -> Rules:
    """The names of API v2: a list such as ``["UniqueHost", "ZoneBalance"]``."""
    given = container.texts(field, _VALUE, limits.CONSTRAINTS_MAX, limits.ATTRIBUTES_BYTES_MAX)
    found: list[Constraint] = []
    for name in given:
        kind = names.CONSTRAINTS.get(name.lower())
        if kind in names.FLAGS:
            found.append(Constraint(kind))
            continue
        text = f"names {shown(name)}, which a list cannot give"
        container.fault(field, text, f"a list takes {', '.join(names.FLAGS)}; else write an object")
    if len(set(found)) < len(found):
        container.fault(field, "names a constraint twice", "keep each once")
    return tuple(sorted(set(found)))


def _weights(fields: Fields | None) -> dict[str, int]:
    if fields is None:
        return {}
    found: dict[str, int] = {}
    for name, value in fields.items(limits.CONSTRAINTS_MAX):
        is_good = isinstance(value, str) and value.isascii() and value.isdigit()
        if not is_good or len(value) > 3 or not 1 <= int(value) <= WEIGHT_MAX:
            text = f"is {shown(value)}; it must be a whole number from 1 to {WEIGHT_MAX}"
            fields.fault(name, text, 'as a text, like "2"')
            continue
        key = _key(*name.partition(".")[::2])
        if key in found:
            fields.fault(name, "is given twice, in other letters", "keep one of them")
        found[key] = int(value)
    return found


def _refuse_idle_weights(fields: Fields, weights: dict[str, int], found: dict[str, Rules]) -> None:
    there = {_key(*name.partition(".")[::2]) for name in found}
    for name in sorted(weights.keys() - there):
        text = f"weighs {shown(name.removesuffix('.'))}, which softConstraints do not name"
        fields.fault_here(text, "weights are for constraints of the same object")


def _key(kind: str, attribute: str) -> str:
    """A name as it is compared: without case but for the attribute, and one for each meaning."""
    if kind.lower() == "cpumodel" and not attribute:
        kind, attribute = "hostAttribute", names.CPU_MODEL_ATTRIBUTE
    return f"{kind.lower()}.{attribute}"


def _one(inside: Fields, name: str, value: object, weights: dict[str, int]) -> Rules:
    """What one entry asks for; empty where it is faulty."""
    word, _, attribute = name.partition(".")
    kind = names.CONSTRAINTS.get(word.lower())
    if word.lower() == "cpumodel" and not attribute:
        kind, attribute = "hostAttribute", names.CPU_MODEL_ATTRIBUTE
    if kind is None:
        _refuse(inside, name, word)
        return ()
    if not _is_attribute_right(inside, name, kind, attribute):
        return ()
    weight = weights.get(_key(word, name.partition(".")[2]), 1)
    if kind in names.FLAGS or kind == "balancedAttribute":
        if not isinstance(value, str) or value.lower() != "true":
            text = f'is {shown(value)}; it must be the text "true"'
            inside.fault(name, text, 'write "true", or leave the constraint out')
            return ()
        return (Constraint(kind, attribute, (), weight),)
    values = _values(inside, name, value, kind)
    if kind in _ONE_EACH:
        return tuple(Constraint(kind, attribute, (each,), weight) for each in values)
    return (Constraint(kind, attribute, values, weight),) if values else ()


def _is_attribute_right(inside: Fields, name: str, kind: ConstraintKind, attribute: str) -> bool:
    if not attribute and kind in names.OF_ATTRIBUTE:
        text = "does not say which attribute of the host"
        inside.fault(name, text, f'add its name, like "{kind}.rack"')
        return False
    if not attribute:
        if "." in name:
            inside.fault(name, "ends with a dot", f'write "{kind}"')
            return False
        return True
    if kind not in names.OF_ATTRIBUTE and kind not in names.NEAR:
        inside.fault(name, f"is {kind}, which takes no attribute", f'write "{kind}"')
        return False
    complaint = _ATTRIBUTE(attribute)
    if complaint is not None:
        inside.fault(name, f"has an attribute that {complaint[0]}", complaint[1])
    return complaint is None


def _values(inside: Fields, name: str, value: object, kind: ConstraintKind) -> tuple[str, ...]:
    """The values of one entry, sorted and each once; none where one is wrong."""
    if not isinstance(value, str):
        inside.fault(name, f"is {shown(value)}; a text is needed", "put it in double quotes")
        return ()
    is_many = kind in _ONE_EACH or kind in _IS_SET
    parts = value.split(SEPARATOR) if is_many else [value]
    if len(parts) > limits.CONSTRAINT_VALUES_MAX:
        text = f"has {len(parts)} values; at most {limits.CONSTRAINT_VALUES_MAX} are allowed"
        inside.fault(name, text, "name fewer")
        return ()
    for part in parts:
        complaint = _CHECKS.get(kind, _VALUE)(part)
        if complaint is not None:
            inside.fault(name, *complaint)
            return ()
    return tuple(sorted(set(parts)))


def _without_comma(what: str) -> Check:
    def check(text: str) -> tuple[str, str] | None:
        if "," in text:
            return (f"is {shown(text)}; a {what} has no comma", f"put {SEPARATOR} between several")
        return _VALUE(text)

    return check


_CHECKS: Final[dict[str, Callable[[str], tuple[str, str] | None]]] = {
    "nearJob": job_id_check,
    "awayFromJob": job_id_check,
    "nearVolume": _without_comma("volume's name"),
    "toleration": _without_comma("taint"),
}


def _refuse(inside: Fields, name: str, word: str) -> None:
    if word.lower() == "kubebackend":
        text = "is known to Titus and has no meaning here: there is no Kubernetes below this cell"
        inside.fault(name, text, "leave it out; name hosts by hostAttribute.NAME")
    else:
        inside.fault(
            name, "is an unknown constraint", nearest_name(word, names.CONSTRAINTS.values())
        )
