"""Credentials that are stored: docker's config.json and credential helpers."""

from dxf.credentials.stored import from_docker_config

__all__ = ['from_docker_config']
