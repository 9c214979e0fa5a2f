"""Private names of other packages that dxf overrides or relies on, each with what was read and why.

A release of these packages may drop them without notice: ``test/transport/test_private_names.py`` fails then. This
module is documentation that is tested, and no other module imports it.
"""

from typing import NamedTuple

READ_IN = {'urllib3': '2.8.0', 'requests': '2.34.2', 'http.client': '3.11.7'}
"""The releases in which the code around these names was read."""


class PrivateName(NamedTuple):
    """A private name: the class that has it, its first parameters, the class of dxf that overrides it, and why."""

    owner: str
    name: str
    parameters: tuple[str, ...]
    overridden_in: str
    reason: str


# urllib3 and http.client have no public way to do these.
PRIVATE_NAMES = (
    PrivateName('http.client.HTTPResponse', '_read_status', ('self',), 'transport.adapter._Answer',
                'skips interim responses of any status'),
    PrivateName('http.client.HTTPConnection', '_tunnel', ('self',), 'transport.adapter._SlowBodyConnection',
                "bounds a proxy's response to CONNECT, and keeps its words out of the error"),
    PrivateName('urllib3.connectionpool.HTTPConnectionPool', '_make_request', ('self', 'conn', 'method', 'url'),
                'transport.adapter._Pool', 'sets the time limit of a body, and keeps the escapes of a URL'),
    PrivateName('urllib3.connectionpool.HTTPConnectionPool', '_put_conn', ('self', 'conn'),
                'transport.adapter._Pool', 'does not keep a connection to a proxy that forwards'),
)

RELIED_ON = (
    ('http.client.HTTPConnection', 'response_class'), ('urllib3.connection.HTTPConnection', 'proxy_is_forwarding'),
    ('urllib3.connectionpool.HTTPConnectionPool', 'ConnectionCls'), ('requests.adapters.HTTPAdapter', '__getstate__'),
    ('requests.adapters.HTTPAdapter', '__setstate__'), ('requests.adapters.HTTPAdapter', 'init_poolmanager'),
    ('requests.adapters.HTTPAdapter', 'proxy_manager_for'), ('requests.adapters.HTTPAdapter', 'proxy_headers'),
    ('requests.adapters.HTTPAdapter', 'get_connection_with_tls_context'),
    ('requests.sessions.SessionRedirectMixin', 'get_redirect_target'),
)
"""Names without an underscore that applications rarely touch: a change there is as quiet."""

MADE = (('poolmanager', 'pools'), ('pools', 'lock'), ('pool', 'pool'), ('queue', 'queue'), ('queue', 'maxsize'),
        ('poolmanager', 'pool_classes_by_scheme'), ('response', 'fp'), ('response', 'length'), ('response', 'chunked'),
        ('raw', '_fp'), ('raw', 'length_remaining'))
"""Attributes of the objects that a request makes, by what has them."""
