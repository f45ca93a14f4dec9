"""What location apps send, as they send it: one pure decoder an app, over what they share."""
