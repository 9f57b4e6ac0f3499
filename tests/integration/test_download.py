"""Fetching from addresses that strangers name, against a real local HTTP server."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
import structlog

from api.errors import RefusedError
from infra import download as module
from infra.download import Address, Download, Rules, public, resolve

HERE = ip_address("127.0.0.1")
THERE = ip_address("127.0.0.2")
SECRET = "signed-part-of-the-address"  # noqa: S105 - made up
CERT, KEY = (Path(__file__).parents[1] / "security" / f"localhost-{part}.pem" for part in ("cert", "key"))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nConnection: close\r\n"


class Site:
    """A server that answers each path with bytes, and notes what it was asked."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; `...` at the end of an answer keeps the connection open in silence."""
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(request)
            answer = self.answers[request.split(" ")[1].partition("?")[0]].replace(b"PORT", str(self.port).encode())
            writer.write(answer.removesuffix(b"..."))
            await writer.drain()
            if answer.endswith(b"..."):
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site(answers: dict[str, bytes], *, tls: bool = False) -> AsyncIterator[Site]:
    """Serve on a free port of loopback."""
    made = Site(answers)
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERT, KEY)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def names(**known: Sequence[Address]) -> Callable[[str, int], "asyncio.Future[Sequence[Address]]"]:
    """Return a resolver; of several answers of a name each look-up takes the next."""
    left = {name.replace("_", "."): list(addresses) for name, addresses in known.items()}

    async def look_up(host: str, port: int) -> Sequence[Address]:
        del port
        if host not in left:
            raise OSError("no such name")
        return [left[host].pop(0) if len(left[host]) > 1 else left[host][0]]

    return look_up  # type: ignore[return-value]


def rules(port: int, *more: str, most_bytes: int = 1_000, within_s: float = 5.0) -> Rules:
    """Return rules that allow the local site over http."""
    hosts = (f"clips.example:{port}", *more)
    return Rules(hosts=hosts, http=True, most_bytes=most_bytes, within_s=within_s)


def local(address: Address) -> bool:
    """Return whether an address is the site's, which stands for the public internet here."""
    return address == HERE or public(address)


async def refused(download: Download, url: str) -> RefusedError:
    """Return why an address is refused."""
    with pytest.raises(RefusedError) as caught:
        await download.fetch(url, io.BytesIO())
    assert SECRET not in str(caught.value)
    return caught.value


async def test_a_video_is_fetched_from_the_checked_address() -> None:
    """The bytes arrive, asked for under the name, at the address that was looked up once."""
    async with site({"/v.mp4": HEAD + b"Content-Length: 5\r\n\r\nvideo"}) as there:
        looked = names(clips_example=[HERE, THERE])
        got = io.BytesIO()
        await Download(rules(there.port), resolve=looked, allowed=local).fetch(
            f"http://clips.example:{there.port}/v.mp4?t={SECRET}", got
        )
        assert got.getvalue() == b"video"
        assert f"host: clips.example:{there.port}" in there.asked[0].lower()
        assert "authorization" not in there.asked[0].lower()


async def test_a_name_that_resolves_otherwise_a_moment_later_changes_nothing() -> None:
    """What is checked is what is connected to: the second answer of a rebinding name is never asked for."""
    async with site({"/": HEAD + b"\r\nours"}) as inside:
        asked: list[str] = []

        async def rebinding(host: str, port: int) -> Sequence[Address]:
            del port
            asked.append(host)
            return [THERE] if len(asked) == 1 else [HERE]

        timely = rules(inside.port, within_s=1.0)
        await refused(
            Download(timely, resolve=rebinding, allowed=lambda address: address == THERE),
            f"http://clips.example:{inside.port}/",
        )
        assert (asked, inside.asked) == (["clips.example"], [])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"]
)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    """One address of ours among those of a name is enough."""
    both = [ip_address("8.8.8.8"), ip_address(address)]

    async def mixed(host: str, port: int) -> Sequence[Address]:
        del host, port
        return both

    found = await refused(Download(Rules(hosts=("clips.example",)), resolve=mixed), f"https://clips.example/?{SECRET}")
    assert (found.status, "public" in str(found)) == (422, True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_ways_to_write_loopback_are_refused(host: str) -> None:
    """Also where an operator's list were to name them: the system's own resolver is asked, and its answer checked."""
    named = host.strip("[]")
    found = await refused(Download(Rules(hosts=(named, host), http=True), resolve=resolve), f"http://{host}/{SECRET}")
    assert found.status == 422


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://clips.example/", "https"),
        ("ftp://clips.example/", "https"),
        ("file:///etc/passwd", "https"),
        ("https://user:secret@clips.example/", "password"),
        ("https://clips.example@evil.test/", "password"),
        ("https://evil.test/", "PULSERA_VIDEO_HOSTS"),
        ("https://clips.example.evil.test/", "PULSERA_VIDEO_HOSTS"),
        ("https://clips.example:8443/", "PULSERA_VIDEO_HOSTS"),
        ("https://[::1", "address"),
        ("no address", "https"),
        ("https://clips.example\\@evil.test/", ""),
        ("https://clips.example\r\nX: y/", "address"),
    ],
)
async def test_a_rule_refuses_before_anybody_is_asked(url: str, word: str) -> None:
    """Scheme, user, host and port are checked; the sentence names the rule, and no name is looked up."""

    async def nobody(host: str, port: int) -> Sequence[Address]:
        raise AssertionError(f"{host}:{port} was looked up")

    found = await refused(Download(Rules(hosts=("clips.example",)), resolve=nobody), url)
    assert found.status == 422
    assert word in str(found)


async def test_without_hosts_nothing_is_fetched() -> None:
    """The safe default says what to do instead."""
    found = await refused(Download(Rules(hosts=())), "https://clips.example/")
    assert "PULSERA_VIDEO_HOSTS" in str(found)
    assert "form" in str(found)


async def test_each_redirect_is_checked_like_the_first_address() -> None:
    """Three are followed; one to the metadata service, to another host or scheme, or a fourth, is not."""
    to = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: "
    answers = {
        "/1": to + b"/2\r\n\r\n",
        "/2": to + b"http://clips.example:PORT/3\r\n\r\n",
        "/3": to + b"//clips.example:PORT/v\r\n\r\n",
        "/v": HEAD + b"\r\nvideo",
        "/0": to + b"/1\r\n\r\n",
        "/meta": to + b"http://169.254.169.254/latest/meta-data\r\n\r\n",
        "/listed": to + b"http://inside.example/\r\n\r\n",
        "/file": to + b"file:///etc/passwd\r\n\r\n",
        "/none": b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    }
    async with site(answers) as there:
        known = names(clips_example=[HERE], inside_example=[ip_address("10.0.0.7")])
        download = Download(rules(there.port, "inside.example", "169.254.169.254"), resolve=known, allowed=local)
        base = f"http://clips.example:{there.port}"
        got = io.BytesIO()
        await download.fetch(f"{base}/1", got)
        assert got.getvalue() == b"video"
        assert "redirects more than 3" in str(await refused(download, f"{base}/0"))
        for path in ("/meta", "/listed", "/file", "/none"):
            found = await refused(download, base + path)
            assert found.status == 422, path


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (HEAD + b"Content-Length: 99999\r\n\r\n", 413),
        (HEAD + b"\r\n" + bytes(5_000), 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 40 * (b"40\r\n" + bytes(64) + b"\r\n") + b"0\r\n\r\n", 413),
        (HEAD + b"\r\nslow...", 504),
        (b"HTTP/1.1 200 OK\r\nContent-Type: vid...", 504),
        (HEAD.replace(b"video/mp4", b"text/html") + b"\r\nx", 415),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx", 415),
        (HEAD + b"Content-Encoding: gzip\r\n\r\nx", 422),
        (b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", 422),
        (HEAD + b"Content-Length: 50\r\n\r\ncut", 502),
        (b"no http\r\n\r\n", 502),
    ],
)
async def test_what_comes_is_bounded(answer: bytes, status: int) -> None:
    """Bytes, seconds, type and form of an answer have limits, each with its status."""
    async with site({"/v": answer}) as there:
        download = Download(rules(there.port, within_s=1.0), resolve=names(clips_example=[HERE]), allowed=local)
        found = await refused(download, f"http://clips.example:{there.port}/v?{SECRET}")
        assert found.status == status


async def test_the_name_is_checked_in_tls_although_the_address_is_asked() -> None:
    """The certificate must be the name's, believed by the system, or nothing is sent."""
    async with site({"/v": HEAD + b"\r\nvideo"}, tls=True) as there:
        believed = ssl.create_default_context(cafile=str(CERT))
        for host, verify, status in (
            ("localhost", believed, 0),
            ("clips.example", believed, 502),
            ("localhost", True, 502),
        ):
            known = names(clips_example=[HERE], localhost=[HERE])
            hosts = Rules(hosts=(f"{host}:{there.port}",), within_s=5.0)
            download = Download(hosts, resolve=known, allowed=local, verify=verify)
            url = f"https://{host}:{there.port}/v"
            if status:
                assert (await refused(download, url)).status == status
            else:
                got = io.BytesIO()
                await download.fetch(url, got)
                assert got.getvalue() == b"video"
        assert len(there.asked) == 1


async def test_no_address_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither host nor path of an address reaches a log at the levels that Pulsera runs with."""
    with structlog.testing.capture_logs() as lines:
        async with site({"/v": b"no http\r\n\r\n"}) as there:
            download = Download(rules(there.port), resolve=names(clips_example=[HERE]), allowed=local)
            await refused(download, f"http://clips.example:{there.port}/v?{SECRET}")
    said = str(lines) + str(
        [record.getMessage() for record in caplog.records if record.name.startswith(module.__name__)]
    )
    assert lines
    assert SECRET not in said
    assert "clips.example" not in said
