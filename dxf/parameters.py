"""Parameters: which check each parameter of the public functions gets, by its name.

``arguments``, ``client_arguments`` and ``names`` have the checks. A function that takes several of something checks
each of them itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from dxf import arguments, client_arguments
from dxf.exceptions import DXFInvalidNameError, DXFInvalidPlatformError
from dxf.limits import Limits
from dxf.names import check_digest, check_platform, is_folder, is_registry_alone

VARARGS = 4
"""The flag of a function that takes any number of arguments. To import inspect for its name would cost a start 10 ms.

https://docs.python.org/3/library/inspect.html#code-objects-bit-flags
"""

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')
Check = Callable[[Any, str, str], object]
"""Called with a value, the parameter's name and the function's; it raises what is wrong with the value."""

WRITTEN = {'set_alias': 'set_alias(alias, *[...])', 'push_files': 'push_files(repository, alias, [...])',
           'set_manifest': 'set_manifest(alias, manifest_json)', 'mount_blob': 'mount_blob(repo, digest)',
           'make_unsigned_manifest': 'make_unsigned_manifest(alias, *[...])', 'DXF': 'DXF(host, repo)',
           'from_base': 'DXF(host, repo)', 'exists': "exists('may15-readings'), or exists(digest)",
           'open': "open('may15-readings'), open('may15-readings/logger.dat') or open(digest)"}
"""How calls are written whose arguments are easily swapped."""

SEVERAL = {'pull_blob': 'pull_blobs([...])', 'copy_blob': 'copy_blobs(source, [...])',
           'mount_blob': 'for digest in [...]: mount_blob(repo, digest)'}
"""What to write for several digests, where a function takes one and it is not a loop around it."""

NO_DIGEST = ('set_alias', 'make_unsigned_manifest', 'push_files')
"""Functions whose ``alias`` is no digest: the arguments are swapped."""

STORE_BLOBS = ('push_blob', 'push_blobs')
"""Functions that give no name to what they store."""

ELSEWHERE = {
    'push_files': 'dxf.artifacts.push_files(client, alias, [...])',
    'pull_files': 'dxf.artifacts.pull_files(client, reference, folder)',
    'attach': 'dxf.artifacts.attach(client, reference, [...], artifact_type=...)',
    'referrers': 'dxf.artifacts.referrers(client, reference)',
    'backup': 'dxf.snapshots.backup(client, [...], alias)',
    'restore': 'dxf.snapshots.load(client, reference).restore(folder)',
    'list_files': 'dxf.snapshots.list_files(client, reference)',
    'copy': 'dxf.copy(client, target, alias)', 'mirror': 'dxf.mirror(client, target)',
    'diff': 'dxf.comparison.compare(client, old, new)', 'verify': 'dxf.snapshots.verify(client, reference)',
    'du': 'dxf.usage.usage(client)', 'inspect': 'dxf.inspection.inspect(client, alias)'}
"""How functions of a client are written that are no methods, by the commands that call them."""

METHODS = {
    **dict.fromkeys(('push', 'upload', 'put', 'add', 'store', 'save', 'upload_blob', 'put_blob'),
                    'push_blob(filename)'),
    **dict.fromkeys(('pull', 'download', 'fetch', 'get_blob', 'download_blob', 'fetch_blob'),
                    'pull_to_file(filename, digest)'),
    **dict.fromkeys(('read', 'get', 'cat', 'load'), 'open(alias).read()'), 'write': "open(alias, 'wb')",
    **dict.fromkeys(('tag', 'set_tag', 'add_tag', 'create_tag', 'push_manifest'), 'set_alias(alias, digest)'),
    **dict.fromkeys(('delete', 'remove', 'rm', 'untag', 'del_tag', 'delete_tag', 'delete_alias', 'remove_alias'),
                    'del_alias(alias)'),
    **dict.fromkeys(('delete_blob', 'remove_blob'), 'del_blob(digest)'),
    **dict.fromkeys(('tags', 'list_tags', 'get_tags', 'aliases', 'list', 'ls'), 'list_aliases()'),
    **dict.fromkeys(('repos', 'repositories', 'list_repositories', 'catalog'), 'list_repos()'),
    **dict.fromkeys(('size', 'stat', 'get_size'), 'blob_size(digest)'),
    'login': 'authenticate(username, password)', 'manifest': 'get_manifest(alias)'}
"""How methods are written, by the names that other libraries give them."""

CLASSES = ('Client', 'Dxf', 'Registry', 'Repository', 'connect')
"""Names of other libraries for what makes a client."""

FOR_SEVERAL = {'del_alias': 'del_aliases(alias, ...)', 'pull_blob': 'pull_blobs([...])',
               'push_blob': 'push_blobs([...])', 'blob_size': 'for digest in [...]: blob_size(digest)',
               'del_blob': 'for digest in [...]: del_blob(digest)',
               'get_alias': 'for alias in [...]: get_alias(alias)'}
"""What to write for more arguments than a function takes."""

KEYWORDS = {
    **dict.fromkeys(('username', 'user', 'password', 'login', 'credentials', 'auth_config'), client_arguments.AUTH),
    **dict.fromkeys(('verify', 'verify_ssl', 'ssl_verify'), 'tlsverify=False, or the path of a file of CA '
                    'certificates'),
    **dict.fromkeys(('http', 'plain_http', 'use_http'), 'insecure=True'),
    **dict.fromkeys(Limits._fields, 'limits=dxf.Limits(...)'),
    'token': 'auth=lambda dxf, response: setattr(dxf, "token", TOKEN)', 'proxies': 'options=dxf.Options(proxies=...)',
    'registry': 'host', 'hostname': 'host', 'url': 'host',
    'repository': 'repo', 'tag': 'alias', 'reference': 'alias', 'content': 'data', 'path': 'filename',
    'file': 'filename', 'target': 'to_alias', 'media_type': 'artifact_type'}
"""What to write in place of keywords that other libraries have."""


def _digest(value: Any, _name: str, function: str) -> None:
    if not isinstance(value, str):
        arguments.check_one(value, function, SEVERAL.get(function, ''))


def _condition(value: Any, name: str, function: str) -> None:
    _digest(value, name, function)
    check_digest(value)


def _text(value: Any, name: str, function: str) -> None:
    if not isinstance(value, str):
        arguments.check_text(value, name, WRITTEN.get(function, ''))


def _alias(value: Any, name: str, function: str) -> None:
    _text(value, name, function)
    kind = 'the text of a manifest' if value.lstrip().startswith('{') else \
        'a digest' if value.startswith('sha256:') and function in NO_DIGEST else ''
    if kind:
        written = WRITTEN.get(function, '').replace('*[...]', 'digest')
        raise DXFInvalidNameError(f'{name} is a name, and not {kind}' + (f': write {written}' if written else ''))


def _repository(value: Any, name: str, function: str) -> None:
    _text(value, name, function)
    kind = 'a digest' if value.startswith('sha256:') else \
        'a registry' if is_folder(value) or is_registry_alone(value) else ''
    if kind:
        raise DXFInvalidNameError(f'{name} is the name of a repository, and not {kind}: write '
                                  f'{WRITTEN.get(function, "DXF(host, repo)")}')


def _platform(value: Any, name: str, _function: str) -> None:
    arguments.check_text(value, name, "platform='linux/amd64'")
    platform, is_at, digest = value.rpartition('@')  # an answer for all platforms names some of them with a digest
    if not digest.startswith('sha256:') or is_at:
        try:
            check_platform(platform if digest.startswith('sha256:') else value)
        except DXFInvalidNameError:
            raise DXFInvalidPlatformError(value) from None


def _path(value: Any, name: str, _function: str) -> None:
    arguments.check_path_type(value, name)
    arguments.check_home(value, name)


def _client(method: str) -> Check:
    """Return the check of a client that must have a method."""
    return lambda value, name, _function: arguments.check_client(value, name, method)


FLAGS = ('size', 'sizes', 'verify', 'iterate', 'check_exists', 'if_absent', 'with_others', 'overwrite', 'referrers',
         'dry_run', 'skip_existing', 'each', 'delete', 'inside')

CHECKS: dict[str, Check] = {
    **dict.fromkeys(FLAGS, arguments.check_flag),
    **dict.fromkeys(('auth_host', 'artifact_type', 'name', 'username', 'password', 'authorization', 'identity_token',
                     'user_agent', 'match'), _text),
    **dict.fromkeys(('alias', 'existing', 'reference', 'to_alias', 'compare.old', 'compare.new'), _alias),
    'digest': _digest, 'if_match': _condition,
    'host': client_arguments.check_host_type, 'repo': _repository, 'auth': client_arguments.check_auth,
    'insecure': client_arguments.check_insecure, 'tlsverify': client_arguments.check_tlsverify,
    'actions': client_arguments.check_actions,
    'response': client_arguments.check_response, 'timeout': client_arguments.check_timeout,
    'options': client_arguments.check_options, 'limits': client_arguments.check_limits,
    'jobs': client_arguments.check_jobs, 'proxies': client_arguments.check_proxies,
    'cert': client_arguments.check_cert, 'base': _client('_base_request'), 'source': _client('pull_blobs'),
    'target': _client('set_manifest'), 'repository': _client('pull_blobs'), 'platform': _platform,
    'progress': arguments.check_progress, 'on_file': arguments.check_callback,
    'chunk_size': arguments.check_chunk_size, 'max_delete': arguments.check_count,
    'batch_size': arguments.check_batch_size, 'filename': arguments.check_filename,
    **dict.fromkeys(('resume', 'folder', 'cache'), _path), 'annotations': arguments.check_mapping,
    'copy_blobs.sizes': arguments.check_mapping, 'created': arguments.check_created, 'open.mode': _text}
"""The check of each parameter, by its name, or by those of function and parameter."""


PASSED_ON = {'DXF': ('host', 'auth', 'insecure', 'auth_host', 'tlsverify', 'timeout', 'limits', 'cert')}
"""Parameters that a constructor hands to that of its base class, which checks them."""


class _Function(NamedTuple):
    """What the checks need of a function: its name, those of its parameters, and their checks.

    ``rest`` is the parameter that takes any number of arguments, empty without one. ``is_method`` means that the first
    argument is a client.
    """

    name: str
    positional: tuple[str, ...]
    names: tuple[str, ...]
    rest: str
    checks: dict[str, Check]
    defaults: dict[str, Any]
    is_method: bool

    def check(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Check the arguments of a call, in the order of the parameters."""
        for keyword in keywords:
            if keyword not in self.names:
                raise TypeError(f'{self.name} takes no argument {keyword!r}{self._instead_of(keyword)}')
        if self.is_method and given and not hasattr(given[0], '_base_request'):
            raise TypeError(f'{self.name} is a method of a client: write DXF(host, repo).{self.name}(...)')
        if len(given) > len(self.positional) and not self.rest and self.name in FOR_SEVERAL:
            raise TypeError(f'{self.name} takes fewer arguments: write {FOR_SEVERAL[self.name]}')
        values = {**dict(zip(self.positional, given, strict=False)), **keywords}
        if self.name == 'DXF' and 'repo' not in values and 'host' in values:
            raise TypeError(f'DXF needs a repository: write {WRITTEN["DXF"]}, or DXFBase(host) for the registry alone')
        for name, check in self.checks.items():
            if name in values and not (name in self.defaults and values[name] is self.defaults[name]):
                check(values[name], name, self.name)

    def _instead_of(self, keyword: str) -> str:
        """Return what to write in place of a keyword that the function does not have."""
        if keyword in ('alias', 'tag', 'name') and self.name in STORE_BLOBS:
            return '; set_alias(alias, digest) sets an alias'
        if keyword == self.rest:
            return f': write {WRITTEN.get(self.name, f"{self.name}(*[...])")}'
        known = KEYWORDS.get(keyword, '')
        if known.partition('=')[0] in self.names:
            return f': write {known}{"=" * known.isidentifier()}'
        import difflib
        near = difflib.get_close_matches(keyword, self.names, 1)
        return f': write {near[0]}=' if near else f'; it takes {", ".join(self.names)}' if self.names else ''


def _function_of(function: Any) -> _Function:
    code = function.__code__
    owner, _, name = function.__qualname__.rpartition('.')
    names: tuple[str, ...] = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    positional = names[:code.co_argcount]
    defaults = function.__defaults__ or ()
    if name in ('__init__', '__new__'):
        name = owner
    is_bound = names[0] in ('self', 'cls')
    checks = {each: CHECKS.get(f'{name}.{each}') or CHECKS[each] for each in names
              if (each in CHECKS or f'{name}.{each}' in CHECKS) and each not in PASSED_ON.get(name, ())}
    rest = code.co_varnames[len(names)] if code.co_flags & VARARGS else ''
    return _Function(name, positional, names[is_bound:], rest, checks,
                     {**dict(zip(positional[len(positional) - len(defaults):], defaults, strict=True)),
                      **(function.__kwdefaults__ or {})}, names[0] == 'self' and name != owner)


def checked(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a public function that checks its arguments before it begins, by :data:`CHECKS`.

    An argument that is its parameter's default is right.
    """
    described = _function_of(function)

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        described.check(args, kwargs)
        return function(*args, **kwargs)
    return call


def check_method(name: str, client: object) -> None:
    """Check that a name that a client lacks is not that of a function in a module, nor of a method elsewhere.

    :raises AttributeError: it is; the message tells how that is called
    """
    written = ELSEWHERE.get(name) or METHODS.get(name)
    if written:
        raise AttributeError(f'{type(client).__name__} has no method {name}: write {written}')


def about_name(name: str, client: type) -> str:
    """Return what to write for a name that the module dxf lacks; empty if nothing is called so.

    :param client: the class of clients
    """
    if name in CLASSES:
        return f': write {WRITTEN["DXF"]}'
    if name in ELSEWHERE:
        return f': write {ELSEWHERE[name]}'
    method = METHODS.get(name) or (f'{name}(...)' if callable(getattr(client, name, None)) else '')
    return f': write {WRITTEN["DXF"]}.{method}' if method else ''
