"""The commands about blobs."""

from dxf.cli.command import FILES, FILES_OR_ALIASES, REPOSITORIES, Command, Operand, Option
from dxf.cli.command_parts import (ALIAS, ANY_BLOBS, AT_ALIAS, DELETE, JSON_LINES, PROGRESS, PULL, PUSH, RATE,
                                   READS_MANIFEST, REPO, SEVERAL_FILES)

BLOB_COMMANDS = (
    Command(
        'push-blob', group='blobs',
        summary='Store a file as a blob, and print its hash.',
        details='An @alias names the blob. If several files are given, an @alias names all of them.\n'
                'A blob that the registry has is not sent again. - is standard input.\n'
                'After --, a command may follow: its output is stored if it ends with status 0. In a pipe, dxf cannot\n'
                'see whether the command before it failed. To run a pipe, write -- bash -o pipefail -c \'tar c photos\n'
                "| gzip'. A file whose name begins with - is written ./-name.",
        operands=(REPO, SEVERAL_FILES._replace(completion=FILES_OR_ALIASES), AT_ALIAS),
        program_operands=(REPO, AT_ALIAS),
        options=(Option(('--resume',), 'remember how far the upload is; continue an upload that broke off'),
                 Option(('--force',), 'send it even if the registry says that it has it'),
                 Option(('--delta',), 'store a snapshot of one file or stream; send only what the snapshot of @alias\n'
                        "does not have; it needs pip install 'python-dxf[snapshots]'"),
                 Option(('--dry-run',), 'store nothing; print what would be sent, and what is there (skip)'),
                 RATE, PROGRESS, JSON_LINES),
        examples=('dxf push-blob fred/datalogger logger.dat @may15-readings',
                  'dxf push-blob fred/backup @nightly -- tar c photos',
                  'dxf push-blob --delta fred/disks disk.img @nightly'),
        actions=PUSH, variables=('DXF_JOBS', 'DXF_PROGRESS', 'DXF_SCHEMA', 'SOURCE_DATE_EPOCH', 'XDG_STATE_HOME'),
        creates_repository=True),
    Command(
        'pull-blob', group='blobs',
        summary='Write blobs to standard output, or to a file.',
        details='A blob is given by its hash, an alias stands for all its blobs. The last chunk is written after the\n'
                'digest has been verified: status 0 means that everything is right.\n'
                'For a multi-platform alias, digests are printed, unless DXF_PLATFORM selects a platform.\n'
                'An alias of push-blob --delta is put together.' +
                READS_MANIFEST,
        operands=(REPO, ANY_BLOBS),
        options=(Option(('-o', '--output'),
                        'write to a file, which appears or is replaced when everything is complete and verified;\n'
                        'continue a download that broke off; - is standard output, and allows binary content on a\n'
                        'terminal; pipes and devices are written to directly', 'FILE', completion=FILES),
                 Option(('--range',), 'write only these bytes of one blob or alias: FIRST-LAST (0-99: the first 100),\n'
                        'FIRST- or -COUNT; no part of a blob can be verified', 'RANGE'),
                 Option(('--using',), 'of what push-blob --delta stored, fetch only what an older file does not have',
                        'OLDFILE', completion=FILES), RATE, PROGRESS),
        examples=('dxf pull-blob fred/datalogger @may15-readings',
                  'dxf pull-blob fred/datalogger @may15-readings --range=0-99'), actions=PULL,
        variables=('DXF_BLOB_INFO', 'DXF_CHUNK_SIZE', 'DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS')),
    Command(
        'blob-size', group='blobs',
        summary='Print the size of blobs in bytes.',
        details='For an alias, the sum of the sizes of its blobs is printed; for one of push-blob --delta, the size\n'
                'of the stream.' + READS_MANIFEST,
        operands=(REPO, ANY_BLOBS), options=(JSON_LINES,),
        examples=('dxf blob-size fred/datalogger @may15-readings',), actions=PULL, variables=('DXF_PLATFORM',)),
    Command(
        'mount-blob', group='blobs',
        summary='Add a blob of another repository, without a transfer.',
        details='An @alias names the blob. Its hash is printed.',
        operands=(REPO, Operand('<from-repo>', completion=REPOSITORIES), Operand('<hash>'), AT_ALIAS),
        options=(JSON_LINES,),
        examples=('dxf mount-blob fred/archive fred/datalogger sha256:... @may15',), variables=('DXF_SCHEMA',),
        creates_repository=True),
    Command(
        'del-blob', group='blobs',
        summary='Delete blobs.',
        details='An alias stands for its blobs: they are deleted, and the alias stays. del-alias deletes an alias.\n'
                'Other aliases that name the same blobs lose them too.\n'
                "The space is free after the registry's next garbage collection; in a folder, at once." +
                READS_MANIFEST,
        operands=(REPO, ANY_BLOBS),
        options=(Option(('--dry-run',), 'delete nothing; print what would be deleted'),),
        examples=('dxf del-blob fred/datalogger sha256:...',), actions=DELETE, variables=('DXF_PLATFORM',)),
    Command(
        'verify', group='blobs',
        summary='Compare files with the blobs of an alias, or folders with a snapshot.',
        details='The files are compared in order. No blob is fetched, but the registry is asked for each.\n'
                'Of a snapshot, the index is fetched. The folders are those that dxf backup stored; without any, only\n'
                'the registry is asked. That it has each pack with its size does not prove that they are intact:\n'
                '--read-packs fetches each once, and verifies every chunk.\n'
                'Status 0: it has all of them, and they are the same. Status 1: they are not.',
        operands=(REPO, SEVERAL_FILES._replace(name='<file>|<folder>', optional=True), ALIAS),
        options=(Option(('--read-packs',), 'fetch the packs of a snapshot, and verify all chunks in them'), RATE,
                 PROGRESS),
        examples=('dxf verify fred/datalogger logger.dat may15-readings', 'dxf verify fred/backup photos @nightly'),
        actions=PULL, variables=('DXF_JOBS', 'DXF_PLATFORM', 'DXF_PROGRESS')),
)
