"""Who may do what at the embedded store: two users, their passwords, their limits."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.server.failure import StoreFailure

WRITER: Final = "live"
READER: Final = "reader"

READER_LIMITS: Final = {
    "max_execution_time": 30,
    "max_memory_usage": 1_000_000_000,
    "max_result_rows": 2_000_000,
    "max_result_bytes": 1_000_000_000,
    "max_rows_to_read": 2_000_000_000,
    "max_threads": 2,
}
# What a reader may set beside its limits: how values look, never where they come from or how much they may cost.
READER_MAY_SET: Final = (
    "output_format_", "date_time_output_format", "final", "max_block_size", "session_timezone", "join_use_nulls", "extremes",
    "use_client_time_zone", "limit", "offset", "group_by_use_nulls", "transform_null_in",
)  # fmt: skip
# What clients send out of habit and what changes nothing here.
IGNORED: Final = frozenset(
    {
        "session_id", "session_timeout", "session_check", "wait_end_of_query", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "enable_http_compression", "http_zlib_compression_level", "buffer_size",
        "cast_string_to_dynamic_use_inference", "date_time_input_format", "insert_block_size", "max_insert_block_size", "role",
        "allow_experimental_json_type", "log_queries", "log_comment", "readonly", "connect_timeout",
        "stream_like_engine_allow_direct_select",
        "http_receive_timeout", "http_send_timeout", "receive_timeout", "send_timeout", "network_compression_method",
        "http_response_buffer_size", "send_logs_level", "log_formatted_queries",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Role:
    """One user: its settings, and whether it may only read."""

    name: str
    read_only: bool
    defaults: Mapping[str, str] = field(default_factory=dict)

    def asked_for(self, settings: Mapping[str, str]) -> Role:
        """This role, or one that may only read where a statement's settings say ``readonly``, as ClickHouse takes it."""
        if self.read_only or settings.get("readonly", "0") in ("", "0"):
            return self
        return Role(self.name, True, {**self.defaults, **_reader_defaults()})

    def settings(self, asked: Mapping[str, str], known: frozenset[str], *, strict: bool) -> dict[str, str]:
        """The settings of one statement: the role's own, then what the client asked for, within the role's limits.

        An unknown name is refused when ``strict`` (HTTP, as ClickHouse does) and otherwise left out (the native protocol marks
        settings as unimportant). Raises :class:`StoreFailure` for what the role may not set.
        """
        given = dict(self.defaults)
        for name, value in asked.items():
            if self.read_only and name in READER_LIMITS:
                given[name] = _lower(name, value)
            elif name in IGNORED:
                continue
            elif name not in known:
                if strict:
                    raise StoreFailure(115, f"Unknown setting '{name}'", "UNKNOWN_SETTING")
            elif self.read_only and not name.startswith(READER_MAY_SET):
                raise StoreFailure(164, f"Cannot modify '{name}' setting in readonly mode", "READONLY")
            else:
                given[name] = value
        return given


def _reader_defaults() -> dict[str, str]:
    return {name: str(limit) for name, limit in READER_LIMITS.items()}


def _lower(name: str, value: str) -> str:
    try:
        wanted = float(value)
    except ValueError:
        raise StoreFailure(53, f"Setting {name} needs a number, not {value[:40]!r}", "TYPE_MISMATCH") from None
    limit = READER_LIMITS[name]
    return value if 0 < wanted <= limit else str(limit)


class Users:
    """The two users of a store. Passwords are compared in constant time, and a wrong name takes as long as a wrong password."""

    def __init__(self, password: str) -> None:
        if len(password) < 12:
            raise ValueError("the store's password must have at least 12 characters")
        always = {"async_insert": "0", "implicit_select": "0", "final": "1", "print_pretty_type_names": "0"}
        writer = Role(WRITER, False, always)
        reader = Role(READER, True, always | _reader_defaults())
        self._users = {WRITER: (writer, _digest(password)), READER: (reader, _digest(reader_password(password)))}
        self._nobody = _digest(hashlib.sha256(password.encode()).hexdigest())

    def admit(self, user: str, password: str) -> Role:
        """The role of a user who gave the right password; raises :class:`StoreFailure` 516 for anybody else."""
        role, expected = self._users.get(user, (None, self._nobody))
        if not hmac.compare_digest(_digest(password), expected) or role is None:
            raise StoreFailure(
                516, f"{user[:64]}: Authentication failed: password is incorrect, or there is no user with such name",
                "AUTHENTICATION_FAILED",
            )  # fmt: skip
        return role


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()


def reader_password(password: str) -> str:
    """The reader's password: derived from the writer's, so that only one has to be kept, and no way back."""
    mac = hmac.new(password.encode(), b"livetide store reader", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:24]).decode()
