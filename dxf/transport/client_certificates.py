"""Client certificates: checks of the files that hold one, and its key.

``registry`` decides which server sees it. Error messages name the file. They never quote its content.
"""

import errno
import os
import stat

from dxf.exceptions import DXFCertificateError

Cert = str | tuple[str, str]
"""As requests has it: a file with certificate and key, or a file of each."""

KEYLESS = 'it holds a certificate, but not its private key'

MAX_LENGTH = 1 << 20
"""Bytes of a file that are read."""


class _EncryptedError(Exception):
    """OpenSSL asks for a passphrase; by itself it would ask the terminal."""


def check_certificate(cert: Cert) -> Cert:
    """Return a client certificate, if its files can be used; no server sees it yet.

    :param cert: path of a file in PEM with the certificate, its chain and its key; or a pair of paths, of certificate
        and key
    :raises DXFCertificateError: they cannot
    """
    if isinstance(cert, str):
        certificate = key = cert
    else:
        certificate, key = cert
    # Checked now, with a name for what is wrong. OpenSSL would fail in the middle of a request, with its own words.
    _check_chain(certificate)
    if 'PRIVATE KEY-----' not in _read(key):
        raise DXFCertificateError(key, 'it holds no private key in PEM' if isinstance(cert, tuple) else KEYLESS)
    _check_pair(certificate, key)
    return cert


def _read(path: str) -> str:
    try:
        # Each connection reads it again: a pipe would be empty by then, and to open one may take for ever.
        if stat.S_ISFIFO(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, 'not a regular file')
        with open(path, 'rb') as file:
            return file.read(MAX_LENGTH).decode('ascii', 'ignore')
    except OSError as error:
        raise DXFCertificateError(path, error.strerror or 'cannot be read') from None
    except ValueError:  # a NUL character
        raise DXFCertificateError(path, os.strerror(errno.EINVAL)) from None


def _check_chain(path: str) -> None:
    import ssl  # few clients have a certificate
    # load_cert_chain alone would report a file in DER by a message of OpenSSL that names nothing.
    content = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError):
        raise DXFCertificateError(path, 'it holds no certificate in PEM') from None


def _check_pair(certificate: str, key: str) -> None:
    import ssl

    # Without a callback OpenSSL asks on the terminal, and a cron job would wait for ever.
    def passphrase() -> str:
        raise _EncryptedError

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, passphrase)
    except _EncryptedError:
        raise DXFCertificateError(key, 'its private key is encrypted, and dxf asks for no passphrase; '
                                       '"openssl pkey" writes one that is not') from None
    except ssl.SSLError as error:
        reason = 'its private key is not that of the certificate' if error.reason == 'KEY_VALUES_MISMATCH' else \
            f'it cannot be used ({(error.reason or "no PEM").replace("_", " ").lower()})'
        raise DXFCertificateError(key, reason) from None
    except OSError as error:
        raise DXFCertificateError(certificate, error.strerror or 'cannot be read') from None
