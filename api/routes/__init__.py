"""The routes of the native API, a module for each kind of thing."""
