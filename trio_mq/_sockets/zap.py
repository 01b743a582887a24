"""Asks the ZAP handler of a context about peers (RFC 27)."""

from __future__ import annotations

from itertools import count
from typing import Final

import attrs

from trio_mq._context import ZAP_HANDLER, Context
from trio_mq._sockets.routing import Dealer
from trio_mq.auth.request import Request, Verdict
from trio_mq.auth.zap import decode_reply, encode_request

_numbers: Final = count(1)


@attrs.frozen(eq=False, repr=False)
class AskHandler:
    """An authenticator that asks the handler, in a conversation of its own for each peer.

    A handler that has gone, or says nothing, is an authenticator that takes too long: it lets
    nobody in.
    """

    _context: Context

    async def __call__(self, request: Request) -> Verdict:
        """Ask, and return the answer.

        Raises:
            ValueError: It is none.
        """
        request_id = b"%d" % next(_numbers)
        async with Dealer(
            connect=f"inproc://{ZAP_HANDLER}", context=self._context, linger=0
        ) as dealer:
            # A Rep reads the empty frame as the end of the envelope, a Router passes it on.
            await dealer.send([b"", *encode_request(request, request_id)])
            delimiter, *reply = await dealer.receive()
        if delimiter:
            raise ValueError("a ZAP reply begins with an empty frame")
        return decode_reply(reply, request_id)
