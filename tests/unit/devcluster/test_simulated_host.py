"""What a start waits for on a simulated host: images, interfaces, addresses, each shared."""

from connectors.devcluster.simulated.host import Claim, Host, Registry
from connectors.devcluster.simulated.model import Images, Interfaces, Model, Start, Weather
from connectors.devcluster.simulated.timeline import Timeline


class Starts:
    """Hosts on one registry, and when each start on them was done."""

    def __init__(self, model: Model, hosts: int = 1, seed: int = 1) -> None:
        self.timeline = Timeline()
        weather = Weather(model, seed)
        registry = Registry(weather)
        self.hosts = [Host(weather, n, self.timeline, registry) for n in range(hosts)]
        self.done: dict[str, tuple[float, str | None]] = {}

    def begin(
        self, name: str, image: str | None, now: float, *, host: int = 0, address: bool = False
    ) -> Claim:
        """Begin a start under a name."""

        def done(failure: str | None, at: float) -> None:
            self.done[name] = (round(at, 6), failure)

        self.timeline.advance(now)
        return self.hosts[host].begin(image, address, done, now)

    def end(self) -> dict[str, tuple[float, str | None]]:
        """When each was done, and why it failed."""
        self.timeline.advance(1e9)
        return self.done


def images(**fields: object) -> Model:
    """A model in which only images take time: 100 MiB at 10 MiB/s."""
    of_images: dict[str, object] = {"size_mib": 100.0, "host_mib_per_s": 10.0} | fields
    return Model(images=Images(**of_images), start=Start(seconds=0.0))  # type: ignore[arg-type]


def test_a_pull_takes_its_size_over_the_bandwidth_and_the_unpacking() -> None:
    starts = Starts(images(unpack_s=2.0))
    starts.begin("a", "x", 0.0)
    assert starts.end() == {"a": (12.0, None)}


def test_pulls_of_one_host_share_its_bandwidth() -> None:
    starts = Starts(images())
    starts.begin("a", "x", 0.0)
    # Alone for 5 s (half of x), then both at half speed: x needs 10 s more, y has 5 s alone after.
    starts.begin("b", "y", 5.0)
    assert starts.end() == {"a": (15.0, None), "b": (20.0, None)}


def test_pulls_of_two_hosts_do_not_share() -> None:
    starts = Starts(images(), hosts=2)
    starts.begin("a", "x", 0.0)
    starts.begin("b", "x", 0.0, host=1)
    assert starts.end() == {"a": (10.0, None), "b": (10.0, None)}


def test_a_pull_is_no_faster_than_the_registry_serves_one() -> None:
    starts = Starts(images(pull_mib_per_s_max=4.0))
    starts.begin("a", "x", 0.0)
    assert starts.end() == {"a": (25.0, None)}


def test_the_registry_serves_so_many_at_a_time_and_the_others_in_turn() -> None:
    starts = Starts(images(registry_pulls_max=1), hosts=3)
    for number, name in enumerate("abc"):
        starts.begin(name, "x", 0.0, host=number)
    assert starts.end() == {"a": (10.0, None), "b": (20.0, None), "c": (30.0, None)}


def test_two_tasks_of_one_image_wait_for_one_pull() -> None:
    starts = Starts(images())
    starts.begin("a", "x", 0.0)
    starts.begin("b", "x", 4.0)
    assert starts.end() == {"a": (10.0, None), "b": (10.0, None)}


def test_an_image_that_is_there_costs_nothing() -> None:
    starts = Starts(images())
    starts.begin("a", "x", 0.0)
    starts.begin("b", "x", 50.0)
    assert starts.end()["b"] == (50.0, None)


def test_the_image_that_was_not_used_for_longest_leaves_the_cache() -> None:
    starts = Starts(images(cache_mib=200.0))
    for at, image in ((0.0, "x"), (20.0, "y"), (40.0, "x"), (60.0, "z")):
        claim = starts.begin(f"{image} at {at:g}", image, at)
        starts.timeline.advance(at + 15)
        starts.hosts[0].release(claim)
    starts.begin("x again", "x", 80.0)
    starts.begin("y again", "y", 80.0)
    done = starts.end()
    assert done["x again"] == (80.0, None)
    assert done["y again"] == (90.0, None)


def test_an_image_in_use_stays_also_when_the_cache_is_full() -> None:
    starts = Starts(images(cache_mib=100.0))
    starts.begin("runs on", "x", 0.0)
    other = starts.begin("short", "y", 20.0)
    starts.timeline.advance(40.0)
    starts.hosts[0].release(other)
    starts.begin("x again", "x", 50.0)
    assert starts.end()["x again"] == (50.0, None)


def test_a_failed_pull_fails_all_that_waited_for_it_and_keeps_nothing() -> None:
    starts = Starts(images(failure_share=1.0))
    starts.begin("a", "x", 0.0)
    starts.begin("b", "x", 1.0)
    why = "Failed to pull image 'x'"
    assert starts.end() == {"a": (10.0, why), "b": (10.0, why)}


def test_sizes_are_those_of_the_file_by_repository_and_the_same_on_every_host() -> None:
    model = Model(
        images=Images(sizes_mib={"app/web": 50.0}, size_mib=100.0, host_mib_per_s=10.0),
        start=Start(seconds=0.0),
    )
    starts = Starts(model, hosts=2)
    starts.begin("a", "app/web@sha256:0123", 0.0)
    starts.begin("b", "app/other", 0.0, host=1)
    assert starts.end() == {"a": (5.0, None), "b": (10.0, None)}


def interfaces(**fields: object) -> Model:
    """A model in which only addresses take time."""
    of_interfaces: dict[str, object] = {"tasks": "all", "attach_s": 5.0, "address_s": 1.0} | fields
    return Model(interfaces=Interfaces(**of_interfaces), start=Start(seconds=0.0))  # type: ignore[arg-type]


def test_an_interface_is_attached_once_and_addresses_come_one_after_the_other() -> None:
    starts = Starts(interfaces(addresses_each=3))
    for name in "abc":
        starts.begin(name, None, 0.0, address=True)
    assert starts.end() == {"a": (6.0, None), "b": (7.0, None), "c": (8.0, None)}


def test_the_next_interface_is_attached_when_the_first_is_full() -> None:
    starts = Starts(interfaces(addresses_each=1))
    for name in "ab":
        starts.begin(name, None, 0.0, address=True)
    # One at a time: the second is there after 10 s.
    assert starts.end() == {"a": (6.0, None), "b": (11.0, None)}


def test_a_host_without_a_free_address_fails_the_start_and_a_released_one_is_used_again() -> None:
    starts = Starts(interfaces(addresses_each=1, per_host=1))
    first = starts.begin("a", None, 0.0, address=True)
    starts.begin("b", None, 10.0, address=True)
    starts.timeline.advance(20.0)
    assert starts.done["b"] == (10.0, "No address is free on any interface of this host")
    starts.hosts[0].release(first)
    starts.begin("c", None, 20.0, address=True)
    assert starts.end()["c"] == (21.0, None)


def test_a_host_s_chances_do_not_hang_on_what_other_hosts_do() -> None:
    model = Model(start=Start(seconds=0.0, failure_share=0.5))
    alone, busy = Starts(model, hosts=2), Starts(model, hosts=2)
    for number in range(20):
        alone.begin(f"t{number}", None, float(number))
        busy.begin(f"t{number}", None, float(number))
        busy.begin(f"other{number}", None, float(number), host=1)
    assert alone.end() == {k: v for k, v in busy.end().items() if k.startswith("t")}
    assert {failure is None for _, failure in alone.done.values()} == {True, False}
