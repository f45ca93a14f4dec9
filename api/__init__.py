"""The doors: HTTP, WebSocket, command line, settings and wiring."""
