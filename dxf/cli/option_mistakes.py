"""Mistakes in options: what other programs have, and what to write here in its place.

A table says it by option, another one by command and option. Commands and the order of operands are in ``mistakes``.
"""

from collections.abc import Sequence

HOST_BY = '--host=HOST names the registry, or DXF_HOST'
CREDENTIALS = 'a user name and a password are given by --username=USER and --password-stdin'

_LOGIN = 'dxf login stores a user name and a password; DXF_USERNAME and DXF_PASSWORD give them to one command'
_CERTIFICATES = 'DXF_TLSVERIFY names a file of CA certificates'
_TO_HTTP = 'DXF_TO_INSECURE=1 is for http, DXF_TO_TLSVERIFY names a file of CA certificates'
_ONE_BY_ONE = 'aliases are named one by one: dxf list-aliases prints them'
_QUIET = '--progress=none shows no progress'

VARIABLES = {
    **dict.fromkeys(('-H', '--registry', '--server', '--url'), HOST_BY),
    **dict.fromkeys(('--insecure', '--plain-http', '--http', '--src-plain-http', '--from-plain-http'),
                    'DXF_INSECURE=1 is for http'),
    **dict.fromkeys(('--skip-tls-verify', '--tls-verify', '--no-verify', '--src-tls-verify', '--no-check-certificate',
                     '-k', '--insecure-skip-tls-verify', '--skip-verify'),
                    'see DXF_SKIPTLSVERIFY and DXF_TLSVERIFY'),
    **dict.fromkeys(('--dest-tls-verify', '--to-plain-http', '--dest-plain-http', '--to-insecure'), _TO_HTTP),
    **dict.fromkeys(('--debug', '--verbose', '-v'), 'DXF_DEBUG=1 logs each request'),
    **dict.fromkeys(('--creds', '--src-creds', '--username', '--user', '--password', '--password-stdin'), _LOGIN),
    **dict.fromkeys(('--dest-creds', '--dest-username', '--dest-password', '--to-username', '--to-password'),
                    'DXF_TO_USERNAME and DXF_TO_PASSWORD are for the registry to copy to'),
    **dict.fromkeys(('--authfile', '--src-authfile', '--dest-authfile', '--registry-config'),
                    'REGISTRY_AUTH_FILE names the file of the logins'),
    **dict.fromkeys(('--cert-dir', '--src-cert-dir', '--cacert', '--ca-file', '--ca-cert'), _CERTIFICATES),
    **dict.fromkeys(('--dest-cert-dir', '--to-ca-file'), _TO_HTTP),
    **dict.fromkeys(('--token', '--registry-token', '--src-registry-token'), 'DXF_TOKEN has the token'),
    '--dest-registry-token': 'DXF_TO_TOKEN has the token of the registry to copy to',
    '--proxy': 'HTTPS_PROXY names the proxy',
    **dict.fromkeys(('--timeout', '--command-timeout', '--max-time'), 'DXF_TIMEOUT sets the seconds to wait'),
    **dict.fromkeys(('--retry', '--retries', '--retry-times'), 'DXF_RETRIES sets how often dxf tries again'),
    **dict.fromkeys(('--jobs', '-j', '--parallel', '--concurrency'), 'DXF_JOBS sets how many blobs move at once'),
    **dict.fromkeys(('--platform', '--override-arch', '--override-os', '--arch', '--os'),
                    'DXF_PLATFORM selects a platform, such as linux/amd64'),
    **dict.fromkeys(('--repo', '--repository'), 'the repository is the first operand'),
}
"""Options that dxf has as variables, or by another name."""

_QUIETLY = ('--quiet', '-q', '--silent', '-s', '--no-progress')
_ALL = ('--all', '-a', '-A')
_RECURSIVE = ('--recursive', '-r', '-R')
_TRIAL = ('--dry-run', '-n')
_ASKED = ('--force', '-f', '--yes', '-y')
_REPLACING = ('--force', '-f', '--overwrite', '--replace')
_COMPRESSED = ('--compress', '--gzip', '-z')
_AS_JSON = '--json prints JSON'
_LISTINGS = ('diff', 'du', 'inspect', 'list-aliases', 'list-files', 'list-repos', 'probe', 'referrers')
"""Commands that write no file."""

OPTIONS = {
    **dict.fromkeys((('push-blob', '--alias'), ('push-blob', '--tag'), ('push-blob', '--name'), ('push-blob', '-t')),
                    'the alias comes last, as @alias'),
    **dict.fromkeys(((command, option) for command in ('push-files', 'attach')
                     for option in ('--alias', '--tag', '--name', '-t')), 'the alias comes before the files'),
    **dict.fromkeys((('pull-blob', '--resume'), ('pull-blob', '--continue'), ('pull-blob', '-c')),
                    'with -o FILE it goes on by itself'),
    **dict.fromkeys((('pull-blob', '--to'), ('pull-blob', '--dir'), ('pull-blob', '-O'), ('pull-blob', '--out')),
                    '-o FILE names the file'),
    **dict.fromkeys(((command, option) for command in ('gc', 'prune') for option in _TRIAL),
                    'without --delete nothing is removed'),
    **dict.fromkeys((('push-blob', option) for option in _RECURSIVE), 'dxf push-files stores folders'),
    **dict.fromkeys((('push-files', option) for option in _RECURSIVE),
                    'a folder is stored with all that is in it'),
    **dict.fromkeys(((command, option) for command in ('del-alias', 'del-blob')
                     for option in _ASKED), 'it asks nothing before it deletes'),
    **dict.fromkeys(((command, option) for command in ('prune', 'gc') for option in (*_ASKED, '--prune')),
                    '--delete deletes what is printed without it'),
    **dict.fromkeys((('prune', option) for option in ('--keep-tag', '--keep-tags', '--exclude', '--protect')),
                    '--keep-match=GLOB keeps what a pattern fits'),
    **dict.fromkeys(((command, option) for command in ('push-files', 'set-alias', 'copy') for option in _REPLACING),
                    'an alias that exists is replaced'),
    **dict.fromkeys((('push-blob', '--overwrite'), ('push-blob', '--replace')), 'an alias that exists is replaced'),
    **dict.fromkeys((('pull-blob', option) for option in _REPLACING), 'a file that exists is replaced'),
    **dict.fromkeys((('restore', '--force'), ('restore', '-f')), '--overwrite replaces files that are there'),
    **dict.fromkeys((('push-blob', '-f'), ('push-blob', '--file')), 'files follow the repository'),
    **dict.fromkeys((('pull-blob', option) for option in ('--offset', '--bytes', '--skip', '-r')),
                    '--range=FIRST-LAST writes a part'),
    **dict.fromkeys((('pull-blob', option) for option in ('--extract', '--untar', '-x')),
                    'tar takes it out of a pipe: dxf pull-blob <repo> @alias | tar x'),
    **dict.fromkeys((('push-blob', option) for option in _COMPRESSED), 'a command compresses: dxf push-blob <repo> '
                    '@alias -- gzip -c FILE'),
    **dict.fromkeys((('backup', option) for option in _COMPRESSED), 'what a backup stores is compressed'),
    **dict.fromkeys((('backup', option) for option in (*_RECURSIVE, *_ALL, '--archive')),
                    'a folder is stored with all that is in it; --owners and --xattrs store more about it'),
    **dict.fromkeys((('backup', option) for option in ('--delete', '--update', '-u')),
                    'a snapshot has what is in the folder now, and the one before keeps the rest'),
    **dict.fromkeys(((command, option) for command in ('backup', 'push-files', 'push-blob')
                     for option in ('-C', '--directory', '--base', '--cwd')),
                    'change the folder before: (cd DIR && dxf ...)'),
    **dict.fromkeys((('restore', option) for option in ('--exclude', '-e')), 'paths behind the alias choose what is '
                    'restored: dxf list-files prints them'),
    **dict.fromkeys(((command, option) for command in _LISTINGS for option in ('-o', '--output')), _AS_JSON),
    **dict.fromkeys((('copy', '-o'), ('copy', '--output'), ('copy', '--dir')), '--to=oci:DIR copies to a folder'),
    **dict.fromkeys(((command, option) for command in ('del-alias', 'get-alias', 'get-manifest', 'get-digest',
                                                       'get-manifest-digest', 'inspect') for option in _ALL),
                    _ONE_BY_ONE),
    **dict.fromkeys(((command, option) for command in ('del-blob', 'pull-blob', 'blob-size') for option in _ALL),
                    'an @alias stands for all its blobs'),
    **dict.fromkeys((('list-aliases', option) for option in ('--filter', '--match', '--pattern', '--grep', '-p')),
                    '--prefix=TEXT lists those that start with TEXT'),
    **dict.fromkeys((('list-aliases', option) for option in ('-l', '--digests')),
                    '--long prints what each alias holds, too'),
    **dict.fromkeys((('list-files', option) for option in ('-l', '--size')),
                    '--long prints mode, size and time, too'),
    **dict.fromkeys((('pull-files', option) for option in ('-o', '--output', '--dir', '--directory', '-C', '-d')),
                    '--to=DIR names the folder'),
    **dict.fromkeys((('pull-files', '--force'), ('pull-files', '-f')), '--overwrite replaces files that are there'),
    **dict.fromkeys((('pull-files', '--sync'), ('pull-files', '--mirror'), ('pull-files', '--delete-after')),
                    '--delete makes the folder equal to the alias'),
    **dict.fromkeys((('copy', '--recursive'), ('copy', '-r'), ('copy', '-a'), ('copy', '-A')),
                    '--all copies all aliases'),
    **dict.fromkeys((('copy', '--dest'), ('copy', '--target'), ('copy', '--destination')),
                    '--to=HOST names the registry to copy to'),
    **dict.fromkeys((('copy', '--from'), ('copy', '--src'), ('copy', '--source')),
                    '--host=HOST names the registry to copy from'),
    **dict.fromkeys((('copy', '--exclude'), ('copy', '--include'), ('copy', '--filter')),
                    '--match=GLOB chooses aliases'),
    **dict.fromkeys((('prune', option) for option in ('--older-than', '--max-age', '--days', '--until', '--before')),
                    '--keep-within=30d deletes what is older'),
    **dict.fromkeys((('prune', option) for option in ('--keep', '--last')), '--keep-last=N keeps the newest N'),
    **dict.fromkeys((('backup', option) for option in ('--exclude-from', '--exclude-file', '-X', '--ignore-file')),
                    'a file .dxfignore in a folder has patterns for what is in it'),
    **dict.fromkeys((('backup', option) for option in ('--alias', '--tag', '--name', '-t')),
                    'the alias comes last, as @alias'),
    **dict.fromkeys((('restore', option) for option in ('-o', '--output', '--target', '-t', '--dir', '-C', '-d')),
                    '--to=DIR names the folder to write to'),
    **dict.fromkeys((('restore', option) for option in ('--include', '-i', '--path', '--files')),
                    'paths follow the alias'),
    **dict.fromkeys((('copy', '--tag'), ('copy', '--alias'), ('copy', '-t')), '--to-alias=ALIAS names it there'),
}
"""Options that a command does without, or calls otherwise."""


def about_option(command: str, option: str, flags: Sequence[str]) -> str:
    """Return what stands for an option that does not exist; empty if it is like none of another program.

    :param command: empty for an option before a command
    :param flags: the options that exist
    """
    if not command and option in ('-v', '-V'):
        return '; dxf --version prints the version'
    if option in _QUIETLY and '--progress' in flags:
        return f'; {_QUIET}'
    if option == '-n' and '--dry-run' in flags:
        return '; --dry-run prints what would be done'
    meant = OPTIONS.get((command, option)) or VARIABLES.get(option)
    if meant is None and option in ('--format', '-f') and '--json' in flags:
        meant = _AS_JSON
    if meant is None or command == 'login' and meant == _LOGIN:
        return ''
    return f'; {meant}'
