"""Names in a site's own folder; apart from `site`, which imports torch."""

FITTED, MODEL = "fitted", "model"
"""Folders: the model as sent, fitted; the site's own model."""
ABOUT_FILE = "site.json"
"""In either, written last: the labels, and of the site's own model what it reached."""
ERROR_FILE = "error.txt"
"""Why the last answer could not be given."""
