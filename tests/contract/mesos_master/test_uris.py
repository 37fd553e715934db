"""What is fetched into a sandbox before a command starts, and what a failure looks like.

On the dev cluster only: for the fetcher of the real Mesos, a helper program, nothing stands in.
"""

import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.contract.mesos_master.executor_client import executor_info
from tests.contract.mesos_master.master_client import Framework, Json, task

pytestmark = pytest.mark.integration


@pytest.fixture
def dev_port(port: int, is_real: bool) -> int:
    """The port of the dev cluster's master."""
    if is_real:
        pytest.skip("the real Mesos' fetcher is a helper program that is not here")
    return port


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server of the folder's files; the answer is its address."""
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def end_of(framework: Framework, script: str, uris: list[Json]) -> Json:
    """The last status of a task that runs the script on what was fetched."""
    offer = framework.offers()[0]
    command = {"value": script, "uris": uris}
    framework.launch([offer], [task("fetcher", offer, command=command)])
    while True:
        status = framework.await_update("fetcher")
        framework.acknowledge(status)
        if status["state"] in ("TASK_FINISHED", "TASK_FAILED"):
            return status


def archive(path: Path, **members: str) -> Path:
    """A tar or zip, by its name, with these files."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, text in members.items():
                file.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name, text in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_files_and_archives_are_there_before_the_command(dev_port: int, tmp_path: Path) -> None:
    (tmp_path / "hello.sh").write_text("echo hello")
    archive(tmp_path / "a.tgz", **{"in/a": "A"})
    archive(tmp_path / "b.zip", **{"in/b": "B"})
    script = (
        '[ "$(./hello.sh)" = hello ] && [ "$(cat in/a in/b)" = AB ] && [ -e a.tgz ] && '
        "[ ! -e kept ] && [ -e other/kept.zip ]"
    )
    with served(tmp_path) as address, Framework(dev_port) as framework:
        uris: list[Json] = [
            {"value": f"{address}/hello.sh", "executable": True, "cache": True},
            {"value": f"file://{tmp_path}/a.tgz"},
            {"value": f"{tmp_path}/b.zip"},
            {
                "value": f"{address}/b.zip?x=1",
                "extract": False,
                "output_file": "other/kept.zip",
            },
        ]
        assert end_of(framework, script, uris)["state"] == "TASK_FINISHED"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ({"value": "file:///no/such/file"}, "No such file or directory"),
        ({"value": "http://127.0.0.1:1/x"}, "refused"),
        ({"value": "ftp://127.0.0.1/x"}, "not ftp"),
        ({"value": "/etc/hostname", "output_file": "../x"}, "outside the sandbox"),
        ({"value": "http://127.0.0.1:1/"}, "names no file"),
    ],
)
def test_what_cannot_be_fetched_fails_the_task_and_is_named(
    dev_port: int, uri: Json, why: str
) -> None:
    with Framework(dev_port) as framework:
        status = end_of(framework, "true", [uri])
        assert status["state"] == "TASK_FAILED"
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
        assert status["source"] == "SOURCE_AGENT"
        start = f"Failed to launch container: Failed to fetch '{uri['value']}': "
        assert status["message"].startswith(start)
        assert why in status["message"]


@pytest.mark.parametrize("name", ["evil.tgz", "evil.zip"])
def test_an_archive_does_not_reach_out_of_the_sandbox(
    dev_port: int, tmp_path: Path, name: str
) -> None:
    evil = archive(tmp_path / name, **{"../../../../escaped": "!"})
    with Framework(dev_port) as framework:
        status = end_of(framework, "true", [{"value": str(evil)}])
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
        assert "escaped" in status["message"]


def test_a_kill_while_it_is_fetched_is_a_kill_before_delivery(dev_port: int) -> None:
    hold = threading.Event()

    class Slow(_Quiet):
        def do_GET(self) -> None:
            hold.wait(20)
            self.send_error(404)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        with Framework(dev_port) as framework:
            offer = framework.offers()[0]
            uri = {"value": f"http://127.0.0.1:{server.server_address[1]}/x"}
            command = {"value": "true", "uris": [uri]}
            framework.launch([offer], [task("slow", offer, command=command)])
            framework.kill("slow")
            status = framework.await_update("slow")
            assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
        hold.set()
        server.shutdown()
        thread.join()


def test_an_executor_that_cannot_be_fetched_fails_its_tasks(dev_port: int) -> None:
    command = {"value": "true", "uris": [{"value": "file:///no/such/file"}]}
    with Framework(dev_port) as framework:
        offer = framework.offers()[0]
        info = executor_info("e", command=command)
        framework.launch([offer], [task("t", offer, command=None, executor=info)])
        status = framework.await_update("t")
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
        assert "'file:///no/such/file'" in status["message"]
