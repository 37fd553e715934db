"""Secrets by name: of variables with our prefix and of one folder, and of nothing else."""

from pathlib import Path

import pytest

from connectors.webhooks.secrets import SecretMissing, Secrets

SECRET = "0123456789abcdef"


def test_secrets_of_the_environment_and_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "deploys").write_text(SECRET + "\n", "ascii")
    secrets = Secrets(tmp_path, {"WEBHOOK_SECRET_CI_MAIN": SECRET, "PATH": SECRET})
    assert secrets.of("") == ""
    assert secrets.of("env:ci-main") == SECRET
    assert secrets.of("file:deploys") == SECRET
    with pytest.raises(SecretMissing, match="WEBHOOK_SECRET_PATH is not set"):
        secrets.of("env:PATH")


def test_what_cannot_be_a_secret_says_why_and_never_what(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("hunter2", "ascii")
    outside = tmp_path.parent / "outside"
    outside.write_text(SECRET, "ascii")
    secrets = Secrets(tmp_path, {})
    for name in ("file:short", "file:none", f"file:../{outside.name}", "env:none"):
        with pytest.raises(SecretMissing) as missing:
            secrets.of(name)
        assert "hunter2" not in str(missing.value)
    with pytest.raises(SecretMissing, match="names no folder"):
        Secrets(None, {}).of("file:deploys")
