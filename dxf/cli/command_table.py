"""The table of commands, from which parsers, help, manual, reference and completion are made.

``dispatch`` names the function of each command.
"""

from dxf.cli.command import (ACTIONS, ALIASES, BLOBS, FILES, FILES_OR_ALIASES, FOLDERS, REPOSITORIES, Command, Operand,
                             Option)
from dxf.cli.variables import PROGRESS_MODES

GROUPS = ('blobs', 'aliases', 'files', 'snapshots', 'images', 'registry and login')
"""The groups of commands, in the order of ``dxf --help``."""

_REPO = Operand('<repo>', completion=REPOSITORIES)
_ALIAS = Operand('<alias>', completion=ALIASES)
_ALIASES = _ALIAS._replace(many=True)
_ANY_ALIASES = _ALIASES._replace(optional=True)
_AT_ALIAS = Operand('@alias', optional=True, completion=FILES_OR_ALIASES)
_ANY_BLOBS = Operand('<hash>|<@alias>', many=True, optional=True, completion=BLOBS)
_FILES = Operand('<file>', many=True, completion=FILES)

_JSON = Option(('--json',), 'print one JSON object per line')
_PROGRESS = Option(('--progress',), 'show bars, a line every 10 s, JSON lines or nothing on standard error',
                   choices=PROGRESS_MODES)
_ANNOTATION = Option(('--annotation',), 'add an annotation to the manifest', 'KEY=VALUE', many=True)
_TYPE = Option(('--type',), 'the artifact type of the manifest', 'MEDIA_TYPE')

_PULL = ('pull',)
_PUSH = ('pull', 'push')
_DELETE = ('pull', 'delete')
_REPLACE = ('pull', 'push', 'delete')
"""The actions of del-alias: some registries delete a name only by a manifest that is put under it."""

_FILE_VARIABLES = ('DXF_JOBS', 'DXF_PROGRESS', 'SOURCE_DATE_EPOCH')
_LOGIN_VARIABLES = ('DOCKER_CONFIG', 'REGISTRY_AUTH_FILE')

_STDIN = '\nWithout a hash or alias, the manifest on standard input is read.'
_STDIN_ALIAS = '\nWithout an alias, the manifest on standard input is read.'
_DIGEST = '\nThe digest of a manifest may stand in place of the alias.'

COMMANDS = (
    Command(
        'push-blob', group='blobs',
        summary='Store a file as a blob, and print its hash.',
        details='An @alias names the blob. If several files are given, an @alias names all of them.\n'
                'A blob that the registry has is not sent again. - is standard input.\n'
                'After --, a command may follow: its output is stored if it ends with status 0. In a pipe, dxf cannot\n'
                'see whether the command before it failed. To run a pipe, write -- bash -o pipefail -c \'tar c photos\n'
                "| gzip'. A file whose name begins with - is written ./-name.",
        operands=(_REPO, _FILES._replace(completion=FILES_OR_ALIASES), _AT_ALIAS),
        program_operands=(_REPO, _AT_ALIAS),
        options=(Option(('--resume',), 'remember how far the upload is; continue an upload that broke off'),
                 Option(('--force',), 'send it even if the registry says that it has it'), _PROGRESS, _JSON),
        examples=('dxf push-blob fred/datalogger logger.dat @may15-readings',
                  'dxf push-blob fred/backup @nightly -- tar c photos'),
        actions=_PUSH, variables=('DXF_JOBS', 'DXF_PROGRESS', 'DXF_SCHEMA', 'XDG_STATE_HOME'),
        creates_repository=True),
    Command(
        'pull-blob', group='blobs',
        summary='Write blobs to standard output, or to a file.',
        details='A blob is given by its hash, an alias stands for all its blobs. The last chunk is written after the\n'
                'digest has been verified: status 0 means that everything is right.\n'
                'For a multi-platform alias, digests are printed, unless DXF_PLATFORM selects a platform.' + _STDIN,
        operands=(_REPO, _ANY_BLOBS),
        options=(Option(('-o', '--output'),
                        'write to a file, which appears or is replaced when everything is complete and verified;\n'
                        'continue a download that broke off; - is standard output, and allows binary content on a\n'
                        'terminal; pipes and devices are written to directly', 'FILE', completion=FILES), _PROGRESS),
        examples=('dxf pull-blob fred/datalogger @may15-readings',), actions=_PULL,
        variables=('DXF_BLOB_INFO', 'DXF_CHUNK_SIZE', 'DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS')),
    Command(
        'blob-size', group='blobs',
        summary='Print the size of blobs in bytes.',
        details='For an alias, the sum of the sizes of its blobs is printed.' + _STDIN,
        operands=(_REPO, _ANY_BLOBS), options=(_JSON,),
        examples=('dxf blob-size fred/datalogger @may15-readings',), actions=_PULL, variables=('DXF_PLATFORM',)),
    Command(
        'mount-blob', group='blobs',
        summary='Add a blob of another repository, without a transfer.',
        details='An @alias names the blob. Its hash is printed.',
        operands=(_REPO, Operand('<from-repo>', completion=REPOSITORIES), Operand('<hash>'), _AT_ALIAS),
        options=(_JSON,),
        examples=('dxf mount-blob fred/archive fred/datalogger sha256:... @may15',), variables=('DXF_SCHEMA',),
        creates_repository=True),
    Command(
        'del-blob', group='blobs',
        summary='Delete blobs.',
        details='An alias stands for its blobs: they are deleted, and the alias stays. del-alias deletes an alias.\n'
                'Other aliases that name the same blobs lose them too.\n'
                "The space is free after the registry's next garbage collection; in a folder, at once." + _STDIN,
        operands=(_REPO, _ANY_BLOBS),
        examples=('dxf del-blob fred/datalogger sha256:...',), actions=_DELETE, variables=('DXF_PLATFORM',)),
    Command(
        'verify', group='blobs',
        summary='Compare files with the blobs of an alias.',
        details='The files are compared in order. No blob is fetched, but the registry is asked for each.\n'
                'Status 0: it has all of them, and they are the same. Status 1: they are not.',
        operands=(_REPO, _FILES, _ALIAS),
        examples=('dxf verify fred/datalogger logger.dat may15-readings',), actions=_PULL,
        variables=('DXF_PLATFORM',)),
    Command(
        'set-alias', group='aliases',
        summary='Name blobs by an alias, and print the manifest.',
        details='The registry must have the blobs. Each is given by its hash, or by a file with the same content\n'
                '(with a path separator: ./logger.dat).',
        operands=(_REPO, _ALIAS, Operand('<hash>|<file>', many=True, completion=FILES)),
        options=(Option(('--if-absent',), 'only if the alias does not exist (atomic on folders and on registries\n'
                        'with conditional PUT)'),
                 Option(('--if-match',), 'only if the alias names the manifest with this digest', 'DIGEST'), _JSON),
        examples=('dxf set-alias fred/datalogger may15-readings ./logger.dat',), actions=_PUSH,
        variables=('DXF_SCHEMA',)),
    Command(
        'get-alias', group='aliases',
        summary='Print the hashes of the blobs of aliases.',
        details='One hash a line, in the order of the alias.' + _STDIN_ALIAS,
        operands=(_REPO, _ANY_ALIASES), options=(_JSON,),
        examples=('dxf get-alias fred/datalogger may15-readings',), actions=_PULL, variables=('DXF_PLATFORM',)),
    Command(
        'del-alias', group='aliases',
        summary='Delete aliases, and print the hashes of their blobs.',
        details='The blobs stay until the garbage collection of the registry; in a folder, until dxf gc --delete.\n'
                'The manifest of an alias is deleted too, unless another alias, an index or an attached manifest\n'
                'needs it. If one of the aliases does not exist, nothing is deleted.' + _DIGEST,
        operands=(_REPO, _ALIASES),
        options=(Option(('--with-others',), 'delete the manifest in any case, and all its other aliases'), _JSON),
        examples=('dxf del-alias fred/datalogger may15-readings',), actions=_REPLACE),
    Command(
        'list-aliases', group='aliases',
        summary='Print the aliases of a repository, one a line.',
        details='In a folder, a manifest that another tool named docker.io/library/mysql:8.0 has the alias 8.0;\n'
                'if several manifests have this tag, the full reference is the alias.',
        operands=(_REPO,),
        options=(Option(('--sort',), 'sort the names (default: the order of the registry)'),
                 Option(('--prefix',), 'list only names that start with TEXT', 'TEXT'), _JSON),
        examples=('dxf list-aliases fred/datalogger',), actions=_PULL),
    Command(
        'copy', group='aliases',
        summary='Copy aliases to another registry or repository.',
        details='Everything that an alias leads to is copied byte for byte. What the target has is not sent again,\n'
                'so a copy that broke off can be repeated. The digests of the manifests, equal\n'
                'on both sides, are printed. --referrers includes what cosign stores under tags for each manifest\n'
                '(sha256-HASH.sig, .att, .sbom); it replaces such a tag there only if nothing in it is lost.',
        operands=(_REPO, _ANY_ALIASES),
        options=(Option(('--to',), 'the registry to copy to, as in DXF_HOST: a host, or oci: and a folder', 'HOST',
                        required=True),
                 Option(('--to-repo',), 'the repository there (default: the same)', 'REPO', completion=REPOSITORIES),
                 Option(('--to-alias',), 'the name there (default: the same)', 'ALIAS'),
                 Option(('--platform',), 'copy only the image of this platform', 'OS/ARCH'),
                 Option(('--referrers',), 'copy signatures, attestations and other attached manifests too'),
                 Option(('--all',), 'copy all aliases; if a manifest has none, name it, and end with status 1'),
                 Option(('--dry-run',), 'copy nothing; print what would be copied, and what is there (skip)'),
                 _PROGRESS, _JSON),
        examples=('dxf copy fred/datalogger may15 --to registry.example.com',
                  'dxf copy fred/datalogger --all --to oci:/media/usb/blobs'),
        actions=_PULL,
        variables=('DXF_TO_USERNAME', 'DXF_TO_PASSWORD', 'DXF_TO_AUTHORIZATION', 'DXF_TO_TOKEN', 'DXF_TO_INSECURE',
                   'DXF_TO_TLSVERIFY', 'DXF_TO_CERT', 'DXF_TO_KEY', 'DXF_JOBS', 'DXF_PROGRESS')),
    Command(
        'push-files', group='files',
        summary='Store files with their names under an alias.',
        details='The digest of the manifest is printed. dxf pull-files and oras pull fetch the files.\n'
                'A folder becomes a compressed tar. Its entries are sorted, times and owners dropped: identical\n'
                'folders give identical blobs. A file keeps its path as its name; of a path that is absolute or\n'
                'leads upwards, only the last part. <file>:<type> sets the media type of a file (default\n'
                'application/octet-stream). One alias holds about 20,000 files, fewer with long names;\n'
                'a folder counts as one. If a file here has the name of the alias, write @alias: a shell pattern may\n'
                'have put the file there.',
        operands=(_REPO, _ALIAS, _FILES), options=(_TYPE, _ANNOTATION, _PROGRESS, _JSON),
        examples=('dxf push-files fred/datalogger may15 logger.dat charts notes.md:text/markdown',),
        actions=_PUSH, variables=_FILE_VARIABLES, creates_repository=True),
    Command(
        'pull-files', group='files',
        summary='Fetch files that push-files or oras push stored.',
        details='Without names, all files are fetched. The names are printed. ModelPack artifacts (modctl) work too.\n'
                'The files appear when all of them are complete and verified, or none appears. Names that lead out of\n'
                'the folder, links and special files are refused. A blob without a name is reported on standard\n'
                'error, with status 1.' + _DIGEST,
        operands=(_REPO, _ALIAS, Operand('<name>', many=True, optional=True)),
        options=(Option(('--to',), 'the folder to write to; it is created (default: this folder)', 'DIR',
                        completion=FOLDERS),
                 Option(('--overwrite',), 'replace files that exist'), _PROGRESS, _JSON),
        examples=('dxf pull-files fred/datalogger may15 --to readings logger.dat',), actions=_PULL,
        variables=('DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS')),
    Command(
        'attach', group='files',
        summary='Store files that belong to an alias: a signature, say.',
        details='The digest of their manifest is printed. The manifest refers to the alias as its subject, and has no\n'
                'alias itself: dxf referrers lists it, and dxf pull-files fetches its files by its digest.' + _DIGEST,
        operands=(_REPO, _ALIAS, _FILES), options=(_TYPE._replace(required=True), _ANNOTATION, _PROGRESS, _JSON),
        examples=('dxf attach fred/datalogger may15 sums.txt --type application/vnd.example.sums',),
        actions=_PUSH, variables=_FILE_VARIABLES),
    Command(
        'referrers', group='files',
        summary='Print the digests and types of what is attached.',
        details='If the registry has no referrers API, the referrers tag is read.' + _DIGEST,
        operands=(_REPO, _ALIAS),
        options=(Option(('--type',), 'list only this artifact type', 'MEDIA_TYPE'), _JSON),
        examples=('dxf referrers fred/datalogger may15 --type application/vnd.example.sums',), actions=_PULL),
    Command(
        'backup', group='snapshots',
        summary='Store folders, and send only what has changed.',
        details='The digest of the manifest is printed. What @alias names now, if it is a snapshot, is the parent:\n'
                'its parts are used again, and a file whose path, size and time are the same is not read.\n'
                'Of several folders, each is a folder of the snapshot, by the last part of its path. A file that\n'
                'cannot be read, or changes meanwhile, is named on standard error; the status is 1, and the alias is\n'
                'not set. Sockets, pipes and devices are left out. Needs pip install python-dxf[snapshots].',
        operands=(_REPO, Operand('<dir>', many=True, completion=FOLDERS), _AT_ALIAS._replace(optional=False)),
        options=(Option(('--parent',), 'the parent (default: what @alias names)', 'ALIAS', completion=ALIASES),
                 Option(('--exclude',), 'leave out what a pattern of gitignore covers; a file .dxfignore holds such\n'
                        'patterns for its folder', 'PATTERN', many=True),
                 Option(('--exclude-caches',), 'leave out what is in folders that a file CACHEDIR.TAG marks'),
                 Option(('--one-file-system',), 'leave out what is on other file systems'),
                 Option(('--read-all',), 'read all files, also those that seem not to have changed'),
                 Option(('--partial',), 'set the alias even if something could not be read, with status 1'),
                 Option(('--dry-run',), 'send nothing; print what would be sent, and how much is there'), _PROGRESS,
                 _JSON),
        examples=('dxf backup fred/backup /home/fred @nightly', 'dxf backup fred/backup src @src --exclude="*.o"'),
        actions=_PUSH, variables=('DXF_PROGRESS', 'SOURCE_DATE_EPOCH'),
        creates_repository=True),
    Command(
        'restore', group='snapshots',
        summary='Put files of a snapshot into a folder.',
        details='Without paths, everything is restored. Every part is verified. A file that is there and equal is not\n'
                'fetched: a restore that broke off can be repeated. The paths of the files written are printed.'
                + _DIGEST,
        operands=(_REPO, Operand('@alias', completion=ALIASES), Operand('<path>', many=True, optional=True)),
        options=(Option(('--to',), 'the folder to write to; it is created', 'DIR', required=True,
                        completion=FOLDERS),
                 Option(('--overwrite',), 'replace files that exist and differ'), _PROGRESS, _JSON),
        examples=('dxf restore fred/backup @nightly --to /tmp/fred',), actions=_PULL, variables=('DXF_PROGRESS',)),
    Command(
        'list-files', group='snapshots',
        summary='Print the files of a snapshot.',
        details='With a path, only what is at it, or in it. The files of an alias of push-files are printed too.'
                + _DIGEST,
        operands=(_REPO, Operand('@alias', completion=ALIASES), Operand('<path>', optional=True)),
        options=(Option(('--long',), 'print the mode, the size and the time, too'), _JSON),
        examples=('dxf list-files fred/backup @nightly --long',), actions=_PULL),
    Command(
        'inspect', group='images',
        summary='Print the digest, type, size and content of an alias.',
        details='The content is blobs and annotations. For a multi-platform alias, the platforms are printed, unless\n'
                'DXF_PLATFORM selects one.',
        operands=(_REPO, _ALIAS), options=(_JSON,),
        examples=('dxf inspect fred/datalogger may15-readings',), actions=_PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-digest', group='images',
        summary='Print the digest of the configuration of aliases.',
        details="For a Docker image, this is the image's id." + _STDIN_ALIAS,
        operands=(_REPO, _ANY_ALIASES), options=(_JSON,),
        examples=('dxf get-digest library/alpine latest',), actions=_PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-manifest', group='images',
        summary='Print the manifests of aliases, exactly as stored.',
        operands=(_REPO, _ALIASES), options=(_JSON,),
        examples=('dxf get-manifest fred/datalogger may15-readings',), actions=_PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-manifest-digest', group='images',
        summary='Print the digests of the manifests of aliases.',
        details='Each costs one request.',
        operands=(_REPO, _ALIASES), options=(_JSON,),
        examples=('dxf get-manifest-digest fred/datalogger may15-readings',), actions=_PULL),
    Command(
        'list-repos', group='registry and login',
        summary='Print the repositories of the registry, one a line.',
        details='Some registries do not offer that.',
        options=(_JSON,), examples=('dxf list-repos',)),
    Command(
        'gc', group='registry and login',
        summary='Print or delete the unused blobs of a folder.',
        details='The blobs of the repository that no alias leads to are printed, with their bytes. This is for\n'
                'DXF_HOST=oci:PATH; a registry collects its garbage itself. If a manifest is missing or damaged, it\n'
                'may name any blob: then nothing is deleted, and the status is 1.',
        operands=(_REPO,),
        options=(Option(('--delete',), 'delete them, also blobs of pushes that run now and have no alias yet'), _JSON),
        examples=('DXF_HOST=oci:/srv/blobs dxf gc fred/datalogger --delete',)),
    Command(
        'login', group='registry and login',
        summary='Check a user name and a password, and store them.',
        details='They are stored for DXF_HOST, where docker login stores them: by the credential helper that is\n'
                'configured there, or else in the file, which only you can read.',
        options=(Option(('--username',), 'the user name (default: ask for it)', 'USER'),
                 Option(('--password-stdin',), 'read the password from standard input (default: ask for it)')),
        examples=('dxf login --username=fred --password-stdin < password',), variables=_LOGIN_VARIABLES,
        needs_no_password=True),
    Command(
        'logout', group='registry and login',
        summary='Delete the stored user name and password.',
        details='Those for DXF_HOST are deleted.',
        examples=('dxf logout',), variables=_LOGIN_VARIABLES, needs_no_password=True),
    Command(
        'auth', group='registry and login',
        summary='Authenticate, and print the token, for DXF_TOKEN.',
        details="An action is pull, push, delete or *. Without one, the registry's challenge decides.\n"
                'A registry without tokens prints none; a wrong password is an error in any case.',
        operands=(_REPO, Operand('<action>', many=True, optional=True, completion=ACTIONS)), options=(_JSON,),
        examples=('DXF_TOKEN=$(dxf auth fred/datalogger pull)',)),
)
