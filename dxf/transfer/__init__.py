"""Transfers of blobs: uploads, downloads, several at once. Authentication is not known here."""
