"""For any hosts and any mix: fitness for all hosts at once is the fitness of each by itself.

The arrays of `scheduler.placement.fitness.gpu` are compared with its answers about one host, which
rest on `scheduler.placement.gpu_mix`, after every placement; and the best host has the best sum.
"""

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.simulate.policies import fgd, gpu
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.placement.columns import Columns
from scheduler.placement.devices import chosen_devices
from scheduler.placement.engine import Placement
from scheduler.placement.fitness.gpu import GpuFitness
from scheduler.placement.fitness.hosts import Hosts
from scheduler.placement.gpu_mix import Mix, Shape, mix_of
from scheduler.placement.host import GpuDevice, HostView
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

MODELS = ("A10", "P100", "T4")
SIZES = (0, 1_000, 4_000, 12_000)


def needs() -> st.SearchStrategy[Need]:
    models = st.sets(st.sampled_from(MODELS), max_size=2).map(lambda each: tuple(sorted(each)))
    amounts = st.one_of(
        st.tuples(st.integers(0, 4), st.just(0)),
        st.tuples(st.just(0), st.sampled_from((100, 250, 470, 810, 999))),
    )
    return st.builds(
        lambda cpu, amount, named: Need(
            cpu, 1, gpus=amount[0], gpu_milli=amount[1], gpu_models=named
        ),
        st.sampled_from(SIZES),
        amounts,
        models,
    )


def mixes() -> st.SearchStrategy[Mix]:
    shapes = needs().map(
        lambda need: Shape(need.cpu_milli, need.gpus, need.gpu_milli, need.gpu_models)
    )
    capacity = {"A10": 3, "P100": 8, "T4": 4}
    return st.dictionaries(shapes, st.integers(1, 50), max_size=8).map(
        lambda counts: mix_of(counts, capacity)
    )


@st.composite
def hosts(draw: st.DrawFn) -> list[HostView]:
    views = []
    for number in range(draw(st.integers(1, 6))):
        frees = draw(st.lists(st.sampled_from((0, 190, 530, 1_000)), max_size=8))
        free = Resources(cpu_milli=draw(st.sampled_from(SIZES)) * 4, memory_mib=100)
        views.append(
            HostView(
                HostId(f"h{number}"),
                free,
                Resources(cpu_milli=48_000, memory_mib=100, gpus=len(frees)),
                gpu_model=draw(st.sampled_from(MODELS)) if frees else "",
                gpus=tuple(GpuDevice(each) for each in frees),
            )
        )
    return views


@settings(deadline=None)
@given(views=hosts(), mix=mixes(), asked=st.lists(needs(), min_size=1, max_size=6))
def test_all_hosts_at_once_are_as_good_as_each_by_itself(
    views: list[HostView], mix: Mix, asked: list[Need]
) -> None:
    of_table = GpuFitness(mix)
    placement = Placement(gpu(), parts=of_table.parts())
    placement.put_hosts(views)
    columns = placement._index.columns
    for need in asked:
        request = Request(JobId("j"), need)
        _compare(of_table, GpuFitness(mix), columns, request)
        placement.place(request, 1)
        _compare(of_table, GpuFitness(mix), columns, request)


def _compare(of_table: GpuFitness, alone: GpuFitness, columns: Columns, request: Request) -> None:
    for name, part in of_table.parts().items():
        everywhere = part(request, columns, 0)
        for row in range(columns.length):
            slot = columns.at(row)
            if _has_room(slot, request.need):
                here = alone.parts()[name](request, cast("Hosts", slot), 0)
                assert here == everywhere[slot.row], (name, slot.host_id)
                assert 0 <= here <= 1_000


def _has_room(slot: Slot, need: Need) -> bool:
    has_devices = chosen_devices(slot.gpus, slot.gpu_model, need) is not None
    return has_devices and slot.cpu_free >= need.cpu_milli


@settings(deadline=None)
@given(views=hosts(), mix=mixes(), asked=st.lists(needs(), min_size=1, max_size=6))
def test_a_mix_learned_later_is_as_good_as_one_known_before(
    views: list[HostView], mix: Mix, asked: list[Need]
) -> None:
    answers = []
    for is_late in (False, True):
        fitness = GpuFitness(mix_of({}, {}) if is_late else mix)
        placement = Placement(fgd(), parts=fitness.parts())
        placement.put_hosts(views)
        placement.is_hopeless(Request(JobId("j"), asked[0]))
        fitness.set_mix(mix)
        answers.append([placement.place(Request(JobId("j"), need), 1).choices for need in asked])
    assert answers[0] == answers[1]


@settings(deadline=None)
@given(views=hosts(), mix=mixes(), asked=st.lists(needs(), min_size=1, max_size=20))
def test_no_device_is_given_away_twice(views: list[HostView], mix: Mix, asked: list[Need]) -> None:
    placement = Placement(gpu(), parts=GpuFitness(mix).parts())
    placement.put_hosts(views)
    left = {view.host_id: [each.free_milli for each in view.gpus] for view in views}
    cpu = {view.host_id: view.free.cpu_milli for view in views}
    taken = []
    for need in asked:
        request = Request(JobId("j"), need)
        for choice in placement.place(request, 1).choices:
            taken.append((request, choice))
            cpu[choice.host_id] -= need.cpu_milli
            for device in choice.gpus:
                left[choice.host_id][device] -= 1_000 if need.gpus else need.gpu_milli
    assert all(each >= 0 for each in cpu.values())
    assert all(each >= 0 for frees in left.values() for each in frees)
    for request, choice in reversed(taken):
        placement.put_back(request, (choice,))
    for view in views:
        now = placement.host(view.host_id)
        assert now is not None
        assert now.gpus == view.gpus
