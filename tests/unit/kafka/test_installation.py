"""Getting Kafka: whole and checked, or not there; whatever happens on the way.

A real HTTP server on the loopback address stands for the Maven repository, with a release of Kafka
that is three small files.
"""

import gc
import hashlib
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from streams.errors import OperatorError
from streams.kafka.installation import Installation, ensure_installed
from streams.kafka.jars import Jar, kafka_version, locked_jars, parse_line

# jgo never closes the connection of an answer that it does not read to its end.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

CONTENTS = {
    "org.apache.kafka:kafka_2.13:9.9.9": b"the broker" * 1000,
    "org.apache.kafka:kafka-clients:9.9.9": b"the clients" * 5000,
    "org.example:helper:1.0": b"a helper",
}


class Repository:
    """A Maven repository whose answers a test can spoil."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.broken_off_once: set[str] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                outer.requests[name] += 1
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if name in outer.broken_off_once:
                    outer.broken_off_once.remove(name)
                    content = content[: len(content) // 2]
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
                """Keep the server's access log out of the test's output."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, jar: Jar, content: bytes) -> None:
        folder = "/".join([*jar.group.split("."), jar.artifact, jar.version])
        self.files[f"/{folder}/{jar.file_name}"] = content


def _jar(coordinate: str, content: bytes) -> Jar:
    return parse_line(f"{coordinate} {len(content)} sha256:{hashlib.sha256(content).hexdigest()}")


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Repository()
    for coordinate, content in CONTENTS.items():
        served.publish(_jar(coordinate, content), content)
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
        gc.collect()  # Here, where the warnings about jgo's connections are expected.
    finally:
        served.server.shutdown()
        served.server.server_close()
        thread.join()


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "jars.lock"
    lines = [_jar(coordinate, content).line() for coordinate, content in CONTENTS.items()]
    path.write_text("# a comment\n" + "\n".join(lines) + "\n", "utf-8")
    return path


def _install(cache: Path, lock_file: Path, url: str) -> Installation:
    console = Console(file=StringIO())
    return ensure_installed(cache, console, {"central": url}, lock_file)


def test_every_file_arrives_and_nothing_is_asked_for_twice(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    installed = _install(tmp_path / "cache", lock_file, repository.url)
    assert installed.version == "9.9.9"
    assert installed.home == tmp_path / "cache" / "kafka" / "9.9.9"
    assert [jar.read_bytes() for jar in installed.jars] == list(CONTENTS.values())
    assert installed.class_path.split(":") == [str(jar) for jar in installed.jars]
    asked = repository.requests.total()
    assert _install(tmp_path / "cache", lock_file, repository.url) == installed
    assert repository.requests.total() == asked
    # Nothing but the jars and the lock is left.
    assert {path.name for path in installed.home.iterdir()} == {
        installed.jars[0].parent.name,
        "install.lock",
    }


@pytest.mark.slow
def test_a_download_that_breaks_off_is_repeated(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    repository.broken_off_once.add("kafka-clients-9.9.9.jar")
    installed = _install(tmp_path / "cache", lock_file, repository.url)
    assert [jar.read_bytes() for jar in installed.jars] == list(CONTENTS.values())
    assert repository.requests["kafka-clients-9.9.9.jar"] == 2


def test_an_interrupted_installation_is_finished_and_not_begun_again(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    """The first attempt lacks one file and leaves one half: only those two are fetched again."""
    missing = "/org/example/helper/1.0/helper-1.0.jar"
    content = repository.files.pop(missing)
    with pytest.raises(OperatorError):
        _install(tmp_path / "cache", lock_file, repository.url)
    (half,) = tmp_path.rglob("kafka-clients-9.9.9.jar")
    half.write_bytes(half.read_bytes()[:100])
    repository.files[missing] = content
    repository.requests.clear()
    installed = _install(tmp_path / "cache", lock_file, repository.url)
    assert [jar.read_bytes() for jar in installed.jars] == list(CONTENTS.values())
    assert repository.requests["kafka_2.13-9.9.9.jar"] == 0
    assert repository.requests["kafka-clients-9.9.9.jar"] == 1


def test_a_jar_that_was_shortened_or_deleted_later_is_repaired(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    installed = _install(tmp_path / "cache", lock_file, repository.url)
    installed.jars[1].write_bytes(b"half")
    assert _install(tmp_path / "cache", lock_file, repository.url) == installed
    installed.jars[2].unlink()
    assert _install(tmp_path / "cache", lock_file, repository.url) == installed
    assert [jar.read_bytes() for jar in installed.jars] == list(CONTENTS.values())


def test_several_at_once_download_once(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda _: _install(tmp_path / "cache", lock_file, repository.url), range(4))
        )
    assert len(set(results)) == 1
    jars = {name: count for name, count in repository.requests.items() if name.endswith(".jar")}
    assert set(jars.values()) == {1}


def test_wrong_bytes_are_refused_and_not_kept(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    helper = parse_line(lock_file.read_text("utf-8").splitlines()[-1])
    repository.publish(helper, b"A HELPER")
    with pytest.raises(OperatorError, match=r"org\.example:helper:1\.0 arrived 3 times"):
        _install(tmp_path / "cache", lock_file, repository.url)
    assert not [path for path in tmp_path.rglob("jars-*") if path.suffix != ".incomplete"]


def test_a_repository_without_the_file_is_named(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    repository.files.clear()
    with pytest.raises(OperatorError, match="does not hold this file"):
        _install(tmp_path / "cache", lock_file, repository.url)


@pytest.mark.slow
def test_no_network_is_a_sentence_with_a_way_out(
    lock_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(OperatorError) as raised:
        _install(tmp_path / "cache", lock_file, "http://127.0.0.1:1")
    gc.collect()
    assert "Connection refused" in raised.value.what
    assert "KAFKA_BROKERS" in raised.value.remedy
    assert "HTTPS_PROXY" in raised.value.remedy


def test_a_cache_that_cannot_be_written_is_a_sentence_with_a_way_out(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(OperatorError) as raised:
        _install(tmp_path / "cache", lock_file, repository.url)
    assert "Not a directory" in raised.value.what
    assert "FLUMINA_CACHE" in raised.value.remedy


def test_the_real_lock_file_names_each_jar_once_with_its_digest() -> None:
    jars = locked_jars()
    assert kafka_version(jars).startswith("4.")
    assert len({jar.file_name for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    assert [parse_line(jar.line()) for jar in jars] == list(jars)
