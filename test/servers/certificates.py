"""The certificates of the test servers: an authority made for the run, and what it signed.

Owns the PEM files and the server's TLS context. Knows nothing of registries or tokens.
"""

import ssl
from pathlib import Path

import trustme


class Certificates:
    """One authority and one server certificate, for this machine's own names only.

    :param directory: existing directory that receives the PEM files.

    ``client`` and ``client_key`` are a client's certificate and key, of the same authority, and ``both`` holds the two.

    ``ca``, ``certificate`` (the chain that a server presents) and ``key`` are paths, as strings because that
    is what requests, urllib3 and environment variables want.
    """

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        server = authority.issue_cert('localhost', '127.0.0.1', '::1')
        self.ca = str(directory / 'ca.pem')
        self.certificate = str(directory / 'server.pem')
        self.key = str(directory / 'server.key')
        self.client, self.client_key, self.both = (str(directory / f'client.{end}') for end in ('pem', 'key', 'both'))
        authority.cert_pem.write_to_path(self.ca)
        client = authority.issue_cert('fred@example.com')
        client.private_key_pem.write_to_path(self.client_key)
        client.cert_chain_pems[0].write_to_path(self.client)
        client.private_key_and_cert_chain_pem.write_to_path(self.both)
        server.private_key_pem.write_to_path(self.key)
        for pem in server.cert_chain_pems:
            pem.write_to_path(self.certificate, append=True)
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def context(self, asks: bool = False) -> ssl.SSLContext:
        """Return the TLS context of servers: one for all, as to read a key takes longer than to start a server.

        :param asks: whether it asks its clients for a certificate of the same authority, without insisting
        """
        if asks not in self._contexts:
            self._contexts[asks] = self._new_context(asks)
        return self._contexts[asks]

    def _new_context(self, asks: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if asks:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.ca)
        return context
