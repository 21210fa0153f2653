"""What goes on a backbone and is searched: a cell of blocks for labels, an adapter for texts, and the search that both share."""
