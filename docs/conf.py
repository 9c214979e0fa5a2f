"""How Sphinx builds the documentation (make docs): dxf's own docstrings and tables, and the pages beside this file."""
from pathlib import Path
import re
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
extensions = ['sphinx.ext.autodoc', 'sphinx_copybutton']
exclude_patterns = ['_build']
html_theme = 'furo'  # light and dark, and as narrow as a telephone
html_title = f'dxf {VERSION}'
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
copybutton_prompt_text = '$ '  # of a session only the commands are copied
highlight_language = 'text'
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
# Every name that a docstring gives must lead somewhere, but for the standard library's and other packages', and classes
# that appear in signatures alone.
nitpick_ignore_regex = [('py:.*', r'(?!dxf\b|DXF).*'),
                        ('py:class', r'dxf\.(data\.Readable|blobs\.BlobStore|blob_copying\.BlobCopying|manifest_store\.ManifestStore)'),
                        ('py:class', r'dxf\.manifest\.image\.(Descriptor|ImageManifest)')]

PAGES = {'CHANGELOG': 'changes', 'CONTRIBUTING': 'contributing', 'RELEASING': 'releasing', 'SECURITY': 'security'}
"""Files of the repository that are pages of the documentation too."""


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


def link_pages(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """Change the links between files of the repository, in a file that a page includes, to links between pages."""
    content[0] = re.sub(r'`([^`<]+) <(?:docs/)?([\w/-]+)\.rst>`_',
                        lambda link: f':doc:`{link[1]} <{PAGES.get(link[2], link[2])}>`', content[0])


def setup(app: Sphinx) -> None:
    """Register the functions above."""
    app.connect('source-read', fill)
    app.connect('include-read', link_pages)
    app.connect('missing-reference', find)
