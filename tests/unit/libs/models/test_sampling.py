"""Sampling: by customer, steady within a window, independent between windows, of the share that was asked for."""

from libs.models.sampling import in_sample, pseudonym

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


def test_a_pseudonym_needs_the_key() -> None:
    assert pseudonym("c1", b"key") == pseudonym("c1", b"key")
    assert pseudonym("c1", b"key") != pseudonym("c1", b"other")
    assert "c1" not in pseudonym("c1", b"key")
