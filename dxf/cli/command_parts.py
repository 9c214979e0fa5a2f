"""Operands, options, actions and texts that several commands have in common."""

from dxf.cli.command import ALIASES, BLOBS, FILES, FILES_OR_ALIASES, REPOSITORIES, Operand, Option
from dxf.environment.variables import PROGRESS_MODES

REPO = Operand('<repo>', completion=REPOSITORIES)
ALIAS = Operand('<alias>', completion=ALIASES)
SEVERAL_ALIASES = ALIAS._replace(many=True)
ANY_ALIASES = SEVERAL_ALIASES._replace(optional=True)
AT_ALIAS = Operand('@alias', optional=True, completion=FILES_OR_ALIASES)
ANY_BLOBS = Operand('<hash>|<@alias>', many=True, optional=True, completion=BLOBS)
SEVERAL_FILES = Operand('<file>', many=True, completion=FILES)

JSON_LINES = Option(('--json',), 'print one JSON object per line')
PROGRESS = Option(('--progress',), 'show bars, a line every 10 s, JSON lines or nothing on standard error',
                  choices=PROGRESS_MODES)
RATE = Option(('--limit-rate',), 'send and receive at most RATE bytes a second, such as 500K or 10M (of 1024 * 1024)',
              'RATE')
ANNOTATION = Option(('--annotation',), 'add an annotation to the manifest', 'KEY=VALUE', many=True)
TYPE = Option(('--type',), 'the artifact type of the manifest', 'MEDIA_TYPE')

HOST = Option(('--host',), 'the registry, in place of DXF_HOST', 'HOST')
"""The option of every command."""

PULL = ('pull',)
PUSH = ('pull', 'push')
DELETE = ('pull', 'delete')
REPLACE = ('pull', 'push', 'delete')
"""The actions of del-alias: some registries delete a name only by a manifest that is put under it."""

FILE_VARIABLES = ('DXF_JOBS', 'DXF_PROGRESS', 'SOURCE_DATE_EPOCH')
LOGIN_VARIABLES = ('DOCKER_CONFIG', 'REGISTRY_AUTH_FILE')

READS_MANIFEST = '\nWithout a hash or alias, the manifest on standard input is read.'
READS_ALIAS = '\nWithout an alias, the manifest on standard input is read.'
TAKES_DIGEST = '\nThe digest of a manifest may stand in place of the alias.'
