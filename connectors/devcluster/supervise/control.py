"""The supervisor's control socket, seen from both ends, and where to find it by port.

The one thing to know: a question and its answer are one JSON line each; who may open the socket,
which only its owner may, may do everything.
"""

import json
import os
import socket
from pathlib import Path

from connectors.devcluster.node import ClusterConfig, ConfigError, write_atomically
from connectors.devcluster.words import Json

CONTROL_SOCKET = "control.sock"
# A stop takes the longest: tasks have a second, everything else four.
ANSWER_SECONDS = 30.0


def control_socket(root: Path, *, listen: bool) -> socket.socket:
    """The supervisor's control socket, listening or connected.

    It is reached by way of the open directory: a path may be too long for a socket address.
    """
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    address = f"/proc/self/fd/{directory}/{CONTROL_SOCKET}"
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if listen:
            (root / CONTROL_SOCKET).unlink(missing_ok=True)
            control.bind(address)
            (root / CONTROL_SOCKET).chmod(0o600)
            control.listen(16)
        else:
            control.connect(address)
    except OSError:
        control.close()
        raise
    finally:
        os.close(directory)
    return control


def question_in(line: bytes) -> Json:
    """What is asked; nonsense is a command that does not exist."""
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if isinstance(request, dict) and isinstance(request.get("verb"), str):
        return request
    return {"verb": repr(line)}


def answer_to(client: socket.socket, answer: Json) -> None:
    """Answer whoever asked, if he still waits."""
    try:
        client.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        # Who asked has gone; what was asked for is done all the same.
        return


def ask(root: Path, verb: str, node: str | None = None, **options: object) -> Json:
    """The supervisor's answer to a command."""
    try:
        control = control_socket(root, listen=False)
    except OSError as error:
        raise ConfigError(
            f"no development cluster answers at {root}: {error.strerror}; start one with "
            "'flumina dev-cluster', or name the right --port or --data-dir"
        ) from error
    control.settimeout(ANSWER_SECONDS)
    with control, control.makefile("rwb") as line:
        line.write(json.dumps({"verb": verb, "node": node, **options}).encode() + b"\n")
        line.flush()
        try:
            text = line.readline()
        except TimeoutError as error:
            raise ConfigError(
                f"the supervisor at {root} has not answered within {ANSWER_SECONDS:g} s; it is "
                "paused, or this machine is overloaded: look at it with 'ps'"
            ) from error
    if not text:
        raise ConfigError(f"the supervisor at {root} ended before it answered")
    return dict(json.loads(text))


# Where each running cluster's data directory is, by port, so that commands need the port only.


def _note(port: int) -> Path:
    cache = os.environ.get("FLUMINA_CACHE") or Path.home() / ".cache" / "flumina"
    return Path(cache) / "dev-clusters" / f"{port}.json"


def remember(config: ClusterConfig) -> None:
    """Note where the cluster of this port lives, in place of notes of clusters that were killed."""
    note = _note(config.port)
    note.parent.mkdir(parents=True, exist_ok=True)
    for other in note.parent.glob("*.json"):
        if not _is_alive(other):
            other.unlink(missing_ok=True)
    write_atomically(note, json.dumps({"data_dir": config.data_dir}).encode())


def _is_alive(note: Path) -> bool:
    """Whether a supervisor listens where the note says. It listens before it is noted."""
    try:
        root = Path(json.loads(note.read_bytes())["data_dir"])
        control_socket(root, listen=False).close()
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False
    return True


def forget(config: ClusterConfig) -> None:
    """Take the note of ``remember`` away."""
    _note(config.port).unlink(missing_ok=True)


def default_data_dir(port: int) -> Path:
    """The data directory of a cluster that was started without one."""
    return Path(".flumina") / f"dev-cluster-{port}"


def data_dir_of(port: int) -> Path:
    """The data directory of the cluster on this port."""
    note = _note(port)
    if note.exists():
        return Path(json.loads(note.read_bytes())["data_dir"])
    return default_data_dir(port)
