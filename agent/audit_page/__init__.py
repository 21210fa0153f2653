"""A run's record as one HTML page for auditors: facts gathered from its rows, charts laid out, a template that shows them."""
