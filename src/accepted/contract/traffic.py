"""Refusals of how requests come, rather than of what they ask: too slow, too much, too often, too many.

Whoever gets one of them may come back: `Retry-After` says when, and whoever waits for so long is let in, unless others
of the same owner were quicker.
"""

from __future__ import annotations

from .problem import Refusal


class BadRequest(Refusal):
    slug, title, status = "bad-request", "Bad Request", 400
    explanation = (
        "The request is not one of HTTP/1.1, or says twice what can be said once, such as `Host` or `Authorization`."
    )


class RequestTimeout(Refusal):
    slug, title, status = "request-timeout", "Request Timeout", 408
    explanation = (
        "The head or the body of the request took longer than this server waits (10 s and 30 s unless it was "
        "configured otherwise), so the connection was closed."
    )


class HeadTooLarge(Refusal):
    slug, title, status = "head-too-large", "Request Header Fields Too Large", 431
    explanation = (
        "The request's path and headers are over the limits of this server (16 KiB and 64 lines unless it was "
        "configured otherwise)."
    )


class TooManyMessages(Refusal):
    slug, title, status = "too-many-messages", "Too Many Messages", 429
    explanation = "Commands came faster than one connection may send them, so it was closed."


class PollingTooFast(Refusal):
    slug, title, status = "polling-too-fast", "Polling Too Fast", 429
    explanation = (
        "This operation is polled much faster than `pollInterval.minimum`. `Retry-After` says when to come back."
    )


class RateLimited(Refusal):
    slug, title, status = "rate-limited", "Rate Limited", 429
    explanation = (
        "Your requests come faster than your rate allows. `RateLimit-Policy` names the rate, `RateLimit` what is left "
        "of it, and `Retry-After` when the next request is let in."
    )


class QuotaExceeded(Refusal):
    slug, title, status = "quota-exceeded", "Quota Exceeded", 429
    explanation = (
        "You have as many operations waiting or running, or as many streams open, as you may have at once, so nothing "
        "was stored. Wait for some to end, or cancel them. `Retry-After` is when it makes sense to ask again."
    )
