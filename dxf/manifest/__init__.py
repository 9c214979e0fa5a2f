"""Manifests: the documents, and what they mean. No HTTP."""
