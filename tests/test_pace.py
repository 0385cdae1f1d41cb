"""sense.servers.pace: how many requests a server is given, told by what it is told."""

from sense.servers.pace import Pace


def one_round(pace: Pace, seconds: float) -> None:
    """As many answers as the pace allows, all in flight together."""
    ticket, limit = pace.ticket, pace.limit
    for _ in range(max(limit, 8)):
        pace.answered(ticket, seconds, limit)


def test_a_good_server_gets_all_after_one_round_trip() -> None:
    pace = Pace(512)
    assert pace.limit == 256
    one_round(pace, 2.0)
    assert pace.limit == 512
    one_round(pace, 2.0)
    assert pace.limit == 512


def test_a_storm_halves_the_limit_once() -> None:
    pace = Pace(64)
    ticket = pace.ticket
    assert [pace.push_back(ticket) for _ in range(32)] == [True] + [False] * 31
    assert pace.limit == 16


def test_after_a_push_back_the_limit_climbs_in_small_steps() -> None:
    pace = Pace(100)
    pace.push_back(pace.ticket)
    limits = []
    for _ in range(4):
        one_round(pace, 1.0)
        limits.append(pace.limit)
    assert limits == [30, 35, 40, 45]


def test_it_never_falls_below_one_nor_climbs_above_the_ceiling() -> None:
    pace = Pace(4)
    for _ in range(10):
        pace.push_back(pace.ticket)
    assert pace.limit == 1
    for _ in range(50):
        one_round(pace, 1.0)
    assert pace.limit == 4


def test_a_server_that_queues_is_not_given_ever_more() -> None:
    """It answers ten requests a second, however many wait."""
    pace = Pace(1_000)
    limits = []
    for _ in range(30):
        one_round(pace, 0.1 * pace.limit)
        limits.append(pace.limit)
    assert (limits[0], max(limits[1:])) == (1_000, 800)


def test_a_server_that_is_slow_for_reasons_of_its_own_keeps_its_requests() -> None:
    pace = Pace(100)
    for seconds in (1.0, 1.0, *[3.0] * 30):
        one_round(pace, seconds)
    assert pace.limit == 100


def test_a_server_that_answers_more_together_gets_all_though_each_takes_longer() -> None:
    """A batching server: eight times as many take four times as long."""
    pace = Pace(512)
    pace.push_back(pace.ticket)
    pace.push_back(pace.ticket)
    pace.push_back(pace.ticket)
    start = pace.limit
    for _ in range(60):
        one_round(pace, pace.limit ** (2 / 3))
    assert (start, pace.limit) == (32, 512)


def test_answers_to_requests_of_before_a_fall_say_nothing() -> None:
    pace = Pace(16)
    old = pace.ticket
    pace.push_back(old)
    for _ in range(100):
        pace.answered(old, 1.0, 8)
    assert pace.limit == 4
