"""The real processes with their doors closed: api and query process over TLS, on a real Kafka.

Commands ask them by a token and a certificate, as a person does; nobody else gets anything. A
server that others could reach does not start before it is closed, and needs no Kafka to say so.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connectors.access.outgoing import Credentials
from connectors.access.tls import ClientFiles
from tests.support.certificates import Authority
from tests.support.command_line import Done, flumina
from tests.support.served_tls import WAIT_S

pytestmark = pytest.mark.integration
CERTIFICATE = "spiffe://corp/ada"


class Doors:
    """An installation's settings, and the processes that a test has started with them."""

    def __init__(self, kafka: str, prefix: str, home: Path) -> None:
        self.home = home
        self.authority = Authority(home / "authority")
        self.pair = self.authority.server()
        self.client = self.authority.client("ada", CERTIFICATE)
        self.people = home / "people.json"
        self.settings = {
            "KAFKA_BROKERS": kafka,
            "FLUMINA_TOPIC_PREFIX": prefix,
            "FLUMINA_ACCESS": str(self.people),
            "FLUMINA_TLS_CERTIFICATE": str(self.pair.certificate),
            "FLUMINA_TLS_KEY": str(self.pair.key),
            "FLUMINA_TLS_CLIENT_CA": str(self.authority.ca),
            "FLUMINA_TLS_CLIENT_CRL": str(self.authority.crl),
            "FLUMINA_CA": str(self.authority.ca),
        }
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, **more: str) -> str:
        """The address of a process, once it listens."""
        environment = {"FLUMINA_DATA": str(self.home / "data"), "PYTHONPATH": str(Path.cwd())}
        log = self.home / f"{words[0]}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", *words, "--port", "0"],
                env={**os.environ, **environment, **self.settings, **more},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                return line.split()[1].rstrip("/")
        raise AssertionError(log.read_text("utf-8"))

    def run(self, *words: str, **more: str) -> Done:
        """A command of somebody with these settings, and no more."""
        kept = {name: self.settings[name] for name in ("FLUMINA_CA", "FLUMINA_ACCESS")}
        return flumina(self.home / "data", *words, **{**kept, **more})

    def close(self) -> None:
        """End the processes."""
        for each in self._started:
            each.terminate()
        for each in self._started:
            each.wait(WAIT_S)
            assert each.stdout is not None
            each.stdout.close()


@pytest.fixture
def doors(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Doors]:
    found = Doors(kafka, topic_prefix, tmp_path)
    yield found
    found.close()


def test_commands_are_let_in_by_what_they_show_and_nobody_else_is(doors: Doors) -> None:
    viewer = doors.run("token", "new", "looker", "--role", "viewer").stdout.strip()
    token_file = doors.home / "token"
    token_file.write_text(viewer)
    words = ("token", "grant", "ada", "--role", "admin", "--certificate", CERTIFICATE)
    assert doors.run(*words).returncode == 0
    own = doors.run("token", "new", "console", "--role", "viewer", "--delegate").stdout.strip()
    api = doors.start("api")
    console = doors.start("query", "serve", FLUMINA_API=api, FLUMINA_TOKEN=own)
    assert api.startswith("https://127.0.0.1:")
    by_token = {"FLUMINA_TOKEN_FILE": str(token_file)}
    by_certificate = {
        "FLUMINA_CLIENT_CERTIFICATE": str(doors.client.certificate),
        "FLUMINA_CLIENT_KEY": str(doors.client.key),
    }
    for where in (api, console):
        for shown in (by_token, by_certificate):
            found = doors.run("jobs", "--api", where, "--json", **shown)
            assert found.returncode == 0, (where, found.stderr)
        nobody = doors.run("jobs", "--api", where)
        assert nobody.returncode != 0
        assert "who asks" in nobody.stderr
    unbelieved = doors.run("jobs", "--api", api, FLUMINA_CA="", **by_token)
    assert unbelieved.returncode != 0
    assert "certificate" in unbelieved.stderr.lower()

    files = ClientFiles(doors.authority.ca)
    with httpx.Client(verify=Credentials("", None, files).context()) as http:
        assert http.get(f"{api}/health").status_code in {200, 503}
        assert http.get(f"{api}/metrics").status_code == 401
        shown = {"Authorization": f"Bearer {viewer}"}
        text = http.get(f"{api}/metrics", headers=shown).text
        assert 'flumina_access_refused_total{code="none"}' in text
        assert http.get(f"{console}/").status_code == 200
        assert http.get(f"{console}/api/flumina/query/sources").status_code == 401
        sources = http.get(f"{console}/api/flumina/query/sources", headers=shown)
        assert sources.status_code == 200
        stream = f"{console}/api/flumina/query/stream?mql=select+*+from+jobs&from=begin&to=now"
        assert http.get(stream).status_code == 401
        assert http.get(stream, headers=shown).status_code == 200

    assert doors.run("token", "remove", "looker").returncode == 0
    deadline = 100
    while doors.run("jobs", "--api", api, **by_token).returncode == 0:
        deadline -= 1
        assert deadline, "a token that was taken out still counts"


@pytest.mark.parametrize("words", [("api",), ("query", "serve"), ("federation", "serve")])
def test_a_server_that_others_reach_does_not_start_open(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    given = {"KAFKA_BROKERS": "127.0.0.1:9", "FLUMINA_API": "http://127.0.0.1:9"}
    everywhere = ("--bind", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused
    found = flumina(tmp_path, *words, *everywhere, **given)
    assert found.returncode != 0
    said = found.stdout + found.stderr
    assert "FLUMINA_ACCESS" in said
    assert "FLUMINA_TLS_CERTIFICATE" in said
