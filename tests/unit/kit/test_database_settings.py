"""Where the database is: read from the environment, never shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from liangfa_kit.errors import Invalid
from liangfa_kit.settings import Database, PlatformSettings, load
from liangfa_kit.store.opening import _owner_place, open_store, postgres_place


def test_without_a_url_every_service_keeps_to_sqlite() -> None:
    """The default needs no server."""
    assert postgres_place(Database(), "supervision") is None


def test_a_url_names_a_schema_for_each_service_or_a_database_and_role_for_each() -> None:
    """`{service}` in it makes them separate."""
    shared = postgres_place(Database(url=SecretStr("postgresql://liangfa@db/liangfa")), "supervision")
    apart = postgres_place(Database(url=SecretStr("postgresql://{service}@db/lf_{service}")), "supervision")
    assert shared is not None
    assert apart is not None
    assert (shared.schema, shared.conninfo) == ("supervision", "user=liangfa dbname=liangfa host=db")
    assert apart.conninfo == "user=supervision dbname=lf_supervision host=db"


def test_a_place_waits_as_long_as_the_settings_say() -> None:
    """For a statement, for a lock and for a silent host."""
    url = SecretStr("postgresql://u@db/x")
    place = postgres_place(Database(url=url, statement_seconds=3, lock_seconds=2, silence_seconds=7), "supervision")
    assert place is not None
    assert (place.statement_seconds, place.lock_seconds, place.silence_seconds) == (3, 2, 7)


def test_the_password_stands_in_no_text_that_settings_or_places_make(tmp_path: Path) -> None:
    """Neither in the URL's nor in a file's case."""
    (tmp_path / "supervision").write_text("hunter2\n")
    for database in (
        Database(url=SecretStr("postgresql://u:hunter2@db/x")),
        Database(url=SecretStr("postgresql://u@db/x"), password_file=tmp_path / "{service}"),
    ):
        place = postgres_place(database, "supervision")
        assert place is not None
        assert "password=hunter2" in place.conninfo
        assert "hunter2" not in f"{database!r} {database} {place!r} {PlatformSettings(database=database)!r}"


def test_the_owner_s_password_may_come_from_a_file_of_its_own(tmp_path: Path) -> None:
    """Who migrates and who serves have different secrets."""
    (tmp_path / "owner").write_text("hunter2\n")
    urls = {"url": SecretStr("postgresql://u@db/x"), "owner_url": SecretStr("postgresql://o@db/x")}
    place = _owner_place(Database(**urls, owner_password_file=tmp_path / "owner"), "supervision")
    assert place is not None
    assert place.conninfo == "user=o dbname=x host=db password=hunter2"
    assert "hunter2" not in repr(place)


def test_a_wrong_url_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, its value is not."""
    monkeypatch.setenv("LIANGFA_DATABASE__URL", "mysql://u:hunter2@db/x")
    with pytest.raises(Invalid, match="LIANGFA_DATABASE__URL") as refused:
        load(PlatformSettings)
    assert "hunter2" not in f"{refused.value!r} {refused.value} {refused.value.violations}"


@pytest.mark.parametrize("rest", ["u:hunter2%zz@db/x", "u:hunter2@db/x?hunter2=1", "u:hunter2@[db/x"])
@pytest.mark.parametrize("variable", ["url", "owner_url"])
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(rest: str, variable: str, tmp_path: Path) -> None:
    """A password with a percent sign that was not escaped, say: the driver's own words would show it."""
    urls = {"url": SecretStr("postgresql://u@db/x")} | {variable: SecretStr(f"postgresql://{rest}")}
    with pytest.raises(Invalid, match=f"LIANGFA_DATABASE__{variable.upper()}") as refused:
        open_store(Database(**urls), "supervision", tmp_path / "x", tmp_path)
    told = "".join(traceback.format_exception(refused.value)) + f"{refused.value.remedy} {refused.value.metadata}"
    assert "hunter2" not in told


def test_a_password_file_that_is_not_there_is_told_with_what_to_do() -> None:
    """An operator reads which file is missing."""
    database = Database(url=SecretStr("postgresql://u@db/x"), password_file=Path("/nowhere/{service}"))
    with pytest.raises(Invalid, match="/nowhere/supervision"):
        postgres_place(database, "supervision")
