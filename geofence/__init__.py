"""Where: zones, their indexes, and the tracking that turns pings into transitions. Pure."""
