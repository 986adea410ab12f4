"""One request that is asked until it is answered, and what an answer that is a refusal means.

Everything that is asked this way may be asked twice: reads, and changes that bear a key or come to the same end. So a
lost answer is asked for again, and whatever says "later" is waited out (guarantee D4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .document import Problem, State, Unreadable, parse_object
from .error import ClientError, UnexpectedAnswer, Unreachable, refused
from .patience import Deadline, Patience, Terms, retry_after
from .site import Place, Site, joined
from .step import Answer, Lost, Request, Send, T, Talk, Wait

R = TypeVar("R")

LATER = frozenset({408, 425, 429, 502, 503, 504})
TRIES = 4  # of what answers 500 or such: it may have been an accident, and patience would not mend a bug
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTIONS = 5


def ask(request: Request, terms: Terms, deadline: Deadline, fine: frozenset[int]) -> Talk[Answer]:
    """The answer, once its status is one of `fine`. Raises what `error.py` lists."""
    patience = Patience(terms, deadline)
    while True:
        deadline.check()
        answer: Answer | Lost = yield Send(request)
        if not isinstance(answer, Lost) and answer.status in fine:
            return answer
        error, after = trouble(request, answer, patience.failures)
        yield Wait(patience.pause(error, after))


def fetch(url: str, site: Site, terms: Terms, deadline: Deadline) -> Talk[Answer]:
    """GET, along a few redirects: a result may lie elsewhere, and there nobody learns the credential."""
    for _ in range(REDIRECTIONS):
        answer = yield from ask(site.request("GET", url), terms, deadline, REDIRECTS | {200})
        if answer.status == 200:
            return answer
        url = redirected(url, answer)
    raise UnexpectedAnswer(f"more than {REDIRECTIONS} redirects, the last to {url!r}")


def redirected(url: str, answer: Answer) -> str:
    """Where an answer sends its reader. Raises `UnexpectedAnswer`."""
    location = joined(url, answer.headers.get("location", ""))
    if location == url:
        raise UnexpectedAnswer(f"HTTP {answer.status} from {url} leads nowhere")
    return location


def trouble(request: Request, answer: Answer | Lost, failures: int) -> tuple[ClientError, float | None]:
    """Why there will have to be another try, and how many seconds the server wants to be left alone before.

    Raises it where another try would not help.
    """
    if isinstance(answer, Lost):
        return Unreachable(f"no answer from {request.url}: {answer.why}"), None
    after = retry_after(answer.headers)
    error = refusal(request.url, answer)
    passing = answer.status in LATER or (answer.status == 409 and after is not None)
    if passing or (answer.status >= 500 and failures + 1 < TRIES):
        return error, after
    raise error


def refusal(url: str, answer: Answer) -> ClientError:
    """The error that an answer means."""
    if answer.status < 400:
        to = f", to {answer.headers['location']!r}" if "location" in answer.headers else ""
        return UnexpectedAnswer(f"HTTP {answer.status} from {url}{to}, which is not what the contract answers here")
    try:
        document = parse_object(answer.body)
    except Unreadable:  # a proxy's page; its status says enough
        document = {}
    problem = Problem.read(document, answer.status)
    if not problem.title and answer.status in {404, 405}:
        return UnexpectedAnswer(f"HTTP {answer.status} from {url}, without a problem: is the URL that of the server?")
    after = retry_after(answer.headers)
    return refused(problem, problem.retry_after if after is None else after)


def status_of(place: Place, answer: Answer) -> State:
    """The state that a status document tells. Raises `UnexpectedAnswer`.

    A 303 means COMPLETED also where its body is empty: then all that is known is where the result lies.
    """
    try:
        document = parse_object(answer.body)
    except Unreadable as error:
        if answer.status != 303:
            raise UnexpectedAnswer(f"{place.url} answers {answer.status} without a status document: {error}") from None
        document = {}
    if answer.status == 303 and "status" not in document:
        url = answer.headers.get("location", "")
        document = {"operationId": place.id, "status": "COMPLETED", "result": {"url": url}}
    return place.learn(read(State.read, document, place.url))


def read(reader: Callable[[R], T], document: R, url: str) -> T:
    """The document, read. Raises `UnexpectedAnswer`, naming where it came from."""
    try:
        return reader(document)
    except Unreadable as error:
        raise UnexpectedAnswer(f"{url} answers with a document that is not as the contract says: {error}") from None
