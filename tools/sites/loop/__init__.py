"""Once down and once up: the server, a site, the letters between them, and what the server makes of what it is told."""
