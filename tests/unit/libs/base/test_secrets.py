"""No password of a URL is printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.base.secrets import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@host:1/0", "redis://***@host:1/0"),
        ("redis+sentinel://me:hunter2@a:1,b:2/service/0", "redis+sentinel://***@a:1,b:2/service/0"),
        (
            "redis://host/0?sentinel_password=hunter2&ssl_ca_certs=/x",
            "redis://host/0?sentinel_password=***&ssl_ca_certs=/x",
        ),
        ("postgresql://u:p@ss@db/mlflow and s3://lake/main", "postgresql://***@db/mlflow and s3://lake/main"),
        (
            '{"redis_url": "redis://:hunter2@h", "mail": "me@there"}',
            '{"redis_url": "redis://***@h", "mail": "me@there"}',
        ),
        ("no URL at all", "no URL at all"),
    ],
)
def test_passwords_are_replaced_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown


@given(st.from_regex(r"[A-Za-z0-9!$&()*+,;=:@.~%-]{8,30}", fullmatch=True))
def test_no_password_is_left(password: str) -> None:
    assert f":{password}@" not in masked(f"redis://user:{password}@host:6379/0")
