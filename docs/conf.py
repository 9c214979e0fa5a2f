"""How Sphinx builds the documentation (make docs): dxf's own docstrings and tables, and the pages beside this file."""
from pathlib import Path
import sys
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

from dxf.version import VERSION

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = 'dxf'
author = 'The dxf developers'
release = version = VERSION
extensions = ['sphinx.ext.autodoc']
exclude_patterns = ['_build']
html_theme = 'alabaster'
html_theme_options = {'description': 'Keep anything in a Docker or OCI registry', 'page_width': '64em',
                      'sidebar_width': '15em', 'show_powered_by': False}
html_show_copyright = False
html_show_sourcelink = False
pygments_style = 'sphinx'
highlight_language = 'text'
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
# Every name that a docstring gives must lead somewhere, but for the standard library's and other packages', and classes
# that appear in signatures alone.
nitpick_ignore_regex = [('py:.*', r'(?!dxf\b|DXF).*'),
                        ('py:class', r'dxf\.(arguments\.Readable|blobs\.BlobStore|manifest_store\.ManifestStore|'
                                     r'manifest\.image\.Descriptor)')]


def fill(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the reference into its page."""
    from tools.reference import reference
    if name == 'reference':
        source[0] += '\n' + reference()


def find(app: Sphinx, env: Any, node: pending_xref, content: nodes.TextElement) -> nodes.Node | None:
    """Find what docstrings name as a module does that has imported it."""
    name, domain = node.get('reftarget', ''), env.get_domain('py')
    for full in (f'dxf.exceptions.{name}', f'dxf.{name}'):
        if node.get('refdomain') == 'py' and full in domain.objects:
            return domain.resolve_xref(env, node['refdoc'], app.builder, 'obj', full, node, content)
    return None


def setup(app: Sphinx) -> None:
    """Have the two above called."""
    app.connect('source-read', fill)
    app.connect('missing-reference', find)
