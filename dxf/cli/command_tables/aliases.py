"""The commands about aliases."""

from dxf.cli.command import FILES, FILES_OR_ALIASES, REPOSITORIES, Command, Operand, Option
from dxf.cli.command_parts import (ALIAS, ANY_ALIASES, JSON_LINES, PROGRESS, PULL, PUSH, RATE, READS_ALIAS, REPLACE,
                                   REPO, SEVERAL_ALIASES, TAKES_DIGEST)

ALIAS_COMMANDS = (
    Command(
        'set-alias', group='aliases',
        summary='Name blobs by an alias, and print the manifest.',
        details='The registry must have the blobs. A blob is given by its hash, or by a file with the same content\n'
                '(with a path separator: ./logger.dat). In place of blobs, one @alias, or @ and the digest of a\n'
                'manifest: its manifest gets <alias> as a second name, byte for byte, also that of several\n'
                'platforms.',
        operands=(REPO, ALIAS, Operand('<blob>|<@alias>', many=True, completion=FILES_OR_ALIASES)),
        options=(Option(('--if-absent',), 'only if the alias does not exist (atomic on folders and on registries\n'
                        'with conditional PUT)'),
                 Option(('--if-match',), 'only if the alias names the manifest with this digest', 'DIGEST'),
                 Option(('--dry-run',), 'store nothing; print the manifest'), JSON_LINES),
        examples=('dxf set-alias fred/datalogger may15-readings ./logger.dat',
                  'dxf set-alias fred/datalogger latest @may15-readings'), actions=PUSH,
        variables=('DXF_SCHEMA',)),
    Command(
        'get-alias', group='aliases',
        summary='Print the hashes of the blobs of aliases.',
        details='One hash a line, in the order of the alias.' + READS_ALIAS,
        operands=(REPO, ANY_ALIASES), options=(JSON_LINES,),
        examples=('dxf get-alias fred/datalogger may15-readings',), actions=PULL, variables=('DXF_PLATFORM',)),
    Command(
        'del-alias', group='aliases',
        summary='Delete aliases, and print the hashes of their blobs.',
        details='The blobs stay until the garbage collection of the registry; in a folder, until dxf gc --delete.\n'
                'The manifest of an alias is deleted too, unless another alias, an index or an attached manifest\n'
                'needs it. If one of the aliases does not exist, nothing is deleted.' + TAKES_DIGEST,
        operands=(REPO, SEVERAL_ALIASES),
        options=(Option(('--with-others',), 'delete the manifest in any case, and all its other aliases'),
                 Option(('--dry-run',), 'delete nothing; print the aliases, and the manifests that would go too'),
                 JSON_LINES),
        examples=('dxf del-alias fred/datalogger may15-readings',), actions=REPLACE),
    Command(
        'prune', group='aliases',
        summary='Print or delete the aliases that no rule keeps.',
        details='An alias stays if one rule keeps it. The plan says what goes, what stays, and why. The time\n'
                'of an alias is the date in its name, such as nightly-2026-11-28, 20261128 or 2026-11-28T03-00-00, in\n'
                'UTC; else the annotation org.opencontainers.image.created; else created in the configuration. An\n'
                'alias without a time stays, and so does one whose time is in the future. A manifest goes with its\n'
                'last alias, unless an index or a referrer needs it; what refers to it goes too. Blobs stay until the\n'
                'garbage collection of the registry; in a folder, until dxf gc --delete.',
        operands=(REPO,),
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
                 Option(('--delete',), 'delete what the plan says'), JSON_LINES),
        examples=('dxf prune fred/backup --prefix=nightly- --keep-daily=14 --keep-monthly=12',
                  'dxf prune fred/backup --keep-within=30d --max-delete=5 --delete'),
        actions=REPLACE, variables=('DXF_JOBS',)),
    Command(
        'list-aliases', group='aliases',
        summary='Print the aliases of a repository, one a line.',
        details='In a folder, a manifest that another tool named docker.io/library/mysql:8.0 has the alias 8.0;\n'
                'if several manifests have this tag, the full reference is the alias. --long prints alias, digest of\n'
                'the manifest, bytes, creation time and kind. - stands for the bytes of an index, and for the time of\n'
                'a manifest without the annotation org.opencontainers.image.created. With --long, --sort=time and\n'
                '--sort=size, each alias costs one request. An alias that cannot be read is left out and named at the\n'
                'end, with status 1.',
        operands=(REPO,),
        options=(Option(('--long',), 'print what each alias holds, too'),
                 Option(('--sort',), 'sort by the name, or by the latest, largest or highest version last (default:\n'
                        'the order of the registry)', choices=('name', 'time', 'size', 'version'), alone='name'),
                 Option(('--prefix',), 'list only names that start with TEXT', 'TEXT'), JSON_LINES),
        examples=('dxf list-aliases fred/datalogger', 'dxf list-aliases fred/datalogger --long --sort=time'),
        actions=PULL, variables=('DXF_JOBS',)),
    Command(
        'du', group='aliases',
        summary='Print the bytes of each alias, and of all together.',
        details='A line is the alias, the bytes of its different blobs, those that only it needs, and those that\n'
                'other aliases need too. The last line is the total of all different blobs. Manifests, and layers\n'
                'that a registry need not have, are not counted. Each alias costs one request; each manifest of an\n'
                'index, and each blob of schema 1, one more. An alias that cannot be read is left out and named at\n'
                'the end, with status 1.',
        operands=(REPO,), options=(JSON_LINES,),
        examples=('dxf du fred/datalogger',), actions=PULL, variables=('DXF_JOBS',)),
    Command(
        'diff', group='aliases',
        summary='Compare two aliases, or a folder on disk and an alias.',
        details='A line is added, removed or changed, the old and the new bytes (- without a file), and its name.\n'
                'Blobs without a name are compared by their hashes; moved is one that has another place. Of\n'
                'multi-platform aliases, the manifests are compared by platform, unless DXF_PLATFORM selects one.\n'
                'A <folder> is . or has a path separator: ./readings. It is one to which dxf pull-files has\n'
                'written, or in which dxf push-files has run. Its files are hashed. Annotations and permissions are\n'
                'not compared. Only manifests are fetched; with --inside, or for a folder on disk, archives of whole\n'
                'folders too, which are not kept.\n'
                'Of snapshots (dxf backup) the index is fetched, and no pack. Two of them, or a folder and one, are\n'
                'compared by type, content, mode and the target of links, and not by times. With --json, old and new\n'
                'have type, mode and target too. A snapshot and another alias are compared by the content of files.\n'
                'Status 0: no differences; 1: differences; 2: an error; 13: unauthorised.' + TAKES_DIGEST,
        operands=(REPO, Operand('<alias>|<folder>', completion=FILES_OR_ALIASES),
                  Operand('<alias>|<folder>', completion=FILES_OR_ALIASES)),
        options=(Option(('--inside',), 'compare the files in archives of folders that differ'), JSON_LINES),
        examples=('dxf diff fred/datalogger may15 may16', 'dxf diff fred/datalogger may15 ./readings'),
        actions=PULL, variables=('DXF_JOBS', 'DXF_PLATFORM')),
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
        operands=(REPO._replace(optional=True), ANY_ALIASES),
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
                 RATE,
                 PROGRESS, JSON_LINES),
        examples=('dxf copy fred/datalogger may15 --to registry.example.com',
                  'dxf copy fred/datalogger --all --delete --to oci:/media/usb/blobs'),
        actions=PULL,
        variables=('DXF_TO_USERNAME', 'DXF_TO_PASSWORD', 'DXF_TO_AUTHORIZATION', 'DXF_TO_TOKEN', 'DXF_TO_INSECURE',
                   'DXF_TO_TLSVERIFY', 'DXF_TO_CERT', 'DXF_TO_KEY', 'DXF_JOBS', 'DXF_PROGRESS')),
)
