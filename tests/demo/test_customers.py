"""Reading customers from CSV: what is one, what is none and why, and whom the data set knows."""

import pytest

from accepted.demo import dataset
from accepted.demo.customers import Customer, Matches, Rejection, matched, read
from accepted.demo.faults import NoCustomers
from tests.demo.conftest import silent

ADA = "Ada,ada@example.org\n"


def reasons(csv: str) -> list[tuple[int, str]]:
    """The rejected lines of a text that has a valid one too."""
    return [(each.line, each.reason) for each in read(csv, silent).rejections]


def test_valid_lines_become_customers() -> None:
    reading = read("name,email,household_id\nAda,ada@example.org,1001\nBob,bob@example.org,\n", silent)
    assert reading.customers == (Customer("ada@example.org", "Ada", 1001), Customer("bob@example.org", "Bob", None))
    assert reading.rejections == ()


def test_a_missing_email_is_told_apart_from_other_faults() -> None:
    reading = read(f"name,email\n{ADA}Bob,\nCid,cid@\nDot,  \n", silent)
    assert reading.rejections == (
        Rejection(3, "the email address is missing", missing_email=True),
        Rejection(4, "the email address is malformed"),
        Rejection(5, "the email address is missing", missing_email=True),
    )
    assert reading.missing_emails == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Bob", "has 1 fields, the header 2"),
        ("Bob,bob@example.org,1", "has 3 fields, the header 2"),
        (",bob@example.org", "the name is missing"),
        ("Bob,ADA@example.org", "the email address occurs before"),
        ("Bob,bob", "the email address is malformed"),
        ("Bob,bob@localhost", "the email address is malformed"),
        ("Bob,bob@example..org", "the email address is malformed"),
        ("Bob,bob smith@example.org", "the email address is malformed"),
        ("Bob,a@example.org;b@example.org", "the email address is malformed"),
        (f"Bob,{'b' * 65}@example.org", "the email address is malformed"),
        (f"Bob,bob@{'b' * 250}.org", "the email address is malformed"),
        ('Bob,"bob@example.org', "not CSV: unexpected end of data"),
        ('Bob,"bob"@example.org', "not CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason(line: str, reason: str) -> None:
    assert reasons(f"name,email\n{ADA}{line}\n") == [(3, reason)]


@pytest.mark.parametrize("household", ["abc", "0", "-3", "1.5", "9999999999", "٣"])
def test_a_household_that_is_no_number_is_rejected(household: str) -> None:
    text = f"email,household_id\nada@example.org,1\nbob@example.org,{household}\n"
    assert reasons(text) == [(3, "the household id is no positive number")]


def test_a_line_after_a_broken_one_is_still_read() -> None:
    reading = read(f'name,email\nBob,"bob"@example.org\n{ADA}', silent)
    assert [customer.name for customer in reading.customers] == ["Ada"]


def test_lines_count_from_the_header_over_blank_ones_and_line_breaks_in_fields() -> None:
    assert reasons(f'name,email\n\n{ADA}"B\nb",\n,\n') == [(5, "the email address is missing")]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffname,email\r\nAda,ada@example.org\r\n",
        "name;email\nAda;ada@example.org",
        "E-Mail\tFull Name\nada@example.org\tAda\n",
        ' Name , "Email Address" ,\nAda,ada@example.org,ignored\n'.replace(' "Email Address" ', '"Email Address"'),
    ],
)
def test_spreadsheets_have_their_own_ways(text: str) -> None:
    assert read(text, silent).customers == (Customer("ada@example.org", "Ada", None),)


def test_names_are_optional_where_there_is_no_column_for_them() -> None:
    assert read("email\nada@example.org\n", silent).customers == (Customer("ada@example.org", "", None),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the header has no email column"),
        ("\n\n", "the header has no email column"),
        ("name,phone\nAda,1\n", "the header has no email column"),
        ('name,"email', "the header is not CSV"),
        ("name,email\n", "there are no lines below the header"),
        ("name,email\nAda,\nBob,bob\n", "no line of 2 is a valid customer; line 2: the email address is missing"),
    ],
)
def test_a_text_without_a_customer_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NoCustomers, match=complaint):
        read(text, silent)


def test_no_reason_repeats_what_the_line_said() -> None:
    reading = read(
        f"name,email,household_id\nAda,ada@example.org,\nSecret,secret@,\nS,s@example.org,secret\n,{ADA}", silent
    )
    assert reading.rejections
    assert not [each for each in reading.rejections if "secret" in each.reason.lower()]


def test_reading_ticks_line_by_line(ticks: list[tuple[int, int]]) -> None:
    read(f"name,email\n{ADA}Bob,\n", lambda *tick: ticks.append(tick))
    assert ticks == [(2, 3), (3, 3)]


def test_customers_are_matched_with_the_households_of_the_data_set() -> None:
    ages = dataset.age_groups()
    assert len(ages) == 801
    customers = [Customer(f"{number}@example.org", "", number) for number in (1, 1001, 99_999, None)]
    assert matched(customers, ages) == Matches(with_household=3, with_profile=2, age_groups={"45-54": 1, "65+": 1})
