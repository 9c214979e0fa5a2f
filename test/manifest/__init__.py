"""The tests of dxf.manifest: manifests and indexes, without a registry."""
