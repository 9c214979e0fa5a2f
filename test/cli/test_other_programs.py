"""What is typed as for other programs: addresses, options, signs. The whole line that answers it."""

import pytest

from .test_next_steps import EXAMPLES, INSECURE, MISSING, REPO, WANT_REPOSITORY, answered

TYPED: dict[str, tuple[str, dict[str, str], str]] = {
    'an address in place of a repository': (
        'inspect docker://ghcr.io/fred/x:v1 v1', {}, f"invalid repository 'docker://ghcr.io/fred/x:v1': "
        f'{WANT_REPOSITORY}; the registry is given by --host=ghcr.io: dxf inspect fred/x v1 '
        '--host=ghcr.io'),
    'a repository with an alias, without the alias': (
        f'inspect {REPO}:v1', {}, 'too few arguments: dxf inspect <repo> <alias>; did you mean dxf inspect '
        f'{REPO} v1?'),
    'a folder in place of a repository': (
        f'list-aliases oci:./blobs/{REPO}', {}, f"invalid repository 'oci:./blobs/{REPO}': {WANT_REPOSITORY}; "
        'a folder is given by --host=oci:PATH, and the repository is the path below it'),
    'an alias behind a colon': (f'pull-blob {REPO} :v1', {}, 'expected digest method sha256, got ; an alias is '
                                'written @v1'),
    'a folder behind =': (f'copy {REPO} a --to oci=./x', {}, f"--to: invalid host 'oci=./x': a folder is written "
                          f'oci:./x; {EXAMPLES}'),
    'a pattern as a prefix': (f'list-aliases {REPO} --prefix mon*', {}, "--prefix: 'mon*' is a pattern: write the "
                              'beginning alone, --prefix=mon'),
    'an option of skopeo': (f'copy {REPO} a --dest-tls-verify=false', {}, 'unrecognized arguments: --dest-tls-verify; '
                            'DXF_TO_INSECURE=1 is for http, DXF_TO_TLSVERIFY names a file of CA certificates'),
    'quietly': (f'push-blob {REPO} x --quiet', {}, 'unrecognized arguments: --quiet; --progress=none shows no '
                'progress'),
    'all aliases to delete': (f'del-alias {REPO} --all', {}, 'unrecognized arguments: --all; aliases are named one by '
                              'one: dxf list-aliases prints them'),
    'a filter': (f'list-aliases {REPO} --filter=x', {}, 'unrecognized arguments: --filter; --prefix=TEXT lists those '
                 'that start with TEXT'),
    'standard input with a name': (f'push-files {REPO} a -', {}, f'cannot read -: {MISSING}; - is standard input for '
                                   'dxf push-blob alone'),
    'a login over http': ('login --username fred', INSECURE, 'DXF_INSECURE is 1, and a password is sent over TLS '
                          'alone: set up TLS on the registry or on a proxy before it; what needs no login works '
                          'without one'),
}


@pytest.mark.parametrize(('typed', 'variables', 'said'), TYPED.values(), ids=TYPED)
def test_what_is_typed_as_for_another_program_is_answered_with_what_to_write(typed: str, variables: dict[str, str],
                                                                             said: str) -> None:
    command = typed.partition(' ')[0]
    assert answered(variables, 2, *typed.split()) == f'{said} (see dxf {command} --help)'
