"""A process that reads what nobody vouches for, and can do nothing but that and answer."""
