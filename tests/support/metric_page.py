"""A page of metrics as a process serves it, held against the one file of names."""

from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from streams.metric_names import NAMES, PREFIX, STREAM_PREFIX

KNOWN: Final = {each.name: each for each in NAMES}
_CREATED: Final = "_created"
"""When a counter began: the library adds it to each."""
_OF_BUCKETS: Final = frozenset({"le"})


def unnamed(page: str) -> list[str]:
    """What of a page is not as the file says: other names, other kinds, other labels."""
    wrong = []
    for family in text_string_to_metric_families(page):
        if not family.name.startswith(PREFIX) or family.name.startswith(STREAM_PREFIX):
            continue
        if family.name.removesuffix(_CREATED) in KNOWN and family.name.endswith(_CREATED):
            continue
        known = KNOWN.get(family.name)
        if known is None or known.kind != family.type:
            wrong.append(f"{family.name} ({family.type})")
            continue
        labels = {frozenset(each.labels) - _OF_BUCKETS for each in family.samples}
        if labels - {frozenset(known.labels)}:
            wrong.append(f"{family.name}: {labels}")
    return wrong
