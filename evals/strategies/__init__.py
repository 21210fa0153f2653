"""Which way of teaching wins on tasks of known structure, and which the classifier chose before anything was trained."""
