"""Whether: campaigns, conditions, caps and arbitration turn transitions into decisions. Pure."""
