"""What the tasks share that answer with sentences: their search and its options, their tokenizer, their training."""
