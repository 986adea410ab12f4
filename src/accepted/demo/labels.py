"""How a report says things: money, shares, days and the catalogue's shouted abbreviations in a reader's words."""

from datetime import date

from accepted.demo.models import DateRange, GroupBy

NAMES = {
    "DRUG GM": "Drugstore & general",
    "MEAT-PCKGD": "Packaged meat",
    "SEAFOOD-PCKGD": "Packaged seafood",
    "ELECT &PLUMBING": "Electrical & plumbing",
    "CHARITABLE CONT": "Charitable contributions",
    "PROD-WHS SALES": "Produce warehouse sales",
    "GM MERCH EXP": "General merchandise express",
    "CNTRL/STORE SUP": "Store supplies",
    "BEERALEMALT LIQUORS": "Beer, ale & malt liquors",
    "FLUID MILK WHITE ONLY": "White milk",
    "SOFT DRINKS 12/18&15PK CAN CAR": "Soft drinks, 12 to 18 cans",
    "SOFT DRINKS 20PK&24PK CAN CARB": "Soft drinks, 20 to 24 cans",
    "SFT DRNK 2 LITER BTL CARB INCL": "Soft drinks, 2 liters",
    "PRIMAL": "Primal cuts",
    "COUPON/MISC ITEMS": "Fuel, coupons & sundries",
}
"""Keys few readers would guess. Nearly all sales of the last one are gasoline, though its name does not say so."""

WORDS = {
    "bkd": "baked",
    "brkfst": "breakfast",
    "bnls": "boneless",
    "drnks": "drinks",
    "frzn": "frozen",
    "gasoline-reg": "gasoline, regular",
    "juices/drnks": "juices & drinks",
    "meat/meat": "meat &",
    "milk/sherbts": "milk & sherbet",
    "prod": "products",
    "refrgratd": "refrigerated",
    "sftdrnk": "soft drinks",
    "shlf": "shelf",
    "whlsm": "wholesome",
}

DASH = "\N{EN DASH}"

HEADINGS = {
    GroupBy.DEPARTMENT: "department",
    GroupBy.CATEGORY: "product category",
    GroupBy.STORE: "store",
    GroupBy.MONTH: "month",
}


def name(group_by: GroupBy, key: str) -> str:
    """A group's key in words: `367` is `Store 367`, `2017-03` is `March 2017`, `MEAT-PCKGD` is `Packaged meat`."""
    if group_by is GroupBy.STORE:
        return f"Store {key}"
    if group_by is GroupBy.MONTH:
        return month(key)
    return words(key)


def words(key: str) -> str:
    """A catalogue entry in sentence case, with the commonest abbreviations spelled out."""
    if key in NAMES:
        return NAMES[key]
    spelled = " ".join(WORDS.get(word, word) for word in key.lower().split())
    return spelled[:1].upper() + spelled[1:]


def month(key: str) -> str:
    """`2017-03` as `March 2017`."""
    return f"{date.fromisoformat(key + '-01'):%B %Y}"


def day(value: date) -> str:
    """A day as `March 7, 2017`."""
    return f"{value:%B} {value.day}, {value.year}"


def span(period: DateRange) -> str:
    """A period as its first and last day with a dash between, or one day as itself."""
    if period.days == 1:
        return day(period.start)
    first = f"{period.start:%B} {period.start.day}" if period.start.year == period.end.year else day(period.start)
    return f"{first} {DASH} {day(period.end)}"


def dollars(cents: float) -> str:
    """Whole dollars: `$4,596,040`."""
    return f"${cents / 100:,.0f}"


def exact(cents: float) -> str:
    """Dollars and cents: `$29.49`."""
    return f"${cents / 100:,.2f}"


def short(cents: float) -> str:
    """Dollars for a chart, three digits at most: `$4.6M`, `$382K`, `$75`."""
    amount = cents / 100
    if amount >= 999_500:
        return f"${amount / 1_000_000:.3g}M"
    return f"${amount / 1_000:.3g}K" if amount >= 999.5 else f"${amount:.3g}"


def share(part: float, whole: float) -> str:
    """A part in per cent with one decimal, `<0.1%` rather than a zero that is none; nothing has no shares."""
    if not whole:
        return DASH
    return "<0.1%" if 0 < part / whole < 0.0005 else f"{100 * part / whole:.1f}%"


def number(value: float) -> str:
    """A count with thousands separated."""
    return f"{value:,.0f}"
