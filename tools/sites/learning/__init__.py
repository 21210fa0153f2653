"""What a site does alone: it reads its examples, fits its model, measures what matters in it, and judges it."""
