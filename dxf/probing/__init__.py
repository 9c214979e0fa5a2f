"""Probing: what a registry is and can do. ``reading`` changes nothing; ``writing`` removes what it has written."""

from dxf.probing.findings import Finding
from dxf.probing.probe import probe

__all__ = ['Finding', 'probe']
