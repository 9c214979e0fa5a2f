"""Variables: every environment variable that dxf reads, with the text that help and documentation have for it.

``reader`` reads them.
"""

from dxf.limits import Limits

PREFIX = 'DXF_'
"""How the names of dxf's own variables begin."""

TARGET_PREFIX = 'DXF_TO_'
"""How the names of the variables begin that are for the registry to which is copied."""

PROGRESS = {'1': 'bar', '0': 'none', 'lines': 'lines', 'json': 'json'}
"""By the value of DXF_PROGRESS, that of --progress."""

PROGRESS_MODES = ('bar', 'lines', 'json', 'none')
"""The values of --progress."""

JOBS = 6
"""The default of DXF_JOBS, which is that of the library."""

VARIABLES = {
    'DXF_HOST': 'the registry: registry.example.com:5000, docker.io for Docker Hub, oci:./folder for a folder; '
                '--host=HOST after a command wins',
    'DXF_INSECURE': '1: use http; no user name and password may be set then',
    'DXF_USERNAME': 'user to authenticate as',
    'DXF_PASSWORD': "the user's password",
    'DXF_AUTHORIZATION': 'value of an Authorization header, in place of user name and password',
    'DXF_TOKEN': 'a token that dxf auth printed; if it is refused, the other credentials are used',
    'DXF_AUTH_HOST': 'host of the token server, in place of the one that the registry names',
    'DXF_PROGRESS': '1: show progress bars; 0: show nothing; lines, json: as --progress (default: bars on a terminal)',
    'DXF_BLOB_INFO': '1: pull-blob writes "<digest> <size>" and a newline before each blob on standard output',
    'DXF_CHUNK_SIZE': 'bytes that pull-blob writes at a time (default: as they arrive)',
    'DXF_JOBS': f'blobs to move at once, and threads that compress a folder (default {JOBS}); 1: one after the other',
    'DXF_CACHE': 'folder where DXF.open(..., verify=True), in Python, keeps blobs (default ~/.cache/dxf)',
    'DXF_PLATFORM': 'os/architecture[/variant]: use only this platform of a multi-platform alias',
    'DXF_SCHEMA': 'the kind of manifest that commands write: v2 (default), oci or v1',
    'DXF_TIMEOUT': 'seconds to wait for a connection and for the next byte (default 10 and 60)',
    'DXF_RETRIES': f'attempts after the first (default {Limits().retries})',
    'DXF_DEBUG': '1: log each request to standard error: status, bytes and time (no secrets)',
    'DXF_SKIPTLSVERIFY': '1: do not verify certificates',
    'DXF_TLSVERIFY': 'file of CA certificates to verify with',
    'REQUESTS_CA_BUNDLE': 'the same, for everything that uses requests',
    'DXF_CERT': 'file of a client certificate (PEM), shown only to the registry; it may hold the key too',
    'DXF_KEY': "file of the client certificate's key (PEM)",
    'HTTPS_PROXY': 'proxy for https: http://[user:password@]proxy.example.com:3128',
    'HTTP_PROXY': 'proxy for http',
    'ALL_PROXY': 'proxy for a scheme without its own variable',
    'NO_PROXY': 'names (with their subdomains), addresses and networks to reach without a proxy; *: all',
    'DXF_TO_USERNAME': 'for the registry that copy copies to: user to authenticate as',
    'DXF_TO_PASSWORD': "that user's password",
    'DXF_TO_AUTHORIZATION': 'value of an Authorization header for that registry',
    'DXF_TO_TOKEN': 'token for that registry',
    'DXF_TO_INSECURE': '1: use http for that registry',
    'DXF_TO_TLSVERIFY': 'file of CA certificates to verify that registry with',
    'DXF_TO_CERT': 'file of a client certificate for that registry',
    'DXF_TO_KEY': "file of that certificate's key",
    'DOCKER_CONFIG': 'folder of the config.json in which docker login stores credentials (default ~/.docker)',
    'REGISTRY_AUTH_FILE': 'file in which podman login stores credentials; it is read first',
    'SOURCE_DATE_EPOCH': 'seconds since 1970: the time that push-files and attach store (default: now)',
    'XDG_STATE_HOME': 'folder for what push-blob --resume remembers (default ~/.local/state)',
}
"""Every variable that dxf reads, with its meaning."""

COMMON = ('DXF_HOST', 'DXF_INSECURE', 'DXF_USERNAME', 'DXF_PASSWORD', 'DXF_AUTHORIZATION', 'DXF_TOKEN',
          'DXF_AUTH_HOST', 'DXF_TIMEOUT', 'DXF_RETRIES', 'DXF_DEBUG', 'DXF_SKIPTLSVERIFY', 'DXF_TLSVERIFY',
          'REQUESTS_CA_BUNDLE', 'DXF_CERT', 'DXF_KEY', 'HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY')
"""The variables that every command reads."""
