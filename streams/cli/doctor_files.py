"""The checks of `flumina doctor` of files: who may read what is secret, and until when it is valid.

The one thing to know: contents of secrets are never read, only their permissions; of certificates
the dates are.
"""

import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from streams.cli.doctor_checks import Finding, failed, ok, warning
from streams.clock import now_ms
from streams.settings import Settings

DAYS_WISE: Final = 14
"""Time enough for a certificate that somebody has to ask for."""


def file_findings(settings: Settings, data_dir: Path) -> list[Finding]:
    """Permissions and dates of the files that settings name."""
    secrets = {
        "FLUMINA_TLS_KEY": settings.tls_key,
        "FLUMINA_CLIENT_KEY": settings.client_key,
        "FLUMINA_KAFKA_KEY": settings.kafka_key,
        "FLUMINA_KAFKA_PASSWORD_FILE": settings.kafka_password_file,
        "FLUMINA_TOKEN_FILE": settings.token_file,
        "FLUMINA_REGISTRY_CREDENTIALS": settings.registry_credentials,
        "FLUMINA_WEBHOOK_SECRETS": settings.webhook_secrets,
    }
    certificates = {
        "FLUMINA_TLS_CERTIFICATE": settings.tls_certificate,
        "FLUMINA_TLS_CLIENT_CA": settings.tls_client_ca,
        "FLUMINA_CLIENT_CERTIFICATE": settings.client_certificate,
        "FLUMINA_CA": settings.ca,
        "FLUMINA_KAFKA_CERTIFICATE": settings.kafka_certificate,
        "FLUMINA_KAFKA_CA": settings.kafka_ca,
    }
    return [
        *data_directory(data_dir),
        *permissions({name: path for name, path in secrets.items() if path is not None}),
        *valid({name: path for name, path in certificates.items() if path is not None}),
    ]


def data_directory(directory: Path) -> Iterator[Finding]:
    """Whether others may write where our state is."""
    try:
        mode = directory.stat().st_mode
    except OSError:
        return  # It is made by the first start.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        text = f"everybody may write to {directory}"
        yield failed("data directory", text, f"chmod o-w {directory}")
    else:
        yield ok("data directory", f"{directory} is not open to everybody")


def permissions(secrets: Mapping[str, Path]) -> Iterator[Finding]:
    """Whether others may read what is secret; a group may, as Kubernetes mounts secrets."""
    for variable, path in secrets.items():
        check = f"file of {variable}"
        try:
            mode = path.stat().st_mode
        except OSError as error:
            text = f"{path} cannot be read: {error.strerror}"
            yield failed(check, text, f"Correct {variable}, or put the file there.")
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield failed(check, f"everybody may read {path}", f"chmod o-rwx {path}")
        else:
            yield ok(check, f"{path} is not open to everybody")


def valid(certificates: Mapping[str, Path]) -> Iterator[Finding]:
    """Whether certificates are valid now, and will be for a while."""
    for variable, path in certificates.items():
        yield _valid(f"certificate of {variable}", variable, path)


def _valid(check: str, variable: str, path: Path) -> Finding:
    from cryptography import x509  # noqa: PLC0415 - 30 ms, and most have none

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        first = max(each.not_valid_before_utc for each in found)
        last = min(each.not_valid_after_utc for each in found)
    except (OSError, ValueError, x509.InvalidVersion) as error:
        return failed(check, f"{path} cannot be read: {error}", f"Correct {variable}.")
    now = datetime.fromtimestamp(now_ms() / 1_000, UTC)
    text = f"{path} is valid until {last:%Y-%m-%d %H:%M} UTC"
    if last < now or first > now:
        text = f"{path} is valid from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        remedy = (
            "Put a valid one in its place: it is read anew without a restart. Is the clock right?"
        )
        return failed(check, text, remedy)
    if last < now + timedelta(days=DAYS_WISE):
        return warning(check, text, "Have it renewed; it is read anew without a restart.")
    return ok(check, text)
