"""Thin shells that feed records to a family and keep its promises."""
