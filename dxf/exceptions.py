"""The error tree: everything that dxf raises of its own.

Failures of the network below HTTP stay the classes of ``requests`` (``ConnectionError``, ``Timeout`` ...)::

    DXFError
    +-- DXFUnexpectedError                  something was `got` where something else was `expected`
    |   +-- DXFUnexpectedStatusCodeError
    |   +-- DXFDigestMismatchError
    |   +-- DXFSizeMismatchError
    |   +-- DXFUnexpectedKeyTypeError
    |   +-- DXFUnexpectedDigestMethodError
    +-- DXFHTTPError                        also a requests.exceptions.HTTPError, with its .response
    |   +-- DXFNotFoundError                the registry does not have it: 404; also a FileNotFoundError
    +-- DXFUnauthorizedError                the registry or its token server answered 401
    +-- DXFAuthInsecureError                a credential would have crossed plain HTTP
    +-- DXFInvalidNameError                 also a ValueError: a host, repository, alias or digest
    |   +-- DXFFileNotFoundError            a file that an artifact does not have; also a FileNotFoundError
    |   +-- DXFIsADirectoryError            also an IsADirectoryError: a folder of an artifact, opened as a file
    +-- DXFCertificateError                 also a ValueError: a client certificate that cannot be used
    +-- DXFInvalidDocumentError             also a ValueError: JSON or a manifest that breaks its grammar
    +-- DXFProtocolError                    a response that the protocol does not allow
    +-- DXFSourceError                      what was to be uploaded changed, or cannot be read again
    +-- DXFAmbiguousAliasError              an alias could mean several manifests of a folder
    +-- DXFConflictError                    an alias names another manifest than the caller expects
    +-- DXFCredentialsError                 a stored credential cannot be read
    |   +-- DXFCredentialHelperError        the program that keeps it is missing, or failed
    +-- DXFMountFailed
    +-- DXFUnsupportedSchemaType
    +-- DXFPlatformDataNotFound
    |   +-- DXFInvalidPlatformError         also a DXFInvalidNameError: what is no platform has no data
    +-- DXFDigestNotAvailableForSchema1
    +-- DXFMissingSignaturesError           also a KeyError: a schema 1 manifest without signatures
    +-- DXFDisallowedSignatureAlgorithmError
    +-- DXFSignatureChainNotImplementedError
"""

import errno
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

    from dxf.http_errors import DXFHTTPError, DXFNotFoundError
else:
    def __getattr__(name: str) -> type[Exception]:
        """Return an error of ``http_errors``, which loads requests; then this function is not needed any more."""
        if name not in HTTP_ERRORS:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        errors = import_module('dxf.http_errors')
        globals().update({each: getattr(errors, each) for each in HTTP_ERRORS})
        globals().pop('__getattr__', None)
        return globals()[name]

HTTP_ERRORS = ('DXFHTTPError', 'DXFNotFoundError')
"""The errors that are errors of requests too. They are loaded when they are first used."""

__all__ = [
    'DXFAmbiguousAliasError', 'DXFAuthInsecureError', 'DXFCertificateError', 'DXFConflictError',
    'DXFCredentialHelperError', 'DXFCredentialsError', 'DXFDigestMismatchError',
    'DXFDigestNotAvailableForSchema1', 'DXFDisallowedSignatureAlgorithmError', 'DXFError',
    'DXFFileNotFoundError', 'DXFHTTPError', 'DXFInvalidDocumentError', 'DXFInvalidNameError',
    'DXFInvalidPlatformError', 'DXFIsADirectoryError',
    'DXFMissingSignaturesError', 'DXFMountFailed', 'DXFNotFoundError', 'DXFPlatformDataNotFound', 'DXFProtocolError',
    'DXFSignatureChainNotImplementedError', 'DXFSizeMismatchError', 'DXFSourceError', 'DXFUnauthorizedError',
    'DXFUnexpectedDigestMethodError', 'DXFUnexpectedError', 'DXFUnexpectedKeyTypeError',
    'DXFUnexpectedStatusCodeError', 'DXFUnsupportedSchemaType',
]


class DXFError(Exception):
    """The root of every error that dxf raises."""


class DXFUnexpectedError(DXFError):
    """Something was expected and something else came.

    :param got: what came, of any type
    :param expected: what should have come, of any type
    """

    def __init__(self, got: object, expected: object) -> None:
        super().__init__(got, expected)
        self.got = got
        self.expected = expected

    def __str__(self) -> str:
        return f'expected {self.expected}, got {self.got}'


class DXFUnexpectedStatusCodeError(DXFUnexpectedError):
    """The registry answered with a status that the step does not know."""

    def __str__(self) -> str:
        return f'expected status code {self.expected}, got {self.got}'


class DXFDigestMismatchError(DXFUnexpectedError):
    """Content does not have the digest by which it was asked for."""

    def __str__(self) -> str:
        return f'expected digest {self.expected}, got {self.got}'


class DXFSizeMismatchError(DXFUnexpectedError):
    """Content does not have the size that was declared for it.

    :param digest: the blob's, where a manifest declared another size than the registry
    """

    def __init__(self, got: object, expected: object, digest: str | None = None) -> None:
        super().__init__(got, expected)
        self.digest = digest

    def __str__(self) -> str:
        if self.digest is not None:
            return f'the manifest says that {self.digest} has {self.expected} bytes, and it has {self.got}'
        return f'expected {self.expected} bytes, got {self.got}'


class DXFUnexpectedKeyTypeError(DXFUnexpectedError):
    """A schema 1 signature was made with a kind of key that proves nothing."""

    def __str__(self) -> str:
        return f'expected key type {self.expected}, got {self.got}'


class DXFUnexpectedDigestMethodError(DXFUnexpectedError):
    """A digest of another algorithm than sha256."""

    def __str__(self) -> str:
        return f'expected digest method {self.expected}, got {self.got}'


class DXFUnauthorizedError(DXFError):
    """The registry, or the token server it names, answered 401.

    :param response: the server's, if there is one
    :param reason: which credential was refused, or what to do where there was none
    """

    host: str | None = None
    """The host of the registry, if a request of the registry ended with this error."""

    def __init__(self, text: str = 'unauthorized', response: 'Response | None' = None, reason: str = '') -> None:
        super().__init__(text)
        self.text = text
        self.response = response
        self.reason = reason

    def __str__(self) -> str:
        separator = '; ' if ':' in self.text else ': '
        return f'{self.text}{separator}{self.reason}' if self.reason else self.text


class DXFAuthInsecureError(DXFError):
    """Authentication was asked for over plain HTTP, where everybody could read the credential."""

    def __init__(self, text: str = 'Auth requires HTTPS') -> None:
        super().__init__(text)


class DXFInvalidNameError(DXFError, ValueError):
    """A host, repository, alias, platform or digest that breaks its grammar."""


class DXFFileNotFoundError(DXFInvalidNameError, FileNotFoundError):
    """An artifact has no file of a name.

    :param name: the file's
    :param names: what it has
    """

    def __init__(self, name: str, names: list[str]) -> None:
        super().__init__(name, names)
        self.name = name
        self.names = names
        self.errno = errno.ENOENT

    def __str__(self) -> str:
        others = f'but {", ".join(map(repr, self.names))}' if self.names else 'and no other with a name'
        return f'there is no file {self.name!r} in it, {others}'


class DXFIsADirectoryError(DXFInvalidNameError, IsADirectoryError):
    """A folder of an artifact was opened as a file.

    :param name: the folder's
    :param reason: how it is stored
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason
        self.errno = errno.EISDIR

    def __str__(self) -> str:
        return f'{self.name!r} is no file in it: {self.reason}'


class DXFCertificateError(DXFError, ValueError):
    """The files of a client certificate cannot be used.

    :param path: the file's
    :param reason: what is wrong with it
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f'cannot use {self.path}: {self.reason}'


class DXFInvalidDocumentError(DXFError, ValueError):
    """JSON, or a manifest, that is not what it should be."""


class DXFProtocolError(DXFError):
    """A response that the protocol does not allow, or that is larger than dxf reads."""


class DXFSourceError(DXFError):
    """What was to be uploaded changed on the way, or cannot be read a second time."""


class DXFAmbiguousAliasError(DXFError):
    """An alias could mean several manifests of a folder; the text lists them."""


class DXFConflictError(DXFError):
    """An alias names another manifest than the caller expects, or another client has set it meanwhile."""


class DXFCredentialsError(DXFError):
    """What was stored as a credential cannot be read, or the program that keeps it failed."""


class DXFCredentialHelperError(DXFCredentialsError):
    """A credential helper (``docker-credential-*``) is missing, or failed."""


class DXFMountFailed(DXFError):
    """The registry did not mount a blob from the other repository."""

    def __init__(self, text: str = 'the registry did not mount the blob') -> None:
        super().__init__(text)


class DXFUnsupportedSchemaType(DXFError):
    """A manifest of a media type that dxf does not read.

    :param media_type: the type
    """

    def __init__(self, media_type: object) -> None:
        super().__init__(media_type)
        self.media_type = media_type

    def __str__(self) -> str:
        return f'unsupported manifest type {self.media_type}'


class DXFPlatformDataNotFound(DXFError):
    """A multi-platform alias has nothing for the platform.

    :param platform: ``os/architecture[/variant]``
    """

    def __init__(self, platform: object) -> None:
        super().__init__(platform)
        self.platform = platform

    def __str__(self) -> str:
        return f'no data for platform {self.platform}'


class DXFInvalidPlatformError(DXFPlatformDataNotFound, DXFInvalidNameError):
    """A platform that breaks its grammar; no alias has anything for it.

    :param platform: what was given
    """

    def __str__(self) -> str:
        return f'invalid platform {str(self.platform)[:255]!r}: want os/architecture[/variant]'


class DXFDigestNotAvailableForSchema1(DXFError):
    """A schema 1 manifest has no configuration, hence no image digest."""

    def __init__(self, text: str = 'a schema 1 manifest has no configuration digest') -> None:
        super().__init__(text)


class DXFMissingSignaturesError(DXFError, KeyError):
    """A schema 1 manifest that carries no signature, where one was to be verified."""

    def __str__(self) -> str:
        return 'the schema 1 manifest carries no signatures'


class DXFDisallowedSignatureAlgorithmError(DXFError):
    """A schema 1 signature by an algorithm that proves nothing.

    :param alg: the algorithm's name in the JWS header
    """

    def __init__(self, alg: object) -> None:
        super().__init__(alg)
        self.alg = alg

    def __str__(self) -> str:
        return f'disallowed signature algorithm {self.alg}'


class DXFSignatureChainNotImplementedError(DXFError):
    """A schema 1 signature by a certificate chain (``x5c``), which dxf does not verify."""

    def __init__(self, text: str = 'verification with a chain is not implemented') -> None:
        super().__init__(text)
