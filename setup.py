"""Packaging of dxf: what it needs to run, and what its tests and tools need."""
from pathlib import Path
import re

from setuptools import find_packages, setup

HERE = Path(__file__).parent
# Sphinx 8.1 is the last for Python 3.10; furo 2024.8.6 is the first for Sphinx 8.
DOCS = ['sphinx>=8.1', 'furo>=2024.8.6', 'sphinx-copybutton>=0.5.2']
MANUAL = ['argparse-manpage>=4.8']
COMPLETION = ['shtab>=1.13']
# pyfastcdc 0.3 has the interface that dxf uses; Python 3.14 has zstd itself.
SNAPSHOTS = ['pyfastcdc>=0.3.1', 'backports.zstd>=1.0; python_version < "3.14"']
FSSPEC = ['fsspec>=2024.10']


def version() -> str:
    """Read the version as text: importing dxf would need what is not installed yet."""
    text = (HERE / 'dxf' / 'version.py').read_text(encoding='utf-8')
    found = re.search(r"^VERSION\b.*= *'([^']+)'$", text, re.MULTILINE)
    if found is None:
        raise ValueError("dxf/version.py has no line VERSION = '...'")
    return found[1]


setup(
    name='python-dxf',
    version=version(),
    description='Keep arbitrary data in a Docker or OCI registry',
    long_description=(HERE / 'README.rst').read_text(encoding='utf-8'),
    long_description_content_type='text/x-rst',
    author='The dxf developers',
    license_expression='MIT',
    license_files=['LICENCE'],
    keywords='docker oci registry blob storage',
    classifiers=[
        'Development Status :: 5 - Production/Stable',
        'Environment :: Console',
        'Intended Audience :: Developers',
        'Operating System :: POSIX',
        'Programming Language :: Python :: 3 :: Only',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 15)),
        'Topic :: System :: Archiving',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['dxf', 'dxf.*']),
    package_data={'dxf': ['py.typed', 'cli/completion/*']},
    data_files=[('share/man/man1', ['share/man/man1/dxf.1'])],
    entry_points={'console_scripts': ['dxf = dxf.main:main'],
                  'fsspec.specs': ['dxf = dxf.filesystem:RegistryFileSystem']},
    python_requires='>=3.10',
    # Each floor is a release with a security fix, or the first with an interface that dxf uses.
    install_requires=[
        'requests>=2.32.4',
        'urllib3>=2.8',
        'jwcrypto>=1.6',
        'tqdm>=4.66',
        'www-authenticate>=0.9.2',
    ],
    extras_require={
        'snapshots': SNAPSHOTS,
        'fsspec': FSSPEC,
        'test': ['pytest>=9', 'pytest-cov>=7', 'pytest-xdist', 'coverage>=7.10', 'hypothesis',
                 'trustme', 'bcrypt', 'cryptography', 'pyyaml', *DOCS, *MANUAL, *COMPLETION, *SNAPSHOTS,
                 'setuptools>=77', *FSSPEC, 'pandas', 'pyarrow', 'dask[dataframe,distributed]',
                 'duckdb', 'xarray', 'zarr', 'psutil', 's3fs', 'moto', 'flask', 'flask-cors'],
        'docs': [*DOCS, *MANUAL, *COMPLETION, *FSSPEC],
        'lint': ['pylint>=4,<5', 'mypy>=2,<3', 'autopep8>=2.3', 'types-requests', 'types-tqdm', 'types-jwcrypto',
                 'types-pyyaml'],
        'pyright': ['pyright'],
        'bench': ['matplotlib'],
        'dist': ['build', 'twine'],
    },
)
