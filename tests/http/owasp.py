"""Where each risk of the OWASP API Security Top 10 (2023) is met: for every route a stance on every item.

A stance is the name of a check in `test_13_owasp.py`, which is run on that route, or one of the `REASONS` why there is
nothing to run. A route that is missing here fails, as does a word that is neither.

     1  broken object level authorization             6  unrestricted access to sensitive business flows
     2  broken authentication                         7  server side request forgery
     3  broken object property level authorization    8  security misconfiguration
     4  unrestricted resource consumption             9  improper inventory management
     5  broken function level authorization          10  unsafe consumption of APIs
"""

from __future__ import annotations

from typing import NamedTuple

OPERATION = "/reports"
RESULT = "/reports/{reportId}"
"""What the app of these tests has registered; every operation adds such a pair."""

TABLE = """
route                                1       2      3      4      5      6       7       8    9      10
POST    /reports                     key     asks   takes  rate   role   share   address safe listed answers
GET     /reports/{reportId}          foreign asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /operations/stream           named   asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /operations/status           same    asks   same   rate   role   no-work no-url  safe listed no-api
CONNECT /operations/status           named   asks   tells  rate   role   no-work no-url  safe listed no-api
POST    /operations/ticket           ticket  asks   takes  rate   role   no-work no-url  safe listed no-api
GET     /operations/{id}             foreign asks   tells  rate   role   no-work no-url  safe listed no-api
POST    /operations/{id}/cancel      foreign asks   takes  body   role   no-work no-url  safe listed no-api
POST    /operations/{id}/retry       foreign asks   takes  rate   role   share   no-url  safe listed no-api
GET     /operations/{id}/result      foreign asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /operations/{id}/input       foreign asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /operations/{id}/stream      foreign asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /operations/{id}/status      same    asks   same   rate   role   no-work no-url  safe listed no-api
CONNECT /operations/{id}/status      foreign asks   tells  rate   role   no-work no-url  safe listed no-api
POST    /operations/{id}/ticket      foreign asks   takes  rate   role   no-work no-url  safe listed no-api
GET     /operations/{id}/deliveries  foreign asks   tells  rate   role   no-work no-url  safe listed answers
POST    /operations/{id}/deliveries/{deliveryId}/redeliver foreign asks takes rate role again again safe listed answers
GET     /jobs                        lists   asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /jobs/{id}                   foreign asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /jobs/{id}/logs              foreign asks   tells  rate   role   no-work no-url  safe listed no-api
POST    /jobs/{id}/cancel            foreign asks   takes  body   role   no-work no-url  safe listed no-api
GET     /statistics                  lists   asks   tells  rate   role   no-work no-url  safe listed no-api
GET     /statistics/stream           counts  asks   counts rate   role   no-work no-url  safe listed no-api
GET     /dashboard                   same    public same   memory public no-work no-url  safe listed no-api
GET     /dashboard/{version}/{file}  same    public same   memory public no-work no-url  safe listed no-api
GET     /health                      same    asks   same   admin  role   no-work no-url  safe listed no-api
GET     /health/live                 same    public same   memory public no-work no-url  safe listed no-api
GET     /health/ready                same    public same   memory public no-work no-url  safe listed no-api
GET     /metrics                     same    asks   same   admin  role   no-work no-url  safe listed no-api
GET     /problems                    same    public same   memory public no-work no-url  safe listed no-api
GET     /problems/{slug}             same    public same   memory public no-work no-url  safe listed no-api
GET     /openapi.json                same    asks   same   memory known  no-work no-url  safe listed no-api
"""

REASONS = {
    "public": "is for everybody: its rule says so, and a check that it tells all the same is `same`",
    "known": "asks for no role, only who is there",
    "memory": "answers from memory; heads and connections are bounded for all (tests/processes/test_slow_peers.py)",
    "admin": "is for operators, who are trusted with the server itself",
    "no-work": "starts no work: it reads, or stops what its owner has started",
    "again": "sends once more what its owner has ordered, at the rate of submits (4), to an address that is checked "
    "at each connect (tests/engine/test_sender.py)",
    "no-url": "takes no address, so the server asks nobody because of it",
    "answers": "answers of receivers are read to 16 KiB, and nothing of them but the status code is ever shown "
    "(tests/engine/test_sender.py); keys of token issuers: tests/http/test_13_tokens.py",
    "counts": "has no end, so it has tests of its own: tests/http/test_13_counts.py",
    "no-api": "hands on nothing that another server has said",
}


class Cell(NamedTuple):
    """One route's stance on one item."""

    method: str
    path: str
    item: int
    stance: str

    def __str__(self) -> str:
        """As a test is called."""
        return f"API{self.item}-{self.method}-{self.path}-{self.stance}"


def cells() -> list[Cell]:
    """The whole table."""
    found = []
    for line in TABLE.strip().splitlines()[1:]:
        method, path, *stances = line.split()
        assert len(stances) == 10, line
        found += [Cell(method, path, item, stance) for item, stance in enumerate(stances, 1)]
    return found
