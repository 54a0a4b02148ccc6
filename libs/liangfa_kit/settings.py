"""Settings as frozen values, read once at start-up from `LIANGFA_…` variables. Only this module reads the environment.

Fragments are joined by two underscores: `LIANGFA_LISTEN__PORT=7500` sets `PlatformSettings.listen.port`. Every field
has a default that runs embedded, and its unit in its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from liangfa_kit.errors import FieldViolation, Invalid

PREFIX = "LIANGFA_"
S = TypeVar("S", bound=BaseSettings)


class Fragment(BaseModel):
    """A part of a service's settings. A field that does not exist is refused, so that a slip of the pen is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(Fragment):
    """Where an embedded platform keeps its files."""

    folder: Path = Field(Path("var"), description="Folder of databases, files, keys; made on the first use.")


class Database(Fragment):
    """Where services keep their rows: without a URL in SQLite files of the storage folder, else in PostgreSQL."""

    url: SecretStr = Field(
        SecretStr(""),
        description="postgresql://user:password@host:5432/database; a schema for each service is made in it. "
        "`{service}` in it is replaced by the service's name: a database or a role for each.",
    )
    password_file: Path | None = Field(
        None, description="File that holds the password, in place of one in `url`; `{service}` is replaced too."
    )
    owner_url: SecretStr = Field(
        SecretStr(""),
        description="URL of the role that owns the schemas and migrates them. With it the role in `url` can neither "
        "change a schema nor change or delete what is journalled. Empty: one role does all.",
    )
    owner_password_file: Path | None = Field(
        None, description="File that holds the password of the role in `owner_url`; `{service}` is replaced too."
    )
    reader_count: int = Field(4, ge=1, le=100, description="Connections of each service's readers.")
    statement_seconds: float = Field(30.0, gt=0, description="Longest statement; PostgreSQL only.")
    lock_seconds: float = Field(10.0, gt=0, description="Longest wait for another writer, or for a free reader.")
    silence_seconds: int = Field(
        10, ge=2, le=300, description="Silence of the other host after which a connection is given up; PostgreSQL only."
    )

    @field_validator("url", "owner_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")  # and does not repeat what may hold a password
        return url


class Kafka(Fragment):
    """The log of events between services: without servers a file of the storage folder, else a Kafka cluster."""

    servers: str = Field(
        "", description="host:port of some brokers, joined by commas; empty keeps the embedded log of one machine."
    )
    prefix: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="Put before every topic and group, so that platforms may share a cluster.",
    )
    instance: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="This process's own name among its replicas, kept over restarts: its partitions wait for it.",
    )
    replication: int = Field(3, ge=1, le=9, description="Copies of each message; 1 on a cluster of one broker.")
    publish_seconds: float = Field(30.0, ge=2, description="How long brokers may take to accept events.")
    session_seconds: float = Field(15.0, ge=1, description="Silence after which a process loses its partitions.")
    silence_seconds: int = Field(
        10, ge=3, description="Silence of a broker's host after which a connection is given up."
    )
    tls: bool = Field(False, description="Encrypt; implied by a CA of our own.")
    tls_ca: Path | None = Field(None, description="PEM file of the CA that signed the brokers' certificates.")
    tls_certificate: Path | None = Field(None, description="PEM file of this process's certificate, if brokers ask.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    user: str = Field("", description="SASL user (SCRAM-SHA-512); empty sends none.")
    password: SecretStr = Field(SecretStr(""), description="The user's password.")
    password_file: Path | None = Field(None, description="File that holds the password, in place of the one above.")

    @field_validator("servers")
    @classmethod
    def _has_ports(cls, servers: str) -> str:
        for server in filter(None, servers.split(",")):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal():
                raise ValueError("must be host:port, joined by commas")
        return servers

    @property
    def server_list(self) -> list[str]:
        """The brokers to ask first."""
        return [server.strip() for server in self.servers.split(",") if server.strip()]

    @property
    def is_encrypted(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or self.tls_ca is not None

    @property
    def secret(self) -> str:
        """The password itself."""
        if self.password_file is not None:
            return self.password_file.read_text(encoding="utf-8").strip()
        return self.password.get_secret_value()


class Objects(Fragment):
    """Where services keep files: without an endpoint in the storage folder, else in a bucket of an S3-compatible store."""

    endpoint: str = Field(
        "", pattern=r"^([A-Za-z0-9.-]+(:\d+)?)?$", description="host or host:port; empty keeps files in the folder."
    )
    bucket: str = Field("liangfa", min_length=3, description="Bucket; it must exist.")
    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9._-]+/)*$", description="Put before every name, so that platforms may share a bucket."
    )
    region: str = Field("us-east-1", description="Region that requests are signed for.")
    access_key: str = Field("", description="Access key; empty sends unsigned requests.")
    secret_key: SecretStr = Field(SecretStr(""), description="The key's secret.")
    secret_key_file: Path | None = Field(None, description="File that holds the secret, in place of the one above.")
    tls: bool = Field(True, description="Encrypt the way to the store.")
    tls_ca: Path | None = Field(None, description="PEM file of the CA that signed the store's certificate.")

    @property
    def secret(self) -> str:
        """The secret itself."""
        if self.secret_key_file is not None:
            return self.secret_key_file.read_text(encoding="utf-8").strip()
        return self.secret_key.get_secret_value()


class Tls(Fragment):
    """Mutual TLS between the services: with files all calls are encrypted and both sides prove themselves.

    The files are read again when they change.
    """

    certificate: Path | None = Field(None, description="PEM file of this process's certificate and its chain.")
    key: Path | None = Field(None, description="PEM file of the certificate's key, without a password.")
    ca: Path | None = Field(None, description="PEM file of the CA whose certificates are let in and called.")
    server_name: str = Field(
        "", description="Name that the certificates of called services carry; empty: the host that is called."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len({file is None for file in (self.certificate, self.key, self.ca)}) > 1:
            raise ValueError("certificate, key and ca belong together: name all three or none")
        return self

    @property
    def is_on(self) -> bool:
        """Whether connections are encrypted and proven."""
        return self.certificate is not None


class Peers(Fragment):
    """Where the other services are, when they are not in this process: `host:port`, or several `IP:port` with commas."""

    enforcement_record: str = Field(
        "", description="For drafts of consultations from a case, and evidence in case files; empty: there are none."
    )


class Listen(Fragment):
    """The gRPC server. A caller's deadline counts up to the maximum; a call without one gets the default."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7420, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    health_port: int = Field(
        0, ge=0, le=65535, description="TCP port that answers nothing but health, never encrypted: for probes; 0: none."
    )
    max_message_bytes: int = Field(4 << 20, ge=1 << 10, le=64 << 20, description="Largest request or response.")
    max_calls: int = Field(2_000, ge=1, description="Unary calls served at once; more are told to come back.")
    max_streams: int = Field(5_000, ge=1, description="Streams open at once; more are told to come back.")
    default_call_seconds: float = Field(30.0, gt=0, description="Deadline of a call that states none.")
    max_call_seconds: float = Field(300.0, gt=0, description="Longest deadline of a call.")
    default_stream_seconds: float = Field(3_600.0, gt=0, description="Deadline of a stream that states none.")
    max_stream_seconds: float = Field(86_400.0, gt=0, description="Longest deadline of a stream.")
    linger_seconds: float = Field(
        0.0, ge=0, description="How long to go on serving at shutdown while health says not ready: for load balancers."
    )
    drain_seconds: float = Field(10.0, ge=0, description="How long running calls may take at shutdown.")


class Identity(Fragment):
    """Tokens."""

    key_folder: Path | None = Field(
        None, description="Signing and trusted keys; default `identity` in the storage folder."
    )
    issuer: str = Field("liangfa", min_length=1, description="Who signs the tokens.")
    audience: str = Field("liangfa", min_length=1, description="Which platform the tokens are for.")
    token_ttl_seconds: int = Field(900, ge=10, le=86_400, description="How long a token is good for.")
    leeway_seconds: int = Field(10, ge=0, le=300, description="How far clocks may differ.")


class Screening(Fragment):
    """The screening for suspected crimes."""

    figures: Path | None = Field(
        None, description="File of regional figures (docs/screening.md); without one the lowest national ones hold."
    )


class Holidays(Fragment):
    """Days off and days worked by which limits are counted."""

    file: Path | None = Field(None, description="File of years that the built-in calendar does not know (YAML).")


class Documents(Fragment):
    """Documents that services write."""

    folder: Path | None = Field(
        None, description="Templates: a folder for each division code beside those for all; none: the built-in one."
    )


class Telemetry(Fragment):
    """OpenTelemetry. Without an endpoint nothing is collected and nothing is spent."""

    otlp_endpoint: str = Field(
        "", description="OTLP/gRPC collector, e.g. http://127.0.0.1:4317; empty switches it off."
    )
    sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of traces begun here that are recorded.")
    metric_interval_seconds: float = Field(15.0, gt=0, description="How often metrics are sent.")


class Logging(Fragment):
    """Structured logs, one JSON object a line."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level written.")
    file: Path | None = Field(None, description="File to append to; default is standard error.")


class PlatformSettings(BaseSettings):
    """What every process of the platform needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    storage: Storage = Storage()
    database: Database = Database()
    kafka: Kafka = Kafka()
    objects: Objects = Objects()
    listen: Listen = Listen()
    tls: Tls = Tls()
    peers: Peers = Peers()
    identity: Identity = Identity()
    documents: Documents = Documents()
    holidays: Holidays = Holidays()
    screening: Screening = Screening()
    telemetry: Telemetry = Telemetry()
    logging: Logging = Logging()

    @property
    def key_folder(self) -> Path:
        """Folder of the identity keys."""
        return self.identity.key_folder or self.storage.folder / "identity"


def load(settings: type[S], **values: Any) -> S:
    """Return settings from the environment, `values` first. Raises `Invalid` that names every wrong variable."""
    try:
        return settings(**values)
    except ValidationError as error:
        violations = tuple(
            FieldViolation(_variable(found["loc"]), "SETTING_INVALID", found["msg"]) for found in error.errors()
        )
        raise Invalid(
            "The settings are wrong: " + "; ".join(f"{v.field}: {v.message}" for v in violations),
            message_zh="配置有误，请按提示更正环境变量。",
            remedy="Correct or unset these environment variables and start again.",
            reason="SETTINGS_INVALID",
            violations=violations,
        ) from error


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part) for part in location).upper()
