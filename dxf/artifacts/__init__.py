"""Artifacts: files that go into a repository with their names, and come out of it with them.

:func:`push_files` and :func:`pull_files` write and read what oras does; :func:`attach` and :func:`referrers` are for
what belongs to something else: a signature, a list of contents. :func:`choose` and :func:`select` turn the
operands of a command line into files with names. :func:`plan_push` and :func:`plan_pull` change nothing.
"""

from dxf.artifacts.actions import FileAction
from dxf.artifacts.patterns import Patterns
from dxf.artifacts.pull import Pulled, plan_pull, pull_files
from dxf.artifacts.push import attach, plan_push, push_files, referrers
from dxf.artifacts.selection import File, Selection, choose, select

__all__ = ['File', 'FileAction', 'Patterns', 'Pulled', 'Selection', 'attach', 'choose', 'plan_pull', 'plan_push',
           'pull_files', 'push_files', 'referrers', 'select']
