"""How: templates, languages, channels and the dispatcher that delivers notifications."""
