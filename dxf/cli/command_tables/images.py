"""The commands about images, as other tools make them."""

from dxf.cli.command import Command
from dxf.cli.command_parts import ALIAS, ANY_ALIASES, JSON_LINES, PULL, READS_ALIAS, REPO, SEVERAL_ALIASES

IMAGE_COMMANDS = (
    Command(
        'inspect', group='images',
        summary='Print the digest, type, size and content of an alias.',
        details='The content is blobs and annotations. For a multi-platform alias, the platforms are printed, unless\n'
                'DXF_PLATFORM selects one.',
        operands=(REPO, ALIAS), options=(JSON_LINES,),
        examples=('dxf inspect fred/datalogger may15-readings',), actions=PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-digest', group='images',
        summary='Print the digest of the configuration of aliases.',
        details="For a Docker image, this is the image's id." + READS_ALIAS,
        operands=(REPO, ANY_ALIASES), options=(JSON_LINES,),
        examples=('dxf get-digest library/alpine latest',), actions=PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-manifest', group='images',
        summary='Print the manifests of aliases, exactly as stored.',
        operands=(REPO, SEVERAL_ALIASES), options=(JSON_LINES,),
        examples=('dxf get-manifest fred/datalogger may15-readings',), actions=PULL, variables=('DXF_PLATFORM',)),
    Command(
        'get-manifest-digest', group='images',
        summary='Print the digests of the manifests of aliases.',
        details='Each costs one request.',
        operands=(REPO, SEVERAL_ALIASES), options=(JSON_LINES,),
        examples=('dxf get-manifest-digest fred/datalogger may15-readings',), actions=PULL),
)
