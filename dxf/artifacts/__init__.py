"""Artifacts: files that go into a repository with their names, and come out of it with them.

:func:`push_files` and :func:`pull_files` write and read what oras does; :func:`attach` and :func:`referrers` are for
what belongs to something else: a signature, a list of contents. :func:`choose` turns the operands of a command line
into files with names.
"""

from dxf.artifacts.actions import FileAction
from dxf.artifacts.pull import Pulled, plan_pull, pull_files
from dxf.artifacts.push import File, attach, choose, push_files, referrers

__all__ = ['File', 'FileAction', 'Pulled', 'attach', 'choose', 'plan_pull', 'pull_files', 'push_files', 'referrers']
