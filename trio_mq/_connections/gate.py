"""The question whether a peer may come in, within its handshake.

Nobody comes in because something failed. An authenticator that raises, takes too long, or answers
something other than `Granted` or `Refused` counts as a refusal with status 500, and the log says
why in one line. The peer's credentials never get into the log or an event. Neither does the
exception itself, since its traceback holds them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from trio_mq._connections.authenticator_failure import ends_the_task, failure_text
from trio_mq._connections.doorkeeper import TURN_SECONDS, Doorkeeper
from trio_mq._errors import AuthenticationFailed
from trio_mq._options import Options
from trio_mq._peer import HangsUp
from trio_mq._transports.stream import ByteStream
from trio_mq.auth.request import Authenticator, Granted, Refused, Request, Revocation, Verdict
from trio_mq.zmtp import Connection, PeerProperties
from trio_mq.zmtp.greeting import GREETING_SIZE


class Gate:
    """Where one peer waits for the authenticator's answer.

    Args:
        stream: Says where the peer is, and which certificate it has shown.
        connection: Of the peer; is told the answer.
        options: Those of the endpoint.
        endpoint: The endpoint of ours.
        accepted: The peer has connected to us.
        keeper: Limits how many may ask at a time.
        link: Is ended when the grant is taken back.
    """

    __slots__ = (
        "_accepted",
        "_address",
        "_connection",
        "_endpoint",
        "_heard",
        "_keeper",
        "_link",
        "_on_revoked",
        "_options",
        "_paid",
        "_passed",
        "_revocations",
        "_stream",
        "in_line",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        options: Options,
        *,
        endpoint: str,
        accepted: bool,
        keeper: Doorkeeper,
        link: HangsUp,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._options = options
        self._endpoint = endpoint
        self._address = stream.peer_address
        self._accepted = accepted
        self._keeper = keeper
        self._link = link
        #: The peer waits for us: until we may compute, or for the authenticator.
        self.in_line: bool = False
        #: Bytes of the handshake that have come.
        self._heard = 0
        #: Seconds of the processor that its turns allow and that it has not used.
        self._paid = 0.0
        self._passed = False
        #: Who may take the grant back, and what they call then.
        self._revocations: tuple[Revocation, ...] = ()
        self._on_revoked: Callable[[], None] | None = None

    async def wait_in_line(self, size: int) -> None:
        """Wait in line if the next ``size`` bytes may be the first that make us compute."""
        before, self._heard = self._heard, self._heard + size
        mechanism = self._options.mechanism
        if mechanism is None or mechanism.name != "CURVE":
            return
        # A client answers a greeting with its HELLO, a server a HELLO with its WELCOME.
        costly = GREETING_SIZE + mechanism.as_server
        if before < costly <= self._heard:
            await self.take_turn()

    async def take_turn(self) -> None:
        """Wait in line until a handshake may make us compute."""
        self.in_line = True
        await self._keeper.may_compute()
        self._paid += TURN_SECONDS
        self.in_line = False

    def computed(self, seconds: float) -> None:
        """Say that the peer made us compute for that long, in the processor's time."""
        self._paid -= seconds
        if self._paid < 0:
            self._keeper.computed_longer(-self._paid)
            self._paid = 0.0

    async def judge(
        self, credentials: tuple[bytes, ...], claimed: PeerProperties | None, mechanism: str
    ) -> None:
        """Ask about what a peer has shown, and let the handshake go on.

        Raises:
            AuthenticationFailed: It may not come in; the connection has been told.
        """
        request = Request.of(
            mechanism,
            credentials,
            claimed,
            domain=self._options.zap_domain,
            address=self._address,
            endpoint=self._endpoint,
            certificate=self._stream.certificate(),
        )
        self.in_line = True
        verdict = await self._verdict(request)
        self.in_line = False
        if isinstance(verdict, Refused):
            if verdict.status == 400:
                self._keeper.refused(self._address)
            raise self._refusal(verdict)
        self._passed = True
        self._connection.authenticated(verdict.user_id, verdict.metadata)
        self._revocations = verdict.revocations
        if self._revocations:
            self._on_revoked = on_revoked = partial(self._link.hang_up, "revoked")
            for revocation in self._revocations:
                revocation.tell(on_revoked)

    @property
    def has_a_question(self) -> bool:
        """The peer was accepted, its mechanism had no question, and somebody is there to ask.

        Under NULL there are no credentials, and a server that connects to a client needs none;
        but the authenticator may have something against the address.
        """
        return self._accepted and not self._passed and self._options.authenticator is not None

    @property
    def may_be_revoked(self) -> bool:
        """The grant may be taken back: there is something left to do after the handshake."""
        return self._on_revoked is not None

    def leave(self) -> None:
        """The connection has ended: a revocation does not concern it any more."""
        if self._on_revoked is not None:
            for revocation in self._revocations:
                revocation.forget(self._on_revoked)

    def _refusal(self, refused: Refused) -> AuthenticationFailed:
        status = str(refused.status)
        # A peer that may come again later is told nothing: after an ERROR libzmq never dials again.
        if refused.status != 300:  # RFC 27, "temporary error"
            self._connection.refuse(status)
        why = f": {refused.reason}" if refused.reason else ""
        return AuthenticationFailed(f"we refused {self._address} with status {status}{why}", status)

    async def _verdict(self, request: Request) -> Verdict:
        authenticator, timeout = self._options.authenticator, self._options.limits.auth_timeout
        if authenticator is None:
            return self._failed("there is none")
        with trio.move_on_after(timeout) as waiting:
            await self._keeper.questions.acquire()
        if waiting.cancelled_caught:
            most = self._options.limits.max_authentications
            return Refused(300, f"max_authentications={most} others were being asked about")
        try:
            return await self._answer(authenticator, request)
        finally:
            self._keeper.questions.release()

    async def _answer(self, authenticator: Authenticator, request: Request) -> Verdict:
        problem = ""
        timeout = self._options.limits.auth_timeout
        with trio.move_on_after(timeout):
            try:
                answer = await _ask(authenticator, request)
            except BaseException as error:
                if ends_the_task(error):
                    raise
                problem = f"it raised {failure_text(error, request)}"
            else:
                if isinstance(answer, (Granted, Refused)):
                    return answer
                problem = f"it returned a {type(answer).__name__}, not Granted or Refused"
        return self._failed(problem or f"it took longer than auth_timeout={timeout:g} seconds")

    def _failed(self, problem: str) -> Refused:
        self._keeper.complain(
            "%s refuses %s, since its authenticator failed: %s",
            self._endpoint,
            self._address,
            problem,
        )
        return Refused(500, f"the authenticator failed: {problem}")


@trio.lowlevel.disable_ki_protection
async def _ask(authenticator: Authenticator, request: Request) -> object:
    # The caller checks what it is: annotations promise nothing about other people's code.
    answer: Awaitable[object] = authenticator(request)
    return await answer
