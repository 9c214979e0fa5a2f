"""The version of this distribution; setup.py reads it from here without importing the package."""

VERSION = '13.0.0'
