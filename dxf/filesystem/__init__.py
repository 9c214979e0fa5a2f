"""A filesystem for fsspec: ``dxf://registry.example.com/fred/data@alias/path``. It needs ``python-dxf[fsspec]``.

::

    import pandas

    pandas.read_parquet('dxf://registry.example.com/fred/data@may15/readings.parquet', columns=['temperature'])

fsspec finds it by its entry point ``fsspec.specs``; nothing else of dxf imports it.
"""

from dxf.filesystem.registry_filesystem import RegistryFileSystem

__all__ = ['RegistryFileSystem']
