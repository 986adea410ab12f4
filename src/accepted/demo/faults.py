"""What may go wrong for a reason the caller can understand, apart from the rooms that raise it: those load pyarrow."""


class Fault(Exception):
    """The demo cannot do what was asked; the message is for the caller."""


class DataMissing(Fault):
    """The package with the demo's data is not installed."""


class NoTransactions(Fault):
    """Nothing was bought in the period, or not by that household."""


class NoCustomers(Fault):
    """Not one line of an import is a customer."""


class ServiceUnavailable(Fault):
    """The pretend warehouse does not answer; it may later."""
