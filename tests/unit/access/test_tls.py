"""TLS on our servers: certificates rotated under load, revoked clients refused, principals by them.

Real sockets on loopback and real certificates (fault row 40): nothing here is restarted.
"""

import http.client
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp

from connectors.access.book import Entry
from connectors.access.outgoing import Credentials
from connectors.access.tls import ClientFiles, NoTls, ServerFiles, client_context, server_context
from connectors.client.asking import Ask
from connectors.client.errors import Forbidden, Unauthorized
from connectors.client.sync import Client
from connectors.federation.app import front_app
from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.front import Front
from streams.access.metrics_page import MetricsPage
from streams.access.opening import demand_closed, door_of, tls_of
from streams.errors import OperatorError
from streams.settings import Settings, settings_of
from tests.support.access import People
from tests.support.cell import service, submission
from tests.support.certificates import Authority, Pair
from tests.support.served_tls import ServedByTls
from tests.support.web_cell import WebCell

ADA = "spiffe://corp/ada"
REFUSED = r"(?i)unknown.ca|revoked|reset|broken|EOF|closed connection"
"""The handshake of 1.3 is over for a client before the server has looked at its certificate."""


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at with each handshake and request, and not once a second."""
    monkeypatch.setattr("connectors.access.watched.LOOK_S", -1.0)


class World:
    """An authority, a server's files, principals, and an API behind all of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory / "ours")
        self.strangers = Authority(directory / "theirs", "another authority")
        self.pair = self.authority.server()
        self.people = People(directory / "people.json")
        self.ca, self.crl = self.authority.ca, self.authority.crl
        self.files = ServerFiles(self.pair.certificate, self.pair.key, self.ca, self.crl)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "FLUMINA_ACCESS": str(self.people.path),
            "FLUMINA_TLS_CERTIFICATE": str(self.pair.certificate),
            "FLUMINA_TLS_KEY": str(self.pair.key),
            "FLUMINA_TLS_CLIENT_CA": str(self.ca),
            "FLUMINA_TLS_CLIENT_CRL": str(self.crl),
            "FLUMINA_CELL": "main",
            **more,
        }

    def settings(self, **more: str) -> Settings:
        return settings_of(self.environment(**more))

    def api(self) -> tuple[WebCell, ServedByTls]:
        settings = self.settings()
        web = WebCell(door=door_of(settings))
        web.cell.copy("jobs", submission(service(1), "a"))
        return web, ServedByTls(web.app, tls_of(settings))

    def shown(self, pair: Pair | None = None, token: str = "") -> Credentials:
        key = (pair.certificate, pair.key) if pair else (None, None)
        return Credentials(token, None, ClientFiles(self.ca, *key))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def client(url: str, credentials: Credentials) -> Client:
    return Client(url, credentials=credentials, patience_s=0, connect_patience_s=0)


def serial_seen(url: str, ca: Path) -> int:
    """The serial number of the certificate that a new connection is shown."""
    host, port = url.rpartition("/")[2].split(":")
    context = ssl.create_default_context(cafile=ca)
    with (
        socket.create_connection((host, int(port)), 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def test_a_client_is_known_by_its_certificate_and_by_nothing_else(world: World) -> None:
    world.people.add(Entry("ada", "producer", certificate=ADA))
    known, unknown = world.authority.client("ada", ADA), world.authority.client("eve", "spiffe://e")
    web, served = world.api()
    with served:
        with client(served.url, world.shown(known)) as ours:
            assert [each.id for each in ours.jobs()] == ["a"]
            ours.kill_job("a", why="done")
        assert b'"actor":"ada"' in web.published[-1][2].replace(b" ", b"")
        for shown in (world.shown(unknown), world.shown()):
            with client(served.url, shown) as theirs, pytest.raises(Unauthorized):
                list(theirs.jobs())
        foreign = world.strangers.client("ada", ADA)
        with pytest.raises(OSError, match=REFUSED):
            _raw_get(served.url, world.shown(foreign))


def _raw_get(url: str, shown: Credentials, path: str = "/api/v3/status") -> int:
    host, port = url.rpartition("/")[2].split(":")
    context = shown.context()
    connection = http.client.HTTPSConnection(host, int(port), timeout=5, context=context)
    try:
        connection.request("GET", path, headers=shown.headers())
        return connection.getresponse().status
    finally:
        connection.close()


def test_old_tls_and_plain_text_are_refused(world: World) -> None:
    _, served = world.api()
    with served:
        old = ssl.create_default_context(cafile=world.ca)
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        host, port = served.url.rpartition("/")[2].split(":")
        with socket.create_connection((host, int(port)), 5) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain, server_hostname=host)
        with socket.create_connection((host, int(port)), 5) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"isHealthy" not in plain.recv(1_000)


def test_a_certificate_is_rotated_under_load_without_a_lost_request(world: World) -> None:
    """Row 40: connections that are open live on; new ones are shown the new certificate."""
    token = world.people.token("ada", "viewer")
    _, served = world.api()
    stop, answered, failed = threading.Event(), [0, 0], list[BaseException]()
    moved = threading.Semaphore(0)

    def load(number: int) -> None:
        shown = world.shown(token=token)
        try:
            with client(served.url, shown) as kept:
                while not stop.is_set():
                    kept.job("a")
                    answered[number] += 1
                    moved.release()
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)
            moved.release()

    with served:
        threads = [threading.Thread(target=load, args=(number,)) for number in (0, 1)]
        for each in threads:
            each.start()
        seen = [serial_seen(served.url, world.ca)]
        for _ in range(3):
            for _ in range(20):
                assert moved.acquire(timeout=10)
            world.pair = world.authority.server()
            seen.append(serial_seen(served.url, world.ca))
            assert seen[-1] == world.pair.serial
        # A key that is not the certificate's, as between two writes: the last pair goes on.
        world.pair.key.write_bytes(world.authority.client("other").key.read_bytes())
        assert serial_seen(served.url, world.ca) == seen[-1]
        before = answered.copy()
        for _ in range(20):
            assert moved.acquire(timeout=10)
        stop.set()
        for each in threads:
            each.join()
    assert failed == []
    assert len(set(seen)) == 4
    assert min(answered) >= min(before) > 0


def test_a_revoked_client_is_refused_on_new_connections_and_on_the_one_it_has(
    world: World,
) -> None:
    world.people.add(Entry("ada", "viewer", certificate=ADA))
    pair, other = world.authority.client("ada", ADA), world.authority.client("ada2", ADA)
    _, served = world.api()
    with served, client(served.url, world.shown(pair)) as kept:
        assert kept.job("a").id == "a"
        world.authority.revoke(pair)
        with pytest.raises(Unauthorized, match="revoked"):
            kept.job("a")
        with pytest.raises(OSError, match=REFUSED):
            _raw_get(served.url, world.shown(pair))
        # Another one of the same principal counts: it is the certificate that was stolen.
        assert _raw_get(served.url, world.shown(other)) == 200


def test_an_authority_that_is_taken_out_takes_its_clients_along(world: World) -> None:
    world.people.add(Entry("ada", "viewer", certificate=ADA))
    pair, theirs = world.authority.client("ada", ADA), world.strangers.client("ada", ADA)
    trusted, revoked = world.directory / "trusted.pem", world.directory / "revoked.pem"
    trusted.write_bytes(world.ca.read_bytes())
    revoked.write_bytes(world.authority.crl.read_bytes() + world.strangers.crl.read_bytes())
    server_ca, world.ca, world.crl = world.ca, trusted, revoked
    _, served = world.api()
    world.ca = server_ca
    with served, client(served.url, world.shown(pair)) as kept:
        assert kept.job("a").id == "a"
        trusted.write_bytes(world.strangers.ca.read_bytes())
        with pytest.raises(Unauthorized):
            kept.job("a")
        with pytest.raises(OSError, match=REFUSED):
            _raw_get(served.url, world.shown(pair))
        assert _raw_get(served.url, world.shown(theirs)) == 200


@pytest.mark.slow
def test_a_federation_asks_each_cell_as_whoever_asks_it(world: World) -> None:
    """By a token that is passed on; by a certificate, which ends at the front, as a delegate."""
    token = world.people.token("looker", "viewer", owners=("nobody@example.org",))
    front_token = world.people.token("front", "admin", is_delegate=True)
    world.people.add(Entry("ada", "producer", certificate=ADA))
    pair = world.authority.client("ada", ADA)
    web, cell = world.api()
    with cell:
        given = Configuration(cells=(FederatedCell("main", cell.url),), default="main")
        cells = Cells(world.shown(token=front_token))
        front = Front(lambda: given, cells)
        settings = world.settings()
        app: ASGIApp = front_app(front, (), door_of(settings))
        with ServedByTls(app, tls_of(settings), cells.close) as served:
            with client(served.url, world.shown(token=token)) as some:
                assert list(some.jobs()) == []  # The front has more rights, and lends none.
            with client(served.url, world.shown(pair)) as ours:
                assert [each.id for each in ours.jobs()] == ["a"]
                ours.kill_job("a", why="done")
                with pytest.raises(Forbidden):
                    ours.send(_policy())
            with client(served.url, world.shown()) as nobody, pytest.raises(Unauthorized):
                list(nobody.jobs())
        assert b"ada by front" in web.published[-1][2]


def _policy() -> Any:
    return Ask("PUT", "/api/flumina/policy", lambda reply: reply, {}, b"{}")


@pytest.mark.slow
def test_a_page_of_metrics_has_the_same_door(world: World) -> None:
    token = world.people.token("prometheus", "viewer")
    registry = CollectorRegistry()
    Counter("events", "Events.", registry=registry).inc(3)
    page = MetricsPage(world.settings(FLUMINA_METRICS_BIND="127.0.0.1"), 0, registry)
    try:
        assert page.url.startswith("https://127.0.0.1:")
        url = page.url.removesuffix("/metrics")
        assert _raw_get(url, world.shown(), "/metrics") == 401
        assert _raw_get(url, world.shown(token=token), "/metrics") == 200
        assert _raw_get(url, world.shown(token=token), "/other") == 404
    finally:
        page.close()


@pytest.mark.slow
def test_a_page_of_metrics_without_principals_is_as_it_was() -> None:
    registry = CollectorRegistry()
    Counter("events", "Events.", registry=registry).inc(3)
    page = MetricsPage(settings_of({}), 0, registry)
    try:
        with urllib.request.urlopen(page.url) as answer:  # noqa: S310 - http, of our own
            assert b"events_total 3.0" in answer.read()
        request = urllib.request.Request(page.url, b"x")  # noqa: S310 - see above
        with pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.urlopen(request)  # noqa: S310 - see above
        found.value.close()
    finally:
        page.close()


@pytest.mark.parametrize(
    ("bind", "given", "missing"),
    [
        ("127.0.0.1", (), ()),
        ("127.0.0.2", (), ()),
        ("::1", (), ()),
        ("0.0.0.0", (), ("FLUMINA_ACCESS", "FLUMINA_TLS_CERTIFICATE")),  # noqa: S104 - it is refused
        ("::", ("tls",), ("FLUMINA_ACCESS",)),
        ("10.0.0.1", ("access",), ("FLUMINA_TLS_CERTIFICATE",)),
        ("10.0.0.1", ("access", "tls"), ()),
        ("10.0.0.1", ("access", "front"), ()),
        ("10.0.0.1", ("front",), ("FLUMINA_ACCESS",)),
    ],
)
def test_beyond_loopback_a_server_is_closed_or_does_not_start(
    world: World, bind: str, given: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    every = world.environment()
    of_tls = ("FLUMINA_TLS_CERTIFICATE", "FLUMINA_TLS_KEY")
    chosen = {"FLUMINA_ACCESS": every["FLUMINA_ACCESS"]} if "access" in given else {}
    chosen |= {name: every[name] for name in of_tls} if "tls" in given else {}
    chosen |= {"FLUMINA_TLS_IN_FRONT": "true"} if "front" in given else {}
    settings = settings_of(chosen)
    if not missing:
        demand_closed(settings, bind)
        return
    with pytest.raises(OperatorError) as found:
        demand_closed(settings, bind)
    for name in missing:
        assert f"{name}" in str(found.value)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"FLUMINA_TLS_KEY": ""}, "given together"),
        ({"FLUMINA_TLS_CLIENT_CA": ""}, "needs FLUMINA_TLS_CLIENT_CA"),
        ({"FLUMINA_OIDC_ISSUER": "https://i"}, "given together"),
        ({"FLUMINA_OIDC_ISSUER": "i", "FLUMINA_OIDC_KEYS": "http://i/k"}, "https://issuer"),
        ({"FLUMINA_TOKEN": "x" * 20, "FLUMINA_TOKEN_FILE": "/t"}, "keep one"),
        ({"FLUMINA_METRICS_BIND": "everywhere"}, "IP address"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(
    world: World, more: dict[str, str], why: str
) -> None:
    with pytest.raises(OperatorError, match=why):
        world.settings(**more)


def test_files_that_cannot_be_used_are_named(world: World) -> None:
    with pytest.raises(OperatorError, match="people"):
        door_of(world.settings(FLUMINA_ACCESS=str(world.directory / "no-people.json")))
    world.people.path.write_text("{}")
    with pytest.raises(OperatorError, match="flumina token new"):
        door_of(world.settings())
    with pytest.raises(OperatorError, match="TLS cannot begin"):
        tls_of(world.settings(FLUMINA_TLS_KEY=str(world.ca)))
    with pytest.raises(NoTls):
        server_context(ServerFiles(world.ca, world.directory / "none"))
    with pytest.raises(NoTls):
        client_context(ClientFiles(world.directory / "none"))


def test_a_token_of_a_file_is_exchanged_without_a_restart(world: World) -> None:
    file = world.directory / "token"
    file.write_text(world.people.token("ada", "viewer") + "\n")
    credentials = Credentials("", file, ClientFiles(world.ca))
    _, served = world.api()
    with served, client(served.url, credentials) as kept:
        assert kept.job("a").id == "a"
        world.people.remove("ada")
        with pytest.raises(Unauthorized):
            kept.job("a")
        file.write_text(world.people.token("ada", "viewer") + "\n")
        assert kept.job("a").id == "a"


def test_an_address_without_tls_reads_no_certificates_and_believes_nobody(world: World) -> None:
    plain = Credentials("").verify("http://127.0.0.1:7101")
    assert (plain.verify_mode, plain.get_ca_certs()) == (ssl.CERT_REQUIRED, [])
    known = Credentials("", None, ClientFiles(world.ca)).verify("https://cell.example")
    assert len(known.get_ca_certs()) == 1


def test_json_of_a_refusal_has_the_shape_of_every_problem(world: World) -> None:
    _, served = world.api()
    with served:
        host, port = served.url.rpartition("/")[2].split(":")
        context = world.shown().context()
        connection = http.client.HTTPSConnection(host, int(port), timeout=5, context=context)
        connection.request("GET", "/api/v3/jobs")
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="flumina"'
    assert found["statusCode"] == 401
    assert "Authorization: Bearer" in found["errorDetails"]
