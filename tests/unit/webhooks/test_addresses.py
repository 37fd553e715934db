"""Where a webhook may be sent to: the public internet over TLS, and what an operator has named."""

from ipaddress import ip_address

import pytest

from connectors.webhooks.addresses import Forbidden, is_public, networks_of, permitted

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",  # The cloud's metadata service.
    "0.0.0.0",  # noqa: S104 - an address that is asked about
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",  # The metadata service again.
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_no_public_address(text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(Forbidden, match="not public"):
        permitted("host", [text], is_plain=False, allowed=())


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_for_tls_only(text: str) -> None:
    assert permitted("host", [text], is_plain=False, allowed=()) == [text]
    with pytest.raises(Forbidden, match="use https"):
        permitted("host", [text], is_plain=True, allowed=())


def test_a_named_network_is_allowed_with_and_without_tls() -> None:
    allowed = networks_of("10.0.0.0/8, fd00::/8")
    for is_plain in (True, False):
        assert permitted("host", ["10.1.2.3"], is_plain=is_plain, allowed=allowed)
        assert permitted("host", ["::ffff:10.1.2.3"], is_plain=is_plain, allowed=allowed)
        assert permitted("host", ["fd00::7"], is_plain=is_plain, allowed=allowed)
        with pytest.raises(Forbidden):
            permitted("host", ["127.0.0.1", "169.254.169.254"], is_plain=is_plain, allowed=allowed)


def test_of_several_addresses_only_those_that_may_be() -> None:
    found = ["127.0.0.1", "8.8.8.8", "fe80::1%eth0", "8.8.4.4"]
    assert permitted("host", found, is_plain=False, allowed=()) == ["8.8.8.8", "8.8.4.4"]
    with pytest.raises(Forbidden, match="no address"):
        permitted("host", [], is_plain=False, allowed=())


def test_networks_of_a_setting() -> None:
    assert [str(each) for each in networks_of("10.0.0.0/8,::1/128")] == ["10.0.0.0/8", "::1/128"]
    assert networks_of("") == ()
    with pytest.raises(ValueError, match="host bits set"):
        networks_of("10.0.0.1/8")
