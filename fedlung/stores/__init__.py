"""What is kept between processes: runs and their checkpoints. Files are written whole or not at all."""
