"""Which addresses a transport may connect to. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kubeprims.errors import ConfigError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Networks that may be connected to, and networks that may not.

    It is applied to each address itself, after its name was looked up and right before the connection: a name that
    leads elsewhere the next time gains nothing. An IPv4 address that is written as an IPv6 one is judged as what it
    is. Of a server behind a proxy, the proxy's address is judged, and the server's if it is given as one; a name is
    looked up by the proxy.

    Attributes:
        allow: Where connections may go; empty: anywhere.
        deny: Where they may not, though ``allow`` holds it.
    """

    allow: tuple[IPNetwork, ...] = ()
    deny: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, *, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> Self:
        """Return the policy of networks in text, as in ``10.0.0.0/8`` or ``fd00::1``.

        Raises:
            ConfigError: One is no network.
        """
        return cls(allow=_networks(allow, "allow"), deny=_networks(deny, "deny"))

    def permits(self, address: str) -> bool:
        """Return whether an address may be connected to; what is no address may not."""
        try:
            shown = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        forms = (shown, *_embedded(shown))
        if any(form in network for form in forms for network in self.deny):
            return False
        return not self.allow or any(forms[-1] in network for network in self.allow)


def _embedded(address: IPAddress) -> tuple[IPAddress, ...]:
    """Return the IPv4 address that packets to an IPv6 one end up at, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(address.packed[-4:]),)
    if address in _SIX_TO_FOUR:
        return (ipaddress.IPv4Address(address.packed[2:6]),)
    return ()


def _networks(texts: Iterable[str], field: str) -> tuple[IPNetwork, ...]:
    if isinstance(texts, str):
        raise ConfigError("must be several networks, not one text", field=field)
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"is no network: {error}", field=field) from None
