"""Models that others trained: a catalogue of facts, and what a model's parts mean for memory and speed."""
