"""A folder as a registry: an OCI image layout that answers as a registry does."""
