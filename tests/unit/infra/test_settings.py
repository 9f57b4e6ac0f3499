"""Settings come from the environment, and say which variable is wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from infra import settings as module
from infra.settings import Settings, load_settings, require_services, with_password
from schemas.errors import SetupError


def test_the_environment_sets_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with the prefix becomes the field of its name, JSON where the field is a mapping."""
    monkeypatch.setenv("PULSERA_API_PORT", "8080")
    monkeypatch.setenv("PULSERA_COMPONENTS", '{"storage": "http://127.0.0.1:1/health"}')
    settings = load_settings()
    assert settings.api_port == 8080
    assert str(settings.components["storage"]) == "http://127.0.0.1:1/health"


def test_an_address_of_map_pictures_has_a_place_for_each_of_three_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a map server gives as its address is taken as it is; nothing is asked where none is named."""
    assert load_settings().map_tiles == ""
    monkeypatch.setenv("PULSERA_MAP_TILES", "https://tiles.example:8443/ground/{z}/{x}/{y}.png?key=1")
    assert load_settings().map_tiles == "https://tiles.example:8443/ground/{z}/{x}/{y}.png?key=1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PULSERA_API_PORT", "many"),
        ("PULSERA_COMPONENTS", "{not json"),
        ("PULSERA_MAP_TILES", "https://tiles.example/ground.png"),
        ("PULSERA_MAP_TILES", "https://tiles.example; script-src */{z}/{x}/{y}.png"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """What cannot be understood is said in one sentence that names the variable."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SetupError, match=variable):
        load_settings()


def test_settings_do_not_change() -> None:
    """A setting cannot be assigned after the start."""
    with pytest.raises(ValidationError):
        Settings().api_port = 1


def test_there_are_few_settings() -> None:
    """At most forty: everything else is a constant beside the code it governs."""
    assert len(Settings.model_fields) <= 40


def test_a_part_started_alone_needs_to_know_its_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing variable is named, with an example."""
    monkeypatch.delenv("PULSERA_KAFKA_BOOTSTRAP", raising=False)
    with pytest.raises(SetupError, match="PULSERA_KAFKA_BOOTSTRAP is not set"):
        require_services(load_settings())


def test_a_password_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret's file fills the URL that names a user without a password; no environment shows it."""
    (tmp_path / "pulsera_database_password").write_text("a b/c\n")
    monkeypatch.setattr(module, "SECRETS", tmp_path)
    monkeypatch.setenv("PULSERA_DATABASE_URL", "postgresql://pulsera@db:5432/pulsera")
    assert load_settings().database_url == "postgresql://pulsera:a%20b%2Fc@db:5432/pulsera"


@pytest.mark.parametrize("url", ["", "postgresql://u:own@h/db", "postgresql://h/db"])
def test_a_password_is_not_forced_into_a_url(url: str) -> None:
    """A URL that has its own password, or names nobody, stays as it is."""
    assert with_password(url, "other") == url
