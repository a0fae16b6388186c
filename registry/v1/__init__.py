"""Messages and stubs generated from proto/registry/v1."""
