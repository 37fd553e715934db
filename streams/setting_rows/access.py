"""Who is let in, by which certificates servers are known, and what we show where we ask."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streams import setting_texts as texts
from streams.setting_rows.row import Setting

SESSION_S = 8 * 3_600
SESSION_S_MIN = 60
SESSION_S_MAX = 7 * 86_400
_PAIRS: Final = (
    ("tls_certificate", "FLUMINA_TLS_CERTIFICATE", "tls_key", "FLUMINA_TLS_KEY"),
    ("client_certificate", "FLUMINA_CLIENT_CERTIFICATE", "client_key", "FLUMINA_CLIENT_KEY"),
    ("oidc_issuer", "FLUMINA_OIDC_ISSUER", "oidc_keys", "FLUMINA_OIDC_KEYS"),
)


def half_said(values: Mapping[str, Any]) -> list[str]:
    """Settings that need another one, or exclude it, as sentences."""
    faults = []
    for one, name, other, other_name in _PAIRS:
        if bool(values[one]) != bool(values[other]):
            faults.append(f"{name} and {other_name} are given together, or neither")
    if values["tls_client_ca"] and not values["tls_certificate"]:
        faults.append("FLUMINA_TLS_CLIENT_CA needs FLUMINA_TLS_CERTIFICATE: it is asked for by TLS")
    if values["tls_client_crl"] and not values["tls_client_ca"]:
        faults.append("FLUMINA_TLS_CLIENT_CRL needs FLUMINA_TLS_CLIENT_CA")
    if values["oidc_issuer"] and not values["access"]:
        faults.append("FLUMINA_OIDC_ISSUER needs FLUMINA_ACCESS, which says what groups may do")
    if values["token"] and values["token_file"]:
        faults.append("FLUMINA_TOKEN and FLUMINA_TOKEN_FILE are both given; keep one")
    return faults


ACCESS = (
    Setting(
        "FLUMINA_ACCESS",
        "access",
        "file of who may do what (docs/access.md); unset, servers on loopback let everybody in,"
        " and others do not start",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_OIDC_ISSUER",
        "oidc_issuer",
        "whose signed tokens are taken, as their claim iss names him; unset, nobody's",
        lambda _: "",
        texts.actor,
    ),
    Setting(
        "FLUMINA_OIDC_AUDIENCE",
        "oidc_audience",
        "for whom signed tokens are, by their claim aud; default flumina",
        lambda _: "flumina",
        texts.actor,
    ),
    Setting(
        "FLUMINA_OIDC_KEYS",
        "oidc_keys",
        "address of the issuer's public keys (JWKS), by https unless it is on loopback",
        lambda _: "",
        texts.keys_url,
    ),
    Setting(
        "FLUMINA_OIDC_GROUPS",
        "oidc_groups",
        "claim of a signed token that has the groups; default groups",
        lambda _: "groups",
        texts.actor,
    ),
    Setting(
        "FLUMINA_SESSION_S",
        "session_s",
        "seconds for which a login of the console lasts; default 28800",
        lambda _: SESSION_S,
        texts.whole_number(SESSION_S_MIN, SESSION_S_MAX),
    ),
    Setting(
        "FLUMINA_TLS_CERTIFICATE",
        "tls_certificate",
        "file of the servers' certificate, in PEM; unset, servers speak plain HTTP",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_TLS_KEY",
        "tls_key",
        "file of that certificate's key, in PEM",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_TLS_CLIENT_CA",
        "tls_client_ca",
        "file of those who sign clients' certificates, in PEM; unset, clients are asked for none",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_TLS_CLIENT_CRL",
        "tls_client_crl",
        "file of their lists of revoked certificates, in PEM; unset, none is revoked",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_TLS_IN_FRONT",
        "is_tls_in_front",
        "true: something in front of our servers speaks TLS, so that they may speak plain HTTP"
        " beyond loopback; default false",
        lambda _: False,
        texts.truth,
    ),
    Setting(
        "FLUMINA_METRICS_BIND",
        "metrics_bind",
        "address on which processes that serve nothing else show their metrics; default 127.0.0.1",
        lambda _: "127.0.0.1",
        texts.bind,
    ),
    Setting(
        "FLUMINA_TOKEN",
        "token",
        "token by which our commands and processes ask; better in a file",
        lambda _: "",
        texts.secret,
    ),
    Setting(
        "FLUMINA_TOKEN_FILE",
        "token_file",
        "file of that token, read again when it changes",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_CA",
        "ca",
        "file of those who sign the certificates of servers that we ask; unset, as the system has"
        " them",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_CLIENT_CERTIFICATE",
        "client_certificate",
        "file of the certificate that we show to servers, in PEM; unset, none",
        lambda _: None,
        Path,
    ),
    Setting(
        "FLUMINA_CLIENT_KEY",
        "client_key",
        "file of that certificate's key, in PEM",
        lambda _: None,
        Path,
    ),
)
