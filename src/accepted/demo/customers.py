"""Reading customers from CSV text: every line is either a customer or a rejection with its reason.

The demo keeps no customers. A valid one is matched with the households that the data set has profiles of, and the
result says so. Reasons name the line and the fault, never the value: they end up in logs, and logs outlive imports.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from accepted.demo.faults import NoCustomers
from accepted.demo.tick import Tick

DELIMITERS = ",;\t"
COLUMNS = {
    "email": ("email", "e_mail", "email_address"),
    "name": ("name", "full_name", "customer_name"),
    "household": ("household_id", "householdid", "household"),
}
"""What a column may be called, in lower case with underscores."""

LONGEST_EMAIL = 254
"""RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its angle brackets."""

EMAIL = re.compile(r"[^\s@<>\",;:]{1,64}@(?:[^\s@.<>\",;:]+\.)+[^\s@.<>\",;:]{2,}")
"""What mail is really sent to, not all that RFC 5322 allows: one @, a domain with a dot, no spaces or separators."""


class Customer(msgspec.Struct, frozen=True):
    """One valid line."""

    email: str
    name: str
    household: int | None


class Rejection(msgspec.Struct, frozen=True):
    """One line that is no customer, counted from 1 with the header."""

    line: int
    reason: str
    missing_email: bool = False


class Reading(msgspec.Struct, frozen=True):
    """What a CSV text holds."""

    customers: tuple[Customer, ...]
    rejections: tuple[Rejection, ...]

    @property
    def missing_emails(self) -> int:
        """How many lines were rejected for want of an email address."""
        return sum(rejection.missing_email for rejection in self.rejections)


class Matches(msgspec.Struct, frozen=True, rename="camel"):
    """How many customers named a household, how many of those households have a profile, and of what age."""

    with_household: int
    with_profile: int
    age_groups: Mapping[str, int]


class Unfit(Exception):
    """A record is no customer, for the reason given."""


class MissingEmail(Unfit):
    """A record is no customer because it has no email address."""


def read(text: str, tick: Tick) -> Reading:
    """Reads every line; `tick` hears of each. Raises NoCustomers where none is valid, an unusable header included."""
    lines = list(io.StringIO(text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"), newline=""))
    customers: list[Customer] = []
    rejections: list[Rejection] = []
    for line, found in CustomerLines(lines):
        if isinstance(found, Customer):
            customers.append(found)
        else:
            rejections.append(Rejection(line, str(found), isinstance(found, MissingEmail)))
        tick(line, len(lines))
    if not customers:
        raise NoCustomers(none_valid(rejections))
    return Reading(tuple(customers), tuple(rejections))


def none_valid(rejections: Sequence[Rejection]) -> str:
    """Why there is nothing to import, with the first reason as an example."""
    if not rejections:
        return "there are no lines below the header"
    first = rejections[0]
    return f"no line of {len(rejections)} is a valid customer; line {first.line}: {first.reason}"


class CustomerLines:
    """The lines below the header, each judged; blank ones are passed over."""

    def __init__(self, lines: Sequence[str]) -> None:
        header = lines[0] if lines else ""
        self._reader = csv.reader(lines, delimiter=max(DELIMITERS, key=header.count), strict=True)
        self._seen: set[str] = set()
        self._places = self._header()

    def __iter__(self) -> Iterator[tuple[int, Customer | Unfit]]:
        while True:
            try:
                record = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._reader.line_num, Unfit(f"not CSV: {error}")
                continue
            if any(field.strip() for field in record):
                yield self._reader.line_num, self._judged(record)

    def _header(self) -> Mapping[str, int]:
        """Where the columns are; raises NoCustomers where there is no email column."""
        try:
            titles = [re.sub(r"[\s-]+", "_", title.strip().lower()) for title in next(self._reader, [])]
        except csv.Error as error:
            raise NoCustomers(f"the header is not CSV: {error}") from error
        places = {name: titles.index(title) for name, known in COLUMNS.items() for title in known if title in titles}
        if "email" not in places:
            raise NoCustomers("the header has no email column")
        self._width = len(titles)
        return places

    def _judged(self, record: Sequence[str]) -> Customer | Unfit:
        try:
            return self._customer(record)
        except Unfit as unfit:
            return unfit

    def _customer(self, record: Sequence[str]) -> Customer:
        if len(record) != self._width:
            raise Unfit(f"has {len(record)} fields, the header {self._width}")
        email = checked_email(self._field(record, "email"))
        if email.lower() in self._seen:
            raise Unfit("the email address occurs before")
        customer = Customer(email, self._name(record), household(self._field(record, "household")))
        self._seen.add(email.lower())
        return customer

    def _name(self, record: Sequence[str]) -> str:
        name = self._field(record, "name")
        if not name and "name" in self._places:
            raise Unfit("the name is missing")
        return name

    def _field(self, record: Sequence[str], column: str) -> str:
        place = self._places.get(column)
        return "" if place is None else record[place].strip()


def checked_email(email: str) -> str:
    """The address, if mail can be sent to it."""
    if not email:
        raise MissingEmail("the email address is missing")
    if len(email) > LONGEST_EMAIL or not EMAIL.fullmatch(email):
        raise Unfit("the email address is malformed")
    return email


def household(text: str) -> int | None:
    """A household id, or None where there is none."""
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise Unfit("the household id is no positive number")
    return int(text)


def matched(customers: Sequence[Customer], ages: Mapping[int, str]) -> Matches:
    """How the customers meet the data set's household profiles, given as household id to age group."""
    named = [customer.household for customer in customers if customer.household is not None]
    found = [ages[number] for number in named if number in ages]
    return Matches(len(named), len(found), dict(sorted(Counter(found).items())))
