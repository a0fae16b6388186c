"""Pure values and the decisions on them."""
