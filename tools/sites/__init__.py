"""Many sites whose data stay where they are: how alike they are, what they learn from each other, and what of it is sent.

ACME (arXiv 2507.14802). Here are the tools `build_family`, `choose_cuts` and `customize` with their jobs; beneath, the cloud's part
(`cloud`), what goes on a backbone (`heads`), a site alone (`learning`), the loop between them (`loop`) and how it travels (`engines`).
A site sends a sketch of its features and the importance of its units, never an example, a label or a weight.
"""
