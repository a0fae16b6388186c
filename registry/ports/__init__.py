"""What services need from the outside, as protocols."""
