"""The carer's door: HTTP, live socket and the web application."""
