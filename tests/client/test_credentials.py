"""Where address and token come from, and what is stored of a login."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.client.credentials import (
    DEFAULT_URL,
    Logins,
    StoredLogin,
    checked_url,
    find_access,
    keeps_secrets,
    load_logins,
    save_logins,
    store_path,
)
from registry.client.errors import SetupError


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which one login, to http://stored:1, is stored."""
    found = {"HALLMARK_CONFIG": str(tmp_path)}
    login = StoredLogin(token="hm_stored")
    save_logins(store_path(found), Logins().with_login("http://stored:1", login))
    return found


def test_arguments_come_first(env: dict[str, str]) -> None:
    """An address or token given in code stands before every other."""
    env |= {"HALLMARK_URL": "http://env:2", "HALLMARK_TOKEN": "hm_env"}
    access = find_access(url="http://given:3", token="hm_given", environment=env)
    assert (access.url, access.token) == ("http://given:3", "hm_given")


def test_environment_comes_before_the_store(env: dict[str, str], tmp_path: Path) -> None:
    """HALLMARK_URL, HALLMARK_TOKEN and HALLMARK_TOKEN_FILE stand before what was logged in to."""
    (tmp_path / "token").write_text(" hm_file \n")
    env |= {"HALLMARK_URL": "http://env:2", "HALLMARK_TOKEN_FILE": str(tmp_path / "token")}
    access = find_access(environment=env)
    assert (access.url, access.token) == ("http://env:2", "hm_file")
    assert find_access(environment=env | {"HALLMARK_TOKEN": "hm_env"}).token == "hm_env"


def test_store_comes_last(env: dict[str, str]) -> None:
    """Without anything else the last login serves, and its token goes to its own server alone."""
    assert find_access(environment=env).token == "hm_stored"
    assert find_access(environment=env).url == "http://stored:1"
    assert find_access(url="http://other:1", environment=env).token == ""
    assert find_access(token="", environment=env).token == ""


def test_nothing_at_all(tmp_path: Path) -> None:
    """Without a login the local default server is meant, without a token."""
    access = find_access(environment={"HALLMARK_CONFIG": str(tmp_path / "none")})
    assert (access.url, access.token) == (DEFAULT_URL, "")


def test_a_broken_store_does_not_stop_who_needs_none(tmp_path: Path) -> None:
    """With address and token in the environment the store is not read."""
    (tmp_path / "credentials.json").write_text("{")
    env = {
        "HALLMARK_CONFIG": str(tmp_path),
        "HALLMARK_URL": "http://env:2",
        "HALLMARK_TOKEN": "hm_env",
    }
    assert find_access(environment=env).token == "hm_env"


def test_secrets_do_not_show(env: dict[str, str]) -> None:
    """No token stands in the repr of what holds it."""
    assert "hm_stored" not in repr(find_access(environment=env))
    assert "hm_stored" not in repr(load_logins(store_path(env)))


def test_the_store_is_private(env: dict[str, str]) -> None:
    """The store is readable by its owner alone, and refused once others may read it."""
    path = store_path(env)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600"):
        load_logins(path)


def test_logging_out_keeps_the_others(env: dict[str, str]) -> None:
    """Forgetting one server leaves the rest, and no current one."""
    path = store_path(env)
    both = load_logins(path).with_login("http://two:2", StoredLogin(token="hm_two"))
    save_logins(path, both.without("http://two:2"))
    left = load_logins(path)
    assert (left.current, list(left.servers)) == ("", ["http://stored:1"])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "other"}', '{"schema": 1, "x": 2'])
def test_a_store_that_is_none(tmp_path: Path, content: str) -> None:
    """Whatever is no store of ours is refused by name, not read in part."""
    path = tmp_path / "credentials.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SetupError, match="hallmark login URL"):
        load_logins(path)


def test_the_store_is_written_whole(env: dict[str, str]) -> None:
    """Saving leaves one file, without remains."""
    path = store_path(env)
    assert [each.name for each in path.parent.iterdir()] == ["credentials.json"]
    assert json.loads(path.read_text())["schema"] == "hallmark.credentials.v1"


def test_where_the_store_is() -> None:
    """HALLMARK_CONFIG names the folder, else XDG_CONFIG_HOME holds it."""
    assert store_path({"HALLMARK_CONFIG": "/c"}) == Path("/c/credentials.json")
    assert store_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/hallmark/credentials.json")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://hub:8080/", "http://hub:8080"),
        ("https://Hub.Corp", "https://hub.corp"),
        ("grpc://hub:8081", "grpc://hub:8081"),
        ("hub:8080", "http://hub:8080"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    """An address is scheme, host and port, in one spelling."""
    assert checked_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://hub",
        "http://",
        "http://user:pw@hub",
        "http://hub/path",
        "http://hub?x",
        "http://hub:99999",
        "http://hub:0",
        "grpc://hub",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    """What is no address is refused with what was found."""
    with pytest.raises(SetupError, match="found"):
        checked_url(text)


@pytest.mark.parametrize("content", ["", "  \n", "two words", "hm_ö", "x" * 20_000])
def test_token_files_that_hold_none(tmp_path: Path, content: str) -> None:
    """A token file without exactly one token is refused."""
    path = tmp_path / "token"
    path.write_text(content)
    env = {"HALLMARK_URL": "http://env:2", "HALLMARK_TOKEN_FILE": str(path)}
    with pytest.raises(SetupError, match="token"):
        find_access(environment=env)


def test_a_missing_token_file(tmp_path: Path) -> None:
    """A token file that is not there is named."""
    env = {"HALLMARK_URL": "http://env:2", "HALLMARK_TOKEN_FILE": str(tmp_path / "none")}
    with pytest.raises(SetupError, match="none"):
        find_access(environment=env)


@pytest.mark.parametrize(
    ("url", "keeps"),
    [
        ("https://hub.corp", True),
        ("grpcs://hub.corp:8081", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://hub.corp", False),
        ("grpc://10.0.0.7:8081", False),
        ("http://localhost.evil.example", False),
    ],
)
def test_where_a_password_may_go(url: str, keeps: bool) -> None:
    """A password is asked for only where it is encrypted on its way, or stays on this machine."""
    assert keeps_secrets(url) is keeps
