"""Configurations for Triton: sound ones, and for each rule those that break it and no other."""
