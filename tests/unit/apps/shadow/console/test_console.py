"""The console over HTTP: who may see and do what, and what stands on its pages."""

import re

import httpx
import pytest

from apps.shadow import promotion
from libs.base.api_keys import KeyRing
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.models.contract import SizeAnswer, SizeQuery
from libs.models.ledger import Ledger
from tests.unit.apps.shadow.console.conftest import Desk

pytestmark = pytest.mark.anyio


async def test_without_a_session_every_page_asks_for_a_key(desk: Desk) -> None:
    for path in ("", "/markets/de", "/markets/de/try", "/markets/de/rollback"):
        page = await desk.get(path)
        assert '<label for="key">' in page.text
        assert "better in" not in page.text


async def test_a_key_with_the_scope_opens_the_console_and_is_not_kept_in_the_browser(desk: Desk) -> None:
    page = await desk.log_in("viewer")
    assert page.url.path == "/console"
    [cookie] = page.history[0].headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= set(cookie.split("; "))
    assert desk.texts["viewer"] not in cookie
    # Two consoles on one host would log each other out by a cookie of the same name.
    assert cookie.startswith("fitwave_console_test=")


@pytest.mark.parametrize(("who", "status"), [("shop", 403), ("nobody", 401)])
async def test_any_other_key_does_not(desk: Desk, who: str, status: int) -> None:
    desk.texts["nobody"] = "fw_x_y"
    page = await desk.log_in(who)
    assert page.status_code == status
    assert 'role="alert"' in page.text
    assert '<label for="key">' in (await desk.get("")).text


async def test_a_revoked_key_ends_its_session(desk: Desk) -> None:
    await desk.log_in("viewer")
    desk.keys._ring = desk.ring = KeyRing(())
    assert '<label for="key">' in (await desk.get("")).text


async def test_who_logs_out_is_out(desk: Desk) -> None:
    await desk.log_in("viewer")
    token = re.findall(r'name="token" value="([^"]+)"', (await desk.get("")).text)[0]
    cookies = dict(desk.client.cookies)
    await desk.client.post("/console/logout", data={"token": token})
    desk.client.cookies.update(cookies)
    assert '<label for="key">' in (await desk.get("")).text


async def test_a_key_sees_its_markets_only(desk: Desk) -> None:
    await desk.log_in("viewer")
    overview = (await desk.get("")).text
    assert "/console/markets/de" in overview and "/console/markets/us" not in overview
    for market in ("us", "xx"):
        page = await desk.get(f"/markets/{market}")
        assert (page.status_code, "first version" in page.text) == (404, False)


async def test_the_roles_and_the_ledger_are_told_as_text(desk: Desk) -> None:
    await desk.log_in("viewer")
    page = (await desk.get("/markets/de")).text
    assert "better in &lt;quality&gt;" in page
    assert "ann@host" in page
    assert page.index("promote") < page.index("met the standards")
    assert "Nothing is shadowed" in page
    assert "<dt>Rollout policy</dt><dd>shadow: what is shown to be better is promoted</dd>" in page
    assert "registry and Serve do not follow" not in page
    await desk.log_in("operator")
    assert "registry and Serve do not follow" in (await desk.get("/markets/us")).text


async def test_a_store_that_is_away_is_told_and_the_rest_is_there(desk: Desk) -> None:
    await desk.log_in("viewer")
    for path in ("", "/markets/de"):
        page = await desk.get(path)
        assert page.status_code == 200
        assert "127.0.0.1:1" in page.text
        assert "v2" in page.text
        assert "Traceback" not in page.text


async def test_no_page_may_load_or_send_anything_elsewhere_or_be_kept(desk: Desk) -> None:
    await desk.log_in("operator")
    for path in ("", "/markets/de", "/markets/de/try", "/markets/de/rollback", "/nothing"):
        page = await desk.get(path)
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        assert set(re.findall(r'(?:href|src|action)="([^"#][^"]*)"', page.text)) <= {
            *("/console", "/console/style.css", "data:,", "/console/logout", "/console/markets/us"),
            *("/console/markets/de", "/console/markets/de/try", "/console/markets/de/rollback"),
        }
    assert "color-scheme" in (await desk.get("/style.css")).text


async def test_a_try_is_answered_with_sizes_and_reasons(desk: Desk) -> None:
    await desk.log_in("viewer")
    page = await desk.send("/markets/de/try", customer="c-1", article="a-1")
    for said in ("Size 40", "80.00 %", "kept 40 of &lt;this brand&gt; before", "v2"):
        assert said in page.text
    assert [(one.market, one.customer_id, one.article_ids) for one in desk.asked] == [("de", "c-1", ["a-1"])]
    assert "Size 41" in (await desk.send("/markets/de/try", customer="c-1", article="a-1", size="41")).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"customer": "", "article": "a"}, "customer"),
        ({"customer": "c", "article": "a" * 129}, "128"),
        ({"customer": "c\x07", "article": "a"}, "printable"),
    ],
)
async def test_a_try_that_cannot_be_asked_says_why_and_keeps_what_was_typed(
    desk: Desk, fields: dict[str, str], said: str
) -> None:
    await desk.log_in("viewer")
    page = await desk.send("/markets/de/try", **fields)
    assert page.status_code == 422
    assert said in page.text.split('role="alert">')[1].split("</p>")[0]
    assert f'value="{fields["article"]}"' in page.text
    assert desk.asked == []


async def test_a_live_application_that_is_away_is_told(desk: Desk) -> None:
    async def away(query: SizeQuery) -> SizeAnswer:
        raise TransientError("the live application does not answer: gone")

    desk.answer = away
    await desk.log_in("viewer")
    page = await desk.send("/markets/de/try", customer="c-1", article="a-1")
    assert (page.status_code, "does not answer: gone" in page.text) == (503, True)


async def test_a_rollback_needs_the_scope(desk: Desk) -> None:
    await desk.log_in("viewer")
    assert "scope operate" in (await desk.get("/markets/de")).text
    assert (await desk.get("/markets/de/rollback")).status_code == 403
    assert (await desk.client.post("/console/markets/de/rollback", data={"reason": "x"})).status_code == 403


async def test_a_rollback_is_confirmed_with_a_reason(desk: Desk) -> None:
    await desk.log_in("operator")
    page = await desk.get("/markets/de/rollback")
    assert "Bring v1 back in place of v2?" in page.text
    assert (await desk.send("/markets/de/rollback", champion="2", reason=" ")).status_code == 422


async def test_a_rollback_whose_store_is_away_is_told_on_the_markets_page(desk: Desk, environment: Environment) -> None:
    await desk.log_in("operator")
    page = await desk.send("/markets/de/rollback", champion="2", reason="complaints")
    assert page.url.path == "/console/markets/de"
    assert "Not rolled back" in page.text
    assert len(Ledger(environment.home).entries("de")) == 3


async def test_a_rollback_is_written_down_as_the_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def rollback(*told: object) -> tuple[str, str]:
        asked.append(told)
        return "2", "1"

    monkeypatch.setattr(promotion, "rollback", rollback)
    await desk.log_in("operator")
    await desk.send("/markets/de/rollback", champion="2", reason="complaints")
    [(_, market, _, champion, by)] = asked
    assert (market, champion, by) == ("de", "2", f"key {desk.texts['operator'].split('_')[1]}")


@pytest.mark.parametrize("path", ["/markets/de/rollback", "/markets/de/try", "/logout"])
async def test_a_form_that_another_site_sent_is_refused(desk: Desk, path: str) -> None:
    await desk.log_in("operator")
    fields = {"reason": "x", "champion": "2", "customer": "c", "article": "a", "token": "guessed"}
    assert (await desk.client.post(f"/console{path}", data=fields)).status_code == 403
    assert desk.asked == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"key=" + b"a" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(50)), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_a_body_that_is_no_form_is_refused(desk: Desk, content: bytes, kind: str, status: int) -> None:
    page = await desk.client.post("/console/login", content=content, headers={"Content-Type": kind})
    assert page.status_code == status


async def test_a_head_has_no_body(desk: Desk) -> None:
    page: httpx.Response = await desk.client.head("/console")
    assert (page.status_code, page.content) == (200, b"")
