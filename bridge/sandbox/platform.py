"""The SMS platform simulated over real HTTP, in both directions: the send page and the calls to the bridge.

Why it exists: tests, the benchmark and ``sms-bridge sandbox`` need a platform that charges no real money, reports
exactly which SMS it took, and can fail as badly as a real one. It is written from the platform's document and must
never share code with the bridge's own client.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from bridge.model.base import Ms
from bridge.ports.clock import Clock
from bridge.sandbox.callbacks import Callbacks
from bridge.sandbox.caller import CallEncoding
from bridge.sandbox.faults import ArmedFault, ArmedFaults, Fault, RequestKind
from bridge.sandbox.ledger import Ledger, SimulatedAccount, TakenSms
from bridge.sandbox.records import THANKS, CallbackResult, EventKind, PlatformEvent, SeenRequest
from bridge.sandbox.sendpage import BalanceForm, PlatformVariant, SendPage, StatusForm
from bridge.sandbox.wire import RawServer, WireReply, WireRequest

__all__ = [
    "THANKS",
    "BalanceForm",
    "CallEncoding",
    "CallbackResult",
    "EventKind",
    "Fault",
    "PlatformEvent",
    "PlatformVariant",
    "RequestKind",
    "SeenRequest",
    "SimulatedAccount",
    "SimulatedPlatform",
    "StatusForm",
    "TakenSms",
]

HOST = "127.0.0.1"


class SimulatedPlatform:
    """One platform with one account. Start it, give :attr:`url` to the bridge, read :attr:`book`.

    :param port: of 127.0.0.1; 0 takes a free one.
    :param first_id: id of the first SMS taken; by default the clock's time, so that a new process repeats none.
    :param keep_book: False only counts (for benchmarks): no book, no requests, and only the last status.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        account: SimulatedAccount | None = None,
        variant: PlatformVariant | None = None,
        port: int = 0,
        on_event: Callable[[PlatformEvent], None] | None = None,
        first_id: int | None = None,
        keep_book: bool = True,
    ) -> None:
        start = max(clock.now(), 1_000_000_000)
        self._clock = clock
        self._on_event = on_event
        self._keep_book = keep_book
        account = account or SimulatedAccount()
        self._ledger = Ledger(
            account, clock=clock, first_id=start if first_id is None else first_id, keep_book=keep_book
        )
        self._page = SendPage(self._ledger, account, variant or PlatformVariant())
        self._server = RawServer(self, HOST, port)
        self._faults = ArmedFaults()
        self._waiters: set[asyncio.Future[None]] = set()
        self._callbacks = Callbacks(clock, first_smsid=start, on_result=self._called_back)
        self.requests: list[SeenRequest] = []
        """Every request that was read, oldest first."""
        self.callback_results: list[CallbackResult] = []
        """The results of all callbacks, oldest first."""
        self.counts: Counter[RequestKind] = Counter()
        """Requests of each kind that were read; counted without a book, too."""
        self.connections = 0
        """TCP connections accepted so far."""

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen. May be called again after :meth:`stop`: the port and the book stay the same."""
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """``http://host:port``, the account's ``url``. Valid after :meth:`start`."""
        return f"http://{HOST}:{self._server.port}"

    @property
    def book(self) -> list[TakenSms]:
        """All SMS that were taken and charged, in that order: the truth about what was sent."""
        return self._ledger.book

    @property
    def taken(self) -> int:
        """``len(book)``; counted without a book, too."""
        return self._ledger.taken

    @property
    def parked(self) -> int:
        """Requests that were accepted without money and wait for :meth:`top_up`."""
        return len(self._ledger.parked)

    @property
    def balance(self) -> float:
        return self._ledger.balance

    @balance.setter
    def balance(self, amount: float) -> None:
        self._ledger.balance = amount

    @property
    def variant(self) -> PlatformVariant:
        return self._page.variant

    @variant.setter
    def variant(self, variant: PlatformVariant) -> None:
        self._page.variant = variant

    def sent_to(self, recipient: str) -> list[TakenSms]:
        return [sms for sms in self.book if sms.recipient == recipient]

    # ------------------------------------------------------------ faults

    def misbehave(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        recipient: str | None = None,
        delay: Ms = 0,
        on: RequestKind | None = RequestKind.SEND,
        taken: bool | None = None,
    ) -> None:
        """Apply a fault to the next ``times`` matching requests (None: all). The fault armed first applies first.

        :param recipient: only requests to this number, or about an SMS to it.
        :param delay: milliseconds before the fault shows (``TRICKLE``: between two bytes).
        :param on: only requests of this kind; ``None``: any.
        :param taken: whether the SMS is taken and charged; by default the fault decides.
        """
        self._faults.arm(
            ArmedFault(fault=fault, times_left=times, recipient=recipient, delay=delay, kind=on, taken=taken)
        )

    def behave(self) -> None:
        """Forget every armed fault."""
        self._faults.clear()

    def close_idle(self) -> int:
        """Close the idle connections that clients keep alive. Returns their number."""
        return self._server.close_idle()

    # ------------------------------------------------------------ statuses and money

    def set_status(self, platform_id: str, word: str) -> None:
        """Answer every later poll of this id with ``word``."""
        self._ledger.set_word(platform_id, word)
        self._notify(EventKind.REPORTED)

    def plan_statuses(self, *words: str, recipient: str | None = None) -> None:
        """Set the answers to the first, second, … poll of an SMS; the last is repeated. For one recipient, or for all.

        For SMS that were not polled yet. The default is ``Send``, then ``deliver``.
        """
        self._ledger.plan_words(words, recipient)

    def top_up(self, amount: float) -> None:
        """Add money, and send parked requests while it lasts."""
        for sms in self._ledger.top_up(amount):
            self._notify(EventKind.TAKEN, sms=sms)

    # ------------------------------------------------------------ waiting

    async def wait_for(self, predicate: Callable[[SimulatedPlatform], bool], timeout_s: float = 10) -> None:
        """Wait until ``predicate(self)`` holds. It is called now and after every event.

        :raises TimeoutError: it did not hold in time; the message says what was seen.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate(self):
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiters.discard(waiter)
        except TimeoutError as error:
            seen = ", ".join(f"{count} {kind}" for kind, count in self.counts.items()) or "no requests"
            raise TimeoutError(
                f"not so within {timeout_s} s; {self.taken} SMS taken, {self.parked} parked, {seen}, "
                f"{len(self.callback_results)} callbacks"
            ) from error

    def _notify(
        self,
        kind: EventKind,
        *,
        request: SeenRequest | None = None,
        sms: TakenSms | None = None,
        result: CallbackResult | None = None,
        recipient: str = "",
    ) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._on_event is not None:
            self._on_event(
                PlatformEvent(
                    kind=kind,
                    at=self._clock.now(),
                    request=request,
                    sms=sms,
                    result=result,
                    recipient=recipient,
                )
            )

    # ------------------------------------------------------------ the send page (called by the connections)

    def connected(self) -> int:
        self.connections += 1
        return self.connections

    def cut_unread(self) -> bool:
        cut = self._faults.for_connection()
        if cut:
            self._notify(EventKind.CUT)
        return cut

    def answer(self, request: WireRequest) -> WireReply:
        asked = self._page.read(request)
        armed = self._faults.for_request(asked.kind, self._page.numbers_of(asked)) if self._faults else None
        reply = self._page.reply(asked, armed)
        self.counts[asked.kind] += 1
        seen = None
        if self._keep_book:
            seen = SeenRequest(
                kind=asked.kind,
                at=self._clock.now(),
                fields={name: value for name, value in asked.fields.items() if name != "pwd"},
                method=asked.method,
                path=asked.path,
                connection=request.connection,
                fault=armed.fault if armed else None,
                answer=reply.words,
            )
            self.requests.append(seen)
        for sms in reply.taken:
            self._notify(EventKind.TAKEN, sms=sms)
        self._notify(EventKind.ASKED, request=seen)
        return reply.wire

    # ------------------------------------------------------------ calling the bridge

    async def send_callback(
        self,
        callback_url: str,
        *,
        text: str,
        sender: str,
        receiver: str = "1234",
        prefix: str = "",
        smsid: str | None = None,
        encoding: CallEncoding | str = CallEncoding.UTF_8,
        date: str | None = None,
        attempts: int = 1,
        gap: Ms = 0,
    ) -> CallbackResult:
        """Call the bridge with an inbound SMS, up to ``attempts`` times until the answer contains the id.

        :param callback_url: may have a query of its own (a secret); the fields of the message follow it.
        :param date: the date as written in the call; by default the time in Moscow.
        :param gap: milliseconds of the clock between two calls.
        """
        message = self._callbacks.write(
            callback_url,
            text=text,
            sender=sender,
            receiver=receiver,
            prefix=prefix,
            smsid=smsid,
            encoding=CallEncoding(encoding),
            date=date,
        )
        self._notify(EventKind.THANKED, recipient=sender)
        return await self._callbacks.send(message, attempts=attempts, gap=gap)

    async def redeliver(self, smsid: str, times: int = 1) -> list[CallbackResult]:
        """Repeat a callback of :meth:`send_callback` byte by byte, whether it was acknowledged or not."""
        return await self._callbacks.redeliver(smsid, times)

    async def send_raw_callback(self, callback_url: str, raw_query: bytes, method: str = "GET") -> CallbackResult:
        """Call with exactly these bytes as the query. ``smsid`` of the result is the first one in the query."""
        return await self._callbacks.send_raw(callback_url, raw_query, method)

    def _called_back(self, result: CallbackResult) -> None:
        if self._keep_book:
            self.callback_results.append(result)
        self._notify(EventKind.CALLED_BACK, result=result)
