"""Starting and checking a registry: where everything is wired."""
