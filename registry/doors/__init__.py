"""HTTP entry points, a folder a protocol."""
