"""Where a running cluster is noted by its port: nothing stays of one that could not clean up."""

from pathlib import Path

import pytest

from connectors.devcluster.node import ClusterConfig
from connectors.devcluster.supervise.control import (
    control_socket,
    data_dir_of,
    default_data_dir,
    forget,
    remember,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUMINA_CACHE", str(tmp_path / "cache"))


def _cluster(tmp_path: Path, port: int) -> ClusterConfig:
    root = tmp_path / str(port)
    root.mkdir()
    return ClusterConfig(data_dir=str(root), port=port, token="")


def test_the_note_of_a_killed_cluster_goes_when_another_starts(tmp_path: Path) -> None:
    killed, alive, new = (_cluster(tmp_path, port) for port in (7001, 7002, 7003))
    killed_socket = control_socket(Path(killed.data_dir), listen=True)
    alive_socket = control_socket(Path(alive.data_dir), listen=True)
    remember(killed)
    remember(alive)
    killed_socket.close()  # As by kill -9: the note and the socket's file stay.
    remember(new)
    alive_socket.close()
    assert data_dir_of(7001) == default_data_dir(7001)
    assert data_dir_of(7002) == Path(alive.data_dir)
    assert data_dir_of(7003) == Path(new.data_dir)


def test_a_note_whose_directory_is_gone_goes_too(tmp_path: Path) -> None:
    gone, new = (_cluster(tmp_path, port) for port in (7001, 7002))
    remember(gone)
    Path(gone.data_dir).rmdir()
    remember(new)
    assert data_dir_of(7001) == default_data_dir(7001)


def test_whoever_ends_takes_its_note_away(tmp_path: Path) -> None:
    config = _cluster(tmp_path, 7001)
    remember(config)
    forget(config)
    assert not list((tmp_path / "cache" / "dev-clusters").iterdir())
