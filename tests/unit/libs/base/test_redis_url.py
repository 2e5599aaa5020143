"""What a Redis URL says, and what of it is told when it says nothing useful."""

import pytest

from libs.base.errors import DataError
from libs.base.redis_url import RedisUrl, connect


def test_one_server() -> None:
    found = RedisUrl.parse("redis://me:p%40ss@cache:6380/2")
    assert (found.kind, found.nodes, found.db) == ("server", (("cache", 6380),), 2)
    assert (found.username, found.password, found.tls, found.options) == ("me", "p@ss", False, {})


def test_what_is_not_said_has_the_usual_ports_and_database() -> None:
    assert RedisUrl.parse("redis://cache").nodes == (("cache", 6379),)
    assert RedisUrl.parse("redis+sentinel://one,two:5/fit").nodes == (("one", 26379), ("two", 5))
    assert RedisUrl.parse("redis+sentinel://one/fit").db == 0


def test_sentinels_name_a_service_and_may_have_a_password_of_their_own() -> None:
    found = RedisUrl.parse("rediss+sentinel://:secret@one:1,two:2/fit/3?sentinel_password=other&ssl_ca_certs=/ca.pem")
    assert (found.kind, found.service, found.db) == ("sentinel", "fit", 3)
    assert (found.password, found.sentinel_options) == ("secret", {"password": "other"})
    assert found.options == {"ssl": True, "ssl_ca_certs": "/ca.pem"}


def test_a_cluster_has_nodes_and_no_database() -> None:
    assert RedisUrl.parse("redis+cluster://one:7000,two:7001").nodes == (("one", 7000), ("two", 7001))
    with pytest.raises(DataError, match="has a path that is no database: /1"):
        RedisUrl.parse("redis+cluster://one:7000/1")


@pytest.mark.parametrize(("said", "checked"), [("false", False), ("True", True), ("0", False)])
def test_whether_the_name_on_a_certificate_counts_can_be_said(said: str, checked: bool) -> None:
    found = RedisUrl.parse(f"rediss://cache?ssl_check_hostname={said}")
    assert found.options["ssl_check_hostname"] is checked


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://cache", "must look like"),
        ("redis+other://cache", "must look like"),
        ("redis://", "must look like"),
        ("redis://:s3cret@cache:port/0", "has a host that is none: 'cache:port'"),
        ("redis://:s3cret@cache/zero", "has a path that is no database: /zero"),
        ("redis://:s3cret@cache/0/1", "has a path that is no database: /0/1"),
        ("redis+sentinel://:s3cret@cache", "names no service of its Sentinels"),
        ("redis://:s3cret@cache?tls=1", "has options that are none: tls; there are ssl_ca_certs"),
    ],
)
def test_what_is_none_says_why_and_no_password(url: str, why: str) -> None:
    with pytest.raises(DataError, match=why) as told:
        connect(url, 1.0)
    assert "s3cret" not in str(told.value)


def test_what_is_shown_has_no_secrets() -> None:
    shown = str(RedisUrl.parse("rediss+sentinel://me:s3cret@one:1,two:2/fit?sentinel_password=0ther"))
    assert shown == "rediss+sentinel://one:1,two:2/fit"


def test_a_url_may_stand_in_a_variable_so_that_no_document_has_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE", "rediss://:secret@cache:6380")
    found = RedisUrl.parse("env:CACHE")
    assert (found.nodes, found.password, found.tls) == ((("cache", 6380),), "secret", True)


def test_a_variable_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHE", raising=False)
    with pytest.raises(DataError, match="no environment variable CACHE"):
        RedisUrl.parse("env:CACHE")
