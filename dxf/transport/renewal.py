"""Sessions after a fork: the child gets no connection and no lock of its parent, whose connections stay open.

``forking`` decides when.
"""

import threading
from queue import LifoQueue
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar


def reset_session_after_fork(session: Session) -> None:
    """Give a session, a caller's own too, no connection and no lock of the process that this one was forked from."""
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            reset_after_fork(adapter)
    if isinstance(session.cookies, RequestsCookieJar):
        session.cookies = session.cookies.copy()  # with a lock of its own


def reset_after_fork(adapter: Any) -> None:
    """Give a transport empty pools, in a child after a fork; the connections of its parent stay open there.

    The locks of the old pools may be held by threads that no longer exist, so none of them is used. The sockets are
    closed without a word on them: TLS is not shut down, as the parent goes on with it.

    :param adapter: an ``HTTPAdapter`` of requests, or of a subclass; it is left as if it had been pickled
    """
    for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
        # A thread of the parent may hold the old lock. That thread does not exist here, and would never release it.
        manager.pools.lock = threading.RLock()
        for key in manager.pools.keys():
            waiting = manager.pools.get(key).pool
            if waiting is not None:
                connections = list(waiting.queue)
                LifoQueue.__init__(waiting, waiting.maxsize)  # urllib3 empties it later, by a lock that is free then
                for connection in filter(None, connections):
                    connection.close()
    # requests keeps no pool when an adapter is pickled, and makes new ones when it is loaded.
    adapter.__setstate__(adapter.__getstate__())
