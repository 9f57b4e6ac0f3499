"""Fetches a video from an address that a stranger named, without letting him reach what only we can reach.

The rules: https (http where a setting allows it) at a host that a setting names; no user or password in the address;
every address that the name resolves to must be public, also the one inside an IPv4-mapped, 6to4 or NAT64 address; the
connection goes to the very address that was checked, with the name in TLS and in `Host`, so that a name that resolves
otherwise the next moment changes nothing; each of at most three redirects is checked like the first address; bytes,
seconds and content type are bounded. Neither address nor answer is logged.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import IO, Final

import httpx
import structlog

from api.errors import RefusedError
from api.uploads import MOST_VIDEO_BYTES

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
Allowed = Callable[[Address], bool]

MOST_REDIRECTS: Final = 3
WHOLE_WITHIN_S: Final = 60.0
EACH_WITHIN_S: Final = 10.0

_LOG = structlog.get_logger(__name__)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")
_SITE_LOCAL: Final = IPv6Network("fec0::/10")
_TYPES: Final = ("video/", "application/octet-stream", "binary/octet-stream", "application/mp4")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"https": 443, "http": 80}
_WRITE_BYTES: Final = 1_048_576


def public(address: Address) -> bool:
    """Return whether an address is of the public internet, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return public(inner)
        if address.scope_id is not None or address.teredo is not None or address.is_site_local:
            return False
        if any(address in network for network in (_IPV4_COMPATIBLE, _LOCAL_NAT64, _SITE_LOCAL)):
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, None where it leads to none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Return every address of a name, as the system resolves it.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an operator allows.

    Attributes:
        hosts: Names, `*.name` for all below one, with `:port` where it is not the scheme's; none: nothing is fetched.
        http: Whether http is allowed too.
        most_bytes: How long a body may be.
        within_s: When everything must be there.
    """

    hosts: tuple[str, ...]
    http: bool = False
    most_bytes: int = MOST_VIDEO_BYTES
    within_s: float = WHOLE_WITHIN_S


@dataclass(frozen=True, slots=True)
class _Checked:
    """An address as it will be asked: the URL, and where the connection goes."""

    url: httpx.URL
    address: Address

    @property
    def pinned(self) -> httpx.URL:
        """The same URL at the address that was checked."""
        return self.url.copy_with(host=str(self.address), username=None, password=None)


class Download:
    """Fetches by the rules; `resolve`, `allowed` and the certificates that are believed are injected for tests."""

    def __init__(
        self,
        rules: Rules,
        *,
        resolve: Resolve = resolve,
        allowed: Allowed = public,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._allowed = allowed
        self._verify = verify

    async def fetch(self, url: str, into: IO[bytes]) -> None:
        """Write what an address holds into a file.

        Raises:
            RefusedError: 422 where it may not be asked or holds no video, 413 where it is too large, 502 where it does
                not answer, 504 where it takes too long.
        """
        if not self._rules.hosts:
            raise _refused(
                "This server fetches no addresses: send the video itself, as the field `file` of a form; or let its "
                "operator name hosts in PULSERA_VIDEO_HOSTS."
            )
        try:
            async with asyncio.timeout(self._rules.within_s):
                await self._followed(url, into)
        except TimeoutError as error:
            raise RefusedError(
                504,
                "too_slow",
                f"The address gave no whole video within {self._rules.within_s:g} s.",
                field="video_url",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text may hold the address.
            _LOG.warning("an address gave no video", reason=type(error).__name__)
            raise RefusedError(
                502, "fetch_failed", "The address does not answer as it should.", field="video_url"
            ) from None

    async def _followed(self, url: str, into: IO[bytes]) -> None:
        there: httpx.URL | str = url
        for _ in range(MOST_REDIRECTS + 1):
            checked = await self._checked(there)
            following = await self._asked(checked, into)
            if following is None:
                return
            there = following
        raise _refused(f"The address redirects more than {MOST_REDIRECTS} times.")

    async def _checked(self, url: httpx.URL | str) -> _Checked:
        """Return a URL with the address to connect to.

        Raises:
            RefusedError: A rule forbids it.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise _refused("It is no address.") from error
        if parsed.scheme != "https" and not (parsed.scheme == "http" and self._rules.http):
            raise _refused("Only https addresses are fetched." if not self._rules.http else "Only http and https are.")
        if parsed.userinfo:
            raise _refused("An address with a user or a password in it is not fetched.")
        host, port = (
            parsed.raw_host.decode("ascii").strip("[]").lower().rstrip("."),
            parsed.port or _PORTS[parsed.scheme],
        )
        if not any(_matches(rule, host, port, scheme=parsed.scheme) for rule in self._rules.hosts):
            raise _refused("The host is not one that PULSERA_VIDEO_HOSTS names.")
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError, ValueError) as error:
            raise _refused("The host has no address.") from error
        # All of them: who mixes one of ours among his own would otherwise win by patience.
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise _refused("The host is not on the public internet.")
        return _Checked(parsed, addresses[0])

    async def _asked(self, checked: _Checked, into: IO[bytes]) -> httpx.URL | None:
        """Write the body and return None, or return where it redirects to."""
        headers = {"Host": checked.url.netloc.decode("ascii"), "Accept": "video/*", "Accept-Encoding": "identity"}
        extensions = {"sni_hostname": checked.url.raw_host.decode("ascii")}
        timeout = httpx.Timeout(EACH_WITHIN_S)
        async with (
            httpx.AsyncClient(verify=self._verify, trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream("GET", checked.pinned, headers=headers, extensions=extensions) as response,
        ):
            if response.status_code in _REDIRECTS:
                return checked.url.join(response.headers.get("location", ""))
            if response.status_code != httpx.codes.OK:
                raise RefusedError(
                    422, "fetch_failed", f"The address answers {response.status_code}.", field="video_url"
                )
            self._check_head(response)
            await self._written(response, into)
        return None

    def _check_head(self, response: httpx.Response) -> None:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not media_type.startswith(_TYPES):
            raise RefusedError(415, "unsupported_media_type", "The address holds no video.", field="video_url")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _refused("The address sends a compressed body, which is not taken.")
        told = response.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._rules.most_bytes:
            raise self._too_large()

    async def _written(self, response: httpx.Response, into: IO[bytes]) -> None:
        whole, waiting = 0, bytearray()
        async for piece in response.aiter_raw():
            whole += len(piece)
            if whole > self._rules.most_bytes:
                raise self._too_large()
            waiting += piece
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(into.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(into.write, bytes(waiting))

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, "too_large", f"A video may have {self._rules.most_bytes // 1_048_576} MiB.", field="video_url"
        )


def parse_hosts(text: str) -> tuple[str, ...]:
    """Return the hosts of a setting: names separated by commas."""
    return tuple(part.strip().lower().rstrip(".") for part in text.split(",") if part.strip())


def _matches(rule: str, host: str, port: int, *, scheme: str) -> bool:
    name, separator, named_port = rule.rpartition(":")
    if not separator or not named_port.isdecimal():
        name, named_port = rule, str(_PORTS[scheme])
    if port != int(named_port):
        return False
    return host.endswith(name[1:]) and len(host) >= len(name) if name.startswith("*.") else host == name


def _refused(sentence: str) -> RefusedError:
    return RefusedError(422, "video_url_refused", f"video_url: {sentence}", field="video_url")
