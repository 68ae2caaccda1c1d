"""A request that is turned away: the one error that the border answers with, and its status."""

from __future__ import annotations

from streams.records import LivetideError


class RefusedError(LivetideError):
    """A request that is not taken. ``status`` is HTTP's, ``retry_after`` whole seconds (0: no such header).

    ====  =====================================================================
    400   the body is not what its headers say (broken gzip, no Content-Length)
    401   no key, a wrong key, a wrong or stale signature
    408   the body did not arrive in time
    409   a signed request that was taken before
    413   more bytes or more events than a request may carry
    415   a content type or encoding that is not spoken here
    422   nothing readable, or a room or source that cannot be one
    429   chat that the room's rate or the log has no place for now
    503   the log did not acknowledge: send the whole request again
    ====  =====================================================================
    """

    def __init__(self, status: int, reason: str, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
