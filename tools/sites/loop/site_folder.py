"""Names in a site's own folder; apart from `site`, which imports torch."""

SENT, FITTED, MODEL = "sent", "fitted", "model"
"""Folders: the model as it was sent; the same, fitted; the site's own model."""
ABOUT_FILE = "site.json"
"""In either, written last: the labels, and of the site's own model what it reached."""
ERROR_FILE = "error.txt"
"""Why the last answer could not be given."""
