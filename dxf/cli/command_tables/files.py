"""The commands about files and folders."""

from dxf.cli.command import FOLDERS, Command, Operand, Option
from dxf.cli.command_parts import (ALIAS, ANNOTATION, FILE_VARIABLES, JSON_LINES, PROGRESS, PULL, PUSH, RATE, REPO,
                                   SEVERAL_FILES, TAKES_DIGEST, TYPE)

FILE_COMMANDS = (
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
        operands=(REPO, ALIAS, SEVERAL_FILES),
        options=(Option(('--each',), 'store the files of folders one by one: what did not change is not sent again;\n'
                        'those of the folder . get their paths within it'),
                 Option(('--include',), 'store only files whose names fit a pattern', 'PATTERN', many=True),
                 Option(('--exclude',), 'do not store files whose names fit a pattern', 'PATTERN', many=True),
                 Option(('--dry-run',), 'store nothing; print what would be sent, and what is there (skip)'),
                 TYPE, ANNOTATION, RATE, PROGRESS, JSON_LINES),
        examples=('dxf push-files fred/datalogger may15 logger.dat charts notes.md:text/markdown',
                  "dxf push-files fred/birds v1 --each data --exclude '*.tmp'"),
        actions=PUSH, variables=FILE_VARIABLES, creates_repository=True),
    Command(
        'pull-files', group='files',
        summary='Fetch files that push-files or oras push stored.',
        details='Without names, all files are fetched. The names are printed. ModelPack artifacts (modctl) work too.\n'
                'The files appear when all of them are complete and verified, or none appears. A file that is there\n'
                'with the same content is not fetched; one that differs is an error, or replaced with --overwrite.\n'
                'A name may be that of a folder. Names that lead out of the folder, links and special files are\n'
                'refused. A blob without a name is reported on standard error, with status 1.' + TAKES_DIGEST,
        operands=(REPO, ALIAS, Operand('<name>', many=True, optional=True)),
        options=(Option(('--to',), 'the folder to write to; it is created (default: this folder)', 'DIR',
                        completion=FOLDERS),
                 Option(('--overwrite',), 'replace files that exist and differ'),
                 Option(('--delete',), 'make the folder (--to) equal to the alias: replace files, and when all are\n'
                        'there, delete everything else in it'),
                 Option(('--max-delete',), 'change nothing if --delete would delete more than N files', 'N'),
                 Option(('--dry-run',), 'change nothing; print what would be fetched, skipped and deleted'),
                 RATE, PROGRESS, JSON_LINES),
        examples=('dxf pull-files fred/datalogger may15 --to readings logger.dat',), actions=PULL,
        variables=('DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS')),
    Command(
        'attach', group='files',
        summary='Store files that belong to an alias: a signature, say.',
        details='The digest of their manifest is printed. The manifest refers to the alias as its subject, and has no\n'
                'alias itself: dxf referrers lists it, and dxf pull-files fetches its files by its digest.' +
                TAKES_DIGEST,
        operands=(REPO, ALIAS, SEVERAL_FILES),
        options=(TYPE._replace(required=True), ANNOTATION, RATE, PROGRESS, JSON_LINES),
        examples=('dxf attach fred/datalogger may15 sums.txt --type application/vnd.example.sums',),
        actions=PUSH, variables=FILE_VARIABLES),
    Command(
        'referrers', group='files',
        summary='Print the digests and types of what is attached.',
        details='If the registry has no referrers API, the referrers tag is read.' + TAKES_DIGEST,
        operands=(REPO, ALIAS),
        options=(Option(('--type',), 'list only this artifact type', 'MEDIA_TYPE'), JSON_LINES),
        examples=('dxf referrers fred/datalogger may15 --type application/vnd.example.sums',), actions=PULL),
)
