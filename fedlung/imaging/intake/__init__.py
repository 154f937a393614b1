"""What hospitals upload, from unknown files to a checked scan without patient data. Paths in, values out."""
