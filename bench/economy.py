"""Economy: the requests and connections that commands cost on a registry with tokens over TLS, counted on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from test.helpers.endpoints import PASSWORD, USERNAME
from test.servers.certificates import Certificates
from test.servers.registry import Registry
from test.servers.token_server import TokenServer

from bench.contenders import Dxf
from bench.counting import CountingRelay
from bench.measuring import Contender, always, run
from bench.report import Budget, Section
from bench.workspace import Server, Workspace, write_random

SIZE = 100_000
CONNECTIONS = 2
"""One to the registry and one to its token server."""


@dataclass(frozen=True)
class Count:
    """What one command cost."""

    requests: int
    tokens: int
    connections: int


class _Wire:
    """A registry and its token server, each behind a relay that counts."""

    def __init__(self, workspace: Workspace, environ: dict[str, str], registry: CountingRelay, tokens: CountingRelay
                 ) -> None:
        self._workspace = workspace
        self._environ = {**environ, 'DXF_HOST': registry.host, 'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD}
        self._relays = registry, tokens

    def cost(self, client: Dxf, *arguments: str) -> Count:
        """Run a command, and return what it cost."""
        for relay in self._relays:
            relay.clear()
        run(Contender(f'{client.name} {arguments[0]}', always(client.command(*arguments)), self._environ),
            self._workspace)
        registry, tokens = self._relays
        return Count(len(registry.requests), len(tokens.requests), registry.connections + tokens.connections)


JOBS = (
    ('``push-blob`` with an alias, new', 4),
    ('``push-blob`` with an alias, already there', 3),
    ('``pull-blob`` by alias', 3),
)
"""What is done, and how many requests of the registry it takes; one of the token server comes on top."""


def count(workspace: Workspace, clients: Sequence[Dxf]) -> list[Section]:
    """Count what a push and a pull cost each client; the first is ours."""
    return [_count(workspace, server, clients) for server in workspace.servers]


def _count(workspace: Workspace, server: Server, clients: Sequence[Dxf]) -> Section:
    with workspace.room('economy') as room:
        certificates = Certificates(room)
        with TokenServer(certificates, {USERNAME: PASSWORD}) as tokens, \
                CountingRelay(tokens.host, certificates) as token_relay:
            tokens.realm = f'https://{token_relay.host}/token'
            with Registry(room, tls=certificates, tokens=tokens, binary=server.path) as registry, \
                    CountingRelay(registry.host, certificates) as relay:
                wire = _Wire(workspace, {'REQUESTS_CA_BUNDLE': certificates.ca}, relay, token_relay)
                counts = {client.name: _counts(wire, client, room) for client in clients}
    return _section(counts, clients[0].name, server.suffix)


def _counts(wire: _Wire, client: Dxf, room: Path) -> list[Count]:
    repo = 'bench/' + client.name.partition(' ')[0]
    file = str(write_random(room / 'file', SIZE))
    return [wire.cost(client, 'push-blob', repo, file, '@alias'), wire.cost(client, 'push-blob', repo, file, '@alias'),
            wire.cost(client, 'pull-blob', repo, '@alias')]


def _section(counts: dict[str, list[Count]], ours: str, suffix: str) -> Section:
    rows = []
    for number, (what, least) in enumerate(JOBS):
        for name, found in counts.items():
            cost = found[number]
            rows.append((f'{name}: {what}', str(cost.requests), str(cost.tokens), str(cost.connections)))
        rows.append((f'as few as can be: {what}', str(least), '1', str(CONNECTIONS)))
    budgets = []
    for (what, least), cost in zip(JOBS, counts[ours], strict=True):
        budgets += [Budget(f'{what}{suffix}, requests', cost.requests + cost.tokens, least + 1, '', 0),
                    Budget(f'{what}{suffix}, connections', cost.connections, CONNECTIONS, '', 0)]
    return Section(f'Requests and connections{suffix}',
                   'Of a registry that takes tokens, over TLS; counted in front of it and of its token server.',
                   ('What', 'Requests', 'Token requests', 'Connections'), rows, budgets)
