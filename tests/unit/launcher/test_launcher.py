"""`./flumina` before there is a Python to trust: which one it takes, and what it says without one.

The real launcher runs in a small checkout, with a private PATH of programs that tests make up.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[3] / "flumina"
# What the launcher itself may use, besides the shell.
TOOLS = ("cmp", "dirname", "readlink")


class Checkout:
    """A checkout with the real launcher, and programs that only it sees."""

    def __init__(self, root: Path) -> None:
        self.root = root / "a checkout"
        self.programs = root / "programs"
        (self.root / "streams").mkdir(parents=True)
        self.programs.mkdir()
        shutil.copy(LAUNCHER, self.root / "flumina")
        (self.root / "requirements.lock").write_text("lock")
        (self.root / "pyproject.toml").write_text("project")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"this computer has no {tool}"
            (self.programs / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def old_python(self, name: str) -> None:
        self.program(name, "case $2 in *print*) echo 3.8.10;; *) exit 1;; esac")

    def setting_up_python(self, name: str) -> None:
        """A new enough Python that pretends to make the environment, and writes down its call."""
        self.program(
            name,
            f"""
            [ "$1" = -c ] && exit 0
            printf '%s|' {name} "$@" > '{self.root}/set-up'
            {sys.executable} - "$3" "$4" <<'END'
import sys
from pathlib import Path
root, made_with = Path(sys.argv[1]), sys.argv[2]
stamp = root / ".venv" / "flumina-installed"
stamp.mkdir(parents=True, exist_ok=True)
python = root / ".venv" / "bin" / "python"
python.parent.mkdir(exist_ok=True)
python.write_text("#!/bin/sh\\nprintf '%s|' \\"$@\\"\\n")
python.chmod(0o755)
for name in ("requirements.lock", "pyproject.toml"):
    (stamp / name).write_text((root / name).read_text())
(stamp / "origin").write_text(f"{{root}}\\n{{made_with}}\\n")
END
            """,
        )

    def run(
        self, *arguments: str, launcher: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [launcher or str(self.root / "flumina"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": str(self.programs), **environment},
        )

    def set_up_call(self) -> list[str]:
        return (self.root / "set-up").read_text().split("|")[:-1]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_any_python_it_says_where_to_get_one(checkout: Checkout) -> None:
    done = checkout.run("demo")
    assert done.returncode == 1
    assert "No Python was found in PATH; version 3.11 or newer is needed." in done.stderr
    assert "apt install python3 python3-venv" in done.stderr
    assert "FLUMINA_PYTHON" in done.stderr
    assert done.stdout == ""


def test_with_only_old_pythons_it_names_them(checkout: Checkout) -> None:
    checkout.old_python("python3")
    done = checkout.run("demo")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, but: python3 is 3.8.10;" in done.stderr
    assert "apt install" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(checkout: Checkout) -> None:
    checkout.old_python("python3")
    checkout.setting_up_python("python3.12")
    done = checkout.run("demo", "--once")
    assert done.returncode == 0, done.stderr
    assert checkout.set_up_call()[0] == "python3.12"


def test_a_python_that_does_not_start_counts_as_none(checkout: Checkout) -> None:
    checkout.program("python3", "exit 127")
    done = checkout.run("demo")
    assert done.returncode == 1
    assert "python3 is broken" in done.stderr


def test_flumina_python_is_taken_or_refused_but_never_passed_over(checkout: Checkout) -> None:
    checkout.setting_up_python("python3")
    checkout.old_python("my-python")
    missing = checkout.run("demo", FLUMINA_PYTHON="no-python")
    assert missing.returncode == 1
    assert "FLUMINA_PYTHON is set to no-python, and there is no such program." in missing.stderr
    old = checkout.run("demo", FLUMINA_PYTHON="my-python")
    assert old.returncode == 1
    assert "FLUMINA_PYTHON=my-python is 3.8.10." in old.stderr
    checkout.setting_up_python("my-python")
    assert checkout.run("demo", FLUMINA_PYTHON="my-python").returncode == 0
    assert checkout.set_up_call()[0] == "my-python"


def test_arguments_reach_the_command_line_as_they_were_given(checkout: Checkout) -> None:
    checkout.setting_up_python("python3")
    done = checkout.run("test", "-m", "not integration", "-k", "a*b $HOME", "")
    expected = ["-P", "-m", "streams.cli.main", "test", "-m", "not integration", "-k"]
    assert done.stdout.split("|")[:-1] == [*expected, "a*b $HOME", ""]


def test_what_is_ready_is_used_without_looking_for_a_python(checkout: Checkout) -> None:
    checkout.setting_up_python("python3")
    checkout.run("demo")
    checkout.program("python3", f"touch '{checkout.root}/asked'; exit 1")
    done = checkout.run("jobs")
    assert done.returncode == 0
    assert done.stderr == ""
    assert not (checkout.root / "asked").exists()


@pytest.mark.integration  # It starts processes.
@pytest.mark.parametrize(
    "change",
    ["requirements.lock", "pyproject.toml", "moved", "python gone", "FLUMINA_PYTHON"],
)
def test_it_sets_up_again_when_what_it_rests_on_has_changed(
    checkout: Checkout, change: str
) -> None:
    checkout.setting_up_python("python3")
    checkout.setting_up_python("other")
    checkout.run("demo")
    (checkout.root / "set-up").unlink()
    environment = {}
    if change == "moved":
        # An environment holds the absolute path of its checkout.
        checkout.root.rename(checkout.root.with_name("moved"))
        checkout.root = checkout.root.with_name("moved")
        checkout.setting_up_python("python3")
    elif change == "python gone":
        (checkout.root / ".venv" / "bin" / "python").unlink()
    elif change == "FLUMINA_PYTHON":
        environment["FLUMINA_PYTHON"] = "other"
    else:
        (checkout.root / change).write_text("another")
    done = checkout.run("demo", **environment)
    assert done.returncode == 0, done.stderr
    assert checkout.set_up_call()[1:] == [
        *("-I", f"{checkout.root}/streams/bootstrap.py", str(checkout.root)),
        environment.get("FLUMINA_PYTHON", "-"),
    ]


def test_a_failed_set_up_ends_the_launcher(checkout: Checkout) -> None:
    checkout.program("python3", '[ "$1" = -c ] && exit 0; echo "no way" >&2; exit 9')
    done = checkout.run("demo")
    assert done.returncode == 9
    assert done.stderr == "no way\n"


def test_it_works_through_links_and_from_anywhere(checkout: Checkout, tmp_path: Path) -> None:
    checkout.setting_up_python("python3")
    (tmp_path / "bin").mkdir()
    (tmp_path / "direct").symlink_to(checkout.root / "flumina")
    (tmp_path / "bin" / "flumina").symlink_to("../direct")
    done = checkout.run("demo", launcher=str(tmp_path / "bin" / "flumina"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("|demo|")


def test_it_is_plain_posix_shell() -> None:
    """Debian's /bin/sh is dash, which knows nothing else; elsewhere this is a syntax check."""
    assert os.access(LAUNCHER, os.X_OK)
    subprocess.run(["/bin/sh", "-n", str(LAUNCHER)], check=True)
