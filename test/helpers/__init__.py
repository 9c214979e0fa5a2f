"""What the tests share and what is not a server: processes, terminals, images, tables."""
