"""Sessions: each is found by its own cookie only, and for a working day."""

from apps.shadow.console.sessions import LASTS_S, Sessions


def test_a_session_is_found_by_its_cookie_only() -> None:
    sessions = Sessions()
    one, other = sessions.begin("a"), sessions.begin("b")
    found, other_found = sessions.find(one), sessions.find(other)
    assert found is not None and other_found is not None
    assert (found.key_id, other_found.key_id) == ("a", "b")
    assert found.form_token != other_found.form_token
    assert sessions.find("made up") is None
    assert sessions.find(None) is None


def test_a_session_ends_by_itself() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie = sessions.begin("a")
    now[0] = LASTS_S - 1
    assert sessions.find(cookie) is not None
    now[0] = LASTS_S
    assert sessions.find(cookie) is None
