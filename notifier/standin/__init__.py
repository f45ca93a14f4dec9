"""Stand-ins: servers that behave like the real push services, for tests and the demo."""
