"""Webhooks' secrets sealed anew in both stores, and gone as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accepted.contract.webhook import Registration
from accepted.engine.vault import Vault
from accepted.knob import SecretKey
from accepted.store.postgres import PostgresStore
from accepted.store.reseal import BITE, rewrite_database, rewrite_file
from accepted.store.sqlite import SqliteStore
from tests.contract.given import accept, op_id, webhook
from tests.store.asking import ask
from tests.store.server import the_server

MANY = 2 * BITE + 3
PLAIN = "a secret that nobody sealed"


def opened(registration: Registration | None, vault: Vault) -> tuple[str, ...]:
    assert registration is not None
    assert registration.sealed
    return vault.opened(registration).secrets


def bytes_of(folder: Path) -> bytes:
    """The file, its write-ahead log and its index."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


async def filled(store: SqliteStore | PostgresStore) -> None:
    await ask(store, *(accept(number, webhook=webhook(secrets=(PLAIN,))) for number in range(MANY)))


@pytest.mark.parametrize("number", [0, MANY - 1])
async def test_a_file(tmp_path: Path, number: int) -> None:
    path = f"{tmp_path}/accepted.db"
    store, vault = SqliteStore(path), Vault([SecretKey(os.urandom(32))])
    await store.open()
    await filled(store)
    assert [rewrite_file(path, vault.resealed) for _ in range(2)] == [MANY, 0]
    assert opened(await store.webhook(op_id(number)), vault) == (PLAIN,)
    assert PLAIN.encode() not in bytes_of(tmp_path)
    await store.close()


async def test_a_database() -> None:
    url = the_server().database()
    store, vault = PostgresStore(url), Vault([SecretKey(os.urandom(32))])
    await store.open()
    await filled(store)
    assert [await rewrite_database(url, vault.resealed) for _ in range(2)] == [MANY, 0]
    assert opened(await store.webhook(op_id(7)), vault) == (PLAIN,)
    await store.close()
