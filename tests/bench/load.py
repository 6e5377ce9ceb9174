"""The messages of a benchmark's subscribers: numbers, words, and the bytes of the callbacks.

Every message comes from another subscriber. Their numbers are scattered, as real ones are: neighbours in time are no
neighbours in an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from bridge.sandbox.sendpage import PLATFORM_TIME

LOGIN, PASSWORD, SENDER_NAME = "bench", "bench-password", "MyShop"
SCRIPT = "/sendsms.php"
FIRST_SMSID = 5_000_000
SUBSCRIBERS = 1_000_003
"""A prime, so that the step below meets every subscriber once before it meets one twice."""
STEP = 387_961
FIRST_NUMBER = 79_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """One measured wave of messages."""

    messages: int
    connections: int = 64
    rate: float | None = None
    """Messages a second, whatever the bridge does. None: each connection brings its next as soon as it was answered."""
    keywords: int = 100
    first: int = 0
    """Number of the first message; waves on one store must not share any."""
    limit_s: float = 60
    warm_up: int = 256
    """Messages before the clock runs: connections, imports on first use, caches."""


def subscriber(message: int) -> int:
    """The number that message ``message`` comes from, international, without the plus."""
    return FIRST_NUMBER + message * STEP % SUBSCRIBERS


def keyword(number: int) -> str:
    return f"слово{number}"


def requests(callback_url: str, messages: Sequence[int], keywords: int) -> list[bytes]:
    """The callbacks, as the platform would write them."""
    parts = urlsplit(callback_url)
    # of today: an old message gets no automatic reply
    date = quote(f"{datetime.now(PLATFORM_TIME):%Y-%m-%d %H:%M:%S}")
    head = f"GET {parts.path}?date={date}&text="
    tail = f"HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: sms-platform\r\nAccept: */*\r\n\r\n"
    # a blank, not a digit, ends the word: "слово1" must not be found in "слово10"
    texts = [quote(f"{keyword(number)} пришлите адрес") for number in range(keywords)]
    return [
        f"{head}{texts[message % keywords]}&smsid={FIRST_SMSID + message}&sender={subscriber(message)}"
        f"&receiver=1234&prefix= {tail}".encode()
        for message in messages
    ]


def answer_marks(keywords: int) -> list[bytes]:
    """What stands in the request of a right reply to each word, percent-encoded; the rest of the text may differ."""
    return [quote(f"«{keyword(number)}»").encode() for number in range(keywords)]
