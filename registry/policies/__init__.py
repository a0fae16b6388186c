"""Policies as files: read strictly, compiled with CEL, evaluated on a gate's document."""
