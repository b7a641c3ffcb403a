"""Training: the room that knows torch. Import its modules by name; the package itself never does."""
