"""Who is calling: tokens, directories, workload identity."""
