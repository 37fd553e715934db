"""What a log is made of: every event counted once, every byte told, the fold the product's own."""

from scheduler.model.codec import decode_record
from streams.cell.follower import LogRecord
from streams.history.log_stats import kind_of, measured
from tests.support.cell import running_cell, service


def test_each_event_is_counted_under_its_kind() -> None:
    cell = running_cell()
    cell.run(service(3))
    stats = measured(LogRecord(offset, data) for offset, data in enumerate(cell.log))
    events = [event for data in cell.log for event in decode_record(data).events]
    kinds = [kind_of(event) for event in events]
    assert {name: each.events for name, each in stats.kinds.items()} == {
        name: kinds.count(name) for name in kinds
    }
    assert (stats.records, stats.events) == (len(cell.log), len(events))
    assert stats.bytes_total == sum(map(len, cell.log))
    assert sum(each.bytes_total for each in stats.kinds.values()) < stats.bytes_total
    assert 0 < sum(each.apply_ns for each in stats.kinds.values()) <= stats.apply_ns
