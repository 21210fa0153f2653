"""Teaching a student: shapes, tokenizer, data order, optimiser and the training job."""
