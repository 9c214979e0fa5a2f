"""The commands about the registry and the login."""

from dxf.cli.command import ACTIONS, Command, Operand, Option
from dxf.cli.command_parts import JSON_LINES, LOGIN_VARIABLES, REPLACE, REPO

REGISTRY_COMMANDS = (
    Command(
        'list-repos', group='registry and login',
        summary='Print the repositories of the registry, one a line.',
        details='Some registries do not offer that.',
        options=(Option(('--prefix',), 'list only names that start with TEXT', 'TEXT'), JSON_LINES),
        examples=('dxf list-repos',)),
    Command(
        'gc', group='registry and login',
        summary='Print or delete the unused blobs of a folder.',
        details='The blobs of the repository that no alias leads to are printed, with their bytes. This is for\n'
                'DXF_HOST=oci:PATH; a registry collects its garbage itself. If a manifest is missing or damaged, it\n'
                'may name any blob: then nothing is deleted, and the status is 1.',
        operands=(REPO,),
        options=(Option(('--delete',), 'delete them, also blobs of pushes that run now and have no alias yet'),
                 JSON_LINES),
        examples=('DXF_HOST=oci:/srv/blobs dxf gc fred/datalogger --delete',)),
    Command(
        'probe', group='registry and login',
        summary='Print what the registry is and can do.',
        details='Version, TLS, credential and what it may, catalog; of a repository ranges, referrers and deletions\n'
                'too. Nothing is written without --write; deletions are tried with what is not there. A report of a\n'
                'problem with a registry should contain it.',
        operands=(REPO._replace(optional=True),),
        options=(Option(('--write',), 'write a small blob and manifests too, and remove them: uploads in chunks,\n'
                        'mounts, deletions, the largest manifest; print what stays'), JSON_LINES),
        examples=('dxf probe fred/datalogger', 'dxf probe fred/datalogger --write'), actions=REPLACE),
    Command(
        'login', group='registry and login',
        summary='Check a user name and a password, and store them.',
        details='They are stored for the registry, where docker login stores them: by the credential helper that is\n'
                'configured there, or else in the file, which only you can read.',
        options=(Option(('--username',), 'the user name (default: ask for it)', 'USER'),
                 Option(('--password-stdin',), 'read the password from standard input (default: ask for it)')),
        examples=('dxf login --username=fred --password-stdin < password',), variables=LOGIN_VARIABLES,
        needs_no_password=True),
    Command(
        'logout', group='registry and login',
        summary='Delete the stored user name and password.',
        details='Those for the registry of DXF_HOST or --host are deleted.',
        examples=('dxf logout',), variables=LOGIN_VARIABLES, needs_no_password=True),
    Command(
        'auth', group='registry and login',
        summary='Authenticate, and print the token, for DXF_TOKEN.',
        details="An action is pull, push, delete or *. Without one, the registry's challenge decides.\n"
                'A registry without tokens prints none; a wrong password is an error in any case.',
        operands=(REPO, Operand('<action>', many=True, optional=True, completion=ACTIONS)), options=(JSON_LINES,),
        examples=('DXF_TOKEN=$(dxf auth fred/datalogger pull)',)),
)
