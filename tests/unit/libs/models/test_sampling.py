"""Sampling: by customer, steady within a window, independent between windows, of the share that was asked for."""

from libs.models.sampling import in_canary, in_sample, pseudonym

CUSTOMERS = [f"c{number}" for number in range(20_000)]


def test_the_share_is_what_was_asked_for() -> None:
    share = sum(in_sample(customer, "v2-x", 0.2) for customer in CUSTOMERS) / len(CUSTOMERS)
    assert 0.19 < share < 0.21
    assert not any(in_sample(customer, "v2-x", 0.0) for customer in CUSTOMERS[:100])
    assert all(in_sample(customer, "v2-x", 1.0) for customer in CUSTOMERS[:100])


def test_a_customer_is_always_or_never_in_a_windows_sample() -> None:
    for customer in CUSTOMERS[:100]:
        assert len({in_sample(customer, "v2-x", 0.5) for _ in range(3)}) == 1


def test_another_window_draws_another_sample() -> None:
    both = sum(in_sample(c, "v2-x", 0.5) and in_sample(c, "v3-y", 0.5) for c in CUSTOMERS) / len(CUSTOMERS)
    assert 0.23 < both < 0.27


def test_who_is_in_a_canary_stays_in_it_as_it_grows_to_the_shares_that_were_asked_for() -> None:
    steps = [{c for c in CUSTOMERS if in_canary(c, "v2-x", share)} for share in (0.05, 0.25, 0.5, 1.0)]
    for share, step, following in zip((0.05, 0.25, 0.5), steps[:-1], steps[1:], strict=True):
        assert abs(len(step) / len(CUSTOMERS) - share) < 0.01
        assert step < following


def test_of_those_whom_no_canary_takes_the_same_share_is_sampled() -> None:
    left = [customer for customer in CUSTOMERS if not in_canary(customer, "v2-x", 0.5)]
    assert 0.19 < sum(in_sample(customer, "v2-x", 0.2) for customer in left) / len(left) < 0.21


def test_a_pseudonym_needs_the_key() -> None:
    assert pseudonym("c1", b"key") == pseudonym("c1", b"key")
    assert pseudonym("c1", b"key") != pseudonym("c1", b"other")
    assert "c1" not in pseudonym("c1", b"key")
