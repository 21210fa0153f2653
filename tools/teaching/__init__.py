"""Teachers that are language models: asked, paid for, held against the truth, and made to write what students learn from."""
