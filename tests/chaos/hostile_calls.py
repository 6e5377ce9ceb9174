"""Requests to the callback listener as no decent client makes them: seeded, each made again from its number alone.

A case says which ids it holds and which of them must or must never be acknowledged; what is right for all others is
judged by what the store has. Nothing here knows how the listener reads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from urllib.parse import quote_from_bytes

HOST = b"Host: bridge\r\n"
CLOSE = b"Connection: close\r\n"
TEXTS = ("эхо привет", "Здравствуйте, где мой заказ 12345?", "hello", "ЧАСЫ", "", "a&b=c+d%41;e", "Объём 5 %")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """The bytes that one connection sends."""

    kind: str
    data: bytes
    cuts: tuple[int, ...] = ()
    """Where the network cuts it: what lies between two places comes in a segment of its own."""
    abort: bool = False
    """Reset after the last byte instead of waiting for answers."""
    needed: tuple[bytes, ...] = ()
    """Ids that must be acknowledged: good calls, however they come."""
    order: tuple[bytes, ...] = ()
    """Ids of calls in one go: what is acknowledged of them comes in this order."""
    barred: tuple[bytes, ...] = ()
    """Ids that no reading of the protocol makes a call of: must be neither acknowledged nor stored."""

    @property
    def segments(self) -> list[bytes]:
        places = sorted({0, *self.cuts, len(self.data)})
        return [self.data[start:end] for start, end in pairwise(places)] or [b""]


class Ids:
    """Ids that occur in no other case and in no header of an answer."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._given = 0

    def __call__(self) -> bytes:
        self._given += 1
        return b"7%07d%02d%02d" % (self._number, self._given, self._number % 97)


Generator = Callable[[random.Random, Ids], Case]


def escaped(value: bytes, *, raw: bool = False) -> bytes:
    if not raw:
        return quote_from_bytes(value, safe="").encode()
    return b"".join(
        bytes([byte]) if byte >= 0x80 else quote_from_bytes(bytes([byte]), safe="").encode() for byte in value
    )


def query(smsid: bytes, text: bytes = b"hello", /, **other: bytes) -> bytes:
    """The platform's parameters in its order; ``text`` and ``other`` go in as they are."""
    fields = {
        b"date": b"2026-01-06%2012:00:00",
        b"text": text,
        b"smsid": smsid,
        b"sender": b"790" + smsid[-8:],
        b"receiver": b"1234",
        b"prefix": b"",
        **{name.encode(): value for name, value in other.items()},
    }
    return b"&".join(name + b"=" + value for name, value in fields.items())


def get(target: bytes, *, version: bytes = b"HTTP/1.1", headers: bytes = HOST + CLOSE, method: bytes = b"GET") -> bytes:
    return b"%b %b %b\r\n%b\r\n" % (method, target, version, headers)


def call(smsid: bytes, **kinds: bytes) -> bytes:
    return get(b"/sms.php?" + query(smsid), **kinds)


def some_text(chance: random.Random) -> bytes:
    text = chance.choice(TEXTS)
    return escaped(text.encode(chance.choice(["utf-8", "cp1251"])), raw=chance.random() < 0.3)


def some_bytes(chance: random.Random, most: int) -> bytes:
    return chance.randbytes(chance.randint(0, most))


def good_call(chance: random.Random, smsid: bytes, *, last: bool = True) -> bytes:
    headers = [HOST, b"User-Agent: PHP\r\n", b"Accept: */*\r\n", b"X-Forwarded-For: 10.1.2.3\r\n"]
    chance.shuffle(headers)
    rest = b"".join(headers) + (CLOSE if last else b"")
    return get(b"/sms.php?" + query(smsid, some_text(chance)), headers=rest)


# ---------------------------------------------------------------- good calls that come in an unusual way


def cut_anywhere(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    data = good_call(chance, smsid)
    cuts = tuple(chance.sample(range(1, len(data)), chance.randint(1, 5)))
    return Case(kind="cut anywhere", data=data, cuts=cuts, needed=(smsid,))


def cut_at(place: int) -> Generator:
    """The same good call cut at one byte after the other."""

    def generate(chance: random.Random, ids: Ids) -> Case:
        smsid = ids()
        data = get(b"/sms.php?" + query(smsid, escaped("Привет, мир".encode("cp1251"), raw=True)))
        return Case(kind="cut at every byte", data=data, cuts=(1 + place % (len(data) - 1),), needed=(smsid,))

    return generate


def raw_letters(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    text = chance.choice(TEXTS).encode(chance.choice(["utf-8", "cp1251"])).replace(b"&", b"").replace(b"%", b"")
    data = get(b"/sms.php?" + query(smsid, text))
    return Case(kind="raw letters and spaces", data=data, needed=(smsid,))


def one_after_the_other(chance: random.Random, ids: Ids) -> Case:
    """Several calls in one go. Whether the later ones are taken is the listener's choice; the first must be."""
    given = [ids() for _ in range(chance.randint(2, 12))]
    data = b"".join(good_call(chance, smsid, last=smsid is given[-1]) for smsid in given)
    cuts = tuple(chance.sample(range(1, len(data)), chance.randint(0, 3)))
    return Case(kind="pipelined", data=data, cuts=cuts, needed=(given[0],), order=tuple(given))


# ---------------------------------------------------------------- mutations and noise


def mutated(chance: random.Random, ids: Ids) -> Case:
    data = bytearray(good_call(chance, ids()))
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8, 30])):
        start = chance.randrange(len(data))
        end = min(start + chance.choice([1, 1, 2, 10, 50]), len(data))
        way = chance.randrange(6)
        if way == 0:
            data[start] = chance.randrange(256)
        elif way == 1:
            data[start:start] = some_bytes(chance, 4)
        elif way == 2 and len(data) > 60:
            del data[start:end]
        elif way == 3:
            data[start:start] = data[start:end]
        elif way == 4:
            data[start] ^= 1 << chance.randrange(8)
        else:
            data[start:start] = chance.choice(
                [b"\r\n", b"\n", b"\r", b"\0", b" ", b"%", b"&", b"=", b"?", b"#", b"\r\n\r\n"]
            )
    return Case(kind="mutated", data=bytes(data))


def noise(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    data = some_bytes(chance, 400) + chance.choice([b"", b"smsid=" + smsid, b"GET /sms.php?smsid=" + smsid])
    return Case(kind="noise", data=data + some_bytes(chance, 200) + chance.choice([b"", b"\r\n\r\n", b"\n\n"]))


def another_protocol(chance: random.Random, ids: Ids) -> Case:
    smsid = b"smsid=" + ids()
    data = chance.choice(
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(32) + smsid,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smsid,
            b"PROXY TCP4 10.0.0.1 10.0.0.2 5 6\r\n" + call(ids()),
            b"\r\n\r\n\0\x0d\x0a\x51\x55\x49\x54\x0a" + smsid,
            b"HELO bridge\r\nMAIL FROM:<" + smsid + b">\r\n\r\n",
            b"*1\r\n$4\r\nPING\r\n" + smsid + b"\r\n\r\n",
            b"\x05\x01\x00" + smsid,
            b"SSH-2.0-" + smsid + b"\r\n\r\n",
            b"USER " + smsid + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + smsid,
        ]
    )
    return Case(kind="another protocol", data=data)


# ---------------------------------------------------------------- the query


def bad_escapes(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    bad = [
        b"%ZZ",
        b"%",
        b"%1",
        b"%%",
        b"%u0430",
        b"%0",
        b"%g0",
        b"%-1",
        b"%C0%AF",
        b"%ED%A0%80",
        b"%F8%88%80%80%80",
        b"%00",
    ]
    text = b"".join(chance.choice([*bad, b"a", escaped("я".encode())]) for _ in range(chance.randint(1, 20)))
    target = b"/sms.php?" + query(smsid, text, **{chance.choice(["sender", "prefix", "date"]): chance.choice(bad)})
    return Case(kind="bad percent escapes", data=get(target))


def bad_ids(chance: random.Random, ids: Ids) -> Case:
    """Ids that are none, that carry a second line, or that are written in escapes."""
    smsid = ids()
    value = chance.choice(
        [
            b"",
            smsid * 8,
            smsid + b"%20",
            b"%20" + smsid,
            b"+" + smsid,
            smsid + b"%00",
            smsid + b"%0D%0Asmsid=" + smsid,
            b"x%0d%0aX-Ack:%20smsid=" + smsid,
            b"%D9%A1%D9%A2%D9%A3",
            b"<b>" + smsid + b"</b>",
            b"-" + smsid,
            b"{smsid}",
            b"%7Bsmsid%7D",
            b"../" + smsid,
            b"".join(b"%%%02x" % byte for byte in smsid),
        ]
    )
    return Case(kind="odd ids", data=get(b"/sms.php?" + query(smsid, smsid=value)))


def doubled(chance: random.Random, ids: Ids) -> Case:
    one, two = ids(), ids()
    name = chance.choice(
        [b"smsid", b"sender", b"text", b"date", b"receiver", b"prefix", b"%73msid", b"smsid%20", b"SMSID"]
    )
    value = two if b"sid" in name.lower() else chance.choice([b"", b"hello", two, some_text(chance)])
    pairs = query(one).split(b"&")
    pairs.insert(chance.randint(0, len(pairs)), name + b"=" + value)
    glue = chance.choice([b"&", b"&", b"&&", b"&amp;", b";"])
    return Case(kind="doubled parameters", data=get(b"/sms.php?" + glue.join(pairs)))


def nuls_and_halves(chance: random.Random, ids: Ids) -> Case:
    odd = [
        b"%00",
        b"\0",
        b"%ED%A0%80",
        b"%ED%BF%BF",
        b"\xed\xa0\x80",
        b"%EF%BF%BE",
        b"%EF%BB%BF",
        b"%F4%90%80%80",
        b"\xff\xfe",
    ]
    text = b"".join(chance.choice([*odd, b"a", escaped("ё".encode("cp1251"))]) for _ in range(chance.randint(1, 12)))
    other = {chance.choice(["sender", "receiver", "prefix", "date"]): chance.choice(odd)}
    return Case(kind="NULs and half surrogates", data=get(b"/sms.php?" + query(ids(), text, **other)))


def odd_queries(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    target = chance.choice(
        [
            b"/sms.php?smsid=" + smsid,
            b"/sms.php?smsid",
            b"/sms.php?=" + smsid,
            b"/sms.php??smsid=" + smsid,
            b"/sms.php?&&&smsid=" + smsid + b"&&",
            b"/sms.php?smsid==" + smsid,
            b"/sms.php?smsid=" + smsid + b"=",
            b"/sms.php?" + b"a=1&" * chance.randint(100, 3000) + b"smsid=" + smsid,
            b"/sms.php?smsid%3D" + smsid,
            b"/sms.php?smsid[]=" + smsid,
            b"/sms.php?sms%69d=" + smsid,
            b"/sms.php?" + escaped(query(smsid)),
            b"/sms.php#?smsid=" + smsid,
            b"/sms.php?x=1#smsid=" + smsid,
            b"/sms.php;smsid=" + smsid,
        ]
    )
    return Case(kind="odd queries", data=get(target))


# ---------------------------------------------------------------- the request line


def odd_paths(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    path = chance.choice(
        [
            b"/",
            b"",
            b"//",
            b"/sms.php/",
            b"/SMS.PHP",
            b"/./sms.php",
            b"//sms.php",
            b"/sms.php%00",
            b"/%73ms.php",
            b"/sms.php;x",
            b"/smsid=" + smsid,
            b"/sms.php/smsid=" + smsid,
            b"/../../etc/passwd",
            b"/\xff\xfe",
            b"/livez",
            b"/readyz",
            b"*",
        ]
    )
    return Case(kind="odd paths", data=get(path + b"?" + query(smsid)))


def absolute(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    start = chance.choice(
        [
            b"http://bridge",
            b"https://bridge:443",
            b"http://",
            b"http://[::1]",
            b"http://[::",
            b"http://a@b:c@d",
            b"ftp://x",
            b"//x",
            b"http://smsid=" + smsid,
            b"http://user:smsid=" + smsid + b"@h",
            b"http:",
            b"://",
            b"bridge:80",
            b"HTTP://B\xff",
        ]
    )
    target = start + chance.choice([b"/sms.php", b"", b"/", b"/sms.php/x"]) + b"?" + query(smsid)
    return Case(kind="absolute addresses", data=get(target, method=chance.choice([b"GET", b"GET", b"CONNECT"])))


def versions(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    target = b"/sms.php?" + query(smsid)
    line = chance.choice(
        [
            b"GET " + target + b"\r\n",
            b"GET " + target,
            b"GET " + target + b" \r\n",
            b"GET " + target + b" HTTP/1.0\r\n",
            b"GET " + target + b" HTTP/1.0\r\nConnection: keep-alive\r\n",
            b"GET " + target + b" HTTP/0.9\r\n",
            b"GET " + target + b" HTTP/2.0\r\n",
            b"GET " + target + b" HTTP/1.1smsid=" + smsid + b"\r\n",
            b"GET " + target + b" HTTP/1.1 \r\n",
            b"GET " + target + b" http/1.1\r\n",
            b"GET " + target + b" HTTP/11\r\n",
            b"GET  " + target + b"  HTTP/1.1\r\n",
            b" GET " + target + b" HTTP/1.1\r\n",
            b"GET\t" + target + b"\tHTTP/1.1\r\n",
            b"get " + target + b" HTTP/1.1\r\n",
            b"GET " + target + b" HTTP/1.1\r",
            b"\r\n\r\n\r\nGET " + target + b" HTTP/1.1\r\n",
        ]
    )
    return Case(kind="odd versions and spaces", data=line + chance.choice([HOST, HOST + CLOSE, b""]) + b"\r\n")


def line_ends(chance: random.Random, ids: Ids) -> Case:
    whole = call(ids())
    end = chance.choice([b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n ", b"\x0b\n", b"\x85", b"\r\n\0"])
    return Case(kind="odd line ends", data=whole.replace(b"\r\n", end, chance.choice([-1, 1, 2])) + b"\r\n\r\n")


def too_long(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    length = chance.choice([8_100, 8_200, 16_384, 65_400, 65_600, 100_000, 200_000])
    filler = chance.choice([b"a", b"%D1%8F", b"\xff", b"&a=1", b"/", b"%"])
    filler *= length // len(filler)
    head = b"/sms.php?smsid=" + smsid
    data = chance.choice(
        [
            get(head + b"&text=" + filler),
            get(b"/sms.php?text=" + filler + b"&smsid=" + smsid),
            get(head + b"&text=" + filler)[: -chance.randint(1, 40)],
            get(head, headers=HOST + b"X-Long: " + filler.replace(b"\xff", b"b") + b"\r\n"),
            get(head, headers=HOST + b"X-smsid=" + smsid + b": 1\r\n" * (length // 40)),
            b"G" * length + get(head),
        ]
    )
    return Case(kind="too long", data=data)


# ---------------------------------------------------------------- headers, methods, bodies


def odd_headers(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    line = chance.choice(
        [
            b"no colon smsid=" + smsid,
            b": smsid=" + smsid,
            b"X smsid : " + smsid,
            b"X: a\r\n folded smsid=" + smsid,
            b"Host: smsid=" + smsid,
            b"Host: a\r\nHost: b",
            b"Host:",
            b"X: \0" + smsid,
            b"X: \xff\xfe" + smsid,
            b"\xff: " + smsid,
            b"Cookie: smsid=" + smsid,
            b"Referer: http://x/?smsid=" + smsid,
            b"Content-Length: smsid=" + smsid,
            b"Content-Length: -1",
            b"Content-Length: +5",
            b"Content-Length: 0\r\nContent-Length: 5",
            b"Content-Length: 99999999999999999999999",
            b"Content-Length: 1e3",
            b"Transfer-Encoding: smsid=" + smsid,
            b"Transfer-Encoding: chunked\r\nContent-Length: 3",
            b"Transfer-Encoding: gzip, chunked",
            b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: smsid=" + smsid,
            b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            b"Expect: smsid=" + smsid,
            b"Expect: 100-continue",
            b"Connection: smsid=" + smsid,
            b"Content-Encoding: deflate",
            b"Range: bytes=0-5",
            b"X-HTTP-Method-Override: POST",
            b"\r\n".join(b"X-%d: smsid=%b" % (at, smsid) for at in range(chance.choice([50, 200, 2000]))),
        ]
    )
    data = call(smsid, headers=chance.choice([HOST, b""]) + line + b"\r\n")
    return Case(kind="odd headers", data=data)


METHODS = (
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"HEAD",
    b"TRACE",
    b"CONNECT",
    b"BREW",
    b"GETT",
    b"G",
    b"smsid=1",
)


def bodies(chance: random.Random, ids: Ids) -> Case:
    """A wrong method, or a GET with a body. What stands in the body, a whole call for one, is never a call."""
    outer, inner = ids(), ids()
    body = chance.choice([b"smsid=" + inner, call(inner), query(inner), b'{"smsid": "%b"}' % inner])
    if chance.random() < 0.7:
        headers, sent = b"Content-Length: %d\r\n" % len(body), body
    else:
        headers, sent = b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    if chance.random() < 0.2:
        headers += b"Expect: 100-continue\r\n"
    method = chance.choice([*METHODS, b"GET", b"GET"])
    data = call(outer, method=method, headers=HOST + headers) + sent
    return Case(kind="wrong methods and bodies", data=data, barred=(inner,))


def wrong_method(chance: random.Random, ids: Ids) -> Case:
    smsid = ids()
    return Case(kind="wrong methods", data=call(smsid, method=chance.choice(METHODS[:9])), barred=(smsid,))


# ---------------------------------------------------------------- the connection


def cut_off(chance: random.Random, ids: Ids) -> Case:
    data = good_call(chance, ids())
    return Case(kind="cut off", data=data[: chance.randrange(len(data))], abort=chance.random() < 0.5)


def gone(chance: random.Random, ids: Ids) -> Case:
    return Case(kind="gone before the answer", data=good_call(chance, ids()), abort=True)


def good_then_bad(chance: random.Random, ids: Ids) -> Case:
    first = good_call(chance, ids(), last=False)
    second = chance.choice([mutated, noise, bad_ids, odd_headers, bodies, versions, line_ends, odd_paths])(chance, ids)
    third = good_call(chance, ids())
    cuts = chance.choice([(), (len(first),), (len(first) + len(second.data),)])
    return Case(kind="good and bad in turn", data=first + second.data + third, cuts=cuts, barred=second.barred)


MALFORMED: Sequence[Generator] = (
    *(mutated,) * 6,
    *(noise, another_protocol),
    *(bad_escapes, bad_ids, doubled, nuls_and_halves, odd_queries) * 2,
    *(odd_paths, absolute, versions, line_ends) * 2,
    too_long,
    *(odd_headers, bodies) * 2,
    *(wrong_method, cut_off, gone),
    *(good_then_bad,) * 2,
)
GOOD: Sequence[Generator] = (cut_anywhere, raw_letters, one_after_the_other)


def kept_open(chance: random.Random, case: Case) -> Case:
    """Half of the callers do not ask to be closed after the answer: a listener may read their calls another way."""
    if case.abort or chance.random() < 0.5:
        return case
    data = case.data.replace(CLOSE, b"")
    return replace(case, data=data, cuts=tuple(cut for cut in case.cuts if cut < len(data)))


def malformed_case(seed: int, number: int) -> Case:
    chance = random.Random(f"{seed} {number}")
    return kept_open(chance, chance.choice(MALFORMED)(chance, Ids(number)))


_STRIDE = 7_919
"""A prime: few cases are spread over the whole call, many come to every byte of it."""


def good_case(seed: int, number: int) -> Case:
    """A good call that comes in an unusual way; every second one is cut in two, each somewhere else."""
    chance = random.Random(f"good {seed} {number}")
    generate = cut_at(number * _STRIDE) if number % 2 else chance.choice(GOOD)
    return kept_open(chance, generate(chance, Ids(9_000_000 + number)))
