"""The tests of dxf.transport: HTTP, TLS, authentication, proxies."""
