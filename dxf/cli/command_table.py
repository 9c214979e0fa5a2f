"""Usage: the table of the subcommands, from which the parser and its help are made."""

from collections.abc import Callable
from typing import NamedTuple

from dxf.cli import blob_commands, copy_commands, file_commands, login_commands
from dxf.cli.context import Job
from dxf.cli.progress import MODES

COMMON = ('DXF_HOST', 'DXF_INSECURE', 'DXF_USERNAME', 'DXF_PASSWORD', 'DXF_AUTHORIZATION', 'DXF_TOKEN',
          'DXF_AUTH_HOST', 'DXF_TIMEOUT', 'DXF_RETRIES', 'DXF_DEBUG', 'DXF_SKIPTLSVERIFY', 'DXF_TLSVERIFY',
          'REQUESTS_CA_BUNDLE', 'DXF_CERT', 'DXF_KEY', 'HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY')
"""The variables that matter to every command."""


class Option(NamedTuple):
    """An option of a subcommand; ``value`` names what follows it, or lists what may; without one it stands alone.

    One that is ``required`` must be given, one that is ``many`` may be given several times.
    """

    flags: tuple[str, ...]
    purpose: str
    value: str | tuple[str, ...] = ()
    required: bool = False
    many: bool = False

    @property
    def line(self) -> str:
        """How it is written."""
        choices = self.value if isinstance(self.value, str) else '|'.join(self.value)
        flag = self.flags[0]
        line = f'{flag}{(" " if len(flag) == 2 else "=") + choices if choices else ""}'
        return f'{line if self.required else f"[{line}]"}{"..." if self.many else ""}'


class Command(NamedTuple):
    """A subcommand.

    ``operands`` is what follows its name; ``fewest`` and ``most`` (``None``: any number) count them.
    ``actions`` is what a token must allow; none where the registry's challenge says it better.
    """

    name: str
    run: Callable[[Job], None]
    operands: str
    fewest: int
    most: int | None
    purpose: str
    example: str
    actions: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    asks: bool = False
    """Whether it can do without a password for DXF_USERNAME."""
    creates: bool = False
    """Whether it makes a repository that is not there."""
    runs: str = ''
    """Where it may run a command of the user's: the operands then, up to ``--`` and that command."""

    @property
    def line(self) -> str:
        """How it is written, with its options."""
        return self._line(self.operands)

    def _line(self, operands: str) -> str:
        return ' '.join(['dxf', self.name, *(option.line for option in self.options), operands]).rstrip()

    @property
    def lines(self) -> list[str]:
        """All ways in which it is written: a second one where it may run a command of the user's."""
        return [self.line, *([f'dxf {self.name} {self.runs}'] if self.runs else [])]

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return self.purpose.partition('\n')[0]

    @property
    def has_repository(self) -> bool:
        """Whether the first operand is a repository."""
        return self.fewest > 0


PULL = ('pull',)
PUSH = ('pull', 'push')
DELETE = ('pull', 'delete')
REPLACE = ('pull', 'push', 'delete')
"""What del-alias may need: some registries delete a name only by a manifest that is put under it."""
_STDIN = '\nWithout hash or alias, a manifest is read from standard input.'
_STDIN_ALIAS = '\nWithout an alias, a manifest is read from standard input.'
_PROGRESS = Option(('--progress',), 'what to show on standard error: bars, a line every 10 s, JSON lines, nothing',
                   MODES)
_DIGEST = '\nIn place of the alias the digest of a manifest will do.'
_FILES = ('DXF_JOBS', 'DXF_PROGRESS', 'SOURCE_DATE_EPOCH')
_ANNOTATION = Option(('--annotation',), 'say something of the whole', 'KEY=VALUE', many=True)
_JSON = Option(('--json',), 'print JSON, an object a line')


def _artifact_type(required: bool) -> Option:
    return Option(('--type',), 'what the whole is', 'MEDIA_TYPE', required)


_BLOBS = '<repo> [<hash>|<@alias>...]'

COMMANDS = (
    Command('push-blob', blob_commands.push_blob, '<repo> <file>... [@alias]', 2, None,
            'Store a file as a blob, optionally give it a name (alias), and print its hash.\n'
            'A blob that the registry has already is not sent again. - is standard input.\n'
            'Several files may be given before an alias, which names all of them then.\n'
            'What follows -- is a command: its output is stored, but only if it ends with status 0.\n'
            'In a pipe dxf cannot know that, and would store what a failed command has printed. For a pipe within\n'
            "the command, write -- bash -o pipefail -c 'tar c photos | gzip'.\n"
            'A file whose name begins with - is written ./-name.',
            'dxf push-blob fred/datalogger logger.dat @may15-readings\n'
            '  dxf push-blob fred/backup @nightly -- tar c photos',
            PUSH, ('DXF_JOBS', 'DXF_PROGRESS', 'DXF_SCHEMA', 'XDG_STATE_HOME'),
            (Option(('--resume',), 'remember how far the upload has come; go on with one that broke off'),
             Option(('--force',), 'send it even if the registry says that it has it'), _PROGRESS, _JSON),
            creates=True, runs='<repo> [@alias] -- <command>...'),
    Command('pull-blob', blob_commands.pull_blob, _BLOBS, 1, None,
            'Write blobs, given by their hash or by an alias, to standard output.\n'
            'The last piece is written when the digest has been verified: status 0 means that all of it is right.\n'
            'Of a multi-platform alias the digests are printed, unless DXF_PLATFORM chooses.' + _STDIN,
            'dxf pull-blob fred/datalogger @may15-readings', PULL,
            ('DXF_BLOB_INFO', 'DXF_CHUNK_SIZE', 'DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS'),
            (Option(('-o', '--output'), 'write to a file, which appears, or is replaced, when all of it is there\n'
                    'and verified; go on with one that broke off; pipes and devices are written to;\n'
                    '- is standard output, also a terminal, where binary content is refused without it', 'FILE'),
             _PROGRESS)),
    Command('blob-size', blob_commands.blob_size, _BLOBS, 1, None,
            'Print the size of blobs in bytes; of an alias, the sum of the blobs that it names.' + _STDIN,
            'dxf blob-size fred/datalogger @may15-readings', PULL, ('DXF_PLATFORM',), (_JSON,)),
    Command('mount-blob', blob_commands.mount_blob, '<repo> <from-repo> <hash> [@alias]', 3, 4,
            'Make a blob of another repository one of this, without moving its bytes.\n'
            'Optionally give it a name (alias). Its hash is printed.',
            'dxf mount-blob fred/archive fred/datalogger sha256:... @may15', (), ('DXF_SCHEMA',), (_JSON,),
            creates=True),
    Command('del-blob', blob_commands.del_blob, _BLOBS, 1, None,
            'Delete blobs, given by their hash or by an alias.\n'
            'Of an alias the blobs that it names are deleted, not the alias: use del-alias for that.\n'
            'Other aliases that name the same blobs lose them too.\n'
            "The space is free after the registry's next garbage collection; in a folder, at once." + _STDIN,
            'dxf del-blob fred/datalogger sha256:...', DELETE, ('DXF_PLATFORM',)),
    Command('set-alias', blob_commands.set_alias, '<repo> <alias> <hash>|<file>...', 3, None,
            'Give a name (alias) to a set of blobs that the registry has, and print the manifest.\n'
            'Each is given by its hash, or by a file with the same content (with a path separator: ./logger.dat).',
            'dxf set-alias fred/datalogger may15-readings ./logger.dat', PUSH, ('DXF_SCHEMA',),
            (Option(('--if-absent',), 'only where there is no such alias; sure on folders and registries that heed it'),
             Option(('--if-match',), 'only where the alias names the manifest of this digest', 'DIGEST'), _JSON)),
    Command('get-alias', blob_commands.get_alias, '<repo> [<alias>...]', 1, None,
            'Print the hashes of the blobs that aliases name, one a line.' + _STDIN_ALIAS,
            'dxf get-alias fred/datalogger may15-readings', PULL, ('DXF_PLATFORM',), (_JSON,)),
    Command('del-alias', blob_commands.del_alias, '<repo> <alias>...', 2, None,
            'Delete aliases, and print the hashes of the blobs that they named.\n'
            'The blobs stay until the registry collects its garbage; in a folder, until dxf gc --delete.\n'
            'The manifest of an alias goes too, unless another alias, an index or something attached needs it.\n'
            'Nothing is deleted if one of the aliases does not exist.' + _DIGEST,
            'dxf del-alias fred/datalogger may15-readings', REPLACE, (),
            (Option(('--with-others',), 'delete the manifest, whatever needs it, and all other aliases of it'), _JSON)),
    Command('get-digest', blob_commands.get_digest, '<repo> [<alias>...]', 1, None,
            "Print the digest of the configuration of aliases: for a Docker image, the image's id." + _STDIN_ALIAS,
            'dxf get-digest library/alpine latest', PULL, ('DXF_PLATFORM',), (_JSON,)),
    Command('get-manifest', blob_commands.get_manifest, '<repo> <alias>...', 2, None,
            'Print the manifests of aliases, exactly as they are stored.',
            'dxf get-manifest fred/datalogger may15-readings', PULL, ('DXF_PLATFORM',), (_JSON,)),
    Command('get-manifest-digest', blob_commands.get_manifest_digest, '<repo> <alias>...', 2, None,
            'Print the digests of the manifests that aliases name, by one request each.',
            'dxf get-manifest-digest fred/datalogger may15-readings', PULL, (), (_JSON,)),
    Command('inspect', blob_commands.inspect, '<repo> <alias>', 2, 2,
            'Print what an alias names: digest, media type, size, annotations, blobs.\n'
            'Of a multi-platform alias the platforms are printed, unless DXF_PLATFORM chooses one.',
            'dxf inspect fred/datalogger may15-readings', PULL, ('DXF_PLATFORM',), (_JSON,)),
    Command('verify', blob_commands.verify, '<repo> <file>... <alias>', 3, None,
            'Compare files with the blobs that an alias names, in their order.\n'
            'No blob is fetched, but the registry is asked for each. Status 0 means that it has them, and that they\n'
            'are the same; 1 that they are not.',
            'dxf verify fred/datalogger logger.dat may15-readings', PULL, ('DXF_PLATFORM',)),
    Command('list-aliases', copy_commands.list_aliases, '<repo>', 1, 1,
            'Print the aliases of a repository, one a line.\n'
            'In a folder, a manifest that another tool named docker.io/library/mysql:8.0 has the alias 8.0, or the\n'
            'full reference where its tag is not enough to tell it from another.',
            'dxf list-aliases fred/datalogger', PULL, (),
            (Option(('--sort',), 'in order; else as the registry gives them out'),
             Option(('--prefix',), 'those alone that begin so', 'TEXT'), _JSON)),
    Command('list-repos', copy_commands.list_repos, '', 0, 0,
            'Print the repositories of the registry, one a line.\n'
            'Not all registries offer that.',
            'dxf list-repos', (), (), (_JSON,)),
    Command('copy', copy_commands.copy, '<repo> [<alias>...]', 1, None,
            'Copy aliases and all that they lead to, byte for byte, to another registry or repository.\n'
            'What is there is not sent again, so that a copy that broke off can be repeated. The digests of the\n'
            'manifests, equal on both sides, are printed.',
            'dxf copy fred/datalogger may15 --to registry.example.com\n'
            '  dxf copy fred/datalogger --all --to oci:/media/usb/blobs',
            PULL, ('DXF_TO_USERNAME', 'DXF_TO_PASSWORD', 'DXF_TO_AUTHORIZATION', 'DXF_TO_TOKEN', 'DXF_TO_INSECURE',
                   'DXF_TO_TLSVERIFY', 'DXF_TO_CERT', 'DXF_TO_KEY', 'DXF_JOBS', 'DXF_PROGRESS'),
            (Option(('--to',), 'the registry to copy to, as in DXF_HOST: a host, or oci: and a folder', 'HOST', True),
             Option(('--to-repo',), 'the repository there; the same by default', 'REPO'),
             Option(('--to-alias',), 'the name there; the same by default', 'ALIAS'),
             Option(('--platform',), 'of multi-platform aliases, the image of this platform alone', 'OS/ARCH'),
             Option(('--referrers',), 'copy what refers to it too: signatures, attestations and the like'),
             Option(('--all',), 'copy all aliases of the repository; name what has no alias there, status 1'),
             Option(('--dry-run',), 'print what would be copied, and what is there (skip), with sizes; copy nothing'),
             _PROGRESS, _JSON)),
    Command('push-files', file_commands.push_files, '<repo> <alias> <file>...', 3, None,
            'Store files with their names under an alias, and print the digest of its manifest.\n'
            'dxf pull-files and oras pull fetch them. A folder becomes one compressed tar, without times and owners:\n'
            'equal folders are equal blobs. A file is called by its path; by the last part of it where it is absolute\n'
            'or leads upwards. <file>:<type> gives it a media type (default application/octet-stream).\n'
            'One alias holds about 20,000 files, fewer with long names; a folder counts as one.\n'
            'An alias with the name of another file here is written @alias, as it may come from a pattern.',
            'dxf push-files fred/datalogger may15 logger.dat charts notes.md:text/markdown',
            PUSH, _FILES, (_artifact_type(False), _ANNOTATION, _PROGRESS, _JSON), creates=True),
    Command('pull-files', file_commands.pull_files, '<repo> <alias> [<name>...]', 2, None,
            'Fetch files that dxf push-files or oras push stored, or those of these names; print their names.\n'
            'ModelPack artifacts (modctl) work too.\n'
            'Files appear when all of them are there and verified, or none does. Names that lead out of the folder,\n'
            'links and the like are refused. What has no name is left out and named on standard error, status 1.'
            + _DIGEST,
            'dxf pull-files fred/datalogger may15 --to readings logger.dat', PULL,
            ('DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS'),
            (Option(('--to',), 'the folder to put them in, made where it is missing; here by default', 'DIR'),
             Option(('--overwrite',), 'replace files that are there'), _PROGRESS, _JSON)),
    Command('attach', file_commands.attach, '<repo> <alias> <file>...', 3, None,
            'Store files that belong to an alias, such as a signature, and print the digest of their manifest.\n'
            'It refers to the alias by its subject, and has no alias itself: dxf referrers finds it, and\n'
            'dxf pull-files fetches its files by its digest.' + _DIGEST,
            'dxf attach fred/datalogger may15 sums.txt --type application/vnd.example.sums',
            PUSH, _FILES, (_artifact_type(True), _ANNOTATION, _PROGRESS, _JSON)),
    Command('referrers', file_commands.referrers, '<repo> <alias>', 2, 2,
            'Print the digests of what is attached to an alias, each followed by what it is.\n'
            'Where the registry does not list referrers, the tag is asked that clients keep in place of it.' + _DIGEST,
            'dxf referrers fred/datalogger may15 --type application/vnd.example.sums', PULL, (),
            (Option(('--type',), 'only what is of this artifact type', 'MEDIA_TYPE'), _JSON)),
    Command('gc', copy_commands.gc, '<repo>', 1, 1,
            'Print the blobs of a repository in a folder that no alias leads to, and their bytes.\n'
            'With --delete, remove them. For DXF_HOST=oci:PATH; a registry collects its garbage itself.\n'
            'A manifest that is missing or damaged may name any blob: then nothing is removed, and the status is 1.',
            'DXF_HOST=oci:/srv/blobs dxf gc fred/datalogger --delete', (), (),
            (Option(('--delete',), 'remove them; what is being pushed now, and has no alias yet, goes with them'),
             _JSON)),
    Command('login', login_commands.login, '', 0, 0,
            'Check a user name and a password, and store them for DXF_HOST, where docker login does.\n'
            'A helper that is configured there keeps them; else the file holds them, readable for you alone.',
            'dxf login --username=fred --password-stdin < password', (), ('DOCKER_CONFIG', 'REGISTRY_AUTH_FILE'),
            (Option(('--username',), 'the user name; asked for by default', 'USER'),
             Option(('--password-stdin',), 'read the password from standard input; asked for by default')), True),
    Command('logout', login_commands.logout, '', 0, 0,
            'Forget the user name and the password that are stored for DXF_HOST.',
            'dxf logout', (), ('DOCKER_CONFIG', 'REGISTRY_AUTH_FILE'), (), True),
    Command('auth', login_commands.auth, '<repo> [<action>...]', 1, None,
            'Authenticate, and print the token, for DXF_TOKEN.\n'
            "An action is pull, push, delete or *. Without one, the registry's challenge decides.\n"
            'Registries that give no tokens print none; a wrong password is an error all the same.',
            'DXF_TOKEN=$(dxf auth fred/datalogger pull)', (), (), (_JSON,)),
)
