"""Names: the grammar of registries, repositories, aliases, digests and platforms, and the hash behind a digest.

A name that a caller gives is checked before a request is made with it. A name that a server sends is checked before it
reaches a URL or the screen. What the names refer to is not known here.
"""

import hashlib
import os
import re
from ipaddress import AddressValueError, IPv6Address
from typing import Any

from dxf.arguments import check_bytes, check_text
from dxf.exceptions import DXFInvalidNameError, DXFUnexpectedDigestMethodError
from dxf.masking import without_password

DOCKER_HUB = 'registry-1.docker.io'

FOLDER = 'oci:'
"""How the name of a registry begins that is a folder: the name of the transport in skopeo, too."""

TO_COMMAND = 'the repository is given to the command'
_OTHER_SCHEMES = ('s3://', 'gs://', 'az://', 'ssh://', 'sftp://', 'ftp://', 'smb://', 'nfs://', 'rsync://')
_DOCKER_HUB_NAMES = ('', 'docker.io', 'index.docker.io', DOCKER_HUB)
_LABEL = r'[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
_HOST = rf'(?a)(?P<name>{_LABEL}(?:\.{_LABEL})*|\[(?P<v6>[0-9A-Fa-f:.]+)\])?(?::(?P<port>[0-9]{{1,5}}))?'
_COMPONENT = r'[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*'
_REPOSITORY = rf'(?a){_COMPONENT}(?:/{_COMPONENT})*'
_TAG = r'(?a)[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'
_FULL_REFERENCE = r'(?a)[A-Za-z0-9_][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._:@+-]*)*'
_DIGEST = r'(?as)(?:sha(?:256|384|512)|md5|blake3):.*'
_SHA256 = r'(?a)[a-f0-9]{64}'
_SHA256_DIGEST = r'(?a)sha256:[a-f0-9]{64}'
_URL = r'(?as)([A-Za-z][A-Za-z0-9+.-]*://)?([^/]*)(/.*)?'
_FOLDER_WORD = r'(?as)(?i:oci|oci-layout|dir|file|folder)[:=](?=.*[^0-9])(.*)'
"""A folder as other programs write it; digits alone would be a port."""
_FOLDERS = ('', '.', '..', '~')
"""How paths begin, up to the first slash."""
_PLATFORM = r'(?a)[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)?'

HOST_LENGTH, NAME_LENGTH, REFERENCE_LENGTH = 253, 255, 1024
LONGEST_ADDRESS = 8192
"""Characters in which a password is looked for; those of ECR have about 2000."""


def _shown(name: str) -> str:
    """Return a name as a message shows it: quoted, without a password, and no longer than a name can be."""
    # Cut last: a long password may fill what is shown, and without the @ behind it would pass for a name.
    return repr(without_password(name[:LONGEST_ADDRESS])[:NAME_LENGTH])


def _plain(name: str) -> str:
    """Return a name as it is typed, with escapes for what cannot be printed, and no longer than a name can be."""
    return _shown(name)[1:-1]


def check_host(host: str) -> str:
    """Return the registry's host, in the one spelling that dxf uses for it.

    :param host: ``name[:port]``: a DNS name, an IPv4 address or ``[IPv6]``; Docker Hub's other names
        (the empty string among them) become ``registry-1.docker.io``
    :raises DXFInvalidNameError: it is anything else: a scheme, a path, a user name ...
    """
    if '@' in host:  # what stands before it may be a password
        raise DXFInvalidNameError('invalid host: want name[:port], without a user name')
    match = re.fullmatch(_HOST, host) if len(host) <= HOST_LENGTH + len(':65535') else None
    name = match['name'] or '' if match is not None else ''
    if match is None or len(name) > HOST_LENGTH or (host != '' and name == ''):
        raise DXFInvalidNameError(f'invalid host {_shown(host)}: {_wanted_in_place_of(host)}')
    if match['v6'] is not None and not is_v6(match['v6']):
        raise DXFInvalidNameError(f'invalid host {_shown(host)}: not an IPv6 address')
    port = match['port']
    if port is not None and not 1 <= int(port) <= 65535:
        raise DXFInvalidNameError(f'invalid host {_shown(host)}: a port is between 1 and 65535')
    if name.lower() in _DOCKER_HUB_NAMES:
        name = DOCKER_HUB
    return name if port is None else f'{name}:{port}'


def _wanted_in_place_of(host: str) -> str:
    """Return what to write in place of a host that is an address or a path."""
    folder = re.fullmatch(_FOLDER_WORD, host)
    if folder is not None and not host.lower().startswith('file://'):
        return _wanted_in_place_of_folder(folder[1]) or f'a folder is written {_plain(FOLDER + folder[1])}'
    match = re.match(_URL, host)
    scheme, name, path = match.groups('') if match is not None else ('', '', '')
    if scheme.lower() == 'file://' or not scheme and name in _FOLDERS and host:
        meant = host.removeprefix(scheme)
        return f'a folder is written {_plain(FOLDER + meant.replace("~", "$HOME", int(name == "~")))}'
    superfluous = [scheme] if scheme else []
    if path:
        superfluous.append('the /' if path == '/' else 'the path')
    if not superfluous or scheme.lower() in _OTHER_SCHEMES:
        return 'want name[:port]'
    hint = '; insecure=True is for http' if scheme.lower() == 'http://' else ''
    if path.strip('/') not in ('', 'v1', 'v2'):
        hint += f'; {TO_COMMAND}'
    return f'leave out {" and ".join(superfluous)}{hint}'


def is_v6(address: str) -> bool:
    """Return whether a text is an address of IPv6, without its brackets."""
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return True


def check_registry(registry: str) -> str:
    """Return the name of a registry, in the one spelling that dxf uses for it.

    :param registry: a host, as :func:`check_host` takes it, or ``oci:`` and the path of a folder
    :raises DXFInvalidNameError: it is neither
    """
    if not is_folder(registry):
        return check_host(registry)
    path = registry.removeprefix(FOLDER)
    wanted = _wanted_in_place_of_folder(path)
    if wanted:
        raise DXFInvalidNameError(f'invalid folder {_shown(registry)}: {wanted}')
    return FOLDER + os.path.abspath(path)


def _wanted_in_place_of_folder(path: str) -> str:
    """Return what to write in place of the path of a folder; empty where the path is right."""
    if not path or '\0' in path:
        return 'want oci: and a path'
    meant = _plain(path.lstrip('/'))
    if path.startswith('///'):  # file:///srv/blobs
        return f'write oci:/{meant}'
    if path.startswith('//'):
        return f'write oci:./{meant}, or oci:/{meant} if the path begins at the root'
    if path == '~' or path.startswith('~/'):  # a shell replaces it at the beginning of a word alone
        return f'~ is not replaced here: write oci:$HOME{meant[1:]}, or oci:./{meant} for a folder named ~'
    if path.startswith('~'):
        return f'~ is not replaced here: write the whole path, or oci:./{meant}'
    return ''


def is_folder(registry: str) -> bool:
    """Return whether a registry is a folder; ``oci:5000`` is a port of a host."""
    return registry.startswith(FOLDER) and not registry.removeprefix(FOLDER).isdigit()


def is_registry_alone(text: str) -> bool:
    """Return whether a text is a host with a port, and no repository: the port would be a strange alias."""
    host, _, port = text.rpartition(':')
    return '/' not in text and port.isdigit() and (host == 'localhost' or '.' in host)


def is_docker_hub(host: str) -> bool:
    """Return whether a host that :func:`check_host` returned is Docker Hub, on any port."""
    return host.partition(':')[0] == DOCKER_HUB


def check_repository(repository: str) -> str:
    """Return ``repository`` if it is one: lower-case components joined by ``/``.

    :raises DXFInvalidNameError: it is not
        (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)
    """
    if len(repository) > NAME_LENGTH or re.fullmatch(_REPOSITORY, repository) is None:
        raise DXFInvalidNameError(f'invalid repository {_shown(repository)}: '
                                  'want lower-case letters and digits, with . _ - or / between them'
                                  + _superfluous_in(repository))
    return repository


def _superfluous_in(repository: str) -> str:
    """Return the hint for a repository that is written as for docker: with registry, alias or hash."""
    if is_registry_alone(repository):
        return ''
    first, _, rest = repository.partition('/')
    has_registry = ':' in first and rest != '' and re.fullmatch(_HOST, first) is not None
    name, is_at, reference = (rest if has_registry else repository).partition('@')
    if not is_at:
        name, _, reference = name.rpartition(':')
    elif re.fullmatch(_REPOSITORY, name) is None:  # both an alias and a digest: the digest counts
        name = name.rpartition(':')[0]
    what = 'hash' if is_at and re.fullmatch(_DIGEST, reference) is not None else \
        'alias' if re.fullmatch(_TAG, reference) is not None else ''
    has_reference = what != '' and re.fullmatch(_REPOSITORY, name) is not None and \
        re.fullmatch(_DIGEST, f'{name}:{reference}') is None
    return ('; the registry is given by DXF_HOST' if has_registry else '') + (
        f'; the {what} {_plain(reference)} is given after the repository' if has_reference else '')


def shown_repository(name: str) -> str:
    """Return the name of a repository as a message and a command show it: the empty one needs quotation marks."""
    return name or "''"


def repository_at(host: str, repository: str) -> str:
    """Return the name by which the registry at ``host`` knows a repository.

    On Docker Hub a name of one part stands for ``library/`` and that name. Where a folder is the registry, the empty
    name stands for the folder itself.

    :param host: what :func:`check_registry` returned; that of a host and the repository have at most 255 characters
    :raises DXFInvalidNameError: the repository breaks its grammar, or the two are too long
    """
    if is_folder(host):
        return check_repository(repository) if repository else ''
    check_repository(repository)
    if is_docker_hub(host) and '/' not in repository:
        repository = f'library/{repository}'
    if len(host) + len(repository) > NAME_LENGTH:
        raise DXFInvalidNameError(f'invalid repository: host and name have more than {NAME_LENGTH} characters')
    return repository


def check_alias(alias: str) -> str:
    """Return ``alias`` if it is one: a tag of up to 128 letters, digits and ``_.-``.

    :raises DXFInvalidNameError: it is not
    """
    if re.fullmatch(_TAG, alias) is None:
        hint = f' (write it without the {alias[0]})' if alias[:1] in ('@', ':') else \
            ': want up to 128 letters, digits, _, . and -, the first no . or -'
        raise DXFInvalidNameError(f'invalid alias {_shown(alias)}{hint}')
    return alias


def split_digest(digest: str) -> tuple[str, str]:
    """Split a digest at its colon.

    :param digest: ``sha256:`` and the hexadecimal hash
    :return: the method and the hash
    :raises ValueError: there is not exactly one colon
    :raises DXFUnexpectedDigestMethodError: another method than sha256
    """
    check_text(digest, 'digest')
    method, colon, value = digest.partition(':')
    if not colon or ':' in value:
        raise DXFInvalidNameError(f'invalid digest {_shown(digest)}: want sha256: and 64 hexadecimal digits')
    if method != 'sha256':
        raise DXFUnexpectedDigestMethodError(method, 'sha256')
    return method, value


def check_digest(digest: str) -> str:
    """Return ``digest`` if it is ``sha256:`` and 64 lower-case hexadecimal digits.

    :raises DXFInvalidNameError: it is no digest
    :raises DXFUnexpectedDigestMethodError: another method than sha256
    """
    if not _is_right_digest(digest):
        split_digest(digest)  # raises what is wrong with the type, the colon or the method
        raise DXFInvalidNameError(f'invalid digest {_shown(digest)}: want sha256: and 64 hexadecimal digits')
    return digest


def _is_right_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(_SHA256_DIGEST, value) is not None


def check_blob(digest: str) -> str:
    """Return what a caller gave as the digest of a blob, if it is one; the message for an alias names ``get_alias``.

    :raises DXFInvalidNameError: it is no digest
    :raises DXFUnexpectedDigestMethodError: another method than sha256
    """
    hint = ''
    if re.fullmatch(_SHA256, digest) is not None:
        hint = 'write it with sha256: before it'
    elif os.path.isfile(digest):
        hint = f'a file is stored first: client.push_blob({_shown(digest)}) returns its digest'
    elif digest.startswith('@') or re.fullmatch(_TAG, digest) is not None:
        hint = f'an alias names blobs: for digest in client.get_alias({_shown(digest.removeprefix("@"))}): ...'
    if hint:
        raise DXFInvalidNameError(f'invalid digest {_shown(digest)}: want sha256: and 64 hexadecimal digits; {hint}')
    return check_digest(digest)


def complete_digest(text: str) -> str:
    """Return the digest that ``text`` writes, with its ``sha256:`` or as the bare 64 digits."""
    return check_digest(f'sha256:{text}' if re.fullmatch(_SHA256, text) is not None else text)


def is_digest(text: str) -> bool:
    """Return whether ``text`` has the form of a digest, not of an alias: aliases have no colon."""
    return ':' in text


def is_sha256(reference: str) -> bool:
    """Return whether the name of a manifest in a folder is its digest: an alias may have a colon there."""
    return reference.startswith('sha256:')


def check_reference(reference: str) -> str:
    """Return what may stand in ``manifests/<reference>``: an alias, or the digest of a manifest."""
    return check_digest(reference) if is_digest(reference) else check_alias(reference)


def check_full_reference(name: str) -> str:
    """Return ``name`` if it is a name that tools give to a manifest in a folder: ``docker.io/library/mysql:8.0``.

    https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys

    :raises DXFInvalidNameError: it is not
    """
    if len(name) > REFERENCE_LENGTH or re.fullmatch(_DIGEST, name) or not re.fullmatch(_FULL_REFERENCE, name):
        return check_alias(name)  # it tells what is wrong
    return name


def check_alias_at(host: str, alias: str) -> str:
    """Return ``alias`` if the registry at ``host`` can have it: in a folder, full references are aliases too.

    :param host: what :func:`check_registry` takes
    :raises DXFInvalidNameError: it cannot
    """
    return check_full_reference(alias) if is_folder(host) else check_alias(alias)


def check_reference_at(host: str, reference: str) -> str:
    """Return what names a manifest of the registry at ``host``: an alias, or the digest of a manifest."""
    return check_alias_at(host, reference) if not is_digest(reference) or \
        is_folder(host) and re.fullmatch(_DIGEST, reference) is None else check_digest(reference)


def check_platform(platform: str) -> str:
    """Return ``platform`` if it is ``os/architecture[/variant]``, as the keys of multi-platform answers are.

    :raises DXFInvalidNameError: it is not
    """
    if re.fullmatch(_PLATFORM, platform) is None:
        raise DXFInvalidNameError(f'invalid platform {_shown(platform)}: want os/architecture[/variant]')
    return platform


def to_bytes(text: str | bytes) -> bytes:
    """Return text as UTF-8, and bytes as they are."""
    return text.encode('utf-8') if isinstance(text, str) else text


def digest_of(sha256: Any) -> str:
    """Return the digest that a running ``hashlib.sha256()`` has come to."""
    return 'sha256:' + str(sha256.hexdigest())


def hash_bytes(buf: bytes) -> str:
    """Return the digest of ``buf``: ``sha256:`` and 64 hexadecimal digits."""
    try:
        return digest_of(hashlib.sha256(buf))
    except TypeError:
        check_bytes(buf)  # raises what to write for a text
        raise
