"""The settings of every process, from `PULSERA_...` environment variables; an unknown one is ignored."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

import platformdirs
from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from schemas.errors import SetupError

SECRETS = Path("/run/secrets")
"""A file here with the name of a variable in small letters, such as `pulsera_database_password`, sets it too."""

Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """What may differ from one installation to another; all else is a constant beside the code that it governs."""

    model_config = SettingsConfigDict(env_prefix="PULSERA_", frozen=True, extra="ignore")

    kafka_bootstrap: str = Field(default="", description="host:port of Kafka; empty: `up` starts an embedded one")
    kafka_replication: int = Field(
        default=1, ge=1, le=9, description="copies of every topic; 3 on a cluster of three brokers"
    )
    database_url: str = Field(default="", description="postgresql:// URL; empty: `up` starts an embedded one")
    database_password: SecretStr = Field(
        default=SecretStr(""), description="put into the URL where that has none; rather as a file, see SECRETS"
    )

    api_host: str = Field(default="127.0.0.1", description="address that the API and the pages listen on")
    api_port: Port = 8000
    allowed_origins: str = Field(default="", description="origins, with commas, whose pages may also use the API")
    gateway_host: str = Field(default="127.0.0.1", description="address that devices connect to")
    gateway_port: Port = 8001
    tls_cert: Path | None = Field(default=None, description="PEM file of the certificate that both ports show")
    tls_key: Path | None = Field(default=None, description="PEM file of its key; without both, the ports speak no TLS")
    trusted_proxies: str = Field(
        default="",
        description="addresses, with commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto the API believes",
    )
    metrics_host: str = Field(default="127.0.0.1", description="address of /metrics and /health of a gateway or worker")
    metrics_port: Port = Field(default=0, description="port of /metrics and /health; 0 takes a free one")
    components: dict[str, AnyHttpUrl] = Field(
        default_factory=dict, description="name -> health URL of the other processes, shown by the API's /ready"
    )
    instance: int = Field(
        default=0, ge=0, description="number of this worker among its family: its static group membership"
    )

    host: str = Field(
        default="aiokafka",
        pattern="^(aiokafka|faust)$",
        description="what feeds workers their records",
    )

    detector: str = Field(
        default="pulsenet",
        pattern="^(pulsenet|resting-rate)$",
        description="what judges wearers: the anomaly model, or the resting heart rate alone",
    )

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("pulsera")), description="where `up` keeps everything"
    )
    models_dir: Path | None = Field(
        default=None, description="where installed models and their roles are kept; empty: `models` in the data folder"
    )
    cache_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("pulsera")), description="where Kafka's jars are kept"
    )

    api_url: str = Field(
        default="", description="where `replay` and `simulate` make their wearers; empty: the running `up`"
    )
    gateway_url: str = Field(
        default="",
        description="device socket that they, and the camera page of `api`, send to; empty: the running `up`, and for "
        "the page the gateway's port on its own host",
    )
    map_tiles: str = Field(
        default="",
        pattern=r"^$|^https?://[A-Za-z0-9.-]{1,253}(:\d{1,5})?/\S*\{[zxy]\}\S*\{[zxy]\}\S*\{[zxy]\}\S*$",
        description="address of the pictures below the zones' map, with {z}, {x}, {y}; empty: the browser asks nobody",
    )
    map_attribution: str = Field(default="", description="whom those pictures are owed to, shown below the map")

    admin_token: SecretStr = Field(
        default=SecretStr(""), description="their right to make wearers; empty: the running `up`"
    )

    upload_dir: Path | None = Field(
        default=None, description="where an uploaded video lies while it is analysed; empty: the temporary folder"
    )
    video_hosts: str = Field(
        default="", description="hosts, with commas, whose addresses the API fetches videos from; empty: from none"
    )
    video_http: bool = Field(default=False, description="fetch over http too, which anybody on the way can read")

    linger_ms: int = Field(default=40, ge=0, le=1000, description="how long the gateway collects readings into a frame")
    hold_mib: int = Field(
        default=64, ge=1, le=4096, description="what a gateway holds at most while Kafka is away; then it throttles"
    )
    retention_days: int = Field(default=7, ge=1, le=365, description="how long topics keep wearers' data")
    keep_days: int = Field(default=365, ge=1, le=36_500, description="how long the database keeps readings and scores")
    durable: bool = Field(default=False, description="Kafka forces every append to the disk before it is acknowledged")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @property
    def models_folder(self) -> Path:
        """Where installed models are kept."""
        return (self.models_dir or self.data_dir / "models").expanduser()


def load_settings() -> Settings:
    """Reads the environment and the files of secrets; raises SetupError that names what cannot be understood."""
    try:
        # The type checker sees the fields alone, not what the class takes beside them.
        settings = Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)  # type: ignore[call-arg]
    except SettingsError as error:
        # Of the settings only this one is JSON, which is decoded before it is validated.
        raise SetupError(
            "The environment variable PULSERA_COMPONENTS is not JSON.", next_step="Correct or unset PULSERA_COMPONENTS."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        variable = "PULSERA_" + str(first["loc"][0]).upper()
        raise SetupError(
            f"The environment variable {variable} cannot be used: {first['msg']}.",
            next_step=f"Correct or unset {variable}.",
        ) from error
    url = with_password(settings.database_url, settings.database_password.get_secret_value())
    return settings.model_copy(update={"database_url": url})


def with_password(url: str, password: str) -> str:
    """Return the database's URL with the password in it, where it names a user without one."""
    parts = urlsplit(url)
    if not password or not parts.username or parts.password is not None:
        return url
    user, place = parts.netloc.rsplit("@", 1)
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))


def require_services(settings: Settings) -> None:
    """Raises SetupError where a part is started by hand without saying where Kafka and the database are."""
    for value, variable, example in (
        (settings.kafka_bootstrap, "PULSERA_KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
        (settings.database_url, "PULSERA_DATABASE_URL", "postgresql://pulsera:...@127.0.0.1:5432/pulsera"),
    ):
        if not value:
            raise SetupError(
                f"{variable} is not set.",
                next_step=f"Set it (for example {example}), or start everything with `pulsera up`.",
            )
