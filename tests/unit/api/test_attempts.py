"""So many attempts an address and for all together; what succeeds costs nothing, and memory is bounded."""

from api.attempts import BURST, BURST_OF_ALL, EACH_S, MOST_ADDRESSES, Attempts, is_loopback, network


class Clock:
    """A clock that a test moves."""

    now_s = 1_000.0

    def __call__(self) -> float:
        """Return the present."""
        return self.now_s


def test_an_address_has_a_burst_and_then_one_at_a_time() -> None:
    """After the burst an address is told how long to wait, and exactly then one more is let through."""
    clock = Clock()
    attempts = Attempts(clock)
    assert [attempts.take("192.0.2.1") for _ in range(BURST)] == [0.0] * BURST
    assert attempts.take("192.0.2.1") == EACH_S
    assert attempts.take("192.0.2.2") == 0.0
    clock.now_s += EACH_S
    assert attempts.take("192.0.2.1") == 0.0
    assert attempts.take("192.0.2.1") > 0.0


def test_who_is_let_in_pays_nothing() -> None:
    """Any number of attempts that succeed leave the whole burst."""
    attempts = Attempts(Clock())
    for _ in range(10 * BURST_OF_ALL):
        assert attempts.take("192.0.2.1") == 0.0
        attempts.give_back("192.0.2.1")
    assert [attempts.take("192.0.2.1") for _ in range(BURST)] == [0.0] * BURST


def test_many_addresses_share_a_bound() -> None:
    """Whoever has many addresses gets no further than the bound of all."""
    attempts = Attempts(Clock())
    let = sum(attempts.take(f"192.0.{number // 250}.{number % 250}") == 0.0 for number in range(5_000))
    assert let == BURST_OF_ALL


def test_an_ipv6_network_counts_as_one_address() -> None:
    """All addresses of a /64 share their attempts, a mapped IPv4 address is that address."""
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("unix") == "unix"


def test_addresses_are_forgotten() -> None:
    """No more addresses are remembered than the bound, and the newest are."""
    clock = Clock()
    attempts = Attempts(clock)
    for number in range(MOST_ADDRESSES + 50):
        clock.now_s += 1.0
        attempts.take(f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}")
    assert len(attempts._addresses) == MOST_ADDRESSES


def test_strangers_keep_nobody_out_who_sits_at_the_computer() -> None:
    """When all together have used up their attempts, one from loopback is still let through, up to its own bound."""
    attempts = Attempts(lambda: 0.0)
    for number in range(BURST_OF_ALL):
        assert attempts.take(f"10.0.{number // BURST}.1") == 0.0
    assert attempts.take("10.9.9.9") > 0
    for _ in range(BURST):
        assert attempts.take("127.0.0.1") == 0.0
    assert attempts.take("127.0.0.1") > 0
    assert attempts.take("::1") == 0.0
    assert not is_loopback("::ffff:10.0.0.1")
    assert is_loopback("::ffff:127.0.0.1")
