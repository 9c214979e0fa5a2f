"""Reading: blobs that are open as files, fetched as they are read. ``blob_files`` has what opens them."""
