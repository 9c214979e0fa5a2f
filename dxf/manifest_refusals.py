"""Refusals of manifests: what a registry means by them. ``manifest_store`` sends manifests."""

from http import HTTPStatus

from requests.exceptions import HTTPError

from dxf.transport.responses import error_codes

OF_FIXED_ALIASES = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.CONFLICT,
                    HTTPStatus.PRECONDITION_FAILED, HTTPStatus.LOCKED)
"""Statuses by which registries refuse a manifest for an alias that must not change."""


def lacks_blob(error: HTTPError) -> bool:
    """Return whether a registry refused a manifest because it lacks a blob that the manifest names."""
    # Cloudflare's: https://github.com/cloudflare/serverless-registry/issues/59
    codes = () if error.response is None else error_codes(error.response)
    return 'MANIFEST_BLOB_UNKNOWN' in codes or 'BLOB_UNKNOWN' in codes


def may_be_there(error: HTTPError) -> bool:
    """Return whether a registry may refuse a manifest so because it has it.

    Where tags are immutable Nexus answers 400, Docker Hub and Artifactory 403, Harbor 412.
    https://github.com/getporter/porter/issues/2468 https://github.com/docker/hub-feedback/issues/2466
    """
    return error.response is not None and not lacks_blob(error) and error.response.status_code in OF_FIXED_ALIASES


def is_failed_precondition(error: HTTPError) -> bool:
    """Return whether a registry refused a manifest because the alias names something else than was expected."""
    return error.response is not None and error.response.status_code == HTTPStatus.PRECONDITION_FAILED
