"""Not found: what a registry lacks, and the command that lists what it has, in place of a status and a code."""

import re
from urllib.parse import unquote

from requests import Response

from dxf.cli.context import Context
from dxf.names import check_registry, is_docker_hub, is_folder, is_sha256
from dxf.strict_json import printable
from dxf.transport.redaction import public_url
from dxf.transport.responses import error_codes

_PATH = re.compile(r'(?:(?P<repository>.*)/)?(?P<kind>manifests|blobs)/(?P<name>[^/]+)')
NO_LAYOUT = 'there is no layout in '
"""What a folder answers for a repository that it lacks, by the code of what was asked for."""

LIST = '; dxf list-repos prints the repositories'

_UNKNOWN = {'manifests': 'MANIFEST_UNKNOWN', 'blobs': 'BLOB_UNKNOWN'}


def explained(context: Context, response: Response, line: str) -> str:
    """Return the line for an answer of 404, where it is known what is missing; else the line as it is.

    :param line: of the error that the answer became
    """
    path = public_url(response.url).partition('/v2/')[2]
    if not path or not line.endswith(f' ({path})'):
        return line  # it says already what is missing
    codes = error_codes(response)
    host = check_registry(context.settings.host)
    if is_folder(host) and NO_LAYOUT in line:
        return f'404 Not Found: {line[line.index(NO_LAYOUT):].removesuffix(f" ({path})")}{LIST}'
    if 'NAME_UNKNOWN' in codes:
        return line if is_docker_hub(host) else line + LIST
    found = _PATH.fullmatch(path)
    method = getattr(response.request, 'method', None)
    if found is None or method != 'HEAD' and _UNKNOWN[found['kind']] not in codes:  # an answer to HEAD has no codes
        return line
    repository, name = found['repository'] or '', unquote(found['name'])
    what = 'blob' if found['kind'] == 'blobs' else 'manifest' if is_sha256(name) else 'alias'
    hint = ''
    if what == 'alias' and repository == context.repository:
        hint = f"; dxf list-aliases {repository or repr('')} prints its aliases"
    return printable(f'404 Not Found: {repository or context.settings.host} has no {what} {name}{hint}')
