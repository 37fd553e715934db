"""`flumina secret` against an API with a key ring, as a person and a publisher use it."""

import json
from pathlib import Path

from connectors.objects.directory import DirectoryStore
from connectors.secrets.providers import FileProvider
from connectors.secrets.ring import KeyRing
from connectors.secrets.sealing import open_sealed
from connectors.web.app import web_app
from connectors.web.secret_gate import SecretGate
from tests.support.command_line import Done, flumina
from tests.support.served import served
from tests.support.web_cell import WebCell, descriptor

OWNER = ("--owner", "ada@example.org", "--application", "app")


def test_a_key_file_values_and_keys(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    made = flumina(tmp_path, "secret", "init", str(key))
    assert made.returncode == 0, made.stderr
    assert f"FLUMINA_SECRET_PROVIDER=file:{key}" in made.stdout
    assert flumina(tmp_path, "secret", "init", str(key)).returncode == 1, "it is never overwritten"
    ring = KeyRing(DirectoryStore(tmp_path / "ring"), FileProvider(key))
    cell = WebCell()
    app = web_app(cell, cell.files, wait_s=1.0, secrets=SecretGate(lambda: ring))
    with served(app) as there:

        def secret(*words: str, text: str = "") -> Done:
            return flumina(tmp_path, "secret", *words, text=text, FLUMINA_API=there.url)

        sealed = secret("seal", "KEY", "--job", "j", *OWNER, text="s3cret\n")
        assert sealed.returncode == 0, sealed.stderr
        assert open_sealed(ring, "j", "KEY", sealed.stdout.strip()) == "s3cret"
        job = descriptor()
        job["container"] |= {
            "env": {"KEY": "s3cret", "PLAIN": "seen"},
            "attributes": {"flumina.secretEnvironment": "KEY"},
        }
        (tmp_path / "job.json").write_text(json.dumps(job))
        whole = secret("seal", "--file", str(tmp_path / "job.json"), "--job", "j")
        found = json.loads(whole.stdout)["container"]["env"]
        assert found == {"KEY": sealed.stdout.strip(), "PLAIN": "seen"}
        assert "No job is named" in secret("seal", "KEY", text="x").stderr
        assert "No reason" in secret("rotate", *OWNER).stderr
        assert "key 2" in secret("rotate", *OWNER, "--why", "a year").stdout
        gone = secret("forget", "--job", "j", "--why", "she left", "--yes")
        assert "0 keys of applications and 1 of jobs" in gone.stdout
        (keys,) = json.loads(secret("keys", "--json").stdout)["items"]
        assert (keys["versions"], keys["jobs"]) == ([1, 2], 0)
        assert "ada@example.org" in secret("keys").stdout
        assert secret("forget", "--why", "x", "--yes").returncode == 1
    assert "No reason" in flumina(tmp_path, "exec", "t").stderr
