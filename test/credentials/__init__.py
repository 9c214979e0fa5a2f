"""The tests of dxf.credentials: stored credentials, credential helpers, login."""
