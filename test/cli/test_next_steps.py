"""Messages that name the next step: what is typed by mistake, and the whole line that answers it."""

import errno
import os
import pty
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from requests import Request
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException

from dxf import DXF, DXFBase, Limits, hash_bytes
from dxf.cli.error_messages import line_of, status_of
from dxf.exceptions import DXFError

from ..helpers.endpoints import Endpoint, Folder
from ..helpers.processes import SECONDS, Runner
from ..helpers.tables import for_each
from ..servers.certificates import Certificates
from ..servers.fault_proxy import Fault, FaultProxy
from ..servers.nginx import Nginx
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, ScriptedRegistry, error
from ..servers.token_server import TokenServer

REPO = 'fred/x'
DIGEST = 'sha256:' + 'a' * 64
MD5 = 'md5:' + '0' * 32
NOBODY = 'localhost:1'
FAST = Limits(retries=0)
EXAMPLES = 'examples: registry.example.com:5000, docker.io for Docker Hub, or oci:./folder'
WANT_ALIAS = 'want up to 128 letters, digits, _, . and -, the first no . or -'
WANT_REPOSITORY = 'want lower-case letters and digits, with . _ - or / between them'
BY_OPTIONS = 'a user name and a password are given by --username=USER and --password-stdin'
INSECURE = {'DXF_INSECURE': '1'}
NOT_REPLACED = 'is not replaced here: write the whole path; make the folder first if that is its name'
HOST_BY = '--host=HOST names the registry, or DXF_HOST'
GIVEN_BY = 'the registry is given by dxf'
ENDS = 'it ends with a line end: remove that'
QUOTED = 'the quotation marks are part of it: remove them'
FETCHED = 'a program fetches it: dxf push-blob <repo> [@alias] --'
MISSING = 'No such file or directory'

EMPTY = f'standard input is empty; dxf list-aliases {REPO} prints the aliases'
FIRST = 'the repository comes first: dxf'
SECOND = 'the alias comes second: dxf'
PUSH = 'push-blob <repo> <file>... [@alias]'
PUSH_FILES = 'push-files <repo> <alias> <file>...'
SET = 'set-alias <repo> <alias> <blob>|<@alias>...'
ATTACH = 'attach <repo> <alias> <file>...'
VERIFY = 'verify <repo> [<file>|<folder>...] <alias>'
BACKUP = 'backup <repo> <dir>... @alias'
PULL = 'pull-blob <repo> [<hash>|<@alias>...]'


def answered(variables: Mapping[str, str], status: int, *args: str, **options: Any) -> str:
    """Run a command that ends with a status and one line; return the line."""
    line, = Runner({'DXF_HOST': NOBODY, **variables}).run(*args, **options).insist(status).lines
    return line.removeprefix('dxf: ')


# Wrong usage

USAGE: dict[str, tuple[str, dict[str, str], str]] = {
    'http by a word': ('list-repos', {'DXF_INSECURE': 'true'}, 'DXF_INSECURE: want 0 or 1'),
    'no verification by the file': ('list-repos', {'DXF_TLSVERIFY': 'false'}, 'DXF_TLSVERIFY: cannot read false; '
                                    'DXF_SKIPTLSVERIFY=1 is to verify no certificates'),
    'no verification by the number': ('list-repos', {'DXF_TLSVERIFY': '0'}, 'DXF_TLSVERIFY: cannot read 0; '
                                      'DXF_SKIPTLSVERIFY=1 is to verify no certificates'),
    'no verification by the file, to copy to': (f'copy {REPO} a --to localhost:2', {'DXF_TO_TLSVERIFY': 'false'},
                                                'DXF_TO_TLSVERIFY: cannot read false'),
    'a file of certificates that is missing': ('list-repos', {'DXF_TLSVERIFY': 'ca.pem'},
                                               'DXF_TLSVERIFY: cannot read ca.pem'),
    'no verification by a word': ('list-repos', {'DXF_SKIPTLSVERIFY': 'yes'}, 'DXF_SKIPTLSVERIFY: want 0 or 1'),
    'sizes by a word': (f'pull-blob {REPO} @a', {'DXF_BLOB_INFO': 'on'}, 'DXF_BLOB_INFO: want 0 or 1'),
    'a log by a number': ('list-repos', {'DXF_DEBUG': '2'}, 'DXF_DEBUG: want 0 or 1'),
    'http by a word, to copy to': (f'copy {REPO} a --to localhost:2', {'DXF_TO_INSECURE': 'true'},
                                   'DXF_TO_INSECURE: want 0 or 1'),
    'a URL': ('list-repos', {'DXF_HOST': 'https://host/'},
              f"DXF_HOST: invalid host 'https://host/': leave out https:// and the /; {EXAMPLES}"),
    'a URL of http': ('list-repos', {'DXF_HOST': 'http://host:5000'}, "DXF_HOST: invalid host 'http://host:5000': "
                      f'leave out http://; DXF_INSECURE=1 is for http; {EXAMPLES}'),
    'a URL in upper case': ('list-repos', {'DXF_HOST': 'HTTPS://host'},
                            f"DXF_HOST: invalid host 'HTTPS://host': leave out HTTPS://; {EXAMPLES}"),
    'a URL with the version': ('list-repos', {'DXF_HOST': 'https://host/v2/'}, "DXF_HOST: invalid host "
                               f"'https://host/v2/': leave out https:// and the path; {EXAMPLES}"),
    'a URL with the repository': ('list-repos', {'DXF_HOST': 'docker://host/fred/x'}, "DXF_HOST: invalid host "
                                  "'docker://host/fred/x': leave out docker:// and the path; the repository is given "
                                  f'to the command; {EXAMPLES}'),
    'a slash at the end': ('list-repos', {'DXF_HOST': 'host:5000/'},
                           f"DXF_HOST: invalid host 'host:5000/': leave out the /; {EXAMPLES}"),
    'a URL of tokens': ('list-repos', {'DXF_AUTH_HOST': 'https://auth/token'}, "DXF_AUTH_HOST: invalid host "
                        "'https://auth/token': leave out https:// and the path; the repository is given to the "
                        f'command; {EXAMPLES}'),
    'a path': ('list-repos', {'DXF_HOST': './blobs'},
               f"DXF_HOST: invalid host './blobs': a folder is written oci:./blobs; {EXAMPLES}"),
    'a whole path': ('list-repos', {'DXF_HOST': '/srv/blobs'},
                     f"DXF_HOST: invalid host '/srv/blobs': a folder is written oci:/srv/blobs; {EXAMPLES}"),
    'a path below home': ('list-repos', {'DXF_HOST': '~/usb'},
                          f"DXF_HOST: invalid host '~/usb': a folder is written oci:$HOME/usb; {EXAMPLES}"),
    'a URL of a file': ('list-repos', {'DXF_HOST': 'file:///srv/blobs'}, "DXF_HOST: invalid host "
                        f"'file:///srv/blobs': a folder is written oci:/srv/blobs; {EXAMPLES}"),
    'a folder below home, to copy to': (
        f'copy {REPO} a --to oci:~/usb', {}, "--to: invalid folder 'oci:~/usb': ~ is not replaced here: write "
        f'oci:$HOME/usb, or oci:./~/usb for a folder named ~; {EXAMPLES}'),
    "a folder in another's home": (
        'list-repos', {'DXF_HOST': 'oci:~fred/usb'}, "DXF_HOST: invalid folder 'oci:~fred/usb': ~ is not replaced "
        f'here: write the whole path, or oci:./~fred/usb; {EXAMPLES}'),
    'a folder as a URL, to copy to': (
        f'copy {REPO} a --to oci://blobs', {}, "--to: invalid folder 'oci://blobs': write oci:./blobs, or oci:/blobs "
        f'if the path begins at the root; {EXAMPLES}'),
    'a folder as a URL of three slashes': (
        'list-repos', {'DXF_HOST': 'oci:///srv/blobs'},
        f"DXF_HOST: invalid folder 'oci:///srv/blobs': write oci:/srv/blobs; {EXAMPLES}"),
    'a repository with an alias': (f'pull-blob {REPO}:nightly', {}, f"invalid repository '{REPO}:nightly': "
                                   f'{WANT_REPOSITORY}; the alias nightly is given after the '
                                   f'repository: dxf pull-blob {REPO} '
                                   '@nightly'),
    'two registries': (f'list-aliases localhost:5000/{REPO} --host=localhost:2', {}, 'two registries are named, '
                       'localhost:5000 and --host=localhost:2: leave out one of them'),
    'a repository with both': (f'get-alias localhost:5000/{REPO}:a', {}, "invalid repository "
                               f"'{REPO}:a': {WANT_REPOSITORY}; the alias a is given after the repository: "
                               f'dxf get-alias {REPO} a --host=localhost:5000'),
    'a hash by another method in place of a repository': (
        f'pull-blob {MD5}', {}, f"invalid repository '{MD5}': {WANT_REPOSITORY}"),
    'a branch as an alias': (f'set-alias {REPO} feature/login {DIGEST}', {},
                             f"invalid alias 'feature/login': {WANT_ALIAS}; feature-login would be right"),
    'a branch as an alias behind an @': (f'pull-blob {REPO} @feature/login', {},
                                         f"invalid alias 'feature/login': {WANT_ALIAS}; feature-login would be right"),
    'nothing in a pipe': (f'pull-blob {REPO}', {}, f'no hash or alias was given, and {EMPTY}'),
    'nothing in a pipe for a size': (f'blob-size {REPO}', {},
                                     f'no hash or alias was given, and {EMPTY}'),
    'nothing in a pipe for an alias': (f'get-alias {REPO}', {}, f'no alias was given, and {EMPTY}'),
    'a file to write to without -o': (
        f'pull-blob {REPO} @nightly x.tar', {}, "invalid digest 'x.tar': want sha256: and 64 hexadecimal digits; "
        'a file to write to is given by -o x.tar, an alias is written @x.tar'),
    'an alias without its @': (f'pull-blob {REPO} nightly', {}, "invalid digest 'nightly': want sha256: and 64 "
                               'hexadecimal digits; an alias is written @nightly'),
    'an option misspelt': (f'pull-blob {REPO} @a --outptu=x', {},
                           'unrecognized arguments: --outptu; did you mean --output?'),
    "docker's way to log in": ('login -u fred -p SECRET', {}, f'unrecognized arguments: -u -p; {BY_OPTIONS}'),
    'a password joined to its option': ('login -pSECRET', {}, f'unrecognized arguments: -p; {BY_OPTIONS}'),
    'a password behind =': ('login --username=fred --password=SECRET', {},
                            f'unrecognized arguments: --password; {BY_OPTIONS}'),
    'a password as a word': ('login --username fred --password SECRET', {},
                             f'unrecognized arguments: --password; {BY_OPTIONS}'),
    'a password where it is to be read': ('login --password-stdin=SECRET', {},
                                          'argument --password-stdin: it takes no value'),
    'a password without an option': ('login fred SECRET', {},
                                     f'too many arguments: dxf login; {HOST_BY}; {BY_OPTIONS}'),
    'a registry to log in to': ('login registry.example.com', {},
                                f'too many arguments: dxf login; {GIVEN_BY} login --host=registry.example.com; '
                                f'{BY_OPTIONS}'),
    'a registry to log out of': ('logout registry.example.com', {}, f'too many arguments: dxf logout; {GIVEN_BY} '
                                 'logout --host=registry.example.com'),
    'a registry to list': ('list-repos localhost:5000', {}, f'too many arguments: dxf list-repos; {GIVEN_BY} '
                           'list-repos --host=localhost:5000'),
    'a registry without a value': ('list-repos --host=', {}, f'--host is not set: name the registry, such as '
                                   f'{EXAMPLES.removeprefix("examples: ")}'),
    'a registry by a letter': ('login -H x', {}, f'unrecognized arguments: -H; {HOST_BY}'),
    'http by an option': (f'list-aliases {REPO} --insecure', {},
                          'unrecognized arguments: --insecure; DXF_INSECURE=1 is for http'),
    'an alias by an option': (f'push-blob {REPO} f --alias x', {},
                              'unrecognized arguments: --alias; the alias comes last, as @alias'),
    'a pull that is to go on': (f'pull-blob {REPO} @a --resume', {},
                                'unrecognized arguments: --resume; with -o FILE it goes on by itself'),
    'a hash behind an @': (f'pull-blob {REPO} @{DIGEST}', {}, f"invalid alias '{DIGEST}': {WANT_ALIAS}; "
                           'a hash is written without the @'),
    'a hash to push': (f'push-blob {REPO} {DIGEST} @a', {},
                       f"cannot read '{DIGEST}': No such file or directory; "
                       'dxf set-alias gives a name to what is stored'),
    'a repository with an alias behind an @': (f'pull-blob {REPO}@monday', {}, f"invalid repository '{REPO}@monday': "
                                               f'{WANT_REPOSITORY}; the alias monday is given after the repository: '
                                               f'dxf pull-blob {REPO} @monday'),
    'a repository with a hash': (f'pull-blob {REPO}@{DIGEST}', {}, f"invalid repository '{REPO}@{DIGEST}': "
                                 f'{WANT_REPOSITORY}; the hash {DIGEST} is given after the repository: '
                                 f'dxf pull-blob {REPO} {DIGEST}'),
    'a repository with alias and hash': (
        f'pull-blob {REPO}:a@{DIGEST}', {}, f"invalid repository '{REPO}:a@{DIGEST}': "
        f'{WANT_REPOSITORY}; the hash {DIGEST} is given after the repository: dxf pull-blob {REPO} {DIGEST}'),
    'a folder in upper case': ('list-repos', {'DXF_HOST': 'OCI:./blobs'},
                               f"DXF_HOST: invalid host 'OCI:./blobs': a folder is written oci:./blobs; {EXAMPLES}"),
    'a folder as a file': ('list-repos', {'DXF_HOST': 'file:./blobs'},
                           f"DXF_HOST: invalid host 'file:./blobs': a folder is written oci:./blobs; {EXAMPLES}"),
    'a folder as for skopeo': ('list-repos', {'DXF_HOST': 'dir:/srv/blobs'},
                               f"DXF_HOST: invalid host 'dir:/srv/blobs': a folder is written oci:/srv/blobs; "
                               f'{EXAMPLES}'),
    'a folder in upper case below home': (
        'list-repos', {'DXF_HOST': 'OCI:~/usb'}, "DXF_HOST: invalid host 'OCI:~/usb': ~ is not replaced here: write "
        f'oci:$HOME/usb, or oci:./~/usb for a folder named ~; {EXAMPLES}'),
    'progress by a word': ('list-repos', {'DXF_PROGRESS': 'yes'}, 'DXF_PROGRESS is one of 1, 0, lines, json'),
    'a variable that is not replaced': (
        'list-repos', {'DXF_HOST': 'oci:$HOME/blobs'}, "DXF_HOST: invalid folder 'oci:$HOME/blobs': $HOME "
        f'{NOT_REPLACED}; {EXAMPLES}'),
    'a variable in braces that is not replaced': (
        'list-repos', {'DXF_HOST': 'oci:/srv/x${USER}'}, "DXF_HOST: invalid folder 'oci:/srv/x${USER}': ${USER} "
        f'{NOT_REPLACED}; {EXAMPLES}'),
    'a command that is not replaced': (
        'list-repos', {'DXF_HOST': 'oci:$(pwd)/blobs'}, "DXF_HOST: invalid folder 'oci:$(pwd)/blobs': $(pwd) "
        f'{NOT_REPLACED}; {EXAMPLES}'),
    'a variable that is not replaced, to copy to': (
        f'copy {REPO} a --to oci:$USB', {}, f"--to: invalid folder 'oci:$USB': $USB {NOT_REPLACED}; {EXAMPLES}"),
    'a line end of Windows': ('list-repos', {'DXF_HOST': 'oci:./blobs\r'}, "DXF_HOST: invalid folder "
                              f"'oci:./blobs\\r': it ends with a line end: remove that; {EXAMPLES}"),
    'a line end': ('list-repos', {'DXF_HOST': 'oci:./blobs\n'}, "DXF_HOST: invalid folder "
                   f"'oci:./blobs\\n': it ends with a line end: remove that; {EXAMPLES}"),
    'a line end of a host': ('list-repos', {'DXF_HOST': 'host:5000\r'}, "DXF_HOST: invalid host 'host:5000\\r': "
                             f'it ends with a line end: remove that; {EXAMPLES}'),
    'a line end of a host of tokens': (
        'list-repos', {'DXF_AUTH_HOST': 'auth:5000\n'}, "DXF_AUTH_HOST: invalid host 'auth:5000\\n': it ends with a "
        f'line end: remove that; {EXAMPLES}'),
    'a host in quotation marks': ('list-repos', {'DXF_HOST': '"host:5000"'}, "DXF_HOST: invalid host "
                                  f"'\"host:5000\"': {QUOTED}; {EXAMPLES}"),
    'a folder in quotation marks': ('list-repos', {'DXF_HOST': "'oci:./blobs'"}, 'DXF_HOST: invalid host '
                                    f'"\'oci:./blobs\'": {QUOTED}; {EXAMPLES}'),
    'a path in quotation marks': ('list-repos', {'DXF_HOST': 'oci:"./blobs"'}, "DXF_HOST: invalid folder "
                                  f"'oci:\"./blobs\"': {QUOTED}; {EXAMPLES}"),
    'a space before a host': ('list-repos', {'DXF_HOST': ' host:5000'}, "DXF_HOST: invalid host ' host:5000': it "
                              f'begins or ends with a space: remove that; {EXAMPLES}'),
    'a host with a secret and a line end': (
        'list-repos', {'DXF_HOST': 'fred:SECRET@host\r'}, 'DXF_HOST: invalid host: want name[:port], without a user '
        f'name; {EXAMPLES}; {ENDS}'),
    'a line end behind a flag': ('list-repos', {'DXF_INSECURE': '1\r'}, f'DXF_INSECURE: want 0 or 1; {ENDS}'),
    'a line end behind a flag, to copy to': (f'copy {REPO} a --to localhost:2', {'DXF_TO_INSECURE': '1\r'},
                                             f'DXF_TO_INSECURE: want 0 or 1; {ENDS}'),
    'a line end behind a word': ('list-repos', {'DXF_PROGRESS': 'lines\r'},
                                 f'DXF_PROGRESS is one of 1, 0, lines, json; {ENDS}'),
    'a number in quotation marks': ('list-repos', {'DXF_JOBS': '"4"'}, 'DXF_JOBS is a number of blobs to move at once, '
                                    f'1 to 64; {QUOTED}'),
    'a line end behind a token': ('list-repos', {'DXF_TOKEN': 'SECRET\r'},
                                  f'DXF_TOKEN has characters that no header can carry; {ENDS}'),
    'a line end behind a file': ('list-repos', {'REQUESTS_CA_BUNDLE': 'ca.pem\r'},
                                 f'REQUESTS_CA_BUNDLE: cannot read ca.pem\\r; {ENDS}'),
    'a folder to push as a blob': (f'push-blob {REPO} x --recursive', {},
                                   'unrecognized arguments: --recursive; dxf push-files stores folders'),
    'a folder with all in it': (f'push-files {REPO} a x -r', {},
                                'unrecognized arguments: -r; a folder is stored with all that is in it'),
    'a trial of gc': (f'gc {REPO} --dry-run', {},
                      'unrecognized arguments: --dry-run; without --delete nothing is removed'),
    'a trial of a deletion': (f'del-alias {REPO} a -n', {}, 'unrecognized arguments: -n; --dry-run prints what '
                              'would be done'),
    'files into a file': (f'pull-files {REPO} a -o x', {}, 'unrecognized arguments: -o; --to=DIR names the folder'),
    'an address to push': (f'push-blob {REPO} https://example.com/x @a', {},
                           f"cannot read 'https://example.com/x': {MISSING}; {FETCHED} curl -fsSL URL"),
    'a bucket to push': (f'push-blob {REPO} s3://bucket/x @a', {},
                         f"cannot read 's3://bucket/x': {MISSING}; {FETCHED} <command>..."),
    'an option that is like none': (f'push-blob {REPO} --later x @a', {}, 'unrecognized arguments: --later'),
    'a target with a scheme': (f'copy {REPO} a --to http://localhost:1', {},
                               "--to: invalid host 'http://localhost:1': leave out http://; DXF_TO_INSECURE=1 is for "
                               f'http; {EXAMPLES}'),
    'a target with a repository': (
        f'copy {REPO} a --to localhost:1/team/x', {}, "--to: invalid host 'localhost:1/team/x': leave out the path; "
        f'--to-repo=team/x names the repository there; {EXAMPLES}'),
    'a repository as a target': (f'copy {REPO} a --to fred/y', {}, "--to: invalid host 'fred/y': --to=HOST names the "
                                 f'registry, --to-repo=fred/y the repository there; {EXAMPLES}'),
    'a stream to resume': (f'push-blob {REPO} - --resume', {},
                           '--resume is for a file: standard input cannot be read again'),
    'a date with a line end': (f'push-files {REPO} a {__file__}', {'SOURCE_DATE_EPOCH': '123\r'},
                               'SOURCE_DATE_EPOCH is a number of seconds since 1970; it ends with a line end: remove '
                               'that'),
    'an image to push': (f'push-blob {REPO} docker://x @a', {}, f"cannot read 'docker://x': {MISSING}; dxf copy copies "
                         'from one registry to another'),
    'an address of a file to push': (f'push-blob {REPO} file:///no/x @a', {},
                                     f"cannot read 'file:///no/x': {MISSING}; a file is written /no/x"),
    'an address to push as a file': (f'push-files {REPO} a https://example.com/x', {},
                                     f'cannot read https: {MISSING}; {FETCHED} curl -fsSL URL'),
    'a path that is not replaced': (f'push-blob {REPO} ~/x', {}, f"cannot read '~/x': {MISSING}; a shell replaces ~ "
                                    'and $NAME outside of quotation marks alone: write the whole path'),
    'a pattern without files': (f'push-blob {REPO} *.csv @a', {},
                                f"cannot read '*.csv': {MISSING}; no file here matches the pattern"),
    'a pattern without files to push': (f'push-files {REPO} a *.csv', {},
                                        f'cannot read *.csv: {MISSING}; no file here matches the pattern'),
    'a pattern of hashes': (f'pull-blob {REPO} n*', {}, "invalid digest 'n*': want sha256: and 64 hexadecimal digits; "
                            'aliases are named one by one: dxf list-aliases prints them'),
    'a pattern of aliases': (f'del-alias {REPO} n*', {}, f"invalid alias 'n*': {WANT_ALIAS}; aliases are named one by "
                             'one: dxf list-aliases prints them'),
    'a second name of an alias': (
        f'set-alias {REPO} new old', {}, "invalid digest 'old': want sha256: and 64 hexadecimal digits; a file is "
        f'written ./old; an alias gets a second name by dxf set-alias {REPO} new @old'),
    'a method in capitals': (f'pull-blob {REPO} SHA256:{DIGEST[7:]}', {},
                             'expected digest method sha256, got SHA256; a hash is written in lower case'),
    'a hash in capitals': (f'pull-blob {REPO} {DIGEST[7:].upper()}', {}, f"invalid digest '{DIGEST[7:].upper()}': want "
                           'sha256: and 64 hexadecimal digits; a hash is written in lower case'),
    'a part of a hash': (f'pull-blob {REPO} {DIGEST[:19]}', {}, f"invalid digest '{DIGEST[:19]}': want sha256: and 64 "
                         'hexadecimal digits; a hash is given whole: dxf get-alias prints those of an alias'),
    'a hash in place of an alias': (
        f'get-alias {REPO} {DIGEST}', {}, f"invalid alias '{DIGEST}': {WANT_ALIAS}; dxf get-manifest and dxf inspect "
        'take the hash of a manifest, dxf pull-blob that of a blob'),
    'a folder to pull to': (f'pull-blob {REPO} @a -o no-such/', {},
                            "cannot write 'no-such/': Is a directory; name a file in it, such as no-such/blob"),
    'a folder that is not there to pull to': (
        f'pull-blob {REPO} @a -o no-such/f', {},
        f"cannot write 'no-such/f': {MISSING}; make the folder first: mkdir -p no-such"),
    'a registry to copy to without its option': (f'copy {REPO} a localhost:2', {},
                                                 'too few arguments: --to=HOST names the registry to copy to'),
    'an architecture as a platform': (
        'list-repos', {'DXF_PLATFORM': 'amd64'},
        "DXF_PLATFORM: invalid platform 'amd64': want os/architecture[/variant], such as linux/amd64"),
    'a line end behind a platform': (
        'list-repos', {'DXF_PLATFORM': 'linux/amd64\r'}, "DXF_PLATFORM: invalid platform 'linux/amd64\\r': want "
        f'os/architecture[/variant], such as linux/amd64; {ENDS}'),
    'an alias to be expected': (f'set-alias {REPO} a {DIGEST} --if-match a', {}, "--if-match: invalid digest 'a': want "
                                'sha256: and 64 hexadecimal digits; dxf get-manifest-digest prints that of an alias'),
    'an alias to mount': (f'mount-blob {REPO} fred/y @a', {}, "invalid digest '@a': want sha256: and 64 hexadecimal "
                          'digits; dxf get-alias prints those of an alias'),
    'an alias without a name': (f'pull-blob {REPO} @', {}, f"invalid alias '': {WANT_ALIAS}; is a variable unset?"),
    'a pattern of repositories': ('list-aliases fred/*', {}, f"invalid repository 'fred/*': {WANT_REPOSITORY}; "
                                  'dxf list-repos prints the repositories'),
    'no password in a pipe': ('login --username fred --password-stdin', {},
                              'no password was given, and standard input is empty'),
}


@pytest.mark.parametrize(('typed', 'like'), [
    (('push-blob', REPO, '/dev/null', '@2026-11-28T08:15:00+00:00'), '2026-11-28T08-15-00'),
    (('push-blob', REPO, '/dev/null', '@2026-11-28T00:15:00+02:00'), '2026-11-27T22-15-00'),
    (('push-blob', REPO, '/dev/null', '@2026-11-28T08:15:00'), '2026-11-28T08-15-00'),
    (('push-blob', REPO, '/dev/null', '@0001-01-01T00:00:00+02:00'), '0001-01-01T00-00-00-02-00'),
    (('get-alias', REPO, 'feature/login page'), 'feature-login-page'),
    (('list-aliases', 'Demo/Back up'), 'demo/back-up'),
    (('push-blob', './demo/x', '/dev/null'), 'demo/x'),
])
def test_a_name_that_is_not_valid_is_told_with_one_like_it(typed: tuple[str, ...], like: str) -> None:
    assert answered({}, 2, *typed).partition(' (see')[0].endswith(f'; {like} would be right')


@for_each('typed, variables, said', USAGE)
def test_wrong_usage_is_answered_with_what_to_write(typed: str, variables: dict[str, str], said: str) -> None:
    command = typed.partition(' ')[0]
    assert answered(variables, 2, *typed.split()) == f'{said} (see dxf {command} --help)'


def test_options_before_the_command_are_named_without_their_values() -> None:
    assert answered({}, 2, '-u', 'fred', '-p', 'SECRET', 'login') == \
        'unrecognized arguments: -u; options follow the command (see dxf --help)'


def test_an_option_that_begins_as_one_before_the_command_is_answered_with_that_one() -> None:
    assert answered({}, 2, '--help-environment') == \
        'unrecognized arguments: --help-environment; did you mean --help-env? (see dxf --help)'


ORDERS = {
    'push-blob data.txt demo/r': f"cannot read 'demo/r': {MISSING}; {FIRST} {PUSH}",
    'push-blob data.txt r': f"cannot read 'r': {MISSING}; {FIRST} {PUSH}",
    'push-blob data.txt demo/r @monday': f"cannot read 'demo/r': {MISSING}; {FIRST} {PUSH}",
    'push-blob ./data.txt demo/r': f"invalid repository './data.txt': {WANT_REPOSITORY}; {FIRST} {PUSH}",
    'push-files data.txt demo/r monday': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {PUSH_FILES}",
    'push-files monday demo/r data.txt': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {PUSH_FILES}",
    'push-files sub demo/r monday': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {PUSH_FILES}",
    'push-blob sub demo/r @monday': f"cannot read 'demo/r': {MISSING}; {FIRST} {PUSH}",
    'verify sub demo/r monday': f"cannot read 'demo/r': {MISSING}; {FIRST} {VERIFY}",
    'push-files demo/r data.txt monday': f"cannot read monday: {MISSING}; {SECOND} {PUSH_FILES}",
    'push-files demo/r data.txt @monday': f"cannot read @monday: {MISSING}; {SECOND} {PUSH_FILES}",
    'push-files demo/r ./data.txt monday': f"invalid alias './data.txt': {WANT_ALIAS}; {SECOND} {PUSH_FILES}",
    'attach --type=a/b demo/r data.txt monday': f"cannot read monday: {MISSING}; {SECOND} {ATTACH}",
    'attach --type=a/b data.txt demo/r monday': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {ATTACH}",
    'verify demo/r monday data.txt': f"cannot read 'monday': {MISSING}; the alias comes last: dxf {VERIFY}",
    'verify demo/r @monday ./data.txt': f"invalid alias './data.txt': {WANT_ALIAS}; the alias comes last: dxf {VERIFY}",
    'backup demo/r @monday .': f"invalid alias '.': write it with an @ before it; the alias comes last: dxf {BACKUP}",
    'verify data.txt demo/r monday': f"cannot read 'demo/r': {MISSING}; {FIRST} {VERIFY}",
    f'set-alias monday demo/r {DIGEST}': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {SET}",
    'set-alias data.txt demo/r monday': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} {SET}",
    'set-alias demo/r ./data.txt monday': f"invalid alias './data.txt': {WANT_ALIAS}; {SECOND} {SET}",
    f'set-alias demo/r {DIGEST} monday': f"invalid alias '{DIGEST}': {WANT_ALIAS}; {SECOND} {SET}",
    'pull-blob monday demo/r': "invalid digest 'demo/r': want sha256: and 64 hexadecimal digits; an alias is written "
                               f'@demo/r; {FIRST} {PULL}',
    'pull-blob @monday demo/r': f"invalid repository '@monday': {WANT_REPOSITORY}; {FIRST} {PULL}",
    f'pull-blob {DIGEST} demo/r': f"invalid repository '{DIGEST}': {WANT_REPOSITORY}; {FIRST} {PULL}",
    'get-alias monday demo/r': f"invalid alias 'demo/r': {WANT_ALIAS}; {FIRST} get-alias <repo> [<alias>...]",
    'push-blob demo/r data.txt@monday': f"cannot read 'data.txt@monday': {MISSING}; data.txt is a file: the alias "
                                        'monday is given by itself',
    'push-blob demo/r data.txt:monday': f"cannot read 'data.txt:monday': {MISSING}; data.txt is a file: the alias "
                                        'monday is given by itself',
    "push-blob demo/r 'data.txt'": f'cannot read "\'data.txt\'": {MISSING}; the quotation marks are part of the name: '
                                   'leave them out',
    'push-files demo/r ./data.txt ./data.txt': f"invalid alias './data.txt': {WANT_ALIAS}; the alias is missing: dxf "
                                               f'{PUSH_FILES}',
    f'set-alias demo/r {DIGEST[7:]} name': "invalid digest 'name': want sha256: and 64 hexadecimal digits; a file is "
                                           f'written ./name; {SECOND} {SET}',
    # What is merely missing or misspelt stands in the right order.
    'push-blob Demo/r data.tx': f"invalid repository 'Demo/r': {WANT_REPOSITORY}; demo/r would be right",
    'push-files docker://localhost:5000/r monday data.txt': f"invalid repository 'docker://localhost:5000/r': "
                                                            f'{WANT_REPOSITORY}; the registry is given by '
                                                            '--host=localhost:5000: dxf push-files r <alias> <file>... '
                                                            '--host=localhost:5000',
    'get-alias r:a b': f"invalid repository 'r:a': {WANT_REPOSITORY}; the alias a is given after the repository: "
                       'dxf get-alias r a',
    'push-blob demo/r data.tx': f"cannot read 'data.tx': {MISSING}",
    'push-blob r sub/data.txt': f"cannot read 'sub/data.txt': {MISSING}",
    'verify sub sub/data.tx monday': f"cannot read 'sub/data.tx': {MISSING}",
    'push-files demo/r monday data.tx': f"cannot read data.tx: {MISSING}",
    'verify demo/r data.tx monday': f"cannot read 'data.tx': {MISSING}",
    'set-alias r monday sub/data.txt': f"cannot read 'sub/data.txt': {MISSING}",
}


@pytest.mark.parametrize(('typed', 'said'), ORDERS.items(), ids=ORDERS)
def test_operands_in_another_order_are_answered_with_the_right_one(typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / 'data.txt').write_bytes(b'hello')
    (tmp_path / 'sub').mkdir()
    command = typed.partition(' ')[0]
    assert answered({}, 2, *typed.split(), cwd=tmp_path) == f'{said} (see dxf {command} --help)'


@pytest.mark.parametrize('value', ['', '0'])
def test_a_setting_that_is_0_or_empty_is_off(value: str, tmp_path: Path) -> None:
    endpoint = Endpoint(Folder(tmp_path / 'blobs'))
    repository = endpoint.dxf(REPO)
    digest = repository.push_blob(data=b'hello')
    flags = ('DXF_INSECURE', 'DXF_SKIPTLSVERIFY', 'DXF_BLOB_INFO', 'DXF_DEBUG', 'DXF_TO_INSECURE')
    runner = Runner({**endpoint.environ(), **dict.fromkeys(flags, value)})
    assert runner.run('pull-blob', REPO, digest).insist(0).out == b'hello'


def test_on_a_terminal_it_is_told_that_a_manifest_is_read_there() -> None:
    master, slave = pty.openpty()
    try:
        os.write(master, b'\x04')  # Ctrl-D
        ended = Runner({'DXF_HOST': NOBODY}).run('pull-blob', REPO, stdin=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert (ended.status, ended.lines) == (2, [
        'dxf: no hash or alias was given: type a manifest, and Ctrl-D to end it',
        f'dxf: no hash or alias was given, and {EMPTY} (see dxf pull-blob --help)'])


@pytest.mark.parametrize('action', ['read', 'Pull'])
def test_an_action_that_is_not_usual_is_answered_with_those_that_are(action: str, tmp_path: Path) -> None:
    ended = Runner({'DXF_HOST': f'oci:{tmp_path}'}).run('auth', REPO, 'pull', action)
    assert (ended.status, ended.out, ended.lines) == (0, b'', [
        f"dxf: '{action}' is an action that few registries know: usual are pull, push, delete and *"])


def test_the_usual_actions_are_not_commented(tmp_path: Path) -> None:
    Runner({'DXF_HOST': f'oci:{tmp_path}'}).run('auth', REPO, 'pull', 'push', 'delete', '*').insist(0)


# What is not there


@pytest.fixture(name='shelf', params=['open_registry', 'folder'])
def stocked(request: pytest.FixtureRequest, repo: str) -> tuple[Endpoint, str]:
    """A registry, and a folder, with a repository that has an alias."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    with endpoint.dxf(repo) as repository:
        repository.set_alias('a', repository.push_blob(data=b'hello'))
    return endpoint, repo


@pytest.mark.parametrize('typed', ['get-alias {} nope', 'get-manifest {} nope', 'get-manifest-digest {} nope',
                                   'pull-blob {} @nope', 'del-alias {} nope', 'inspect {} nope',
                                   'copy {} nope --to oci:./other'])
def test_an_alias_that_is_not_there_is_answered_with_the_command_that_lists_them(
        shelf: tuple[Endpoint, str], typed: str, tmp_path: Path) -> None:
    endpoint, repo = shelf
    assert answered(endpoint.environ(), 2, *typed.format(repo).split(), cwd=tmp_path) == \
        f'404 Not Found: {repo} has no alias nope; dxf list-aliases {repo} prints its aliases'


@pytest.mark.parametrize(('typed', 'what'), [('pull-blob {} {}', 'blob'), ('blob-size {} {}', 'blob'),
                                             ('get-manifest {} {}', 'manifest')])
def test_a_digest_that_is_not_there_is_named(shelf: tuple[Endpoint, str], typed: str, what: str) -> None:
    endpoint, repo = shelf
    assert answered(endpoint.environ(), 2, *typed.format(repo, DIGEST).split()) == \
        f'404 Not Found: {repo} has no {what} {DIGEST}; if this is the hash of a ' + (
            'manifest, dxf get-manifest prints it' if what == 'blob' else 'blob, dxf pull-blob fetches it')


def test_the_hash_of_a_blob_in_place_of_a_manifest_s_is_told(shelf: tuple[Endpoint, str]) -> None:
    endpoint, repo = shelf
    digest = hash_bytes(b'hello')
    for command in ('get-manifest', 'inspect', 'pull-files', 'referrers', 'del-alias'):
        # distribution 2.8 answers 500: https://github.com/distribution/distribution/issues/3122
        ended = Runner(endpoint.environ()).run(command, repo, digest).insist(1, 2)
        assert ended.lines[0].endswith('; if this is the hash of a blob, dxf pull-blob fetches it')
        assert digest in ended.lines[0]


@pytest.mark.parametrize('typed', ['list-aliases {}', 'get-alias {} a', 'pull-blob {} @a', 'gc {}'])
def test_a_repository_that_a_folder_lacks_is_answered_with_the_command_that_lists_them(typed: str, folder: Endpoint,
                                                                                       repo: str) -> None:
    root = str(folder.host).removeprefix('oci:')
    Path(root).mkdir(parents=True)
    line = answered(folder.environ(), 2, *typed.format(repo).split())
    said = f'there is no layout in {root}/{repo}; dxf list-repos prints the repositories'
    assert line == (f'{said} (see dxf gc --help)' if typed.startswith('gc') else f'404 Not Found: {said}')


def test_an_alias_that_a_layout_by_itself_lacks_is_named_with_the_folder(tmp_path: Path) -> None:
    endpoint = Endpoint(Folder(tmp_path))
    with endpoint.dxf('') as layout:
        layout.set_alias('a', layout.push_blob(data=b'hello'))
    assert answered(endpoint.environ(), 2, 'get-alias', '', 'nope') == \
        f"404 Not Found: {endpoint.host} has no alias nope; dxf list-aliases '' prints its aliases"


def test_a_blob_to_mount_that_is_not_there_is_told_with_the_command_that_looks_for_it(shelf: tuple[Endpoint,
                                                                                                   str]) -> None:
    endpoint, repo = shelf
    assert answered(endpoint.environ(), 1, 'mount-blob', f'{repo}-other', repo, DIGEST) == \
        f'the registry did not mount {DIGEST} from {repo}; dxf blob-size {repo} {DIGEST} tells whether it is there; ' \
        'dxf copy does without mounting'


def test_a_repository_that_a_registry_lacks_is_answered_with_the_command_that_lists_them(open_registry: Endpoint,
                                                                                         repo: str) -> None:
    line = answered(open_registry.environ(), 2, 'list-aliases', repo)
    assert line == '404 Not Found: NAME_UNKNOWN: repository name not known to registry ' \
        f'({repo}/tags/list); dxf list-repos prints the repositories'


def test_a_page_with_404_of_what_may_be_no_registry_is_told_as_it_is() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(404, {'Content-Type': 'text/html'}, b'<html>nothing here</html>')
        line = answered({'DXF_HOST': server.host, **INSECURE}, 2, 'get-alias', REPO, 'nope')
    assert line == f'404 Not Found ({REPO}/manifests/nope); {server.host} may be no registry'


@pytest.mark.parametrize(('typed', 'where'), [
    ('list-repos', '_catalog'), (f'list-aliases {REPO}', f'{REPO}/tags/list'),
    (f'pull-blob {REPO} @a', f'{REPO}/manifests/a'), (f'push-blob {REPO} data.txt', f'{REPO}/blobs/uploads/')])
def test_a_web_server_that_is_no_registry_is_told(typed: str, where: str, tmp_path: Path) -> None:
    (tmp_path / 'data.txt').write_bytes(b'hello')
    with web_server(tmp_path) as host:
        ended = Runner({'DXF_HOST': host, **INSECURE}).run(*typed.split(), cwd=tmp_path)
    reason = '501 Not Implemented' if typed.startswith('push') else '404 Not Found'
    said = f'{reason} ({where}); {host} may be no registry'
    assert ended.lines == [f'dxf: the registry does not list its repositories ({said})' if where == '_catalog' else
                           f'dxf: {said}']
    assert ended.status == (1 if typed.startswith('push') else 2)


@pytest.mark.parametrize(('typed', 'path', 'what'), [
    ('list-repos', '_catalog', 'listing'), (f'list-aliases {REPO}', f'{REPO}/tags/list', 'listing'),
    (f'pull-blob {REPO} @a', f'{REPO}/manifests/a', 'manifest')])
def test_a_page_in_place_of_an_answer_is_told(typed: str, path: str, what: str, tmp_path: Path) -> None:
    page = tmp_path / 'v2' / path / 'index.html'
    page.parent.mkdir(parents=True)
    page.write_text('<!DOCTYPE html><title>Welcome</title>')
    with web_server(tmp_path) as host:
        assert answered({'DXF_HOST': host, **INSECURE}, 1, *typed.split()) == \
            f'invalid {what}: it is a web page, and the server may be no registry'


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve a folder as ``python3 -m http.server`` does; yield its host."""
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f'localhost:{server.server_address[1]}'
        server.shutdown()
        thread.join(SECONDS)


@pytest.mark.parametrize(('command', 'text', 'reason'), [
    ('pull-blob', 'hello', 'invalid JSON: Expecting value'), ('pull-blob', '{}', 'it has no schemaVersion'),
    ('get-alias', '[]', 'invalid JSON: not an object')])
def test_standard_input_that_is_no_manifest_is_told(command: str, text: str, reason: str) -> None:
    operand = 'alias' if command == 'get-alias' else 'hash or alias'
    assert answered({}, 1, command, REPO, input=text.encode()) == \
        f'standard input is no manifest: {reason}; the {operand} is given after the repository'


@pytest.mark.parametrize('alias', [(), ('@nightly',)])
def test_a_command_that_prints_nothing_is_told(alias: tuple[str, ...], shelf: tuple[Endpoint, str]) -> None:
    endpoint, repo = shelf
    ended = Runner(endpoint.environ()).run('push-blob', repo, *alias, '--', 'true')
    assert (ended.status, ended.lines) == (0, ['dxf: the command printed nothing: an empty blob is stored'])
    assert ended.out.decode() == f'{hash_bytes(b"")}\n'
    Runner(endpoint.environ()).run('push-blob', repo, '--', 'echo', 'x').insist(0)


@pytest.mark.parametrize(('typed', 'operand'), [
    ('pull-blob| ', 'repository'), ('pull-blob|fred/x|', 'digest'), ('set-alias|fred/x||./x', 'alias')])
def test_an_operand_without_text_may_come_from_a_variable(typed: str, operand: str) -> None:
    name, *rest = typed.replace(' ', '').split('|')
    line = answered({}, 2, name, *rest)
    assert line.startswith(f"invalid {operand} '': ") and line.endswith(
        f'; is a variable unset? (see dxf {name} --help)')


def test_a_condition_that_does_not_hold_is_told_with_what_to_do(shelf: tuple[Endpoint, str]) -> None:
    endpoint, repo = shelf
    digest = hash_bytes(b'hello')
    given = ('set-alias', repo, 'a', digest)
    assert answered(endpoint.environ(), 1, *given, '--if-absent').endswith('; without --if-absent it is replaced')
    assert answered(endpoint.environ(), 1, *given, f'--if-match={digest}').endswith(
        f'; dxf get-manifest-digest {repo} a prints what --if-match takes')


@pytest.mark.parametrize('alias', [(), ('@nightly',)])
def test_standard_input_that_is_empty_is_told(alias: tuple[str, ...], shelf: tuple[Endpoint, str]) -> None:
    endpoint, repo = shelf
    ended = Runner(endpoint.environ()).run('push-blob', repo, '-', *alias)
    assert (ended.status, ended.lines) == (0, ['dxf: standard input was empty: an empty blob is stored'])
    assert ended.out.decode() == f'{hash_bytes(b"")}\n'
    assert not Runner(endpoint.environ()).run('push-blob', repo, '-', *alias, input=b'x').insist(0).lines


def test_a_registry_that_deletes_no_blobs_is_told_with_its_setting(tmp_path: Path, repo: str) -> None:
    with Registry(tmp_path, deletes=False) as registry:
        endpoint = Endpoint(registry)
        digest = endpoint.dxf(repo).push_blob(data=b'hello')
        assert answered(endpoint.environ(), 1, 'del-blob', repo, digest) == \
            f'405 Method Not Allowed: UNSUPPORTED: The operation is unsupported. ({repo}/blobs/{digest}); ' \
            'the registry must allow deletions (distribution: storage.delete.enabled)'


# Credentials


@pytest.mark.parametrize('kind', ['basic_registry', 'token_registry'])
def test_a_wrong_password_is_told_for_a_listing_as_for_the_rest(kind: str, request: pytest.FixtureRequest) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    wrong = {**endpoint.environ(), 'DXF_PASSWORD': 'wrong'}
    said = 'unauthorized; the credential used is DXF_PASSWORD of user fred'
    assert [answered(wrong, 13, *typed) for typed in (('list-repos',), ('list-aliases', REPO))] == [said, said]
    without = {name: value for name,
               value in endpoint.environ().items() if name not in ('DXF_USERNAME', 'DXF_PASSWORD')}
    expired = {**without, 'DXF_TOKEN': 'expired'}
    assert answered(expired, 13, 'list-repos') == \
        'unauthorized; the credential used is DXF_TOKEN, which may have expired'


def test_a_password_with_a_line_end_is_told_where_it_is_refused(basic_registry: Endpoint) -> None:
    assert answered({**basic_registry.environ(), 'DXF_PASSWORD': f'{basic_registry.password}\r'}, 13, 'list-repos') == \
        'unauthorized; the credential used is DXF_PASSWORD of user fred, which ends with a line end'


def test_a_place_of_credentials_of_the_wrong_kind_is_told_with_its_variable(basic_registry: Endpoint, tmp_path: Path
                                                                            ) -> None:
    (tmp_path / 'config.json').write_bytes(b'{}')
    variables = {'DXF_HOST': basic_registry.host, 'REQUESTS_CA_BUNDLE': str(basic_registry.ca),
                 'HOME': str(tmp_path)}
    file = f'{tmp_path}/config.json'
    password = str(basic_registry.password).encode()
    for typed in ('list-repos', f'login --username={basic_registry.username} --password-stdin'):
        assert answered({**variables, 'DOCKER_CONFIG': file}, 1, *typed.split(), input=password) == \
            f'cannot read {file}/config.json: DOCKER_CONFIG is the folder of config.json, and not a file'
    assert answered({**variables, 'REGISTRY_AUTH_FILE': str(tmp_path)}, 1, 'list-repos') == \
        f'cannot read {tmp_path}: Is a directory; REGISTRY_AUTH_FILE is a file, such as auth.json in it'


def test_a_credential_helper_that_is_missing_is_told_with_the_file_that_asks_for_it(basic_registry: Endpoint,
                                                                                    tmp_path: Path) -> None:
    (tmp_path / 'config.json').write_bytes(b'{"credsStore": "nowhere"}')
    variables = {'DXF_HOST': basic_registry.host, 'REQUESTS_CA_BUNDLE': str(basic_registry.ca),
                 'DOCKER_CONFIG': str(tmp_path)}
    assert answered(variables, 1, 'list-repos') == \
        f'docker-credential-nowhere is not installed, or not on PATH: {tmp_path}/config.json names it'


def test_on_a_terminal_it_is_told_that_a_registry_gives_no_tokens(open_registry: Endpoint) -> None:
    master, slave = pty.openpty()
    try:
        ended = Runner(open_registry.environ()).run('auth', REPO, 'pull', stdout=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert (ended.status, ended.lines) == (0, ['dxf: the registry gives no token: commands need no DXF_TOKEN there'])
    assert not Runner(open_registry.environ()).run('auth', REPO, 'pull').insist(0).out


def test_a_listing_that_a_good_password_does_not_give_is_told(token_registry: Endpoint, tokens: TokenServer) -> None:
    tokens.grants['fred'] = set()
    assert answered(token_registry.environ(), 13, 'list-repos') == \
        'unauthorized: the registry does not list its repositories to this user; ' \
        'the credential used is DXF_PASSWORD of user fred'


def test_a_listing_that_basic_authentication_does_not_give_is_told(certificates: Certificates) -> None:
    refusal = error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
    with ScriptedRegistry(certificates) as server:
        server.hook = lambda request: refusal if '_catalog' in request.path else None
        assert answered({'DXF_HOST': server.host, 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'pw',
                         'REQUESTS_CA_BUNDLE': certificates.ca}, 13, 'list-repos') == \
            'unauthorized: the registry does not list its repositories to this user; ' \
            'the credential used is DXF_PASSWORD of user fred'


@pytest.mark.parametrize('typed', ['list-repos', f'list-aliases {REPO}', f'pull-blob {REPO} @a'])
def test_a_password_that_http_does_not_carry_is_not_asked_for(typed: str, tmp_path: Path) -> None:
    with Registry(tmp_path, users={'fred': 'pw'}) as registry:
        line = answered({'DXF_HOST': registry.host, **INSECURE}, 13, *typed.split())
        given = answered({'DXF_HOST': registry.host, 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'pw', **INSECURE}, 1,
                         *typed.split())
    assert line == 'unauthorized; over http dxf sends no password: the registry needs TLS for that; a DXF_TOKEN is sent'
    assert given == 'Auth requires HTTPS: nothing was sent; a password is sent over TLS alone: set up TLS on ' \
        'the registry or on a proxy before it, and unset DXF_INSECURE; what needs no login works without credentials'


def test_a_value_of_authorization_without_its_scheme_is_told(basic_registry: Endpoint) -> None:
    variables = {'DXF_HOST': basic_registry.host, 'REQUESTS_CA_BUNDLE': str(basic_registry.ca),
                 'DXF_AUTHORIZATION': 'ZnJlZDpwdw=='}
    assert answered(variables, 13, 'list-aliases', REPO) == 'unauthorized; the credential used is DXF_AUTHORIZATION, ' \
        'which has no scheme: want Basic ... or Bearer ...'
    variables['DXF_AUTHORIZATION'] = 'Authorization: Basic ZnJlZDpwdw=='
    assert answered(variables, 13, 'list-aliases', REPO) == 'unauthorized; the credential used is DXF_AUTHORIZATION, ' \
        'which is the value of the header alone: leave out its name'


# The way to the registry


@contextmanager
def port_that_refuses() -> Iterator[int]:
    """Yield a port at which nobody listens, and that nobody else gets meanwhile."""
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        yield closed.getsockname()[1]


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, resolve: Callable[[str, Any], Any]) -> Iterator[None]:
    """Have names be looked up as a test wants: ``resolve`` returns the port in place of that which is asked for."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return look_up('127.0.0.1', resolve(str(host), port), *args, **kwargs)
    with monkeypatch.context() as patch:
        patch.setattr(socket, 'getaddrinfo', getaddrinfo)
        yield


def unknown(_host: str, _port: Any) -> Any:
    """Answer as a name server does that has never heard of a host."""
    raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')


def unreached(registry: DXFBase) -> NoConnection:
    """Return the error where a registry cannot be reached."""
    with pytest.raises(NoConnection) as caught:
        registry.api_version_check()
    return caught.value


@pytest.mark.parametrize(('insecure', 'port'), [(False, 443), (True, 80)])
def test_a_port_that_was_forgotten_is_told_with_the_one_that_was_tried(insecure: bool, port: int,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    with port_that_refuses() as closed, resolving(monkeypatch, lambda host, asked: {port: closed}[asked]):
        failed = unreached(DXFBase('localhost', insecure=insecure, limits=FAST))
    assert line_of(failed) == f'cannot connect to localhost:{port}: connection refused; no port was given: is one ' \
        'missing, as in localhost:5000?'
    assert status_of(failed) == 1


@pytest.mark.parametrize(('host', 'port'), [('registry.example.com', '443'), ('registry.example.com:8443', '8443')])
@pytest.mark.parametrize(('failure', 'said', 'rest'), [
    (ConnectTimeout(), 'no answer from {}:{} in time{}', '; DXF_TIMEOUT sets the seconds to wait'),
    (NoConnection(OSError(errno.EHOSTUNREACH, 'No route to host')), 'cannot connect to {}:{}: no route to host{}', ''),
], ids=['in time', 'no route'])
def test_a_port_that_was_forgotten_is_told_where_nobody_answers(host: str, port: str, failure: RequestException,
                                                                said: str, rest: str) -> None:
    failure.request = Request('GET', f'https://{host}/v2/_catalog').prepare()
    name = host.partition(':')[0]
    hint = '' if name != host else f'; no port was given: is one missing, as in {name}:5000?'
    assert line_of(failure) == said.format(name, port, hint) + rest


def test_a_port_that_was_given_is_not_called_missing() -> None:
    with port_that_refuses() as port:
        assert answered({'DXF_HOST': f'localhost:{port}'}, 1, 'list-repos') == \
            f'cannot connect to localhost:{port}: connection refused; is a registry running there?'


@pytest.mark.parametrize(('host', 'said', 'status'), [
    ('blobs', '; a folder is written oci:./blobs', 2),
    ('blobs.example', '; is the name right, and is there a network?', 1),
    ('blobs:5000', '; is the name right, and is there a network?', 1),
])
def test_a_name_without_dots_and_port_that_is_not_found_may_be_a_folder(host: str, said: str, status: int,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    with resolving(monkeypatch, unknown):
        failed = unreached(DXFBase(host, limits=FAST))
    assert line_of(failed) == f'cannot find {host}: Name or service not known{said}'
    assert status_of(failed) == status


@pytest.mark.parametrize(('auth_host', 'host', 'said'), [
    (None, 'auth.nowhere.example',
     'the registry names auth.nowhere.example as its token server, DXF_AUTH_HOST names another'),
    ('tokens.nowhere.example', 'tokens.nowhere.example',
     'DXF_AUTH_HOST names tokens.nowhere.example as the token server'),
])
def test_a_token_server_that_is_not_found_is_told_with_its_variable(
        auth_host: str | None, host: str, said: str, certificates: Certificates,
        monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = {'WWW-Authenticate': 'Bearer realm="https://auth.nowhere.example/token",service="x"'}
    with ScriptedRegistry(certificates) as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers=challenge)

        def resolve(name: str, port: Any) -> Any:
            return port if name == 'localhost' else unknown(name, port)
        with resolving(monkeypatch, resolve), pytest.raises(NoConnection) as caught:
            DXFBase(server.host, auth_host=auth_host, tlsverify=certificates.ca, limits=FAST).authenticate('u', 'p')
    assert line_of(caught.value) == f'cannot find {host}: Name or service not known; {said}'


def test_a_token_server_that_has_no_tokens_is_told_with_its_variable(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, ScriptedRegistry(certificates) as elsewhere:
        challenge = {'WWW-Authenticate': f'Bearer realm="{elsewhere.url}/nothing",service="x"'}
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers=challenge)
        elsewhere.hook = lambda request: Answer(404)
        variables = {'DXF_HOST': server.host, 'DXF_USERNAME': 'u', 'DXF_PASSWORD': 'p',
                     'REQUESTS_CA_BUNDLE': certificates.ca}
        assert answered(variables, 2, 'list-aliases', REPO) == \
            f'404 Not Found; the registry names {elsewhere.host} as its token server, DXF_AUTH_HOST names another'


@pytest.mark.parametrize(('answer', 'said'), [
    (Answer(302, {'Location': '/login'}), 'the registry redirects a GET, which dxf does not follow'),
    (Answer(204), 'expected status code 200, got 204'),
    (Answer(200, {'Content-Encoding': 'gzip'}), 'the registry compressed an answer, which was not asked for'),
    (Answer(200, body=b' ' * 200_000), "the registry's answer is larger than 131072 bytes"),
    (Answer(200, body=b'<html>'), "cannot read the token server's answer"),
    (Answer(200, body=b'{}'), "the token server's answer holds no token"),
])
def test_a_token_server_whose_answer_is_no_token_is_told_with_its_variable(answer: Answer, said: str,
                                                                           certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, ScriptedRegistry(certificates) as elsewhere:
        challenge = {'WWW-Authenticate': f'Bearer realm="{elsewhere.url}/token",service="x"'}
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers=challenge)
        elsewhere.hook = lambda request: answer
        with pytest.raises(DXFError) as caught:
            DXFBase(server.host, tlsverify=certificates.ca, limits=FAST).authenticate('u', 'p')
        assert line_of(caught.value) == \
            f'{said}; the registry names {elsewhere.host} as its token server, DXF_AUTH_HOST names another'


@pytest.mark.parametrize('value', ['localhost:{}', 'http://localhost:{}', 'fred:pw@localhost:{}'])
def test_a_dead_proxy_is_named_with_its_scheme(value: str) -> None:
    with port_that_refuses() as port:
        line = answered({'HTTPS_PROXY': value.format(port)}, 1, 'list-repos')
    assert line == f'cannot connect to the proxy http://localhost:{port}: connection refused; HTTPS_PROXY names it, ' \
        'NO_PROXY what goes without'


@contextmanager
def nginx(directory: Path, certificates: Certificates) -> Iterator[str]:
    """Run nginx with TLS; yield its host."""
    with Nginx(directory, [NOBODY], tls=certificates) as server:
        yield server.host


def test_http_on_a_port_for_tls_of_a_real_registry_is_told_with_what_to_unset(basic_registry: Endpoint) -> None:
    assert answered({'DXF_HOST': basic_registry.host, **INSECURE}, 1, 'list-repos') == \
        f'400 Bad Request: {basic_registry.host} speaks TLS: unset DXF_INSECURE (_catalog)'


def test_http_on_a_port_for_tls_is_told_where_the_first_answer_has_no_body(basic_registry: Endpoint, tmp_path: Path
                                                                           ) -> None:
    file = tmp_path / 'hello'
    file.write_bytes(b'hello')
    assert answered({'DXF_HOST': basic_registry.host, **INSECURE}, 1, 'push-blob', REPO, str(file)) == \
        f'400 Bad Request: if {basic_registry.host} speaks TLS, unset DXF_INSECURE ' \
        f'({REPO}/blobs/{hash_bytes(b"hello")})'


def test_http_on_a_port_for_tls_of_nginx_is_told_with_what_to_unset(tmp_path: Path, certificates: Certificates
                                                                    ) -> None:
    with nginx(tmp_path, certificates) as host:
        assert answered({'DXF_HOST': host, **INSECURE}, 1, 'list-aliases', REPO) == \
            f'400 Bad Request: {host} speaks TLS: unset DXF_INSECURE ({REPO}/tags/list)'


def test_http_on_a_port_for_tls_that_answers_with_an_alert_is_told_with_what_to_unset() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(before=[b'\x15\x03\x01\x00\x02\x02\x0a'], head=False)
        assert answered({'DXF_HOST': server.host, **INSECURE}, 1, 'list-repos') == \
            f'the connection to {server.host} broke; if it speaks TLS, unset DXF_INSECURE'


def test_http_on_a_port_for_tls_that_hangs_up_is_told_with_what_to_unset(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server:
        assert answered({'DXF_HOST': server.host, **INSECURE}, 1, 'list-repos') == \
            f'the connection to {server.host} broke; if it speaks TLS, unset DXF_INSECURE'


# Two registries


def test_a_target_of_copy_that_speaks_http_is_told_with_its_own_variable(shelf: tuple[Endpoint, str]) -> None:
    endpoint, repo = shelf
    with ScriptedRegistry() as target:
        line = answered(endpoint.environ(), 1, 'copy', repo, 'a', '--to', target.host)
        assert line == f'{target.host} does not speak TLS; set DXF_TO_INSECURE=1 only if it is meant to be used ' \
            'without'
        Runner({**endpoint.environ(), 'DXF_TO_INSECURE': '1'}).run('copy', repo, 'a', '--to', target.host).insist(0)


def test_a_certificate_of_the_target_of_copy_is_told_with_its_own_variable(shelf: tuple[Endpoint, str],
                                                                           basic_registry: Endpoint) -> None:
    endpoint, repo = shelf
    variables = {**endpoint.environ(), 'REQUESTS_CA_BUNDLE': '', 'DXF_TLSVERIFY': str(basic_registry.ca)}
    assert answered(variables, 1, 'copy', repo, 'a', '--to', basic_registry.host) == \
        f'cannot verify the certificate of {basic_registry.host}: unable to get local issuer certificate; if a CA of ' \
        "your own signed it, set REQUESTS_CA_BUNDLE or DXF_TO_TLSVERIFY to a file of the CA's certificates"


def test_a_source_of_copy_that_speaks_http_is_told_with_its_own_variable(open_registry: Endpoint,
                                                                         tmp_path: Path) -> None:
    assert answered({'DXF_HOST': open_registry.host}, 1, 'copy', REPO, 'a', '--to', f'oci:{tmp_path}') == \
        f'{open_registry.host} does not speak TLS; set DXF_INSECURE=1 only if it is meant to be used without'


def test_a_target_of_copy_that_speaks_tls_is_told_with_its_own_variable(shelf: tuple[Endpoint, str],
                                                                        basic_registry: Endpoint) -> None:
    endpoint, repo = shelf
    line = answered({**endpoint.environ(), 'DXF_TO_INSECURE': '1'}, 1, 'copy', repo, 'a', '--to', basic_registry.host)
    digest = line.rpartition('/')[2].rstrip(')')
    assert line == f'400 Bad Request: if {basic_registry.host} speaks TLS, unset DXF_TO_INSECURE ' \
        f'({repo}/blobs/{digest})'


@pytest.mark.parametrize('refusal', [error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'}),
                                     error(403, 'DENIED', 'no')], ids=['401', '403'])
@pytest.mark.parametrize('refuses', ['source', 'target'])
def test_of_two_registries_the_one_that_refused_is_named(refuses: str, refusal: Answer, certificates: Certificates
                                                         ) -> None:
    with ScriptedRegistry(certificates) as source, ScriptedRegistry(certificates) as target:
        sides = {'source': source, 'target': target}
        with DXF(source.host, REPO, tlsverify=certificates.ca) as repository:
            repository.set_alias('a', repository.push_blob(data=b'hello'))
        # Only a body tells that a 403 means DENIED, and an answer to HEAD has none.
        sides[refuses].hook = lambda request: None if request.method == 'HEAD' else refusal
        variables = {'DXF_HOST': source.host, 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'pw',
                     'DXF_TO_USERNAME': 'ann', 'DXF_TO_PASSWORD': 'pw', 'REQUESTS_CA_BUNDLE': certificates.ca}
        line = answered(variables, 13, 'copy', REPO, 'a', '--to', target.host)
    used = {'source': 'DXF_PASSWORD of user fred', 'target': 'DXF_TO_PASSWORD of user ann'}[refuses]
    assert line.endswith(f'; for {sides[refuses].host}, the credential used is {used}')
    assert sides['target' if refuses == 'source' else 'source'].host not in line


@pytest.mark.parametrize(('status', 'code'), [(500, 'UNKNOWN'), (403, 'DENIED'), (404, 'NAME_UNKNOWN')])
def test_a_target_of_copy_is_named_whatever_it_refuses(shelf: tuple[Endpoint, str], status: int, code: str) -> None:
    endpoint, repo = shelf
    with ScriptedRegistry() as target:
        target.hook = lambda request: error(status, code, 'no')
        ended = Runner({**endpoint.environ(), 'DXF_TO_INSECURE': '1', 'DXF_RETRIES': '0'}).run(
            'copy', repo, 'a', '--to', target.host)
    assert ended.status != 0
    line, = ended.lines
    assert target.host in line and 'list-repos' not in line


def test_a_storage_host_that_is_not_found_is_not_called_a_folder() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(307, {'Location': 'http://storage/x'})
        variables = {**INSECURE, 'DXF_HOST': server.host, 'DXF_RETRIES': '0'}
        line = answered(variables, 1, 'pull-blob', REPO, DIGEST)
    assert 'cannot find storage' in line and 'oci:' not in line


# A pipe


def test_a_pipe_whose_upload_breaks_on_a_real_registry_is_to_be_run_again(open_registry: Endpoint, repo: str) -> None:
    with FaultProxy(open_registry.host, lambda number: Fault(up=100_000)) as proxy:
        said = pushed({'DXF_HOST': proxy.host, 'DXF_RETRIES': '2', **INSECURE}, repo, os.urandom(9 << 20))
    assert said == 'the upload broke off (the connection broke), and data cannot be read a second time: ' \
        'run the pipeline again, or push from a file'


@pytest.mark.parametrize('size', [5, 9 << 20])
@pytest.mark.parametrize('method', ['POST', 'PUT'])
def test_a_pipe_that_the_registry_has_no_time_for_is_to_be_run_again(size: int, method: str) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(503, 'UNAVAILABLE', 'later') if request.method == method else None
        said = pushed({'DXF_HOST': server.host, **INSECURE}, REPO, bytes(size))
        path = server.of(method)[-1].path.removeprefix('/v2/')
    assert said == f'503 Service Unavailable: UNAVAILABLE: later ({path}); run the pipeline again'


def test_a_pipe_that_the_registry_refuses_is_not_to_be_run_again() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(400, 'UNSUPPORTED', 'never') if request.method == 'POST' else None
        said = pushed({'DXF_HOST': server.host, **INSECURE}, REPO, b'hello')
    assert said == f'400 Bad Request: UNSUPPORTED: never ({REPO}/blobs/uploads/)'


def pushed(variables: dict[str, str], repo: str, content: bytes) -> str:
    """Push the content of a pipe, which fails; return the line."""
    with Runner(variables).start('push-blob', repo, '-', '@a', stdin=subprocess.PIPE) as process:
        out, problems = process.communicate(content, timeout=SECONDS)
    assert (process.returncode, out, problems.count(b'\n')) == (1, b'', 1)
    return problems.decode().removeprefix('dxf: ').removesuffix('\n')
