"""Pure, vectorised, engine-free steps over frames."""
