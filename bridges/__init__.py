"""One module a model hub, on one shared transport."""
