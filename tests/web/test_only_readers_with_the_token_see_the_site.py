"""Who may read: the token, sessions, the loopback, and requests that another site sends."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from exporter.errors import UsageError
from exporter.store.database import Database
from exporter.web.site import access, server
from exporter.web.site.access import COOKIE, SESSION, Access
from exporter.web.site.server import Site, of_file
from tests.web.site import Got, get

TOKEN = "correct horse ü battery"  # noqa: S105 - of this test only
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def url(migrated_module: Database) -> Iterator[str]:
    with Site(of_file(migrated_module.path), token=TOKEN) as site:
        yield site.url


@pytest.fixture(scope="module")
def open_url(migrated_module: Database) -> Iterator[str]:
    with Site(of_file(migrated_module.path)) as site:
        yield site.url


def login(url: str, token: str, target: str = "/jobs?status=Failed") -> Got:
    body = urlencode({"token": token, "target": target})
    return get(url, "/login", method="POST", body=body, headers=_FORM)


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/1/r/n", "/reports/summary", "/sql", "/nope"])
def test_without_the_token_every_page_is_the_login(url: str, path: str) -> None:
    got = get(url, path)
    assert got.status == 401
    assert "Sign in" in got.page.text
    assert "Nothing has been synced" not in got.text
    assert not got.page.having("nav")


def test_data_without_the_token_is_refused_in_text(url: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        got = get(url, "/jobs.json", headers=headers)
        assert (got.status, got.headers["www-authenticate"]) == (401, "Bearer")
    right = {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1")}
    assert get(url, "/jobs.json", headers=right).json["rows"] == []


def test_the_token_gives_a_session_and_leads_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_WRONG_TOKEN", 0.0)
    wrong = login(url, "wrong")
    assert wrong.status == 401
    assert "That is not the token." in wrong.page.text
    assert "set-cookie" not in wrong.headers
    right = login(url, TOKEN)
    assert (right.status, right.headers["location"]) == (303, "/jobs?status=Failed")
    cookie = right.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION}"):
        assert part in cookie
    assert "Secure" not in cookie
    assert TOKEN not in str(right.headers)
    page = get(url, "/jobs", headers={"Cookie": cookie.partition(";")[0]})
    assert page.status == 200
    assert "nothing synced yet" in page.page.text
    assert "Sign out" in page.page.text
    out = get(url, "/logout", method="POST", headers={"Cookie": cookie.partition(";")[0]})
    assert f'{COOKIE}=""' in out.headers["set-cookie"]


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://x", "/a\nb", ""])
def test_the_login_leads_to_no_other_site(url: str, target: str) -> None:
    assert login(url, TOKEN, target).headers["location"] == "/"


def test_a_proxy_with_tls_gets_a_secure_cookie(url: str) -> None:
    body = urlencode({"token": TOKEN})
    headers = {**_FORM, "X-Forwarded-Proto": "https"}
    got = get(url, "/login", method="POST", body=body, headers=headers)
    assert "Secure" in got.headers["set-cookie"]


def test_a_session_ends_and_cannot_be_forged() -> None:
    admission = Access(TOKEN, b"key")
    value = admission.session(1_000.0)
    cookie = {"cookie": f"other=1; {COOKIE}={value}"}
    assert admission.admits(cookie, 1_000.0)
    assert admission.admits(cookie, 999.0 + SESSION)
    assert not admission.admits(cookie, 1_000.0 + SESSION)
    end, _, signature = value.partition(".")
    for forged in (f"{int(end) + 1}.{signature}", f"{end}.", f"{end}", "", f".{signature}", "é.é"):
        assert not admission.admits({"cookie": f"{COOKIE}={forged}"}, 1_000.0)
    assert not Access(TOKEN, b"other").admits(cookie, 1_000.0)
    assert not Access(TOKEN, b"key").admits({}, 1_000.0)


def test_beyond_the_loopback_a_token_is_required(migrated_module: Database) -> None:
    for token, words in ((None, "is not the loopback"), (" ", "The token is empty.")):
        with pytest.raises(UsageError, match=words):
            Site(of_file(migrated_module.path), host="0.0.0.0", token=token)  # noqa: S104 - refused


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example", 403), ("", 403)],
)
def test_without_a_token_a_request_names_the_loopback(
    open_url: str, host: str, status: int
) -> None:
    assert get(open_url, "/reports", headers={"Host": host}).status == status


def test_another_site_can_link_but_not_load_or_run(open_url: str) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    follows = {**elsewhere, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    framed = {**follows, "Sec-Fetch-Dest": "iframe"}
    for headers, status in ((elsewhere, 403), (framed, 403), (follows, 200)):
        assert get(open_url, "/jobs", headers=headers).status == status
    shown = get(open_url, "/sql", {"sql": "SELECT 41 + 1 AS made"}, headers=follows)
    assert "so it has not run" in shown.page.text
    assert "Result" not in shown.page.tables
    assert get(open_url, "/sql.json", {"sql": "SELECT 1"}, headers=follows).status == 400


@pytest.mark.parametrize("path", ["/jobs", "/nope", "/jobs.json", "/login", "/static/0/x"])
def test_every_answer_has_the_headers(open_url: str, path: str) -> None:
    headers = get(open_url, path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_no_session_is_needed_for_the_style(url: str) -> None:
    style = get(url, "/login")
    assert style.status == 303
    page = get(url, "/jobs")
    for link in page.page.having("link"):
        got = get(url, link["href"])
        assert got.status == 200
        assert "immutable" in got.headers["cache-control"]


def test_a_path_after_the_login_is_of_this_site() -> None:
    assert access.path_after_login("/jobs?a=b") == "/jobs?a=b"
