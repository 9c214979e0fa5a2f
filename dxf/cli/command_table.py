"""The table of commands, from which parsers, help, manual, reference and completion are made.

``dispatch`` names the function of each command.
"""

from dxf.cli.command import (ACTIONS, ALIASES, BLOBS, FILES, FILES_OR_ALIASES, FOLDERS, REPOSITORIES, Command, Operand,
                             Option)
from dxf.environment.variables import PROGRESS_MODES

GROUPS = ('blobs', 'aliases', 'files', 'images', 'registry and login')
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
_RATE = Option(('--limit-rate',), 'send and receive at most RATE bytes a second, such as 500K or 10M (of 1024 * 1024)',
               'RATE')
_ANNOTATION = Option(('--annotation',), 'add an annotation to the manifest', 'KEY=VALUE', many=True)
_TYPE = Option(('--type',), 'the artifact type of the manifest', 'MEDIA_TYPE')

HOST = Option(('--host',), 'the registry, in place of DXF_HOST', 'HOST')
"""The option of every command."""

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
                 Option(('--force',), 'send it even if the registry says that it has it'),
                 Option(('--dry-run',), 'store nothing; print what would be sent, and what is there (skip)'),
                 _RATE, _PROGRESS, _JSON),
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
                        'terminal; pipes and devices are written to directly', 'FILE', completion=FILES),
                 Option(('--range',), 'write only these bytes of one blob or alias: FIRST-LAST (0-99: the first 100),\n'
                        'FIRST- or -COUNT; no part of a blob can be verified', 'RANGE'), _RATE, _PROGRESS),
        examples=('dxf pull-blob fred/datalogger @may15-readings',
                  'dxf pull-blob fred/datalogger @may15-readings --range=0-99'), actions=_PULL,
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
        options=(Option(('--dry-run',), 'delete nothing; print what would be deleted'),),
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
        details='The registry must have the blobs. A blob is given by its hash, or by a file with the same content\n'
                '(with a path separator: ./logger.dat). In place of blobs, one @alias, or @ and the digest of a\n'
                'manifest: its manifest gets <alias> as a second name, byte for byte, also that of several\n'
                'platforms.',
        operands=(_REPO, _ALIAS, Operand('<blob>|<@alias>', many=True, completion=FILES_OR_ALIASES)),
        options=(Option(('--if-absent',), 'only if the alias does not exist (atomic on folders and on registries\n'
                        'with conditional PUT)'),
                 Option(('--if-match',), 'only if the alias names the manifest with this digest', 'DIGEST'),
                 Option(('--dry-run',), 'store nothing; print the manifest'), _JSON),
        examples=('dxf set-alias fred/datalogger may15-readings ./logger.dat',
                  'dxf set-alias fred/datalogger latest @may15-readings'), actions=_PUSH,
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
        options=(Option(('--with-others',), 'delete the manifest in any case, and all its other aliases'),
                 Option(('--dry-run',), 'delete nothing; print the aliases, and the manifests that would go too'),
                 _JSON),
        examples=('dxf del-alias fred/datalogger may15-readings',), actions=_REPLACE),
    Command(
        'prune', group='aliases',
        summary='Print or delete the aliases that no rule keeps.',
        details='An alias stays if one rule keeps it. The plan says what goes, what stays, and why. The time\n'
                'of an alias is the date in its name, such as nightly-2026-11-28, 20261128 or 2026-11-28T03-00-00, in\n'
                'UTC; else the annotation org.opencontainers.image.created; else created in the configuration. An\n'
                'alias without a time stays, and so does one whose time is in the future. A manifest goes with its\n'
                'last alias, unless an index or a referrer needs it; what refers to it goes too. Blobs stay until the\n'
                'garbage collection of the registry; in a folder, until dxf gc --delete.',
        operands=(_REPO,),
        options=(Option(('--keep-last',), 'keep the newest N', 'N'),
                 *(Option((f'--keep-{period}',), f'keep the newest of each of the last N {unit} that have one', 'N')
                   for period, unit in (('hourly', 'hours'), ('daily', 'days'), ('weekly', 'weeks'),
                                        ('monthly', 'months'), ('yearly', 'years'))),
                 Option(('--keep-within',), 'keep all at most so much older than the newest: 30d, 1y6m, 12h', 'SPAN'),
                 Option(('--keep-match',), 'keep those whose names match a pattern', 'GLOB', many=True),
                 Option(('--match',), 'look only at names that match a pattern', 'GLOB', many=True),
                 Option(('--prefix',), 'look only at names that start with TEXT', 'TEXT'),
                 Option(('--time-format',), 'how a time stands in a name, as date writes it: db_%d%m%Y, or %s',
                        'FORMAT'),
                 Option(('--max-delete',), 'delete nothing if more than N aliases would go', 'N'),
                 Option(('--delete',), 'delete what the plan says'), _JSON),
        examples=('dxf prune fred/backup --prefix=nightly- --keep-daily=14 --keep-monthly=12',
                  'dxf prune fred/backup --keep-within=30d --max-delete=5 --delete'),
        actions=_REPLACE, variables=('DXF_JOBS',)),
    Command(
        'list-aliases', group='aliases',
        summary='Print the aliases of a repository, one a line.',
        details='In a folder, a manifest that another tool named docker.io/library/mysql:8.0 has the alias 8.0;\n'
                'if several manifests have this tag, the full reference is the alias. --long prints alias, digest of\n'
                'the manifest, bytes, creation time and kind, with - for what the manifest does not tell: of an index\n'
                'the bytes; the time without the annotation org.opencontainers.image.created. Each alias costs one\n'
                'request then, and with --sort=time and --sort=size. An alias that cannot be read is left out and\n'
                'named at the end, with status 1.',
        operands=(_REPO,),
        options=(Option(('--long',), 'print what each alias holds, too'),
                 Option(('--sort',), 'sort by the name, or by the latest, largest or highest version last (default:\n'
                        'the order of the registry)', choices=('name', 'time', 'size', 'version'), alone='name'),
                 Option(('--prefix',), 'list only names that start with TEXT', 'TEXT'), _JSON),
        examples=('dxf list-aliases fred/datalogger', 'dxf list-aliases fred/datalogger --long --sort=time'),
        actions=_PULL, variables=('DXF_JOBS',)),
    Command(
        'du', group='aliases',
        summary='Print the bytes of each alias, and of all together.',
        details='A line is the alias, the bytes of its different blobs, those that only it needs, and those that\n'
                'other aliases need too. The last line is the total of all different blobs. Manifests, and layers\n'
                'that a registry need not have, are not counted. Each alias costs one request; each manifest of an\n'
                'index, and each blob of schema 1, one more. An alias that cannot be read is left out and named at\n'
                'the end, with status 1.',
        operands=(_REPO,), options=(_JSON,),
        examples=('dxf du fred/datalogger',), actions=_PULL, variables=('DXF_JOBS',)),
    Command(
        'diff', group='aliases',
        summary='Compare two aliases, or a folder on disk and an alias.',
        details='A line is added, removed or changed, the old and the new bytes (- for none), and the name of a file.\n'
                'Blobs without a name are compared by their hashes; moved is one that has another place. Of\n'
                'multi-platform aliases, the manifests are compared by platform, unless DXF_PLATFORM selects one.\n'
                'A <folder> is written with a path separator: ./readings. It is one to which dxf pull-files has\n'
                'written, or in which dxf push-files has run. Its files are hashed. Annotations and permissions are\n'
                'not compared. Nothing but manifests is fetched, except archives of whole folders: if they are\n'
                'compared with a folder on disk, or with --inside. These are looked through, and not kept.\n'
                'Status 0: no differences; 1: differences; 2: an error; 13: unauthorised.' + _DIGEST,
        operands=(_REPO, Operand('<alias>|<folder>', completion=FILES_OR_ALIASES),
                  Operand('<alias>|<folder>', completion=FILES_OR_ALIASES)),
        options=(Option(('--inside',), 'compare the files in archives of folders that differ'), _JSON),
        examples=('dxf diff fred/datalogger may15 may16', 'dxf diff fred/datalogger may15 ./readings'),
        actions=_PULL, variables=('DXF_JOBS', 'DXF_PLATFORM'), failed=2),
    Command(
        'copy', group='aliases',
        summary='Copy aliases to another registry or repository.',
        details='Everything that an alias leads to is copied byte for byte. What the target has is not sent again,\n'
                'so a copy that broke off can be repeated. The digests of the manifests, equal\n'
                'on both sides, are printed. --referrers includes what cosign stores under tags for each manifest\n'
                '(sha256-HASH.sig, .att, .sbom); it replaces such a tag there only if nothing in it is lost.\n'
                '--all mirrors a repository: an alias that names the same manifest on both sides costs one HEAD on\n'
                'each, and its blobs are not asked for. --delete deletes after all copies, and nothing if the source\n'
                'lists no alias, cannot be read, or has an alias that cannot be copied. Tags of referrers stay. Of\n'
                'several repositories, one that fails is named at the end (status 1), and the others are mirrored.',
        operands=(_REPO._replace(optional=True), _ANY_ALIASES),
        options=(Option(('--to',), 'the registry to copy to, as in DXF_HOST: a host, or oci: and a folder', 'HOST',
                        required=True),
                 Option(('--to-repo',), 'the repository there (default: the same)', 'REPO', completion=REPOSITORIES),
                 Option(('--to-alias',), 'the name there (default: the same)', 'ALIAS'),
                 Option(('--platform',), 'copy only the image of this platform', 'OS/ARCH'),
                 Option(('--referrers',), 'copy signatures, attestations and other attached manifests too'),
                 Option(('--all',), 'copy all aliases; if a manifest has none, name it, and end with status 1'),
                 Option(('--match',), 'of all aliases, only those that match the pattern, such as "2026-*"', 'GLOB'),
                 Option(('--skip-existing',), 'do not look at an alias that is there, whatever it names: of all that\n'
                        'are there, this costs the two listings'),
                 Option(('--delete',), 'delete the aliases there that the source does not have (and that match)'),
                 Option(('--max-delete',), 'delete nothing if there are more than N aliases to delete', 'N'),
                 Option(('--from-file',), 'mirror the repositories that the file names, one a line', 'FILE',
                        completion=FILES),
                 Option(('--match-repo',), 'mirror all repositories of the registry that match the pattern', 'GLOB'),
                 Option(('--dry-run',), 'change nothing; print the blobs to copy and those that are there (skip), and\n'
                        'the aliases that are unchanged, exist or would be deleted'),
                 _RATE,
                 _PROGRESS, _JSON),
        examples=('dxf copy fred/datalogger may15 --to registry.example.com',
                  'dxf copy fred/datalogger --all --delete --to oci:/media/usb/blobs'),
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
                'a folder counts as one. With --each, a folder is its files. It does not keep empty folders, nor that\n'
                'a file is executable, and says so. In a PATTERN, *, ? and [...] stand for characters of one part of\n'
                'a name, and ** for any number of parts. A pattern without / is compared with the last part of a\n'
                'name, one with / with the whole name. One that fits a folder stands for all that is in it.\n'
                'If a file here has the name of the alias, write @alias: a shell pattern may\n'
                'have put the file there.',
        operands=(_REPO, _ALIAS, _FILES),
        options=(Option(('--each',), 'store the files of folders one by one: what did not change is not sent again;\n'
                        'those of the folder . get their paths within it'),
                 Option(('--include',), 'store only files whose names fit a pattern', 'PATTERN', many=True),
                 Option(('--exclude',), 'do not store files whose names fit a pattern', 'PATTERN', many=True),
                 Option(('--dry-run',), 'store nothing; print what would be sent, and what is there (skip)'),
                 _TYPE, _ANNOTATION, _RATE, _PROGRESS, _JSON),
        examples=('dxf push-files fred/datalogger may15 logger.dat charts notes.md:text/markdown',
                  "dxf push-files fred/birds v1 --each data --exclude '*.tmp'"),
        actions=_PUSH, variables=_FILE_VARIABLES, creates_repository=True),
    Command(
        'pull-files', group='files',
        summary='Fetch files that push-files or oras push stored.',
        details='Without names, all files are fetched. The names are printed. ModelPack artifacts (modctl) work too.\n'
                'The files appear when all of them are complete and verified, or none appears. A file that is there\n'
                'with the same content is not fetched; one that differs is an error, or replaced with --overwrite.\n'
                'A name may be that of a folder. Names that lead out of the folder, links and special files are\n'
                'refused. A blob without a name is reported on standard error, with status 1.' + _DIGEST,
        operands=(_REPO, _ALIAS, Operand('<name>', many=True, optional=True)),
        options=(Option(('--to',), 'the folder to write to; it is created (default: this folder)', 'DIR',
                        completion=FOLDERS),
                 Option(('--overwrite',), 'replace files that exist and differ'),
                 Option(('--delete',), 'make the folder (--to) equal to the alias: replace files, and when all are\n'
                        'there, delete everything else in it'),
                 Option(('--max-delete',), 'change nothing if --delete would delete more than N files', 'N'),
                 Option(('--dry-run',), 'change nothing; print what would be fetched, skipped and deleted'),
                 _RATE, _PROGRESS, _JSON),
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
        options=(Option(('--prefix',), 'list only names that start with TEXT', 'TEXT'), _JSON),
        examples=('dxf list-repos',)),
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
        'probe', group='registry and login',
        summary='Print what the registry is and can do.',
        details='Version, TLS, credential and what it may, catalog; of a repository ranges, referrers and deletions\n'
                'too. Nothing is written without --write; deletions are tried with what is not there. A report of a\n'
                'problem with a registry should contain it.',
        operands=(_REPO._replace(optional=True),),
        options=(Option(('--write',), 'write a small blob and manifests too, and remove them: uploads in chunks,\n'
                        'mounts, deletions, the largest manifest; print what stays'), _JSON),
        examples=('dxf probe fred/datalogger', 'dxf probe fred/datalogger --write'), actions=_REPLACE),
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
