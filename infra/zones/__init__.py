"""Commands about community zones."""
