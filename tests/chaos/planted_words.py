"""The words that ``provocations`` plants, each in its field, and what a platform answers to bring them out again."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.sandbox.faults import Fault

WORD = "Канарейка"
LOGIN = "kanareyka-login-7q"
PASSWORD = "Пароль кенара/7Qz+'x"
TOKEN = "987654321:KaNaReYkA-token_0123456789abcdef"
SECRET = "s3cret-канарейки+path"
WRONG_SECRET = "wr0ng-kanareyka-secret"
TEXT = f"{WORD} спросила: где мой заказ?"
REPLY = f"Ответ для {WORD}: завтра утром"
OPERATOR = f"{WORD} отвечает из чата"
PERSON = "Кенарь Попугаев"
NUMBER = "7916{:07d}"
NUMBERS = 400
"""Subscribers; each provocation has one of its own."""
FIRST_OF_FAULTS = 200

SECRETS: Mapping[str, str] = {
    "login": LOGIN,
    "password": PASSWORD,
    "end of the password": PASSWORD.partition(" ")[2],
    "token": TOKEN,
    "secret of the callback": SECRET,
    "wrong secret": WRONG_SECRET,
}
TEXTS: Mapping[str, str] = {"text of an SMS": WORD}
NAMES: Mapping[str, str] = {"name of a person": PERSON}

RULES = f"""\
rules:
  - name: broken
    when: {{keyword: сломано}}
    reply: "{{{{ words[7] }}}}"
  - name: ask
    when: {{keyword: эхо}}
    reply: "{REPLY}, {{{{ args }}}}"
  - name: everything-else
    forward: support
    note: "{{{{ text }}}}"
"""

SLOW = (Fault.HANG, Fault.HANG_AFTER_TAKING, Fault.TRICKLE, Fault.SLOW)
REFUSALS = tuple(fault for fault in Fault if fault not in SLOW)
"""Each is met by an account of its own: some hold the account."""
WRONG_LOGIN = "Неправильный логин или пароль: ".encode("cp1251")
ECHOES = (
    b"HTTP/1.1 200 OK\r\n\r\nUnknown command: %b",
    b"HTTP/1.1 200 OK\r\n\r\n" + WRONG_LOGIN + b"%b",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><a href='%b'>error</a></html>",
    b"HTTP/1.1 500 Internal Server Error\r\n\r\n%b",
    b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid%b\r\n\r\n",
    b"HTTP/1.1 200 %b\r\n\r\n0",
    b"%b\r\n\r\n",
)
"""Answers of a platform that quotes the request: as it came, and with its escapes undone. An account for each."""
