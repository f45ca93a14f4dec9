"""What: places, circuits, events, offers, alerts and zones, and the formats they come in."""
