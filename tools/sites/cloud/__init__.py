"""The cloud's part of many sites: a backbone from public examples, of a shape or a checkpoint, and all its sizes."""
