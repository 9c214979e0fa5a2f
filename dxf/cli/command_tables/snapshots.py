"""The commands about snapshots: folders that are stored again and again."""

from dxf.cli.command import ALIASES, FOLDERS, Command, Operand, Option
from dxf.cli.command_parts import AT_ALIAS, JSON_LINES, PROGRESS, PULL, PUSH, RATE, REPO, TAKES_DIGEST

SNAPSHOT_COMMANDS = (
    Command(
        'backup', group='snapshots',
        summary='Store folders, and send only what has changed.',
        details='The digest of the manifest is printed. What @alias names now, if it is a snapshot, is the parent:\n'
                'its parts are used again, and a file whose path, size and time are the same is not read.\n'
                'Of several folders, each is a folder of the snapshot, by the last part of its path. A file that\n'
                'cannot be read, or changes meanwhile, is named on standard error; the status is 1, and the alias is\n'
                'not set. The same holds for a folder that has lost all files: its disk may not be mounted.\n'
                'Sockets, pipes and devices are left out.\n'
                "It needs pip install 'python-dxf[snapshots]'.",
        operands=(REPO, Operand('<dir>', many=True, completion=FOLDERS), AT_ALIAS._replace(optional=False)),
        options=(Option(('--parent',), 'the parent (default: what @alias names)', 'ALIAS', completion=ALIASES),
                 Option(('--exclude',), 'leave out what a pattern of gitignore covers; a file .dxfignore holds such\n'
                        'patterns for its folder', 'PATTERN', many=True),
                 Option(('--exclude-caches',), 'leave out what is in folders that a file CACHEDIR.TAG marks'),
                 Option(('--one-file-system',), 'leave out what is on other file systems'),
                 Option(('--read-all',), 'read all files, also those that seem not to have changed'),
                 Option(('--owners',), 'store the owners of files, folders and links'),
                 Option(('--xattrs',), 'store the extended attributes of files and folders'),
                 Option(('--partial',), 'set the alias even if something could not be read, with status 1'),
                 Option(('--dry-run',), 'send nothing; print what would be sent, and how much is there'), RATE,
                 PROGRESS, JSON_LINES),
        examples=('dxf backup fred/backup /home/fred @nightly', 'dxf backup fred/backup src @src --exclude="*.o"'),
        actions=PUSH, variables=('DXF_PROGRESS', 'SOURCE_DATE_EPOCH'),
        creates_repository=True),
    Command(
        'restore', group='snapshots',
        summary='Put files of a snapshot into a folder.',
        details='Without paths, everything is restored. Every part is verified. A file that is there and equal is not\n'
                'fetched: a restore that broke off can be repeated. The paths of the files written are printed.'
                + TAKES_DIGEST,
        operands=(REPO, Operand('@alias', completion=ALIASES), Operand('<path>', many=True, optional=True)),
        options=(Option(('--to',), 'the folder to write to; it is created', 'DIR', required=True,
                        completion=FOLDERS),
                 Option(('--overwrite',), 'replace files that exist and differ'),
                 Option(('--delete',), 'make the folder equal to the snapshot: replace files, and when all are there,\n'
                        'delete everything else in it; with paths, only in folders among these'),
                 Option(('--max-delete',), 'change nothing if --delete would delete more than N files', 'N'),
                 Option(('--owners',), 'restore owners, by name where it is known here, and setuid bits'),
                 Option(('--numeric-owner',), 'restore owners by number'),
                 Option(('--xattrs',), 'restore extended attributes user.*'),
                 Option(('--all-xattrs',), 'restore extended attributes of the system, too'),
                 Option(('--dry-run',), 'change nothing; print what would be written, replaced and deleted'),
                 RATE, PROGRESS, JSON_LINES),
        examples=('dxf restore fred/backup @nightly --to /tmp/fred',
                  'dxf restore fred/backup @nightly --to /home/fred photos --delete --dry-run'),
        actions=PULL, variables=('DXF_PROGRESS',)),
    Command(
        'list-files', group='snapshots',
        summary='Print the files of a snapshot.',
        details='With a path, only what is at it, or in it. The files of an alias of push-files are printed too.'
                + TAKES_DIGEST,
        operands=(REPO, Operand('@alias', completion=ALIASES), Operand('<path>', optional=True)),
        options=(Option(('--long',), 'print the mode, the size and the time, too'), JSON_LINES),
        examples=('dxf list-files fred/backup @nightly --long',), actions=PULL),
)
